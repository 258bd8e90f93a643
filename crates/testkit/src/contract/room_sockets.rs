//! The contract of [`RoomStore`](frontdesk_rooms::RoomStore), as to what is counted over all nodes: the sockets of a user,
//! and that a ticket is taken once.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::{Timestamp, UserId};
use frontdesk_rooms::RoomId;
use frontdesk_rooms::hub::{GRACE, SOCKETS_MAX};
use frontdesk_rooms::store::{ENDS_WITHIN, EnterError, Entering, LEASED_FOR, NodeId, Sockets, TICKET_KEPT_FOR};

use super::rooms::{MICRO, leave, present, told};
use super::{Stores, race};
use crate::builders::{entering, node, noon, room, ticket_id, user_id};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! room_sockets_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] room_sockets:
            sockets_are_counted_over_all_nodes_and_rooms,
            whoever_has_too_many_sockets_changes_nothing,
            sockets_of_others_and_of_the_past_are_not_counted,
            sockets_of_the_node_itself_are_counted_as_it_says,
            sockets_of_a_node_that_is_silent_or_about_to_end_are_not_counted,
            where_there_is_no_bound_everybody_comes_in,
            enter_says_of_no_fewer_sockets_than_before,
            set_sockets_says_how_many_there_are,
            set_sockets_changes_nothing_for_who_is_not_there,
            of_many_who_enter_at_once_no_more_come_in_than_may,
            a_ticket_is_taken_once,
            of_many_who_take_a_ticket_one_has_it,
            purge_removes_tickets_that_ended_long_ago_and_no_others,
        }
    };
}

fn with(room: &RoomId, user_id: UserId, node: NodeId, in_room: usize, in_all: usize) -> Entering {
    Entering { sockets: Sockets { in_room, in_all }, is_bounded: true, ..entering(room, user_id, node) }
}

async fn enters(stores: &Stores, entering: Entering) -> bool {
    match stores.rooms.enter(&entering).await {
        Ok(_) => true,
        Err(EnterError::TooMany) => false,
        Err(EnterError::Unavailable(error)) => panic!("{error}"),
    }
}

/// How many sockets a user may open on another node at [`noon`].
async fn free(stores: &Stores, user_id: UserId) -> usize {
    let (asking, node) = (room("asking"), node());
    let mut free = 0;
    while enters(stores, with(&asking, user_id, node, free + 1, free + 1)).await {
        free += 1;
    }
    leave(stores, &asking, user_id, node).await;
    free
}

pub async fn sockets_are_counted_over_all_nodes_and_rooms(stores: &Stores) {
    let (lobby, garden, ada) = (room("lobby"), room("garden"), user_id());
    let (one, other, third) = (node(), node(), node());
    assert_eq!(free(stores, ada).await, SOCKETS_MAX);
    assert!(enters(stores, with(&lobby, ada, one, 9, 9)).await);
    assert!(enters(stores, with(&garden, ada, one, 1, 10)).await);
    assert!(enters(stores, with(&lobby, ada, other, 7, 7)).await);
    assert_eq!(free(stores, ada).await, 3);
    assert!(enters(stores, with(&lobby, ada, third, 3, 3)).await);
    for node in [third, self::node()] {
        assert!(!enters(stores, with(&garden, ada, node, 1, 4)).await);
    }
    leave(stores, &garden, ada, one).await;
    assert_eq!(free(stores, ada).await, 1);
}

pub async fn whoever_has_too_many_sockets_changes_nothing(stores: &Stores) {
    let (lobby, garden, ada) = (room("lobby"), room("garden"), user_id());
    let bob = user_id();
    let entered = stores.rooms.enter(&entering(&lobby, bob, node())).await.unwrap();
    assert!(enters(stores, with(&room("full"), ada, node(), SOCKETS_MAX, SOCKETS_MAX)).await);
    let before = told(stores, ada).await;
    let silent = node();
    for room in [&lobby, &garden] {
        assert!(!enters(stores, with(room, ada, silent, 1, 1)).await);
    }
    assert_eq!(told(stores, ada).await, before);
    assert_eq!(present(stores, &lobby).await, [bob]);
    assert_eq!(stores.rooms.enter(&entering(&lobby, bob, node())).await.unwrap().position, entered.position);
    // Neither did its lease begin.
    assert!(!stores.rooms.renew(silent, noon() + LEASED_FOR, noon()).await.unwrap());
}

pub async fn sockets_of_others_and_of_the_past_are_not_counted(stores: &Stores) {
    let (lobby, ada, node) = (room("lobby"), user_id(), node());
    assert!(enters(stores, with(&lobby, user_id(), node, SOCKETS_MAX, SOCKETS_MAX)).await);
    assert!(enters(stores, with(&lobby, ada, node, SOCKETS_MAX, SOCKETS_MAX)).await);
    assert_eq!(free(stores, ada).await, 0);
    leave(stores, &lobby, ada, node).await;
    assert_eq!(free(stores, ada).await, SOCKETS_MAX);
}

pub async fn sockets_of_the_node_itself_are_counted_as_it_says(stores: &Stores) {
    let (lobby, garden, ada, node) = (room("lobby"), room("garden"), user_id(), node());
    assert!(enters(stores, with(&lobby, ada, node, SOCKETS_MAX, SOCKETS_MAX)).await);
    // It has closed some, and nobody knows yet.
    assert!(enters(stores, with(&garden, ada, node, 1, SOCKETS_MAX)).await);
    assert!(!enters(stores, with(&garden, ada, node, 2, SOCKETS_MAX + 1)).await);
}

pub async fn sockets_of_a_node_that_is_silent_or_about_to_end_are_not_counted(stores: &Stores) {
    let (lobby, ada, silent, other) = (room("lobby"), user_id(), node(), node());
    assert!(enters(stores, with(&lobby, ada, silent, SOCKETS_MAX, SOCKETS_MAX)).await);
    let at = |now: Timestamp| Entering { now, ..with(&lobby, ada, other, 1, 1) };
    assert!(!enters(stores, at(noon() + LEASED_FOR - ENDS_WITHIN - MICRO)).await);
    assert!(enters(stores, at(noon() + LEASED_FOR - ENDS_WITHIN)).await);
    leave(stores, &lobby, ada, other).await;
    assert!(!enters(stores, at(noon())).await);
    stores.rooms.renew(silent, noon() + GRACE, noon()).await.unwrap();
    assert!(enters(stores, at(noon())).await);
}

pub async fn where_there_is_no_bound_everybody_comes_in(stores: &Stores) {
    let (lobby, ada) = (room("lobby"), user_id());
    for node in [node(), node()] {
        let again = Entering { is_bounded: false, ..with(&lobby, ada, node, SOCKETS_MAX, SOCKETS_MAX) };
        assert!(enters(stores, again).await);
    }
    assert_eq!(free(stores, ada).await, 0);
}

pub async fn enter_says_of_no_fewer_sockets_than_before(stores: &Stores) {
    let (lobby, ada, node) = (room("lobby"), user_id(), node());
    for (in_room, left) in [(5, 15), (3, 15), (6, 14)] {
        assert!(enters(stores, with(&lobby, ada, node, in_room, in_room)).await);
        assert_eq!(free(stores, ada).await, left);
    }
}

pub async fn set_sockets_says_how_many_there_are(stores: &Stores) {
    let (lobby, garden, ada, bob, node) = (room("lobby"), room("garden"), user_id(), user_id(), node());
    for (room, user) in [(&lobby, ada), (&garden, ada), (&lobby, bob)] {
        assert!(enters(stores, with(room, user, node, 9, 9)).await);
    }
    let counts = [(lobby.clone(), ada, 2), (garden, ada, 0), (lobby.clone(), bob, 8)];
    stores.rooms.set_sockets(node, &counts).await.unwrap();
    assert_eq!((free(stores, ada).await, free(stores, bob).await), (18, 12));
    // Whoever has none is there nevertheless, until they leave.
    stores.rooms.set_sockets(node, &[(lobby.clone(), ada, 0)]).await.unwrap();
    assert!(present(stores, &lobby).await.contains(&ada));
    stores.rooms.set_sockets(node, &[]).await.unwrap();
}

pub async fn set_sockets_changes_nothing_for_who_is_not_there(stores: &Stores) {
    let (lobby, garden, ada, here, there) = (room("lobby"), room("garden"), user_id(), node(), node());
    assert!(enters(stores, with(&lobby, ada, here, 2, 2)).await);
    stores.rooms.set_sockets(there, &[(lobby.clone(), ada, 7)]).await.unwrap();
    let absent = [(garden, ada, 7), (lobby.clone(), user_id(), 7), (room("none"), ada, 7)];
    stores.rooms.set_sockets(here, &absent).await.unwrap();
    assert_eq!(free(stores, ada).await, 18);
    assert_eq!(present(stores, &lobby).await, [ada]);
}

pub async fn of_many_who_enter_at_once_no_more_come_in_than_may(stores: &Stores) {
    let ada = user_id();
    let entered = race(32, |index| {
        let (rooms, room) = (Arc::clone(&stores.rooms), room(&format!("room-{}", index % 3)));
        async move { rooms.enter(&with(&room, ada, node(), 1, 1)).await.is_ok() }
    })
    .await;
    assert_eq!(entered.into_iter().filter(|entered| *entered).count(), SOCKETS_MAX);
}

pub async fn a_ticket_is_taken_once(stores: &Stores) {
    let (one, other) = (ticket_id(), ticket_id());
    assert!(stores.rooms.redeem(one, noon()).await.unwrap());
    assert!(stores.rooms.redeem(other, noon()).await.unwrap());
    for ends_at in [noon(), noon() + Duration::from_secs(30)] {
        assert!(!stores.rooms.redeem(one, ends_at).await.unwrap());
    }
}

pub async fn of_many_who_take_a_ticket_one_has_it(stores: &Stores) {
    let ticket = ticket_id();
    let taken = race(16, |_| {
        let rooms = Arc::clone(&stores.rooms);
        async move { rooms.redeem(ticket, noon()).await.unwrap() }
    })
    .await;
    assert_eq!(taken.into_iter().filter(|taken| *taken).count(), 1);
}

pub async fn purge_removes_tickets_that_ended_long_ago_and_no_others(stores: &Stores) {
    let (early, late) = (ticket_id(), ticket_id());
    assert!(stores.rooms.redeem(early, noon()).await.unwrap());
    assert!(stores.rooms.redeem(late, noon() + MICRO).await.unwrap());
    assert_eq!(stores.rooms.purge(noon() + TICKET_KEPT_FOR - MICRO).await.unwrap(), 0);
    assert_eq!(stores.rooms.purge(noon() + TICKET_KEPT_FOR).await.unwrap(), 1);
    assert!(!stores.rooms.redeem(late, noon()).await.unwrap());
}
