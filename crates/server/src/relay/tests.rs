use std::sync::Mutex;

use async_trait::async_trait;
use frontdesk_kernel::{Event, UserId};
use frontdesk_memory::MemoryStores;
use frontdesk_profile::{AccountStore, ProfileStore};
use frontdesk_testkit::builders::{change, display_name, registered};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::*;
use crate::OsEntropy;

const PATIENCE: Duration = Duration::from_secs(30);

/// What a relay gave the bus.
#[derive(Debug, PartialEq)]
struct Batch {
    events: Vec<Event>,
    /// How many events were pending at that time.
    pending: usize,
    is_taken: bool,
}

/// A bus that shows what it is given, and refuses the first batches.
struct ShowingBus {
    outbox: Arc<dyn Outbox>,
    refusals: Mutex<u32>,
    published: UnboundedSender<Batch>,
}

#[async_trait]
impl EventBus for ShowingBus {
    async fn publish(&self, events: &[Event]) -> Result<(), Unavailable> {
        let pending = self.outbox.pending(u32::MAX).await?.len();
        let mut refusals = self.refusals.lock().unwrap();
        let is_taken = *refusals == 0;
        self.published.send(Batch { events: events.to_vec(), pending, is_taken }).unwrap();
        *refusals = refusals.saturating_sub(1);
        if is_taken { Ok(()) } else { Err(Unavailable::new("refused")) }
    }
}

struct Setup {
    stores: MemoryStores,
    relay: Arc<Relay>,
    published: UnboundedReceiver<Batch>,
}

fn setup(refusals: u32) -> Setup {
    let stores = MemoryStores::new();
    let (sender, published) = unbounded_channel();
    let bus = ShowingBus { outbox: stores.outbox.clone(), refusals: Mutex::new(refusals), published: sender };
    let relay = relay(&stores, Arc::new(bus));
    Setup { stores, relay, published }
}

fn relay(stores: &MemoryStores, bus: Arc<dyn EventBus>) -> Arc<Relay> {
    Arc::new(Relay::new(stores.outbox.clone(), bus, Arc::new(OsEntropy), Box::new(|_| {})))
}

impl Setup {
    async fn next(&mut self) -> Batch {
        tokio::time::timeout(PATIENCE, self.published.recv()).await.unwrap().unwrap()
    }
}

/// Ends with the test.
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn running(relay: &Arc<Relay>) -> Running {
    Running(tokio::spawn(Arc::clone(relay).run()))
}

/// Makes an account and changes it: a number of events in all.
async fn given(stores: &MemoryStores, username: &str, events: usize) -> UserId {
    let new = registered(username);
    stores.accounts.create(&new, None).await.unwrap();
    for turn in 1..events {
        stores.profiles.update(&change(new.account.id, display_name(&turn.to_string()))).await.unwrap();
    }
    new.account.id
}

async fn pending(stores: &MemoryStores) -> Vec<Event> {
    stores.outbox.pending(u32::MAX).await.unwrap()
}

/// Waits until nothing is pending.
async fn all_told(stores: &MemoryStores) {
    let told = async {
        while !pending(stores).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
}

#[tokio::test]
async fn an_event_is_published_first_and_marked_then() {
    let mut setup = setup(0);
    given(&setup.stores, "ada", 1).await;
    let events = pending(&setup.stores).await;
    let _running = running(&setup.relay);
    assert_eq!(setup.next().await, Batch { events, pending: 1, is_taken: true });
    all_told(&setup.stores).await;
}

#[tokio::test]
async fn what_is_committed_later_is_told_when_it_is_there() {
    let mut setup = setup(0);
    let _running = running(&setup.relay);
    for username in ["ada", "bob", "eve"] {
        let new = registered(username);
        setup.stores.accounts.create(&new, None).await.unwrap();
        assert_eq!(setup.next().await.events, [new.event]);
    }
}

#[tokio::test]
async fn events_are_published_in_their_order_and_in_batches() {
    let mut setup = setup(0);
    given(&setup.stores, "ada", 250).await;
    let events = pending(&setup.stores).await;
    let _running = running(&setup.relay);
    let mut published = Vec::new();
    for size in [100, 100, 50] {
        let batch = setup.next().await;
        assert_eq!(batch.events.len(), size);
        published.extend(batch.events);
    }
    assert_eq!(published, events);
}

#[tokio::test]
async fn events_that_the_bus_refuses_stay_pending_and_are_tried_again() {
    let mut setup = setup(3);
    given(&setup.stores, "ada", 2).await;
    let events = pending(&setup.stores).await;
    let _running = running(&setup.relay);
    for is_taken in [false, false, false, true] {
        assert_eq!(setup.next().await, Batch { events: events.clone(), pending: 2, is_taken });
    }
    all_told(&setup.stores).await;
}

#[tokio::test]
async fn what_comes_during_an_outage_is_told_after_what_came_before() {
    let mut setup = setup(1);
    let ada = given(&setup.stores, "ada", 1).await;
    let _running = running(&setup.relay);
    setup.next().await;
    setup.stores.profiles.update(&change(ada, display_name("Ada"))).await.unwrap();
    let events = pending(&setup.stores).await;
    assert_eq!(setup.next().await, Batch { events, pending: 2, is_taken: true });
}

#[tokio::test]
async fn a_flush_tells_what_is_left() {
    let mut setup = setup(0);
    given(&setup.stores, "ada", 101).await;
    let events = pending(&setup.stores).await;
    setup.relay.flush().await;
    assert_eq!(pending(&setup.stores).await, []);
    assert_eq!([setup.next().await.events, setup.next().await.events].concat(), events);
}

/// Never answers.
struct StuckBus;

#[async_trait]
impl EventBus for StuckBus {
    async fn publish(&self, _: &[Event]) -> Result<(), Unavailable> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_flush_ends_though_the_bus_is_stuck_or_out_and_leaves_the_events() {
    let Setup { stores, relay: refused, published: _published } = setup(1);
    given(&stores, "ada", 1).await;
    refused.flush().await;
    tokio::time::timeout(PATIENCE, relay(&stores, Arc::new(StuckBus)).flush()).await.unwrap();
    assert_eq!(pending(&stores).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_relays_lose_nothing_and_publish_each_event_first_in_its_order() {
    let mut setup = setup(5);
    let relays: Vec<_> = (0..4).map(|_| running(&setup.relay)).collect();
    let users = ["ada", "bob", "eve"].map(|username| {
        let stores = setup.stores.clone();
        tokio::spawn(async move { given(&stores, username, 200).await })
    });
    for user in users {
        user.await.unwrap();
    }
    let mut published: Vec<Event> = Vec::new();
    while published.len() < 600 {
        let batch = setup.next().await;
        for event in batch.events.into_iter().filter(|_| batch.is_taken) {
            if !published.iter().any(|seen| seen.id == event.id) {
                published.push(event);
            }
        }
    }
    drop(relays);
    for event in &published {
        let of_user: Vec<_> = published.iter().filter(|other| other.user_id == event.user_id).collect();
        assert_eq!(of_user.len(), 200);
        assert!(of_user.is_sorted_by_key(|event| version(event)), "{of_user:?}");
    }
}

/// The place of an event among those of its user.
fn version(event: &Event) -> i64 {
    match event.body {
        frontdesk_kernel::EventBody::ProfileUpdated { version, .. } => version,
        _ => 1,
    }
}

/// A bus that has not done with more than so many events in any time.
struct SlowBus {
    most: usize,
    published: UnboundedSender<usize>,
}

#[async_trait]
impl EventBus for SlowBus {
    async fn publish(&self, events: &[Event]) -> Result<(), Unavailable> {
        self.published.send(events.len()).unwrap();
        if events.len() > self.most {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_takes_too_long_is_told_in_smaller_ones() {
    let stores = MemoryStores::new();
    given(&stores, "ada", 130).await;
    let (published, mut sizes) = unbounded_channel();
    let _running = running(&relay(&stores, Arc::new(SlowBus { most: 30, published })));
    let mut told = Vec::new();
    while told.iter().filter(|size| **size <= 30).sum::<usize>() < 130 {
        told.push(sizes.recv().await.unwrap());
    }
    // Each time that one was told, a quarter more are tried.
    assert_eq!(told, [100, 50, 25, 32, 16, 21, 27, 34, 17, 22, 2]);
}
