//! Who hears of a change, and what of it.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, position};
use super::{LOBBY, PROFILE, change, change_if_match, door, enter, keys, rename, renamed, two};
use crate::Store;
use crate::on_both_stores;
use crate::pictures::{RED, png};
use crate::site::send;

const ENVELOPE: [&str; 10] =
    ["changed", "epoch", "event_id", "occurred_at", "offset", "profile", "room_id", "type", "user_id", "version"];
/// What others see of somebody who is not public.
const SHOWN: [&str; 7] = ["avatar_url", "avatar_urls", "display_name", "id", "shown_name", "user_id", "username"];

/// Each hears of the same change, and of no other before it.
async fn all_hear(clients: &mut [&mut Client]) -> Vec<Value> {
    let mut heard = Vec::new();
    for client in clients {
        heard.push(client.update().await);
    }
    heard
}

async fn a_change_through_any_facade_is_told_once_to_peers_and_to_the_users_other_devices(store: Store) {
    let site = store.open().await;
    let (user, mut phone, peer, mut peers) = two(&site).await;
    let mut laptop = enter(&site, &site.sign_in(&user).await).await;
    let users = format!("/users/{}/profile", user.id);
    let mut told = Vec::new();
    for (number, fields) in [
        (1, ["display_name"].as_slice()),
        (2, &["display_name"]),
        (3, &["display_name"]),
        (4, &["avatar_url", "avatar_urls"]),
        (5, &["avatar_url", "avatar_urls"]),
    ] {
        let name = json!({ "display_name": format!("Ada {number}") });
        let status = match number {
            1 => site.patch_as(&user, PROFILE, name).await.status,
            2 => site.put_as(&user, &users, name).await.status,
            3 => site.mobile_post(&user, name).await.status,
            4 => site.upload(&user, &[("file", &png(80, 80, RED))]).await.status,
            _ => site.delete_as(&user, "/api/v1/profile/avatar").await.status,
        };
        assert!(status == 200 || status == 204, "{number}: {status}");
        let heard = all_hear(&mut [&mut phone, &mut laptop, &mut peers]).await;
        for frame in &heard {
            assert_eq!((&frame["offset"], &frame["version"]), (&json!(number), &json!(number + 1)), "{frame}");
            assert_eq!((&frame["changed"], &frame["user_id"]), (&json!(fields), &json!(user.id)), "{frame}");
            assert_eq!((&frame["event_id"], &frame["epoch"]), (&heard[0]["event_id"], &heard[0]["epoch"]), "{frame}");
            assert_eq!(frame["profile"]["avatar_url"].is_string(), number == 4, "{frame}");
        }
        told.push(heard[0]["event_id"].to_string());
    }
    rename(&site, &peer, "Bob").await;
    for frame in all_hear(&mut [&mut phone, &mut laptop, &mut peers]).await {
        assert_eq!((&frame["offset"], renamed(&frame)), (&json!(6), "Bob"), "told twice: {frame}");
    }
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 5, "{told:?}");
}

async fn changes_in_a_row_are_told_in_their_order(store: Store) {
    let site = store.open().await;
    let (user, mut own, _, mut peers) = two(&site).await;
    for number in 0..40 {
        rename(&site, &user, &format!("Ada {number}")).await;
    }
    for client in [&mut own, &mut peers] {
        for number in 1..=40 {
            let frame = client.update().await;
            assert_eq!((&frame["offset"], &frame["version"]), (&json!(number), &json!(number + 1)), "{frame}");
        }
    }
}

async fn changes_of_many_at_once_are_all_told(store: Store) {
    let site = store.open().await;
    let mut users = Vec::new();
    for _ in 0..8 {
        let user = site.user().await;
        users.push((enter(&site, &user).await, user));
    }
    futures_util::future::join_all(users.iter().map(|(_, user)| rename(&site, user, "Ada"))).await;
    let mut all: Vec<_> = users.iter().map(|(_, user)| user.id.clone()).collect();
    all.sort_unstable();
    for (client, _) in &mut users {
        let mut heard = Vec::new();
        for offset in 1..=8 {
            let frame = client.update().await;
            assert_eq!(frame["offset"], offset, "{frame}");
            heard.push(frame["user_id"].as_str().unwrap().to_owned());
        }
        heard.sort_unstable();
        assert_eq!(heard, all);
    }
}

async fn peers_are_told_what_anybody_may_see_and_nothing_else(store: Store) {
    let site = store.open().await;
    let (user, mut own, peer, mut peers) = two(&site).await;
    let body = json!({
        "display_name": "Ada", "email": "ada@example.com", "phone": "+4930123456", "bio": "About me", "company": "Engines",
        "first_name": "Augusta", "language": "fr", "timezone": "Europe/Paris", "preferences": { "default_scenario": "sales" },
    });
    change(&site, &user, body).await;
    let frame = peers.update().await;
    assert_eq!((keys(&frame), keys(&frame["profile"])), (ENVELOPE.to_vec(), SHOWN.to_vec()));
    assert_eq!((&frame["changed"], &frame["room_id"]), (&json!(["display_name"]), &json!(LOBBY)));
    let text = frame.to_string();
    for secret in ["ada@example.com", "+4930123456", "About me", "Engines", "Augusta", "Paris", "sales"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let frame = own.update().await;
    assert_eq!((keys(&frame), &frame["profile"]), (ENVELOPE.to_vec(), &site.profile(&user).await));
    let changed: Vec<_> = frame["changed"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let all = ["display_name", "first_name", "email", "phone", "bio", "company", "timezone", "language", "preferences"];
    assert_eq!(changed, all);
    // What is public is told, and is what anybody reads.
    change(&site, &user, json!({ "public_profile": true })).await;
    change(&site, &user, json!({ "bio": "All about me" })).await;
    let frame = loop {
        let frame = peers.update().await;
        if frame["changed"] == json!(["bio"]) {
            break frame;
        }
        assert_eq!(frame["version"], 3, "{frame}");
    };
    let read = site.get_as(&peer, &format!("/api/v1/profiles/{}", user.id)).await;
    assert_eq!(frame["profile"], read.json);
}

async fn a_change_of_private_fields_alone_is_the_users_own_business(store: Store) {
    let site = store.open().await;
    let (user, mut own, _, mut peers) = two(&site).await;
    for body in [
        json!({ "phone": "+4930123456" }),
        json!({ "email": "ada@example.com" }),
        json!({ "bio": "x", "company": "y" }),
        json!({ "preferences": { "voice_preference": "echo" } }),
        json!({ "marketing_emails": true }),
    ] {
        change(&site, &user, body).await;
    }
    rename(&site, &user, "Ada").await;
    for (offset, changed) in (1..).zip([
        json!(["phone"]),
        json!(["email"]),
        json!(["bio", "company"]),
        json!(["preferences"]),
        json!(["marketing_emails"]),
        json!(["display_name"]),
    ]) {
        let frame = own.update().await;
        assert_eq!((&frame["offset"], &frame["changed"]), (&json!(offset), &changed));
    }
    let frame = peers.update().await;
    assert_eq!((&frame["offset"], &frame["changed"], renamed(&frame)), (&json!(6), &json!(["display_name"]), "Ada"));
}

async fn a_first_name_that_is_shown_is_a_change_of_the_shown_name(store: Store) {
    let site = store.open().await;
    let (user, mut own, _, mut peers) = two(&site).await;
    for (body, shown) in [
        (json!({ "first_name": "Ada" }), "Ada"),
        (json!({ "last_name": "Lovelace" }), "Ada Lovelace"),
        (json!({ "first_name": null }), "Lovelace"),
        (json!({ "last_name": "" }), user.username.as_str()),
    ] {
        let name = body.as_object().unwrap().keys().next().unwrap().clone();
        change(&site, &user, body).await;
        let frame = peers.update().await;
        assert_eq!((&frame["changed"], renamed(&frame)), (&json!(["display_name"]), shown), "{name}");
        let own = own.update().await;
        assert!(own["changed"].as_array().unwrap().contains(&json!(name)), "{own}");
    }
    change(&site, &user, json!({ "display_name": "Countess" })).await;
    assert_eq!(renamed(&peers.update().await), "Countess");
    assert_eq!(renamed(&own.update().await), "Countess");
    change(&site, &user, json!({ "first_name": "Augusta" })).await;
    // What is told is told of the profile as it is by then.
    assert_eq!(own.update().await["changed"], json!(["first_name"]));
    change(&site, &user, json!({ "display_name": null })).await;
    let frame = peers.update().await;
    assert_eq!((&frame["version"], renamed(&frame)), (&json!(8), "Augusta"), "a name that nobody sees was told");
}

async fn what_was_refused_or_changed_nothing_is_never_told(store: Store) {
    let site = store.open().await;
    let (user, mut own, other, mut peers) = two(&site).await;
    let tag = rename(&site, &user, "Ada").await.etag();
    for client in [&mut own, &mut peers] {
        assert_eq!(client.update().await["offset"], 1);
    }
    change(&site, &user, json!({})).await;
    change(&site, &user, json!({ "display_name": "Ada" })).await;
    for body in [json!({ "display_name": 1 }), json!({ "no_such_field": "x" }), json!({ "website": "x" })] {
        assert_eq!(site.patch_as(&user, PROFILE, body).await.refusal(), (400, "validation_failed"));
    }
    let stale = change_if_match(&site, &user, "\"0\"", json!({ "display_name": "Stale" })).await;
    assert_eq!(stale.refusal(), (412, "precondition_failed"));
    // This one fails in the transaction, after the change was made.
    let taken = json!({ "display_name": "Eve", "username": other.username });
    assert_eq!(site.patch_as(&user, PROFILE, taken).await.refusal(), (409, "username_taken"));
    let path = format!("/users/{}/profile", user.id);
    assert_eq!(site.put(&path, json!({ "display_name": "Eve" })).await.status, 401);
    assert_eq!(site.put_as(&other, &path, json!({ "display_name": "Eve" })).await.status, 404);
    assert_eq!(site.upload(&user, &[("file", b"no picture")]).await.status, 415);
    assert_eq!(change_if_match(&site, &user, &tag, json!({ "display_name": "Countess" })).await.status, 200);
    for client in [&mut own, &mut peers] {
        let frame = client.update().await;
        assert_eq!((&frame["offset"], &frame["version"], renamed(&frame)), (&json!(2), &json!(3), "Countess"));
    }
}

async fn of_many_changes_of_one_copy_the_one_that_won_is_told(store: Store) {
    let site = store.open().await;
    let (user, mut own, peer, mut peers) = two(&site).await;
    let tag = site.get_as(&user, PROFILE).await.etag();
    let racing = (0..8).map(|n| change_if_match(&site, &user, &tag, json!({ "display_name": format!("Ada {n}") })));
    let answers = futures_util::future::join_all(racing).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    rename(&site, &peer, "Bob").await;
    for client in [&mut own, &mut peers] {
        assert_eq!(renamed(&client.update().await), won[0].text_of("display_name"));
        assert_eq!(renamed(&client.update().await), "Bob");
    }
}

async fn rooms_where_the_user_never_was_hear_nothing(store: Store) {
    let site = store.open().await;
    let (user, mut own, ..) = two(&site).await;
    let stranger = site.user().await;
    let (mut elsewhere, welcome) = door(&site, "elsewhere", &stranger).enter().await;
    rename(&site, &user, "Ada").await;
    assert_eq!(renamed(&own.update().await), "Ada");
    rename(&site, &stranger, "Eve").await;
    let frame = elsewhere.update().await;
    assert_eq!((&frame["offset"], renamed(&frame)), (&json!(1), "Eve"));
    assert_eq!((&frame["room_id"], &frame["epoch"]), (&json!("elsewhere"), &welcome["epoch"]));
    rename(&site, &user, "Countess").await;
    assert_eq!(renamed(&own.update().await), "Countess", "it heard of somebody in another room");
}

async fn every_room_of_the_user_hears_with_its_own_position(store: Store) {
    let site = store.open().await;
    let (user, mut here, _, mut peers) = two(&site).await;
    rename(&site, &user, "Ada").await;
    assert_eq!(renamed(&here.update().await), "Ada");
    let (mut there, welcome) = door(&site, "other", &user).enter().await;
    assert_eq!(position(&welcome).rsplit_once(':').unwrap().1, "0");
    rename(&site, &user, "Countess").await;
    let (here, there) = (here.update().await, there.update().await);
    assert_eq!((&here["room_id"], &here["offset"]), (&json!(LOBBY), &json!(2)));
    assert_eq!((&there["room_id"], &there["offset"]), (&json!("other"), &json!(1)));
    assert_eq!((&here["event_id"], &here["profile"]), (&there["event_id"], &there["profile"]));
    assert_ne!(here["epoch"], there["epoch"]);
    assert_eq!(peers.update().await["offset"], 1);
}

async fn with_room_broadcast_every_room_hears(store: Store) {
    let site = store.open_with(&[("ROOM_BROADCAST", "all")]).await;
    let (user, peer) = (site.user().await, site.user().await);
    let mut peers = enter(&site, &peer).await;
    let (mut second, _) = door(&site, "second", &site.sign_in(&peer).await).enter().await;
    change(&site, &user, json!({ "phone": "+4930123456" })).await;
    rename(&site, &user, "Ada").await;
    for client in [&mut peers, &mut second] {
        let frame = client.update().await;
        assert_eq!((&frame["user_id"], renamed(&frame)), (&json!(user.id), "Ada"));
        assert_eq!(keys(&frame["profile"]), SHOWN);
    }
}

async fn a_change_is_told_with_the_urls_that_others_see(store: Store) {
    let site = store.open_with(&[("PUBLIC_URL", "https://accounts.example")]).await;
    let (user, mut own, peer, mut peers) = two(&site).await;
    let urls = site.upload(&user, &[("file", &png(80, 80, RED))]).await.json["avatar_urls"].clone();
    for client in [&mut own, &mut peers] {
        let frame = client.update().await;
        assert_eq!((&frame["profile"]["avatar_urls"], &frame["profile"]["avatar_url"]), (&urls, &urls["medium"]));
        assert!(urls["medium"].as_str().unwrap().starts_with("https://accounts.example/avatars/"), "{urls}");
    }
    let (_client, welcome) = door(&site, LOBBY, &site.sign_in(&peer).await).enter().await;
    let shown = welcome["members"].as_array().unwrap().iter().find(|member| member["user_id"] == user.id.as_str());
    assert_eq!(shown.unwrap()["avatar_url"], urls["medium"]);
}

async fn what_is_no_change_of_the_profile_is_not_told(store: Store) {
    let site = store.open().await;
    let (user, mut own, ..) = two(&site).await;
    assert_eq!(site.patch_as(&user, "/api/v1/settings", json!({ "theme": "dark" })).await.status, 200);
    let channels = json!({ "notification_settings": { "push_enabled": true } });
    let request = site.mobile(&user, Method::POST, "/mobile/user/profile").json(&channels);
    assert_eq!(send(request).await.status, 200);
    site.sign_in(&user).await;
    rename(&site, &user, "Ada").await;
    let frame = own.update().await;
    assert_eq!((&frame["offset"], &frame["version"]), (&json!(1), &json!(2)));
}

on_both_stores! {
    a_change_through_any_facade_is_told_once_to_peers_and_to_the_users_other_devices,
    changes_in_a_row_are_told_in_their_order,
    changes_of_many_at_once_are_all_told,
    peers_are_told_what_anybody_may_see_and_nothing_else,
    a_change_of_private_fields_alone_is_the_users_own_business,
    a_first_name_that_is_shown_is_a_change_of_the_shown_name,
    what_was_refused_or_changed_nothing_is_never_told,
    of_many_changes_of_one_copy_the_one_that_won_is_told,
    rooms_where_the_user_never_was_hear_nothing,
    every_room_of_the_user_hears_with_its_own_position,
    with_room_broadcast_every_room_hears,
    a_change_is_told_with_the_urls_that_others_see,
    what_is_no_change_of_the_profile_is_not_told,
}
