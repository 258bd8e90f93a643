//! Nodes on one store, with frames that a test can read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use frontdesk_kernel::{Event, EventBody, Outbox, Unavailable, UserId};
use frontdesk_memory::MemoryStores;
use frontdesk_rooms::hub::Seat;
use frontdesk_rooms::mailbox::{Letter, Payload};
use frontdesk_rooms::store::{Broadcast, Posted};
use frontdesk_rooms::{Frames, Position, RoomId, Rooms, RoomsPorts, Told};
use frontdesk_testkit::builders::{SeededEntropy, TestClock, event_id, noon};
use futures_util::FutureExt;

/// What a socket is told, as a word for each thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl Payload for Words {
    fn after(&self, earlier: &Self) -> Self {
        Self([earlier.0.as_slice(), self.0.as_slice()].concat())
    }
}

/// Writes `peer 3` and `own 3` for the entry with the offset 3; one of version 0 is for its user alone.
struct WordFrames {
    /// How often it was told to forget somebody.
    outdated: Arc<AtomicUsize>,
}

fn words(text: String) -> Words {
    Words(vec![text])
}

#[async_trait]
impl Frames<Words> for WordFrames {
    async fn updates(&self, posted: &[Posted]) -> Result<Vec<Told<Words>>, Unavailable> {
        let told = |posted: &Posted| {
            let offset = posted.entry.position.offset;
            let is_private = matches!(posted.entry.event.body, EventBody::ProfileUpdated { version: 0, .. });
            Told {
                peers: (!is_private).then(|| words(format!("peer {offset}"))),
                own: Some(words(format!("own {offset}"))),
            }
        };
        Ok(posted.iter().map(told).collect())
    }

    async fn joined(&self, came: &[(RoomId, UserId)]) -> Result<Vec<Option<Words>>, Unavailable> {
        Ok(came.iter().map(|_| Some(words("joined".to_owned()))).collect())
    }

    fn left(&self, _room: &RoomId, _user_id: UserId) -> Words {
        words("left".to_owned())
    }

    fn outdated(&self, _user_id: Option<UserId>) {
        self.outdated.fetch_add(1, Ordering::Relaxed);
    }
}

/// A store, the time, and as many nodes as are asked for.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) stores: MemoryStores,
    pub(crate) clock: Arc<TestClock>,
    entropy: Arc<SeededEntropy>,
    outdated: Arc<AtomicUsize>,
}

impl World {
    pub(crate) fn node(&self) -> Rooms<Words> {
        Rooms::new(RoomsPorts {
            store: Arc::<frontdesk_memory::MemoryRoomStore>::clone(&self.stores.rooms),
            frames: Arc::new(WordFrames { outdated: Arc::clone(&self.outdated) }),
            clock: Arc::<TestClock>::clone(&self.clock),
            entropy: Arc::<SeededEntropy>::clone(&self.entropy),
            broadcast: Broadcast::Members,
        })
    }

    /// How often a node was told to forget what it remembers of somebody.
    pub(crate) fn outdated(&self) -> usize {
        self.outdated.load(Ordering::Relaxed)
    }

    /// The events that nobody has told yet; they are told now.
    pub(crate) async fn pending(&self) -> Vec<Event> {
        let events = self.stores.outbox.pending(10_000).await.unwrap();
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        self.stores.outbox.told(&ids).await.unwrap();
        events
    }

    /// Brings the pending events to the nodes.
    pub(crate) async fn relay(&self, nodes: &[&Rooms<Words>]) -> Vec<Event> {
        let events = self.pending().await;
        for node in nodes {
            hear(node, &events).await;
        }
        events
    }
}

pub(crate) fn room(name: &str) -> RoomId {
    name.parse().unwrap()
}

/// A change of version 1 that everybody may hear of.
pub(crate) fn updated(user_id: UserId) -> Event {
    versioned(user_id, 1)
}

pub(crate) fn versioned(user_id: UserId, version: i64) -> Event {
    let body = EventBody::ProfileUpdated { version, changed: vec!["bio".to_owned()] };
    Event { id: event_id(), user_id, occurred_at: noon(), body }
}

pub(crate) async fn hear(node: &Rooms<Words>, events: &[Event]) {
    for event in events {
        node.heed(event);
        node.hear(std::slice::from_ref(event)).await.unwrap();
    }
}

/// Takes a seat, and comes in.
pub(crate) async fn seated(node: &Rooms<Words>, name: &str, user_id: UserId) -> (Seat<Words>, Position) {
    let seat = node.sit(room(name), user_id).unwrap();
    let entered = node.enter(&seat).await.unwrap();
    (seat, entered.position)
}

/// What waits at a seat; a close is the last of it.
pub(crate) fn letters(seat: &Seat<Words>) -> Vec<Letter<Words>> {
    let mut letters: Vec<Letter<Words>> = Vec::new();
    while !matches!(letters.last(), Some(Letter::Close(_)))
        && let Some(letter) = seat.next().now_or_never()
    {
        letters.push(letter);
    }
    letters
}

/// As [`letters`], where nothing but words is expected.
pub(crate) fn heard(seat: &Seat<Words>) -> Vec<String> {
    let of_one = |letter| match letter {
        Letter::Send(Words(words)) => words,
        other => vec![format!("{other:?}")],
    };
    letters(seat).into_iter().flat_map(of_one).collect()
}
