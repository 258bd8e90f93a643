//! Who is there, and who hears of it.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::client::{Client, position};
use super::{GRACE, LOBBY, change, door, enter, keys, noticed, rename, renamed, two};
use crate::Store;
use crate::on_both_stores;
use crate::site::{Site, User};

/// A moment less than [`GRACE`].
const ALMOST: Duration = Duration::from_millis(9_999);

fn member(user: &User) -> Value {
    json!({ "user_id": user.id, "display_name": user.username, "avatar_url": null })
}

/// In the order in which the welcome has them.
fn sorted(mut members: Vec<Value>) -> Vec<Value> {
    members.sort_unstable_by_key(|member| member["user_id"].as_str().unwrap().to_owned());
    members
}

/// Nobody came or went: the next frame is that of a change.
async fn nothing_of_presence(site: &Site, user: &User, client: &mut Client, name: &str) {
    rename(site, user, name).await;
    assert_eq!(renamed(&client.frame().await), name);
}

async fn the_welcome_comes_first_and_says_who_is_there(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    let (mut first, welcome) = door(&site, LOBBY, &user).enter().await;
    let epoch = welcome["epoch"].as_str().unwrap();
    assert!(epoch.len() == 32 && epoch.bytes().all(|byte| byte.is_ascii_hexdigit()), "{epoch}");
    let expected = |user: &User, offset: u64, members: Vec<Value>| {
        json!({
            "type": "welcome", "room_id": LOBBY, "user_id": user.id, "epoch": epoch, "offset": offset,
            "members": sorted(members),
        })
    };
    assert_eq!(welcome, expected(&user, 0, vec![member(&user)]));
    let (_second, welcome) = door(&site, LOBBY, &other).enter().await;
    assert_eq!(welcome, expected(&other, 0, vec![member(&user), member(&other)]));
    rename(&site, &user, "Ada").await;
    first.update().await;
    let (_third, welcome) = door(&site, LOBBY, &other).enter().await;
    let ada = json!({ "user_id": user.id, "display_name": "Ada", "avatar_url": null });
    assert_eq!(welcome, expected(&other, 1, vec![ada, member(&other)]));
}

async fn the_welcome_shows_each_as_they_are_now(store: Store) {
    let site = store.open().await;
    let (user, _own, peer, mut peers) = two(&site).await;
    for name in ["Ada", "Countess", "Augusta"] {
        let url = format!("https://cdn.example/{name}.png");
        change(&site, &user, json!({ "display_name": name, "avatar_url": url })).await;
        peers.update().await;
        let (client, welcome) = door(&site, LOBBY, &peer).enter().await;
        let ada = json!({ "user_id": user.id, "display_name": name, "avatar_url": url });
        assert_eq!(welcome["members"], json!(sorted(vec![ada, member(&peer)])));
        client.leave().await;
    }
}

async fn who_comes_is_told_to_the_others_once(store: Store) {
    let site = store.open().await;
    let (user, peer) = (site.user().await, site.user().await);
    let mut peers = enter(&site, &peer).await;
    let mut own = enter(&site, &user).await;
    let joined = peers.frame().await;
    assert_eq!((&joined["type"], &joined["user_id"]), (&json!("member_joined"), &json!(user.id)));
    for private in ["offset", "epoch", "email", "version"] {
        assert_eq!(joined.get(private), None, "{joined}");
    }
    let _laptop = enter(&site, &site.sign_in(&user).await).await;
    nothing_of_presence(&site, &user, &mut peers, "Ada").await;
    rename(&site, &user, "Countess").await;
    // Of oneself one knows.
    assert_eq!(renamed(&own.news().await), "Ada");
    assert!(own.heard.iter().all(|frame| frame["type"] != "member_joined" || frame["user_id"] != user.id.as_str()));
}

async fn who_goes_is_gone_after_the_grace(store: Store) {
    let site = store.open().await;
    let (user, own, peer, mut peers) = two(&site).await;
    own.vanish();
    noticed(&site, 1).await;
    site.clock.advance(ALMOST);
    nothing_of_presence(&site, &peer, &mut peers, "Bob").await;
    let (waiting, welcome) = door(&site, LOBBY, &peer).enter().await;
    assert_eq!(welcome["members"].as_array().unwrap().len(), 2, "{welcome}");
    waiting.leave().await;
    site.clock.advance(Duration::from_millis(1));
    let left = peers.frame().await;
    assert_eq!((&left["type"], &left["user_id"]), (&json!("member_left"), &json!(user.id)));
    assert!(left.get("offset").is_none() && left.get("profile").is_none(), "{left}");
    let (_client, welcome) = door(&site, LOBBY, &peer).enter().await;
    let bob = json!({ "user_id": peer.id, "display_name": "Bob", "avatar_url": null });
    assert_eq!(welcome["members"], json!([bob]));
    // It went once.
    nothing_of_presence(&site, &peer, &mut peers, "Robert").await;
}

async fn who_comes_back_within_the_grace_was_never_gone(store: Store) {
    let site = store.open().await;
    let (user, own, peer, mut peers) = two(&site).await;
    own.vanish();
    noticed(&site, 1).await;
    site.clock.advance(ALMOST);
    let _again = enter(&site, &user).await;
    site.clock.advance(GRACE);
    nothing_of_presence(&site, &peer, &mut peers, "Bob").await;
    let (_client, welcome) = door(&site, LOBBY, &peer).enter().await;
    assert_eq!(welcome["members"].as_array().unwrap().len(), 2, "{welcome}");
}

async fn who_has_another_socket_there_is_not_gone(store: Store) {
    let site = store.open().await;
    let (user, phone, peer, mut peers) = two(&site).await;
    let laptop = enter(&site, &site.sign_in(&user).await).await;
    let (elsewhere, _) = door(&site, "elsewhere", &user).enter().await;
    noticed(&site, 4).await;
    phone.vanish();
    noticed(&site, 3).await;
    site.clock.advance(GRACE);
    nothing_of_presence(&site, &peer, &mut peers, "Bob").await;
    // One in another room is no socket here.
    laptop.leave().await;
    noticed(&site, 2).await;
    site.clock.advance(GRACE);
    assert_eq!(peers.presence().await, ("member_left".to_owned(), user.id.clone()));
    drop(elsewhere);
}

async fn who_comes_again_after_the_grace_comes_anew(store: Store) {
    let site = store.open().await;
    let (user, own, _, mut peers) = two(&site).await;
    own.leave().await;
    noticed(&site, 1).await;
    site.clock.advance(GRACE);
    assert_eq!(peers.presence().await, ("member_left".to_owned(), user.id.clone()));
    let _again = enter(&site, &user).await;
    assert_eq!(peers.presence().await, ("member_joined".to_owned(), user.id.clone()));
}

async fn other_rooms_hear_nothing_of_who_is_here(store: Store) {
    let site = store.open().await;
    let (_user, own, _peer, _peers) = two(&site).await;
    let stranger = site.user().await;
    let (mut elsewhere, _) = door(&site, "elsewhere", &stranger).enter().await;
    let newcomer = site.user().await;
    enter(&site, &newcomer).await.leave().await;
    own.leave().await;
    noticed(&site, 2).await;
    site.clock.advance(GRACE);
    nothing_of_presence(&site, &stranger, &mut elsewhere, "Eve").await;
    let (_client, welcome) = door(&site, "elsewhere", &stranger).enter().await;
    assert_eq!(welcome["members"].as_array().unwrap().len(), 1, "{welcome}");
}

async fn presence_takes_no_offset(store: Store) {
    let site = store.open().await;
    let (user, own, peer, mut peers) = two(&site).await;
    own.leave().await;
    noticed(&site, 1).await;
    site.clock.advance(GRACE);
    assert_eq!(peers.presence().await.0, "member_left");
    let (_again, welcome) = door(&site, LOBBY, &user).enter().await;
    assert!(position(&welcome).ends_with(":0"), "{welcome}");
    assert_eq!(peers.presence().await.0, "member_joined");
    rename(&site, &peer, "Bob").await;
    assert_eq!(peers.update().await["offset"], 1);
}

async fn a_room_hears_for_a_day_of_whoever_left_it(store: Store) {
    let site = store.open().await;
    let (user, own, peer, mut peers) = two(&site).await;
    own.leave().await;
    noticed(&site, 1).await;
    site.clock.advance(GRACE);
    assert_eq!(peers.presence().await, ("member_left".to_owned(), user.id.clone()));
    rename(&site, &user, "Ada").await;
    let frame = peers.update().await;
    assert_eq!((renamed(&frame), keys(&frame).len()), ("Ada", 10));
    peers.leave().await;
    noticed(&site, 0).await;
    // Tokens do not live as long.
    site.clock.advance(Duration::from_secs(24 * 3_600 - 1));
    let (user, peer) = (site.sign_in(&user).await, site.sign_in(&peer).await);
    let mut peers = enter(&site, &peer).await;
    rename(&site, &user, "Countess").await;
    assert_eq!(renamed(&peers.update().await), "Countess");
    site.clock.advance(Duration::from_secs(1));
    rename(&site, &user, "Augusta").await;
    rename(&site, &peer, "Bob").await;
    assert_eq!(renamed(&peers.update().await), "Bob", "a day is over");
}

async fn of_many_who_come_at_once_each_hears_of_each(store: Store) {
    let site = store.open().await;
    let mut users = Vec::new();
    for _ in 0..8 {
        users.push(site.user().await);
    }
    let mut all: Vec<_> = users.iter().map(|user| user.id.clone()).collect();
    all.sort_unstable();
    let entered = join_all(users.iter().map(|user| door(&site, LOBBY, user).enter())).await;
    for (mut client, welcome) in entered {
        let members = welcome["members"].as_array().unwrap();
        let mut known: Vec<_> = members.iter().map(|member| member["user_id"].as_str().unwrap().to_owned()).collect();
        while known.len() < all.len() {
            let (kind, who) = client.presence().await;
            assert_eq!(kind, "member_joined");
            // Who came just before may be in the list already.
            if !known.contains(&who) {
                known.push(who);
            }
        }
        known.sort_unstable();
        assert_eq!(known, all);
    }
}

on_both_stores! {
    of_many_who_come_at_once_each_hears_of_each,
    the_welcome_comes_first_and_says_who_is_there,
    the_welcome_shows_each_as_they_are_now,
    who_comes_is_told_to_the_others_once,
    who_goes_is_gone_after_the_grace,
    who_comes_back_within_the_grace_was_never_gone,
    who_has_another_socket_there_is_not_gone,
    who_comes_again_after_the_grace_comes_anew,
    other_rooms_hear_nothing_of_who_is_here,
    presence_takes_no_offset,
    a_room_hears_for_a_day_of_whoever_left_it,
}
