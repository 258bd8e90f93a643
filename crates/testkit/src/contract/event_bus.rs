//! The contract of [`EventBus`].

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, EventBus, EventListener, SessionId, UserId};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use uuid::Uuid;

use super::race;
use crate::builders::{event_id, noon, user_id};

/// Runs this contract against buses: its argument gives a future of [`Nodes`].
#[macro_export]
macro_rules! event_bus_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] event_bus:
            every_connected_node_hears_an_event_and_the_publisher_does_too,
            every_kind_of_event_is_heard_as_it_was_published,
            events_are_heard_in_the_order_in_which_a_node_publishes_them,
            the_events_of_each_of_several_publishers_are_heard_in_their_order,
            an_event_that_is_published_again_is_heard_once,
            a_thousand_events_of_one_batch_are_heard_in_their_order,
            a_thousand_events_of_as_many_batches_are_heard,
            a_batch_of_the_largest_events_is_heard_in_its_order,
            publishing_nothing_is_heard_by_nobody,
        }
    };
}

/// How long a test waits for what has to come: long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a listener is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Connected,
    Lost,
    Heard(Event),
}

/// A listener that keeps what it is told, in its order.
#[derive(Debug)]
pub struct Ear {
    sender: UnboundedSender<Told>,
    told: Mutex<UnboundedReceiver<Told>>,
}

impl Ear {
    pub fn new() -> Arc<Self> {
        let (sender, told) = unbounded_channel();
        Arc::new(Self { sender, told: Mutex::new(told) })
    }

    /// Waits for what it is told next.
    pub async fn next(&self) -> Told {
        let next = async { self.told.lock().await.recv().await.unwrap() };
        timeout(PATIENCE, next).await.unwrap()
    }

    /// What it was told and nobody has taken yet.
    pub async fn rest(&self) -> Vec<Told> {
        let mut told = self.told.lock().await;
        std::iter::from_fn(|| told.try_recv().ok()).collect()
    }

    /// Waits until it is connected, and leaves out what came before.
    pub async fn until_connected(&self) {
        while self.next().await != Told::Connected {}
    }

    /// Waits until it is lost, and leaves out what came before.
    pub async fn until_lost(&self) {
        while self.next().await != Told::Lost {}
    }

    /// Waits for a number of events.
    pub async fn events(&self, count: usize) -> Vec<Event> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            if let Told::Heard(event) = self.next().await {
                events.push(event);
            }
        }
        events
    }

    fn tell(&self, told: Told) {
        // The receiver is in the same value.
        self.sender.send(told).unwrap();
    }
}

impl EventListener for Ear {
    fn heard(&self, event: &Event) {
        self.tell(Told::Heard(event.clone()));
    }

    fn connected(&self) {
        self.tell(Told::Connected);
    }

    fn lost(&self) {
        self.tell(Told::Lost);
    }
}

/// A node: its bus, and what the bus tells.
#[derive(Clone)]
pub struct Node {
    pub bus: Arc<dyn EventBus>,
    pub ear: Arc<Ear>,
}

/// Nodes that hear each other and nobody else; one at least.
pub struct Nodes {
    pub nodes: Vec<Node>,
    /// Whatever must outlive the nodes, as a throwaway database; `None` where nothing must.
    pub backend: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").finish_non_exhaustive()
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

impl Nodes {
    async fn connected(&self) -> &[Node] {
        for node in &self.nodes {
            assert_eq!(node.ear.next().await, Told::Connected, "what a listener is told first");
        }
        &self.nodes
    }
}

/// An event that nobody else has.
pub fn event() -> Event {
    event_of(user_id(), EventBody::PasswordChanged)
}

/// Events that nobody else has.
pub fn events(count: usize) -> Vec<Event> {
    (0..count).map(|_| event()).collect()
}

fn event_of(user_id: UserId, body: EventBody) -> Event {
    Event { id: event_id(), user_id, occurred_at: noon(), body }
}

fn sessions_ended(count: usize) -> EventBody {
    EventBody::SessionsEnded { sessions: vec![SessionId::new(Uuid::max()); count], everywhere: false }
}

pub async fn every_connected_node_hears_an_event_and_the_publisher_does_too(nodes: &Nodes) {
    for publisher in nodes.connected().await {
        let event = event();
        publisher.bus.publish(std::slice::from_ref(&event)).await.unwrap();
        for node in &nodes.nodes {
            assert_eq!(node.ear.next().await, Told::Heard(event.clone()));
        }
    }
}

pub async fn every_kind_of_event_is_heard_as_it_was_published(nodes: &Nodes) {
    let changed = vec!["display_name".to_owned(), "\"\\ \u{0} \u{1F600}".to_owned()];
    let events = [
        EventBody::AccountCreated,
        EventBody::ProfileUpdated { version: i64::MAX, changed },
        EventBody::AvatarChanged { images_processed: u32::MAX, storage_bytes: u64::MAX },
        EventBody::PasswordChanged,
        sessions_ended(2),
        EventBody::SessionsEnded { sessions: Vec::new(), everywhere: true },
        EventBody::AccountDeleted { sessions: Vec::new() },
    ]
    .map(|body| event_of(user_id(), body));
    let nodes = nodes.connected().await;
    nodes[0].bus.publish(&events).await.unwrap();
    for node in nodes {
        assert_eq!(node.ear.events(events.len()).await, events);
    }
}

pub async fn events_are_heard_in_the_order_in_which_a_node_publishes_them(nodes: &Nodes) {
    let nodes = nodes.connected().await;
    let events = events(60);
    for batch in events.chunks(7) {
        nodes[0].bus.publish(batch).await.unwrap();
    }
    for node in nodes {
        assert_eq!(node.ear.events(events.len()).await, events);
    }
}

pub async fn the_events_of_each_of_several_publishers_are_heard_in_their_order(nodes: &Nodes) {
    let nodes = nodes.connected().await;
    let published = race(nodes.len(), |index| {
        let (bus, user) = (Arc::clone(&nodes[index].bus), user_id());
        async move {
            let events: Vec<_> = (0..100).map(|_| event_of(user, EventBody::PasswordChanged)).collect();
            for batch in events.chunks(9) {
                bus.publish(batch).await.unwrap();
            }
            events
        }
    })
    .await;
    for node in nodes {
        let heard = node.ear.events(published.iter().map(Vec::len).sum()).await;
        for events in &published {
            let of_one: Vec<_> = heard.iter().filter(|event| event.user_id == events[0].user_id).collect();
            assert_eq!(of_one, events.iter().collect::<Vec<_>>());
        }
    }
}

pub async fn an_event_that_is_published_again_is_heard_once(nodes: &Nodes) {
    let nodes = nodes.connected().await;
    let events = events(3);
    for batch in [&events[..1], &events[..2], &events[..2], &events[..]] {
        for node in nodes {
            node.bus.publish(batch).await.unwrap();
        }
    }
    for node in nodes {
        assert_eq!(node.ear.events(events.len()).await, events);
    }
}

pub async fn a_thousand_events_of_one_batch_are_heard_in_their_order(nodes: &Nodes) {
    let nodes = nodes.connected().await;
    let events = events(1_000);
    nodes[0].bus.publish(&events).await.unwrap();
    for node in nodes {
        assert_eq!(node.ear.events(events.len()).await, events);
    }
}

pub async fn a_thousand_events_of_as_many_batches_are_heard(nodes: &Nodes) {
    let nodes = nodes.connected().await;
    let mut published = race(1_000, |index| {
        let bus = Arc::clone(&nodes[index % nodes.len()].bus);
        async move {
            let event = event();
            bus.publish(std::slice::from_ref(&event)).await.unwrap();
            event
        }
    })
    .await;
    published.sort_by_key(|event| event.id);
    for node in nodes {
        let mut heard = node.ear.events(published.len()).await;
        heard.sort_by_key(|event| event.id);
        assert_eq!(heard, published);
    }
}

pub async fn a_batch_of_the_largest_events_is_heard_in_its_order(nodes: &Nodes) {
    let nodes = nodes.connected().await;
    let events: Vec<_> = (0..40).map(|_| event_of(user_id(), sessions_ended(100))).collect();
    nodes[0].bus.publish(&events).await.unwrap();
    for node in nodes {
        assert_eq!(node.ear.events(events.len()).await, events);
    }
}

pub async fn publishing_nothing_is_heard_by_nobody(nodes: &Nodes) {
    let nodes = nodes.connected().await;
    nodes[0].bus.publish(&[]).await.unwrap();
    let event = event();
    nodes[0].bus.publish(std::slice::from_ref(&event)).await.unwrap();
    for node in nodes {
        assert_eq!(node.ear.next().await, Told::Heard(event.clone()));
    }
}
