//! Idempotency keys.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::idempotency::{Claim, Completion, Fingerprint, IdempotencyStore, Outcome, Record, Scope, decide};
use frontdesk_kernel::{Timestamp, Unavailable};

use crate::lock::lock;
use crate::state::{Kept, State};

/// Keeps claims and answers in memory.
#[derive(Debug)]
pub struct MemoryIdempotencyStore {
    state: Arc<State>,
}

impl MemoryIdempotencyStore {
    pub(crate) const fn new(state: Arc<State>) -> Self {
        Self { state }
    }
}

/// The record that a claim holds: its own, and without an answer.
pub(crate) fn held_by<'a>(records: &'a mut HashMap<Scope, Kept>, claim: &Claim) -> Option<&'a mut Record> {
    // Whose effect it is does not say who holds the key: a repeated registration has another user in mind.
    let Claim { scope, token, user_id: _ } = claim;
    let record = records.get_mut(scope).map(|kept| &mut kept.record);
    record.filter(|record| record.token == *token && record.answer.is_none())
}

/// Keeps the answer of a claim that holds its scope; tells whether it does.
pub(crate) fn complete(records: &mut HashMap<Scope, Kept>, completion: &Completion) -> bool {
    let Completion { claim, answer } = completion;
    held_by(records, claim).map(|record| record.answer = Some(answer.clone())).is_some()
}

#[async_trait]
impl IdempotencyStore for MemoryIdempotencyStore {
    async fn claim(&self, claim: &Claim, fingerprint: &Fingerprint, now: Timestamp) -> Result<Outcome, Unavailable> {
        let Claim { scope, token, user_id } = claim;
        let mut records = lock(&self.state.records);
        let outcome = decide(records.get(scope).map(|kept| &kept.record), fingerprint, now);
        if outcome == Outcome::Claimed {
            let record = Record { fingerprint: *fingerprint, token: *token, claimed_at: now, answer: None };
            records.insert(scope.clone(), Kept { record, user_id: *user_id });
        }
        Ok(outcome)
    }

    async fn release(&self, claim: &Claim) -> Result<(), Unavailable> {
        let mut records = lock(&self.state.records);
        if held_by(&mut records, claim).is_some() {
            records.remove(&claim.scope);
        }
        Ok(())
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, Unavailable> {
        let mut records = lock(&self.state.records);
        let held = records.len();
        records.retain(|_, kept| kept.record.claimed_at >= before);
        let kept = records.len();
        records.shrink_to(kept.saturating_mul(2));
        Ok(u64::try_from(held - kept).unwrap_or(u64::MAX))
    }
}
