//! Signing out, and the list of sessions: what ends, what goes on, and who sees what.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::Store;
use crate::on_both_stores;
use crate::site::{Answer, PASSWORD, Site, User, send};

const LOGOUT: &str = "/api/v1/auth/logout";
const SESSIONS: &str = "/api/v1/auth/sessions";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";

async fn sign_in_on(site: &Site, user: &User, user_agent: &str, app_type: Option<&str>) -> User {
    let request = site.request(Method::POST, "/api/v1/auth/login").header("User-Agent", user_agent);
    let request = app_type.into_iter().fold(request, |request, label| request.header("X-App-Type", label));
    user.with(&send(request.json(&json!({ "username": user.username, "password": PASSWORD }))).await)
}

async fn list(site: &Site, user: &User, query: &str) -> Answer {
    let answer = site.get_as(user, &format!("{SESSIONS}{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

fn rows(answer: &Answer) -> &[Value] {
    answer.json["data"].as_array().unwrap()
}

fn ids(answer: &Answer) -> Vec<String> {
    rows(answer).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// The id of the session of a user's token.
async fn current(site: &Site, user: &User) -> String {
    let listed = list(site, user, "?limit=100").await;
    let row = rows(&listed).iter().find(|row| row["current"] == true).unwrap();
    row["id"].as_str().unwrap().to_owned()
}

async fn assert_ended(site: &Site, user: &User, what: &str) {
    assert_eq!(site.opens(user).await, 401, "{what}");
    assert_eq!(site.refresh(&user.refresh).await.refusal(), (401, "unauthorized"), "{what}");
}

async fn a_logout_ends_this_session_at_once_and_no_other(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let other = site.sign_in(&user).await;
    let answer = send(site.request(Method::POST, LOGOUT).bearer_auth(&user.token)).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_ended(&site, &user, "signed out").await;
    assert_eq!(site.opens(&other).await, 200);
    other.with(&site.refresh(&other.refresh).await);
}

async fn a_logout_ends_the_access_tokens_from_before_a_refresh_too(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let next = user.with(&site.refresh(&user.refresh).await);
    assert_eq!(site.post_as(&next, LOGOUT, json!({})).await.status, 204);
    assert_ended(&site, &user, "the tokens before").await;
    assert_ended(&site, &next, "the tokens after").await;
}

async fn a_logout_takes_no_body_or_an_object(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for body in [None, Some(json!({})), Some(json!({ "all": false })), Some(json!({ "all": null }))] {
        let (signed_in, other) = (site.sign_in(&user).await, site.sign_in(&user).await);
        let request = site.request(Method::POST, LOGOUT).bearer_auth(&signed_in.token);
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        assert_eq!(send(request).await.status, 204, "{body:?}");
        assert_eq!((site.opens(&signed_in).await, site.opens(&other).await), (401, 200), "{body:?}");
    }
}

async fn a_malformed_logout_ends_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for (kind, body, refusal) in [
        ("application/json", r#"{"all":"yes"}"#, (400, "validation_failed")),
        ("application/json", r#"{"every":true}"#, (400, "validation_failed")),
        ("application/json", "[]", (400, "malformed_request")),
        ("application/json", "null", (400, "malformed_request")),
        ("application/json", " ", (400, "malformed_request")),
        ("text/plain", "{}", (415, "unsupported_media_type")),
    ] {
        let request = site.request(Method::POST, LOGOUT).bearer_auth(&user.token).header("Content-Type", kind);
        assert_eq!(send(request.body(body)).await.refusal(), refusal, "{kind} {body}");
    }
    let untyped = site.request(Method::POST, LOGOUT).bearer_auth(&user.token).body("{}");
    assert_eq!(send(untyped).await.refusal(), (415, "unsupported_media_type"));
    assert_eq!(site.opens(&user).await, 200);
}

async fn a_logout_of_all_ends_every_session_and_no_other_users(store: Store) {
    let site = store.open().await;
    let (user, stranger) = (site.user().await, site.user().await);
    let others = [site.sign_in(&user).await, site.sign_in(&user).await];
    assert_eq!(site.post_as(&user, LOGOUT, json!({ "all": true })).await.status, 204);
    assert_ended(&site, &user, "the one that asked").await;
    for other in &others {
        assert_ended(&site, other, "another").await;
    }
    assert_eq!(site.opens(&stranger).await, 200);
}

async fn after_a_logout_of_all_a_sign_in_in_the_same_second_is_good(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    assert_eq!(site.post_as(&user, LOGOUT, json!({ "all": true })).await.status, 204);
    let again = site.sign_in(&user).await;
    assert_eq!(site.opens(&again).await, 200);
    again.with(&site.refresh(&again.refresh).await);
}

async fn a_change_of_password_ends_every_session_but_the_one_it_opens(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let other = site.sign_in(&user).await;
    let body = json!({ "new_password": "An0therPassw0rd" });
    let answer = site.put_as(&user, &format!("/users/{}/password", user.id), body).await;
    let changed = user.with(&answer);
    assert_ended(&site, &user, "the one that asked").await;
    assert_ended(&site, &other, "another").await;
    assert_eq!(site.opens(&changed).await, 200);
    assert_eq!(list(&site, &changed, "").await.json["pagination"]["total"], 1);
    changed.with(&site.refresh(&changed.refresh).await);
}

async fn the_first_password_ends_the_session_of_the_registration(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    let answer = site.put(&format!("/users/{}/password", user.id), json!({ "new_password": PASSWORD })).await;
    assert_eq!(site.opens(&user.with(&answer)).await, 200);
    assert_ended(&site, &user, "of the registration").await;
}

async fn the_list_shows_what_a_session_runs_on_and_which_one_asks(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    site.clock.advance(Duration::from_secs(1));
    let browser = sign_in_on(&site, &user, FIREFOX, None).await;
    site.clock.advance(Duration::from_secs(1));
    let app = sign_in_on(&site, &user, "Scribe/2.1 CFNetwork/1568 Darwin/24.0.0", Some("mobile")).await;
    let listed = list(&site, &browser, "").await;
    let shown = |row: &Value| json!([row["device"], row["app_type"], row["current"]]);
    let shown: Vec<_> = rows(&listed).iter().map(shown).collect();
    assert_eq!(shown[..2], [json!(["Scribe on Apple", "mobile", false]), json!(["Firefox on Linux", null, true])]);
    assert_eq!(rows(&listed).len(), 3);
    assert_eq!(current(&site, &app).await, ids(&listed)[0]);
    let pagination = json!({ "limit": 50, "offset": 0, "total": 3, "has_more": false, "next_cursor": null });
    assert_eq!(listed.json["pagination"], pagination);
}

async fn the_list_tells_nothing_that_could_be_used(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let listed = list(&site, &user, "").await;
    let names: Vec<_> = rows(&listed)[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["app_type", "created_at", "current", "device", "id", "last_seen_at"]);
}

async fn a_registration_and_a_new_password_tell_what_they_run_on_too(store: Store) {
    let site = store.open().await;
    let request = site.request(Method::POST, "/users").header("User-Agent", FIREFOX).header("X-App-Type", "web");
    let answer = send(request.json(&json!({ "username": Site::fresh_name() }))).await;
    let path = format!("/users/{}/password", answer.text_of("id"));
    let user = User {
        id: answer.text_of("id"),
        username: answer.text_of("username"),
        token: answer.text_of("access_token"),
        refresh: answer.text_of("refresh_token"),
    };
    let row = rows(&list(&site, &user, "").await)[0].clone();
    assert_eq!((&row["device"], &row["app_type"]), (&json!("Firefox on Linux"), &json!("web")));
    let request = site.request(Method::PUT, &path).bearer_auth(&user.token).header("User-Agent", "curl/8.5.0");
    let changed = user.with(&send(request.json(&json!({ "new_password": PASSWORD }))).await);
    assert_eq!(rows(&list(&site, &changed, "").await)[0]["device"], "curl");
}

async fn a_refresh_is_when_a_session_was_last_seen(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = rows(&list(&site, &user, "").await)[0].clone();
    assert_eq!(before["created_at"], before["last_seen_at"]);
    site.clock.advance(Duration::from_mins(1));
    let user = user.with(&site.refresh(&user.refresh).await);
    let after = rows(&list(&site, &user, "").await)[0].clone();
    assert_eq!(after["created_at"], before["created_at"]);
    assert_ne!(after["last_seen_at"], before["last_seen_at"]);
}

async fn the_list_is_read_by_offset(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for _ in 0..4 {
        site.clock.advance(Duration::from_secs(1));
        site.sign_in(&user).await;
    }
    let all = ids(&list(&site, &user, "").await);
    assert_eq!(all.len(), 5);
    for (query, expected, has_more) in [
        ("?limit=2", &all[..2], true),
        ("?limit=2&offset=2", &all[2..4], true),
        ("?limit=2&offset=4", &all[4..], false),
        ("?limit=2&offset=3", &all[3..], false),
        ("?offset=1000000", &all[5..], false),
    ] {
        let page = list(&site, &user, query).await;
        assert_eq!(ids(&page), expected, "{query}");
        let pagination = &page.json["pagination"];
        assert_eq!((&pagination["total"], &pagination["has_more"]), (&json!(5), &json!(has_more)), "{query}");
        assert_eq!(pagination["next_cursor"].is_string(), has_more, "{query}");
    }
}

async fn rows_that_arrive_meanwhile_neither_repeat_nor_hide_one_behind_a_cursor(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for _ in 0..4 {
        // Two of them in one moment: then the id decides.
        site.sign_in(&user).await;
    }
    let all = ids(&list(&site, &user, "").await);
    let mut read = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = list(&site, &user, &query).await;
        read.extend(ids(&page));
        let Some(cursor) = page.json["pagination"]["next_cursor"].as_str() else { break };
        query = format!("?limit=2&cursor={cursor}");
        site.clock.advance(Duration::from_secs(1));
        site.sign_in(&user).await;
    }
    assert_eq!(read, all);
}

async fn a_part_of_a_list_that_cannot_be_is_refused_by_name(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    site.sign_in(&user).await;
    let cursor = list(&site, &user, "?limit=1").await.json["pagination"]["next_cursor"].as_str().unwrap().to_owned();
    for (query, field) in [
        ("?limit=0".to_owned(), "limit"),
        ("?limit=101".to_owned(), "limit"),
        ("?limit=abc".to_owned(), "limit"),
        ("?limit=9223372036854775808".to_owned(), "limit"),
        ("?limit=1&limit=1".to_owned(), "limit"),
        ("?offset=-1".to_owned(), "offset"),
        ("?offset=1000001".to_owned(), "offset"),
        ("?cursor=".to_owned(), "cursor"),
        ("?cursor=nonsense".to_owned(), "cursor"),
        (format!("?cursor={cursor}A"), "cursor"),
        (format!("?cursor={cursor}&offset=0"), "cursor"),
    ] {
        let answer = site.get_as(&user, &format!("{SESSIONS}{query}")).await;
        assert_eq!(answer.refusal(), (400, "validation_failed"), "{query}");
        let fields = &answer.json["error"]["details"]["fields"];
        assert!(fields[field].is_array() && fields.as_object().unwrap().len() == 1, "{query}: {fields}");
    }
    assert_eq!(ids(&list(&site, &user, "?x=1&x=2&Limit=0").await).len(), 2);
}

async fn another_users_cursor_shows_the_callers_rows_alone(store: Store) {
    let site = store.open().await;
    let (user, stranger) = (site.user().await, site.user().await);
    site.sign_in(&user).await;
    let cursor = list(&site, &user, "?limit=1").await.json["pagination"]["next_cursor"].as_str().unwrap().to_owned();
    let own = ids(&list(&site, &stranger, "").await);
    let page = list(&site, &stranger, &format!("?cursor={cursor}")).await;
    assert!(ids(&page).iter().all(|id| own.contains(id)), "{page:?}");
    assert_eq!(page.json["pagination"]["total"], 1);
}

async fn a_session_is_ended_from_another_one(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let other = site.sign_in(&user).await;
    let path = format!("{SESSIONS}/{}", current(&site, &other).await);
    let answer = site.delete_as(&user, &path).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_ended(&site, &other, "ended").await;
    assert_eq!(list(&site, &user, "").await.json["pagination"]["total"], 1);
    assert_eq!(site.delete_as(&user, &path).await.refusal(), (404, "not_found"));
}

async fn to_end_the_present_session_is_to_sign_out(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let path = format!("{SESSIONS}/{}", current(&site, &user).await.to_uppercase());
    assert_eq!(site.delete_as(&user, &path).await.status, 204);
    assert_ended(&site, &user, "ended").await;
    assert_eq!(site.delete_as(&user, &path).await.status, 401);
}

async fn another_users_session_answers_as_none(store: Store) {
    let site = store.open().await;
    let (user, stranger) = (site.user().await, site.user().await);
    let theirs = current(&site, &user).await;
    let answer = site.delete_as(&stranger, &format!("{SESSIONS}/{theirs}")).await;
    assert_eq!(answer.refusal(), (404, "not_found"));
    let braces = format!("%7B{theirs}%7D");
    for id in ["0190f5fe-7c00-7a00-8000-00000000ffff", "1", "%00", "a%2Fb", "..%2f", &braces, &"x".repeat(1_000)] {
        let none = site.delete_as(&stranger, &format!("{SESSIONS}/{id}")).await;
        assert_eq!((none.status, &none.text), (404, &answer.text), "{id}");
    }
    assert_eq!(site.opens(&user).await, 200);
    assert!(!ids(&list(&site, &stranger, "").await).contains(&theirs));
}

async fn strangers_are_told_nothing_of_sessions(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let theirs = current(&site, &user).await;
    let none = site.get(SESSIONS).await;
    assert_eq!(none.refusal(), (401, "unauthorized"));
    for (method, path) in [
        (Method::POST, LOGOUT.to_owned()),
        (Method::DELETE, format!("{SESSIONS}/{theirs}")),
        (Method::DELETE, format!("{SESSIONS}/1")),
    ] {
        let answer = send(site.request(method, &path)).await;
        assert_eq!((answer.status, &answer.text), (401, &none.text), "{path}");
    }
    assert_eq!(site.opens(&user).await, 200);
}

async fn the_hundred_and_first_session_ends_the_one_seen_least_recently(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let oldest = site.sign_in(&user).await;
    site.clock.advance(Duration::from_secs(1));
    for _ in 0..14 {
        join_all((0..7).map(|_| site.sign_in(&user))).await;
    }
    let user = user.with(&site.refresh(&user.refresh).await);
    assert_eq!(list(&site, &user, "").await.json["pagination"]["total"], 100);
    assert_eq!(site.opens(&oldest).await, 200);
    let newest = site.sign_in(&user).await;
    assert_eq!(list(&site, &newest, "").await.json["pagination"]["total"], 100);
    assert_ended(&site, &oldest, "seen least recently").await;
    assert_eq!(site.opens(&user).await, 200);
}

async fn what_was_ended_stays_refused_after_a_restart(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let other = site.sign_in(&user).await;
    assert_eq!(site.post_as(&user, LOGOUT, json!({})).await.status, 204);
    drop(site);
    let site = store.open().await;
    assert_ended(&site, &user, "signed out before the restart").await;
    if let Store::Postgres(_) = store {
        assert_eq!(site.opens(&other).await, 200);
    }
}

on_both_stores! {
    a_logout_ends_this_session_at_once_and_no_other,
    a_logout_ends_the_access_tokens_from_before_a_refresh_too,
    a_logout_takes_no_body_or_an_object,
    a_malformed_logout_ends_nothing,
    a_logout_of_all_ends_every_session_and_no_other_users,
    after_a_logout_of_all_a_sign_in_in_the_same_second_is_good,
    a_change_of_password_ends_every_session_but_the_one_it_opens,
    the_first_password_ends_the_session_of_the_registration,
    the_list_shows_what_a_session_runs_on_and_which_one_asks,
    the_list_tells_nothing_that_could_be_used,
    a_registration_and_a_new_password_tell_what_they_run_on_too,
    a_refresh_is_when_a_session_was_last_seen,
    the_list_is_read_by_offset,
    rows_that_arrive_meanwhile_neither_repeat_nor_hide_one_behind_a_cursor,
    a_part_of_a_list_that_cannot_be_is_refused_by_name,
    another_users_cursor_shows_the_callers_rows_alone,
    a_session_is_ended_from_another_one,
    to_end_the_present_session_is_to_sign_out,
    another_users_session_answers_as_none,
    strangers_are_told_nothing_of_sessions,
    the_hundred_and_first_session_ends_the_one_seen_least_recently,
    what_was_ended_stays_refused_after_a_restart,
}
