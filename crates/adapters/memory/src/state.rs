//! What all stores of one backend share.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, RwLock};

use frontdesk_kernel::idempotency::{Record, Scope};
use frontdesk_kernel::{Event, UserId};
use frontdesk_profile::account::Account;
use frontdesk_profile::channels::Channels;
use frontdesk_profile::profile::Profile;
use frontdesk_profile::settings::Settings;

/// Readers of different users rarely meet at one lock.
const SHARDS: usize = 64;

/// Everything of one user.
pub(crate) struct Row {
    pub(crate) account: Account,
    /// Shared with whoever reads it: the hot path hands out a reference, and a change puts another one here.
    pub(crate) profile: Arc<Profile>,
    pub(crate) settings: Settings,
    pub(crate) channels: Channels,
}

pub(crate) type Rows = HashMap<UserId, Row>;

/// The tables.
///
/// Std locks, never held over an await: each section is a few microseconds of copying. Whoever holds several took
/// them in the order of these fields. A change keeps the lock of its row until its event is in the outbox, so the
/// events of one user stand there in the order of their commits.
#[derive(Default)]
pub(crate) struct State {
    /// Who has a username, by its comparison form. Held where a username may change.
    pub(crate) usernames: RwLock<HashMap<String, UserId>>,
    rows: Shards,
    /// The idempotency keys.
    pub(crate) records: Mutex<HashMap<Scope, Record>>,
    /// In the order of their commits.
    pub(crate) events: Mutex<VecDeque<Event>>,
}

impl State {
    /// The rows among which a user's row is, if it is anywhere.
    pub(crate) fn rows_of(&self, user: UserId) -> &RwLock<Rows> {
        self.rows.of(user)
    }
}

impl fmt::Debug for State {
    /// Users are nobody's business in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

/// Each on a cache line of its own: readers of neighbours must not slow each other down.
#[derive(Default)]
#[repr(align(128))]
struct Shard(RwLock<Rows>);

struct Shards(Box<[Shard]>);

impl Shards {
    /// Ids of a trusted issuer are not ours to choose. At worst they all meet at one lock, and nothing else changes.
    #[expect(clippy::indexing_slicing, reason = "a remainder of the length is below the length")]
    fn of(&self, user: UserId) -> &RwLock<Rows> {
        let [.., last] = user.as_uuid().into_bytes();
        &self.0[usize::from(last) % self.0.len()].0
    }
}

impl Default for Shards {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Shard::default()).collect())
    }
}
