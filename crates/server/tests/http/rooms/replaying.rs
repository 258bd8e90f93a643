//! What was missed is told again: each of it, or that it is gone.

use std::ops::Range;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, Door, position};
use super::{LOBBY, change, door, enter, rename, renamed, two};
use crate::Store;
use crate::on_both_stores;
use crate::site::{Site, User};

const NO_EPOCH: &str = "00000000000000000000000000000000";

/// Renames a user some times, and waits until the room has heard of it.
async fn rename_often(site: &Site, user: &User, watching: &mut Client, numbers: Range<u64>) {
    for number in numbers {
        rename(site, user, &format!("Ada {number}")).await;
        assert_eq!(watching.update().await["offset"], number);
    }
}

fn resume(position: &str) -> Value {
    let (epoch, offset) = position.split_once(':').unwrap();
    json!({ "type": "resume", "epoch": epoch, "offset": offset.parse::<u64>().unwrap() })
}

/// These are told, in this order, and then what happens.
async fn hears(site: &Site, user: &User, client: &mut Client, offsets: Range<u64>) {
    let next = offsets.end;
    for offset in offsets {
        assert_eq!(client.update().await["offset"], offset);
    }
    rename(site, user, "now").await;
    let frame = client.update().await;
    assert_eq!((&frame["offset"], renamed(&frame)), (&json!(next), "now"));
}

async fn what_was_missed_is_told_once_before_what_happens(store: Store) {
    let site = store.open().await;
    let (user, mut own, peer, peers) = two(&site).await;
    rename_often(&site, &user, &mut own, 1..2).await;
    peers.leave().await;
    rename_often(&site, &user, &mut own, 2..5).await;
    let epoch = own.heard.last().unwrap()["epoch"].as_str().unwrap().to_owned();
    let updates = own.heard.iter().filter(|frame| frame["type"] == "profile_updated");
    let told: Vec<_> = updates.map(|frame| frame["event_id"].clone()).collect();
    let since = format!("{epoch}:1");
    let (mut by_url, welcome) = door(&site, LOBBY, &peer).since(&since).enter().await;
    assert_eq!(position(&welcome), since);
    let mut by_frame = enter(&site, &peer).await;
    by_frame.send(resume(&since)).await;
    let mut by_both = Door::to(&site.base, LOBBY, &peer.id).since(&since).open().await;
    by_both.send(json!({ "type": "auth", "token": peer.token })).await;
    by_both.news_of("welcome").await;
    for client in [&mut by_url, &mut by_frame, &mut by_both] {
        for offset in 2..=4 {
            let frame = client.update().await;
            assert_eq!((&frame["offset"], &frame["version"]), (&json!(offset), &json!(offset + 1)));
            assert_eq!(frame["event_id"], told[offset - 1]);
        }
    }
    rename(&site, &user, "now").await;
    for client in [&mut by_url, &mut by_frame, &mut by_both] {
        let frame = client.update().await;
        assert_eq!((&frame["offset"], renamed(&frame)), (&json!(5), "now"));
    }
}

async fn who_missed_nothing_is_told_nothing(store: Store) {
    let site = store.open().await;
    let (user, mut own, peer, _) = two(&site).await;
    rename_often(&site, &user, &mut own, 1..4).await;
    let here = position(own.heard.last().unwrap());
    let (mut client, _) = door(&site, LOBBY, &peer).since(&here).enter().await;
    client.send(resume(&here)).await;
    client.ping().await;
    hears(&site, &user, &mut client, 4..4).await;
}

async fn what_is_asked_for_twice_is_told_once(store: Store) {
    let site = store.open().await;
    let (user, mut own, peer, _) = two(&site).await;
    rename_often(&site, &user, &mut own, 1..4).await;
    let epoch = own.heard.last().unwrap()["epoch"].as_str().unwrap().to_owned();
    let mut client = enter(&site, &peer).await;
    client.send(resume(&format!("{epoch}:0"))).await;
    for offset in 1..=3 {
        assert_eq!(client.update().await["offset"], offset);
    }
    // More often than frames are borne with that cannot be read.
    for from in [0, 0, 2, 1] {
        client.send(resume(&format!("{epoch}:{from}"))).await;
        assert_eq!(client.news_of("error").await["error"]["code"], "conflict");
    }
    hears(&site, &user, &mut client, 4..4).await;
}

async fn what_was_said_before_somebody_first_came_is_not_theirs(store: Store) {
    let site = store.open().await;
    let (user, mut own, ..) = two(&site).await;
    rename_often(&site, &user, &mut own, 1..4).await;
    let now = position(own.heard.last().unwrap());
    let epoch = now.split_once(':').unwrap().0;
    let newcomer = site.user().await;
    let (mut client, welcome) = door(&site, LOBBY, &newcomer).since(&format!("{epoch}:1")).enter().await;
    assert_eq!(position(&welcome), now);
    resynced(&mut client, &now).await;
    client.send(resume(&format!("{epoch}:0"))).await;
    resynced(&mut client, &now).await;
    rename_often(&site, &user, &mut own, 4..6).await;
    let (mut again, welcome) = door(&site, LOBBY, &newcomer).since(&now).enter().await;
    assert_eq!(position(&welcome), now);
    hears(&site, &user, &mut again, 4..6).await;
}

async fn what_others_may_not_see_is_not_told_again_either(store: Store) {
    let site = store.open().await;
    let (user, mut own, peer, _) = two(&site).await;
    change(&site, &user, json!({ "phone": "+4930123456" })).await;
    change(&site, &user, json!({ "display_name": "Ada", "email": "ada@example.com" })).await;
    change(&site, &user, json!({ "bio": "About me" })).await;
    for offset in 1..=3 {
        assert_eq!(own.update().await["offset"], offset);
    }
    let start = format!("{}:0", own.heard.last().unwrap()["epoch"].as_str().unwrap());
    let (mut peers, _) = door(&site, LOBBY, &peer).since(&start).enter().await;
    let frame = peers.update().await;
    assert_eq!((&frame["offset"], &frame["changed"]), (&json!(2), &json!(["display_name"])));
    let text = frame.to_string();
    assert!(!text.contains("ada@example.com") && !text.contains("+4930123456") && !text.contains("About me"), "{text}");
    hears(&site, &user, &mut peers, 4..4).await;
    let (mut other_device, _) = door(&site, LOBBY, &user).since(&start).enter().await;
    for (offset, changed) in (1..).zip([json!(["phone"]), json!(["display_name", "email"]), json!(["bio"])]) {
        let frame = other_device.update().await;
        assert_eq!((&frame["offset"], &frame["changed"]), (&json!(offset), &changed));
        assert_eq!(frame["profile"]["phone"], "+4930123456");
    }
}

async fn resynced(client: &mut Client, now: &str) {
    let frame = client.news_of("resync").await;
    assert_eq!(position(&frame), now, "{frame}");
}

async fn where_the_gap_is_gone_that_is_told(store: Store) {
    let site = store.open().await;
    let (user, mut own, peer, _) = two(&site).await;
    rename_often(&site, &user, &mut own, 1..3).await;
    let now = position(own.heard.last().unwrap());
    let epoch = now.split_once(':').unwrap().0;
    // A position of another life of the room, and one that is still to come.
    let positions =
        [format!("{NO_EPOCH}:1"), format!("{NO_EPOCH}:2"), format!("{epoch}:3"), format!("{epoch}:{}", u64::MAX)];
    for gone in positions {
        let (mut client, welcome) = door(&site, LOBBY, &peer).since(&gone).enter().await;
        assert_eq!(position(&welcome), now);
        resynced(&mut client, &now).await;
        client.send(resume(&gone)).await;
        resynced(&mut client, &now).await;
        client.leave().await;
    }
    let (mut client, _) = door(&site, LOBBY, &peer).since(&format!("{NO_EPOCH}:1")).enter().await;
    resynced(&mut client, &now).await;
    hears(&site, &user, &mut client, 3..3).await;
}

async fn five_hundred_and_twelve_are_told_again_and_one_more_is_too_many(store: Store) {
    let site = store.open().await;
    let (user, mut own, peer, _) = two(&site).await;
    rename_often(&site, &user, &mut own, 1..514).await;
    let now = position(own.heard.last().unwrap());
    let epoch = now.split_once(':').unwrap().0;
    let (mut client, _) = door(&site, LOBBY, &peer).since(&format!("{epoch}:0")).enter().await;
    resynced(&mut client, &now).await;
    client.send(resume(&format!("{epoch}:1"))).await;
    hears(&site, &user, &mut client, 2..514).await;
}

async fn what_is_older_than_ten_minutes_is_gone(store: Store) {
    let site = store.open().await;
    let (user, mut own, peer, _) = two(&site).await;
    rename_often(&site, &user, &mut own, 1..2).await;
    site.clock.advance(Duration::from_mins(5));
    rename_often(&site, &user, &mut own, 2..3).await;
    site.clock.advance(Duration::from_mins(5));
    let now = position(own.heard.last().unwrap());
    let epoch = now.split_once(':').unwrap().0;
    let (mut client, _) = door(&site, LOBBY, &peer).since(&format!("{epoch}:0")).enter().await;
    assert_eq!(client.update().await["offset"], 1);
    assert_eq!(client.update().await["offset"], 2);
    site.clock.advance(Duration::from_micros(1));
    let mut client = enter(&site, &peer).await;
    client.send(resume(&format!("{epoch}:0"))).await;
    resynced(&mut client, &now).await;
    client.send(resume(&format!("{epoch}:1"))).await;
    assert_eq!(client.update().await["offset"], 2);
}

async fn a_position_that_is_none_is_malformed(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let (mut client, welcome) = door(&site, LOBBY, &user).enter().await;
    let epoch = welcome["epoch"].as_str().unwrap();
    let hyphens = "0190f5fe-7c00-7a00-8000-00000000ffff:1";
    for text in ["", "x", ":", "1", hyphens, &format!("{epoch}:-1"), &format!("{epoch}:1:1"), &format!("{epoch}:%00")] {
        assert_eq!(door(&site, LOBBY, &user).since(text).refused().await, 4400, "{text}");
    }
    for (frame, field) in
        [(json!({ "type": "resume" }), "epoch"), (json!({ "type": "resume", "epoch": "x", "offset": 1 }), "epoch")]
    {
        client.send(frame.clone()).await;
        let error = client.news_of("error").await;
        assert!(error["error"]["details"].to_string().contains(field), "{frame}: {error}");
    }
    let mut client = enter(&site, &user).await;
    for offset in [json!(-1), json!(1.5)] {
        client.send(json!({ "type": "resume", "epoch": epoch, "offset": offset })).await;
        let error = client.news_of("error").await;
        assert!(error["error"]["details"].to_string().contains("offset"), "{error}");
    }
}

async fn an_epoch_outlives_a_restart_where_there_is_a_database(store: Store) {
    let Store::Postgres(_) = store else { return };
    let site = store.open().await;
    let (user, mut own, peer, peers) = two(&site).await;
    rename_often(&site, &user, &mut own, 1..2).await;
    let start = position(own.heard.last().unwrap());
    peers.leave().await;
    rename_often(&site, &user, &mut own, 2..4).await;
    drop((own, site));
    let site = store.open().await;
    let (mut client, _) = door(&site, LOBBY, &peer).since(&start).enter().await;
    hears(&site, &user, &mut client, 2..4).await;
}

async fn in_memory_a_restart_begins_another_log(store: Store) {
    let Store::Memory = store else { return };
    let site = store.open().await;
    let before = door(&site, LOBBY, &site.user().await).enter().await.1;
    drop(site);
    let site = store.open().await;
    let user = site.user().await;
    let (mut client, welcome) = door(&site, LOBBY, &user).since(&position(&before)).enter().await;
    resynced(&mut client, &position(&welcome)).await;
    hears(&site, &user, &mut client, 1..1).await;
}

on_both_stores! {
    what_was_missed_is_told_once_before_what_happens,
    who_missed_nothing_is_told_nothing,
    what_is_asked_for_twice_is_told_once,
    what_was_said_before_somebody_first_came_is_not_theirs,
    what_others_may_not_see_is_not_told_again_either,
    where_the_gap_is_gone_that_is_told,
    five_hundred_and_twelve_are_told_again_and_one_more_is_too_many,
    what_is_older_than_ten_minutes_is_gone,
    a_position_that_is_none_is_malformed,
    an_epoch_outlives_a_restart_where_there_is_a_database,
    in_memory_a_restart_begins_another_log,
}
