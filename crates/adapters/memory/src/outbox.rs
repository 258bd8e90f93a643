//! The outbox.

use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::{Event, Outbox, Timestamp, Unavailable};

use crate::lock::lock;
use crate::state::State;

/// Keeps events in memory, until they are purged.
#[derive(Debug)]
pub struct MemoryOutbox {
    state: Arc<State>,
}

impl MemoryOutbox {
    pub(crate) const fn new(state: Arc<State>) -> Self {
        Self { state }
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn pending(&self, limit: u32) -> Result<Vec<Event>, Unavailable> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(lock(&self.state.events).iter().take(limit).cloned().collect())
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, Unavailable> {
        let mut events = lock(&self.state.events);
        let held = events.len();
        // Clocks go backwards, so what is old need not stand in front.
        events.retain(|event| event.occurred_at >= before);
        let kept = events.len();
        // Twice what is in use: the memory of a busy hour goes back, and the next event allocates nothing.
        events.shrink_to(kept.saturating_mul(2));
        Ok(u64::try_from(held - kept).unwrap_or(u64::MAX))
    }
}
