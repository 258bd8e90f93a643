//! The contract of [`Outbox`](frontdesk_kernel::Outbox).

use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, EventId, Timestamp, UserId};
use frontdesk_profile::account::SetPassword;
use frontdesk_profile::profile::ProfileChange;
use tokio::time::timeout;

use super::{ALL, Stores, race};
use crate::builders::{change, display_name, event_id, noon, registered, set_password};

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
            told_takes_events_out_of_pending_and_leaves_the_others_in_their_order,
            told_is_idempotent_and_takes_ids_that_are_not_there,
            two_relays_that_tell_the_same_at_once_agree,
            committed_returns_where_an_event_was_committed_before,
            committed_wakes_whoever_waits,
            purge_removes_told_events_that_occurred_before_the_moment_and_only_those,
            purge_leaves_what_nobody_has_told,
            purge_of_nothing_tells_none,
            an_event_after_a_purge_is_pending,
        }
    };
}

const MICRO: Duration = Duration::from_micros(1);
/// How long a test waits for what has to come soon: long enough for any machine.
const SOON: Duration = Duration::from_secs(30);

/// Changes the display name at a moment.
async fn renamed_at(stores: &Stores, user: UserId, name: &str, now: Timestamp) {
    stores.profiles.update(&ProfileChange { now, ..change(user, display_name(name)) }).await.unwrap();
}

/// Tells whatever is pending.
async fn tell_all(stores: &Stores) {
    let pending = stores.outbox.pending(ALL).await.unwrap();
    stores.outbox.told(&ids(&pending)).await.unwrap();
}

fn ids(events: &[Event]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

fn versions(events: &[Event]) -> Vec<i64> {
    let version = |event: &Event| match &event.body {
        EventBody::ProfileUpdated { version, changed: _ } => Some(*version),
        EventBody::AccountCreated
        | EventBody::AvatarChanged { .. }
        | EventBody::PasswordChanged
        | EventBody::SessionsEnded { .. }
        | EventBody::AccountDeleted { .. }
        | EventBody::RoomEntered { .. }
        | EventBody::RoomLeft { .. } => None,
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
            of(password.notice.event_id, password.now, EventBody::SessionsEnded { sessions: vec![], everywhere: true }),
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

pub async fn told_takes_events_out_of_pending_and_leaves_the_others_in_their_order(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    for turn in 1..=6 {
        renamed_at(stores, user, &turn.to_string(), noon()).await;
    }
    let all = stores.outbox.pending(ALL).await.unwrap();
    // The first, one in the middle, and they are named in another order.
    stores.outbox.told(&[all[3].id, all[0].id]).await.unwrap();
    assert_eq!(versions(&stores.outbox.pending(ALL).await.unwrap()), [2, 3, 5, 6, 7]);
    assert_eq!(versions(&stores.outbox.pending(2).await.unwrap()), [2, 3]);
    tell_all(stores).await;
    assert_eq!(stores.outbox.pending(ALL).await.unwrap(), []);
    renamed_at(stores, user, "again", noon()).await;
    assert_eq!(versions(&stores.outbox.pending(ALL).await.unwrap()), [8]);
}

pub async fn told_is_idempotent_and_takes_ids_that_are_not_there(stores: &Stores) {
    stores.given(registered("ada")).await;
    let first = stores.outbox.pending(ALL).await.unwrap()[0].id;
    stores.given(registered("eve")).await;
    stores.outbox.told(&[]).await.unwrap();
    for _ in 0..2 {
        stores.outbox.told(&[event_id(), first, first]).await.unwrap();
        assert_eq!(stores.outbox.pending(ALL).await.unwrap().len(), 1);
    }
}

pub async fn two_relays_that_tell_the_same_at_once_agree(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    for turn in 1..=20 {
        renamed_at(stores, user, &turn.to_string(), noon()).await;
    }
    let ids = ids(&stores.outbox.pending(ALL).await.unwrap());
    let told = race(8, |index| {
        let (outbox, mut ids) = (stores.outbox.clone(), ids.clone());
        ids.rotate_left(index);
        async move { outbox.told(&ids).await.is_ok() }
    })
    .await;
    assert_eq!(told, [true; 8]);
    assert_eq!(stores.outbox.pending(ALL).await.unwrap(), []);
}

pub async fn committed_returns_where_an_event_was_committed_before(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    timeout(SOON, stores.outbox.committed()).await.unwrap();
    renamed_at(stores, user, "Ada", noon()).await;
    timeout(SOON, stores.outbox.committed()).await.unwrap();
}

pub async fn committed_wakes_whoever_waits(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    // It may return without an event, so the wait is over when there is one.
    let outbox = stores.outbox.clone();
    let waiting = tokio::spawn(async move {
        while outbox.pending(ALL).await.unwrap().len() < 2 {
            outbox.committed().await;
        }
    });
    tokio::task::yield_now().await;
    renamed_at(stores, user, "Ada", noon()).await;
    timeout(SOON, waiting).await.unwrap().unwrap();
}

pub async fn purge_removes_told_events_that_occurred_before_the_moment_and_only_those(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    renamed_at(stores, user, "before", noon() - MICRO).await;
    renamed_at(stores, user, "at noon", noon()).await;
    renamed_at(stores, user, "after", noon() + MICRO).await;
    renamed_at(stores, user, "long before", noon() - Duration::from_hours(1)).await;
    tell_all(stores).await;
    renamed_at(stores, user, "not told", noon() - MICRO).await;
    assert_eq!(stores.outbox.purge(noon()).await.unwrap(), 2);
    assert_eq!(stores.outbox.purge(noon()).await.unwrap(), 0);
    // The account and the change at noon, and the one after it.
    assert_eq!(stores.outbox.purge(noon() + MICRO).await.unwrap(), 2);
    assert_eq!(stores.outbox.purge(noon() + Duration::from_hours(1)).await.unwrap(), 1);
    assert_eq!(versions(&stores.outbox.pending(ALL).await.unwrap()), [6]);
}

pub async fn purge_leaves_what_nobody_has_told(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    renamed_at(stores, user, "long before", noon() - Duration::from_hours(1)).await;
    let pending = stores.outbox.pending(ALL).await.unwrap();
    assert_eq!(stores.outbox.purge(noon() + Duration::from_hours(1)).await.unwrap(), 0);
    assert_eq!(stores.outbox.pending(ALL).await.unwrap(), pending);
}

pub async fn purge_of_nothing_tells_none(stores: &Stores) {
    stores.given(registered("ada")).await;
    tell_all(stores).await;
    assert_eq!(stores.outbox.purge(noon()).await.unwrap(), 0);
}

pub async fn an_event_after_a_purge_is_pending(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    tell_all(stores).await;
    stores.outbox.purge(noon() + MICRO).await.unwrap();
    renamed_at(stores, user, "Ada", noon()).await;
    assert_eq!(versions(&stores.outbox.pending(10).await.unwrap()), [2]);
}
