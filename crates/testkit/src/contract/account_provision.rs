//! The contract of [`AccountStore`](frontdesk_profile::AccountStore) for users of trusted issuers.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_profile::Provisioned;
use frontdesk_profile::profile::View;

use super::{Stores, race};
use crate::builders::{change, delete, display_name, noon, provision, registered, user_id, username};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! account_provision_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] account_provision:
            the_first_use_makes_the_account_whole,
            a_later_use_changes_nothing,
            of_64_first_uses_at_once_exactly_one_makes_the_account,
            two_users_without_a_username_are_two,
            a_token_from_before_the_deletion_brings_nothing_back,
            a_token_from_after_the_deletion_makes_a_fresh_and_empty_account,
            of_64_newer_tokens_after_a_deletion_exactly_one_makes_the_account,
            of_a_deletion_and_32_older_tokens_at_once_nothing_is_left,
            whoever_comes_back_may_take_their_username_again,
            the_old_username_rests_although_its_user_comes_back_under_another,
        }
    };
}

pub async fn the_first_use_makes_the_account_whole(stores: &Stores) {
    let command = provision(user_id(), noon());
    let user = command.new.account.id;
    assert_eq!(stores.accounts.provision(&command).await.unwrap(), Provisioned::Made);
    let held = stores.held(user).await;
    let new = command.new;
    assert_eq!(held.account, Some(new.account));
    assert_eq!(held.view, Some(View { profile: new.profile, channels: Some(new.channels) }));
    assert_eq!((held.settings, held.events), (Some(new.settings), vec![new.event]));
    assert_eq!(stores.accounts.identities(user).await.unwrap(), Vec::from_iter(command.identity));
}

pub async fn a_later_use_changes_nothing(stores: &Stores) {
    let user = user_id();
    stores.accounts.provision(&provision(user, noon())).await.unwrap();
    stores.profiles.update(&change(user, display_name("Ada"))).await.unwrap();
    let before = stores.held(user).await;
    for issued_at in [noon() - Duration::from_hours(1), noon() + Duration::from_hours(1)] {
        assert_eq!(stores.accounts.provision(&provision(user, issued_at)).await.unwrap(), Provisioned::Known);
    }
    assert_eq!(stores.held(user).await, before);
}

/// How many of 64 first uses at once made an account; the others found it.
async fn made_of_64(stores: &Stores, command: impl Fn() -> frontdesk_profile::Provision) -> usize {
    let done = race(64, |_| {
        let (store, command) = (Arc::clone(&stores.accounts), command());
        async move { store.provision(&command).await.unwrap() }
    });
    let done = done.await;
    assert!(done.iter().all(|one| *one != Provisioned::Deleted), "{done:?}");
    done.into_iter().filter(|one| *one == Provisioned::Made).count()
}

pub async fn of_64_first_uses_at_once_exactly_one_makes_the_account(stores: &Stores) {
    let user = user_id();
    assert_eq!(made_of_64(stores, || provision(user, noon())).await, 1);
    assert_eq!(stores.events_of(user).await.len(), 1);
    assert!(stores.held(user).await.view.is_some());
}

pub async fn two_users_without_a_username_are_two(stores: &Stores) {
    for _ in 0..2 {
        let user = user_id();
        assert_eq!(stores.accounts.provision(&provision(user, noon())).await.unwrap(), Provisioned::Made);
        assert_eq!(stores.accounts.account(user).await.unwrap().unwrap().id, user);
    }
}

pub async fn a_token_from_before_the_deletion_brings_nothing_back(stores: &Stores) {
    let user = user_id();
    stores.accounts.provision(&provision(user, noon())).await.unwrap();
    let command = delete(user);
    stores.accounts.delete(&command).await.unwrap();
    for issued_at in [noon(), command.now - Duration::from_secs(1), command.now] {
        assert_eq!(stores.accounts.provision(&provision(user, issued_at)).await.unwrap(), Provisioned::Deleted);
        assert_eq!(stores.held(user).await.account, None);
    }
}

pub async fn a_token_from_after_the_deletion_makes_a_fresh_and_empty_account(stores: &Stores) {
    let user = user_id();
    stores.accounts.provision(&provision(user, noon())).await.unwrap();
    stores.profiles.update(&change(user, display_name("Ada"))).await.unwrap();
    let command = delete(user);
    stores.accounts.delete(&command).await.unwrap();
    let again = provision(user, command.now + Duration::from_secs(1));
    assert_eq!(stores.accounts.provision(&again).await.unwrap(), Provisioned::Made);
    assert_eq!(stores.view(user).await.profile, again.new.profile);
    assert_eq!(stores.accounts.provision(&provision(user, noon())).await.unwrap(), Provisioned::Known);
}

pub async fn of_64_newer_tokens_after_a_deletion_exactly_one_makes_the_account(stores: &Stores) {
    let user = user_id();
    stores.accounts.provision(&provision(user, noon())).await.unwrap();
    let command = delete(user);
    stores.accounts.delete(&command).await.unwrap();
    let newer = command.now + Duration::from_secs(1);
    assert_eq!(made_of_64(stores, || provision(user, newer)).await, 1);
}

pub async fn of_a_deletion_and_32_older_tokens_at_once_nothing_is_left(stores: &Stores) {
    let user = user_id();
    stores.accounts.provision(&provision(user, noon())).await.unwrap();
    let done = race(33, |index| {
        let store = Arc::clone(&stores.accounts);
        async move {
            if index == 16 {
                store.delete(&delete(user)).await.unwrap();
            } else {
                store.provision(&provision(user, noon())).await.unwrap();
            }
        }
    });
    done.await;
    let held = stores.held(user).await;
    assert_eq!((held.account, held.view, held.settings), (None, None, None));
}

pub async fn whoever_comes_back_may_take_their_username_again(stores: &Stores) {
    let user = user_id();
    stores.accounts.provision(&provision(user, noon())).await.unwrap();
    stores.profiles.update(&change(user, username("ada"))).await.unwrap();
    let command = delete(user);
    stores.accounts.delete(&command).await.unwrap();
    stores.accounts.provision(&provision(user, command.now + Duration::from_secs(1))).await.unwrap();
    assert!(stores.profiles.update(&change(stores.given(registered("bob")).await, username("ada"))).await.is_err());
    stores.profiles.update(&change(user, username("ada"))).await.unwrap();
    assert_eq!(stores.login("ada").await.unwrap().user_id, user);
}

pub async fn the_old_username_rests_although_its_user_comes_back_under_another(stores: &Stores) {
    let user = user_id();
    stores.accounts.provision(&provision(user, noon())).await.unwrap();
    stores.profiles.update(&change(user, username("ada"))).await.unwrap();
    let command = delete(user);
    stores.accounts.delete(&command).await.unwrap();
    stores.accounts.provision(&provision(user, command.now + Duration::from_secs(1))).await.unwrap();
    stores.profiles.update(&change(user, username("eve"))).await.unwrap();
    assert!(stores.accounts.create(&registered("ada"), None).await.is_err());
    assert_eq!((stores.login("ada").await, stores.login("eve").await.unwrap().user_id), (None, user));
    stores.profiles.update(&change(user, username("ada"))).await.unwrap();
    assert_eq!((stores.login("eve").await, stores.login("ada").await.unwrap().user_id), (None, user));
    stores.given(registered("eve")).await;
    assert!(stores.accounts.create(&registered("ada"), None).await.is_err());
}
