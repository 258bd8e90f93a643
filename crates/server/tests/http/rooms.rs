//! Rooms over WebSocket, as their clients see them.
//!
//! That something is not told is proved by what comes after it: the next frame is that of a later change.

pub(crate) mod client;
mod described;
mod ending;
mod entering;
mod frames;
mod load;
mod presence;
mod replaying;
mod telling;
mod tickets;
mod wire;

use std::time::Duration;

use client::{Client, Door, soon};
use reqwest::Method;
use serde_json::{Value, json};

use crate::Site;
use crate::site::{Answer, User, send};

/// The room that most tests meet in: each has a server of its own.
const LOBBY: &str = "lobby";
const PROFILE: &str = "/api/v1/profile";

/// To a room as a user who shows the token of this session.
fn door(site: &Site, room: &str, user: &User) -> Door {
    Door::to(&site.base, room, &user.id).bearer(&user.token)
}

/// Comes into the lobby.
async fn enter(site: &Site, user: &User) -> Client {
    door(site, LOBBY, user).enter().await.0
}

/// A user in the lobby and another one there, who has heard of it: nobody will be told again who is there.
async fn two(site: &Site) -> (User, Client, User, Client) {
    let (user, peer) = (site.user().await, site.user().await);
    let mut peers = enter(site, &peer).await;
    let own = enter(site, &user).await;
    assert_eq!(peers.presence().await, ("member_joined".to_owned(), user.id.clone()));
    (user, own, peer, peers)
}

/// Changes a profile; the change has to be taken.
async fn change(site: &Site, user: &User, body: Value) -> Answer {
    let answer = site.patch_as(user, PROFILE, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// Changes what everybody may see.
async fn rename(site: &Site, user: &User, name: &str) -> Answer {
    change(site, user, json!({ "display_name": name })).await
}

async fn change_if_match(site: &Site, user: &User, tag: &str, body: Value) -> Answer {
    let request = site.request(Method::PATCH, PROFILE).bearer_auth(&user.token).header("If-Match", tag);
    send(request.json(&body)).await
}

/// The user's name in a `profile_updated`, for assertions that read well.
fn renamed(frame: &Value) -> &str {
    assert_eq!(frame["type"], "profile_updated", "{frame}");
    frame["profile"]["display_name"].as_str().unwrap_or_default()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object")).keys().map(String::as_str).collect()
}

/// The number of sockets that the server knows of.
async fn sockets(site: &Site) -> u64 {
    let metrics = site.get("/metrics").await.text;
    let line = metrics.lines().find_map(|line| line.strip_prefix("frontdesk_room_sockets "));
    line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

/// Waits until the server has noticed who is there and who is not.
async fn noticed(site: &Site, count: u64) {
    soon("the end of a socket", async { while sockets(site).await != count {} }).await;
}

/// Longer than a user without a socket counts as present.
const GRACE: Duration = Duration::from_secs(10);
