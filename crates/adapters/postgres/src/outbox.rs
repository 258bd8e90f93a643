//! The outbox.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use frontdesk_kernel::{Event, Outbox, Timestamp, Unavailable};
use futures_util::FutureExt;

use crate::rows::EventRow;
use crate::schema::outbox;
use crate::scoped::{Scope, Scoped};
use crate::write::write;

const JOB: Scope<'static> = Scope::Job("outbox");

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
        let old = outbox::table.filter(outbox::occurred_at.lt(before.as_datetime()));
        let purged = self.worker.statement(JOB, |connection| write(connection, diesel::delete(old)));
        Ok(u64::try_from(purged.await?).unwrap_or(u64::MAX))
    }
}
