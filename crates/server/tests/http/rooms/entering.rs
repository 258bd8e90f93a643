//! Who comes in, and how everybody else is told that they do not.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::client::Door;
use super::{LOBBY, door, enter, noticed, rename, renamed};
use crate::Store;
use crate::forge::{Forge, hs256};
use crate::on_both_stores;
use crate::site::{Site, User, send};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const NOBODY: &str = "0190f5fe-7c00-7a00-8000-00000000ffff";

fn nothing_in_hand(site: &Site, user: &User) -> Door {
    Door::to(&site.base, LOBBY, &user.id)
}

/// The handshake as an HTTP request, whose answer can be read where it is no upgrade.
fn handshake(site: &Site, user: &User) -> RequestBuilder {
    asking(site, user, Some("13"), Some(KEY))
}

fn asking(site: &Site, user: &User, version: Option<&str>, key: Option<&str>) -> RequestBuilder {
    let request = site.request(Method::GET, &format!("/ws/{LOBBY}/{}", user.id)).bearer_auth(&user.token);
    let request = request.header("Connection", "Upgrade").header("Upgrade", "websocket");
    let request = version.into_iter().fold(request, |request, it| request.header("Sec-WebSocket-Version", it));
    key.into_iter().fold(request, |request, it| request.header("Sec-WebSocket-Key", it))
}

async fn a_token_is_taken_from_each_of_its_places(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    nothing_in_hand(&site, &user).bearer(&user.token).enter().await;
    nothing_in_hand(&site, &user).subprotocol(&user.token).enter().await;
    let ticket = site.post_as(&user, "/api/v1/realtime/ticket", json!({})).await.text_of("ticket");
    nothing_in_hand(&site, &user).query("ticket", &ticket).enter().await;
    let mut client = nothing_in_hand(&site, &user).open().await;
    client.send(json!({ "type": "auth", "token": user.token })).await;
    client.news_of("welcome").await;
}

async fn only_the_subprotocol_without_the_token_is_echoed(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let (client, _) = nothing_in_hand(&site, &user).subprotocol(&user.token).enter().await;
    assert_eq!(client.protocol.as_deref(), Some("frontdesk.v1"));
    let native = door(&site, LOBBY, &user).header("Sec-WebSocket-Protocol", "frontdesk.v1");
    assert_eq!(native.enter().await.0.protocol.as_deref(), Some("frontdesk.v1"));
    let answer = send(handshake(&site, &user).header("Sec-WebSocket-Protocol", "chat, superchat")).await;
    assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, None));
}

async fn a_token_in_the_url_is_not_looked_at(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for name in ["token", "access_token", "jwt", "authorization"] {
        let mut client = nothing_in_hand(&site, &user).query(name, &user.token).open().await;
        // It is waited for the first frame, as if there were none.
        client.send(json!({ "type": "ping" })).await;
        assert_eq!(client.closed().await, 4401, "{name}");
    }
    let mut client = nothing_in_hand(&site, &user).query("token", "nonsense").open().await;
    client.send(json!({ "type": "auth", "token": user.token })).await;
    client.news_of("welcome").await;
}

async fn another_first_frame_is_no_credential(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let texts = [r#"{"type":"ping"}"#, r#"{"type":"resume"}"#, r#"{"type":"x"}"#, r#"{"type":"auth"}"#, "nonsense", ""];
    for text in texts {
        let mut client = nothing_in_hand(&site, &user).open().await;
        client.send_text(text).await;
        assert_eq!(client.closed().await, 4401, "{text}");
    }
    let mut client = nothing_in_hand(&site, &user).open().await;
    client.send_message(Message::binary(user.token.clone())).await;
    assert_eq!(client.closed().await, 4401);
}

async fn what_is_no_good_token_is_refused_wherever_it_stands(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let ended = site.sign_in(&user).await;
    assert_eq!(site.post_as(&ended, "/api/v1/auth/logout", json!({})).await.status, 204);
    let foreign = Forge::of(&user.token).signed_by(hs256, "another key of thirty-two bytes!");
    for token in ["x", "a.b.c", &ended.token, &user.refresh, &foreign] {
        assert_eq!(nothing_in_hand(&site, &user).bearer(token).refused().await, 4401, "{token}");
        assert_eq!(nothing_in_hand(&site, &user).subprotocol(token).refused().await, 4401, "{token}");
        assert_eq!(nothing_in_hand(&site, &user).query("ticket", token).refused().await, 4401, "{token}");
        let mut client = nothing_in_hand(&site, &user).open().await;
        client.send(json!({ "type": "auth", "token": token })).await;
        assert_eq!(client.closed().await, 4401, "{token}");
    }
    for header in ["Basic dTpw", "Bearer", "Bearer ", "bearer\tx"] {
        let refused = nothing_in_hand(&site, &user).header("Authorization", header).refused().await;
        assert_eq!(refused, 4401, "{header:?}");
    }
}

async fn a_bad_token_is_not_made_good_by_another(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let ticket = site.post_as(&user, "/api/v1/realtime/ticket", json!({})).await.text_of("ticket");
    let both = nothing_in_hand(&site, &user).bearer("x").subprotocol(&user.token);
    assert_eq!(both.refused().await, 4401);
    assert_eq!(nothing_in_hand(&site, &user).subprotocol("x").query("ticket", &ticket).refused().await, 4401);
    nothing_in_hand(&site, &user).query("ticket", &ticket).enter().await;
}

async fn whose_token_it_is_decides_who_comes_in(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    for id in [other.id.as_str(), NOBODY] {
        assert_eq!(Door::to(&site.base, LOBBY, id).bearer(&user.token).refused().await, 4403, "{id}");
        assert_eq!(Door::to(&site.base, LOBBY, id).subprotocol(&user.token).refused().await, 4403, "{id}");
        let mut client = Door::to(&site.base, LOBBY, id).open().await;
        client.send(json!({ "type": "auth", "token": user.token })).await;
        assert_eq!(client.closed().await, 4403, "{id}");
    }
}

async fn who_is_nobody_is_asked_for_a_token_like_anybody(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for id in [user.id.as_str(), NOBODY] {
        let mut client = Door::to(&site.base, LOBBY, id).open().await;
        client.send(json!({ "type": "auth", "token": "x" })).await;
        assert_eq!(client.closed().await, 4401, "{id}");
    }
}

async fn names_that_are_none_are_malformed(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let long = "r".repeat(129);
    let rooms =
        ["a%2Fb", "%2F", "..", ".", "%2E%2E", "%00", "a%20b", "a+b", "%F0%9F%98%80", "%FF", "a%0A", "%ZZ", &long];
    for room in rooms {
        let door = Door::to(&site.base, room, &user.id).bearer(&user.token);
        assert_eq!(door.refused().await, 4400, "{room}");
    }
    for id in ["1", "me", "%00", "a%2Fb", &user.id.replace('-', ""), &format!("%7B{}%7D", user.id), &long] {
        assert_eq!(Door::to(&site.base, LOBBY, id).bearer(&user.token).refused().await, 4400, "{id}");
    }
}

async fn a_room_is_named_by_letters_digits_and_four_signs(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for room in ["a", "Room-1_x.y:z", "0", "...a", &"r".repeat(128)] {
        let (_client, welcome) = Door::to(&site.base, room, &user.id).bearer(&user.token).enter().await;
        assert_eq!(welcome["room_id"], room);
    }
    let (_client, welcome) = Door::to(&site.base, "%61", &user.id).bearer(&user.token).enter().await;
    assert_eq!(welcome["room_id"], "a");
    let (_client, welcome) = Door::to(&site.base, "a", &user.id.to_uppercase()).bearer(&user.token).enter().await;
    assert_eq!(welcome["user_id"], user.id.as_str());
}

async fn the_twenty_first_socket_of_a_user_is_too_many(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    let mut open = Vec::new();
    for number in 0..20 {
        // Rooms do not matter.
        open.push(door(&site, &format!("room-{}", number % 3), &user).enter().await.0);
    }
    assert_eq!(door(&site, LOBBY, &user).refused().await, 4409);
    enter(&site, &other).await.leave().await;
    open.pop().unwrap().leave().await;
    noticed(&site, 19).await;
    enter(&site, &user).await;
}

async fn a_caller_without_any_requests_left_is_told_after_the_upgrade(store: Store) {
    let site = store.open_with(&[("RATE_LIMIT_PER_MINUTE", "12")]).await;
    let user = site.user().await;
    while site.get_as(&user, "/api/v1/profile").await.status == 200 {}
    assert_eq!(door(&site, LOBBY, &user).refused().await, 4429);
    site.clock.advance(Duration::from_secs(5));
    enter(&site, &user).await;
    assert_eq!(door(&site, LOBBY, &user).refused().await, 4429);
}

async fn a_foreign_origin_is_refused_before_the_upgrade(store: Store) {
    let site = store.open_with(&[("CORS_ALLOWED_ORIGINS", "https://app.example,https://*.apps.example")]).await;
    let user = site.user().await;
    for origin in ["https://evil.example", "http://app.example", "https://app.example.evil.example", "null", ""] {
        let answer = send(handshake(&site, &user).header("Origin", origin)).await;
        assert_eq!(answer.refusal(), (403, "forbidden"), "{origin}");
        assert!(answer.json["error"]["details"].is_object(), "{answer:?}");
    }
    for origin in ["https://app.example", "https://one.apps.example", &site.base] {
        door(&site, LOBBY, &user).header("Origin", origin).enter().await;
    }
    enter(&site, &user).await;
}

async fn a_plain_request_is_told_to_upgrade(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let path = format!("/ws/{LOBBY}/{}", user.id);
    for request in [site.request(Method::GET, &path), site.request(Method::GET, &path).bearer_auth(&user.token)] {
        let answer = send(request).await;
        assert_eq!((answer.refusal(), answer.header("upgrade")), ((426, "upgrade_required"), Some("websocket")));
        assert!(answer.json["detail"].is_string() && answer.header("x-request-id").is_some(), "{answer:?}");
    }
}

async fn another_version_of_the_protocol_is_told_which_one_is_spoken(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for version in [Some("12"), Some("x"), None] {
        let answer = send(asking(&site, &user, version, Some(KEY))).await;
        assert_eq!(answer.refusal(), (426, "upgrade_required"), "{version:?}");
        assert_eq!((answer.header("upgrade"), answer.header("sec-websocket-version")), (Some("websocket"), Some("13")));
    }
}

async fn a_broken_handshake_is_malformed(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for key in [None, Some(""), Some("x"), Some("dGhlIHNhbXBsZSBub25jZTE=")] {
        let answer = send(asking(&site, &user, Some("13"), key)).await;
        assert_eq!(answer.refusal(), (400, "malformed_request"), "{key:?}");
    }
    for (name, value) in [("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", KEY)] {
        let answer = send(handshake(&site, &user).header(name, value)).await;
        assert_eq!(answer.refusal(), (400, "malformed_request"), "{name} twice");
    }
    let path = format!("/ws/{LOBBY}/{}", user.id);
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let request =
            site.request(method.clone(), &path).header("Connection", "Upgrade").header("Upgrade", "websocket");
        assert_eq!(send(request).await.refusal(), (405, "method_not_allowed"), "{method}");
    }
}

async fn an_unclaimed_account_comes_in_by_its_id(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    let (mut client, welcome) = nothing_in_hand(&site, &user).enter().await;
    assert_eq!(welcome["user_id"], user.id.as_str());
    let put = site.put(&format!("/users/{}/profile", user.id), json!({ "display_name": "Ada" })).await;
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(renamed(&client.update().await), "Ada");
}

async fn a_socket_with_its_token_claims_the_account(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    enter(&site, &user).await;
    let put = site.put(&format!("/users/{}/profile", user.id), json!({ "bio": "by whoever has the id" })).await;
    assert_eq!(put.status, 401);
    let mut client = nothing_in_hand(&site, &user).open().await;
    client.send(json!({ "type": "ping" })).await;
    assert_eq!(client.closed().await, 4401);
}

async fn in_jwt_mode_no_id_is_enough(store: Store) {
    let site = store.open_with(&[("USERS_AUTH", "jwt")]).await;
    let user = site.unclaimed().await;
    let mut client = nothing_in_hand(&site, &user).open().await;
    client.send(json!({ "type": "ping" })).await;
    assert_eq!(client.closed().await, 4401);
    enter(&site, &user).await;
}

async fn what_is_refused_is_never_present(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    let mut client = enter(&site, &user).await;
    assert_eq!(Door::to(&site.base, LOBBY, &other.id).bearer(&user.token).refused().await, 4403);
    assert_eq!(Door::to(&site.base, LOBBY, &other.id).bearer("x").refused().await, 4401);
    let waiting = Door::to(&site.base, LOBBY, &other.id).open().await;
    rename(&site, &user, "Ada").await;
    assert_eq!(renamed(&client.frame().await), "Ada");
    waiting.vanish();
}

on_both_stores! {
    a_token_is_taken_from_each_of_its_places,
    only_the_subprotocol_without_the_token_is_echoed,
    a_token_in_the_url_is_not_looked_at,
    another_first_frame_is_no_credential,
    what_is_no_good_token_is_refused_wherever_it_stands,
    a_bad_token_is_not_made_good_by_another,
    whose_token_it_is_decides_who_comes_in,
    who_is_nobody_is_asked_for_a_token_like_anybody,
    names_that_are_none_are_malformed,
    a_room_is_named_by_letters_digits_and_four_signs,
    the_twenty_first_socket_of_a_user_is_too_many,
    a_caller_without_any_requests_left_is_told_after_the_upgrade,
    a_foreign_origin_is_refused_before_the_upgrade,
    a_plain_request_is_told_to_upgrade,
    another_version_of_the_protocol_is_told_which_one_is_spoken,
    a_broken_handshake_is_malformed,
    an_unclaimed_account_comes_in_by_its_id,
    a_socket_with_its_token_claims_the_account,
    in_jwt_mode_no_id_is_enough,
    what_is_refused_is_never_present,
}
