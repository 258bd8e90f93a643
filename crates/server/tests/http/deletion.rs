//! Deleting an account: what it takes, and what is left.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::json;

use crate::Store;
use crate::on_both_stores;
use crate::site::{Answer, PASSWORD, Site, User, send};

const ACCOUNT: &str = "/api/v1/account";
const CONFIRMATION: &str = "X-Confirm-Password";
const DAY: Duration = Duration::from_hours(24);

async fn delete(site: &Site, user: &User) -> Answer {
    site.delete_as(user, ACCOUNT).await
}

async fn delete_with(site: &Site, user: &User, password: impl AsRef<[u8]>) -> Answer {
    let password = HeaderValue::from_bytes(password.as_ref()).unwrap();
    let request = site.request(Method::DELETE, ACCOUNT).bearer_auth(&user.token);
    send(request.header(CONFIRMATION, password)).await
}

/// The same session, so long after its sign-in that it does not stand in for the password any more.
async fn after_a_day(site: &Site, user: &User) -> User {
    site.clock.advance(DAY + Duration::from_secs(1));
    user.with(&site.refresh(&user.refresh).await)
}

async fn a_deletion_answers_with_a_receipt(store: Store) {
    let site = store.open().await;
    let answer = delete(&site, &site.user().await).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((&answer.json["success"], &answer.json["forfeited_credits"]), (&json!(true), &json!(0)));
    assert_eq!(answer.json["deleted_at"], "2026-11-20T12:00:00.123457Z");
    assert_eq!(answer.text_of("receipt_id").len(), 36);
}

async fn a_deleted_account_is_gone_for_everybody(store: Store) {
    let site = store.open().await;
    let (user, reader) = (site.user().await, site.user().await);
    site.patch_as(&user, "/api/v1/profile", json!({ "public_profile": true })).await;
    assert_eq!(delete(&site, &user).await.status, 200);
    for path in [format!("/users/{}", user.id), format!("/api/v1/profiles/{}", user.id)] {
        assert_eq!(site.get_as(&reader, &path).await.refusal(), (404, "not_found"), "{path}");
    }
    assert_eq!(site.get(&format!("/users/{}", user.id)).await.refusal(), (404, "not_found"));
    assert_eq!(site.opens(&reader).await, 200);
}

async fn a_deletion_ends_every_credential_at_once(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let other = site.sign_in(&user).await;
    assert_eq!(delete(&site, &user).await.status, 200);
    for session in [&user, &other] {
        for path in ["/api/v1/profile", "/api/v1/settings", "/api/v1/auth/sessions", "/api/v1/account/export"] {
            assert_eq!(site.get_as(session, path).await.refusal(), (401, "unauthorized"), "{path}");
        }
        assert_eq!(site.refresh(&session.refresh).await.refusal(), (401, "unauthorized"));
    }
}

async fn a_sign_in_to_a_deleted_account_fails_like_any_other(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    assert_eq!(delete(&site, &user).await.status, 200);
    let gone = site.login(&user.username, PASSWORD).await;
    assert_eq!((gone.status, gone.text), (401, site.login("nobody_at_all", PASSWORD).await.text));
}

async fn a_second_deletion_is_nobodys(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let statuses = [delete(&site, &user).await.status, delete(&site, &user).await.status];
    assert_eq!(statuses, [200, 401]);
    assert_eq!(delete_with(&site, &user, PASSWORD).await.status, 401);
}

async fn of_many_deletions_at_once_one_succeeds(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let answers = futures_util::future::join_all((0..16).map(|_| delete(&site, &user))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 401)), "{answers:?}");
}

async fn a_sign_in_of_the_last_day_is_enough(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    site.clock.advance(DAY);
    let user = user.with(&site.refresh(&user.refresh).await);
    assert_eq!(delete(&site, &user).await.status, 200);
}

async fn an_older_sign_in_needs_the_password(store: Store) {
    let site = store.open().await;
    let user = after_a_day(&site, &site.user().await).await;
    assert_eq!(delete(&site, &user).await.refusal(), (403, "reauthentication_required"));
    assert_eq!(delete_with(&site, &user, "Wr0ngPassw0rd").await.refusal(), (403, "forbidden"));
    assert_eq!(delete_with(&site, &user, PASSWORD).await.status, 200);
}

async fn a_wrong_password_is_refused_whenever_the_sign_in_was(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for password in ["Wr0ngPassw0rd", "", &"x".repeat(2_000)] {
        let answer = delete_with(&site, &user, password).await;
        assert_eq!(answer.refusal(), (403, "forbidden"));
        assert!(password.is_empty() || !answer.text.contains(password));
    }
    assert_eq!(site.opens(&user).await, 200);
}

async fn guessing_the_password_is_limited(store: Store) {
    let site = store.open_with(&[("RATE_LIMIT_PER_MINUTE", "600")]).await;
    let user = site.user().await;
    for _ in 0..10 {
        assert_eq!(delete_with(&site, &user, "Wr0ngPassw0rd").await.status, 403);
    }
    let limited = delete_with(&site, &user, PASSWORD).await;
    assert_eq!(limited.refusal(), (429, "rate_limited"));
    assert!(limited.header("retry-after").is_some_and(|wait| wait.parse::<u64>().unwrap() > 0), "{limited:?}");
    assert_eq!(site.opens(&user).await, 200);
}

async fn a_password_beyond_ascii_is_confirmed_in_utf_8(store: Store) {
    let site = store.open().await;
    let password = "pässwörd λ 😀";
    let user = site.register(json!({ "username": Site::fresh_name(), "password": password })).await;
    let user = after_a_day(&site, &user).await;
    assert_eq!(delete_with(&site, &user, password).await.status, 200);
}

async fn a_confirmation_that_is_none_is_malformed(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    assert_eq!(delete_with(&site, &user, b"\xff\xfe").await.refusal(), (400, "malformed_request"));
    let twice = site.request(Method::DELETE, ACCOUNT).bearer_auth(&user.token);
    let twice = twice.header(CONFIRMATION, PASSWORD).header(CONFIRMATION, PASSWORD);
    assert_eq!(send(twice).await.refusal(), (400, "malformed_request"));
    assert_eq!(site.opens(&user).await, 200);
}

async fn a_body_is_not_looked_at(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let request = site.request(Method::DELETE, ACCOUNT).bearer_auth(&user.token).body("{ no json");
    assert_eq!(send(request).await.status, 200);
}

async fn a_stranger_deletes_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for password in [None, Some(PASSWORD)] {
        let request = site.request(Method::DELETE, ACCOUNT);
        let request = password.into_iter().fold(request, |request, password| request.header(CONFIRMATION, password));
        assert_eq!(send(request).await.refusal(), (401, "unauthorized"));
    }
    let stranger = site.user().await;
    assert_eq!(delete(&site, &stranger).await.status, 200);
    assert_eq!(site.opens(&user).await, 200);
    user.with(&site.login(&user.username, PASSWORD).await);
}

async fn an_unclaimed_account_takes_its_token(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    assert_eq!(send(site.request(Method::DELETE, ACCOUNT)).await.status, 401);
    assert_eq!(delete(&site, &user).await.status, 200);
    let put = site.put(&format!("/users/{}/profile", user.id), json!({ "bio": "x" })).await;
    assert_eq!(put.refusal(), (401, "unauthorized"));
}

async fn an_account_without_a_password_has_none_to_confirm(store: Store) {
    let site = store.open().await;
    let user = after_a_day(&site, &site.unclaimed().await).await;
    assert_eq!(delete(&site, &user).await.refusal(), (403, "reauthentication_required"));
    assert_eq!(delete_with(&site, &user, PASSWORD).await.refusal(), (403, "reauthentication_required"));
}

async fn the_username_rests_for_thirty_days(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    assert_eq!(delete(&site, &user).await.status, 200);
    site.clock.advance(Duration::from_secs(30 * 24 * 3_600 - 1));
    let other = site.sign_in(&other).await;
    let name = user.username.to_uppercase();
    assert_eq!(site.post("/users", json!({ "username": name })).await.refusal(), (409, "username_taken"));
    let renamed = site.patch_as(&other, "/api/v1/profile", json!({ "username": name })).await;
    assert_eq!(renamed.refusal(), (409, "username_taken"));
}

async fn a_deletion_forgets_the_answers_to_idempotency_keys(store: Store) {
    let site = store.open().await;
    let body = json!({ "username": Site::fresh_name(), "password": PASSWORD, "email": "gone@example.com" });
    let register = || site.request(Method::POST, "/users").header("Idempotency-Key", "deletion-1").json(&body);
    let first = send(register()).await;
    let user = User {
        id: first.text_of("id"),
        username: first.text_of("username"),
        token: first.text_of("access_token"),
        refresh: first.text_of("refresh_token"),
    };
    assert_eq!(delete(&site, &user).await.status, 200);
    let again = send(register()).await;
    assert_eq!(again.refusal(), (409, "username_taken"));
    assert!(!again.text.contains("gone@example.com"), "{again:?}");
}

async fn a_deletion_outlives_a_restart(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    assert_eq!(delete(&site, &user).await.status, 200);
    drop(site);
    let site = store.open().await;
    assert_eq!(site.opens(&user).await, 401);
    assert_eq!(site.refresh(&user.refresh).await.status, 401);
    assert_eq!(site.login(&user.username, PASSWORD).await.status, 401);
    if let Store::Postgres(_) = store {
        assert_eq!(site.opens(&other).await, 200);
        let taken = site.post("/users", json!({ "username": user.username })).await;
        assert_eq!(taken.refusal(), (409, "username_taken"));
    }
}

on_both_stores! {
    a_deletion_answers_with_a_receipt,
    a_deleted_account_is_gone_for_everybody,
    a_deletion_ends_every_credential_at_once,
    a_sign_in_to_a_deleted_account_fails_like_any_other,
    a_second_deletion_is_nobodys,
    of_many_deletions_at_once_one_succeeds,
    a_sign_in_of_the_last_day_is_enough,
    an_older_sign_in_needs_the_password,
    a_wrong_password_is_refused_whenever_the_sign_in_was,
    guessing_the_password_is_limited,
    a_password_beyond_ascii_is_confirmed_in_utf_8,
    a_confirmation_that_is_none_is_malformed,
    a_body_is_not_looked_at,
    a_stranger_deletes_nothing,
    an_unclaimed_account_takes_its_token,
    an_account_without_a_password_has_none_to_confirm,
    the_username_rests_for_thirty_days,
    a_deletion_forgets_the_answers_to_idempotency_keys,
    a_deletion_outlives_a_restart,
}
