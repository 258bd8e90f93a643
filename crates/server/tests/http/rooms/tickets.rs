//! Tickets: for those who can send no header.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::client::{Door, Heard};
use super::{LOBBY, keys, rename, renamed};
use crate::Store;
use crate::on_both_stores;
use crate::site::{Site, User, send};

const TICKET: &str = "/api/v1/realtime/ticket";

async fn ticket(site: &Site, user: &User) -> String {
    let answer = site.post_as(user, TICKET, json!({})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text_of("ticket")
}

fn with(site: &Site, user: &User, ticket: &str) -> Door {
    Door::to(&site.base, LOBBY, &user.id).query("ticket", ticket)
}

async fn a_ticket_is_good_for_half_a_minute_and_holds_no_token(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let answer = site.post_as(&user, TICKET, json!({})).await;
    assert_eq!((answer.status, keys(&answer.json)), (201, vec!["expires_in", "ticket"]));
    assert_eq!(answer.json["expires_in"], 30);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let text = answer.text_of("ticket");
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{text}");
    assert!(text.len() >= 43 && !text.contains(&user.token) && !user.token.contains(&text), "{text}");
    assert_ne!(ticket(&site, &user).await, text);
}

async fn a_ticket_needs_a_caller(store: Store) {
    let site = store.open().await;
    assert_eq!(site.post(TICKET, json!({})).await.refusal(), (401, "unauthorized"));
    let unclaimed = site.unclaimed().await;
    ticket(&site, &unclaimed).await;
    let put = site.put(&format!("/users/{}/profile", unclaimed.id), json!({ "bio": "x" })).await;
    assert_eq!(put.status, 401, "its token was used");
}

async fn a_body_that_says_something_asks_for_no_ticket(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let asking = |body: &str| {
        let request = site.request(Method::POST, TICKET).bearer_auth(&user.token);
        send(request.header("Content-Type", "application/json").body(body.to_owned()))
    };
    assert_eq!(send(site.request(Method::POST, TICKET).bearer_auth(&user.token)).await.status, 201);
    assert_eq!(asking(r#"{"room_id":"lobby"}"#).await.refusal(), (400, "validation_failed"));
    for malformed in ["{", "[]", "null"] {
        assert_eq!(asking(malformed).await.refusal(), (400, "malformed_request"), "{malformed}");
    }
    assert_eq!(asking(&" ".repeat(65_537)).await.refusal(), (413, "payload_too_large"));
}

async fn a_ticket_opens_once(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let ticket = ticket(&site, &user).await;
    let (mut client, _) = with(&site, &user, &ticket).enter().await;
    assert_eq!(with(&site, &user, &ticket).refused().await, 4401);
    rename(&site, &user, "Ada").await;
    assert_eq!(renamed(&client.update().await), "Ada");
}

async fn of_many_who_show_one_ticket_one_comes_in(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let ticket = ticket(&site, &user).await;
    let racing = (0..8).map(|_| async { with(&site, &user, &ticket).open().await.next().await });
    let heard = futures_util::future::join_all(racing).await;
    let came_in = heard.iter().filter(|heard| matches!(heard, Heard::Frame(_))).count();
    assert_eq!(came_in, 1, "{heard:?}");
}

async fn a_ticket_that_came_to_nothing_opens_once_there_is_room(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(Door::to(&site.base, LOBBY, &user.id).bearer(&user.token).enter().await.0);
    }
    let ticket = ticket(&site, &user).await;
    assert_eq!(with(&site, &user, &ticket).refused().await, 4409);
    clients.remove(0).leave().await;
    let (_client, _) = with(&site, &user, &ticket).enter().await;
    assert_eq!(with(&site, &user, &ticket).refused().await, 4409);
    clients.remove(0).leave().await;
    assert_eq!(with(&site, &user, &ticket).refused().await, 4401);
}

async fn a_ticket_runs_out_after_thirty_seconds(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let (early, late) = (ticket(&site, &user).await, ticket(&site, &user).await);
    site.clock.advance(Duration::from_secs(29));
    with(&site, &user, &early).enter().await;
    // Up to the end of the second that is the thirtieth.
    site.clock.advance(Duration::from_secs(2));
    assert_eq!(with(&site, &user, &late).refused().await, 4401);
}

async fn a_ticket_is_its_users_alone(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    let ticket = ticket(&site, &user).await;
    assert_eq!(with(&site, &other, &ticket).refused().await, 4403);
}

async fn what_is_no_ticket_opens_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let good = ticket(&site, &user).await;
    let (rest, last) = good.split_at(good.len() - 1);
    let spoiled = format!("{rest}{}", if last == "A" { 'B' } else { 'A' });
    let twice = format!("{good}{good}");
    for text in ["x", "%00", rest, &spoiled, &twice, &"x".repeat(4_000)] {
        assert_eq!(with(&site, &user, text).refused().await, 4401, "{text}");
    }
}

async fn a_ticket_ends_with_the_session_that_asked_for_it(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let (before, after) = (ticket(&site, &user).await, ticket(&site, &user).await);
    let (mut client, _) = with(&site, &user, &before).enter().await;
    assert_eq!(site.post_as(&user, "/api/v1/auth/logout", json!({})).await.status, 204);
    assert_eq!(client.closed().await, 4401);
    assert_eq!(with(&site, &user, &after).refused().await, 4401);
    let again = site.sign_in(&user).await;
    let fresh = ticket(&site, &again).await;
    with(&site, &again, &fresh).enter().await;
}

on_both_stores! {
    a_ticket_is_good_for_half_a_minute_and_holds_no_token,
    a_ticket_needs_a_caller,
    a_body_that_says_something_asks_for_no_ticket,
    a_ticket_opens_once,
    of_many_who_show_one_ticket_one_comes_in,
    a_ticket_that_came_to_nothing_opens_once_there_is_room,
    a_ticket_runs_out_after_thirty_seconds,
    a_ticket_is_its_users_alone,
    what_is_no_ticket_opens_nothing,
    a_ticket_ends_with_the_session_that_asked_for_it,
}
