//! What a node hears, without the repetitions.

use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use frontdesk_kernel::{Event, EventId, EventListener};

/// How many ids a node remembers. Relays repeat a batch of a hundred at most, soon after it was told.
const REMEMBERED: usize = 4_096;

/// A listener that hears each event once.
pub(crate) struct Hearing {
    listener: Arc<dyn EventListener>,
    seen: Seen,
}

impl Hearing {
    pub(crate) fn new(listener: Arc<dyn EventListener>) -> Self {
        Self { listener, seen: Seen::default() }
    }

    pub(crate) fn heard(&mut self, event: &Event) {
        if self.seen.is_new(event.id) {
            self.tell(|listener| listener.heard(event));
        }
    }

    pub(crate) fn connected(&self) {
        self.tell(EventListener::connected);
    }

    pub(crate) fn lost(&self) {
        self.tell(EventListener::lost);
    }

    /// A panic of the listener must not end the task that hears for the whole node.
    fn tell(&self, what: impl FnOnce(&dyn EventListener)) {
        if catch_unwind(AssertUnwindSafe(|| what(self.listener.as_ref()))).is_err() {
            tracing::error!("a listener of the event bus panicked; it hears on");
        }
    }
}

/// The last ids that were heard.
#[derive(Default)]
struct Seen {
    ids: HashSet<EventId>,
    /// In the order in which they came.
    order: VecDeque<EventId>,
}

impl Seen {
    fn is_new(&mut self, id: EventId) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_testkit::builders::event_id;

    use super::*;

    #[test]
    fn an_id_is_new_once() {
        let (mut seen, id) = (Seen::default(), event_id());
        assert!(seen.is_new(id) && !seen.is_new(id) && !seen.is_new(id));
        assert!(seen.is_new(event_id()));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
        let (mut seen, first, second) = (Seen::default(), event_id(), event_id());
        assert!(seen.is_new(first) && seen.is_new(second));
        for _ in 0..REMEMBERED - 1 {
            assert!(seen.is_new(event_id()));
        }
        assert!(!seen.is_new(second), "still remembered");
        assert!(seen.is_new(first), "forgotten");
        assert_eq!((seen.ids.len(), seen.order.len()), (REMEMBERED, REMEMBERED));
    }
}
