//! `/api/v1/profile`: merging, refusing, and many at once.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::Store;
use crate::on_both_stores;

const PROFILE: &str = "/api/v1/profile";

async fn a_new_profile_has_the_defaults_of_the_contract(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut profile = site.profile(&user).await;
    for name in ["id", "username", "shown_name", "created_at", "updated_at"] {
        profile.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(
        profile,
        json!({
            "display_name": null, "first_name": null, "last_name": null, "email": null, "email_verified": false,
            "phone": null, "bio": null, "company": null, "job_title": null, "location": null, "website": null,
            "linkedin_username": null, "github_username": null, "twitter_username": null,
            "avatar_url": null, "avatar_urls": null, "timezone": "UTC", "language": "en", "public_profile": false,
            "email_notifications": true, "marketing_emails": false, "version": 1,
            "preferences": {
                "voice_preference": "alloy", "default_scenario": "default",
                "call_history": { "enabled": true, "retention_days": null },
            },
        })
    );
}

/// One acceptable value for every field that can be set.
fn every_field() -> Value {
    json!({
        "username": "Ada_Every_Field", "display_name": "Ada 🦀", "first_name": "Ada", "last_name": "Lovelace",
        "email": "ada@example.com", "phone": "+4930123456", "bio": "two\nlines", "company": "Analytical Engines",
        "job_title": "Programmer", "location": "London", "website": "https://ada.example/?q=1",
        "linkedin_username": "ada-l", "github_username": "ada.l", "twitter_username": "ada_l",
        "avatar_url": "https://cdn.example/a.png",
        "avatar_urls": { "thumbnail": "https://cdn.example/t.png", "large": "https://cdn.example/l.png" },
        "timezone": "Europe/London", "language": "en-GB", "public_profile": true, "email_notifications": false,
        "marketing_emails": true,
        "preferences": {
            "voice_preference": "echo", "default_scenario": "interview",
            "call_history": { "enabled": false, "retention_days": 30 },
            "nested": { "list": [1, -2, 3.5, 18_446_744_073_709_551_615_u64, "x", null, true] },
        },
    })
}

async fn every_field_that_is_written_is_read_back(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let written = site.patch_as(&user, PROFILE, every_field()).await;
    assert_eq!((written.status, &written.json["version"]), (200, &json!(2)), "{written:?}");
    let read = site.profile(&user).await;
    assert_eq!(read, written.json);
    for (name, value) in every_field().as_object().unwrap() {
        assert_eq!(&read[name], value, "{name}");
    }
}

async fn null_takes_every_clearable_field_back(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = site.profile(&user).await;
    site.patch_as(&user, PROFILE, every_field()).await;
    let nulls: Value = every_field()
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| *name != "username")
        .map(|name| (name.clone(), Value::Null))
        .collect();
    let cleared = site.patch_as(&user, PROFILE, nulls).await;
    assert_eq!(cleared.status, 200, "{cleared:?}");
    for name in every_field().as_object().unwrap().keys().filter(|name| *name != "username") {
        assert_eq!(cleared.json[name], before[name], "{name}");
    }
}

async fn blank_text_clears_what_may_be_nothing_and_is_refused_elsewhere(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    site.patch_as(&user, PROFILE, every_field()).await;
    let cleared = site.patch_as(&user, PROFILE, json!({ "bio": "", "display_name": "  ", "website": "" })).await;
    assert_eq!(
        (&cleared.json["bio"], &cleared.json["display_name"], &cleared.json["website"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    for name in ["timezone", "language", "username"] {
        let answer = site.patch_as(&user, PROFILE, json!({ name: "" })).await;
        assert_eq!(answer.refusal(), (400, "validation_failed"), "{name}");
    }
}

async fn every_wrong_field_is_named_and_nothing_is_half_done(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let body = json!({
        "display_name": "Ada", "website": "ftp://x", "phone": "none", "nonsense": 1, "id": "x", "version": 7,
        "preferences": { "call_history": { "retention_days": 0 } },
    });
    let answer = site.patch_as(&user, PROFILE, body).await;
    assert_eq!(answer.refusal(), (400, "validation_failed"));
    assert_eq!(answer.json["error"]["message"], "6 fields are invalid");
    let named: Vec<_> = answer.json["error"]["details"]["fields"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(named, ["id", "nonsense", "phone", "preferences.call_history.retention_days", "version", "website"]);
    assert_eq!(answer.json.get("detail"), None);
    assert_eq!(site.profile(&user).await["version"], 1);
}

async fn an_update_that_changes_nothing_moves_neither_version_nor_time(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    site.patch_as(&user, PROFILE, every_field()).await;
    let before = site.profile(&user).await;
    site.clock.advance(std::time::Duration::from_mins(1));
    for body in [json!({}), every_field()] {
        let answer = site.patch_as(&user, PROFILE, body).await;
        assert_eq!((answer.status, &answer.json), (200, &before));
    }
}

async fn preferences_are_bounded_in_all(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let half = "x".repeat(9_000);
    assert_eq!(site.patch_as(&user, PROFILE, json!({ "preferences": { "a": half } })).await.status, 200);
    let answer = site.patch_as(&user, PROFILE, json!({ "preferences": { "b": half } })).await;
    assert_eq!(answer.refusal(), (400, "validation_failed"));
    assert!(answer.json["error"]["details"]["fields"]["preferences"].is_array());
}

async fn concurrent_patches_of_different_fields_lose_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let patches = (0..32).map(|n| site.patch_as(&user, PROFILE, json!({ "preferences": { format!("key_{n}"): n } })));
    let answers = join_all(patches).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let profile = site.profile(&user).await;
    for n in 0..32 {
        assert_eq!(profile["preferences"][format!("key_{n}")], n);
    }
    assert_eq!(profile["version"], 33);
}

async fn concurrent_patches_through_all_facades_lose_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let path = format!("/users/{}/profile", user.id);
    let users = ["company", "job_title", "location"].map(|name| site.put_as(&user, &path, json!({ name: "by users" })));
    let v1 = ["bio", "first_name", "last_name"].map(|name| site.patch_as(&user, PROFILE, json!({ name: "by v1" })));
    let mobile = site.mobile_post(&user, json!({ "display_name": "by mobile" }));
    let (users, v1, mobile) = tokio::join!(join_all(users), join_all(v1), mobile);
    assert!(users.iter().chain(&v1).chain([&mobile]).all(|answer| answer.status == 200));
    let profile = site.profile(&user).await;
    for (name, by) in [
        ("company", "users"),
        ("job_title", "users"),
        ("location", "users"),
        ("bio", "v1"),
        ("first_name", "v1"),
        ("last_name", "v1"),
        ("display_name", "mobile"),
    ] {
        assert_eq!(profile[name], format!("by {by}"));
    }
}

async fn asking_for_what_is_the_default_changes_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = site.profile(&user).await;
    for preferences in [
        json!({ "voice_preference": "alloy", "default_scenario": "default" }),
        json!({ "call_history": {} }),
        json!({ "call_history": { "enabled": true, "retention_days": null } }),
    ] {
        let answer = site.patch_as(&user, PROFILE, json!({ "preferences": preferences })).await;
        assert_eq!((answer.status, &answer.json), (200, &before));
    }
}

on_both_stores! {
    asking_for_what_is_the_default_changes_nothing,
    a_new_profile_has_the_defaults_of_the_contract,
    every_field_that_is_written_is_read_back,
    null_takes_every_clearable_field_back,
    blank_text_clears_what_may_be_nothing_and_is_refused_elsewhere,
    every_wrong_field_is_named_and_nothing_is_half_done,
    an_update_that_changes_nothing_moves_neither_version_nor_time,
    preferences_are_bounded_in_all,
    concurrent_patches_of_different_fields_lose_nothing,
    concurrent_patches_through_all_facades_lose_nothing,
}
