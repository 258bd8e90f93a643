//! Forgets what is kept for a while only.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::idempotency::{IdempotencyStore, KEPT_FOR};
use frontdesk_kernel::{Clock, Outbox, Unavailable};
use frontdesk_profile::{AccountStore, Avatars, SessionStore};
use frontdesk_rooms::RoomStore;
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior};

use crate::describe::describe;

const EVERY: Duration = Duration::from_mins(1);
/// How long events are kept for clients that come back and ask what they have missed.
const EVENTS_KEPT_FOR: Duration = Duration::from_mins(10);

/// How long the files of pictures may take to go, in one round. The store of files may be far away.
const FILES_PATIENCE: Duration = Duration::from_secs(30);

/// The stores that forget.
pub(crate) struct Housekeeping {
    pub(crate) idempotency: Arc<dyn IdempotencyStore>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) accounts: Arc<dyn AccountStore>,
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) rooms: Arc<dyn RoomStore>,
    pub(crate) avatars: Avatars,
    /// Tells that an account was deleted: its pictures do not wait for the minute to end.
    pub(crate) deleted: Arc<Notify>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Housekeeping {
    /// Works once a minute until the task is aborted. Files that are slow to go hold up nothing else.
    pub(crate) async fn run(self) {
        tokio::join!(self.keep_rows(), self.keep_files());
    }

    async fn keep_rows(&self) {
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            self.round().await;
        }
    }

    async fn keep_files(&self) {
        let mut ticks = ticks();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.deleted.notified() => {}
            }
            self.round_of_files().await;
        }
    }

    async fn round(&self) {
        let now = self.clock.now();
        report("idempotency records", self.idempotency.purge(now - KEPT_FOR).await);
        report("sessions and revocations", self.sessions.purge(now).await);
        report("usernames and tombstones", self.accounts.purge(now).await);
        report("outbox events", self.outbox.purge(now - EVENTS_KEPT_FOR).await);
        report("rooms", self.rooms.purge(now).await);
    }

    async fn round_of_files(&self) {
        let purged = tokio::time::timeout(FILES_PATIENCE, self.avatars.purge()).await;
        report("pictures", purged.unwrap_or_else(|_| Err(Unavailable::new("files were too slow to go"))));
    }
}

fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(EVERY);
    // After a stall one round is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn report(what: &'static str, purged: Result<u64, Unavailable>) {
    match purged {
        Ok(0) => {}
        Ok(count) => tracing::debug!(what, count, "purged"),
        Err(error) => tracing::warn!(what, cause = describe(&error), "not all was purged; next try in 1 min"),
    }
}

#[cfg(test)]
mod tests;
