//! Accounts of which something is known that saves a question to the store.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use frontdesk_kernel::{Timestamp, UserId};

/// How many accounts are remembered. One that is forgotten costs a statement that changes nothing.
const MOST: usize = 10_000;

/// Remembers accounts for a while: those whose claim this process has seen closed, until their window would have ended
/// by itself (a closed claim never opens again); and those of trusted issuers that this process has seen to be there.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<HashMap<UserId, Timestamp>>);

impl Remembered {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn holds(&self, user: UserId, now: Timestamp) -> bool {
        self.lock().get(&user).is_some_and(|until| now < *until)
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    pub(crate) fn remove(&self, user: UserId) {
        self.lock().remove(&user);
    }

    pub(crate) fn add(&self, user: UserId, until: Timestamp, now: Timestamp) {
        let mut users = self.lock();
        if users.len() >= MOST {
            users.retain(|_, until| now < *until);
        }
        // Forgetting all at once is cheaper than choosing.
        if users.len() >= MOST {
            users.clear();
        }
        users.insert(user, until);
    }
}
