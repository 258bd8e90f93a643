//! The bus of one process.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use frontdesk_kernel::{Event, EventBus, EventListener, Unavailable};

use crate::hearing::Hearing;

/// Hands events to the listener of this process, on the task of whoever publishes. It is always connected.
pub struct InProcessBus {
    /// A std lock, never held over an await. It keeps the events of two publishers from mixing.
    hearing: Mutex<Hearing>,
}

impl InProcessBus {
    /// Connects a listener, at once.
    pub fn new(listener: Arc<dyn EventListener>) -> Self {
        let hearing = Hearing::new(listener);
        hearing.connected();
        Self { hearing: Mutex::new(hearing) }
    }
}

#[async_trait]
impl EventBus for InProcessBus {
    async fn publish(&self, events: &[Event]) -> Result<(), Unavailable> {
        let mut hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            hearing.heard(event);
        }
        Ok(())
    }
}
