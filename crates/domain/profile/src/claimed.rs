//! The accounts that are known to be claimed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use frontdesk_kernel::{Timestamp, UserId};

/// How many accounts are remembered. One that is forgotten costs a statement that changes nothing.
const MOST: usize = 10_000;

/// Remembers the accounts whose claim this process has seen closed, until their window would have ended by itself.
/// A closed claim never opens again, so that nothing here can be stale.
#[derive(Debug, Default)]
pub(crate) struct Claimed(Mutex<HashMap<UserId, Timestamp>>);

impl Claimed {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn holds(&self, user: UserId) -> bool {
        self.lock().contains_key(&user)
    }

    pub(crate) fn add(&self, user: UserId, until: Timestamp, now: Timestamp) {
        let mut users = self.lock();
        if users.len() >= MOST {
            users.retain(|_, until| now < *until);
        }
        if users.len() < MOST {
            users.insert(user, until);
        }
    }
}
