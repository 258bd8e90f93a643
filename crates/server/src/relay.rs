//! Tells the bus what the stores have committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use frontdesk_bus::Backoff;
use frontdesk_kernel::{Entropy, EventBus, EventId, Outbox, Unavailable};

use crate::describe::describe;

/// How many events are told at once: half as many after each time that they were too many for [`BATCH_TIME`], a quarter
/// more after each time that they were not.
const BATCH: u32 = 100;
/// How long nobody looks, at most, where no commit wakes the relay: until another node takes over what one left behind.
const IDLE: Duration = Duration::from_millis(500);
/// How far apart rounds begin: a commit after a pause is told at once, and under load one round tells what a dozen
/// commits have left.
const GATHER: Duration = Duration::from_millis(5);
/// The pauses between tries while the bus or the outbox is out of reach.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How long one of them may take. With the pause before it, less than the second within which a revocation is heard.
const BATCH_TIME: Duration = Duration::from_millis(400);
/// How long the last round may take.
const FLUSH: Duration = Duration::from_secs(1);

/// Carries events from the outbox to the bus. Each node has one, and all work on the same outbox.
///
/// An event may reach the bus twice: another relay reads it before it is marked, or the mark fails. Consumers drop the
/// id that they have seen. Nothing is lost: an event is marked only after the bus has taken it.
///
/// And no event of a user is heard for the first time before an earlier one of that user. The earlier one stands before
/// it in the outbox (the row of the user is locked from the append until the commit), so a relay that reads the later
/// one either reads both, and publishes them in this order, or finds the earlier one marked. Then whoever marked it had
/// published it before. A relay that fails or ends half-way leaves all of its batch pending, and the next one begins
/// with the earliest again.
pub(crate) struct Relay {
    outbox: Arc<dyn Outbox>,
    bus: Arc<dyn EventBus>,
    entropy: Arc<dyn Entropy>,
    noticed: Noticed,
    /// How many events are told at once by now.
    most: AtomicU32,
}

/// Is told after each round whether events were told.
pub(crate) type Noticed = Box<dyn Fn(bool) + Send + Sync>;

impl Relay {
    /// Joins the ports.
    pub(crate) fn new(
        outbox: Arc<dyn Outbox>,
        bus: Arc<dyn EventBus>,
        entropy: Arc<dyn Entropy>,
        noticed: Noticed,
    ) -> Self {
        Self { outbox, bus, entropy, noticed, most: AtomicU32::new(BATCH) }
    }

    /// Works until the task is aborted.
    pub(crate) async fn run(self: Arc<Self>) {
        let entropy = self.entropy.as_ref();
        let mut idle = Backoff::new(IDLE, IDLE);
        let mut pauses = Backoff::new(PAUSES.0, PAUSES.1);
        let mut is_out = false;
        loop {
            let begun = Instant::now();
            match self.round().await {
                Ok(()) => {
                    (self.noticed)(true);
                    if std::mem::take(&mut is_out) {
                        tracing::info!("events are told again");
                    }
                    pauses.reset();
                    tokio::select! {
                        () = self.outbox.committed() => tokio::time::sleep(GATHER.saturating_sub(begun.elapsed())).await,
                        () = tokio::time::sleep(idle.wait(entropy)) => {}
                    }
                }
                Err(error) => {
                    (self.noticed)(false);
                    if !std::mem::replace(&mut is_out, true) {
                        tracing::warn!(cause = describe(&error), "events are not told; they wait in the outbox");
                    }
                    tokio::time::sleep(pauses.wait(entropy)).await;
                }
            }
        }
    }

    /// Tells what is left, before the process ends. Call it when `run` has been aborted and no request is in flight.
    pub(crate) async fn flush(&self) {
        let cause = match tokio::time::timeout(FLUSH, self.round()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => describe(&error),
            Err(_) => format!("not done within {FLUSH:?}"),
        };
        tracing::warn!(cause, "events were left in the outbox, for another node or the next start");
    }

    /// Tells until no more is pending than came in meanwhile.
    async fn round(&self) -> Result<(), Unavailable> {
        let begun = Instant::now();
        loop {
            let most = self.most.load(Ordering::Relaxed);
            let Ok(batch) = tokio::time::timeout(BATCH_TIME, self.batch(most)).await else {
                self.most.store((most / 2).max(1), Ordering::Relaxed);
                return Err(Unavailable::new(format!("not told within {BATCH_TIME:?}")));
            };
            if batch? {
                return Ok(());
            }
            self.most.store((most + most / 4 + 1).min(BATCH), Ordering::Relaxed);
            // What is told late is as good as not told.
            if begun.elapsed() > BATCH_TIME {
                (self.noticed)(false);
            }
        }
    }

    /// Tells the oldest events; says whether there were fewer than that.
    async fn batch(&self, most: u32) -> Result<bool, Unavailable> {
        let events = self.outbox.pending(most).await?;
        let are_all = events.len() < most as usize;
        if !events.is_empty() {
            self.bus.publish(&events).await?;
            let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
            self.outbox.told(&ids).await?;
        }
        Ok(are_all)
    }
}

#[cfg(test)]
mod tests;
