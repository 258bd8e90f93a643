//! The contract of [`RoomStore`](frontdesk_rooms::RoomStore), as to what is counted over all nodes: the sockets of a user,
//! and that a ticket is taken once.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::{Timestamp, UserId};
use frontdesk_rooms::RoomId;
use frontdesk_rooms::hub::{GRACE, SOCKETS_MAX};
use frontdesk_rooms::store::{
    ENDS_WITHIN, EnterError, Entering, LEASED_FOR, NONE_KEPT_FOR, NodeId, Sockets, TICKET_KEPT_FOR,
};

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
            set_sockets_says_how_many_there_are,
            of_what_a_node_says_the_latest_holds_in_whatever_order_it_comes,
            whoever_has_no_sockets_is_there_until_they_leave,
            of_many_who_enter_by_many_nodes_at_once_as_many_come_in_as_may,
            of_many_who_enter_by_two_nodes_at_once_as_many_come_in_as_may,
            a_ticket_is_taken_once,
            of_many_who_take_a_ticket_one_has_it,
            purge_removes_tickets_that_ended_long_ago_and_no_others,
            purge_removes_what_was_said_of_nothing_ten_minutes_ago,
            purge_removes_what_a_node_said_that_has_been_silent_for_ten_minutes,
        }
    };
}

/// Somebody comes in with so many sockets, of which each counting is another.
fn with(room: &RoomId, user_id: UserId, node: NodeId, count: usize, serial: u64) -> Entering {
    Entering { sockets: Sockets { count, serial }, is_bounded: true, ..entering(room, user_id, node) }
}

async fn say(stores: &Stores, user_id: UserId, node: NodeId, count: usize, serial: u64) {
    stores.rooms.set_sockets(node, &[(user_id, Sockets { count, serial })], noon()).await.unwrap();
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
    let (mut free, mut serial) = (0, 1);
    while enters(stores, with(&asking, user_id, node, free + 1, serial)).await {
        (free, serial) = (free + 1, serial + 1);
    }
    say(stores, user_id, node, 0, serial).await;
    leave(stores, &asking, user_id, node).await;
    free
}

pub async fn sockets_are_counted_over_all_nodes_and_rooms(stores: &Stores) {
    let (lobby, garden, ada) = (room("lobby"), room("garden"), user_id());
    let (one, other, third) = (node(), node(), node());
    assert_eq!(free(stores, ada).await, SOCKETS_MAX);
    assert!(enters(stores, with(&lobby, ada, one, 9, 1)).await);
    assert!(enters(stores, with(&garden, ada, one, 10, 2)).await);
    assert!(enters(stores, with(&lobby, ada, other, 7, 1)).await);
    assert_eq!(free(stores, ada).await, 3);
    assert!(enters(stores, with(&lobby, ada, third, 3, 1)).await);
    assert!(!enters(stores, with(&garden, ada, third, 4, 2)).await);
    assert!(!enters(stores, with(&garden, ada, node(), 1, 1)).await);
    say(stores, ada, one, 9, 3).await;
    assert_eq!(free(stores, ada).await, 1);
}

pub async fn whoever_has_too_many_sockets_changes_nothing(stores: &Stores) {
    let (lobby, garden, ada) = (room("lobby"), room("garden"), user_id());
    let (bob, full, silent) = (user_id(), node(), node());
    let entered = stores.rooms.enter(&entering(&lobby, bob, node())).await.unwrap();
    assert!(enters(stores, with(&room("full"), ada, full, SOCKETS_MAX, 1)).await);
    let before = told(stores, ada).await;
    for room in [&lobby, &garden] {
        assert!(!enters(stores, with(room, ada, silent, 1, 1)).await);
    }
    assert_eq!(told(stores, ada).await, before);
    assert_eq!(present(stores, &lobby).await, [bob]);
    assert_eq!(stores.rooms.enter(&entering(&lobby, bob, node())).await.unwrap().position, entered.position);
    // Neither did its lease begin, nor was anything said of sockets there.
    assert!(!stores.rooms.renew(silent, noon() + LEASED_FOR, noon()).await.unwrap());
    say(stores, ada, full, 0, 2).await;
    assert_eq!(free(stores, ada).await, SOCKETS_MAX);
}

pub async fn sockets_of_others_and_of_the_past_are_not_counted(stores: &Stores) {
    let (lobby, ada, node) = (room("lobby"), user_id(), node());
    assert!(enters(stores, with(&lobby, user_id(), node, SOCKETS_MAX, 1)).await);
    assert!(enters(stores, with(&lobby, ada, node, SOCKETS_MAX, 1)).await);
    assert_eq!(free(stores, ada).await, 0);
    say(stores, ada, node, 0, 2).await;
    assert_eq!(free(stores, ada).await, SOCKETS_MAX);
}

pub async fn sockets_of_the_node_itself_are_counted_as_it_says(stores: &Stores) {
    let (lobby, garden, ada, node) = (room("lobby"), room("garden"), user_id(), node());
    assert!(enters(stores, with(&lobby, ada, node, SOCKETS_MAX, 1)).await);
    // It has closed one, and nobody was told of that.
    assert!(enters(stores, with(&garden, ada, node, SOCKETS_MAX, 2)).await);
    assert!(!enters(stores, with(&garden, ada, node, SOCKETS_MAX + 1, 3)).await);
}

pub async fn sockets_of_a_node_that_is_silent_or_about_to_end_are_not_counted(stores: &Stores) {
    let (lobby, ada, silent, other) = (room("lobby"), user_id(), node(), node());
    assert!(enters(stores, with(&lobby, ada, silent, SOCKETS_MAX, 1)).await);
    let at = |now: Timestamp| Entering { now, ..with(&lobby, ada, other, 1, 1) };
    assert!(!enters(stores, at(noon() + LEASED_FOR - ENDS_WITHIN - MICRO)).await);
    assert!(enters(stores, at(noon() + LEASED_FOR - ENDS_WITHIN)).await);
    say(stores, ada, other, 0, 2).await;
    assert!(!enters(stores, at(noon())).await);
    stores.rooms.renew(silent, noon() + GRACE, noon()).await.unwrap();
    assert!(enters(stores, at(noon())).await);
}

pub async fn where_there_is_no_bound_everybody_comes_in(stores: &Stores) {
    let (lobby, ada) = (room("lobby"), user_id());
    for node in [node(), node()] {
        let again = Entering { is_bounded: false, ..with(&lobby, ada, node, SOCKETS_MAX, 1) };
        assert!(enters(stores, again).await);
    }
    assert_eq!(free(stores, ada).await, 0);
}

pub async fn set_sockets_says_how_many_there_are(stores: &Stores) {
    let (lobby, ada, bob, here, there) = (room("lobby"), user_id(), user_id(), node(), node());
    for (user, node) in [(ada, here), (ada, there), (bob, here)] {
        assert!(enters(stores, with(&lobby, user, node, 9, 1)).await);
    }
    let counts = [(ada, 2), (bob, 8)].map(|(user, count)| (user, Sockets { count, serial: 2 }));
    stores.rooms.set_sockets(here, &counts, noon()).await.unwrap();
    assert_eq!((free(stores, ada).await, free(stores, bob).await), (9, 12));
    stores.rooms.set_sockets(here, &[], noon()).await.unwrap();
}

pub async fn of_what_a_node_says_the_latest_holds_in_whatever_order_it_comes(stores: &Stores) {
    let (lobby, garden, ada, node) = (room("lobby"), room("garden"), user_id(), node());
    assert!(enters(stores, with(&lobby, ada, node, 5, 7)).await);
    assert!(enters(stores, with(&garden, ada, node, 3, 6)).await);
    assert_eq!(free(stores, ada).await, 15);
    say(stores, ada, node, 9, 6).await;
    assert_eq!(free(stores, ada).await, 15);
    say(stores, ada, node, 2, 9).await;
    assert!(enters(stores, with(&lobby, ada, node, 6, 8)).await);
    assert_eq!(free(stores, ada).await, 18);
    // Whoever has closed all before they were let in.
    let bob = user_id();
    say(stores, bob, node, 0, 4).await;
    assert!(enters(stores, with(&lobby, bob, node, 3, 3)).await);
    assert_eq!(free(stores, bob).await, SOCKETS_MAX);
}

pub async fn whoever_has_no_sockets_is_there_until_they_leave(stores: &Stores) {
    let (lobby, ada, node) = (room("lobby"), user_id(), node());
    assert!(enters(stores, with(&lobby, ada, node, 1, 1)).await);
    say(stores, ada, node, 0, 2).await;
    assert_eq!(present(stores, &lobby).await, [ada]);
}

pub async fn of_many_who_enter_by_many_nodes_at_once_as_many_come_in_as_may(stores: &Stores) {
    let ada = user_id();
    let entered = race(32, |index| {
        let (rooms, room) = (Arc::clone(&stores.rooms), room(&format!("room-{}", index % 3)));
        async move { rooms.enter(&with(&room, ada, node(), 1, 1)).await.is_ok() }
    })
    .await;
    assert_eq!(entered.into_iter().filter(|entered| *entered).count(), SOCKETS_MAX);
}

pub async fn of_many_who_enter_by_two_nodes_at_once_as_many_come_in_as_may(stores: &Stores) {
    let (ada, nodes) = (user_id(), [node(), node()]);
    let entered = race(2 * SOCKETS_MAX, |index| {
        let (rooms, room) = (Arc::clone(&stores.rooms), room(&format!("room-{}", index % 7)));
        // Each count once on either node, and the last as often before the first as after it.
        let (node, count) = (nodes[index % 2], index / 2 * 7 % SOCKETS_MAX + 1);
        async move { rooms.enter(&with(&room, ada, node, count, count as u64)).await.is_ok() }
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

pub async fn purge_removes_what_was_said_of_nothing_ten_minutes_ago(stores: &Stores) {
    let (lobby, ada, bob, node) = (room("lobby"), user_id(), user_id(), node());
    stores.rooms.renew(node, noon() + Duration::from_hours(48), noon()).await.unwrap();
    assert!(enters(stores, with(&lobby, ada, node, 1, 2)).await);
    assert!(enters(stores, with(&lobby, bob, node, 2, 1)).await);
    let closed = noon() + Duration::from_hours(1);
    stores.rooms.set_sockets(node, &[(ada, Sockets { count: 0, serial: 3 })], closed).await.unwrap();
    assert_eq!(stores.rooms.purge(closed + NONE_KEPT_FOR - MICRO).await.unwrap(), 0);
    // What was said before and comes only now.
    assert!(enters(stores, with(&lobby, ada, node, 1, 1)).await);
    assert_eq!(free(stores, ada).await, SOCKETS_MAX);
    let asked = 1;
    assert_eq!(stores.rooms.purge(closed + NONE_KEPT_FOR).await.unwrap(), 1 + asked);
    assert_eq!(free(stores, bob).await, 18);
}

pub async fn purge_removes_what_a_node_said_that_has_been_silent_for_ten_minutes(stores: &Stores) {
    let (lobby, ada, silent) = (room("lobby"), user_id(), node());
    assert!(enters(stores, with(&lobby, ada, silent, 2, 1)).await);
    assert_eq!(stores.rooms.purge(noon() + LEASED_FOR + NONE_KEPT_FOR - MICRO).await.unwrap(), 0);
    assert_eq!(stores.rooms.purge(noon() + LEASED_FOR + NONE_KEPT_FOR).await.unwrap(), 1);
    // It is back, and says so again.
    stores.rooms.renew(silent, noon() + LEASED_FOR, noon()).await.unwrap();
    assert!(enters(stores, with(&lobby, ada, silent, 2, 2)).await);
    assert_eq!(free(stores, ada).await, 18);
}
