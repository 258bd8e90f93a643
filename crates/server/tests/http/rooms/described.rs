//! The description of the frames against real ones.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::position;
use super::{GRACE, LOBBY, change, door, enter, noticed, rename, two};
use crate::Store;
use crate::on_both_stores;
use crate::site::{Site, send};

/// Follows `$ref`s.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let target = document.pointer(reference.trim_start_matches('#'));
            resolve(document, target.unwrap_or_else(|| panic!("dangling {reference}")))
        }
        None => value,
    }
}

/// The schemas that a value may have, through references and alternatives.
fn alternatives<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolve(document, schema);
    let parts = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    parts.map_or_else(|| vec![schema], |parts| parts.iter().flat_map(|part| alternatives(document, part)).collect())
}

/// The properties that a schema describes and those that it requires, through `allOf`.
fn members<'a>(document: &'a Value, schema: &'a Value) -> (Vec<(&'a str, &'a Value)>, Vec<&'a str>) {
    let schema = resolve(document, schema);
    let own = schema["properties"].as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value));
    let (mut described, mut required): (Vec<_>, Vec<_>) =
        (own.collect(), schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect());
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let (more, needed) = members(document, part);
        described.extend(more);
        required.extend(needed);
    }
    (described, required)
}

/// Why a value is not as a schema says: the names of its members are enough to catch a description that lies.
fn misfit(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let misfits: Vec<_> =
        alternatives(document, schema).into_iter().map(|one| misfit_of(document, one, value)).collect();
    if misfits.iter().any(Option::is_none) { None } else { misfits.into_iter().flatten().next() }
}

fn misfit_of(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(items) = value.as_array() {
        return items.iter().find_map(|item| misfit(document, &schema["items"], item));
    }
    let (described, required) = members(document, schema);
    let Some(object) = value.as_object() else {
        return (!described.is_empty() && schema["type"] == "object").then(|| format!("{value} is no object"));
    };
    // An open object says nothing of its members.
    if described.is_empty() {
        return None;
    }
    if let Some(name) = required.iter().find(|name| !object.contains_key(**name)) {
        return Some(format!("{name} is required and absent"));
    }
    object.iter().find_map(|(name, value)| match described.iter().find(|(described, _)| described == name) {
        Some((_, schema)) => misfit(document, schema, value).map(|misfit| format!("{name}: {misfit}")),
        None => Some(format!("{name} is not described")),
    })
}

/// The payloads of all messages whose `type` this is.
fn payloads<'a>(document: &'a Value, kind: &str) -> Vec<&'a Value> {
    let messages = document["components"]["messages"].as_object().unwrap_or_else(|| panic!("{document}"));
    let payloads = messages.values().flat_map(|message| alternatives(document, &resolve(document, message)["payload"]));
    let is_kind = |payload: &&Value| {
        let (described, _) = members(document, payload);
        let (_, schema) =
            described.into_iter().find(|(name, _)| *name == "type").unwrap_or_else(|| panic!("{payload}"));
        schema["const"] == kind || schema["enum"].as_array().is_some_and(|all| all.iter().any(|one| one == kind))
    };
    payloads.filter(is_kind).collect()
}

async fn document(site: &Site) -> Value {
    let answer = site.get("/asyncapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert!(answer.json["asyncapi"].as_str().unwrap().starts_with("3."), "{}", answer.json["asyncapi"]);
    answer.json
}

async fn every_frame_is_as_described(store: Store) {
    let site = store.open_with(&[("ACCESS_TOKEN_TTL", "60s")]).await;
    let document = document(&site).await;
    let user = site.user().await;
    let mut peers = enter(&site, &site.user().await).await;
    peers.news_of("token_expiring").await;
    let (mut own, welcome) = door(&site, LOBBY, &user).enter().await;
    own.news_of("token_expiring").await;
    peers.presence().await;
    let everything = json!({
        "display_name": "Ada", "email": "ada@example.com", "public_profile": true,
        "avatar_urls": { "small": "https://cdn.example/a.png" }, "preferences": { "call_history": { "enabled": false } },
    });
    change(&site, &user, everything).await;
    own.update().await;
    peers.update().await;
    own.ping().await;
    own.send_text("nonsense").await;
    own.news_of("error").await;
    let elsewhere = position(&welcome).replace(welcome["epoch"].as_str().unwrap(), &"0".repeat(32));
    let (mut late, _) = door(&site, LOBBY, &user).since(&elsewhere).enter().await;
    while late.news().await["type"] != "resync" {}
    let guest = site.user().await;
    enter(&site, &guest).await.leave().await;
    noticed(&site, 3).await;
    site.clock.advance(GRACE);
    while peers.presence().await.0 != "member_left" {}
    assert_eq!(send(site.request(Method::DELETE, "/api/v1/account").bearer_auth(&user.token)).await.status, 200);
    own.news_of("user_deleted").await;
    peers.news_of("user_deleted").await;
    let mut seen: Vec<&str> = Vec::new();
    for frame in [&own, &peers, &late].iter().flat_map(|client| &client.heard) {
        let kind = frame["type"].as_str().unwrap();
        seen.push(kind);
        let misfits: Vec<_> = payloads(&document, kind).into_iter().map(|one| misfit(&document, one, frame)).collect();
        assert!(misfits.iter().any(Option::is_none), "{misfits:?}: {frame}");
    }
    seen.sort_unstable();
    seen.dedup();
    let all = [
        "error",
        "member_joined",
        "member_left",
        "pong",
        "profile_updated",
        "resync",
        "token_expiring",
        "user_deleted",
        "welcome",
    ];
    assert_eq!(seen, all);
}

async fn what_a_client_may_say_is_described(store: Store) {
    let site = store.open().await;
    let document = document(&site).await;
    let (user, mut own, ..) = two(&site).await;
    let epoch = own.heard[0]["epoch"].clone();
    for frame in [
        json!({ "type": "auth", "token": user.token }),
        json!({ "type": "ping" }),
        json!({ "type": "resume", "epoch": epoch, "offset": 0 }),
    ] {
        let kind = frame["type"].as_str().unwrap();
        let misfits: Vec<_> = payloads(&document, kind).into_iter().map(|one| misfit(&document, one, &frame)).collect();
        assert!(misfits.iter().any(Option::is_none), "{misfits:?}: {frame}");
        own.send(frame).await;
    }
    rename(&site, &user, "Ada").await;
    while own.news().await["type"] != "profile_updated" {}
    assert!(own.heard.iter().all(|frame| frame["type"] != "error"), "{:?}", own.heard);
}

async fn the_description_names_every_close_code(store: Store) {
    let site = store.open().await;
    let text = document(&site).await.to_string();
    for code in [1001, 1002, 1007, 1009, 1013, 4400, 4401, 4403, 4408, 4409, 4410, 4429] {
        assert!(text.contains(&code.to_string()), "{code}");
    }
}

on_both_stores! {
    every_frame_is_as_described,
    what_a_client_may_say_is_described,
    the_description_names_every_close_code,
}
