//! Retrying a request without repeating its effect.
//!
//! A request with an idempotency key first *claims* the key. Whoever gets the claim performs the effect, and the
//! store that commits the effect commits the answer with it: there is no moment at which one exists without the
//! other. A claim that leads nowhere is released, or runs out.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Timestamp, Unavailable, UserId};

/// How long an answer is kept for replay.
pub const KEPT_FOR: Duration = Duration::from_hours(24);

/// How long a claim holds without an answer. Longer than a request takes, so that only a crash or a lost database lets
/// it run out; and no longer, because until then a retry is told to wait. Should two requests hold one claim after all,
/// the store lets only the later one commit.
pub const CLAIM_LEASE: Duration = Duration::from_secs(10);

/// Which request a key belongs to: one principal, one route, one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Who the key belongs to: `user:<id>`, or where nobody is signed in `anonymous:` and a digest of the key.
    pub principal: String,
    /// Method and route pattern, as `POST /users`.
    pub route: String,
    /// The key as sent: 1 to 255 visible ASCII characters.
    pub key: String,
}

/// A digest of the request, to tell a retry from another request under the same key.
pub type Fingerprint = [u8; 32];

/// The right to perform the effect, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What was claimed.
    pub scope: Scope,
    /// Tells this claim from a later one on the same scope, after this one ran out.
    pub token: uuid::Uuid,
    /// The user whose effect it is.
    pub user_id: UserId,
}

/// An answer that was given, without the secrets in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP-like status; only successes are kept.
    pub status: u16,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// An answer to keep, and the claim it fulfils.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The claim.
    pub claim: Claim,
    /// The answer.
    pub answer: Answer,
}

/// What is stored under a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The request it belongs to.
    pub fingerprint: Fingerprint,
    /// The claim that holds or held it.
    pub token: uuid::Uuid,
    /// When the claim was made.
    pub claimed_at: Timestamp,
    /// The answer, once there is one.
    pub answer: Option<Answer>,
}

/// What a request with a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody did: the key is yours, perform the effect.
    Claimed,
    /// Done before: give this answer.
    Replay(Answer),
    /// The first request still runs.
    InProgress,
    /// The key was used for another request.
    Reused,
}

/// Decides what a request may do, given what is stored under its scope.
pub fn decide(stored: Option<&Record>, fingerprint: &Fingerprint, now: Timestamp) -> Outcome {
    let Some(record) = stored else { return Outcome::Claimed };
    let age = now.since(record.claimed_at);
    if age >= KEPT_FOR || (record.answer.is_none() && age >= CLAIM_LEASE) {
        return Outcome::Claimed;
    }
    if record.fingerprint != *fingerprint {
        return Outcome::Reused;
    }
    record.answer.clone().map_or(Outcome::InProgress, Outcome::Replay)
}

/// Keeps claims and answers.
///
/// # Contract
/// - `claim` MUST be atomic: of any number of concurrent calls on one free scope exactly one is `Claimed`.
/// - `claim` MUST answer as [`decide`] does on what is stored.
/// - Scopes that differ in principal, route or key MUST NOT see each other.
/// - `release` MUST free the scope only while the same claim holds it and no answer is stored.
/// - A store that takes a [`Completion`] MUST commit it with the effect, and MUST fail the effect with a conflict
///   where the claim no longer holds the scope.
#[async_trait]
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Claims a scope for a request.
    async fn claim(&self, claim: &Claim, fingerprint: &Fingerprint, now: Timestamp) -> Result<Outcome, Unavailable>;

    /// Gives a claim back that led to no effect.
    async fn release(&self, claim: &Claim) -> Result<(), Unavailable>;

    /// Forgets records claimed before `before`; tells how many.
    async fn purge(&self, before: Timestamp) -> Result<u64, Unavailable>;
}
