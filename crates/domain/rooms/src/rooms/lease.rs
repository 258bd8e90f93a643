//! The lease of this node: until when others believe that it lives.

use std::sync::{Mutex, MutexGuard, PoisonError};

use frontdesk_kernel::Timestamp;

use crate::store::ENDS_WITHIN;

/// What this node knows of its lease.
#[derive(Debug, Default)]
pub(super) struct Lease {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Until when it was told to run last. `None` until then.
    until: Option<Timestamp>,
    has_lapsed: bool,
}

impl Lease {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is about to be renewed. An answer that is lost may be that it had run out, and the next would not say so any more:
    /// so what is known here counts too.
    pub(super) fn renewing(&self, now: Timestamp) {
        let mut state = self.lock();
        state.has_lapsed |= state.until.is_some_and(|until| until <= now);
    }

    /// It was renewed, and ran until then or not.
    pub(super) fn renewed(&self, until: Timestamp, still_ran: bool) {
        let mut state = self.lock();
        state.until = Some(until);
        state.has_lapsed |= !still_ran;
    }

    /// Whether it ends soon: others do not count who comes in now.
    pub(super) fn is_ending(&self, now: Timestamp) -> bool {
        self.lock().until.is_some_and(|until| until <= now + ENDS_WITHIN)
    }

    /// Others may have let those out who are here, and not all have come in again.
    pub(super) fn lapse(&self) {
        self.lock().has_lapsed = true;
    }

    /// Whether that is so. It is not said again.
    pub(super) fn take_lapse(&self) -> bool {
        std::mem::take(&mut self.lock().has_lapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_seconds(second).unwrap()
    }

    #[test]
    fn a_lease_that_runs_has_not_lapsed() {
        let lease = Lease::default();
        for second in [0, 50, 139] {
            lease.renewing(at(second));
            lease.renewed(at(second + 90), true);
        }
        assert!(!lease.take_lapse());
    }

    #[test]
    fn a_lapse_is_said_once() {
        let lease = Lease::default();
        lease.renewing(at(0));
        lease.renewed(at(90), false);
        assert_eq!([lease.take_lapse(), lease.take_lapse()], [true, false]);
        lease.lapse();
        assert_eq!([lease.take_lapse(), lease.take_lapse()], [true, false]);
    }

    #[test]
    fn a_lapse_is_known_also_where_the_answer_was_lost_that_said_so() {
        let lease = Lease::default();
        lease.renewing(at(0));
        lease.renewed(at(90), true);
        // The first is carried out, and its answer lost: for the store the second comes in time.
        lease.renewing(at(90));
        lease.renewing(at(91));
        lease.renewed(at(181), true);
        assert!(lease.take_lapse());
    }
}
