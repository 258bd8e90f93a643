//! The contract of [`RoomStore`](frontdesk_rooms::RoomStore), as to nodes that fall silent and what is forgotten.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::{Timestamp, UserId};
use frontdesk_rooms::store::{Entering, LEASED_FOR, Leaving, NodeId, Presence, REMEMBERED_FOR, REMEMBERED_MAX};
use frontdesk_rooms::{Position, RoomId};

use super::rooms::{MICRO, came, enter, lasting_node, leave, leave_at, post, present, told, went};
use super::{Stores, race};
use crate::builders::{entering, epoch, leaving, node, noon, profile_updated, room, user_id};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! room_lease_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] room_lease:
            enter_begins_a_lease_of_its_own_length,
            leave_begins_a_lease_too,
            neither_renews_a_lease_that_is_there,
            renew_makes_a_lease_run_until_the_moment_given_and_no_longer,
            renew_tells_whether_the_lease_still_ran,
            expired_gives_those_of_silent_nodes_and_leaves_them_there,
            expired_gives_whoever_is_there_on_another_node_too,
            expired_gives_nobody_who_left,
            expired_gives_a_thousand_at_most,
            leave_for_a_silent_node_changes_nothing_while_its_lease_runs,
            leave_forgets_the_rooms_that_were_left_first,
            purge_of_nothing_tells_none,
            purge_removes_leases_that_ran_out_a_day_ago_and_hold_nobody,
            purge_removes_whoever_left_a_day_ago_and_nobody_else,
            purge_leaves_a_room_in_which_somebody_is_or_is_remembered,
            a_purged_room_that_begins_again_has_another_epoch_and_the_offset_0,
        }
    };
}

async fn expired(stores: &Stores, now: Timestamp) -> Vec<Presence> {
    let mut expired = stores.rooms.expired(now).await.unwrap();
    expired.sort_by(|one, other| (&one.room, one.user_id, one.node).cmp(&(&other.room, other.user_id, other.node)));
    expired
}

fn presence(room: &RoomId, user_id: UserId, node: NodeId) -> Presence {
    Presence { room: room.clone(), user_id, node }
}

pub async fn enter_begins_a_lease_of_its_own_length(stores: &Stores) {
    let (lobby, ada, node) = (room("lobby"), user_id(), node());
    enter(stores, &lobby, ada, node).await;
    assert_eq!(expired(stores, noon() + LEASED_FOR - MICRO).await, []);
    assert_eq!(expired(stores, noon() + LEASED_FOR).await, [presence(&lobby, ada, node)]);
}

pub async fn leave_begins_a_lease_too(stores: &Stores) {
    let node = node();
    leave(stores, &room("lobby"), user_id(), node).await;
    assert!(stores.rooms.renew(node, noon() + LEASED_FOR, noon() + LEASED_FOR - MICRO).await.unwrap());
}

pub async fn neither_renews_a_lease_that_is_there(stores: &Stores) {
    let (lobby, ada, eve, node) = (room("lobby"), user_id(), user_id(), node());
    enter(stores, &lobby, ada, node).await;
    let now = noon() + LEASED_FOR - MICRO;
    stores.rooms.enter(&Entering { now, ..entering(&lobby, eve, node) }).await.unwrap();
    leave_at(stores, &lobby, eve, node, now).await;
    assert_eq!(expired(stores, noon() + LEASED_FOR).await, [presence(&lobby, ada, node)]);
    // Not one that has run out either: the node has to learn of it.
    let now = noon() + LEASED_FOR;
    stores.rooms.enter(&Entering { now, ..entering(&lobby, eve, node) }).await.unwrap();
    assert_eq!(expired(stores, now).await.len(), 2);
    assert!(!stores.rooms.renew(node, now + LEASED_FOR, now).await.unwrap());
}

pub async fn renew_makes_a_lease_run_until_the_moment_given_and_no_longer(stores: &Stores) {
    let (lobby, ada, node) = (room("lobby"), user_id(), node());
    enter(stores, &lobby, ada, node).await;
    for until in [noon() + Duration::from_hours(1), noon() + Duration::from_secs(1)] {
        assert!(stores.rooms.renew(node, until, noon()).await.unwrap());
        assert_eq!(expired(stores, until - MICRO).await, []);
        assert_eq!(expired(stores, until).await, [presence(&lobby, ada, node)]);
    }
}

pub async fn renew_tells_whether_the_lease_still_ran(stores: &Stores) {
    let (node, second) = (node(), Duration::from_secs(1));
    let renew = |now| stores.rooms.renew(node, now + second, now);
    assert!(!renew(noon()).await.unwrap());
    assert!(renew(noon() + second - MICRO).await.unwrap());
    assert!(!renew(noon() + second * 2 - MICRO).await.unwrap());
    assert!(renew(noon() + second * 2).await.unwrap());
}

pub async fn expired_gives_those_of_silent_nodes_and_leaves_them_there(stores: &Stores) {
    let (lobby, garden, ada, eve) = (room("lobby"), room("garden"), user_id(), user_id());
    let (silent, alive) = (node(), lasting_node(stores).await);
    enter(stores, &lobby, ada, silent).await;
    enter(stores, &garden, ada, silent).await;
    enter(stores, &lobby, eve, silent).await;
    enter(stores, &lobby, user_id(), alive).await;
    let expected = [presence(&garden, ada, silent), presence(&lobby, ada, silent), presence(&lobby, eve, silent)];
    for _ in 0..2 {
        assert_eq!(expired(stores, noon() + LEASED_FOR).await, expected);
    }
    assert_eq!(present(stores, &lobby).await.len(), 3);
    assert_eq!(told(stores, eve).await, [came(&lobby)]);
}

pub async fn expired_gives_whoever_is_there_on_another_node_too(stores: &Stores) {
    let (lobby, ada, silent, alive) = (room("lobby"), user_id(), node(), lasting_node(stores).await);
    enter(stores, &lobby, ada, silent).await;
    enter(stores, &lobby, ada, alive).await;
    assert_eq!(expired(stores, noon() + LEASED_FOR).await, [presence(&lobby, ada, silent)]);
    leave(stores, &lobby, ada, silent).await;
    assert_eq!(present(stores, &lobby).await, [ada]);
}

pub async fn expired_gives_nobody_who_left(stores: &Stores) {
    let (lobby, ada, node) = (room("lobby"), user_id(), node());
    enter(stores, &lobby, ada, node).await;
    leave(stores, &lobby, ada, node).await;
    assert_eq!(expired(stores, noon() + LEASED_FOR).await, []);
}

pub async fn expired_gives_a_thousand_at_most(stores: &Stores) {
    let node = node();
    race(16, |index| {
        let (rooms, room) = (Arc::clone(&stores.rooms), room(&format!("room-{index}")));
        async move {
            for _ in 0..63 {
                rooms.enter(&entering(&room, user_id(), node)).await.unwrap();
            }
        }
    })
    .await;
    let expired = expired(stores, noon() + LEASED_FOR).await;
    let users: HashSet<_> = expired.iter().map(|presence| presence.user_id).collect();
    assert_eq!((expired.len(), users.len()), (1_000, 1_000));
}

pub async fn leave_for_a_silent_node_changes_nothing_while_its_lease_runs(stores: &Stores) {
    let (lobby, ada, node) = (room("lobby"), user_id(), node());
    enter(stores, &lobby, ada, node).await;
    for (now, is_there) in [(noon() + LEASED_FOR - MICRO, true), (noon() + LEASED_FOR, false)] {
        let command = Leaving { now, is_silent: true, ..leaving(&lobby, ada, node) };
        stores.rooms.leave(&command).await.unwrap();
        assert_eq!(present(stores, &lobby).await.contains(&ada), is_there);
    }
    assert_eq!(told(stores, ada).await, [came(&lobby), went(&lobby)]);
}

pub async fn leave_forgets_the_rooms_that_were_left_first(stores: &Stores) {
    let (ada, node) = (user_id(), lasting_node(stores).await);
    let rooms: Vec<_> = (0..REMEMBERED_MAX + 2).map(|number| room(&format!("room-{number}"))).collect();
    for (room, number) in rooms.iter().zip(0..) {
        enter(stores, room, ada, node).await;
        leave_at(stores, room, ada, node, noon() + MICRO * number).await;
    }
    let event = profile_updated(ada);
    post(stores, std::slice::from_ref(&event), noon() + LEASED_FOR).await;
    let mut posted = stores.rooms.posted(&[event.id]).await.unwrap();
    posted.sort_by(|one, other| one.room.cmp(&other.room));
    let mut remembered = rooms[2..].to_vec();
    remembered.sort();
    assert_eq!(posted.into_iter().map(|posted| posted.room).collect::<Vec<_>>(), remembered);
}

pub async fn purge_of_nothing_tells_none(stores: &Stores) {
    assert_eq!(stores.rooms.purge(noon()).await.unwrap(), 0);
    enter(stores, &room("lobby"), user_id(), node()).await;
    assert_eq!(stores.rooms.purge(noon()).await.unwrap(), 0);
}

pub async fn purge_removes_leases_that_ran_out_a_day_ago_and_hold_nobody(stores: &Stores) {
    let (lobby, ada, holding, empty) = (room("lobby"), user_id(), node(), node());
    lasting_node(stores).await;
    enter(stores, &lobby, ada, holding).await;
    leave(stores, &lobby, user_id(), empty).await;
    let later = noon() + LEASED_FOR + REMEMBERED_FOR;
    // What was said of sockets goes sooner.
    assert_eq!(stores.rooms.purge(later - MICRO).await.unwrap(), 1);
    assert_eq!(stores.rooms.purge(later).await.unwrap(), 1);
    assert_eq!(expired(stores, later).await, [presence(&lobby, ada, holding)]);
    leave_at(stores, &lobby, ada, holding, later).await;
    assert_eq!(stores.rooms.purge(later).await.unwrap(), 1);
    assert_eq!(stores.rooms.purge(later).await.unwrap(), 0);
}

pub async fn purge_removes_whoever_left_a_day_ago_and_nobody_else(stores: &Stores) {
    let (lobby, node) = (room("lobby"), lasting_node(stores).await);
    let (ada, eve, bob) = (user_id(), user_id(), user_id());
    for user in [ada, eve, bob] {
        enter(stores, &lobby, user, node).await;
    }
    leave_at(stores, &lobby, ada, node, noon()).await;
    leave_at(stores, &lobby, eve, node, noon() + MICRO).await;
    assert_eq!(stores.rooms.purge(noon() + REMEMBERED_FOR - MICRO).await.unwrap(), 0);
    assert_eq!(stores.rooms.purge(noon() + REMEMBERED_FOR).await.unwrap(), 1);
    assert_eq!(stores.rooms.purge(noon() + REMEMBERED_FOR).await.unwrap(), 0);
    let now = noon() + REMEMBERED_FOR;
    // Still remembered, and what it tells reaches the room.
    let event = profile_updated(eve);
    post(stores, std::slice::from_ref(&event), now).await;
    assert_eq!(stores.rooms.posted(&[event.id]).await.unwrap().len(), 1);
    assert_eq!(stores.rooms.purge(now + MICRO).await.unwrap(), 1);
    assert_eq!(enter(stores, &lobby, bob, node).await.present, [bob]);
    assert_eq!(told(stores, bob).await, [came(&lobby)]);
}

pub async fn purge_leaves_a_room_in_which_somebody_is_or_is_remembered(stores: &Stores) {
    let (lobby, ada, node) = (room("lobby"), user_id(), lasting_node(stores).await);
    let first = enter(stores, &lobby, ada, node).await.position;
    let later = noon() + REMEMBERED_FOR * 7;
    assert_eq!(stores.rooms.purge(later).await.unwrap(), 0);
    leave_at(stores, &lobby, ada, node, later).await;
    assert_eq!(stores.rooms.purge(later + REMEMBERED_FOR - MICRO).await.unwrap(), 0);
    assert_eq!(enter(stores, &lobby, ada, node).await.position, first);
}

pub async fn a_purged_room_that_begins_again_has_another_epoch_and_the_offset_0(stores: &Stores) {
    let (lobby, ada, node) = (room("lobby"), user_id(), lasting_node(stores).await);
    enter(stores, &lobby, ada, node).await;
    post(stores, &[profile_updated(ada)], noon()).await;
    leave(stores, &lobby, ada, node).await;
    // The entry, the member and the room.
    assert_eq!(stores.rooms.purge(noon() + REMEMBERED_FOR).await.unwrap(), 3);
    let again = Entering { epoch: epoch(), ..entering(&lobby, ada, node) };
    let found = stores.rooms.enter(&again).await.unwrap();
    assert_eq!(found.position, Position { epoch: again.epoch, offset: 0 });
    assert_eq!(told(stores, ada).await, [came(&lobby), went(&lobby), came(&lobby)]);
}
