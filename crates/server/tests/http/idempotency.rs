//! `Idempotency-Key` on `POST /users`.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::Store;
use crate::hasher::WatchedHasher;
use crate::on_both_stores;
use crate::site::{Answer, PASSWORD, Site, send};

async fn register(site: &Site, key: &str, body: Value) -> Answer {
    send(site.request(Method::POST, "/users").header("Idempotency-Key", key).json(&body)).await
}

async fn a_retry_gets_the_first_answer_without_the_tokens(store: Store) {
    let site = store.open().await;
    let body = json!({ "username": Site::fresh_name(), "password": PASSWORD });
    let first = register(&site, "key-1", body.clone()).await;
    let second = register(&site, "key-1", body.clone()).await;
    let third = register(&site, "key-1", body).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, None));
    assert_eq!((second.status, second.header("idempotent-replayed")), (201, Some("true")));
    assert_eq!(second.json["id"], first.json["id"]);
    for secret in ["access_token", "refresh_token"] {
        assert!(first.json[secret].is_string(), "{secret}");
        assert_eq!(second.json.get(secret), Some(&Value::Null), "{secret}");
    }
    assert_eq!(second.text, third.text);
}

async fn the_same_key_with_another_body_is_refused(store: Store) {
    let site = store.open().await;
    register(&site, "key-2", json!({ "username": Site::fresh_name() })).await;
    let other = register(&site, "key-2", json!({ "username": Site::fresh_name() })).await;
    assert_eq!(other.refusal(), (422, "idempotency_key_reused"));
}

async fn the_order_of_keys_makes_no_other_body(store: Store) {
    let site = store.open().await;
    let name = Site::fresh_name();
    register(&site, "key-3", json!({ "username": name, "email": "a@b.example" })).await;
    let raw = format!("{{ \"email\": \"a@b.example\",\n \"username\": \"{name}\" }}");
    let request = site.request(Method::POST, "/users").header("Idempotency-Key", "key-3");
    let again = send(request.header("Content-Type", "application/json").body(raw)).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
}

async fn a_refusal_is_not_kept(store: Store) {
    let site = store.open().await;
    let name = Site::fresh_name();
    let weak = register(&site, "key-4", json!({ "username": name, "password": "password" })).await;
    assert_eq!(weak.status, 400);
    let strong = register(&site, "key-4", json!({ "username": name, "password": PASSWORD })).await;
    assert_eq!(strong.status, 201, "{strong:?}");
}

async fn of_many_at_once_one_registers_and_the_rest_hear_of_it(store: Store) {
    let site = store.open().await;
    let body = json!({ "username": Site::fresh_name(), "password": PASSWORD });
    let answers = join_all((0..16).map(|_| register(&site, "key-5", body.clone()))).await;
    let fresh = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_none()).count();
    assert_eq!(fresh, 1, "{answers:?}");
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.json["id"] == answers[0].json["id"]));
}

async fn after_a_day_the_key_is_free(store: Store) {
    let site = store.open().await;
    register(&site, "key-6", json!({ "username": Site::fresh_name() })).await;
    site.clock.advance(Duration::from_hours(24));
    let other = register(&site, "key-6", json!({ "username": Site::fresh_name() })).await;
    assert_eq!((other.status, other.header("idempotent-replayed")), (201, None));
}

async fn a_key_that_is_none_is_refused(store: Store) {
    let site = store.open().await;
    for key in ["", " ", "two words", &"k".repeat(256), "caf\u{e9}"] {
        let request = site.request(Method::POST, "/users").header("Idempotency-Key", key.as_bytes());
        let answer = send(request.json(&json!({ "username": Site::fresh_name() }))).await;
        assert_eq!(answer.refusal(), (400, "malformed_request"), "{key}");
    }
    assert_eq!(register(&site, &"k".repeat(255), json!({ "username": Site::fresh_name() })).await.status, 201);
}

async fn a_request_is_done_to_its_end_although_its_client_hangs_up(store: Store) {
    let hasher = WatchedHasher::new();
    let site = store.open_watched(hasher.clone()).await;
    let body = json!({ "username": Site::fresh_name(), "password": PASSWORD });
    let raw = body.to_string();
    let request = format!(
        "POST /users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nIdempotency-Key: key-7\r\n\
         Content-Length: {}\r\n\r\n{raw}",
        raw.len()
    );
    let held = hasher.hold().await;
    let mut stream = TcpStream::connect(site.base.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    hasher.begun().await;
    // The server has read the request and claimed its key. It is told with a reset: a mere end of what the client
    // sends would leave it waiting for the answer.
    stream.set_zero_linger().unwrap();
    drop(stream);
    assert_eq!(site.get("/health").await.status, 200);
    drop(held);
    let retried = register(&site, "key-7", body.clone()).await;
    assert_eq!((retried.status, retried.header("idempotent-replayed")), (201, Some("true")), "{retried:?}");
    assert_eq!(hasher.hashed(), 1);
    let signed_in = site.login(body["username"].as_str().unwrap(), PASSWORD).await;
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
}

on_both_stores! {
    a_request_is_done_to_its_end_although_its_client_hangs_up,
    a_retry_gets_the_first_answer_without_the_tokens,
    the_same_key_with_another_body_is_refused,
    the_order_of_keys_makes_no_other_body,
    a_refusal_is_not_kept,
    of_many_at_once_one_registers_and_the_rest_hear_of_it,
    after_a_day_the_key_is_free,
    a_key_that_is_none_is_refused,
}
