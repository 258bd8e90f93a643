//! What is refused, and who is there, known in this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use frontdesk_kernel::{Clock, Event, EventBody, SessionId, Timestamp, Unavailable, UserId};

use crate::SessionStore;
use crate::remembered::Remembered;
use crate::revocation::{Reach, Remember, Revocation};
use crate::token::AccessClaims;

/// How long the account of a trusted issuer's user is known to be there.
const ACCOUNT_KNOWN_FOR: Duration = Duration::from_mins(10);

/// How many revocations are held before those that are over are looked for.
const SWEEP_AT: usize = 1_024;

/// Tells without a question to the store whether a token has been revoked.
///
/// Revocations come in by event, from every node. While events may be missed ([`Self::suspend`]), each token costs a
/// question to the store instead; [`Self::resume`] reads what was missed.
///
/// It also remembers which users of trusted issuers have an account: a deletion ends that as it ends their tokens.
pub struct Revocations {
    store: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    remember: Remember,
    is_current: AtomicBool,
    known: RwLock<Known>,
    accounts: Remembered,
    /// Counts what may have made an account go away.
    departures: AtomicU64,
}

/// What had been heard when an account was looked for. An account that goes meanwhile is not remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen(u64);

#[derive(Default)]
struct Known {
    /// Counts the interruptions: what was read before one is not everything after it.
    interruptions: u64,
    sessions: HashMap<SessionId, Revocation>,
    users: HashMap<UserId, Vec<Revocation>>,
    sweep_at: usize,
}

impl Revocations {
    /// Knows nothing yet, and asks the store until it is resumed.
    pub fn new(store: Arc<dyn SessionStore>, clock: Arc<dyn Clock>, remember: Remember) -> Self {
        Self {
            store,
            clock,
            remember,
            is_current: AtomicBool::new(false),
            known: RwLock::default(),
            accounts: Remembered::default(),
            departures: AtomicU64::new(0),
        }
    }

    /// How long what is refused has to be remembered.
    pub const fn remember(&self) -> Remember {
        self.remember
    }

    /// Tells whether a token is refused.
    pub async fn refuses(&self, claims: &AccessClaims) -> Result<bool, Unavailable> {
        // Asked first: what is known a moment later is then at least what makes it current.
        let is_current = self.is_current.load(Ordering::Acquire);
        // What is known is true even where more may be unknown.
        if self.read().refuses(claims) {
            return Ok(true);
        }
        if is_current {
            return Ok(false);
        }
        let stored = self.store.revocations_of(claims.user_id, self.clock.now()).await?;
        Ok(stored.iter().any(|revocation| revocation.refuses(claims)))
    }

    /// Takes in what an event revokes.
    pub fn hear(&self, event: &Event) {
        self.add(Revocation::of(event, self.remember));
        if matches!(event.body, EventBody::AccountDeleted { .. }) {
            self.departures.fetch_add(1, Ordering::AcqRel);
            self.accounts.remove(event.user_id);
        }
    }

    /// Tells whether a user is known to have an account; otherwise, what has to be shown once one was found.
    pub(crate) fn looks_for_account(&self, user: UserId, now: Timestamp) -> Option<Seen> {
        let seen = Seen(self.departures.load(Ordering::Acquire));
        (!self.accounts.holds(user, now)).then_some(seen)
    }

    /// Remembers that a user has an account.
    pub(crate) fn found_account(&self, user: UserId, seen: Seen, now: Timestamp) {
        // While events may be missed, so may the deletion.
        if !self.is_current.load(Ordering::Acquire) {
            return;
        }
        self.accounts.add(user, now + ACCOUNT_KNOWN_FOR, now);
        if self.departures.load(Ordering::Acquire) != seen.0 {
            self.accounts.remove(user);
        }
    }

    fn add(&self, revocations: Vec<Revocation>) {
        if !revocations.is_empty() {
            let now = self.clock.now();
            self.write().add(revocations, now);
        }
    }

    /// Events may be missed from now on.
    pub fn suspend(&self) {
        let mut known = self.write();
        known.interruptions += 1;
        self.is_current.store(false, Ordering::Release);
        self.departures.fetch_add(1, Ordering::AcqRel);
        self.accounts.clear();
    }

    /// Events arrive again: reads what was missed. Where they stop meanwhile, the store is asked further on.
    pub async fn resume(&self) -> Result<(), Unavailable> {
        let before = self.read().interruptions;
        let now = self.clock.now();
        let stored = self.store.revocations(now).await?;
        let mut known = self.write();
        known.add(stored, now);
        if known.interruptions == before {
            self.departures.fetch_add(1, Ordering::AcqRel);
            self.is_current.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// How many revocations are held: what bounds the memory is tested by it.
    pub fn len(&self) -> usize {
        let known = self.read();
        known.sessions.len() + known.users.len()
    }

    /// Tells whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn refuses(&self, claims: &AccessClaims) -> bool {
        self.sessions.get(&claims.session_id).is_some_and(|revocation| revocation.refuses(claims))
            || self.users.get(&claims.user_id).is_some_and(|of_user| of_user.iter().any(|one| one.refuses(claims)))
    }

    fn add(&mut self, revocations: Vec<Revocation>, now: Timestamp) {
        for revocation in revocations {
            match revocation.reach {
                Reach::Session(session) => {
                    self.sessions.insert(session, revocation);
                }
                Reach::Foreign(_) | Reach::All(_) => {
                    let of_user = self.users.entry(revocation.user_id).or_default();
                    of_user.push(revocation);
                    // The latest cut of a kind says all that the earlier ones said.
                    of_user.sort_by_key(|known| std::cmp::Reverse(known.until));
                    let mut kinds = Vec::new();
                    of_user.retain(|known| {
                        let kind = std::mem::discriminant(&known.reach);
                        let is_latest = !kinds.contains(&kind);
                        kinds.push(kind);
                        is_latest && now < known.until
                    });
                }
            }
        }
        if self.sessions.len() + self.users.len() >= self.sweep_at.max(SWEEP_AT) {
            self.sessions.retain(|_, revocation| now < revocation.until);
            self.users.retain(|_, of_user| {
                of_user.retain(|revocation| now < revocation.until);
                !of_user.is_empty()
            });
            // Twice what is left: sweeping stays cheap however much has to be remembered.
            self.sweep_at = (self.sessions.len() + self.users.len()) * 2;
        }
    }
}
