//! Many sockets, and slow ones.

use futures_util::future::join_all;
use serde_json::json;

use super::client::{Client, Door, Heard};
use super::{GRACE, LOBBY, PROFILE, door, enter, noticed};
use crate::Store;
use crate::on_both_stores;
use crate::site::{Site, User};

/// More users than updates can wait for one socket.
const WRITERS: usize = 70;
/// Several megabytes in all: more than the system takes in for somebody who does not read.
const ROUNDS: usize = 7;

/// A profile about which there is much to tell.
async fn write_much(site: &Site, user: &User, round: usize) {
    let long = |limit: usize| format!("{round}{}", "\u{1F600}".repeat(limit - 10));
    let body = json!({
        "public_profile": true, "bio": long(2_000), "company": long(200), "job_title": long(200), "location": long(200),
    });
    assert_eq!(site.patch_as(user, PROFILE, body).await.status, 200);
}

async fn who_does_not_read_is_closed_and_holds_up_nobody(store: Store) {
    let site = store.open_with(&[("ROOM_BROADCAST", "all")]).await;
    let (reader, sleeper) = (site.user().await, site.user().await);
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        writers.push(site.user().await);
    }
    let mut reads = enter(&site, &reader).await;
    let (mut sleeps, _) = door(&site, LOBBY, &sleeper).narrow().enter().await;
    reads.presence().await;
    for round in 0..ROUNDS {
        for some in writers.chunks(10) {
            join_all(some.iter().map(|user| write_much(&site, user, round))).await;
            for _ in some {
                reads.update().await;
            }
        }
    }
    assert_eq!(reads.heard.last().unwrap()["offset"], WRITERS * ROUNDS);
    let mut last = 0;
    loop {
        match sleeps.next().await {
            Heard::Frame(frame) if frame["type"] == "profile_updated" => {
                let offset = frame["offset"].as_u64().unwrap();
                assert!(offset > last, "{offset} after {last}");
                last = offset;
            }
            Heard::Frame(frame) => assert_eq!(frame["type"], "member_joined", "{frame}"),
            end => {
                // Where all this took longer than 20 s, nobody waited for it.
                assert!(matches!(end, Heard::Closed(1013) | Heard::Lost), "{end:?} after {last}");
                break;
            }
        }
    }
    assert!(last < (WRITERS * ROUNDS) as u64, "all of it was kept");
    noticed(&site, 1).await;
}

async fn a_welcome_may_be_larger_than_any_frame_of_a_client(store: Store) {
    let site = store.open().await;
    let long = format!("https://cdn.example/{}", "x".repeat(2_000));
    let mut clients = Vec::new();
    for _ in 0..40 {
        let user = site.user().await;
        assert_eq!(site.patch_as(&user, PROFILE, json!({ "avatar_url": long })).await.status, 200);
        clients.push(enter(&site, &user).await);
    }
    let (mut client, welcome) = door(&site, LOBBY, &site.user().await).enter().await;
    assert!(welcome.to_string().len() > 65_536 && welcome["members"].as_array().unwrap().len() == 41);
    client.ping().await;
}

async fn five_hundred_sockets_that_vanish_leave_nothing_behind(store: Store) {
    let site = store.open().await;
    let mut clients = Vec::new();
    for _ in 0..25 {
        let user = site.user().await;
        let doors: Vec<_> = (0..20).map(|number| door(&site, &format!("room-{number}"), &user)).collect();
        // As many at once as there are connections to the database.
        for some in doors.chunks(4) {
            let entered = join_all(some.iter().cloned().map(Door::enter)).await;
            clients.extend(entered.into_iter().map(|(client, _)| client));
        }
    }
    noticed(&site, 500).await;
    clients.into_iter().for_each(Client::vanish);
    noticed(&site, 0).await;
    let metrics = site.get("/metrics").await.text;
    assert!(metrics.lines().any(|line| line == "frontdesk_rooms 0"), "{metrics}");
    let user = site.user().await;
    let (_client, welcome) = door(&site, "room-0", &user).enter().await;
    assert_eq!(welcome["members"].as_array().unwrap().len(), 26, "the grace still runs");
    let (mut client, _) = door(&site, "room-1", &site.user().await).enter().await;
    site.clock.advance(GRACE);
    let mut gone = 0;
    while gone < 25 {
        gone += usize::from(client.presence().await.0 == "member_left");
    }
}

on_both_stores! {
    who_does_not_read_is_closed_and_holds_up_nobody,
    a_welcome_may_be_larger_than_any_frame_of_a_client,
    five_hundred_sockets_that_vanish_leave_nothing_behind,
}
