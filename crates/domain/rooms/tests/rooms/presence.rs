//! Who is in a room.

use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, UserId};
use frontdesk_rooms::Rooms;
use frontdesk_rooms::hub::{Counts, GRACE, SOCKETS_MAX, Seat, Unseated};
use frontdesk_rooms::mailbox::{Closing, Letter};
use frontdesk_rooms::store::{ENDS_WITHIN, EnterError, LEASED_FOR};
use frontdesk_testkit::builders::user_id;

use crate::common::{Words, World, heard, letters, room, seated};

fn comings(events: &[Event]) -> Vec<&'static str> {
    let word = |event: &Event| match event.body {
        EventBody::RoomEntered { .. } => "entered",
        EventBody::RoomLeft { .. } => "left",
        _ => "other",
    };
    events.iter().map(word).collect()
}

#[tokio::test]
async fn coming_is_told_to_the_others_once_for_all_sockets_of_a_user() {
    let (world, ada, bea) = (World::default(), user_id(), user_id());
    let node = world.node();
    let (first, _) = seated(&node, "r", ada).await;
    world.pending().await;
    let (_second, _) = seated(&node, "r", bea).await;
    let (_third, _) = seated(&node, "r", bea).await;
    assert_eq!(comings(&world.relay(&[&node]).await), ["entered"]);
    assert_eq!(heard(&first), ["joined"]);
}

#[tokio::test]
async fn whoever_comes_is_not_told_so() {
    let (world, ada) = (World::default(), user_id());
    let node = world.node();
    let (own, _) = seated(&node, "r", ada).await;
    world.relay(&[&node]).await;
    assert_eq!(heard(&own), Vec::<String>::new());
}

#[tokio::test]
async fn who_is_there_is_told_to_whoever_comes_in_over_all_nodes() {
    let (world, ada, bea) = (World::default(), user_id(), user_id());
    let (here, there) = (world.node(), world.node());
    let (_first, _) = seated(&here, "r", ada).await;
    let seat = there.sit(room("r"), bea).unwrap();
    let mut both = vec![ada, bea];
    both.sort_unstable();
    assert_eq!(there.enter(&seat).await.unwrap().present, both);
}

#[tokio::test]
async fn a_user_without_a_socket_is_there_until_the_grace_is_over() {
    let (world, ada) = (World::default(), user_id());
    let node = world.node();
    let (peer, _) = seated(&node, "r", user_id()).await;
    drop(seated(&node, "r", ada).await);
    world.relay(&[&node]).await;
    assert_eq!(heard(&peer), ["joined"]);
    let micro = Duration::from_micros(1);
    for (later, told) in [(GRACE.saturating_sub(micro), vec![]), (micro, vec!["left"])] {
        world.clock.advance(later);
        node.let_out().await.unwrap();
        world.relay(&[&node]).await;
        assert_eq!(heard(&peer), told);
    }
}

#[tokio::test]
async fn whoever_comes_back_within_the_grace_was_never_gone() {
    let (world, ada) = (World::default(), user_id());
    let node = world.node();
    drop(seated(&node, "r", ada).await);
    world.clock.advance(GRACE / 2);
    let _back = seated(&node, "r", ada).await;
    world.clock.advance(GRACE);
    node.let_out().await.unwrap();
    assert_eq!(comings(&world.pending().await), ["entered"]);
}

#[tokio::test]
async fn whoever_has_another_socket_in_the_room_is_not_gone() {
    let (world, ada) = (World::default(), user_id());
    let node = world.node();
    let _stays = seated(&node, "r", ada).await;
    drop(seated(&node, "r", ada).await);
    world.clock.advance(GRACE);
    node.let_out().await.unwrap();
    assert_eq!(comings(&world.pending().await), ["entered"]);
}

#[tokio::test]
async fn whoever_is_on_another_node_is_not_gone() {
    let (world, ada) = (World::default(), user_id());
    let (here, there) = (world.node(), world.node());
    let _stays = seated(&there, "r", ada).await;
    drop(seated(&here, "r", ada).await);
    world.clock.advance(GRACE);
    here.let_out().await.unwrap();
    assert_eq!(comings(&world.pending().await), ["entered"]);
}

#[tokio::test]
async fn those_on_a_node_that_says_nothing_are_let_out_by_another() {
    let (world, ada) = (World::default(), user_id());
    let (here, gone) = (world.node(), world.node());
    let _seat = seated(&gone, "r", ada).await;
    world.clock.advance(LEASED_FOR.saturating_sub(Duration::from_secs(1)));
    here.expire().await.unwrap();
    assert_eq!(comings(&world.pending().await), ["entered"]);
    world.clock.advance(Duration::from_secs(1));
    here.expire().await.unwrap();
    assert_eq!(comings(&world.pending().await), ["left"]);
}

#[tokio::test]
async fn however_many_were_on_a_node_that_is_gone_all_of_them_are_let_out() {
    let world = World::default();
    let (here, gone) = (world.node(), world.node());
    let mut seats = Vec::new();
    // More than the store gives at once.
    for _ in 0..1_001 {
        seats.push(seated(&gone, "r", user_id()).await);
    }
    world.pending().await;
    world.clock.advance(LEASED_FOR);
    here.expire().await.unwrap();
    assert_eq!(comings(&world.pending().await), ["left"; 1_001]);
}

#[tokio::test]
async fn a_node_that_was_thought_gone_brings_those_who_are_there_in_again() {
    let (world, ada) = (World::default(), user_id());
    let (here, stalled) = (world.node(), world.node());
    let _seat = seated(&stalled, "r", ada).await;
    world.clock.advance(LEASED_FOR);
    here.expire().await.unwrap();
    stalled.renew().await.unwrap();
    assert_eq!(comings(&world.pending().await), ["entered", "left", "entered"]);
    stalled.renew().await.unwrap();
    assert_eq!(comings(&world.pending().await), Vec::<&str>::new());
}

#[tokio::test]
async fn a_node_that_stops_closes_its_sockets_and_is_expected_back_within_the_grace() {
    let (world, ada) = (World::default(), user_id());
    let (here, stopping) = (world.node(), world.node());
    let (seat, _) = seated(&stopping, "r", ada).await;
    stopping.renew().await.unwrap();
    stopping.withdraw().await.unwrap();
    assert_eq!(letters(&seat), []);
    stopping.hub().stop();
    assert_eq!(letters(&seat), [Letter::Close(Closing::Shutdown)]);
    assert_eq!(stopping.sit(room("r"), ada).err(), Some(Unseated::Stopping));
    world.clock.advance(GRACE);
    here.expire().await.unwrap();
    assert_eq!(comings(&world.pending().await), ["entered", "left"]);
}

#[tokio::test]
async fn a_user_has_so_many_sockets_and_no_more() {
    let (world, ada) = (World::default(), user_id());
    let node = world.node();
    let mut seats: Vec<_> = (0..SOCKETS_MAX).map(|i| node.sit(room(&format!("r{i}")), ada).unwrap()).collect();
    assert_eq!(node.sit(room("r"), ada).err(), Some(Unseated::TooMany));
    assert!(node.sit(room("r"), user_id()).is_ok());
    seats.pop();
    assert!(node.sit(room("r"), ada).is_ok());
}

/// So many sockets of a user in one room.
async fn sockets(node: &Rooms<Words>, user_id: UserId, count: usize) -> Vec<Seat<Words>> {
    let mut seats = Vec::with_capacity(count);
    for _ in 0..count {
        seats.push(seated(node, "r", user_id).await.0);
    }
    seats
}

/// Whether one more socket is to be had.
async fn is_let_in(node: &Rooms<Words>, user_id: UserId) -> bool {
    let seat = node.sit(room("another"), user_id).unwrap();
    match node.enter(&seat).await {
        Ok(_) => true,
        Err(EnterError::TooMany) => false,
        Err(EnterError::Unavailable(error)) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_user_has_so_many_sockets_over_all_nodes() {
    let (world, ada) = (World::default(), user_id());
    let (here, there) = (world.node(), world.node());
    let mut seats = Vec::new();
    for (number, node) in [&here, &there].into_iter().cycle().take(SOCKETS_MAX).enumerate() {
        seats.push(seated(node, &format!("r{}", number % 3), ada).await);
    }
    for node in [&here, &there] {
        assert!(!is_let_in(node, ada).await);
        assert!(is_let_in(node, user_id()).await);
    }
    // What is closed here is known here at once, and there as soon as it is said.
    seats.remove(0);
    assert!(!is_let_in(&there, ada).await);
    here.count_sockets().await.unwrap();
    assert!(is_let_in(&there, ada).await);
}

#[tokio::test]
async fn who_was_refused_for_too_many_sockets_never_came() {
    let (world, ada) = (World::default(), user_id());
    let (here, there) = (world.node(), world.node());
    let _seats = sockets(&here, ada, SOCKETS_MAX).await;
    world.pending().await;
    assert!(!is_let_in(&there, ada).await);
    world.clock.advance(GRACE);
    there.let_out().await.unwrap();
    assert_eq!(comings(&world.pending().await), Vec::<&str>::new());
}

#[tokio::test]
async fn of_sockets_that_are_opened_at_once_only_those_are_refused_that_are_too_many() {
    let (world, ada) = (World::default(), user_id());
    let (here, there) = (world.node(), world.node());
    let _seats = sockets(&there, ada, SOCKETS_MAX - 8).await;
    let waiting: Vec<_> = (0..10).map(|_| here.sit(room("r"), ada).unwrap()).collect();
    let mut outcomes = Vec::new();
    for seat in waiting.iter().rev() {
        outcomes.push(here.enter(seat).await.is_ok());
    }
    assert_eq!(outcomes, [[true; 8].as_slice(), &[false; 2]].concat());
    drop(waiting);
    here.count_sockets().await.unwrap();
    assert!(is_let_in(&here, ada).await);
}

#[tokio::test]
async fn a_socket_that_is_open_comes_in_again_however_many_there_are() {
    let (world, ada) = (World::default(), user_id());
    let (here, there) = (world.node(), world.node());
    let seats = sockets(&here, ada, SOCKETS_MAX).await;
    world.clock.advance(LEASED_FOR);
    let _elsewhere = seated(&there, "r", ada).await;
    // The room was forgotten, and begins again.
    for seat in &seats {
        here.enter(seat).await.unwrap();
    }
}

#[tokio::test]
async fn whoever_is_refused_is_not_there_for_longer() {
    let (world, ada) = (World::default(), user_id());
    let (here, there) = (world.node(), world.node());
    drop(seated(&here, "r", ada).await);
    here.count_sockets().await.unwrap();
    let mut seats = Vec::new();
    for number in 0..SOCKETS_MAX {
        seats.push(seated(&there, &format!("r{number}"), ada).await);
    }
    world.pending().await;
    let micro = Duration::from_micros(1);
    world.clock.advance(GRACE.saturating_sub(micro));
    let refused = here.sit(room("r"), ada).unwrap();
    assert!(matches!(here.enter(&refused).await, Err(EnterError::TooMany)));
    drop(refused);
    let still_asking = here.sit(room("r"), ada).unwrap();
    world.clock.advance(micro);
    here.let_out().await.unwrap();
    assert_eq!(comings(&world.pending().await), ["left"]);
    drop(still_asking);
}

#[tokio::test]
async fn sockets_that_a_stopping_node_closes_do_not_count_any_more() {
    let (world, ada) = (World::default(), user_id());
    let (here, there) = (world.node(), world.node());
    let _seats = sockets(&here, ada, SOCKETS_MAX).await;
    assert!(!is_let_in(&there, ada).await);
    here.withdraw().await.unwrap();
    assert!(is_let_in(&there, ada).await);
}

#[tokio::test]
async fn whoever_comes_in_again_after_a_lapse_is_counted_as_they_are() {
    let (world, ada) = (World::default(), user_id());
    let (here, there) = (world.node(), world.node());
    let mut seats = sockets(&here, ada, SOCKETS_MAX).await;
    // While nobody heard of the node, its sockets did not count; they are open nevertheless.
    world.clock.advance(LEASED_FOR);
    let elsewhere = seated(&there, "r", ada).await;
    there.expire().await.unwrap();
    seats.pop();
    here.renew().await.unwrap();
    here.count_sockets().await.unwrap();
    assert!(!is_let_in(&there, ada).await);
    drop(elsewhere);
    assert!(is_let_in(&there, ada).await);
}

#[tokio::test]
async fn a_node_that_others_count_no_more_says_that_it_lives_before_it_lets_anybody_in() {
    let (world, ada) = (World::default(), user_id());
    let (here, there) = (world.node(), world.node());
    for node in [&here, &there] {
        node.renew().await.unwrap();
    }
    // Neither could say so again.
    world.clock.advance(LEASED_FOR.checked_sub(ENDS_WITHIN).unwrap());
    let _seats = sockets(&here, ada, SOCKETS_MAX).await;
    assert!(!is_let_in(&there, ada).await);
}

#[tokio::test]
async fn who_comes_and_goes_at_once_is_told_in_that_order() {
    let world = World::default();
    let node = world.node();
    let (peer, _) = seated(&node, "r", user_id()).await;
    for user in [user_id(), user_id()] {
        drop(seated(&node, "r", user).await);
        world.clock.advance(GRACE);
        node.let_out().await.unwrap();
    }
    world.relay(&[&node]).await;
    assert_eq!(heard(&peer), ["joined", "left", "joined", "left"]);
}

#[tokio::test]
async fn nothing_is_left_of_sockets_that_are_gone() {
    let world = World::default();
    let node = world.node();
    let seats: Vec<_> = (0..100).map(|i| node.sit(room(&format!("r{}", i % 7)), user_id()).unwrap()).collect();
    assert_eq!(node.hub().counts(), Counts { sockets: 100, rooms: 7 });
    drop(seats);
    assert_eq!(node.hub().counts(), Counts::default());
}

#[tokio::test]
async fn who_came_and_went_while_events_were_missed_is_told_once_they_are_not() {
    let (world, ada, bea) = (World::default(), user_id(), user_id());
    let (here, there) = (world.node(), world.node());
    let gone = seated(&there, "r", ada).await;
    let (peer, _) = seated(&here, "r", user_id()).await;
    let _come = seated(&there, "r", bea).await;
    drop(gone);
    world.clock.advance(GRACE);
    there.let_out().await.unwrap();
    world.pending().await;
    here.catch_up().await.unwrap();
    assert_eq!(heard(&peer), ["joined", "left"]);
    here.catch_up().await.unwrap();
    assert_eq!(heard(&peer), Vec::<String>::new());
}
