//! The outbox.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use frontdesk_kernel::{Event, Outbox, Timestamp, Unavailable};
use futures_util::FutureExt;

use crate::purge::purge;
use crate::rows::EventRow;
use crate::schema::outbox;
use crate::scoped::{Scope, Scoped};

const JOB: Scope<'static> = Scope::Job("outbox");

const PURGE: &str = "DELETE FROM app.outbox WHERE occurred_at < $1 AND ctid = ANY (ARRAY(
    SELECT ctid FROM app.outbox WHERE occurred_at < $1 ORDER BY occurred_at LIMIT $2))";

/// Reads and forgets the events that the stores have committed.
pub struct PgOutbox {
    worker: Scoped,
}

impl PgOutbox {
    pub(crate) const fn new(worker: Scoped) -> Self {
        Self { worker }
    }
}

#[async_trait]
impl Outbox for PgOutbox {
    async fn pending(&self, limit: u32) -> Result<Vec<Event>, Unavailable> {
        let oldest = outbox::table.order(outbox::seq).limit(i64::from(limit)).select(EventRow::as_select());
        let rows: Vec<EventRow> = self.worker.read(JOB, |connection| oldest.load(&mut &*connection).boxed()).await?;
        rows.into_iter().map(Event::try_from).collect()
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, Unavailable> {
        purge(&self.worker, JOB, PURGE, before).await
    }
}
