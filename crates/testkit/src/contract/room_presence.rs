//! The contract of [`RoomStore`](frontdesk_rooms::RoomStore), as to who is in which room.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_rooms::Position;
use frontdesk_rooms::store::{Entered, Entering, Leaving};

use super::rooms::{MICRO, came, enter, leave, post, present, told, went};
use super::{Stores, race};
use crate::builders::{entering, leaving, node, noon, profile_updated, room, user_id};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! room_presence_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] room_presence:
            enter_begins_a_room_with_the_epoch_given_and_the_offset_0,
            enter_gives_where_the_log_was_when_the_user_came_in_first,
            enter_keeps_a_room_that_is_there,
            enter_tells_who_is_there_in_the_order_of_their_ids,
            enter_tells_of_nobody_in_another_room,
            the_first_enter_is_told_as_it_was_and_a_repeated_one_is_not,
            the_last_leave_is_told_as_it_was_and_a_repeated_one_is_not,
            of_two_nodes_only_the_last_that_leaves_takes_the_user_along,
            leave_of_whoever_is_not_there_changes_nothing,
            whoever_left_comes_in_again_and_is_told_again,
            each_room_is_told_of_for_itself,
            of_64_users_who_enter_at_once_each_is_there_and_told_once,
            of_64_enters_of_one_user_at_once_one_is_told,
            of_64_nodes_that_leave_at_once_one_is_told,
            of_64_rooms_that_a_user_enters_at_once_each_is_told,
            a_user_who_enters_and_leaves_at_once_is_there_as_often_as_was_told,
            a_room_that_is_purged_while_many_enter_has_one_life,
        }
    };
}

pub async fn enter_begins_a_room_with_the_epoch_given_and_the_offset_0(stores: &Stores) {
    let command = entering(&room("lobby"), user_id(), node());
    let entered = stores.rooms.enter(&command).await.unwrap();
    let position = Position { epoch: command.epoch, offset: 0 };
    assert_eq!(entered, Entered { position, present: vec![command.user_id], heard_from: 0 });
}

pub async fn enter_gives_where_the_log_was_when_the_user_came_in_first(stores: &Stores) {
    let (lobby, ada, eve, node) = (room("lobby"), user_id(), user_id(), node());
    enter(stores, &lobby, ada, node).await;
    post(stores, &[profile_updated(ada)], noon()).await;
    assert_eq!(enter(stores, &lobby, eve, node).await.heard_from, 1);
    leave(stores, &lobby, eve, node).await;
    post(stores, &[profile_updated(ada)], noon()).await;
    let again = enter(stores, &lobby, eve, node).await;
    assert_eq!((again.heard_from, again.position.offset), (1, 2));
    assert_eq!(enter(stores, &lobby, ada, node).await.heard_from, 0);
    assert_eq!(enter(stores, &lobby, user_id(), node).await.heard_from, 2);
}

pub async fn enter_keeps_a_room_that_is_there(stores: &Stores) {
    let (lobby, ada) = (room("lobby"), user_id());
    let first = enter(stores, &lobby, ada, node()).await.position;
    post(stores, &[profile_updated(ada)], noon()).await;
    let now = Position { offset: 1, ..first };
    assert_eq!(enter(stores, &lobby, user_id(), node()).await.position, now);
    assert_eq!(enter(stores, &lobby, ada, node()).await.position, now);
}

pub async fn enter_tells_who_is_there_in_the_order_of_their_ids(stores: &Stores) {
    let (lobby, node) = (room("lobby"), node());
    let mut users: Vec<_> = (0..20).map(|_| user_id()).collect();
    // Made in the order of time; they come in another.
    users.sort_by_key(|user| user.as_uuid().as_u128().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 7);
    for user in &users {
        enter(stores, &lobby, *user, node).await;
    }
    let last = enter(stores, &lobby, users[0], node).await;
    users.sort();
    assert_eq!(last.present, users);
}

pub async fn enter_tells_of_nobody_in_another_room(stores: &Stores) {
    let node = node();
    // Names that differ in case alone, and the longest.
    let rooms = [room("lobby"), room("Lobby"), room("lobby."), room(&"l".repeat(128))];
    for room in &rooms {
        let ada = user_id();
        assert_eq!(enter(stores, room, ada, node).await.present, [ada]);
    }
}

pub async fn the_first_enter_is_told_as_it_was_and_a_repeated_one_is_not(stores: &Stores) {
    let command = entering(&room("lobby"), user_id(), node());
    let first = stores.rooms.enter(&command).await.unwrap();
    let later = noon() + Duration::from_secs(1);
    for again in [command.clone(), Entering { now: later, ..entering(&command.room, command.user_id, command.node) }] {
        assert_eq!(stores.rooms.enter(&again).await.unwrap(), first);
    }
    let events = stores.events_of(command.user_id).await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].id, events[0].occurred_at), (command.event_id, noon()));
    assert_eq!(events[0].body, came(&command.room));
}

pub async fn the_last_leave_is_told_as_it_was_and_a_repeated_one_is_not(stores: &Stores) {
    let (lobby, ada, node) = (room("lobby"), user_id(), node());
    enter(stores, &lobby, ada, node).await;
    let command = Leaving { now: noon() + MICRO, ..leaving(&lobby, ada, node) };
    for again in [command.clone(), command.clone(), leaving(&lobby, ada, node)] {
        stores.rooms.leave(&again).await.unwrap();
    }
    let events = stores.events_of(ada).await;
    assert_eq!(events.len(), 2);
    assert_eq!((events[1].id, events[1].occurred_at), (command.event_id, noon() + MICRO));
    assert_eq!(events[1].body, went(&lobby));
    assert_eq!(present(stores, &lobby).await, []);
}

pub async fn of_two_nodes_only_the_last_that_leaves_takes_the_user_along(stores: &Stores) {
    let (lobby, ada, one, two) = (room("lobby"), user_id(), node(), node());
    enter(stores, &lobby, ada, one).await;
    assert_eq!(enter(stores, &lobby, ada, two).await.present, [ada]);
    leave(stores, &lobby, ada, one).await;
    leave(stores, &lobby, ada, one).await;
    assert_eq!(present(stores, &lobby).await, [ada]);
    assert_eq!(told(stores, ada).await, [came(&lobby)]);
    leave(stores, &lobby, ada, two).await;
    assert_eq!(present(stores, &lobby).await, []);
    assert_eq!(told(stores, ada).await, [came(&lobby), went(&lobby)]);
}

pub async fn leave_of_whoever_is_not_there_changes_nothing(stores: &Stores) {
    let (lobby, ada, node_of_ada) = (room("lobby"), user_id(), node());
    let other = user_id();
    leave(stores, &lobby, ada, node_of_ada).await;
    enter(stores, &lobby, ada, node_of_ada).await;
    leave(stores, &lobby, ada, node()).await;
    leave(stores, &room("garden"), ada, node_of_ada).await;
    leave(stores, &lobby, other, node_of_ada).await;
    assert_eq!(present(stores, &lobby).await, [ada]);
    assert_eq!(told(stores, ada).await, [came(&lobby)]);
    assert_eq!(told(stores, other).await, []);
}

pub async fn whoever_left_comes_in_again_and_is_told_again(stores: &Stores) {
    let (lobby, ada, node) = (room("lobby"), user_id(), node());
    for _ in 0..2 {
        assert_eq!(enter(stores, &lobby, ada, node).await.present, [ada]);
        leave(stores, &lobby, ada, node).await;
    }
    assert_eq!(told(stores, ada).await, [came(&lobby), went(&lobby), came(&lobby), went(&lobby)]);
}

pub async fn each_room_is_told_of_for_itself(stores: &Stores) {
    let (lobby, garden, ada, node) = (room("lobby"), room("garden"), user_id(), node());
    enter(stores, &lobby, ada, node).await;
    enter(stores, &garden, ada, node).await;
    leave(stores, &lobby, ada, node).await;
    assert_eq!(told(stores, ada).await, [came(&lobby), came(&garden), went(&lobby)]);
    assert_eq!(present(stores, &garden).await, [ada]);
}

pub async fn of_64_users_who_enter_at_once_each_is_there_and_told_once(stores: &Stores) {
    let (lobby, node) = (room("lobby"), node());
    let mut users: Vec<_> = (0..64).map(|_| user_id()).collect();
    let entered = race(64, |index| {
        let (rooms, command) = (Arc::clone(&stores.rooms), entering(&lobby, users[index], node));
        async move { rooms.enter(&command).await.unwrap() }
    })
    .await;
    let found = enter(stores, &lobby, users[0], node).await;
    for (user, entered) in users.iter().zip(&entered) {
        assert!(entered.present.contains(user) && entered.present.is_sorted());
        assert_eq!(entered.position, found.position);
        assert_eq!(told(stores, *user).await, [came(&lobby)]);
    }
    // Each found those who were there before: the first nobody, the last all others.
    let mut counts: Vec<_> = entered.iter().map(|entered| entered.present.len()).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=64).collect::<Vec<_>>());
    users.sort();
    assert_eq!(found.present, users);
}

pub async fn of_64_enters_of_one_user_at_once_one_is_told(stores: &Stores) {
    let (lobby, ada, nodes) = (room("lobby"), user_id(), [node(), node(), node(), node()]);
    race(64, |index| {
        let (rooms, command) = (Arc::clone(&stores.rooms), entering(&lobby, ada, nodes[index % 4]));
        async move { rooms.enter(&command).await.unwrap() }
    })
    .await;
    assert_eq!(told(stores, ada).await, [came(&lobby)]);
    assert_eq!(present(stores, &lobby).await, [ada]);
}

pub async fn of_64_nodes_that_leave_at_once_one_is_told(stores: &Stores) {
    let (lobby, ada) = (room("lobby"), user_id());
    let nodes: Vec<_> = (0..64).map(|_| node()).collect();
    for node in &nodes {
        enter(stores, &lobby, ada, *node).await;
    }
    race(64, |index| {
        let (rooms, command) = (Arc::clone(&stores.rooms), leaving(&lobby, ada, nodes[index]));
        async move { rooms.leave(&command).await.unwrap() }
    })
    .await;
    assert_eq!(told(stores, ada).await, [came(&lobby), went(&lobby)]);
    assert_eq!(present(stores, &lobby).await, []);
}

pub async fn of_64_rooms_that_a_user_enters_at_once_each_is_told(stores: &Stores) {
    let (ada, node) = (user_id(), node());
    race(64, |index| {
        let (rooms, command) = (Arc::clone(&stores.rooms), entering(&room(&format!("room-{index}")), ada, node));
        async move { rooms.enter(&command).await.unwrap() }
    })
    .await;
    assert_eq!(told(stores, ada).await.len(), 64);
}

pub async fn a_user_who_enters_and_leaves_at_once_is_there_as_often_as_was_told(stores: &Stores) {
    let (lobby, ada, nodes) = (room("lobby"), user_id(), [node(), node()]);
    race(64, |index| {
        let (rooms, node) = (Arc::clone(&stores.rooms), nodes[index % 2]);
        let (lobby, is_coming) = (lobby.clone(), index % 4 < 2);
        async move {
            if is_coming {
                rooms.enter(&entering(&lobby, ada, node)).await.unwrap();
            } else {
                rooms.leave(&leaving(&lobby, ada, node)).await.unwrap();
            }
        }
    })
    .await;
    let told = told(stores, ada).await;
    let expected = [came(&lobby), went(&lobby)].into_iter().cycle().take(told.len());
    assert_eq!(told, expected.collect::<Vec<_>>());
    let is_there = !present(stores, &lobby).await.is_empty();
    assert_eq!(is_there, told.len() % 2 == 1);
}

pub async fn a_room_that_is_purged_while_many_enter_has_one_life(stores: &Stores) {
    let (lobby, node) = (room("lobby"), node());
    let entered = race(64, |index| {
        let (rooms, command) = (Arc::clone(&stores.rooms), entering(&lobby, user_id(), node));
        async move {
            if index % 4 == 0 {
                rooms.purge(noon()).await.unwrap();
                return None;
            }
            Some(rooms.enter(&command).await.unwrap().position)
        }
    })
    .await;
    let found = enter(stores, &lobby, user_id(), node).await;
    assert!(entered.into_iter().flatten().all(|position| position == found.position));
    assert_eq!(found.present.len(), 49);
}
