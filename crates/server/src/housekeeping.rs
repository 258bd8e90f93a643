//! Forgets what is kept for a while only.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::idempotency::{IdempotencyStore, KEPT_FOR};
use frontdesk_kernel::{Clock, Outbox, Unavailable};
use frontdesk_profile::{AccountStore, SessionStore};
use tokio::time::MissedTickBehavior;

use crate::describe::describe;

const EVERY: Duration = Duration::from_mins(1);
/// How long events are kept for clients that come back and ask what they have missed.
const EVENTS_KEPT_FOR: Duration = Duration::from_mins(10);

/// The stores that forget.
pub(crate) struct Housekeeping {
    pub(crate) idempotency: Arc<dyn IdempotencyStore>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) accounts: Arc<dyn AccountStore>,
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Housekeeping {
    /// Works once a minute until the task is aborted.
    pub(crate) async fn run(self) {
        let mut ticks = tokio::time::interval(EVERY);
        // After a stall one round is enough.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.round().await;
        }
    }

    async fn round(&self) {
        let now = self.clock.now();
        report("idempotency records", self.idempotency.purge(now - KEPT_FOR).await);
        report("sessions and revocations", self.sessions.purge(now).await);
        report("usernames and tombstones", self.accounts.purge(now).await);
        report("outbox events", self.outbox.purge(now - EVENTS_KEPT_FOR).await);
    }
}

fn report(what: &'static str, purged: Result<u64, Unavailable>) {
    match purged {
        Ok(0) => {}
        Ok(count) => tracing::debug!(what, count, "purged"),
        Err(error) => tracing::warn!(what, cause = describe(&error), "not purged; next try in 1 min"),
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_kernel::idempotency::{Claim, Scope};
    use frontdesk_kernel::{Entropy, Event, EventBody, EventId, Timestamp, UserId};
    use frontdesk_memory::MemoryStores;
    use frontdesk_profile::account::Account;
    use frontdesk_profile::channels::Channels;
    use frontdesk_profile::profile::Profile;
    use frontdesk_profile::settings::Settings;
    use frontdesk_profile::{FieldText, Registered, Username};

    use super::*;
    use crate::OsEntropy;

    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    fn begin() -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000).unwrap()
    }

    /// One event and one idempotency record, both of the beginning.
    async fn stores() -> MemoryStores {
        let (stores, now) = (MemoryStores::new(), begin());
        let id = UserId::new(OsEntropy.uuid_v7(now));
        let body = EventBody::AccountCreated;
        let event_id = EventId::new(OsEntropy.uuid_v7(now));
        let new = Registered {
            account: Account { id, password: None, claim_open_until: None, created_at: now },
            profile: Profile::new(id, Some(Username::parse("ada").unwrap()), now),
            settings: Settings::new(now),
            channels: Channels::default(),
            session: None,
            event: Event { id: event_id, user_id: id, occurred_at: now, body },
        };
        stores.accounts.create(&new, None).await.unwrap();
        stores.outbox.told(&[event_id]).await.unwrap();
        let scope = Scope { principal: "user".to_owned(), route: "POST /users".to_owned(), key: "k".to_owned() };
        let claim = Claim { scope, token: OsEntropy.uuid_v7(now), user_id: id };
        stores.idempotency.claim(&claim, &[0; 32], now).await.unwrap();
        stores
    }

    async fn left_after(age: Duration) -> (u64, u64) {
        let stores = stores().await;
        let MemoryStores { accounts, sessions, idempotency, outbox, .. } = stores.clone();
        let clock = Arc::new(At(begin() + age));
        Housekeeping { idempotency, sessions, accounts, outbox, clock }.round().await;
        let later = begin() + Duration::from_hours(48);
        (stores.outbox.purge(later).await.unwrap(), stores.idempotency.purge(later).await.unwrap())
    }

    #[tokio::test]
    async fn events_go_after_10_minutes_and_answers_after_24_hours() {
        let second = Duration::from_secs(1);
        assert_eq!(left_after(EVENTS_KEPT_FOR).await, (1, 1));
        assert_eq!(left_after(EVENTS_KEPT_FOR + second).await, (0, 1));
        assert_eq!(left_after(KEPT_FOR).await, (0, 1));
        assert_eq!(left_after(KEPT_FOR + second).await, (0, 0));
    }
}
