//! What is wrong with an id in a path.

use serde_json::json;

use super::{refusal_in, state, wire};
use crate::Store;
use crate::on_both_stores;
use crate::site::{PASSWORD, User};

const NOBODY: &str = "0190f5fe-7c00-7a00-8000-00000000ffff";

/// What is no id of anybody, as it stands in a path; most of it could be read as the id of this user.
fn no_ids(user: &User) -> Vec<String> {
    let id = &user.id;
    let mut ids: Vec<String> = [
        "1",
        "-1",
        "me",
        "null",
        "%00",
        "%ff%fe",
        "%",
        "%zz",
        "..%2Fme",
        "'%20OR%20'x'='x",
        "*",
        "%25",
        "@me",
        "a;b=c",
        "00000000-0000-0000-0000-000000000000",
        "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz",
    ]
    .map(str::to_owned)
    .into();
    ids.extend([
        id.replace('-', ""),
        id.replace('-', "_"),
        format!("{{{id}}}"),
        format!("%7B{id}%7D"),
        format!("urn:uuid:{id}"),
        format!("{id}%20"),
        format!("%20{id}"),
        format!("{id}%00"),
        format!("{id}0"),
        id.chars().take(35).collect(),
        format!("x%2F..%2F{id}"),
        "a".repeat(10 * 1_024),
        "%00".repeat(3 * 1_024),
    ]);
    ids
}

/// Paths that would mean something else to whoever resolves dots.
const DOTTED: &[&str] = &["../me", "../../users", "..", ".", "", "a/b", "%2e%2e/me"];

/// An answer without its date, which is the real one, and without the order of its headers, which is any.
fn told(answer: &str) -> Vec<&str> {
    let mut lines: Vec<_> = answer.lines().filter(|line| !line.starts_with("date: ")).collect();
    lines.sort_unstable();
    lines
}

fn by_id(method: &str, path: &str, user: Option<&User>) -> Vec<u8> {
    let authorization = user.map_or(String::new(), |user| format!("Authorization: Bearer {}\r\n", user.token));
    let body = json!({ "bio": "x", "new_password": "An0therPassw0rd" }).to_string();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\n{authorization}Connection: close\r\nX-Request-Id: same\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn an_id_that_is_none_is_answered_as_one_that_is_not_the_callers(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    let before = [state(&site, &user).await, state(&site, &other).await];
    let others: [(&str, &str, &str); 5] = [
        ("GET", "/users/", ""),
        ("PUT", "/users/", "/profile"),
        ("PUT", "/users/", "/password"),
        ("GET", "/api/v1/profiles/", ""),
        ("DELETE", "/api/v1/auth/sessions/", ""),
    ];
    for (method, head, tail) in others {
        let ask = |id: &str| by_id(method, &format!("{head}{id}{tail}"), Some(&user));
        // `GET /users/{id}` shows every user to everybody: there, only nobody's id is like none.
        let not_theirs = if (method, head) == ("GET", "/users/") { NOBODY } else { &other.id };
        let expected = wire(&site, &ask(not_theirs)).await;
        assert_eq!(refusal_in(&expected), (404, "not_found".to_owned()), "{method} {head}: {expected}");
        for id in no_ids(&user) {
            let shown: String = id.chars().take(60).collect();
            let answer = wire(&site, &ask(&id)).await;
            assert_eq!(told(&answer), told(&expected), "{method} {head}{shown}{tail}");
        }
        for id in DOTTED {
            let answer = wire(&site, &ask(id)).await;
            assert_eq!(refusal_in(&answer), (404, "not_found".to_owned()), "{method} {head}{id}{tail}: {answer}");
        }
    }
    assert_eq!([state(&site, &user).await, state(&site, &other).await], before);
    assert_eq!(site.login(&user.username, PASSWORD).await.status, 200);
}

async fn an_id_that_is_none_tells_a_stranger_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = state(&site, &user).await;
    for (method, tail) in [("GET", ""), ("PUT", "/profile"), ("PUT", "/password")] {
        for id in no_ids(&user).iter().map(String::as_str).chain(DOTTED.iter().copied()) {
            let shown: String = id.chars().take(60).collect();
            let answer = wire(&site, &by_id(method, &format!("/users/{id}{tail}"), None)).await;
            // The nil id could be somebody's.
            let is_nil = id.len() == 36 && id.bytes().all(|byte| matches!(byte, b'0' | b'-'));
            let expected = if is_nil && method == "PUT" { (401, "unauthorized") } else { (404, "not_found") };
            assert_eq!(refusal_in(&answer), (expected.0, expected.1.to_owned()), "{method} {shown}{tail}: {answer}");
        }
    }
    assert_eq!(state(&site, &user).await, before);
    assert_eq!(site.login(&user.username, PASSWORD).await.status, 200);
}

async fn an_upper_case_id_is_the_same_user(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let path = format!("/users/{}", user.id.to_uppercase());
    let read = site.get_as(&user, &path).await;
    assert_eq!((read.status, &read.json["id"], &read.json["user_id"]), (200, &json!(user.id), &json!(user.id)));
    let put = site.put_as(&user, &format!("{path}/profile"), json!({ "bio": "x", "public_profile": true })).await;
    assert_eq!((put.status, &put.json["bio"]), (200, &json!("x")));
    let set = site.put_as(&user, &format!("{path}/password"), json!({ "new_password": "An0therPassw0rd" })).await;
    let user = user.with(&set);
    assert_eq!(site.login(&user.username, "An0therPassw0rd").await.status, 200);
    let public = site.get_as(&user, &format!("/api/v1/profiles/{}", user.id.to_uppercase())).await;
    assert_eq!((public.status, &public.json["id"]), (200, &json!(user.id)));
}

on_both_stores! {
    an_id_that_is_none_is_answered_as_one_that_is_not_the_callers,
    an_id_that_is_none_tells_a_stranger_nothing,
    an_upper_case_id_is_the_same_user,
}
