//! The export: everything held about the caller, and nothing else.

use frontdesk_testkit::postgres::{Line, line_to};
use reqwest::Method;
use serde_json::{Value, json};

use crate::Store;
use crate::on_both_stores;
use crate::pictures::{RED, png};
use crate::site::{PASSWORD, Site, User, send};

const EXPORT: &str = "/api/v1/account/export";

async fn export(site: &Site, user: &User) -> Value {
    let answer = site.get_as(user, EXPORT).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.json.is_object(), "no document: {answer:?}");
    answer.json
}

async fn everything_held_is_in_one_document(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    site.sign_in(&user).await;
    let changes = json!({ "email": "ada@example.com", "phone": "+4930123456", "bio": "Hello \"you\"\n", "preferences": { "x": [1, null] } });
    assert_eq!(site.patch_as(&user, "/api/v1/profile", changes).await.status, 200);
    assert_eq!(site.patch_as(&user, "/api/v1/settings", json!({ "theme": "dark" })).await.status, 200);
    let channels = json!({ "notification_settings": { "sms_enabled": true } });
    let mobile = site.mobile_post(&user, channels).await;
    let picture = site.uploaded(&user, &png(9, 9, RED)).await[0].split('/').nth(3).unwrap().to_owned();
    let document = export(&site, &user).await;
    let names: Vec<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "account",
        "exported_at",
        "identities",
        "notification_preferences",
        "pictures",
        "profile",
        "sessions",
        "settings",
    ];
    assert_eq!(names, expected);
    let pictures = document["pictures"].as_array().unwrap();
    assert_eq!((pictures.len(), &pictures[0]["id"], &pictures[0]["purge_after"]), (1, &json!(picture), &Value::Null));
    assert_eq!(document["exported_at"], "2026-11-20T12:00:00.123457Z");
    assert_eq!(document["profile"], site.profile(&user).await);
    assert_eq!(document["settings"], site.get_as(&user, "/api/v1/settings").await.json);
    assert_eq!(document["notification_preferences"], mobile.json["user_profile"]["notification_settings"]);
    assert_eq!((&document["account"]["id"], &document["account"]["has_password"]), (&json!(user.id), &json!(true)));
    assert_eq!(document["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(document["identities"], json!([]));
}

async fn an_export_is_a_file_to_keep(store: Store) {
    let site = store.open().await;
    let answer = site.get_as(&site.user().await, EXPORT).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"frontdesk-export.json\""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("x-request-id").is_some());
}

async fn an_export_shows_no_secret(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let user = user.with(&site.refresh(&user.refresh).await);
    let text = export(&site, &user).await.to_string();
    let refresh = user.refresh.trim_start_matches("fdr_");
    for secret in ["argon2", "fdr_", "eyJ", "digest", "hash", "family", "sealed", refresh, PASSWORD] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

async fn an_export_is_the_callers_own(store: Store) {
    let site = store.open().await;
    let (user, stranger) = (site.user().await, site.user().await);
    let changes = json!({ "email": "ada@example.com", "public_profile": true });
    site.patch_as(&user, "/api/v1/profile", changes).await;
    let text = export(&site, &stranger).await.to_string();
    assert!(!text.contains("ada@example.com") && !text.contains(&user.id), "{text}");
    assert_eq!(site.get(EXPORT).await.refusal(), (401, "unauthorized"));
}

async fn an_unclaimed_account_is_not_exported_by_its_id(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    assert_eq!(site.get(EXPORT).await.status, 401);
    let document = export(&site, &user).await;
    assert_eq!(document["account"]["has_password"], false);
}

async fn the_head_of_an_export_has_no_body(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let answer = send(site.request(Method::HEAD, EXPORT).bearer_auth(&user.token)).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(site.opens(&user).await, 200);
}

async fn an_export_without_a_database_is_a_plain_503(store: Store) {
    let Store::Postgres(database) = &store else { return };
    let (url, line) = line_to(&database.url()).await;
    let site = store.open_with(&[("DATABASE_URL", &url)]).await;
    let user = site.user().await;
    line.send(Line::Down).unwrap();
    let answer = site.get_as(&user, EXPORT).await;
    assert_eq!(answer.refusal(), (503, "unavailable"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.header("content-disposition"), None);
}

on_both_stores! {
    everything_held_is_in_one_document,
    an_export_is_a_file_to_keep,
    an_export_shows_no_secret,
    an_export_is_the_callers_own,
    an_unclaimed_account_is_not_exported_by_its_id,
    the_head_of_an_export_has_no_body,
    an_export_without_a_database_is_a_plain_503,
}
