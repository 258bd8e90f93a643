//! Who is in a room.

use std::time::Duration;

use frontdesk_kernel::{Event, EventBody};
use frontdesk_rooms::hub::{Counts, GRACE, SOCKETS_MAX, Unseated};
use frontdesk_rooms::mailbox::{Closing, Letter};
use frontdesk_rooms::store::LEASED_FOR;
use frontdesk_testkit::builders::user_id;

use crate::common::{World, heard, letters, room, seated};

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
    stopping.stop().await.unwrap();
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
