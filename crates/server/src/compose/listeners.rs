//! Who hears events on this node.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, EventListener};
use frontdesk_profile::Revocations;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::describe::describe;

/// The first pause between two tries to read what was missed; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Hands each event to everybody on this node who wants to hear of it.
pub(crate) struct Listeners {
    revocations: Arc<Revocations>,
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
    resuming: Option<AbortHandle>,
}

impl Listeners {
    /// Reads what was missed on the present runtime.
    pub(super) fn new(revocations: Arc<Revocations>, deleted: Arc<Notify>) -> Self {
        Self { revocations, deleted, runtime: Handle::current(), flow: Mutex::default() }
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
        if let Some(earlier) = flow.resuming.take() {
            earlier.abort();
        }
        if flows {
            flow.resuming = Some(self.runtime.spawn(resume(Arc::clone(&self.revocations))).abort_handle());
        } else {
            self.revocations.suspend();
        }
    }

    /// Takes note of whether this node tells what is in the outbox.
    pub(crate) fn told(&self, is_told: bool) {
        self.change(|flow| flow.is_told = is_told);
    }
}

impl EventListener for Listeners {
    fn heard(&self, event: &Event) {
        self.revocations.hear(event);
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
        if let Some(resuming) = flow.resuming.take() {
            resuming.abort();
        }
    }
}

/// Until it succeeds, each token costs a question to the store.
async fn resume(revocations: Arc<Revocations>) {
    let mut pause = FIRST_PAUSE;
    while let Err(error) = revocations.resume().await {
        tracing::warn!(cause = describe(&error), "revocations cannot be read: every token is looked up in the store");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_kernel::UserId;
    use frontdesk_memory::MemoryStores;
    use frontdesk_profile::revocation::Remember;
    use frontdesk_profile::session::{Session, Which};
    use frontdesk_profile::token::{AccessClaims, Origin};
    use frontdesk_profile::{AccountStore, SessionStore};
    use frontdesk_testkit::builders::{TestClock, account_created, end, noon, open, registered, session_at};
    use uuid::Uuid;

    use super::*;

    struct Node {
        stores: MemoryStores,
        revocations: Arc<Revocations>,
        listeners: Listeners,
        user: UserId,
    }

    impl Node {
        async fn new() -> Self {
            let stores = MemoryStores::new();
            let lifetime = Duration::from_mins(15);
            let remember = Remember { own: lifetime, foreign: lifetime };
            let clock = Arc::new(TestClock::default());
            let revocations = Arc::new(Revocations::new(stores.sessions.clone(), clock, remember));
            let new = registered("ada");
            stores.accounts.create(&new, None).await.unwrap();
            let listeners = Listeners::new(Arc::clone(&revocations), Arc::default());
            Self { stores, revocations, listeners, user: new.account.id }
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
