//! `/api/v1/settings`.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::Store;
use crate::on_both_stores;

const SETTINGS: &str = "/api/v1/settings";

fn defaults() -> Value {
    json!({
        "theme": "system", "compact_mode": false, "default_view": "grid", "items_per_page": 20,
        "show_thumbnails": true, "auto_expand_folders": false, "confirm_delete": true, "show_activity": true,
        "allow_analytics": true,
    })
}

async fn new_settings_are_the_defaults(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let answer = site.get_as(&user, SETTINGS).await;
    assert_eq!((answer.status, &answer.json["version"]), (200, &json!(1)));
    for (name, value) in defaults().as_object().unwrap() {
        assert_eq!(&answer.json[name], value, "{name}");
    }
}

async fn a_change_answers_with_all_of_them_and_null_goes_back(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let changed = json!({
        "theme": "dark", "compact_mode": true, "default_view": "list", "items_per_page": 200,
        "show_thumbnails": false, "auto_expand_folders": true, "confirm_delete": false, "show_activity": false,
        "allow_analytics": false,
    });
    let answer = site.patch_as(&user, SETTINGS, changed.clone()).await;
    for (name, value) in changed.as_object().unwrap() {
        assert_eq!(&answer.json[name], value, "{name}");
    }
    assert_eq!(site.get_as(&user, SETTINGS).await.json, answer.json);
    let nulls: Value = changed.as_object().unwrap().keys().map(|name| (name.clone(), Value::Null)).collect();
    let back = site.patch_as(&user, SETTINGS, nulls).await;
    for (name, value) in defaults().as_object().unwrap() {
        assert_eq!(&back.json[name], value, "{name}");
    }
    assert_eq!(back.json["version"], 3);
}

async fn what_is_no_setting_is_refused(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for body in [
        json!({ "theme": "neon" }),
        json!({ "theme": "" }),
        json!({ "theme": 1 }),
        json!({ "default_view": "g".repeat(21) }),
        json!({ "items_per_page": 4 }),
        json!({ "items_per_page": 201 }),
        json!({ "items_per_page": 1_u64 << 31 }),
        json!({ "items_per_page": "20" }),
        json!({ "compact_mode": "true" }),
        json!({ "compact_mode": 1 }),
        json!({ "version": 2 }),
        json!({ "user_id": "x" }),
        json!({ "font": "big" }),
    ] {
        let answer = site.patch_as(&user, SETTINGS, body.clone()).await;
        assert_eq!(answer.refusal(), (400, "validation_failed"), "{body}");
    }
    assert_eq!(site.get_as(&user, SETTINGS).await.json["version"], 1);
}

async fn concurrent_changes_of_different_settings_lose_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let switches = ["compact_mode", "auto_expand_folders"].map(|name| json!({ name: true }));
    let others = [json!({ "theme": "dark" }), json!({ "items_per_page": 50 }), json!({ "default_view": "list" })];
    let answers = join_all(switches.into_iter().chain(others).map(|body| site.patch_as(&user, SETTINGS, body))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let settings = site.get_as(&user, SETTINGS).await.json;
    assert_eq!(
        (
            &settings["compact_mode"],
            &settings["auto_expand_folders"],
            &settings["theme"],
            &settings["items_per_page"],
            &settings["version"]
        ),
        (&json!(true), &json!(true), &json!("dark"), &json!(50), &json!(6))
    );
}

async fn one_users_settings_are_not_anothers(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    site.patch_as(&user, SETTINGS, json!({ "theme": "dark" })).await;
    assert_eq!(site.get_as(&other, SETTINGS).await.json["theme"], "system");
    assert_eq!(site.get(SETTINGS).await.refusal(), (401, "unauthorized"));
}

on_both_stores! {
    new_settings_are_the_defaults,
    a_change_answers_with_all_of_them_and_null_goes_back,
    what_is_no_setting_is_refused,
    concurrent_changes_of_different_settings_lose_nothing,
    one_users_settings_are_not_anothers,
}
