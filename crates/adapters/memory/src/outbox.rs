//! The outbox.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::{Event, EventId, Outbox, Timestamp, Unavailable, UserId};

use crate::lock::lock;
use crate::state::State;

/// Events in the order of their commits.
#[derive(Default)]
pub(crate) struct Events {
    /// Those that nobody has told yet.
    pub(crate) pending: VecDeque<Event>,
    /// Those that wait to be purged.
    told: VecDeque<Event>,
}

/// Keeps events in memory, until they are told and purged.
#[derive(Debug)]
pub struct MemoryOutbox {
    state: Arc<State>,
}

impl MemoryOutbox {
    pub(crate) const fn new(state: Arc<State>) -> Self {
        Self { state }
    }
}

impl Events {
    /// Drops the events of a user, told or not.
    pub(crate) fn forget(&mut self, user: UserId) {
        self.pending.retain(|event| event.user_id != user);
        self.told.retain(|event| event.user_id != user);
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn committed(&self) {
        self.state.committed.notified().await;
    }

    async fn pending(&self, limit: u32) -> Result<Vec<Event>, Unavailable> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(lock(&self.state.events).pending.iter().take(limit).cloned().collect())
    }

    async fn told(&self, events: &[EventId]) -> Result<(), Unavailable> {
        let told: HashSet<&EventId> = events.iter().collect();
        let mut events = lock(&self.state.events);
        // They stand in front: whoever tells events takes the oldest.
        let (told, pending) = events.pending.drain(..).partition(|event| told.contains(&event.id));
        let told: VecDeque<Event> = told;
        events.pending = pending;
        events.told.extend(told);
        Ok(())
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, Unavailable> {
        let told = &mut lock(&self.state.events).told;
        let held = told.len();
        // Clocks go backwards, so what is old need not stand in front.
        told.retain(|event| event.occurred_at >= before);
        let kept = told.len();
        // Twice what is in use: the memory of a busy hour goes back, and the next event allocates nothing.
        told.shrink_to(kept.saturating_mul(2));
        Ok(u64::try_from(held - kept).unwrap_or(u64::MAX))
    }
}
