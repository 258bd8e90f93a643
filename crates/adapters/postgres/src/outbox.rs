//! The outbox.

use std::sync::Arc;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Array;
use diesel_async::RunQueryDsl;
use frontdesk_kernel::{Event, EventBody, EventId, Outbox, Timestamp, Unavailable};
use futures_util::FutureExt;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::purge::purge;
use crate::rows::EventRow;
use crate::schema::outbox;
use crate::scoped::{Scope, Scoped};
use crate::write::write;

const JOB: Scope<'static> = Scope::Job("outbox");

const PURGE: &str = "DELETE FROM app.outbox WHERE occurred_at < $1 AND told_at IS NOT NULL AND ctid = ANY (ARRAY(
    SELECT ctid FROM app.outbox WHERE occurred_at < $1 AND told_at IS NOT NULL ORDER BY occurred_at LIMIT $2))";

/// The first to tell stands: what a faster relay has told is not written again. Rows are locked in their order, so relays
/// that tell the same do not wait for each other in a circle. A mark that is lost with the server is made again, so that
/// nobody has to wait for the disk.
const TOLD: &str = "UPDATE app.outbox SET told_at = now()
    FROM set_config('synchronous_commit', 'off', true) WHERE seq = ANY (ARRAY(
    SELECT seq FROM app.outbox WHERE id = ANY ($1) AND told_at IS NULL ORDER BY seq FOR UPDATE))";

/// Tells that a transaction of this process has committed. It may have left an event.
#[derive(Clone, Default)]
pub(crate) struct Committed(Arc<Notify>);

impl Committed {
    /// Wakes whoever waits, or else whoever waits next: a commit between a look and a wait is not missed.
    pub(crate) fn signal(&self) {
        self.0.notify_one();
    }
}

/// Reads and forgets the events that the stores have committed.
pub struct PgOutbox {
    worker: Scoped,
    committed: Committed,
}

impl PgOutbox {
    pub(crate) const fn new(worker: Scoped, committed: Committed) -> Self {
        Self { worker, committed }
    }
}

#[async_trait]
impl Outbox for PgOutbox {
    async fn committed(&self) {
        self.committed.0.notified().await;
    }

    async fn pending(&self, limit: u32) -> Result<Vec<Event>, Unavailable> {
        // What a newer node wrote waits for one: were it read here, nothing behind it would ever be told.
        let oldest = || {
            let is_known = outbox::body.retrieve_as_text("type").eq_any(EventBody::TYPES);
            let pending = outbox::table.filter(outbox::told_at.is_null()).filter(is_known);
            pending.order(outbox::seq).limit(i64::from(limit)).select(EventRow::as_select())
        };
        let rows: Vec<EventRow> = self.worker.read(JOB, |connection| oldest().load(&mut &*connection).boxed()).await?;
        rows.into_iter().map(Event::try_from).collect()
    }

    async fn told(&self, events: &[EventId]) -> Result<(), Unavailable> {
        let ids: Vec<Uuid> = events.iter().map(|id| id.as_uuid()).collect();
        let told = || sql_query(TOLD).bind::<Array<diesel::sql_types::Uuid>, _>(&ids);
        self.worker.statement(JOB, |connection| write(connection, told())).await?;
        Ok(())
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, Unavailable> {
        purge(&self.worker, JOB, PURGE, before).await
    }
}
