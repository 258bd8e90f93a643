//! Whether writers of rooms ever wait for each other in a circle, and what becomes of rows that no version wrote.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{owner, stores, touched};
use frontdesk_kernel::{Event, UserId};
use frontdesk_postgres::PgStores;
use frontdesk_rooms::store::{Broadcast, Missed, NodeId, REMEMBERED_FOR, Sockets, is_logged};
use frontdesk_rooms::{RoomId, RoomStore};
use frontdesk_testkit::builders::{account_deleted, entering, leaving, node, noon, profile_updated, room, user_id};
use frontdesk_testkit::postgres::database;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_users_in_opposite_order_do_not_wait_for_each_other_in_a_circle() {
    let Some(database) = database().await else { return };
    let (one, two) = (stores(&database.url(), 1).await, stores(&database.url(), 1).await);
    let (lobby, garden, node) = (room("lobby"), room("garden"), node());
    let (ada, eve) = (user_id(), user_id());
    for (room, user) in [(&lobby, ada), (&garden, eve)] {
        one.rooms.enter(&entering(room, user, node)).await.unwrap();
    }
    let post = |stores: PgStores, users: [UserId; 2]| async move {
        for _ in 0..100 {
            stores.rooms.post(&users.map(profile_updated), Broadcast::Members, noon()).await.unwrap();
        }
    };
    let (first, second) = (tokio::spawn(post(one.clone(), [ada, eve])), tokio::spawn(post(two, [eve, ada])));
    first.await.unwrap();
    second.await.unwrap();
    for (room, user) in [(&lobby, ada), (&garden, eve)] {
        assert_eq!(one.rooms.enter(&entering(room, user, node)).await.unwrap().position.offset, 200);
    }
}

/// Does one of the things that lock.
async fn one_of_all(stores: &PgStores, rooms: &[RoomId], users: &[UserId], node: NodeId, index: usize) {
    let rooms_store = &stores.rooms;
    let (room, user) = (&rooms[index % rooms.len()], users[index / 9 % users.len()]);
    let batch = |of: fn(UserId) -> Event| {
        let mut events: Vec<_> = users.iter().copied().map(of).collect();
        events.rotate_left(index / 9 % users.len());
        events
    };
    match index % 9 {
        0 | 1 => drop(rooms_store.enter(&entering(room, user, node)).await.unwrap()),
        2 => rooms_store.leave(&leaving(room, user, node)).await.unwrap(),
        3 => rooms_store.post(&batch(profile_updated), Broadcast::Members, noon()).await.unwrap(),
        4 => rooms_store.post(&batch(profile_updated), Broadcast::All, noon()).await.unwrap(),
        5 => rooms_store.post(&batch(account_deleted), Broadcast::Members, noon()).await.unwrap(),
        6 => {
            let sockets = Sockets { count: index, serial: u64::try_from(index).unwrap() };
            let mut counts: Vec<_> = users.iter().map(|user| (*user, sockets)).collect();
            counts.rotate_left(index / 9 % users.len());
            rooms_store.set_sockets(node, &counts, noon()).await.unwrap();
        }
        7 => drop(rooms_store.renew(node, noon(), noon()).await.unwrap()),
        _ => drop(rooms_store.purge(noon() + REMEMBERED_FOR).await.unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_writers_of_the_same_rooms_at_once_none_waits_for_another_in_a_circle() {
    let Some(database) = database().await else { return };
    let stores = Arc::new(stores(&database.url(), 8).await);
    let rooms: Arc<[_]> = ["a", "b", "c", "d", "e"].map(room).into();
    let users: Arc<[_]> = [user_id(), user_id(), user_id()].into();
    let node = node();
    for _ in 0..8 {
        let mut running = JoinSet::new();
        for index in 0..64 {
            let (stores, rooms, users) = (Arc::clone(&stores), Arc::clone(&rooms), Arc::clone(&users));
            running.spawn(async move { one_of_all(&stores, &rooms, &users, node, index).await });
        }
        running.join_all().await;
    }
}

#[tokio::test]
async fn a_batch_reaches_more_rooms_than_one_transaction_writes_to() {
    let Some(database) = database().await else { return };
    let (stores, client) = (stores(&database.url(), 1).await, owner(&database.url()).await);
    let (ada, eve) = (user_id(), user_id());
    let rooms = format!(
        "INSERT INTO app.rooms SELECT 'room-' || number, gen_random_uuid(), 0 FROM generate_series(1, 401) AS number;
        INSERT INTO app.room_members SELECT id, '{ada}', NULL, 0 FROM app.rooms"
    );
    client.batch_execute(&rooms).await.unwrap();
    let events = [profile_updated(ada), profile_updated(eve), account_deleted(ada)];
    stores.rooms.post(&events, Broadcast::Members, noon()).await.unwrap();
    stores.rooms.post(&events, Broadcast::All, noon()).await.unwrap();
    for event in events {
        assert_eq!(stores.rooms.posted(&[event.id]).await.unwrap().len(), 401);
    }
    let logs = "UPDATE app.rooms SET last_offset = 3 WHERE last_offset = 3";
    assert_eq!(touched(&client, logs).await.unwrap(), 401);
    assert_eq!(touched(&client, "DELETE FROM app.room_members").await.unwrap(), 0);
}

#[tokio::test]
async fn a_batch_that_is_posted_again_waits_for_no_room_that_holds_it() {
    let Some(database) = database().await else { return };
    let (stores, client) = (stores(&database.url(), 2).await, owner(&database.url()).await);
    let (ada, bob, node) = (user_id(), user_id(), node());
    for user in [ada, bob] {
        stores.rooms.enter(&entering(&room("lobby"), user, node)).await.unwrap();
    }
    let events = [profile_updated(ada), account_deleted(ada), profile_updated(bob)];
    stores.rooms.post(&events, Broadcast::Members, noon()).await.unwrap();
    client.batch_execute("BEGIN; SELECT FROM app.rooms FOR UPDATE").await.unwrap();
    for broadcast in [Broadcast::Members, Broadcast::All] {
        stores.rooms.post(&events, broadcast, noon()).await.unwrap();
    }
    client.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn a_user_whose_account_ends_does_not_wait_for_a_room() {
    let Some(database) = database().await else { return };
    let (stores, client) = (stores(&database.url(), 2).await, owner(&database.url()).await);
    let (ada, _) = crate::common::given(&stores, "ada").await;
    stores.rooms.enter(&entering(&room("lobby"), ada, node())).await.unwrap();
    client.batch_execute("BEGIN; SELECT * FROM app.rooms, app.room_members FOR UPDATE").await.unwrap();
    let delete = frontdesk_testkit::builders::delete(ada);
    frontdesk_profile::AccountStore::delete(&*stores.accounts, &delete).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn an_entry_that_a_newer_version_wrote_keeps_its_place_and_tells_nothing() {
    let Some(database) = database().await else { return };
    let (stores, client) = (stores(&database.url(), 1).await, owner(&database.url()).await);
    let (lobby, ada, node) = (room("lobby"), user_id(), node());
    let beginning = stores.rooms.enter(&entering(&lobby, ada, node)).await.unwrap().position;
    let events = [profile_updated(ada), profile_updated(ada)];
    stores.rooms.post(&events, Broadcast::Members, noon()).await.unwrap();
    let newer = "UPDATE app.room_entries SET body = '{\"type\": \"moon_landed\"}' WHERE room_offset = 1";
    client.batch_execute(newer).await.unwrap();
    let Missed::Entries(entries) = stores.rooms.since(&lobby, beginning, u64::MAX, noon()).await.unwrap() else {
        panic!("gone")
    };
    assert_eq!(entries.iter().map(|entry| entry.position.offset).collect::<Vec<_>>(), [1, 2]);
    assert!(!is_logged(&entries[0].event.body) && entries[1].event == events[1]);
}

#[tokio::test]
async fn rows_that_no_version_wrote_are_unavailable() {
    let Some(database) = database().await else { return };
    let (stores, client) = (stores(&database.url(), 1).await, owner(&database.url()).await);
    let (lobby, ada, node) = (room("lobby"), user_id(), node());
    let beginning = stores.rooms.enter(&entering(&lobby, ada, node)).await.unwrap().position;
    let event = profile_updated(ada);
    stores.rooms.post(std::slice::from_ref(&event), Broadcast::Members, noon()).await.unwrap();
    let strange = "UPDATE app.room_entries SET body = '{\"type\": \"profile_updated\"}';
        INSERT INTO app.room_presences VALUES ('not/a/room', gen_random_uuid(), gen_random_uuid())";
    client.batch_execute(strange).await.unwrap();
    stores.rooms.posted(&[event.id]).await.unwrap_err();
    stores.rooms.since(&lobby, beginning, u64::MAX, noon()).await.unwrap_err();
    stores.rooms.expired(noon() + Duration::from_hours(1)).await.unwrap_err();
    for refused in ["UPDATE app.rooms SET last_offset = -1", "UPDATE app.rooms SET id = 'a/b'"] {
        assert!(touched(&client, refused).await.is_err(), "{refused}");
    }
}
