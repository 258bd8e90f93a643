//! What a process knows of revocations, over a store.

#![expect(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, UserId};
use frontdesk_memory::MemoryStores;
use frontdesk_profile::revocation::Remember;
use frontdesk_profile::session::{Session, Which};
use frontdesk_profile::token::{AccessClaims, Origin};
use frontdesk_profile::{AccountStore, Revocations, SessionStore};
use frontdesk_testkit::builders::{TestClock, end, event_id, noon, open, registered, session_at};
use uuid::Uuid;

const LIFETIME: Duration = Duration::from_mins(15);
const REMEMBER: Remember = Remember { own: LIFETIME, foreign: LIFETIME };

struct Node {
    stores: MemoryStores,
    revocations: Revocations,
}

impl Node {
    fn new() -> Self {
        let stores = MemoryStores::new();
        let revocations = Revocations::new(stores.sessions.clone(), Arc::new(TestClock::default()), REMEMBER);
        Self { stores, revocations }
    }

    async fn session(&self) -> Session {
        let new = registered("ada");
        self.stores.accounts.create(&new, None).await.unwrap();
        let session = session_at(new.account.id, noon());
        self.stores.sessions.open(&open(&session)).await.unwrap();
        session
    }

    async fn end(&self, session: &Session) -> Event {
        let command = end(session.user_id, Which::One(session.id));
        self.stores.sessions.end(&command).await.unwrap().unwrap().event
    }

    async fn refuses(&self, session: &Session) -> bool {
        self.revocations.refuses(&claims(session)).await.unwrap()
    }
}

fn claims(session: &Session) -> AccessClaims {
    AccessClaims {
        origin: Origin::Own,
        user_id: session.user_id,
        session_id: session.id,
        token_id: Uuid::nil(),
        issued_at: session.created_at,
        expires_at: session.created_at + LIFETIME,
        authenticated_at: session.created_at,
        claims_until: None,
    }
}

#[tokio::test]
async fn before_events_arrive_the_store_is_asked() {
    let node = Node::new();
    let session = node.session().await;
    assert!(!node.refuses(&session).await);
    node.end(&session).await;
    assert!(node.refuses(&session).await);
}

#[tokio::test]
async fn while_events_arrive_the_store_is_not_asked() {
    let node = Node::new();
    let session = node.session().await;
    node.revocations.resume().await.unwrap();
    let event = node.end(&session).await;
    assert!(!node.refuses(&session).await);
    node.revocations.hear(&event);
    assert!(node.refuses(&session).await);
}

#[tokio::test]
async fn what_was_missed_is_read_when_events_arrive_again() {
    let node = Node::new();
    let session = node.session().await;
    node.end(&session).await;
    node.revocations.resume().await.unwrap();
    assert!(node.refuses(&session).await);
}

#[tokio::test]
async fn when_events_stop_the_store_is_asked_again() {
    let node = Node::new();
    let session = node.session().await;
    node.revocations.resume().await.unwrap();
    node.revocations.suspend();
    node.end(&session).await;
    assert!(node.refuses(&session).await);
}

#[tokio::test]
async fn a_deletion_reaches_every_token_of_the_user() {
    let node = Node::new();
    let session = node.session().await;
    node.revocations.resume().await.unwrap();
    let deleted = |user_id: UserId| Event {
        id: event_id(),
        user_id,
        occurred_at: noon(),
        body: EventBody::AccountDeleted { sessions: vec![] },
    };
    node.revocations.hear(&deleted(UserId::new(Uuid::from_u128(7))));
    assert!(!node.refuses(&session).await);
    node.revocations.hear(&deleted(session.user_id));
    assert!(node.refuses(&session).await);
}

#[tokio::test]
async fn memory_is_bounded_by_what_still_matters() {
    let clock = Arc::new(TestClock::default());
    let stores = MemoryStores::new();
    let revocations = Revocations::new(stores.sessions.clone(), clock.clone(), REMEMBER);
    revocations.resume().await.unwrap();
    let ended = |occurred_at| Event {
        id: event_id(),
        user_id: frontdesk_testkit::builders::user_id(),
        occurred_at,
        body: EventBody::SessionsEnded {
            sessions: (0..100).map(|_| frontdesk_testkit::builders::session_id()).collect(),
            everywhere: true,
        },
    };
    for round in 0..100 {
        let now = noon() + LIFETIME * round;
        clock.set(now);
        revocations.hear(&ended(now));
    }
    assert!(revocations.len() <= 2_048, "{}", revocations.len());
}
