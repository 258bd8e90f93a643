//! The contract of [`SettingsStore`](frontdesk_profile::SettingsStore).

use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::Patch;
use frontdesk_profile::SettingsError;
use frontdesk_profile::settings::{
    DefaultView, ItemsPerPage, Settings, SettingsChange, SettingsPatch, Theme, Words, decide,
};

use super::{Stores, race};
use crate::builders::{noon, registered, settings_change, user_id};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! settings_store_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] settings_store:
            change_stores_the_decision,
            change_stores_every_setting,
            change_stores_every_word_and_both_ends_of_a_range,
            clearing_every_setting_goes_back_to_the_defaults,
            change_keeps_microseconds,
            a_change_of_nothing_bumps_nothing,
            a_stale_version_is_refused_with_the_current_copy_and_stores_nothing,
            a_version_that_was_seen_is_taken,
            concurrent_changes_of_different_settings_all_survive,
            of_64_concurrent_changes_each_has_a_version_of_its_own,
            a_change_tells_no_event_and_leaves_the_profile,
            an_unknown_user_has_no_settings,
            change_of_an_unknown_user_is_not_found,
            change_leaves_other_users_alone,
        }
    };
}

fn every_setting() -> SettingsPatch {
    SettingsPatch {
        theme: Patch::Set(Theme::Dark),
        compact_mode: Patch::Set(true),
        default_view: Patch::Set(DefaultView::List),
        items_per_page: Patch::Set(ItemsPerPage::new(50).unwrap()),
        show_thumbnails: Patch::Set(false),
        auto_expand_folders: Patch::Set(true),
        confirm_delete: Patch::Set(false),
        show_activity: Patch::Set(false),
        allow_analytics: Patch::Set(false),
    }
}

/// Patches of one setting each.
fn one_setting_each() -> Vec<SettingsPatch> {
    let SettingsPatch {
        theme,
        compact_mode,
        default_view,
        items_per_page,
        show_thumbnails,
        auto_expand_folders,
        confirm_delete,
        show_activity,
        allow_analytics,
    } = every_setting();
    let none = SettingsPatch::default;
    vec![
        SettingsPatch { theme, ..none() },
        SettingsPatch { compact_mode, ..none() },
        SettingsPatch { default_view, ..none() },
        SettingsPatch { items_per_page, ..none() },
        SettingsPatch { show_thumbnails, ..none() },
        SettingsPatch { auto_expand_folders, ..none() },
        SettingsPatch { confirm_delete, ..none() },
        SettingsPatch { show_activity, ..none() },
        SettingsPatch { allow_analytics, ..none() },
    ]
}

pub async fn change_stores_the_decision(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    for patch in one_setting_each() {
        let change = settings_change(user, patch);
        let before = stores.settings.settings(user).await.unwrap().unwrap();
        let decided = decide(&before, &change).unwrap().unwrap();
        assert_eq!(stores.settings.change(&change).await.unwrap(), decided);
        assert_eq!(stores.settings.settings(user).await.unwrap(), Some(decided));
    }
}

pub async fn change_stores_every_setting(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let changed = stores.settings.change(&settings_change(user, every_setting())).await.unwrap();
    let expected = Settings {
        theme: Theme::Dark,
        compact_mode: true,
        default_view: DefaultView::List,
        items_per_page: ItemsPerPage::new(50).unwrap(),
        show_thumbnails: false,
        auto_expand_folders: true,
        confirm_delete: false,
        show_activity: false,
        allow_analytics: false,
        updated_at: noon() + Duration::from_mins(1),
        version: 2,
    };
    assert_eq!(changed, expected);
    assert_eq!(stores.settings.settings(user).await.unwrap(), Some(expected));
}

pub async fn change_stores_every_word_and_both_ends_of_a_range(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let themes = Theme::ALL.iter().map(|&theme| SettingsPatch { theme: Patch::Set(theme), ..SettingsPatch::default() });
    let views = DefaultView::ALL
        .iter()
        .map(|&view| SettingsPatch { default_view: Patch::Set(view), ..SettingsPatch::default() });
    let pages = [5, 200].map(|count| SettingsPatch {
        items_per_page: Patch::Set(ItemsPerPage::new(count).unwrap()),
        ..SettingsPatch::default()
    });
    for patch in themes.chain(views).chain(pages) {
        let changed = stores.settings.change(&settings_change(user, patch)).await.unwrap();
        assert_eq!(stores.settings.settings(user).await.unwrap(), Some(changed));
    }
}

pub async fn clearing_every_setting_goes_back_to_the_defaults(stores: &Stores) {
    let new = registered("ada");
    let user = stores.given(new.clone()).await;
    stores.settings.change(&settings_change(user, every_setting())).await.unwrap();
    let cleared = SettingsPatch {
        theme: Patch::Clear,
        compact_mode: Patch::Clear,
        default_view: Patch::Clear,
        items_per_page: Patch::Clear,
        show_thumbnails: Patch::Clear,
        auto_expand_folders: Patch::Clear,
        confirm_delete: Patch::Clear,
        show_activity: Patch::Clear,
        allow_analytics: Patch::Clear,
    };
    let change = settings_change(user, cleared);
    stores.settings.change(&change).await.unwrap();
    let expected = Settings { updated_at: change.now, version: 3, ..new.settings };
    assert_eq!(stores.settings.settings(user).await.unwrap(), Some(expected));
}

pub async fn change_keeps_microseconds(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let now = noon() + Duration::from_micros(1);
    stores.settings.change(&SettingsChange { now, ..settings_change(user, every_setting()) }).await.unwrap();
    assert_eq!(stores.settings.settings(user).await.unwrap().unwrap().updated_at, now);
}

pub async fn a_change_of_nothing_bumps_nothing(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let before = stores.held(user).await;
    let same = SettingsPatch { theme: Patch::Set(Theme::System), compact_mode: Patch::Clear, ..Default::default() };
    for patch in [SettingsPatch::default(), same] {
        let answer = stores.settings.change(&settings_change(user, patch)).await.unwrap();
        assert_eq!(Some(answer), before.settings);
    }
    assert_eq!(stores.held(user).await, before);
}

pub async fn a_stale_version_is_refused_with_the_current_copy_and_stores_nothing(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let before = stores.held(user).await;
    for seen in [vec![], vec![2], vec![0, 7]] {
        let stale = SettingsChange { seen: Some(seen), ..settings_change(user, every_setting()) };
        match stores.settings.change(&stale).await {
            Err(SettingsError::PreconditionFailed(current)) => assert_eq!(Some(*current), before.settings),
            other => unreachable!("{other:?}"),
        }
    }
    assert_eq!(stores.held(user).await, before);
}

pub async fn a_version_that_was_seen_is_taken(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let fresh = SettingsChange { seen: Some(vec![7, 1]), ..settings_change(user, every_setting()) };
    assert_eq!(stores.settings.change(&fresh).await.unwrap().version, 2);
}

pub async fn concurrent_changes_of_different_settings_all_survive(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let patches = one_setting_each();
    race(patches.len(), |index| {
        let (store, patch) = (Arc::clone(&stores.settings), patches.get(index).cloned().unwrap());
        async move { store.change(&settings_change(user, patch)).await.unwrap() }
    })
    .await;
    let all = settings_change(user, every_setting());
    let held = stores.settings.settings(user).await.unwrap().unwrap();
    assert_eq!((held.version, decide(&held, &all).unwrap()), (10, None));
}

pub async fn of_64_concurrent_changes_each_has_a_version_of_its_own(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let answers = race(64, |index| {
        let store = Arc::clone(&stores.settings);
        let count = i64::try_from(index).unwrap() + 100;
        let items_per_page = Patch::Set(ItemsPerPage::new(count).unwrap());
        let change = settings_change(user, SettingsPatch { items_per_page, ..SettingsPatch::default() });
        async move { store.change(&change).await.unwrap() }
    })
    .await;
    let mut versions: Vec<_> = answers.iter().map(|settings| settings.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=65).collect::<Vec<_>>());
    let last = answers.into_iter().max_by_key(|settings| settings.version);
    assert_eq!(stores.settings.settings(user).await.unwrap(), last);
}

pub async fn a_change_tells_no_event_and_leaves_the_profile(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let before = stores.held(user).await;
    let changed = stores.settings.change(&settings_change(user, every_setting())).await.unwrap();
    let after = stores.held(user).await;
    assert_eq!(after, super::Held { settings: Some(changed), ..before });
}

pub async fn an_unknown_user_has_no_settings(stores: &Stores) {
    stores.given(registered("ada")).await;
    assert_eq!(stores.settings.settings(user_id()).await.unwrap(), None);
}

pub async fn change_of_an_unknown_user_is_not_found(stores: &Stores) {
    let nobody = user_id();
    let refused = stores.settings.change(&settings_change(nobody, every_setting())).await;
    assert!(matches!(refused, Err(SettingsError::NotFound)), "{refused:?}");
    assert_eq!(stores.settings.settings(nobody).await.unwrap(), None);
}

pub async fn change_leaves_other_users_alone(stores: &Stores) {
    let user = stores.given(registered("ada")).await;
    let other = stores.given(registered("eve")).await;
    let before = stores.held(other).await;
    stores.settings.change(&settings_change(user, every_setting())).await.unwrap();
    assert_eq!(stores.held(other).await, before);
}
