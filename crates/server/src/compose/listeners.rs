//! Who hears events on this node.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use frontdesk_http::Frame;
use frontdesk_kernel::{Event, EventBody, EventListener};
use frontdesk_profile::Revocations;
use frontdesk_rooms::Rooms;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::describe::describe;
use crate::rooms::Inbox;

/// The first pause between two tries to read what was missed; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often open sockets ask whether their credential is good, while nobody tells them.
const RECHECKED: Duration = Duration::from_millis(900);

/// Hands each event to everybody on this node who wants to hear of it.
pub(crate) struct Listeners {
    revocations: Arc<Revocations>,
    rooms: Arc<Rooms<Frame>>,
    inbox: Arc<Inbox>,
    /// Wakes whoever clears up after an account.
    deleted: Arc<Notify>,
    runtime: Handle,
    flow: Mutex<Flow>,
}

/// Whether events reach this node. Both must hold: the bus brings what any relay tells it, and a relay that cannot tell
/// says that the others, which work on the same outbox, may not be able to either.
#[derive(Default)]
struct Flow {
    is_heard: bool,
    is_told: bool,
    /// What is done about it: reading what was missed, or asking the store meanwhile.
    coping: Option<AbortHandle>,
}

impl Listeners {
    /// Reads what was missed on the present runtime.
    pub(super) fn new(
        revocations: Arc<Revocations>,
        rooms: Arc<Rooms<Frame>>,
        inbox: Inbox,
        deleted: Arc<Notify>,
    ) -> Self {
        let inbox = Arc::new(inbox);
        Self { revocations, rooms, inbox, deleted, runtime: Handle::current(), flow: Mutex::default() }
    }

    /// Takes a change in: from the moment that events flow what was missed is read, and until then the store is asked.
    fn change(&self, change: impl FnOnce(&mut Flow)) {
        let mut flow = self.flow.lock().unwrap_or_else(PoisonError::into_inner);
        let flowed = flow.is_heard && flow.is_told;
        change(&mut flow);
        let flows = flow.is_heard && flow.is_told;
        if flowed == flows {
            return;
        }
        if let Some(earlier) = flow.coping.take() {
            earlier.abort();
        }
        let coping = if flows {
            self.runtime.spawn(resume(Arc::clone(&self.revocations), Arc::clone(&self.inbox)))
        } else {
            self.revocations.suspend();
            self.runtime.spawn(recheck(Arc::clone(&self.rooms)))
        };
        flow.coping = Some(coping.abort_handle());
    }

    /// Takes note of whether this node tells what is in the outbox.
    pub(crate) fn told(&self, is_told: bool) {
        self.change(|flow| flow.is_told = is_told);
    }
}

impl EventListener for Listeners {
    fn heard(&self, event: &Event) {
        // A socket that asks whether its credential is good asks these.
        self.revocations.hear(event);
        self.rooms.heed(event);
        self.inbox.put(event);
        if matches!(event.body, EventBody::AccountDeleted { .. }) {
            self.deleted.notify_one();
        }
    }

    fn connected(&self) {
        self.change(|flow| flow.is_heard = true);
    }

    fn lost(&self) {
        self.change(|flow| flow.is_heard = false);
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        let flow = self.flow.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(coping) = flow.coping.take() {
            coping.abort();
        }
    }
}

/// Until events flow again, each socket asks the store now and then, as each request does. While it asks, it does not ask
/// again.
async fn recheck(rooms: Arc<Rooms<Frame>>) {
    loop {
        rooms.hub().recheck_all();
        tokio::time::sleep(RECHECKED).await;
    }
}

/// Until it succeeds, each token costs a question to the store. Then the rooms are read on in, and each socket asks once:
/// what ended it may have been missed.
async fn resume(revocations: Arc<Revocations>, inbox: Arc<Inbox>) {
    let mut pause = FIRST_PAUSE;
    while let Err(error) = revocations.resume().await {
        tracing::warn!(cause = describe(&error), "revocations cannot be read: every token is looked up in the store");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    inbox.missed();
}

#[cfg(test)]
mod tests {
    use frontdesk_http::{PublicUrl, RoomFrames};
    use frontdesk_kernel::UserId;
    use frontdesk_memory::MemoryStores;
    use frontdesk_profile::revocation::Remember;
    use frontdesk_profile::session::{Session, Which};
    use frontdesk_profile::token::{AccessClaims, Origin};
    use frontdesk_profile::{AccountStore, Profiles, SessionStore};
    use frontdesk_rooms::RoomsPorts;
    use frontdesk_rooms::mailbox::Letter;
    use frontdesk_rooms::store::Broadcast;
    use frontdesk_testkit::builders::{
        SeededEntropy, TestClock, account_created, end, noon, open, registered, session_at,
    };
    use uuid::Uuid;

    use super::*;
    use crate::rooms::{Outlet, line};

    struct Node {
        stores: MemoryStores,
        revocations: Arc<Revocations>,
        rooms: Arc<Rooms<Frame>>,
        listeners: Listeners,
        outlet: Outlet,
        user: UserId,
    }

    impl Node {
        async fn new() -> Self {
            let stores = MemoryStores::new();
            let lifetime = Duration::from_mins(15);
            let remember = Remember { own: lifetime, foreign: lifetime };
            let clock = Arc::new(TestClock::default());
            let entropy = Arc::new(SeededEntropy::default());
            let revocations =
                Arc::new(Revocations::new(stores.sessions.clone(), Arc::<TestClock>::clone(&clock), remember));
            let profiles = Profiles::new(
                stores.profiles.clone(),
                Arc::<TestClock>::clone(&clock),
                Arc::<SeededEntropy>::clone(&entropy),
            );
            let rooms = Arc::new(Rooms::new(RoomsPorts {
                store: stores.rooms.clone(),
                frames: Arc::new(RoomFrames::new(profiles, PublicUrl::default())),
                clock,
                entropy,
                broadcast: Broadcast::Members,
            }));
            let new = registered("ada");
            stores.accounts.create(&new, None).await.unwrap();
            let (inbox, outlet) = line();
            let listeners = Listeners::new(Arc::clone(&revocations), Arc::clone(&rooms), inbox, Arc::default());
            Self { stores, revocations, rooms, listeners, outlet, user: new.account.id }
        }

        /// A session that has ended without a word to this node.
        async fn ended(&self) -> Session {
            let session = session_at(self.user, noon());
            self.stores.sessions.open(&open(&session)).await.unwrap();
            self.stores.sessions.end(&end(self.user, Which::One(session.id))).await.unwrap();
            session
        }

        async fn refuses(&self, session: &Session) -> bool {
            let claims = AccessClaims {
                origin: Origin::Own,
                user_id: session.user_id,
                session_id: session.id,
                token_id: Uuid::nil(),
                issued_at: session.created_at,
                expires_at: session.created_at,
                authenticated_at: session.created_at,
                claims_until: None,
            };
            self.revocations.refuses(&claims).await.unwrap()
        }

        /// Waits until the node answers by itself: an end that it has not heard of is not known to it.
        async fn answers_by_itself(&self) {
            while self.refuses(&self.ended().await).await {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn a_node_answers_by_itself_only_while_events_are_heard_and_told() {
        let node = Node::new().await;
        node.listeners.connected();
        assert!(node.refuses(&node.ended().await).await, "heard, and not told");
        node.listeners.told(true);
        node.answers_by_itself().await;
        node.listeners.told(false);
        assert!(node.refuses(&node.ended().await).await, "not told any more");
        node.listeners.told(true);
        node.answers_by_itself().await;
        node.listeners.lost();
        assert!(node.refuses(&node.ended().await).await, "not heard any more");
    }

    #[tokio::test]
    async fn a_session_that_ends_lets_the_sockets_of_its_user_ask_again() {
        let node = Node::new().await;
        let seat = node.rooms.sit("r".parse().unwrap(), node.user).unwrap();
        let body = EventBody::SessionsEnded { sessions: vec![], everywhere: true };
        node.listeners.heard(&Event { body, ..account_created(node.user) });
        assert!(matches!(seat.next().await, Letter::Recheck));
    }

    #[tokio::test]
    async fn while_events_do_not_flow_sockets_ask_the_store() {
        let node = Node::new().await;
        node.listeners.connected();
        node.listeners.told(true);
        let seat = node.rooms.sit("r".parse().unwrap(), node.user).unwrap();
        node.listeners.lost();
        assert!(matches!(seat.next().await, Letter::Recheck));
    }

    #[tokio::test]
    async fn once_events_flow_again_what_was_missed_is_read_and_sockets_ask_again() {
        let Node { rooms, listeners, outlet, user, .. } = Node::new().await;
        let seat = rooms.sit("r".parse().unwrap(), user).unwrap();
        listeners.connected();
        listeners.told(true);
        let telling = outlet.tell(Arc::clone(&rooms), Arc::new(SeededEntropy::default()));
        let letter = tokio::select! { letter = seat.next() => letter, () = telling => panic!("the line ends") };
        assert!(matches!(letter, Letter::Recheck));
    }

    #[tokio::test]
    async fn a_deletion_wakes_whoever_clears_up_after_it_and_nothing_else_does() {
        let node = Node::new().await;
        node.listeners.heard(&account_created(node.user));
        let woken = node.listeners.deleted.notified();
        tokio::pin!(woken);
        assert!(!woken.as_mut().enable());
        let body = EventBody::AccountDeleted { sessions: vec![] };
        node.listeners.heard(&Event { body, ..account_created(node.user) });
        woken.await;
    }
}
