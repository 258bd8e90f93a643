//! What a room hears of its members.

use std::time::Duration;

use frontdesk_rooms::mailbox::{Closing, Letter};
use frontdesk_rooms::store::REPLAYED_FOR;
use frontdesk_rooms::{Epoch, Position, RoomStore};
use frontdesk_testkit::builders::user_id;
use uuid::Uuid;

use crate::common::{World, hear, heard, letters, seated, updated, versioned};

#[tokio::test]
async fn an_update_is_told_to_the_others_and_to_the_users_own_sockets() {
    let (world, ada, bea) = (World::default(), user_id(), user_id());
    let node = world.node();
    let (own, _) = seated(&node, "r", ada).await;
    let (second, _) = seated(&node, "r", ada).await;
    let (peer, _) = seated(&node, "r", bea).await;
    let (elsewhere, _) = seated(&node, "other", user_id()).await;
    let event = updated(ada);
    node.post(std::slice::from_ref(&event)).await.unwrap();
    hear(&node, &[event]).await;
    assert_eq!((heard(&own), heard(&second)), (vec!["own 1".to_owned()], vec!["own 1".to_owned()]));
    assert_eq!((heard(&peer), heard(&elsewhere)), (vec!["peer 1".to_owned()], vec![]));
}

#[tokio::test]
async fn what_is_for_the_user_alone_is_told_to_nobody_else_and_takes_its_offset() {
    let (world, ada) = (World::default(), user_id());
    let node = world.node();
    let (own, _) = seated(&node, "r", ada).await;
    let (peer, _) = seated(&node, "r", user_id()).await;
    let events = [versioned(ada, 0), updated(ada)];
    node.post(&events).await.unwrap();
    hear(&node, &events).await;
    assert_eq!((heard(&own), heard(&peer)), (vec!["own 1".to_owned(), "own 2".to_owned()], vec!["peer 2".to_owned()]));
}

#[tokio::test]
async fn an_event_that_nobody_has_posted_is_told_to_nobody() {
    let (world, ada) = (World::default(), user_id());
    let node = world.node();
    let (own, _) = seated(&node, "r", ada).await;
    hear(&node, &[updated(ada)]).await;
    assert_eq!(heard(&own), Vec::<String>::new());
}

#[tokio::test]
async fn a_hint_that_overtakes_others_is_told_after_them() {
    let (world, ada) = (World::default(), user_id());
    let node = world.node();
    let (own, _) = seated(&node, "r", ada).await;
    let events = [updated(ada), updated(ada), updated(ada)];
    node.post(&events).await.unwrap();
    hear(&node, &[events[2].clone(), events[0].clone(), events[1].clone()]).await;
    assert_eq!(heard(&own), ["own 1", "own 2", "own 3"]);
}

#[tokio::test]
async fn what_was_missed_while_events_were_is_read_from_the_log() {
    let (world, ada) = (World::default(), user_id());
    let (here, there) = (world.node(), world.node());
    let (own, _) = seated(&here, "r", ada).await;
    there.post(&[updated(ada), updated(ada)]).await.unwrap();
    here.catch_up().await.unwrap();
    assert_eq!(heard(&own), ["own 1", "own 2"]);
    here.catch_up().await.unwrap();
    assert_eq!(heard(&own), Vec::<String>::new());
}

#[tokio::test]
async fn a_log_that_is_gone_is_a_resync_and_goes_on_from_where_it_is() {
    let (world, ada) = (World::default(), user_id());
    let node = world.node();
    let (own, position) = seated(&node, "r", ada).await;
    node.post(&[updated(ada)]).await.unwrap();
    world.clock.advance(REPLAYED_FOR + Duration::from_secs(1));
    node.catch_up().await.unwrap();
    assert_eq!(letters(&own), [Letter::Resync(Some(Position { offset: 1, ..position }))]);
    let next = updated(ada);
    node.post(std::slice::from_ref(&next)).await.unwrap();
    hear(&node, &[next]).await;
    assert_eq!(heard(&own), ["own 2"]);
}

#[tokio::test]
async fn what_was_told_before_somebody_comes_in_is_not_told_to_them() {
    let (world, ada, bea) = (World::default(), user_id(), user_id());
    let node = world.node();
    let (_first, _) = seated(&node, "r", ada).await;
    let event = updated(ada);
    node.post(std::slice::from_ref(&event)).await.unwrap();
    hear(&node, std::slice::from_ref(&event)).await;
    let (second, position) = seated(&node, "r", bea).await;
    assert_eq!(position.offset, 1);
    hear(&node, &[event]).await;
    assert_eq!(heard(&second), Vec::<String>::new());
}

#[tokio::test]
async fn what_nobody_here_has_heard_of_yet_is_told_to_whoever_comes_in_meanwhile() {
    let (world, ada, bea) = (World::default(), user_id(), user_id());
    let node = world.node();
    let (_first, _) = seated(&node, "r", ada).await;
    let event = updated(ada);
    node.post(std::slice::from_ref(&event)).await.unwrap();
    let (second, position) = seated(&node, "r", bea).await;
    assert_eq!(position.offset, 0);
    hear(&node, &[event]).await;
    assert_eq!(heard(&second), ["peer 1"]);
}

#[tokio::test]
async fn the_first_in_a_room_begins_where_the_log_ends_and_trusts_nothing_remembered() {
    let (world, ada, bea) = (World::default(), user_id(), user_id());
    let (here, there) = (world.node(), world.node());
    let (_elsewhere, _) = seated(&there, "r", ada).await;
    let event = updated(ada);
    there.post(std::slice::from_ref(&event)).await.unwrap();
    let before = world.outdated();
    let (first, position) = seated(&here, "r", bea).await;
    assert_eq!((position.offset, world.outdated() - before), (1, 2));
    hear(&here, &[event]).await;
    assert_eq!(heard(&first), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_missed_is_told_as_to_whoever_asks() {
    let (world, ada, bea) = (World::default(), user_id(), user_id());
    let node = world.node();
    let (_own, from) = seated(&node, "r", ada).await;
    node.post(&[updated(ada), versioned(ada, 0), updated(bea), updated(ada)]).await.unwrap();
    node.catch_up().await.unwrap();
    let (peer, to) = seated(&node, "r", bea).await;
    // Nobody posts for whoever was in no room yet.
    assert_eq!(to.offset, 3);
    let missed = node.missed(&peer, from, to).await.unwrap().unwrap();
    let told = node.told(bea, &missed).await.unwrap();
    assert_eq!(told.into_iter().flat_map(|words| words.0).collect::<Vec<_>>(), ["peer 1", "peer 3"]);
    let missed = node.missed(&peer, Position { offset: 2, ..from }, to).await.unwrap().unwrap();
    assert_eq!(missed.len(), 1);
    assert_eq!(node.missed(&peer, to, to).await.unwrap(), Some(vec![]));
}

#[tokio::test]
async fn a_position_of_another_log_or_of_the_future_cannot_be_gone_on_from() {
    let (world, ada) = (World::default(), user_id());
    let node = world.node();
    let (seat, to) = seated(&node, "r", ada).await;
    let other = Position { epoch: Epoch::new(Uuid::nil()), offset: 0 };
    assert_eq!(node.missed(&seat, other, to).await.unwrap(), None);
    assert_eq!(node.missed(&seat, Position { offset: 1, ..to }, to).await.unwrap(), None);
}

#[tokio::test]
async fn whoever_left_is_heard_for_a_day() {
    let (world, ada) = (World::default(), user_id());
    let node = world.node();
    let (peer, _) = seated(&node, "r", user_id()).await;
    drop(seated(&node, "r", ada).await);
    world.clock.advance(Duration::from_secs(10));
    node.let_out().await.unwrap();
    for (later, count) in
        [(Duration::from_hours(24).saturating_sub(Duration::from_secs(1)), 1), (Duration::from_secs(1), 0)]
    {
        world.clock.advance(later);
        let event = updated(ada);
        node.post(std::slice::from_ref(&event)).await.unwrap();
        hear(&node, &[event]).await;
        assert_eq!(heard(&peer).len(), count);
    }
}

#[tokio::test]
async fn a_deletion_closes_the_sockets_of_its_user_and_is_told_to_the_others() {
    let (world, ada) = (World::default(), user_id());
    let node = world.node();
    let (own, _) = seated(&node, "r", ada).await;
    let (peer, position) = seated(&node, "r", user_id()).await;
    let body = frontdesk_kernel::EventBody::AccountDeleted { sessions: vec![] };
    let event = frontdesk_kernel::Event { body, ..updated(ada) };
    node.post(std::slice::from_ref(&event)).await.unwrap();
    hear(&node, std::slice::from_ref(&event)).await;
    assert_eq!(letters(&own), [Letter::Close(Closing::Deleted)]);
    assert_eq!(heard(&peer), ["peer 1"]);
    let posted = world.stores.rooms.posted(&[event.id]).await.unwrap();
    assert_eq!(posted[0].entry.position, Position { offset: 1, ..position });
}

#[tokio::test]
async fn a_deletion_that_was_missed_closes_the_sockets_of_its_user_too() {
    let (world, ada) = (World::default(), user_id());
    let node = world.node();
    let (own, _) = seated(&node, "r", ada).await;
    let body = frontdesk_kernel::EventBody::AccountDeleted { sessions: vec![] };
    node.post(&[frontdesk_kernel::Event { body, ..updated(ada) }]).await.unwrap();
    node.catch_up().await.unwrap();
    assert_eq!(letters(&own).last(), Some(&Letter::Close(Closing::Deleted)));
}

#[tokio::test]
async fn more_than_a_mailbox_holds_after_a_gap_is_told_and_closes_nobody() {
    let world = World::default();
    let (here, there) = (world.node(), world.node());
    let (peer, _) = seated(&here, "r", user_id()).await;
    for _ in 0..70 {
        let user = user_id();
        let _seat = seated(&there, "r", user).await;
        there.post(&[updated(user)]).await.unwrap();
    }
    here.catch_up().await.unwrap();
    let heard = heard(&peer);
    assert_eq!(heard.iter().filter(|word| word.starts_with("peer ")).count(), 70);
}

#[tokio::test]
async fn more_than_a_mailbox_holds_in_one_batch_is_told_and_closes_nobody() {
    let world = World::default();
    let node = world.node();
    let (peer, _) = seated(&node, "r", user_id()).await;
    let users: Vec<_> = (0..70).map(|_| user_id()).collect();
    for user in &users {
        seated(&node, "r", *user).await;
    }
    letters(&peer);
    let events: Vec<_> = users.iter().map(|user| updated(*user)).collect();
    node.post(&events).await.unwrap();
    node.hear(&events).await.unwrap();
    // What comes next has room beside them.
    let next = [updated(users[0])];
    node.post(&next).await.unwrap();
    hear(&node, &next).await;
    assert_eq!(heard(&peer).iter().filter(|word| word.starts_with("peer ")).count(), 71);
}
