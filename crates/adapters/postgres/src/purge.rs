//! Forgetting what is old.

use diesel::sql_query;
use diesel::sql_types::{BigInt, Timestamptz};
use frontdesk_kernel::{Timestamp, Unavailable};

use crate::scoped::{Scope, Scoped};
use crate::write::write;

/// How many rows one statement deletes: few enough for the deadline of a statement, however much there is to forget.
const BATCH: i64 = 5_000;

/// Repeats a DELETE of at most `$2` rows from before `$1` until one finds fewer; tells how many went in all.
pub(crate) async fn purge(
    worker: &Scoped,
    job: Scope<'static>,
    sql: &'static str,
    before: Timestamp,
) -> Result<u64, Unavailable> {
    let mut purged = 0;
    loop {
        let delete = || sql_query(sql).bind::<Timestamptz, _>(before.as_datetime()).bind::<BigInt, _>(BATCH);
        let deleted = worker.statement(job, |connection| write(connection, delete())).await?;
        let deleted = i64::try_from(deleted).unwrap_or(i64::MAX);
        purged += deleted.unsigned_abs();
        if deleted < BATCH {
            return Ok(purged);
        }
    }
}
