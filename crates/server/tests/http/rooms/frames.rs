//! What a client may say, and what it is told of what it may not.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, Heard};
use super::{enter, keys, rename, renamed, two};
use crate::Store;
use crate::on_both_stores;

/// No frame that comes in is larger.
const MAX: usize = 65_536;

async fn refused(client: &mut Client, what: &str) -> Value {
    let frame = client.news_of("error").await;
    assert_eq!(keys(&frame), ["error", "type"], "{what}");
    let error = &frame["error"];
    assert!(error["code"].is_string() && error["message"].is_string(), "{what}: {error}");
    assert!(error["details"].is_object() || error.get("details").is_none(), "{what}: {error}");
    error.clone()
}

async fn a_ping_is_answered(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut client = enter(&site, &user).await;
    client.send(json!({ "type": "ping" })).await;
    assert_eq!(client.frame().await, json!({ "type": "pong" }));
    client.send_text(" {\n\"type\" : \"p\\u0069ng\" } ").await;
    assert_eq!(client.frame().await, json!({ "type": "pong" }));
}

async fn a_frame_that_says_nothing_gets_an_error_and_the_third_ends_it(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let deep_inside = format!(r#"{{"type":"ping","x":{deep}}}"#);
    let frames = [
        "",
        "nonsense",
        "{",
        "[]",
        "null",
        "true",
        "1",
        r#""ping""#,
        "{}",
        r#"{"type":null}"#,
        r#"{"type":1}"#,
        r#"{"type":true}"#,
        r#"{"type":["ping"]}"#,
        r#"{"type":"ping"} {"type":"ping"}"#,
        r#"{"type":"ping","type":"ping"}"#,
        r#"{"type":"auth"}"#,
        r#"{"type":"auth","token":1}"#,
        r#"{"type":"auth","token":null}"#,
        r#"{"type":"resume","epoch":1,"offset":1}"#,
        r#"{"type":"resume"}"#,
        r#"{"type":"\ud800"}"#,
        "\u{0}",
        &deep,
        &deep_inside,
    ];
    assert_eq!(frames.len() % 3, 0);
    for batch in frames.chunks(3) {
        let mut client = enter(&site, &user).await;
        for (number, text) in (1..).zip(batch) {
            client.send_text(text).await;
            if number < 3 {
                refused(&mut client, text).await;
            }
        }
        match client.next().await {
            Heard::Closed(code) => assert_eq!(code, 4400, "{batch:?}"),
            // The third may be told before it ends the socket.
            heard => {
                assert!(matches!(&heard, Heard::Frame(frame) if frame["type"] == "error"), "{heard:?}");
                assert_eq!(client.closed().await, 4400, "{batch:?}");
            }
        }
    }
}

async fn frames_of_another_type_are_refused_and_forgiven(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut client = enter(&site, &user).await;
    for kind in ["x", "Ping", "welcome", "profile_updated", "member_left"] {
        client.send_text(&json!({ "type": kind }).to_string()).await;
        refused(&mut client, kind).await;
    }
    client.ping().await;
}

async fn a_binary_frame_is_no_frame(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut client = enter(&site, &user).await;
    for bytes in [br#"{"type":"ping"}"#.to_vec(), vec![0xff; 10]] {
        client.send_message(Message::binary(bytes)).await;
        refused(&mut client, "binary").await;
    }
    rename(&site, &user, "Ada").await;
    assert_eq!(renamed(&client.update().await), "Ada", "two are forgiven");
}

async fn what_is_good_between_bad_frames_is_done(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut client = enter(&site, &user).await;
    client.send_text("nonsense").await;
    refused(&mut client, "first").await;
    client.ping().await;
    client.send_text("nonsense").await;
    refused(&mut client, "second").await;
    client.ping().await;
}

async fn an_error_names_what_is_wrong(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for (text, names) in [
        (r#"{"type":"dance"}"#, "type"),
        (r#"{"type":1}"#, "type"),
        (r#"{"type":"auth","token":1}"#, "token"),
        (r#"{"type":"auth"}"#, "token"),
        (r#"{"type":"resume","epoch":"00000000000000000000000000000000","offset":"1"}"#, "offset"),
        (r#"{"type":"resume","offset":1}"#, "epoch"),
    ] {
        let mut client = enter(&site, &user).await;
        client.send_text(text).await;
        let error = refused(&mut client, text).await;
        let fields = error["details"]["fields"].as_object().unwrap_or_else(|| panic!("{text}: {error}"));
        assert!(fields.contains_key(names), "{text}: {error}");
        client.leave().await;
    }
}

async fn a_frame_that_claims_to_be_somebody_is_not_believed(store: Store) {
    let site = store.open().await;
    let (user, mut own, peer, mut peers) = two(&site).await;
    own.send(json!({ "type": "ping", "user_id": peer.id, "room_id": "elsewhere" })).await;
    own.news().await;
    let forged = json!({ "type": "profile_updated", "user_id": peer.id, "profile": { "display_name": "Eve" } });
    own.send(forged).await;
    refused(&mut own, "forged").await;
    rename(&site, &user, "Ada").await;
    let frame = peers.frame().await;
    assert_eq!((renamed(&frame), &frame["user_id"]), ("Ada", &json!(user.id)));
}

async fn a_frame_of_the_limit_is_read_and_one_byte_more_is_not(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let padded = |length: usize| {
        let frame = r#"{"type":"ping"}"#;
        format!("{frame}{}", " ".repeat(length - frame.len()))
    };
    let mut client = enter(&site, &user).await;
    client.send_text(&padded(MAX)).await;
    client.news_of("pong").await;
    client.send_text(&padded(MAX + 1)).await;
    assert_eq!(client.closed().await, 1009);
}

async fn a_close_is_answered(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut client = enter(&site, &user).await;
    client.send_message(Message::Close(None)).await;
    assert!(matches!(client.closed().await, 1000 | 1005));
}

on_both_stores! {
    a_ping_is_answered,
    a_frame_that_says_nothing_gets_an_error_and_the_third_ends_it,
    frames_of_another_type_are_refused_and_forgiven,
    a_binary_frame_is_no_frame,
    what_is_good_between_bad_frames_is_done,
    an_error_names_what_is_wrong,
    a_frame_that_claims_to_be_somebody_is_not_believed,
    a_frame_of_the_limit_is_read_and_one_byte_more_is_not,
    a_close_is_answered,
}
