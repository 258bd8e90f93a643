//! What ends a socket from this side: the end of the credential, of the account, of the time.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, Door, Heard};
use super::{LOBBY, door, enter, keys, rename, renamed, two};
use crate::Store;
use crate::forge::{Forge, hs256};
use crate::on_both_stores;
use crate::site::{PASSWORD, SECRET, Site, User, send};

const LOGOUT: &str = "/api/v1/auth/logout";
const ACCOUNT: &str = "/api/v1/account";
/// How long the tokens of some tests live.
const MINUTE: &[(&str, &str)] = &[("ACCESS_TOKEN_TTL", "60s")];

/// The socket is as open as ever.
async fn still_hears(site: &Site, user: &User, client: &mut Client, name: &str) {
    rename(site, user, name).await;
    assert_eq!(renamed(&client.update().await), name);
}

async fn a_logout_closes_the_sockets_of_its_session_and_no_other(store: Store) {
    let site = store.open().await;
    let (user, mut own, peer, mut peers) = two(&site).await;
    let (mut elsewhere, _) = door(&site, "elsewhere", &user).enter().await;
    let other = site.sign_in(&user).await;
    let mut laptop = enter(&site, &other).await;
    assert_eq!(site.post_as(&user, LOGOUT, json!({})).await.status, 204);
    assert_eq!((own.closed().await, elsewhere.closed().await), (4401, 4401));
    still_hears(&site, &other, &mut laptop, "Ada").await;
    assert_eq!(renamed(&peers.update().await), "Ada");
    assert_eq!(door(&site, LOBBY, &user).refused().await, 4401);
    still_hears(&site, &peer, &mut peers, "Bob").await;
}

async fn each_way_to_sign_out_everywhere_closes_every_socket(store: Store) {
    let site = store.open().await;
    let (user, mut own, peer, mut peers) = two(&site).await;
    let mut laptop = enter(&site, &site.sign_in(&user).await).await;
    assert_eq!(site.post_as(&user, LOGOUT, json!({ "all": true })).await.status, 204);
    assert_eq!((own.closed().await, laptop.closed().await), (4401, 4401));
    let user = site.sign_in(&user).await;
    let mut own = enter(&site, &user).await;
    let body = json!({ "new_password": "An0therPassw0rd" });
    let changed = user.with(&site.put_as(&user, &format!("/users/{}/password", user.id), body).await);
    assert_eq!(own.closed().await, 4401);
    let mut own = enter(&site, &changed).await;
    still_hears(&site, &changed, &mut own, "Ada").await;
    assert_eq!(renamed(&peers.update().await), "Ada");
    still_hears(&site, &peer, &mut peers, "Bob").await;
}

async fn a_session_that_is_ended_from_another_closes_its_sockets(store: Store) {
    let site = store.open().await;
    let (user, mut own, ..) = two(&site).await;
    let other = site.sign_in(&user).await;
    let mut laptop = enter(&site, &other).await;
    let listed = site.get_as(&other, "/api/v1/auth/sessions").await;
    let rows = listed.json["data"].as_array().unwrap();
    let row = rows.iter().find(|row| row["current"] == false).unwrap();
    let path = format!("/api/v1/auth/sessions/{}", row["id"].as_str().unwrap());
    assert_eq!(site.delete_as(&other, &path).await.status, 204);
    assert_eq!(own.closed().await, 4401);
    still_hears(&site, &other, &mut laptop, "Ada").await;
}

async fn a_reused_refresh_token_closes_the_sockets_of_its_family(store: Store) {
    let site = store.open().await;
    let (user, mut own, ..) = two(&site).await;
    let next = user.with(&site.refresh(&user.refresh).await);
    next.with(&site.refresh(&next.refresh).await);
    assert_eq!(site.refresh(&user.refresh).await.status, 401);
    assert_eq!(own.closed().await, 4401);
}

async fn a_deletion_is_told_to_everybody_and_closes_the_users_own_sockets(store: Store) {
    let site = store.open().await;
    let (user, mut own, peer, mut peers) = two(&site).await;
    let (mut elsewhere, _) = door(&site, "elsewhere", &user).enter().await;
    assert_eq!(send(site.request(Method::DELETE, ACCOUNT).bearer_auth(&user.token)).await.status, 200);
    for client in [&mut own, &mut elsewhere] {
        let frame = client.news_of("user_deleted").await;
        assert_eq!(frame["user_id"], user.id.as_str(), "{frame}");
        assert_eq!(client.closed().await, 4410);
    }
    let frame = peers.news_of("user_deleted").await;
    assert_eq!(keys(&frame), ["epoch", "event_id", "occurred_at", "offset", "room_id", "type", "user_id"]);
    assert_eq!((&frame["user_id"], &frame["offset"]), (&json!(user.id), &json!(1)));
    assert_eq!(door(&site, LOBBY, &user).refused().await, 4401);
    still_hears(&site, &peer, &mut peers, "Bob").await;
    let (_client, welcome) = door(&site, LOBBY, &peer).enter().await;
    let bob = json!({ "user_id": peer.id, "display_name": "Bob", "avatar_url": null });
    assert_eq!(welcome["members"], json!([bob]));
}

async fn a_deletion_is_replayed_and_what_was_before_it_shows_nothing(store: Store) {
    let site = store.open().await;
    let (user, _own, peer, mut peers) = two(&site).await;
    rename(&site, &user, "Ada").await;
    let epoch = peers.update().await["epoch"].as_str().unwrap().to_owned();
    assert_eq!(send(site.request(Method::DELETE, ACCOUNT).bearer_auth(&user.token)).await.status, 200);
    peers.news_of("user_deleted").await;
    let (mut again, _) = door(&site, LOBBY, &peer).since(&format!("{epoch}:0")).enter().await;
    let frame = again.news_of("user_deleted").await;
    assert_eq!((&frame["user_id"], &frame["offset"]), (&json!(user.id), &json!(2)));
    assert!(again.heard.iter().all(|frame| !frame.to_string().contains("Ada")), "{:?}", again.heard);
}

async fn the_first_password_closes_what_came_in_without_one(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    let (mut stranger, _) = Door::to(&site.base, LOBBY, &user.id).enter().await;
    let set = site.put(&format!("/users/{}/password", user.id), json!({ "new_password": PASSWORD })).await;
    assert_eq!(stranger.closed().await, 4401);
    let user = user.with(&set);
    let mut own = enter(&site, &user).await;
    still_hears(&site, &user, &mut own, "Ada").await;
}

/// By the first use of its token, too, and by the end of the window.
async fn who_came_in_by_the_id_hears_nothing_once_the_account_is_claimed(store: Store) {
    let site = store.open().await;
    let (claimed, late) = (site.unclaimed().await, site.unclaimed().await);
    let (mut stranger, _) = Door::to(&site.base, LOBBY, &claimed.id).enter().await;
    let (mut other, _) = Door::to(&site.base, LOBBY, &late.id).enter().await;
    let phone = || json!({ "phone": "+4930123456" });
    assert_eq!(site.patch_as(&claimed, "/api/v1/profile", phone()).await.status, 200);
    assert_eq!(stranger.closed().await, 4401);
    site.clock.advance(Duration::from_hours(1));
    let late = late.with(&site.refresh(&late.refresh).await);
    assert_eq!(site.patch_as(&late, "/api/v1/profile", phone()).await.status, 200);
    assert_eq!(other.closed().await, 4401);
}

/// What the clock brings is seen when the socket next has something to do.
async fn after(client: &mut Client) -> (Vec<Value>, Heard) {
    client.send(json!({ "type": "ping" })).await;
    let mut frames = Vec::new();
    loop {
        match client.next().await {
            Heard::Frame(frame) if frame["type"] == "pong" => return (frames, Heard::Frame(frame)),
            Heard::Frame(frame) => frames.push(frame),
            end => return (frames, end),
        }
    }
}

async fn a_token_that_expires_is_told_a_minute_before(store: Store) {
    let site = store.open_with(MINUTE).await;
    let user = site.user().await;
    let mut client = enter(&site, &user).await;
    client.news_of("token_expiring").await;
    // Once.
    client.ping().await;
}

async fn a_token_that_has_expired_closes_the_socket_a_little_later(store: Store) {
    let site = store.open_with(MINUTE).await;
    let user = site.user().await;
    let mut client = enter(&site, &user).await;
    client.news_of("token_expiring").await;
    site.clock.advance(Duration::from_secs(84));
    assert!(matches!(after(&mut client).await, (frames, Heard::Frame(_)) if frames.is_empty()));
    site.clock.advance(Duration::from_secs(2));
    assert_eq!(after(&mut client).await, (vec![], Heard::Closed(4401)));
}

async fn a_new_token_renews_the_socket(store: Store) {
    let site = store.open_with(MINUTE).await;
    let user = site.user().await;
    let mut client = enter(&site, &user).await;
    client.news_of("token_expiring").await;
    site.clock.advance(Duration::from_secs(40));
    let renewed = user.with(&site.refresh(&user.refresh).await);
    client.send(json!({ "type": "auth", "token": renewed.token })).await;
    client.news_of("token_expiring").await;
    site.clock.advance(Duration::from_secs(46));
    assert!(matches!(after(&mut client).await, (frames, Heard::Frame(_)) if frames.is_empty()));
    site.clock.advance(Duration::from_secs(40));
    assert_eq!(after(&mut client).await, (vec![], Heard::Closed(4401)));
}

async fn after_a_renewal_the_new_session_counts(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let other = site.sign_in(&user).await;
    let mut client = enter(&site, &user).await;
    client.send(json!({ "type": "auth", "token": other.token })).await;
    client.ping().await;
    assert_eq!(site.post_as(&user, LOGOUT, json!({})).await.status, 204);
    still_hears(&site, &other, &mut client, "Ada").await;
    assert_eq!(site.post_as(&other, LOGOUT, json!({})).await.status, 204);
    assert_eq!(client.closed().await, 4401);
}

async fn a_bad_token_renews_nothing_and_ends_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut client = enter(&site, &user).await;
    client.send(json!({ "type": "auth", "token": "x" })).await;
    let frame = client.news_of("error").await;
    assert_eq!(frame["error"]["code"], "unauthorized", "{frame}");
    still_hears(&site, &user, &mut client, "Ada").await;
}

async fn somebody_elses_token_closes_the_socket(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    let mut client = enter(&site, &user).await;
    client.send(json!({ "type": "auth", "token": other.token })).await;
    assert_eq!(client.closed().await, 4403);
}

async fn who_came_in_by_the_id_alone_may_show_a_token(store: Store) {
    let site = store.open().await;
    let user = site.unclaimed().await;
    let (mut client, _) = Door::to(&site.base, LOBBY, &user.id).enter().await;
    client.send(json!({ "type": "auth", "token": user.token })).await;
    client.ping().await;
    assert_eq!(site.put(&format!("/users/{}/profile", user.id), json!({ "bio": "x" })).await.status, 401);
    still_hears(&site, &user, &mut client, "Ada").await;
}

async fn the_token_of_nobody_shows_nobody(store: Store) {
    let site = store.open().await;
    let (user, nobody) = (site.user().await, "0190f5fe-7c00-7a00-8000-00000000000a");
    let token = Forge::of(&user.token).payload("sub", json!(nobody)).signed_by(hs256, SECRET);
    let mut own = enter(&site, &user).await;
    let mut client = Door::to(&site.base, LOBBY, nobody).bearer(&token).open().await;
    if let Heard::Frame(welcome) = client.next().await {
        assert!(!welcome["members"].to_string().contains(nobody), "{welcome}");
    }
    rename(&site, &user, "Ada").await;
    assert_eq!(renamed(&own.frame().await), "Ada");
}

on_both_stores! {
    the_token_of_nobody_shows_nobody,
    a_logout_closes_the_sockets_of_its_session_and_no_other,
    each_way_to_sign_out_everywhere_closes_every_socket,
    a_session_that_is_ended_from_another_closes_its_sockets,
    a_reused_refresh_token_closes_the_sockets_of_its_family,
    a_deletion_is_told_to_everybody_and_closes_the_users_own_sockets,
    a_deletion_is_replayed_and_what_was_before_it_shows_nothing,
    the_first_password_closes_what_came_in_without_one,
    who_came_in_by_the_id_hears_nothing_once_the_account_is_claimed,
    a_token_that_expires_is_told_a_minute_before,
    a_token_that_has_expired_closes_the_socket_a_little_later,
    a_new_token_renews_the_socket,
    after_a_renewal_the_new_session_counts,
    a_bad_token_renews_nothing_and_ends_nothing,
    somebody_elses_token_closes_the_socket,
    who_came_in_by_the_id_alone_may_show_a_token,
}
