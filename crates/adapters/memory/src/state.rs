//! What all stores of one backend share.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, RwLock};

use frontdesk_kernel::idempotency::{Record, Scope};
use frontdesk_kernel::{Event, SessionId, Timestamp, UserId};
use frontdesk_profile::account::{Account, Tombstone};
use frontdesk_profile::channels::Channels;
use frontdesk_profile::profile::Profile;
use frontdesk_profile::revocation::Revocation;
use frontdesk_profile::session::{Ending, Session};
use frontdesk_profile::settings::Settings;
use frontdesk_profile::token::Identity;
use tokio::sync::Notify;

use crate::lock::lock;
use crate::outbox::Events;
use crate::pictures::Pictures;
use crate::rooms::Rooms;

/// Readers of different users rarely meet at one lock.
const SHARDS: usize = 64;

/// Everything of one user.
pub(crate) struct Row {
    pub(crate) account: Account,
    /// Shared with whoever reads it: the hot path hands out a reference, and a change puts another one here.
    pub(crate) profile: Arc<Profile>,
    pub(crate) settings: Settings,
    pub(crate) channels: Channels,
    pub(crate) sessions: Vec<Session>,
    pub(crate) identities: Vec<Identity>,
}

impl Row {
    /// The sessions that have not run out, the one seen least recently first.
    pub(crate) fn live(&self, now: Timestamp) -> Vec<SessionId> {
        let mut live: Vec<_> = self.sessions.iter().filter(|session| now < session.expires_at).collect();
        live.sort_by_key(|session| (session.last_seen_at, session.id));
        live.into_iter().map(|session| session.id).collect()
    }
}

/// Who has a username.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) user_id: UserId,
    /// Of a deleted account: until when nobody may take it.
    pub(crate) rests_until: Option<Timestamp>,
}

impl Holder {
    pub(crate) const fn of(user_id: UserId) -> Self {
        Self { user_id, rests_until: None }
    }
}

/// An idempotency key, and whose effect it stands for.
pub(crate) struct Kept {
    pub(crate) record: Record,
    pub(crate) user_id: UserId,
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
    pub(crate) usernames: RwLock<HashMap<String, Holder>>,
    rows: Shards,
    /// Those of deleted accounts too, until their files are gone.
    pub(crate) pictures: Mutex<HashMap<UserId, Pictures>>,
    /// What stands in the place of deleted accounts.
    pub(crate) tombstones: Mutex<HashMap<UserId, Tombstone>>,
    /// What is refused although its signature is good.
    pub(crate) revocations: Mutex<HashMap<UserId, Vec<Revocation>>>,
    /// The idempotency keys.
    pub(crate) records: Mutex<HashMap<Scope, Kept>>,
    /// Apart from all that belongs to accounts: what is written to logs holds up nobody who reads a profile.
    pub(crate) rooms: Mutex<Rooms>,
    /// In the order of their commits.
    pub(crate) events: Mutex<Events>,
    /// Wakes whoever waits for the next event.
    pub(crate) committed: Notify,
}

impl State {
    /// The rows among which a user's row is, if it is anywhere.
    pub(crate) fn rows_of(&self, user: UserId) -> &RwLock<Rows> {
        self.rows.of(user)
    }

    /// Puts an event into the outbox. The caller holds the lock of what it tells of, and cannot fail any more.
    pub(crate) fn append(&self, event: Event) {
        lock(&self.events).pending.push_back(event);
        // Wakes whoever waits, or else whoever waits next: an event between a look and a wait is not missed.
        self.committed.notify_one();
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = &RwLock<Rows>> {
        self.rows.0.iter().map(|shard| &shard.0)
    }

    /// Remembers what is refused.
    pub(crate) fn revoke(&self, user: UserId, revocations: impl IntoIterator<Item = Revocation>) {
        lock(&self.revocations).entry(user).or_default().extend(revocations);
    }

    /// Ends sessions of a row that is locked.
    pub(crate) fn end(&self, row: &mut Row, ending: &Ending) {
        let Ending { sessions, revocations, event } = ending;
        row.sessions.retain(|session| !sessions.contains(&session.id));
        self.revoke(event.user_id, revocations.iter().copied());
        self.append(event.clone());
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
