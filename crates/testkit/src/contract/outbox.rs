//! The contract of [`Outbox`](frontdesk_kernel::Outbox).

use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, Timestamp, UserId};
use frontdesk_profile::account::SetPassword;
use frontdesk_profile::profile::ProfileChange;

use super::Stores;
use crate::builders::{change, display_name, noon, registered, set_password};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! outbox_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] outbox:
            nothing_is_pending_at_first,
            every_kind_of_event_is_pending_as_it_was_decided,
            pending_gives_the_events_of_one_user_in_the_order_of_their_commits,
            pending_gives_events_of_one_moment_in_the_order_of_their_commits,
            pending_gives_the_oldest_events_and_at_most_the_limit,
            pending_forgets_nothing,
            purge_removes_events_that_occurred_before_the_moment_and_only_those,
            purge_of_nothing_tells_none,
            an_event_after_a_purge_is_pending,
        }
    };
}

const MICRO: Duration = Duration::from_micros(1);

/// Changes the display name at a moment.
async fn renamed_at(stores: &Stores, user: UserId, name: &str, now: Timestamp) {
    stores.profiles.update(&ProfileChange { now, ..change(user, display_name(name)) }).await.unwrap();
}

fn versions(events: &[Event]) -> Vec<i64> {
    let version = |event: &Event| match &event.body {
        EventBody::ProfileUpdated { version, changed: _ } => Some(*version),
        EventBody::AccountCreated | EventBody::PasswordChanged => None,
    };
    events.iter().filter_map(version).collect()
}

pub async fn nothing_is_pending_at_first(stores: &Stores) {
    assert_eq!(stores.outbox.pending(10).await.unwrap(), []);
}

pub async fn every_kind_of_event_is_pending_as_it_was_decided(stores: &Stores) {
    let new = registered("ada");
    let user = stores.given(new.clone()).await;
    let update = change(user, display_name("Ada"));
    stores.profiles.update(&update).await.unwrap();
    let password = SetPassword { now: noon() + MICRO, ..set_password(user, None, "hash") };
    stores.accounts.set_password(&password).await.unwrap();
    let of = |id, occurred_at, body| Event { id, user_id: user, occurred_at, body };
    assert_eq!(
        stores.outbox.pending(10).await.unwrap(),
        [
            new.event,
            of(
                update.event_id,
                update.now,
                EventBody::ProfileUpdated { version: 2, changed: vec!["display_name".to_owned()] }
            ),
            of(password.event_id, password.now, EventBody::PasswordChanged),
        ]
    );
}

pub async fn pending_gives_the_events_of_one_user_in_the_order_of_their_commits(stores: &Stores) {
    let (ada, eve) = (stores.given(registered("ada")).await, stores.given(registered("eve")).await);
    // A clock may go backwards; the order of commits does not.
    for turn in 1..=5 {
        for user in [ada, eve] {
            renamed_at(stores, user, &turn.to_string(), noon() - Duration::from_secs(turn)).await;
        }
    }
    for user in [ada, eve] {
        assert_eq!(versions(&stores.events_of(user).await), [2, 3, 4, 5, 6]);
    }
}

pub async fn pending_gives_events_of_one_moment_in_the_order_of_their_commits(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    for turn in 1..=20 {
        renamed_at(stores, user, &turn.to_string(), noon()).await;
    }
    assert_eq!(versions(&stores.events_of(user).await), (2..=21).collect::<Vec<_>>());
}

pub async fn pending_gives_the_oldest_events_and_at_most_the_limit(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    for name in ["one", "two", "three"] {
        renamed_at(stores, user, name, noon()).await;
    }
    let all = stores.outbox.pending(100).await.unwrap();
    let oldest = |count| all.iter().take(count).cloned().collect::<Vec<_>>();
    assert_eq!(all.len(), 4);
    assert_eq!(stores.outbox.pending(0).await.unwrap(), []);
    assert_eq!(stores.outbox.pending(3).await.unwrap(), oldest(3));
    assert_eq!(stores.outbox.pending(u32::MAX).await.unwrap(), all);
}

pub async fn pending_forgets_nothing(stores: &Stores) {
    stores.given(registered("ada")).await;
    let first = stores.outbox.pending(10).await.unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(stores.outbox.pending(10).await.unwrap(), first);
}

pub async fn purge_removes_events_that_occurred_before_the_moment_and_only_those(stores: &Stores) {
    let mut new = registered("ada");
    new.event.occurred_at = noon() + MICRO;
    let user = stores.given(new).await;
    renamed_at(stores, user, "before", noon() - MICRO).await;
    renamed_at(stores, user, "at noon", noon()).await;
    renamed_at(stores, user, "long before", noon() - Duration::from_hours(1)).await;
    assert_eq!(stores.outbox.purge(noon()).await.unwrap(), 2);
    let kept: Vec<_> = stores.events_of(user).await.iter().map(|event| event.occurred_at).collect();
    assert_eq!(kept, [noon() + MICRO, noon()]);
}

pub async fn purge_of_nothing_tells_none(stores: &Stores) {
    stores.given(registered("ada")).await;
    assert_eq!(stores.outbox.purge(noon()).await.unwrap(), 0);
}

pub async fn an_event_after_a_purge_is_pending(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    stores.outbox.purge(noon() + MICRO).await.unwrap();
    renamed_at(stores, user, "Ada", noon()).await;
    assert_eq!(versions(&stores.outbox.pending(10).await.unwrap()), [2]);
}
