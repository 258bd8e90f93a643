//! Refresh tokens: each is good for one use, and what happens when one is used again.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::Store;
use crate::on_both_stores;
use crate::site::{Answer, PASSWORD, Site, User, send};

/// The hexadecimal digits of a refresh token: user, session, family and secret.
fn parts(user: &User) -> [&str; 4] {
    let (id, rest) = user.refresh.strip_prefix("fdr_").unwrap().split_at(32);
    let (session, rest) = rest.split_at(32);
    let (family, secret) = rest.split_at(32);
    [id, session, family, secret]
}

/// Refreshes the session of a user.
async fn refreshed(site: &Site, user: &User) -> User {
    user.with(&site.refresh(&user.refresh).await)
}

fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.refusal(), (401, "unauthorized"), "{what}: {answer:?}");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
}

async fn a_refresh_gives_a_new_pair_in_the_shape_of_a_sign_in(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let answer = site.refresh(&user.refresh).await;
    let login = site.login(&user.username, PASSWORD).await;
    let names = |answer: &Answer| answer.json.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&answer), names(&login));
    assert_eq!((&answer.json["token_type"], &answer.json["expires_in"]), (&json!("Bearer"), &json!(900)));
    let next = user.with(&answer);
    assert!(next.refresh != user.refresh && next.token != user.token);
    assert_eq!(site.opens(&next).await, 200);
}

async fn a_refresh_does_not_end_the_access_token_before_it(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    refreshed(&site, &user).await;
    assert_eq!(site.opens(&user).await, 200);
}

async fn a_chain_of_refreshes_outlives_the_access_token(store: Store) {
    let site = store.open().await;
    let mut user = site.user().await;
    for _ in 0..5 {
        site.clock.advance(Duration::from_mins(20));
        assert_eq!(site.opens(&user).await, 401);
        user = refreshed(&site, &user).await;
        assert_eq!(site.opens(&user).await, 200);
    }
}

async fn a_refresh_is_no_sign_in(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    site.clock.advance(Duration::from_secs(5 * 60 + 1));
    let user = refreshed(&site, &user).await;
    let body = json!({ "new_password": "An0therPassw0rd" });
    let answer = site.put_as(&user, &format!("/users/{}/password", user.id), body).await;
    assert_eq!(answer.refusal(), (403, "reauthentication_required"));
}

async fn a_lost_reply_is_given_again_to_the_byte_for_thirty_seconds(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let first = site.refresh(&user.refresh).await;
    for _ in 0..3 {
        site.clock.advance(Duration::from_secs(10));
        let again = site.refresh(&user.refresh).await;
        assert_eq!((again.status, &again.text), (200, &first.text));
    }
    assert_eq!(site.opens(&user.with(&first)).await, 200);
}

async fn a_pair_that_was_given_again_goes_on_like_the_first(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    site.refresh(&user.refresh).await;
    let again = refreshed(&site, &user).await;
    assert_eq!(site.opens(&refreshed(&site, &again).await).await, 200);
}

async fn reuse_after_thirty_seconds_ends_the_session_at_once(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let next = refreshed(&site, &user).await;
    site.clock.advance(Duration::from_secs(31));
    assert_refused(&site.refresh(&user.refresh).await, "the old token");
    assert_refused(&site.refresh(&next.refresh).await, "the new token");
    assert_eq!((site.opens(&user).await, site.opens(&next).await), (401, 401));
}

async fn once_the_new_token_is_used_the_old_one_is_reuse_within_thirty_seconds(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let second = refreshed(&site, &user).await;
    let third = refreshed(&site, &second).await;
    assert_refused(&site.refresh(&user.refresh).await, "the first token");
    assert_refused(&site.refresh(&third.refresh).await, "the third token");
    assert_eq!(site.opens(&third).await, 401);
}

async fn reuse_ends_no_other_session_of_the_user(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let other = site.sign_in(&user).await;
    refreshed(&site, &user).await;
    site.clock.advance(Duration::from_secs(31));
    assert_refused(&site.refresh(&user.refresh).await, "the old token");
    assert_eq!(site.opens(&other).await, 200);
    refreshed(&site, &other).await;
}

async fn of_64_refreshes_at_once_all_get_the_one_pair(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let answers = join_all((0..64).map(|_| site.refresh(&user.refresh))).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.text), (200, &answers[0].text));
    }
    refreshed(&site, &user.with(&answers[0])).await;
}

async fn a_token_that_only_names_a_session_does_not_end_it(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    let [id, session, family, secret] = parts(&user);
    let [other_id, other_session, other_family, other_secret] = parts(&other);
    let zeros = "0".repeat(32);
    for (parts, what) in [
        ([id, session, &zeros, secret], "another family"),
        ([id, session, other_family, other_secret], "another session's family"),
        ([id, other_session, family, secret], "another session"),
        ([other_id, other_session, family, secret], "in another user's name"),
        ([other_id, session, family, secret], "another user's session"),
    ] {
        assert_refused(&site.refresh(&format!("fdr_{}", parts.concat())).await, what);
    }
    assert_eq!((site.opens(&user).await, site.opens(&other).await), (200, 200));
    refreshed(&site, &user).await;
    refreshed(&site, &other).await;
}

async fn whatever_is_wrong_with_a_token_is_the_same_401(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let spent = site.sign_in(&user).await;
    refreshed(&site, &spent).await;
    site.clock.advance(Duration::from_secs(31));
    let ended = site.sign_in(&user).await;
    assert_eq!(site.post_as(&ended, "/api/v1/auth/logout", json!({})).await.status, 204);
    let upper = format!("fdr_{}", parts(&user).concat().to_uppercase());
    let (shorter, _) = user.refresh.split_at(user.refresh.len() - 1);
    let mut bodies = Vec::new();
    for token in [
        "",
        " ",
        "x",
        "fdr_",
        "\u{0}",
        "'; DROP TABLE sessions",
        &"x".repeat(60_000),
        &user.token,
        &upper,
        &format!(" {}", user.refresh),
        &format!("{}0", user.refresh),
        shorter,
        &format!("fdr_{}", "0".repeat(160)),
        &format!("fdr_{}", "f".repeat(160)),
        &spent.refresh,
        &ended.refresh,
    ] {
        let answer = site.refresh(token).await;
        assert_refused(&answer, token);
        bodies.push(answer.text);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    refreshed(&site, &user).await;
}

async fn a_malformed_refresh_is_told_as_such(store: Store) {
    let site = store.open().await;
    for body in [
        json!({}),
        json!({ "refresh_token": null }),
        json!({ "refresh_token": 1 }),
        json!({ "refresh_token": ["x"] }),
        json!({ "refresh_token": "x", "all": true }),
    ] {
        let answer = site.post("/api/v1/auth/refresh", body.clone()).await;
        assert_eq!(answer.refusal(), (400, "validation_failed"), "{body}");
    }
}

async fn a_credential_beside_a_refresh_is_not_looked_at(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let request = site.request(Method::POST, "/api/v1/auth/refresh").bearer_auth("nonsense");
    assert_eq!(send(request.json(&json!({ "refresh_token": user.refresh }))).await.status, 200);
}

async fn a_refresh_token_is_no_access_token(store: Store) {
    let site = store.open().await;
    let mut user = site.user().await;
    user.token.clone_from(&user.refresh);
    assert_refused(&site.get_as(&user, "/api/v1/profile").await, "as a bearer");
}

async fn a_refresh_claims_an_account_that_nobody_had_claimed(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    let path = format!("/users/{}/profile", user.id);
    assert_eq!(site.put(&path, json!({ "bio": "by whoever has the id" })).await.status, 200);
    refreshed(&site, &user).await;
    assert_eq!(site.put(&path, json!({ "bio": "again" })).await.status, 401);
}

async fn a_session_ends_by_itself_after_thirty_days_without_a_refresh(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    site.clock.advance(Duration::from_hours(29 * 24));
    let user = refreshed(&site, &user).await;
    site.clock.advance(Duration::from_hours(29 * 24));
    let user = refreshed(&site, &user).await;
    site.clock.advance(Duration::from_hours(30 * 24));
    assert_refused(&site.refresh(&user.refresh).await, "after thirty days");
}

async fn sessions_outlive_a_restart_where_the_data_does(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let next = refreshed(&site, &user).await;
    drop(site);
    let site = store.open().await;
    match store {
        Store::Memory => assert_refused(&site.refresh(&next.refresh).await, "in memory"),
        Store::Postgres(_) => {
            // Even the reply that was lost in the restart is given again.
            assert_eq!(refreshed(&site, &user).await.token, next.token);
            refreshed(&site, &next).await;
        }
    }
}

on_both_stores! {
    a_refresh_gives_a_new_pair_in_the_shape_of_a_sign_in,
    a_refresh_does_not_end_the_access_token_before_it,
    a_chain_of_refreshes_outlives_the_access_token,
    a_refresh_is_no_sign_in,
    a_lost_reply_is_given_again_to_the_byte_for_thirty_seconds,
    a_pair_that_was_given_again_goes_on_like_the_first,
    reuse_after_thirty_seconds_ends_the_session_at_once,
    once_the_new_token_is_used_the_old_one_is_reuse_within_thirty_seconds,
    reuse_ends_no_other_session_of_the_user,
    of_64_refreshes_at_once_all_get_the_one_pair,
    a_token_that_only_names_a_session_does_not_end_it,
    whatever_is_wrong_with_a_token_is_the_same_401,
    a_malformed_refresh_is_told_as_such,
    a_credential_beside_a_refresh_is_not_looked_at,
    a_refresh_token_is_no_access_token,
    a_refresh_claims_an_account_that_nobody_had_claimed,
    a_session_ends_by_itself_after_thirty_days_without_a_refresh,
    sessions_outlive_a_restart_where_the_data_does,
}
