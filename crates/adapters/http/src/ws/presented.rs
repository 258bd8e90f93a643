//! What members look like, remembered for the welcomes to come.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use frontdesk_kernel::UserId;

/// How many of each half: 32,768 members of some 200 bytes in all, and of [`TEXT_MAX`] at most.
const HALF_MAX: usize = 16_384;

/// No longer text is kept: a few long names must not take the place of the rest.
const TEXT_MAX: usize = 1_024;

/// How many counters tell what was outdated. Users that share one only read once too often.
const COUNTERS: usize = 256;

/// What had been outdated when a read began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen(u64);

/// The text of each member, bounded. What was read before it was outdated is not taken in after it.
pub(super) struct Presented {
    known: Mutex<Known>,
    hasher: RandomState,
}

/// Two halves: as the recent one is full it becomes the older one, so what nobody asks for is forgotten.
struct Known {
    recent: HashMap<UserId, Arc<str>>,
    older: HashMap<UserId, Arc<str>>,
    outdated: [u64; COUNTERS],
}

impl Presented {
    pub(super) fn new() -> Self {
        let known = Known { recent: HashMap::new(), older: HashMap::new(), outdated: [0; COUNTERS] };
        Self { known: Mutex::new(known), hasher: RandomState::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counter(&self, user_id: UserId) -> usize {
        usize::try_from(self.hasher.hash_one(user_id) % COUNTERS as u64).unwrap_or_default()
    }

    /// What is known of each; `None` of those who have to be read.
    pub(super) fn known(&self, users: &[UserId]) -> Vec<Option<Arc<str>>> {
        let mut known = self.lock();
        users.iter().map(|user_id| known.find(*user_id)).collect()
    }

    /// Call it before reading somebody.
    pub(super) fn before_reading(&self, user_id: UserId) -> Seen {
        let counter = self.counter(user_id);
        Seen(self.lock().outdated.get(counter).copied().unwrap_or_default())
    }

    /// Remembers what was read, unless it is out of date by now, or long.
    pub(super) fn add(&self, user_id: UserId, member: &Arc<str>, seen: Seen) {
        if member.len() > TEXT_MAX {
            return;
        }
        let counter = self.counter(user_id);
        let mut known = self.lock();
        if known.outdated.get(counter) == Some(&seen.0) {
            known.add(user_id, Arc::clone(member));
        }
    }

    /// Forgets somebody, or everybody.
    pub(super) fn outdate(&self, user_id: Option<UserId>) {
        let mut known = self.lock();
        if let Some(user_id) = user_id {
            known.recent.remove(&user_id);
            known.older.remove(&user_id);
            if let Some(counter) = known.outdated.get_mut(self.counter(user_id)) {
                *counter += 1;
            }
        } else {
            known.recent.clear();
            known.older.clear();
            known.outdated.iter_mut().for_each(|counter| *counter += 1);
        }
    }
}

impl Known {
    fn find(&mut self, user_id: UserId) -> Option<Arc<str>> {
        if let Some(member) = self.recent.get(&user_id) {
            return Some(Arc::clone(member));
        }
        let member = self.older.remove(&user_id)?;
        self.add(user_id, Arc::clone(&member));
        Some(member)
    }

    fn add(&mut self, user_id: UserId, member: Arc<str>) {
        if self.recent.len() >= HALF_MAX {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(user_id, member);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn user(index: usize) -> UserId {
        UserId::new(Uuid::from_u128(index as u128))
    }

    fn learn(presented: &Presented, index: usize) {
        presented.add(user(index), &index.to_string().into(), presented.before_reading(user(index)));
    }

    fn knows(presented: &Presented, index: usize) -> bool {
        presented.known(&[user(index)]).pop().unwrap().is_some()
    }

    #[test]
    fn what_was_read_is_known_until_it_is_outdated() {
        let presented = Presented::new();
        learn(&presented, 1);
        learn(&presented, 2);
        assert!(knows(&presented, 1));
        presented.outdate(Some(user(1)));
        assert!(!knows(&presented, 1) && knows(&presented, 2));
        presented.outdate(None);
        assert!(!knows(&presented, 2));
    }

    #[test]
    fn what_was_read_before_it_was_outdated_is_not_taken_in_after_it() {
        for outdated in [Some(user(1)), None] {
            let presented = Presented::new();
            let seen = presented.before_reading(user(1));
            presented.outdate(outdated);
            presented.add(user(1), &"old".into(), seen);
            assert!(!knows(&presented, 1));
        }
    }

    #[test]
    fn long_texts_are_not_kept() {
        let presented = Presented::new();
        for (index, length) in [(1, TEXT_MAX), (2, TEXT_MAX + 1)] {
            presented.add(user(index), &"x".repeat(length).into(), presented.before_reading(user(index)));
        }
        assert!(knows(&presented, 1) && !knows(&presented, 2));
    }

    #[test]
    fn memory_is_bounded_and_what_is_asked_for_stays() {
        let presented = Presented::new();
        for index in 0..5 * HALF_MAX {
            learn(&presented, index);
            assert!(knows(&presented, 0));
        }
        let known = presented.lock();
        assert!(known.recent.len() <= HALF_MAX && known.older.len() <= HALF_MAX);
        drop(known);
        assert!(!knows(&presented, 1));
    }
}
