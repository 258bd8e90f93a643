//! What keeps the rooms of this node going.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_bus::Backoff;
use frontdesk_kernel::{Entropy, Event, EventBus, Unavailable};
use frontdesk_rooms::Rooms;
use frontdesk_rooms::mailbox::Payload;
use tokio::sync::{Notify, mpsc};
use tokio::time::MissedTickBehavior;

use crate::describe::describe;

/// How many events are told at once: each of their frames is made by itself, and the store is asked once for all.
const BATCH: usize = 128;
/// How many events may wait for their sockets. Beyond that they are read from the logs of the rooms.
const WAITING: usize = 8_192;
/// The pauses between tries while the store is out of reach.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often it is said who has closed sockets. Until then other nodes count them.
const COUNTING: Duration = Duration::from_secs(1);
/// How often it is looked whose grace is over.
const LETTING_OUT: Duration = Duration::from_secs(1);
/// How often this node says that it lives, and looks whether the others do: the lease runs for four of these.
const RENEWING: Duration = Duration::from_secs(20);

/// When what could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// A bus that writes events into the logs of the rooms before anybody hears of them.
pub(crate) struct PostingBus<P: Payload> {
    pub(crate) rooms: Arc<Rooms<P>>,
    pub(crate) bus: Arc<dyn EventBus>,
}

#[async_trait]
impl<P: Payload> EventBus for PostingBus<P> {
    async fn publish(&self, events: &[Event]) -> Result<(), Unavailable> {
        self.rooms.post(events).await?;
        self.bus.publish(events).await
    }
}

/// Where a listener, which must not wait, leaves what sockets have to be told.
pub(crate) struct Inbox {
    events: mpsc::Sender<Event>,
    missed: Arc<Notify>,
}

/// Where it is taken out.
pub(crate) struct Outlet {
    events: mpsc::Receiver<Event>,
    missed: Arc<Notify>,
}

/// Joins both.
pub(crate) fn line() -> (Inbox, Outlet) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let missed = Arc::new(Notify::new());
    (Inbox { events: sender, missed: Arc::clone(&missed) }, Outlet { events: receiver, missed })
}

impl Inbox {
    /// Leaves an event.
    pub(crate) fn put(&self, event: &Event) {
        if self.events.try_send(event.clone()).is_err() {
            self.missed.notify_one();
        }
    }

    /// Says that events may have been missed.
    pub(crate) fn missed(&self) {
        self.missed.notify_one();
    }
}

impl Outlet {
    /// Tells the sockets, one event after the other, until the task is aborted. While the store is out of reach, the
    /// events wait.
    pub(crate) async fn tell<P: Payload>(mut self, rooms: Arc<Rooms<P>>, entropy: Arc<dyn Entropy>) {
        let mut pauses = Backoff::new(PAUSES.0, PAUSES.1);
        let mut events = Vec::with_capacity(BATCH);
        loop {
            events.clear();
            tokio::select! {
                biased;
                () = self.missed.notified() => {}
                received = self.events.recv_many(&mut events, BATCH) => {
                    if received == 0 {
                        return;
                    }
                }
            }
            let mut is_out = false;
            while let Err(error) = told(&rooms, &events).await {
                if !std::mem::replace(&mut is_out, true) {
                    tracing::warn!(cause = describe(&error), "rooms are not told; what happens waits");
                }
                tokio::time::sleep(pauses.wait(entropy.as_ref())).await;
            }
            pauses.reset();
        }
    }
}

/// Tells of events; of whatever was missed, where there are none.
async fn told<P: Payload>(rooms: &Rooms<P>, events: &[Event]) -> Result<(), Unavailable> {
    if events.is_empty() {
        rooms.catch_up().await?;
        // What ended meanwhile may have been missed too. After the deletions, which have a word of their own.
        rooms.hub().recheck_all();
        return Ok(());
    }
    rooms.hear(events).await
}

/// Lets those out who are gone, until the task is aborted.
pub(crate) async fn keep<P: Payload>(rooms: Arc<Rooms<P>>) {
    // However many have to be let out, the lease of this node is renewed meanwhile.
    tokio::join!(
        each(COUNTING, || rooms.count_sockets(), "other nodes may think that more sockets are open than there are"),
        each(LETTING_OUT, || rooms.let_out(), "those whose sockets are gone are still shown as present"),
        each(RENEWING, || rooms.renew(), "this node could not say that it lives"),
        each(RENEWING, || rooms.expire(), "those whose node is gone are still shown as present"),
    );
}

async fn each<F>(every: Duration, keep: impl Fn() -> F, trouble: &'static str)
where
    F: Future<Output = Result<(), Unavailable>>,
{
    let mut ticks = ticks(every);
    loop {
        ticks.tick().await;
        if let Err(error) = keep().await {
            tracing::warn!(cause = describe(&error), "{trouble}");
            ticks.reset_after(AGAIN.min(every));
        }
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(every);
    // After a stall one round is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests;
