//! The contract of [`AccountStore`](frontdesk_profile::AccountStore).

use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::idempotency::{CLAIM_LEASE, Outcome};
use frontdesk_kernel::{Event, EventBody, Page, SessionId, Timestamp, UserId};
use frontdesk_profile::account::{Account, PasswordGround, SetPassword};
use frontdesk_profile::channels::Channels;
use frontdesk_profile::password::PasswordHash;
use frontdesk_profile::profile::{Authority, ProfileChange, View, decide};
use frontdesk_profile::revocation::Reach;
use frontdesk_profile::settings::{DefaultView, ItemsPerPage, Settings, Theme};
use frontdesk_profile::{CreateError, Login, Registered, StorePasswordError, UpdateError};

use super::{Stores, race};
use crate::builders::{
    change, claim, completion, display_name, every_field, fingerprint, first_password, noon, open, registered,
    registered_without_username, session_at, set_password, unclaimed, user_id, with_password,
};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! account_store_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] account_store:
            create_stores_account_profile_settings_and_channels,
            create_appends_its_event,
            create_keeps_microseconds,
            create_refuses_a_username_that_another_user_has_in_any_case,
            create_stores_nothing_when_the_username_is_taken,
            create_keeps_no_answer_when_the_username_is_taken,
            of_64_concurrent_creates_of_one_username_exactly_one_succeeds,
            create_takes_any_number_of_users_without_a_username,
            create_with_a_completion_keeps_the_answer_byte_for_byte,
            create_past_the_lease_succeeds_while_nobody_else_has_the_key,
            create_whose_claim_was_taken_over_is_refused_and_stores_nothing,
            create_whose_claim_was_released_is_refused_and_stores_nothing,
            create_with_a_claim_that_nobody_made_is_refused_and_stores_nothing,
            create_fulfils_a_claim_only_once,
            of_64_concurrent_creates_with_one_claim_exactly_one_succeeds,
            find_login_finds_an_account_by_the_comparison_form_and_nothing_else,
            find_login_gives_user_and_password,
            an_unknown_user_has_no_account_and_no_login,
            create_stores_the_first_session,
            set_password_stores_the_decision_and_tells_of_it,
            set_password_ends_every_session_and_opens_one,
            set_password_replaces_the_password_that_was_seen,
            the_first_password_closes_the_account,
            set_password_on_a_closed_account_is_refused_and_changes_nothing,
            set_password_at_the_end_of_the_window_is_refused,
            set_password_is_refused_when_the_password_changed_meanwhile,
            set_password_of_an_unknown_user_is_not_found,
            of_32_concurrent_first_passwords_exactly_one_is_set,
            of_32_concurrent_changes_of_one_password_exactly_one_is_made,
            close_claim_closes_the_account_to_passwords_without_a_token,
            close_claim_closes_the_profile_to_updates_without_a_token,
            close_claim_is_idempotent_and_changes_nothing_else,
            close_claim_of_an_unknown_user_does_nothing,
            nothing_done_to_one_account_touches_another,
        }
    };
}

/// An account in which nothing is as in every new one, and every moment has microseconds of its own.
fn unusual(username: &str) -> Registered {
    let micros = |micros| noon() + Duration::from_micros(micros);
    let mut new = registered(username);
    let blank = View { profile: new.profile, channels: None };
    new.profile = decide(&blank, &change(new.account.id, every_field(username))).unwrap().view.profile;
    new.profile.email_verified = true;
    new.profile.version = i64::from(i32::MAX) + 1;
    (new.profile.created_at, new.profile.updated_at) = (micros(1), micros(2));
    new.account = Account {
        id: new.account.id,
        password: Some(PasswordHash::new("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA")),
        claim_open_until: Some(micros(3)),
        created_at: micros(1),
    };
    new.settings = Settings {
        theme: Theme::Dark,
        compact_mode: true,
        default_view: DefaultView::List,
        items_per_page: ItemsPerPage::new(200).unwrap(),
        show_thumbnails: false,
        auto_expand_folders: true,
        confirm_delete: false,
        show_activity: false,
        allow_analytics: false,
        updated_at: micros(4),
        version: 3,
    };
    new.channels = Channels { email_enabled: false, push_enabled: true, sms_enabled: true, version: 4 };
    new.event.occurred_at = micros(5);
    new
}

/// Nothing of an account that was refused is there, and its name is free.
async fn assert_nothing_stored(stores: &Stores, refused: &Registered) {
    let held = stores.held(refused.account.id).await;
    assert_eq!((held.account, held.view, held.settings, held.events), (None, None, None, vec![]));
}

/// Nobody may act for the account of the command without a token.
async fn assert_closed(stores: &Stores, command: SetPassword) {
    let refused = stores.accounts.set_password(&command).await;
    assert!(matches!(refused, Err(StorePasswordError::NotOpen)), "{refused:?}");
}

pub async fn create_stores_account_profile_settings_and_channels(stores: &Stores) {
    let new = unusual("ada");
    let user = stores.given(new.clone()).await;
    let held = stores.held(user).await;
    assert_eq!(held.account, Some(new.account));
    assert_eq!(held.view, Some(View { profile: new.profile, channels: Some(new.channels) }));
    assert_eq!(held.settings, Some(new.settings));
}

pub async fn create_appends_its_event(stores: &Stores) {
    let new = unusual("ada");
    let user = stores.given(new.clone()).await;
    assert_eq!(stores.events_of(user).await, [new.event]);
}

pub async fn create_keeps_microseconds(stores: &Stores) {
    let user = stores.given(unusual("ada")).await;
    let held = stores.held(user).await;
    let (account, profile) = (held.account.unwrap(), held.view.unwrap().profile);
    let moments = [
        account.created_at,
        profile.updated_at,
        account.claim_open_until.unwrap(),
        held.settings.unwrap().updated_at,
        held.events.first().unwrap().occurred_at,
    ];
    assert_eq!(
        moments.map(|at| at.as_datetime().timestamp_subsec_micros()),
        [123_458, 123_459, 123_460, 123_461, 123_462]
    );
}

pub async fn create_refuses_a_username_that_another_user_has_in_any_case(stores: &Stores) {
    stores.given(registered("Ada-Lovelace")).await;
    for taken in ["Ada-Lovelace", "ada-lovelace", "ADA-LOVELACE"] {
        let refused = stores.accounts.create(&registered(taken), None).await;
        assert!(matches!(refused, Err(CreateError::UsernameTaken)), "{taken}: {refused:?}");
    }
}

pub async fn create_stores_nothing_when_the_username_is_taken(stores: &Stores) {
    let first = stores.given(registered("ada")).await;
    let before = stores.held(first).await;
    let second = with_password("ADA", "hash");
    stores.accounts.create(&second, None).await.unwrap_err();
    assert_nothing_stored(stores, &second).await;
    assert_eq!(stores.held(first).await, before);
}

pub async fn create_keeps_no_answer_when_the_username_is_taken(stores: &Stores) {
    stores.given(registered("ada")).await;
    let claim = claim("key");
    stores.idempotency.claim(&claim, &fingerprint(1), noon()).await.unwrap();
    let refused = stores.accounts.create(&registered("ada"), Some(&completion(&claim))).await;
    assert!(matches!(refused, Err(CreateError::UsernameTaken)), "{refused:?}");
    let outcome = stores.idempotency.claim(&claim, &fingerprint(1), noon()).await.unwrap();
    assert_eq!(outcome, Outcome::InProgress);
}

pub async fn of_64_concurrent_creates_of_one_username_exactly_one_succeeds(stores: &Stores) {
    let accounts: Vec<_> = (0..64).map(|index| registered(if index % 2 == 0 { "ada" } else { "Ada" })).collect();
    let results = race(64, |index| {
        let (store, new) = (Arc::clone(&stores.accounts), accounts.get(index).cloned().unwrap());
        async move { store.create(&new, None).await }
    })
    .await;
    let taken = results.iter().filter(|result| matches!(result, Err(CreateError::UsernameTaken))).count();
    assert_eq!((results.iter().filter(|result| result.is_ok()).count(), taken), (1, 63));
    let winner = results.iter().zip(&accounts).find_map(|(result, new)| result.is_ok().then_some(new)).unwrap();
    assert_eq!(stores.login("ada").await.map(|login| login.user_id), Some(winner.account.id));
    assert_eq!(stores.outbox.pending(100).await.unwrap(), std::slice::from_ref(&winner.event));
}

pub async fn create_takes_any_number_of_users_without_a_username(stores: &Stores) {
    for _ in 0..3 {
        let new = registered_without_username();
        let user = stores.given(new.clone()).await;
        assert_eq!(stores.view(user).await.profile, new.profile);
    }
}

pub async fn create_with_a_completion_keeps_the_answer_byte_for_byte(stores: &Stores) {
    let claim = claim("key");
    let completion = completion(&claim);
    stores.idempotency.claim(&claim, &fingerprint(1), noon()).await.unwrap();
    stores.accounts.create(&registered("ada"), Some(&completion)).await.unwrap();
    let outcome = stores.idempotency.claim(&claim, &fingerprint(1), noon()).await.unwrap();
    assert_eq!(outcome, Outcome::Replay(completion.answer));
}

pub async fn create_past_the_lease_succeeds_while_nobody_else_has_the_key(stores: &Stores) {
    let claim = claim("key");
    let completion = completion(&claim);
    let long_ago = noon() - CLAIM_LEASE * 2;
    stores.idempotency.claim(&claim, &fingerprint(1), long_ago).await.unwrap();
    stores.accounts.create(&registered("ada"), Some(&completion)).await.unwrap();
    let outcome = stores.idempotency.claim(&claim, &fingerprint(1), noon()).await.unwrap();
    assert_eq!(outcome, Outcome::Replay(completion.answer));
}

pub async fn create_whose_claim_was_taken_over_is_refused_and_stores_nothing(stores: &Stores) {
    let (slow, fast) = (claim("key"), claim("key"));
    stores.idempotency.claim(&slow, &fingerprint(1), noon()).await.unwrap();
    let later = noon() + CLAIM_LEASE;
    assert_eq!(stores.idempotency.claim(&fast, &fingerprint(1), later).await.unwrap(), Outcome::Claimed);
    let refused = registered("ada");
    let lost = stores.accounts.create(&refused, Some(&completion(&slow))).await;
    assert!(matches!(lost, Err(CreateError::ClaimLost)), "{lost:?}");
    assert_nothing_stored(stores, &refused).await;
    assert_eq!(stores.login("ada").await, None);
    stores.accounts.create(&registered("ada"), Some(&completion(&fast))).await.unwrap();
}

pub async fn create_whose_claim_was_released_is_refused_and_stores_nothing(stores: &Stores) {
    let claim = claim("key");
    stores.idempotency.claim(&claim, &fingerprint(1), noon()).await.unwrap();
    stores.idempotency.release(&claim).await.unwrap();
    let refused = registered("ada");
    let lost = stores.accounts.create(&refused, Some(&completion(&claim))).await;
    assert!(matches!(lost, Err(CreateError::ClaimLost)), "{lost:?}");
    assert_nothing_stored(stores, &refused).await;
}

pub async fn create_with_a_claim_that_nobody_made_is_refused_and_stores_nothing(stores: &Stores) {
    let refused = registered("ada");
    let lost = stores.accounts.create(&refused, Some(&completion(&claim("key")))).await;
    assert!(matches!(lost, Err(CreateError::ClaimLost)), "{lost:?}");
    assert_nothing_stored(stores, &refused).await;
}

pub async fn create_fulfils_a_claim_only_once(stores: &Stores) {
    let claim = claim("key");
    stores.idempotency.claim(&claim, &fingerprint(1), noon()).await.unwrap();
    stores.accounts.create(&registered("ada"), Some(&completion(&claim))).await.unwrap();
    let again = registered("eve");
    let lost = stores.accounts.create(&again, Some(&completion(&claim))).await;
    assert!(matches!(lost, Err(CreateError::ClaimLost)), "{lost:?}");
    assert_nothing_stored(stores, &again).await;
}

pub async fn of_64_concurrent_creates_with_one_claim_exactly_one_succeeds(stores: &Stores) {
    let claim = claim("key");
    stores.idempotency.claim(&claim, &fingerprint(1), noon()).await.unwrap();
    let results = race(64, |index| {
        let (store, completion) = (Arc::clone(&stores.accounts), completion(&claim));
        async move { store.create(&registered(&format!("ada{index}")), Some(&completion)).await }
    })
    .await;
    let lost = results.iter().filter(|result| matches!(result, Err(CreateError::ClaimLost))).count();
    assert_eq!((results.iter().filter(|result| result.is_ok()).count(), lost), (1, 63));
    assert_eq!(stores.outbox.pending(100).await.unwrap().len(), 1);
}

pub async fn find_login_finds_an_account_by_the_comparison_form_and_nothing_else(stores: &Stores) {
    let ada = stores.given(registered("Ada_L")).await;
    stores.given(registered_without_username()).await;
    assert_eq!(stores.login("ada_l").await.map(|login| login.user_id), Some(ada));
    for other in
        ["Ada_L", "ADA_L", "ada_", "ada_l ", " ada_l", "adaxl", "ada%", "%", "", "\0", "ada_l\0", "'; --", "ада_l"]
    {
        assert_eq!(stores.login(other).await, None, "{other:?}");
    }
}

pub async fn find_login_gives_user_and_password(stores: &Stores) {
    let with = stores.given(with_password("ada", "hash")).await;
    let without = stores.given(registered("eve")).await;
    let password = Some(PasswordHash::new("hash"));
    assert_eq!(stores.login("ada").await, Some(Login { user_id: with, password }));
    assert_eq!(stores.login("eve").await, Some(Login { user_id: without, password: None }));
}

pub async fn an_unknown_user_has_no_account_and_no_login(stores: &Stores) {
    stores.given(registered("ada")).await;
    assert_eq!(stores.accounts.account(user_id()).await.unwrap(), None);
    assert_eq!(stores.login("eve").await, None);
}

/// The sessions of a user, as ids.
async fn sessions(stores: &Stores, user: UserId) -> Vec<SessionId> {
    let page = Page { limit: 100, offset: 0, after: None };
    let listed = stores.sessions.list(user, page, noon()).await.unwrap();
    listed.rows.into_iter().map(|session| session.id).collect()
}

pub async fn create_stores_the_first_session(stores: &Stores) {
    let mut new = registered("ada");
    let session = session_at(new.account.id, noon());
    new.session = Some(session.clone());
    let user = stores.given(new).await;
    let page = Page { limit: 100, offset: 0, after: None };
    assert_eq!(stores.sessions.list(user, page, noon()).await.unwrap().rows, [session]);
}

pub async fn set_password_stores_the_decision_and_tells_of_it(stores: &Stores) {
    let new = unclaimed("ada");
    let user = stores.given(new.clone()).await;
    let before = stores.held(user).await;
    let command = first_password(user, "hash");
    stores.accounts.set_password(&command).await.unwrap();
    let after = stores.held(user).await;
    let password = Some(PasswordHash::new("hash"));
    let account = Account { password: password.clone(), claim_open_until: None, ..new.account };
    assert_eq!(after.account, Some(account));
    assert_eq!(after.login, Some(Login { user_id: user, password }));
    let ended = EventBody::SessionsEnded { sessions: vec![], everywhere: true };
    let told = [(command.event_id, EventBody::PasswordChanged), (command.notice.event_id, ended)]
        .map(|(id, body)| Event { id, user_id: user, occurred_at: command.now, body });
    assert_eq!(after.events[1..], told);
    assert_eq!((after.view, after.settings), (before.view, before.settings));
}

pub async fn set_password_ends_every_session_and_opens_one(stores: &Stores) {
    let mut new = registered("ada");
    let first = session_at(new.account.id, noon());
    new.session = Some(first.clone());
    let user = stores.given(new).await;
    let second = session_at(user, noon());
    stores.sessions.open(&open(&second)).await.unwrap();
    let command = set_password(user, None, "hash");
    let ending = stores.accounts.set_password(&command).await.unwrap();
    assert_eq!(sessions(stores, user).await, [command.session.id]);
    let reached: Vec<_> = ending.revocations.iter().map(|revocation| revocation.reach).collect();
    for reach in [Reach::Session(first.id), Reach::Session(second.id), Reach::Foreign(command.now)] {
        assert!(reached.contains(&reach), "{reach:?}");
    }
    let mut kept = stores.sessions.revocations_of(user, noon()).await.unwrap();
    kept.sort_by_key(|revocation| reached.iter().position(|reach| *reach == revocation.reach));
    assert_eq!(kept, ending.revocations);
}

pub async fn set_password_replaces_the_password_that_was_seen(stores: &Stores) {
    let user = stores.given(with_password("ada", "old")).await;
    stores.accounts.set_password(&set_password(user, Some("old"), "new")).await.unwrap();
    assert_eq!(stores.login("ada").await.unwrap().password, Some(PasswordHash::new("new")));
}

pub async fn the_first_password_closes_the_account(stores: &Stores) {
    let user = stores.given(unclaimed("ada")).await;
    stores.accounts.set_password(&first_password(user, "first")).await.unwrap();
    let seen = Some(PasswordHash::new("first"));
    assert_closed(stores, SetPassword { seen, ..first_password(user, "second") }).await;
}

pub async fn set_password_on_a_closed_account_is_refused_and_changes_nothing(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let before = stores.held(user).await;
    assert_closed(stores, first_password(user, "hash")).await;
    assert_eq!(stores.held(user).await, before);
}

pub async fn set_password_at_the_end_of_the_window_is_refused(stores: &Stores) {
    let (new, micro) = (unclaimed("ada"), Duration::from_micros(1));
    let end: Timestamp = new.account.claim_open_until.unwrap();
    let user = stores.given(new).await;
    assert_closed(stores, SetPassword { now: end, ..first_password(user, "hash") }).await;
    stores.accounts.set_password(&SetPassword { now: end - micro, ..first_password(user, "hash") }).await.unwrap();
}

pub async fn set_password_is_refused_when_the_password_changed_meanwhile(stores: &Stores) {
    let user = stores.given(with_password("ada", "other")).await;
    let before = stores.held(user).await;
    for seen in [Some("seen"), None] {
        let refused = stores.accounts.set_password(&set_password(user, seen, "new")).await;
        assert!(matches!(refused, Err(StorePasswordError::ChangedMeanwhile)), "{refused:?}");
    }
    assert_eq!(stores.held(user).await, before);
}

pub async fn set_password_of_an_unknown_user_is_not_found(stores: &Stores) {
    let nobody = user_id();
    for ground in [PasswordGround::Owner, PasswordGround::Unclaimed] {
        let refused = stores.accounts.set_password(&SetPassword { ground, ..set_password(nobody, None, "hash") }).await;
        assert!(matches!(refused, Err(StorePasswordError::NotFound)), "{refused:?}");
    }
    assert_eq!(stores.events_of(nobody).await, []);
}

pub async fn of_32_concurrent_first_passwords_exactly_one_is_set(stores: &Stores) {
    let user = stores.given(unclaimed("ada")).await;
    let results = race(32, |index| {
        let store = Arc::clone(&stores.accounts);
        async move { store.set_password(&first_password(user, &index.to_string())).await }
    })
    .await;
    let refused = results.iter().filter(|result| matches!(result, Err(StorePasswordError::NotOpen))).count();
    assert_eq!(refused, 31);
    let winner = results.iter().position(Result::is_ok).unwrap();
    let held = stores.held(user).await;
    assert_eq!(held.account.unwrap().password, Some(PasswordHash::new(winner.to_string())));
    assert_eq!(held.events.len(), 3);
}

pub async fn of_32_concurrent_changes_of_one_password_exactly_one_is_made(stores: &Stores) {
    let user = stores.given(with_password("ada", "old")).await;
    let results = race(32, |index| {
        let store = Arc::clone(&stores.accounts);
        async move { store.set_password(&set_password(user, Some("old"), &index.to_string())).await }
    })
    .await;
    let refused = results.iter().filter(|result| matches!(result, Err(StorePasswordError::ChangedMeanwhile))).count();
    assert_eq!(refused, 31);
    let winner = results.iter().position(Result::is_ok).unwrap();
    let held = stores.held(user).await;
    assert_eq!(held.account.unwrap().password, Some(PasswordHash::new(winner.to_string())));
    assert_eq!(held.events.len(), 3);
}

pub async fn close_claim_closes_the_account_to_passwords_without_a_token(stores: &Stores) {
    let user = stores.given(unclaimed("ada")).await;
    stores.accounts.close_claim(user).await.unwrap();
    assert_closed(stores, first_password(user, "hash")).await;
}

pub async fn close_claim_closes_the_profile_to_updates_without_a_token(stores: &Stores) {
    let user = stores.given(unclaimed("ada")).await;
    stores.accounts.close_claim(user).await.unwrap();
    let stranger = ProfileChange { authority: Authority::Unclaimed, ..change(user, display_name("Eve")) };
    let refused = stores.profiles.update(&stranger).await;
    assert!(matches!(refused, Err(UpdateError::NotOpen(_))), "{refused:?}");
}

pub async fn close_claim_is_idempotent_and_changes_nothing_else(stores: &Stores) {
    let new = unclaimed("ada");
    let user = stores.given(new.clone()).await;
    let mut expected = stores.held(user).await;
    expected.account = Some(Account { claim_open_until: None, ..new.account });
    for _ in 0..2 {
        stores.accounts.close_claim(user).await.unwrap();
        assert_eq!(stores.held(user).await, expected);
    }
}

pub async fn close_claim_of_an_unknown_user_does_nothing(stores: &Stores) {
    let other = stores.given(unclaimed("ada")).await;
    let before = stores.held(other).await;
    let nobody = user_id();
    stores.accounts.close_claim(nobody).await.unwrap();
    assert_eq!(stores.accounts.account(nobody).await.unwrap(), None);
    assert_eq!(stores.held(other).await, before);
}

pub async fn nothing_done_to_one_account_touches_another(stores: &Stores) {
    let other = stores.given(unclaimed("eve")).await;
    let before = stores.held(other).await;
    let user = stores.given(unclaimed("ada")).await;
    stores.accounts.close_claim(user).await.unwrap();
    stores.accounts.set_password(&set_password(user, None, "hash")).await.unwrap();
    assert_eq!(stores.held(other).await, before);
}
