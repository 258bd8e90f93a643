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

/// A value for every setting, none of them the default.
fn changed() -> Value {
    json!({
        "theme": "dark", "compact_mode": true, "default_view": "list", "items_per_page": 200,
        "show_thumbnails": false, "auto_expand_folders": true, "confirm_delete": false, "show_activity": false,
        "allow_analytics": false,
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
    let changed = changed();
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
    let before = site.get_as(&user, SETTINGS).await;
    let mut rows: Vec<(&str, Value)> = Vec::new();
    let words = ["neon", "", " dark", "Dark", "dark\u{0}"].map(Value::from);
    rows.extend(words.into_iter().chain([json!(1), json!(true), json!([])]).map(|value| ("theme", value)));
    let views = [json!("g".repeat(21)), json!("table"), json!(""), json!(0)];
    rows.extend(views.map(|value| ("default_view", value)));
    let counts = [0, -1, 4, 201, 1 << 31, i64::MAX, i64::MIN].map(Value::from);
    let no_counts = [json!(u64::MAX), json!(20.5), json!(1e300), json!("20"), json!([20]), json!(true)];
    rows.extend(counts.into_iter().chain(no_counts).map(|value| ("items_per_page", value)));
    for name in
        ["compact_mode", "show_thumbnails", "auto_expand_folders", "confirm_delete", "show_activity", "allow_analytics"]
    {
        let values = [json!("true"), json!("false"), json!(""), json!(1), json!(0), json!([true]), json!({})];
        rows.extend(values.map(|value| (name, value)));
    }
    for (name, value) in rows {
        let answer = site.patch_as(&user, SETTINGS, json!({ name: value })).await;
        assert_eq!(answer.refusal(), (400, "validation_failed"), "{name} = {value}");
        assert!(answer.json["error"]["details"]["fields"][name].is_array(), "{name} = {value}: {answer:?}");
    }
    let half = site.patch_as(&user, SETTINGS, json!({ "theme": "dark", "items_per_page": 0 })).await;
    assert_eq!(half.refusal(), (400, "validation_failed"));
    assert_eq!(site.get_as(&user, SETTINGS).await.json, before.json);
}

async fn null_takes_its_setting_back_and_no_other(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for (name, default) in defaults().as_object().unwrap() {
        let full = site.patch_as(&user, SETTINGS, changed()).await;
        assert_eq!(full.status, 200, "{full:?}");
        let back = site.patch_as(&user, SETTINGS, json!({ name: null })).await;
        let mut expected = full.json;
        expected[name] = default.clone();
        expected["version"] = json!(expected["version"].as_i64().unwrap() + 1);
        assert_eq!((back.status, &back.json), (200, &expected), "{name}");
    }
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
    null_takes_its_setting_back_and_no_other,
    concurrent_changes_of_different_settings_lose_nothing,
    one_users_settings_are_not_anothers,
}
