//! Claims on idempotency keys.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use frontdesk_kernel::idempotency::{
    self, Answer, Claim, Completion, Fingerprint, IdempotencyStore, Outcome, Record, decide,
};
use frontdesk_kernel::{Timestamp, Unavailable};
use futures_util::FutureExt;
use uuid::Uuid;

use crate::errors::{corrupt, vanished};
use crate::purge::purge;
use crate::schema::idempotency_keys;
use crate::scoped::{Scope, Scoped};
use crate::write::write;

const JOB: Scope<'static> = Scope::Job("idempotency");

/// The age is asked twice: a key that is claimed anew meanwhile is not old any more.
const PURGE: &str = "DELETE FROM app.idempotency_keys WHERE claimed_at < $1 AND ctid = ANY (ARRAY(
    SELECT ctid FROM app.idempotency_keys WHERE claimed_at < $1 ORDER BY claimed_at LIMIT $2))";

/// How often a claim looks again when the row it lost to is released meanwhile.
const ATTEMPTS: u32 = 5;

/// Keeps claims and answers in Postgres.
pub struct PgIdempotencyStore {
    scoped: Scoped,
    worker: Scoped,
}

impl PgIdempotencyStore {
    pub(crate) const fn new(scoped: Scoped, worker: Scoped) -> Self {
        Self { scoped, worker }
    }
}

/// A row of `idempotency_keys`, but for its key.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = idempotency_keys, check_for_backend(diesel::pg::Pg), treat_none_as_null = true)]
struct RecordRow {
    user_id: Uuid,
    token: Uuid,
    fingerprint: Vec<u8>,
    claimed_at: DateTime<Utc>,
    status: Option<i16>,
    body: Option<Vec<u8>>,
}

impl RecordRow {
    fn claimed(claim: &Claim, fingerprint: &Fingerprint, now: Timestamp) -> Self {
        let Claim { scope: _, token, user_id } = claim;
        Self {
            user_id: user_id.as_uuid(),
            token: *token,
            fingerprint: fingerprint.to_vec(),
            claimed_at: now.as_datetime(),
            status: None,
            body: None,
        }
    }
}

impl TryFrom<RecordRow> for Record {
    type Error = Unavailable;

    fn try_from(row: RecordRow) -> Result<Self, Unavailable> {
        let RecordRow { user_id: _, token, fingerprint, claimed_at, status, body } = row;
        let length = fingerprint.len();
        let fingerprint: Fingerprint =
            fingerprint.try_into().map_err(|_| corrupt("idempotency_keys.fingerprint", &format!("{length} bytes")))?;
        let answer = match (status, body) {
            (Some(status), Some(body)) => {
                let status =
                    u16::try_from(status).map_err(|_| corrupt("idempotency_keys.status", &status.to_string()))?;
                Some(Answer { status, body })
            }
            (None | Some(_), _) => None,
        };
        Ok(Self { fingerprint, token, claimed_at: Timestamp::new(claimed_at), answer })
    }
}

/// The rows of a scope: one or none.
fn key_of(scope: &idempotency::Scope) -> (String, String, String) {
    let idempotency::Scope { principal, route, key } = scope;
    (principal.clone(), route.clone(), key.clone())
}

#[async_trait]
impl IdempotencyStore for PgIdempotencyStore {
    async fn claim(&self, claim: &Claim, fingerprint: &Fingerprint, now: Timestamp) -> Result<Outcome, Unavailable> {
        for _ in 0..ATTEMPTS {
            if self.insert(claim, fingerprint, now).await? {
                return Ok(Outcome::Claimed);
            }
            let scope = [Scope::Principal(&claim.scope.principal)];
            let judged =
                self.scoped.transaction(&scope, |unit| judge_locked(unit.connection, claim, fingerprint, now).boxed());
            if let Some(outcome) = judged.await? {
                return Ok(outcome);
            }
        }
        Err(Unavailable::new("an idempotency key was claimed and released too often to be claimed"))
    }

    async fn release(&self, claim: &Claim) -> Result<(), Unavailable> {
        let held = idempotency_keys::table
            .find(key_of(&claim.scope))
            .filter(idempotency_keys::token.eq(claim.token))
            .filter(idempotency_keys::status.is_null());
        let scope = Scope::Principal(&claim.scope.principal);
        let released = self.scoped.statement(scope, |connection| write(connection, diesel::delete(held.clone())));
        released.await.map(|_| ())
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, Unavailable> {
        purge(&self.worker, JOB, PURGE, before).await
    }
}

impl PgIdempotencyStore {
    /// Takes a free scope; of any number at once, one does.
    async fn insert(&self, claim: &Claim, fingerprint: &Fingerprint, now: Timestamp) -> Result<bool, Unavailable> {
        let principal = Scope::Principal(&claim.scope.principal);
        let inserted = self.scoped.statement(principal, |connection| {
            let idempotency::Scope { principal, route, key } = &claim.scope;
            let key = (
                idempotency_keys::principal.eq(principal),
                idempotency_keys::route.eq(route),
                idempotency_keys::key.eq(key),
            );
            write(
                connection,
                diesel::insert_into(idempotency_keys::table)
                    .values((key, RecordRow::claimed(claim, fingerprint, now)))
                    .on_conflict_do_nothing(),
            )
        });
        Ok(inserted.await? == 1)
    }
}

/// Decides on what is stored, and takes it over where the decision is to claim; `None` where nothing is stored.
async fn judge_locked(
    connection: &AsyncPgConnection,
    claim: &Claim,
    fingerprint: &Fingerprint,
    now: Timestamp,
) -> Result<Option<Outcome>, Unavailable> {
    let of_scope = idempotency_keys::table.find(key_of(&claim.scope));
    let locked = of_scope.clone().select(RecordRow::as_select()).for_update().load(&mut &*connection);
    let rows: Vec<RecordRow> = locked.await.map_err(Unavailable::new)?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let outcome = decide(Some(&Record::try_from(row)?), fingerprint, now);
    if outcome == Outcome::Claimed {
        let row = RecordRow::claimed(claim, fingerprint, now);
        let taken = write(connection, diesel::update(of_scope).set(row)).await.map_err(Unavailable::new)?;
        if taken != 1 {
            return Err(vanished("idempotency_keys"));
        }
    }
    Ok(Some(outcome))
}

/// Stores an answer, as part of the transaction that makes its effect; `false` where the claim is lost.
pub(crate) async fn complete(connection: &AsyncPgConnection, completion: &Completion) -> QueryResult<bool> {
    let Completion { claim, answer: Answer { status, body } } = completion;
    let held = idempotency_keys::table
        .find(key_of(&claim.scope))
        .filter(idempotency_keys::token.eq(claim.token))
        .filter(idempotency_keys::status.is_null());
    let status = i16::try_from(*status).unwrap_or(i16::MAX);
    let answer = (idempotency_keys::status.eq(Some(status)), idempotency_keys::body.eq(Some(body)));
    let stored = write(connection, diesel::update(held).set(answer)).await?;
    Ok(stored == 1)
}
