//! `ETag`, `If-None-Match` and `If-Match` on all three facades.

use reqwest::Method;
use serde_json::json;

use crate::Store;
use crate::on_both_stores;
use crate::site::send;

async fn a_current_copy_is_not_sent_again(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for path in ["/api/v1/profile", "/api/v1/settings", "/mobile/user/profile", &format!("/users/{}", user.id)] {
        let first = send(site.mobile(&user, Method::GET, path)).await;
        let again = send(site.mobile(&user, Method::GET, path).header("If-None-Match", first.etag())).await;
        assert_eq!((again.status, again.text.as_str(), again.etag()), (304, "", first.etag()), "{path}");
        let other = send(site.mobile(&user, Method::GET, path).header("If-None-Match", "\"0-00000000\"")).await;
        assert_eq!(other.status, 200, "{path}");
    }
}

async fn a_change_makes_another_tag(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = site.get_as(&user, "/api/v1/profile").await.etag();
    let changed = site.patch_as(&user, "/api/v1/profile", json!({ "bio": "x" })).await.etag();
    assert_ne!(before, changed);
    assert_eq!(site.get_as(&user, "/api/v1/profile").await.etag(), changed);
}

async fn a_stale_copy_is_refused_with_the_current_one(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let users = format!("/users/{}/profile", user.id);
    for (method, path) in
        [(Method::PATCH, "/api/v1/profile"), (Method::PUT, users.as_str()), (Method::POST, "/mobile/user/profile")]
    {
        let request =
            || site.mobile(&user, method.clone(), path).json(&json!({ "display_name": format!("Ada by {path}") }));
        let refused = send(request().header("If-Match", "\"99-00000000\"")).await;
        assert_eq!(refused.refusal(), (412, "precondition_failed"), "{path}");
        let current = refused.json["error"]["details"]["current"].clone();
        let read = match path {
            "/api/v1/profile" => site.profile(&user).await,
            "/mobile/user/profile" => send(site.mobile(&user, Method::GET, path)).await.json,
            _ => site.get_as(&user, &format!("/users/{}", user.id)).await.json,
        };
        assert_eq!(current, read, "{path}");
    }
    let settings =
        site.request(Method::PATCH, "/api/v1/settings").bearer_auth(&user.token).json(&json!({ "theme": "dark" }));
    let refused = send(settings.header("If-Match", "\"99-00000000\"")).await;
    assert_eq!(refused.refusal(), (412, "precondition_failed"));
    assert_eq!(refused.json["error"]["details"]["current"], site.get_as(&user, "/api/v1/settings").await.json);
}

async fn a_fresh_copy_may_be_changed_through_any_facade(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let users = format!("/users/{}", user.id);
    let users_profile = format!("{users}/profile");
    for (read, method, write) in [
        ("/api/v1/profile", Method::PATCH, "/api/v1/profile"),
        (users.as_str(), Method::PUT, users_profile.as_str()),
        ("/mobile/user/profile", Method::POST, "/mobile/user/profile"),
        ("/mobile/user/profile", Method::POST, "/update-user-name"),
    ] {
        let tag = send(site.mobile(&user, Method::GET, read)).await.etag();
        let request = site.mobile(&user, method, write).json(&json!({ "display_name": format!("Ada by {write}") }));
        assert_eq!(send(request.header("If-Match", tag)).await.status, 200, "{write}");
    }
}

async fn of_two_changes_of_one_copy_the_second_is_refused(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let tag = site.get_as(&user, "/api/v1/profile").await.etag();
    let change = |bio: &str| {
        let request = site.request(Method::PATCH, "/api/v1/profile").bearer_auth(&user.token);
        send(request.header("If-Match", tag.clone()).json(&json!({ "bio": bio })))
    };
    let (one, two) = tokio::join!(change("one"), change("two"));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
}

async fn a_change_of_channels_makes_the_mobile_copy_stale_and_no_other(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mobile = send(site.mobile(&user, Method::GET, "/mobile/user/profile")).await.etag();
    let v1 = site.get_as(&user, "/api/v1/profile").await.etag();
    site.mobile_post(&user, json!({ "notification_settings": { "sms_enabled": true } })).await;
    assert_ne!(send(site.mobile(&user, Method::GET, "/mobile/user/profile")).await.etag(), mobile);
    assert_eq!(site.get_as(&user, "/api/v1/profile").await.etag(), v1);
    let stale = site.mobile(&user, Method::POST, "/mobile/user/profile").header("If-Match", mobile);
    assert_eq!(send(stale.json(&json!({ "display_name": "x" }))).await.status, 412);
}

async fn one_users_tag_is_no_copy_of_anothers(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    let tag = site.get_as(&user, "/api/v1/profile").await.etag();
    let request = site.request(Method::GET, "/api/v1/profile").bearer_auth(&other.token);
    assert_eq!(send(request.header("If-None-Match", tag)).await.status, 200);
}

on_both_stores! {
    a_current_copy_is_not_sent_again,
    a_change_makes_another_tag,
    a_stale_copy_is_refused_with_the_current_one,
    a_fresh_copy_may_be_changed_through_any_facade,
    of_two_changes_of_one_copy_the_second_is_refused,
    a_change_of_channels_makes_the_mobile_copy_stale_and_no_other,
    one_users_tag_is_no_copy_of_anothers,
}
