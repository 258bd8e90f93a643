//! The contract of [`AccountStore`](frontdesk_profile::AccountStore) for the end of an account.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::idempotency::Outcome;
use frontdesk_kernel::{EventBody, Page, UserId};
use frontdesk_profile::account::{TOMBSTONE_STANDS_FOR, Tombstone, USERNAME_RESTS_FOR};
use frontdesk_profile::revocation::Reach;
use frontdesk_profile::session::{Refreshed, Which};
use frontdesk_profile::settings::SettingsPatch;
use frontdesk_profile::{CreateError, DeleteError, OpenSessionError, StorePasswordError, UpdateError};

use super::{Stores, race};
use crate::builders::{
    change, claim, completion, delete, display_name, end, fingerprint, noon, open, provision, refresh, registered,
    session_at, set_password, settings_change, user_id, username, with_password,
};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! account_deletion_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] account_deletion:
            delete_gives_the_tombstone_and_tells_of_it,
            delete_leaves_nothing_of_the_user,
            delete_forgets_the_answers_to_idempotency_keys,
            nothing_works_on_a_deleted_account,
            delete_of_an_unknown_user_is_not_found,
            of_32_deletions_at_once_exactly_one_deletes,
            a_deletion_and_a_change_at_once_leave_no_profile,
            a_deletion_and_a_sign_in_at_once_leave_no_session,
            delete_touches_no_other_account,
            a_username_rests_in_any_case,
            a_username_that_has_rested_is_free,
            a_tombstone_stands_as_long_as_it_has_to,
        }
    };
}

async fn sessions(stores: &Stores, user: UserId) -> usize {
    stores.sessions.list(user, Page { limit: 100, offset: 0, after: None }, noon()).await.unwrap().rows.len()
}

pub async fn delete_gives_the_tombstone_and_tells_of_it(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let session = session_at(user, noon());
    stores.sessions.open(&open(&session)).await.unwrap();
    let command = delete(user);
    let deletion = stores.accounts.delete(&command).await.unwrap();
    let tombstone = Tombstone { user_id: user, deleted_at: command.now, receipt_id: command.receipt_id };
    assert_eq!(deletion.tombstone, tombstone);
    let told = stores.events_of(user).await;
    assert_eq!(told, std::slice::from_ref(&deletion.event));
    assert_eq!(
        (told[0].id, &told[0].body),
        (command.notice.event_id, &EventBody::AccountDeleted { sessions: vec![session.id] })
    );
    let reached: Vec<_> = deletion.revocations.iter().map(|revocation| revocation.reach).collect();
    assert_eq!(reached, [Reach::All(command.now), Reach::Session(session.id)]);
    let mut kept = stores.sessions.revocations_of(user, noon()).await.unwrap();
    kept.sort_by_key(|revocation| reached.iter().position(|reach| *reach == revocation.reach));
    assert_eq!(kept, deletion.revocations);
}

pub async fn delete_leaves_nothing_of_the_user(stores: &Stores) {
    let user = stores.given(with_password("ada", "hash")).await;
    let session = session_at(user, noon());
    let mut command = open(&session);
    command.seen = Some(frontdesk_profile::password::PasswordHash::new("hash"));
    stores.sessions.open(&command).await.unwrap();
    stores.profiles.update(&change(user, display_name("Ada"))).await.unwrap();
    stores.accounts.delete(&delete(user)).await.unwrap();
    let held = stores.held(user).await;
    assert_eq!((held.account, held.login, held.view, held.settings), (None, None, None, None));
    assert_eq!(stores.login("ada").await, None);
    assert_eq!(sessions(stores, user).await, 0);
    let user = user_id();
    stores.accounts.provision(&provision(user, noon())).await.unwrap();
    stores.accounts.delete(&delete(user)).await.unwrap();
    assert_eq!(stores.accounts.identities(user).await.unwrap(), []);
}

pub async fn delete_forgets_the_answers_to_idempotency_keys(stores: &Stores) {
    let (new, mut claim) = (registered("ada"), claim("k"));
    claim.user_id = new.account.id;
    stores.idempotency.claim(&claim, &fingerprint(1), noon()).await.unwrap();
    stores.accounts.create(&new, Some(&completion(&claim))).await.unwrap();
    stores.accounts.delete(&delete(new.account.id)).await.unwrap();
    let outcome = stores.idempotency.claim(&claim, &fingerprint(2), noon()).await.unwrap();
    assert_eq!(outcome, Outcome::Claimed);
}

pub async fn nothing_works_on_a_deleted_account(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let session = session_at(user, noon());
    stores.sessions.open(&open(&session)).await.unwrap();
    stores.accounts.delete(&delete(user)).await.unwrap();
    let opened = stores.sessions.open(&open(&session_at(user, noon()))).await;
    assert!(matches!(opened, Err(OpenSessionError::Refused)), "{opened:?}");
    assert_eq!(stores.sessions.refresh(&refresh(&session)).await.unwrap(), Refreshed::Refused);
    assert_eq!(stores.sessions.end(&end(user, Which::All { bearer: session.id })).await.unwrap(), None);
    let password = stores.accounts.set_password(&set_password(user, None, "hash")).await;
    assert!(matches!(password, Err(StorePasswordError::NotFound)), "{password:?}");
    let update = stores.profiles.update(&change(user, display_name("Ada"))).await;
    assert!(matches!(update, Err(UpdateError::NotFound)), "{update:?}");
    let settings = stores.settings.change(&settings_change(user, SettingsPatch::default())).await;
    assert!(settings.is_err(), "{settings:?}");
    stores.accounts.close_claim(user).await.unwrap();
    let again = stores.accounts.delete(&delete(user)).await;
    assert!(matches!(again, Err(DeleteError::NotFound)), "{again:?}");
    assert_eq!(stores.events_of(user).await.len(), 1);
}

pub async fn delete_of_an_unknown_user_is_not_found(stores: &Stores) {
    let user = user_id();
    let refused = stores.accounts.delete(&delete(user)).await;
    assert!(matches!(refused, Err(DeleteError::NotFound)), "{refused:?}");
    assert_eq!(stores.events_of(user).await, []);
}

pub async fn of_32_deletions_at_once_exactly_one_deletes(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let done = race(32, |_| {
        let store = Arc::clone(&stores.accounts);
        async move { store.delete(&delete(user)).await.is_ok() }
    });
    assert_eq!(done.await.into_iter().filter(|is_deleted| *is_deleted).count(), 1);
    assert_eq!(stores.events_of(user).await.len(), 1);
}

pub async fn a_deletion_and_a_change_at_once_leave_no_profile(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    race(16, |index| {
        let (accounts, profiles) = (Arc::clone(&stores.accounts), Arc::clone(&stores.profiles));
        async move {
            if index == 8 {
                accounts.delete(&delete(user)).await.unwrap();
            } else {
                // Before the deletion or not at all.
                let _ = profiles.update(&change(user, display_name(&index.to_string()))).await;
            }
        }
    })
    .await;
    let held = stores.held(user).await;
    assert_eq!((held.account, held.view, held.settings), (None, None, None));
    assert_eq!(held.events.last().unwrap().body, EventBody::AccountDeleted { sessions: vec![] });
}

pub async fn a_deletion_and_a_sign_in_at_once_leave_no_session(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    race(16, |index| {
        let (accounts, store) = (Arc::clone(&stores.accounts), Arc::clone(&stores.sessions));
        async move {
            if index == 8 {
                accounts.delete(&delete(user)).await.unwrap();
            } else {
                let _ = store.open(&open(&session_at(user, noon()))).await;
            }
        }
    })
    .await;
    assert_eq!(sessions(stores, user).await, 0);
}

pub async fn delete_touches_no_other_account(stores: &Stores) {
    let (ada, bob) = (stores.given(registered("ada")).await, stores.given(registered("bob")).await);
    stores.sessions.open(&open(&session_at(bob, noon()))).await.unwrap();
    let before = (stores.held(bob).await, sessions(stores, bob).await);
    stores.accounts.delete(&delete(ada)).await.unwrap();
    assert_eq!((stores.held(bob).await, sessions(stores, bob).await), before);
    assert_eq!(stores.sessions.revocations_of(bob, noon()).await.unwrap(), []);
}

pub async fn a_username_rests_in_any_case(stores: &Stores) {
    let user = stores.given(registered("Ada")).await;
    stores.accounts.delete(&delete(user)).await.unwrap();
    for name in ["ada", "ADA"] {
        let refused = stores.accounts.create(&registered(name), None).await;
        assert!(matches!(refused, Err(CreateError::UsernameTaken)), "{refused:?}");
    }
    let bob = stores.given(registered("bob")).await;
    let refused = stores.profiles.update(&change(bob, username("aDa"))).await;
    assert!(matches!(refused, Err(UpdateError::UsernameTaken)), "{refused:?}");
}

pub async fn a_username_that_has_rested_is_free(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    stores.given(registered("bob")).await;
    let command = delete(user);
    stores.accounts.delete(&command).await.unwrap();
    let free_at = command.now + USERNAME_RESTS_FOR;
    assert_eq!(stores.accounts.purge(free_at - Duration::from_micros(1)).await.unwrap(), 0);
    assert!(stores.accounts.create(&registered("ada"), None).await.is_err());
    assert_eq!(stores.accounts.purge(free_at).await.unwrap(), 1);
    stores.given(registered("ada")).await;
    assert!(stores.accounts.create(&registered("bob"), None).await.is_err());
}

pub async fn a_tombstone_stands_as_long_as_it_has_to(stores: &Stores) {
    let user = user_id();
    stores.accounts.provision(&provision(user, noon())).await.unwrap();
    let command = delete(user);
    stores.accounts.delete(&command).await.unwrap();
    let falls_at = command.now + TOMBSTONE_STANDS_FOR;
    assert_eq!(stores.accounts.purge(falls_at).await.unwrap(), 0);
    assert_eq!(stores.accounts.purge(falls_at + Duration::from_micros(1)).await.unwrap(), 1);
    assert_eq!(stores.accounts.purge(falls_at + Duration::from_micros(1)).await.unwrap(), 0);
}
