use frontdesk_http::{Frame, PublicUrl, RoomFrames};
use frontdesk_kernel::{Clock, EventBody};
use frontdesk_memory::MemoryStores;
use frontdesk_profile::{AccountStore, Profiles};
use frontdesk_rooms::hub::Seat;
use frontdesk_rooms::mailbox::Letter;
use frontdesk_rooms::store::Broadcast;
use frontdesk_rooms::{RoomStore, Rooms, RoomsPorts};
use frontdesk_testkit::builders::{SeededEntropy, TestClock, account_created, event_id, registered};

use super::*;

struct Node {
    stores: MemoryStores,
    rooms: Arc<Rooms<Frame>>,
    entropy: Arc<dyn Entropy>,
}

impl Node {
    fn new() -> Self {
        let stores = MemoryStores::new();
        let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::default());
        let profiles = Profiles::new(stores.profiles.clone(), Arc::clone(&clock), Arc::clone(&entropy));
        let frames = Arc::new(RoomFrames::new(profiles, PublicUrl::default()));
        let ports = RoomsPorts {
            store: stores.rooms.clone(),
            frames,
            clock,
            entropy: Arc::clone(&entropy),
            broadcast: Broadcast::Members,
        };
        Self { stores, rooms: Arc::new(Rooms::new(ports)), entropy }
    }

    /// A user with a socket, and a change of theirs.
    async fn user(&self, name: &str) -> (Seat<Frame>, Event) {
        let new = registered(name);
        self.stores.accounts.create(&new, None).await.unwrap();
        let seat = self.rooms.sit("r".parse().unwrap(), new.account.id).unwrap();
        self.rooms.enter(&seat).await.unwrap();
        let body = EventBody::ProfileUpdated { version: 2, changed: vec!["bio".to_owned()] };
        (seat, Event { id: event_id(), body, ..account_created(new.account.id) })
    }
}

#[tokio::test]
async fn what_is_published_was_written_into_the_rooms_before() {
    struct Ear(MemoryStores);

    #[async_trait]
    impl EventBus for Ear {
        async fn publish(&self, events: &[Event]) -> Result<(), Unavailable> {
            assert_eq!(self.0.rooms.posted(&[events[0].id]).await?.len(), 1);
            Ok(())
        }
    }

    let node = Node::new();
    let (_seat, event) = node.user("ada").await;
    let bus = PostingBus { rooms: Arc::clone(&node.rooms), bus: Arc::new(Ear(node.stores.clone())) };
    bus.publish(&[event]).await.unwrap();
}

#[tokio::test]
async fn an_event_that_is_put_in_is_told() {
    let node = Node::new();
    let (seat, event) = node.user("ada").await;
    node.rooms.post(std::slice::from_ref(&event)).await.unwrap();
    let (inbox, outlet) = line();
    inbox.put(&event);
    let told = outlet.tell(Arc::clone(&node.rooms), Arc::clone(&node.entropy));
    let letter = tokio::select! { letter = seat.next() => letter, () = told => panic!("the line ends") };
    assert!(matches!(letter, Letter::Send(_)), "{letter:?}");
}

#[tokio::test]
async fn events_that_find_no_place_are_read_from_the_log() {
    let node = Node::new();
    let (seat, event) = node.user("ada").await;
    let (inbox, outlet) = line();
    for _ in 0..WAITING {
        inbox.put(&account_created(event.user_id));
    }
    node.rooms.post(std::slice::from_ref(&event)).await.unwrap();
    inbox.put(&event);
    let told = outlet.tell(Arc::clone(&node.rooms), Arc::clone(&node.entropy));
    let letters = async { (seat.next().await, seat.next().await) };
    let letters = tokio::select! { letters = letters => letters, () = told => panic!("the line ends") };
    // A session may have ended meanwhile as well.
    assert!(matches!(letters, (Letter::Recheck, Letter::Send(_))), "{letters:?}");
}

#[tokio::test]
async fn the_line_ends_with_whoever_puts_events_in() {
    let node = Node::new();
    let (inbox, outlet) = line();
    drop(inbox);
    outlet.tell(Arc::clone(&node.rooms), Arc::clone(&node.entropy)).await;
}
