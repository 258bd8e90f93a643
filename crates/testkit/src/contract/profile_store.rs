//! The contract of [`ProfileStore`](frontdesk_profile::ProfileStore).

use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, Patch, UserId};
use frontdesk_profile::channels::{Channels, ChannelsPatch};
use frontdesk_profile::profile::{
    Authority, AvatarUrls, Decision, Precondition, Profile, ProfileChange, ProfilePatch, SeenVersion, View, decide,
};
use frontdesk_profile::{FieldText, UpdateError};
use serde_json::{Value, json};

use super::{Held, Stores, race};
use crate::builders::{
    change, change_with_channels, display_name, every_field, every_field_cleared, noon, parsed, preferences,
    registered, registered_without_username, set, unclaimed, user_id, username,
};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! profile_store_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] profile_store:
            update_stores_the_whole_decision,
            update_without_channels_answers_without_them,
            update_stores_every_field,
            clearing_every_field_goes_back_to_a_new_profile,
            update_keeps_microseconds,
            text_with_emoji_at_the_length_limit_survives,
            text_that_looks_like_a_statement_survives,
            preferences_survive_with_nested_objects_and_every_kind_of_value,
            numbers_in_preferences_survive,
            preferences_read_back_are_spelled_as_in_the_answer_to_the_update,
            avatar_urls_are_set_replaced_whole_and_cleared,
            an_update_that_changes_nothing_bumps_nothing_and_tells_nothing,
            a_stale_version_is_refused_with_the_current_copy_and_stores_nothing,
            a_stale_version_of_the_channels_is_refused_and_stores_nothing,
            a_version_that_was_seen_is_taken,
            an_update_that_breaks_a_rule_stores_nothing,
            a_taken_username_is_refused_in_any_case,
            an_update_with_a_taken_username_stores_nothing,
            users_may_change_the_case_of_their_own_username,
            a_rename_frees_the_old_name_and_takes_the_new_one,
            a_user_without_a_username_may_take_one,
            of_64_concurrent_renames_to_one_username_exactly_one_succeeds,
            two_users_who_swap_usernames_at_once_both_get_an_answer,
            of_64_concurrent_updates_of_different_fields_all_survive,
            of_64_concurrent_updates_each_has_a_version_and_an_event_of_its_own,
            of_64_concurrent_updates_of_one_seen_version_exactly_one_succeeds,
            concurrent_updates_of_profile_and_channels_all_survive,
            an_unclaimed_account_takes_updates_until_its_window_ends,
            an_update_without_a_token_on_a_closed_account_stores_nothing,
            an_update_by_the_owner_needs_no_open_account_and_closes_none,
            view_gives_profile_and_channels,
            view_gives_profile_and_channels_of_one_moment,
            a_change_of_channels_alone_bumps_only_the_channels,
            a_change_of_profile_and_channels_bumps_both_once,
            an_unknown_user_has_no_profile_and_no_view,
            update_of_an_unknown_user_is_not_found_and_stores_nothing,
            update_leaves_other_users_alone,
        }
    };
}

const NOTHING: ChannelsPatch =
    ChannelsPatch { email_enabled: Patch::Keep, push_enabled: Patch::Keep, sms_enabled: Patch::Keep };

fn push(enabled: bool) -> ChannelsPatch {
    ChannelsPatch { push_enabled: Patch::Set(enabled), ..NOTHING }
}

fn seen(profile: i64, channels: Option<i64>) -> Precondition {
    Precondition::Seen(vec![SeenVersion { profile, channels }])
}

async fn updated(stores: &Stores, change: &ProfileChange) -> View {
    stores.profiles.update(change).await.unwrap()
}

async fn profile(stores: &Stores, user: UserId) -> Profile {
    Profile::clone(&*stores.profiles.profile(user).await.unwrap().unwrap())
}

/// Sends a change that must be refused, and sees that nothing happened but the answer.
async fn refused(stores: &Stores, change: &ProfileChange) -> UpdateError {
    let before = stores.held(change.user_id).await;
    let error = stores.profiles.update(change).await.unwrap_err();
    assert_eq!(stores.held(change.user_id).await, before);
    error
}

pub async fn update_stores_the_whole_decision(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let before = stores.held(user).await;
    let change = change_with_channels(user, every_field("Ada.L"), push(true));
    let Decision { view, event, channels_changed, pictures } = decide(&stores.view(user).await, &change).unwrap();
    assert!(channels_changed && pictures.is_none());
    assert_eq!(updated(stores, &change).await, view);
    let after = stores.held(user).await;
    let events: Vec<Event> = before.events.into_iter().chain(event).collect();
    assert_eq!(after, Held { view: Some(view), events, login: after.login.clone(), ..before });
}

pub async fn update_without_channels_answers_without_them(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let answer = updated(stores, &change(user, display_name("Ada"))).await;
    assert_eq!(answer, View { profile: profile(stores, user).await, channels: None });
    assert_eq!(stores.view(user).await.channels, Some(Channels::default()));
}

pub async fn update_stores_every_field(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let answer = updated(stores, &change(user, every_field("Ada.L"))).await.profile;
    let kept = profile(stores, user).await;
    assert_eq!(kept, answer);
    // Nothing is left that the same patch would change.
    let again = change(user, every_field("Ada.L"));
    assert_eq!(decide(&View { profile: kept, channels: None }, &again).unwrap().event, None);
}

pub async fn clearing_every_field_goes_back_to_a_new_profile(stores: &Stores) {
    let new = registered("ada");
    let user = stores.given(new.clone()).await;
    updated(stores, &change(user, every_field("ada"))).await;
    let clear = change(user, every_field_cleared());
    updated(stores, &clear).await;
    let expected = Profile { version: 3, updated_at: clear.now, ..new.profile };
    assert_eq!(profile(stores, user).await, expected);
}

pub async fn update_keeps_microseconds(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let now = noon() + Duration::from_micros(1);
    updated(stores, &ProfileChange { now, ..change(user, display_name("Ada")) }).await;
    let held = stores.held(user).await;
    assert_eq!((held.view.unwrap().profile.updated_at, held.events.last().unwrap().occurred_at), (now, now));
}

pub async fn text_with_emoji_at_the_length_limit_survives(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let crabs = |count| "🦀".repeat(count);
    let patch = ProfilePatch {
        display_name: set(&crabs(100)),
        first_name: set(&crabs(100)),
        last_name: set(&crabs(100)),
        bio: set(&crabs(2_000)),
        company: set(&crabs(200)),
        job_title: set(&crabs(200)),
        location: set(&crabs(200)),
        // A letter and two marks, and a family of four joined into one picture.
        preferences: preferences(json!({ "free": "ẹ́ 👨‍👩‍👧‍👦" })).preferences,
        ..ProfilePatch::default()
    };
    let answer = updated(stores, &change(user, patch)).await.profile;
    let kept = profile(stores, user).await;
    assert_eq!(kept, answer);
    assert_eq!(kept.bio.unwrap().as_str(), crabs(2_000));
}

pub async fn text_that_looks_like_a_statement_survives(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    for text in ["'; DROP TABLE users; --", "{{7*7}} ${jndi:x} %s \\u0000 \\", "<script>\"'</script>", "null", "NaN"] {
        updated(stores, &change(user, display_name(text))).await;
        assert_eq!(profile(stores, user).await.display_name.unwrap().as_str(), text);
    }
}

pub async fn preferences_survive_with_nested_objects_and_every_kind_of_value(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let document = json!({
        "voice_preference": "echo",
        "call_history": { "enabled": false, "retention_days": 30 },
        "null in a list": [null, true, false, "", "\n\t\"\\/", [], {}],
        "": { "a": { "b": { "c": { "d": [[[{ "e": "ü" }]]] } } } },
        "a.b": 1, "a b": 2, "ä": 3, "🦀": 4, "__proto__": 5, "$ref": 6, "'": 7,
    });
    let answer = updated(stores, &change(user, preferences(document.clone()))).await.profile;
    let kept = profile(stores, user).await;
    assert_eq!(kept, answer);
    assert_eq!(Value::Object(kept.preferences.as_stored().clone()), document);
}

pub async fn numbers_in_preferences_survive(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let document = json!({
        "integers": [0, 1, -1, i64::MIN, i64::MAX, u64::MAX, 9_007_199_254_740_993_u64],
        "floats": [0.0, 0.1, -2.5, 1.0, 100.0, 1e-7, 0.300_000_000_000_000_04, 123_456_789.123_456_79, 1e-30, 1e30],
        // Floats without a fraction, where they are spelled with an exponent.
        "wide": [1e15, 1e16, 1.5e17, -1e18, 1.8e19, 1e20],
    });
    let answer = updated(stores, &change(user, preferences(document))).await.profile;
    assert_eq!(profile(stores, user).await.preferences, answer.preferences);
}

pub async fn preferences_read_back_are_spelled_as_in_the_answer_to_the_update(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let document = json!({ "zz": 1, "b": 2, "aaa": { "y": 1.0, "xx": 10.50 }, "Ab": [3, 1, 2], "é": "é" });
    let answer = updated(stores, &change(user, preferences(document))).await.profile;
    let spelled = |profile: &Profile| serde_json::to_string(&profile.preferences.shown()).unwrap();
    assert_eq!(spelled(&profile(stores, user).await), spelled(&answer));
}

pub async fn avatar_urls_are_set_replaced_whole_and_cleared(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let only_medium = AvatarUrls { medium: Some(parsed("/avatars/x/medium.jpg")), ..AvatarUrls::default() };
    let only_large = AvatarUrls { large: Some(parsed("https://example.com/large.jpg")), ..AvatarUrls::default() };
    for (patch, expected) in [
        (Patch::Set(only_medium.clone()), Some(only_medium)),
        (Patch::Set(only_large.clone()), Some(only_large.clone())),
        (Patch::Keep, Some(only_large.clone())),
        (Patch::Clear, None),
        (Patch::Set(only_large.clone()), Some(only_large)),
        (Patch::Set(AvatarUrls::default()), None),
    ] {
        updated(stores, &change(user, ProfilePatch { avatar_urls: patch, ..ProfilePatch::default() })).await;
        assert_eq!(profile(stores, user).await.avatar_urls, expected);
    }
}

pub async fn an_update_that_changes_nothing_bumps_nothing_and_tells_nothing(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    updated(stores, &change_with_channels(user, every_field("ada"), push(true))).await;
    let before = stores.held(user).await;
    for patch in [ProfilePatch::default(), every_field("ada")] {
        let answer = updated(stores, &change_with_channels(user, patch, push(true))).await;
        assert_eq!(Some(answer), before.view);
    }
    assert_eq!(stores.held(user).await, before);
}

pub async fn a_stale_version_is_refused_with_the_current_copy_and_stores_nothing(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    updated(stores, &change(user, display_name("Ada"))).await;
    for precondition in [seen(1, None), seen(3, None), Precondition::Seen(vec![])] {
        let stale = change(user, every_field("eve"));
        let error = refused(stores, &ProfileChange { precondition, ..stale }).await;
        let UpdateError::PreconditionFailed(current) = error else { unreachable!("{error:?}") };
        assert_eq!(*current, View { profile: profile(stores, user).await, channels: None });
    }
}

pub async fn a_stale_version_of_the_channels_is_refused_and_stores_nothing(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    updated(stores, &change_with_channels(user, ProfilePatch::default(), push(true))).await;
    let stale = change_with_channels(user, display_name("Ada"), push(false));
    let error = refused(stores, &ProfileChange { precondition: seen(1, Some(1)), ..stale }).await;
    let UpdateError::PreconditionFailed(current) = error else { unreachable!("{error:?}") };
    assert_eq!(*current, stores.view(user).await);
}

pub async fn a_version_that_was_seen_is_taken(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let fresh = change_with_channels(user, display_name("Ada"), push(true));
    let view = updated(stores, &ProfileChange { precondition: seen(1, Some(1)), ..fresh }).await;
    assert_eq!(view.profile.version, 2);
}

pub async fn an_update_that_breaks_a_rule_stores_nothing(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let too_large = preferences(json!({ "x": "y".repeat(17_000) }));
    let patch = ProfilePatch { username: Some(parsed("eve")), ..too_large };
    let error = refused(stores, &change_with_channels(user, patch, push(true))).await;
    assert!(matches!(error, UpdateError::Invalid { field: "preferences", .. }), "{error:?}");
    assert_eq!(stores.login("eve").await, None);
}

pub async fn a_taken_username_is_refused_in_any_case(stores: &Stores) {
    stores.given(registered("Ada_L")).await;
    let eve = stores.given(registered("eve")).await;
    for taken in ["Ada_L", "ada_l", "ADA_L"] {
        let error = refused(stores, &change(eve, username(taken))).await;
        assert!(matches!(error, UpdateError::UsernameTaken), "{taken}: {error:?}");
    }
}

pub async fn an_update_with_a_taken_username_stores_nothing(stores: &Stores) {
    let ada = stores.given(registered("ada")).await;
    let before = stores.held(ada).await;
    let eve = stores.given(registered("eve")).await;
    refused(stores, &change_with_channels(eve, every_field("ADA"), push(true))).await;
    assert_eq!(stores.held(ada).await, before);
}

pub async fn users_may_change_the_case_of_their_own_username(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    for spelling in ["Ada", "ADA", "ada"] {
        updated(stores, &change(user, username(spelling))).await;
        assert_eq!(profile(stores, user).await.username, Some(parsed(spelling)));
        assert_eq!(stores.login("ada").await.map(|login| login.user_id), Some(user));
    }
    let error = refused(stores, &change(stores.given(registered("eve")).await, username("aDa"))).await;
    assert!(matches!(error, UpdateError::UsernameTaken), "{error:?}");
}

pub async fn a_rename_frees_the_old_name_and_takes_the_new_one(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    updated(stores, &change(user, username("Countess"))).await;
    assert_eq!(stores.login("ada").await, None);
    assert_eq!(stores.login("countess").await.map(|login| login.user_id), Some(user));
    let next = stores.given(registered("ADA")).await;
    let error = refused(stores, &change(next, username("countess"))).await;
    assert!(matches!(error, UpdateError::UsernameTaken), "{error:?}");
}

pub async fn a_user_without_a_username_may_take_one(stores: &Stores) {
    let user = stores.given(registered_without_username()).await;
    updated(stores, &change(user, username("Ada"))).await;
    assert_eq!(stores.login("ada").await.map(|login| login.user_id), Some(user));
}

pub async fn of_64_concurrent_renames_to_one_username_exactly_one_succeeds(stores: &Stores) {
    let mut users = Vec::new();
    for index in 0..64 {
        users.push(stores.given(registered(&format!("user{index}"))).await);
    }
    let results = race(64, |index| {
        let (store, user) = (Arc::clone(&stores.profiles), users.get(index).copied().unwrap());
        let change = change(user, username(if index % 2 == 0 { "ada" } else { "Ada" }));
        async move { store.update(&change).await }
    })
    .await;
    let taken = results.iter().filter(|result| matches!(result, Err(UpdateError::UsernameTaken))).count();
    assert_eq!(taken, 63);
    let winner = results.iter().position(Result::is_ok).and_then(|index| users.get(index).copied());
    assert_eq!(stores.login("ada").await.map(|login| login.user_id), winner);
    let renamed = |event: &&Event| matches!(event.body, EventBody::ProfileUpdated { .. });
    assert_eq!(stores.outbox.pending(super::ALL).await.unwrap().iter().filter(renamed).count(), 1);
}

pub async fn two_users_who_swap_usernames_at_once_both_get_an_answer(stores: &Stores) {
    let users = [stores.given(registered("ada")).await, stores.given(registered("eve")).await];
    let results = race(2, |index| {
        let (store, user) = (Arc::clone(&stores.profiles), users.get(index).copied().unwrap());
        let change = change(user, username(if index == 0 { "eve" } else { "ada" }));
        async move { store.update(&change).await }
    })
    .await;
    for result in results {
        assert!(matches!(result, Err(UpdateError::UsernameTaken)), "{result:?}");
    }
}

/// Patches of one field each: every column that can be told apart, then keys of the preferences.
fn one_field_each() -> Vec<ProfilePatch> {
    let none = ProfilePatch::default;
    let all = every_field("Ada.L");
    let mut patches = vec![
        ProfilePatch { username: all.username, ..none() },
        ProfilePatch { display_name: all.display_name, ..none() },
        ProfilePatch { first_name: all.first_name, ..none() },
        ProfilePatch { last_name: all.last_name, ..none() },
        ProfilePatch { email: all.email, ..none() },
        ProfilePatch { phone: all.phone, ..none() },
        ProfilePatch { bio: all.bio, ..none() },
        ProfilePatch { company: all.company, ..none() },
        ProfilePatch { job_title: all.job_title, ..none() },
        ProfilePatch { location: all.location, ..none() },
        ProfilePatch { website: all.website, ..none() },
        ProfilePatch { linkedin_username: all.linkedin_username, ..none() },
        ProfilePatch { github_username: all.github_username, ..none() },
        ProfilePatch { twitter_username: all.twitter_username, ..none() },
        ProfilePatch { avatar_url: all.avatar_url, ..none() },
        ProfilePatch { avatar_urls: all.avatar_urls, ..none() },
        ProfilePatch { timezone: all.timezone, ..none() },
        ProfilePatch { language: all.language, ..none() },
        ProfilePatch { public_profile: all.public_profile, ..none() },
        ProfilePatch { email_notifications: all.email_notifications, ..none() },
        ProfilePatch { marketing_emails: all.marketing_emails, ..none() },
        ProfilePatch { preferences: all.preferences, ..none() },
    ];
    let keys = patches.len()..64;
    patches.extend(keys.map(|index| preferences(json!({ "shared": { format!("key{index}"): index } }))));
    patches
}

async fn update_every_field_at_once(stores: &Stores, user: UserId) -> Vec<View> {
    let patches = one_field_each();
    race(patches.len(), |index| {
        let (store, patch) = (Arc::clone(&stores.profiles), patches.get(index).cloned().unwrap());
        async move { store.update(&change(user, patch)).await.unwrap() }
    })
    .await
}

pub async fn of_64_concurrent_updates_of_different_fields_all_survive(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    update_every_field_at_once(stores, user).await;
    let kept = View { profile: profile(stores, user).await, channels: None };
    for patch in one_field_each() {
        // Nothing is left that any of the patches would change.
        assert_eq!(decide(&kept, &change(user, patch)).unwrap().view, kept);
    }
}

pub async fn of_64_concurrent_updates_each_has_a_version_and_an_event_of_its_own(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let answers = update_every_field_at_once(stores, user).await;
    let mut versions: Vec<_> = answers.iter().map(|view| view.profile.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=65).collect::<Vec<_>>());
    let told: Vec<_> = stores.events_of(user).await.into_iter().skip(1).map(|event| event.body).collect();
    assert_eq!(told.len(), 64);
    for (expected, body) in (2..).zip(told) {
        let EventBody::ProfileUpdated { version, changed } = body else { unreachable!("{body:?}") };
        assert_eq!((version, changed.len()), (expected, 1));
    }
}

pub async fn of_64_concurrent_updates_of_one_seen_version_exactly_one_succeeds(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let results = race(64, |index| {
        let store = Arc::clone(&stores.profiles);
        let change = change(user, display_name(&index.to_string()));
        let change = ProfileChange { precondition: seen(1, None), ..change };
        async move { store.update(&change).await }
    })
    .await;
    let stale = results.iter().filter(|result| matches!(result, Err(UpdateError::PreconditionFailed(_)))).count();
    let winner = results.iter().position(Result::is_ok).unwrap();
    assert_eq!(stale, 63);
    assert_eq!(profile(stores, user).await.display_name, Some(parsed(&winner.to_string())));
}

pub async fn concurrent_updates_of_profile_and_channels_all_survive(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let channels = [
        ChannelsPatch { email_enabled: Patch::Set(false), ..NOTHING },
        ChannelsPatch { push_enabled: Patch::Set(true), ..NOTHING },
        ChannelsPatch { sms_enabled: Patch::Set(true), ..NOTHING },
    ];
    race(64, |index| {
        let store = Arc::clone(&stores.profiles);
        let patch = preferences(json!({ format!("key{index}"): index }));
        let channels = channels.get(index % 4).cloned();
        async move { store.update(&ProfileChange { channels, ..change(user, patch) }).await.unwrap() }
    })
    .await;
    let View { profile, channels } = stores.view(user).await;
    assert_eq!((profile.version, profile.preferences.as_stored().len()), (65, 64));
    let all = Channels { email_enabled: false, push_enabled: true, sms_enabled: true, version: 4 };
    assert_eq!(channels, Some(all));
}

pub async fn an_unclaimed_account_takes_updates_until_its_window_ends(stores: &Stores) {
    let new = unclaimed("ada");
    let end = new.account.claim_open_until.unwrap();
    let user = stores.given(new).await;
    let stranger = ProfileChange { authority: Authority::Unclaimed, ..change(user, display_name("Ada")) };
    let error = refused(stores, &ProfileChange { now: end, ..stranger.clone() }).await;
    assert!(matches!(error, UpdateError::NotOpen(_)), "{error:?}");
    updated(stores, &ProfileChange { now: end - Duration::from_micros(1), ..stranger }).await;
}

pub async fn an_update_without_a_token_on_a_closed_account_stores_nothing(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let stranger = change_with_channels(user, every_field("eve"), push(true));
    let error = refused(stores, &ProfileChange { authority: Authority::Unclaimed, ..stranger }).await;
    assert!(matches!(error, UpdateError::NotOpen(_)), "{error:?}");
    assert_eq!(stores.login("eve").await, None);
}

pub async fn an_update_by_the_owner_needs_no_open_account_and_closes_none(stores: &Stores) {
    for new in [registered("ada"), unclaimed("eve")] {
        let user = stores.given(new.clone()).await;
        updated(stores, &change(user, display_name("Owner"))).await;
        assert_eq!(stores.accounts.account(user).await.unwrap(), Some(new.account));
    }
}

pub async fn view_gives_profile_and_channels(stores: &Stores) {
    let mut new = registered("ada");
    new.channels = Channels { email_enabled: false, push_enabled: true, sms_enabled: false, version: 7 };
    let user = stores.given(new.clone()).await;
    assert_eq!(stores.view(user).await, View { profile: new.profile, channels: Some(new.channels) });
}

pub async fn view_gives_profile_and_channels_of_one_moment(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    // Each update bumps both, so any two versions that differ are of two moments.
    let writer = Arc::clone(&stores.profiles);
    let writing = tokio::spawn(async move {
        for turn in 0_u8..64 {
            let patch = display_name(&turn.to_string());
            writer.update(&change_with_channels(user, patch, push(turn % 2 == 0))).await.unwrap();
        }
    });
    loop {
        let is_last = writing.is_finished();
        let View { profile, channels } = stores.view(user).await;
        assert_eq!(Some(profile.version), channels.map(|channels| channels.version));
        if is_last {
            break;
        }
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
    assert_eq!(stores.view(user).await.profile.version, 65);
}

pub async fn a_change_of_channels_alone_bumps_only_the_channels(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let before = stores.held(user).await;
    let answer = updated(stores, &change_with_channels(user, ProfilePatch::default(), push(true))).await;
    let channels = Channels { push_enabled: true, version: 2, ..Channels::default() };
    let View { profile, channels: _ } = stores.view(user).await;
    assert_eq!(answer, View { profile, channels: Some(channels) });
    let view = before.view.clone().map(|view| View { channels: Some(channels), ..view });
    assert_eq!(stores.held(user).await, Held { view, ..before });
}

pub async fn a_change_of_profile_and_channels_bumps_both_once(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    updated(stores, &change_with_channels(user, display_name("Ada"), push(true))).await;
    let View { profile, channels } = stores.view(user).await;
    assert_eq!((profile.version, channels.unwrap().version), (2, 2));
    assert_eq!(stores.events_of(user).await.len(), 2);
}

pub async fn an_unknown_user_has_no_profile_and_no_view(stores: &Stores) {
    stores.given(registered("ada")).await;
    let nobody = user_id();
    assert_eq!(stores.profiles.profile(nobody).await.unwrap(), None);
    assert_eq!(stores.profiles.view(nobody).await.unwrap(), None);
}

pub async fn update_of_an_unknown_user_is_not_found_and_stores_nothing(stores: &Stores) {
    for authority in [Authority::Granted, Authority::Unclaimed] {
        let change = change_with_channels(user_id(), every_field("ada"), push(true));
        let error = refused(stores, &ProfileChange { authority, ..change }).await;
        assert!(matches!(error, UpdateError::NotFound), "{error:?}");
    }
    assert_eq!(stores.login("ada").await, None);
}

pub async fn update_leaves_other_users_alone(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let other = stores.given(unclaimed("eve")).await;
    let before = stores.held(other).await;
    updated(stores, &change_with_channels(user, every_field("ada"), push(true))).await;
    assert_eq!(stores.held(other).await, before);
}
