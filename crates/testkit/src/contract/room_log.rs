//! The contract of [`RoomStore`](frontdesk_rooms::RoomStore), as to what the rooms hear.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, Timestamp, UserId};
use frontdesk_rooms::store::{Broadcast, Entry, Missed, Posted, REMEMBERED_FOR};
use frontdesk_rooms::{Position, RoomId};

use super::rooms::{MICRO, came, enter, lasting_node, leave, leave_at, post, present, told};
use super::{Stores, race};
use crate::builders::{
    account_created, account_deleted, event_id, node, noon, profile_updated, room, session_id, user_id,
};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! room_log_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] room_log:
            an_event_is_in_the_log_of_each_room_where_its_user_is,
            an_entry_keeps_the_whole_event,
            posted_gives_entries_in_the_order_of_the_names_of_rooms,
            posted_of_an_event_that_nobody_posted_is_empty,
            events_that_are_posted_together_keep_their_order,
            an_event_that_is_posted_again_keeps_its_place,
            an_event_that_is_posted_twice_at_once_is_there_once,
            an_event_posted_again_reaches_a_room_that_was_entered_meanwhile,
            what_is_not_logged_is_not_posted,
            an_event_whose_user_is_in_no_room_is_in_no_log,
            a_post_of_nothing_does_nothing,
            whoever_left_is_heard_of_for_a_day_and_no_longer,
            whoever_is_there_on_one_node_of_two_is_heard_of_for_ever,
            a_broadcast_to_all_reaches_rooms_where_the_user_never_was,
            an_end_of_an_account_is_logged_and_then_the_user_is_nowhere,
            an_end_of_an_account_is_logged_where_the_user_was,
            an_end_of_an_account_that_is_told_to_all_is_logged_once,
            an_end_of_an_account_that_is_posted_again_forgets_who_came_in_meanwhile,
            what_comes_after_an_end_of_an_account_is_not_heard_of,
            ends_of_accounts_leave_everybody_else_where_they_are,
            of_64_events_posted_at_once_each_has_an_offset_of_its_own,
            of_one_event_posted_64_times_at_once_one_is_there,
            batches_that_are_posted_at_once_to_several_rooms_keep_their_order_in_each,
            the_logs_of_two_rooms_do_not_mix,
        }
    };
}

/// A user who is in rooms.
async fn user_in(stores: &Stores, rooms: &[&RoomId]) -> UserId {
    let (user, node) = (user_id(), node());
    for room in rooms {
        enter(stores, room, user, node).await;
    }
    user
}

/// The end of a log, asked by somebody who enters and leaves.
async fn end_of(stores: &Stores, room: &RoomId) -> Position {
    let (asker, node) = (user_id(), node());
    let position = enter(stores, room, asker, node).await.position;
    leave(stores, room, asker, node).await;
    position
}

/// The entries of a log from its beginning.
async fn log_of(stores: &Stores, room: &RoomId, now: Timestamp) -> Vec<Entry> {
    let beginning = Position { offset: 0, ..end_of(stores, room).await };
    match stores.rooms.since(room, beginning, u64::MAX, now).await.unwrap() {
        Missed::Entries(entries) => entries,
        Missed::Gone { now } => panic!("the log is gone, and ends at {now:?}"),
    }
}

/// The events of a log, from its beginning; they have the offsets 1, 2, 3 and so on.
async fn heard_in(stores: &Stores, room: &RoomId, now: Timestamp) -> Vec<Event> {
    let entries = log_of(stores, room, now).await;
    let offsets: Vec<_> = entries.iter().map(|entry| entry.position.offset).collect();
    assert_eq!(offsets, (1..).take(entries.len()).collect::<Vec<u64>>());
    entries.into_iter().map(|entry| entry.event).collect()
}

async fn rooms_of(stores: &Stores, event: &Event) -> Vec<RoomId> {
    stores.rooms.posted(&[event.id]).await.unwrap().into_iter().map(|posted| posted.room).collect()
}

pub async fn an_event_is_in_the_log_of_each_room_where_its_user_is(stores: &Stores) {
    let (lobby, garden, cellar) = (room("lobby"), room("garden"), room("cellar"));
    let ada = user_in(stores, &[&lobby, &garden]).await;
    user_in(stores, &[&cellar]).await;
    let event = profile_updated(ada);
    post(stores, from_ref(&event), noon()).await;
    assert_eq!(rooms_of(stores, &event).await, [garden.clone(), lobby.clone()]);
    for room in [&lobby, &garden] {
        assert_eq!(heard_in(stores, room, noon()).await, from_ref(&event));
    }
    assert_eq!(end_of(stores, &cellar).await.offset, 0);
}

pub async fn an_entry_keeps_the_whole_event(stores: &Stores) {
    let lobby = room("lobby");
    let ada = user_in(stores, &[&lobby]).await;
    let of = |occurred_at, body| Event { id: event_id(), user_id: ada, occurred_at, body };
    let changed = vec!["bio".to_owned(), "\u{1F600} \"'\\".to_owned(), String::new()];
    let events = [
        of(noon() - MICRO, EventBody::ProfileUpdated { version: i64::MAX, changed }),
        of(noon() + MICRO, EventBody::ProfileUpdated { version: 1, changed: vec![] }),
        of(noon(), EventBody::AccountDeleted { sessions: vec![session_id(), session_id()] }),
    ];
    post(stores, &events, noon()).await;
    assert_eq!(heard_in(stores, &lobby, noon()).await, events);
    let position = Position { offset: 2, ..end_of(stores, &lobby).await };
    let entry = Entry { position, event: events[1].clone() };
    assert_eq!(stores.rooms.posted(&[events[1].id]).await.unwrap(), [Posted { room: lobby, entry }]);
}

pub async fn posted_gives_entries_in_the_order_of_the_names_of_rooms(stores: &Stores) {
    // In the order of bytes, which is that of no language.
    let names = ["-b", ".a", "10", "9", ":", "A", "B", "_", "a", "a-", "a.b", "ab", "b"].map(room);
    let (user, node) = (user_id(), node());
    for name in names.iter().rev() {
        enter(stores, name, user, node).await;
    }
    let event = profile_updated(user);
    post(stores, from_ref(&event), noon()).await;
    assert_eq!(rooms_of(stores, &event).await, names);
}

pub async fn posted_of_an_event_that_nobody_posted_is_empty(stores: &Stores) {
    let ada = user_in(stores, &[&room("lobby")]).await;
    post(stores, &[profile_updated(ada)], noon()).await;
    assert_eq!(stores.rooms.posted(&[event_id()]).await.unwrap(), []);
}

pub async fn events_that_are_posted_together_keep_their_order(stores: &Stores) {
    let (lobby, garden) = (room("lobby"), room("garden"));
    let (ada, eve) = (user_in(stores, &[&lobby, &garden]).await, user_in(stores, &[&lobby]).await);
    let (first, second) = (profile_updated(ada), profile_updated(eve));
    // Neither their ids nor their times say so.
    let third = Event { occurred_at: noon() - Duration::from_hours(1), ..profile_updated(ada) };
    post(stores, &[third.clone(), second.clone(), first.clone()], noon()).await;
    assert_eq!(heard_in(stores, &lobby, noon()).await, [third.clone(), second, first.clone()]);
    assert_eq!(heard_in(stores, &garden, noon()).await, [third, first]);
}

pub async fn an_event_that_is_posted_again_keeps_its_place(stores: &Stores) {
    let lobby = room("lobby");
    let ada = user_in(stores, &[&lobby]).await;
    let [one, two, three] = [profile_updated(ada), profile_updated(ada), profile_updated(ada)];
    post(stores, &[one.clone(), two.clone()], noon()).await;
    post(stores, from_ref(&one), noon() + MICRO).await;
    post(stores, &[two.clone(), three.clone(), one.clone()], noon() + MICRO).await;
    assert_eq!(heard_in(stores, &lobby, noon()).await, [one, two, three]);
    assert_eq!(end_of(stores, &lobby).await.offset, 3);
}

pub async fn an_event_that_is_posted_twice_at_once_is_there_once(stores: &Stores) {
    let lobby = room("lobby");
    let ada = user_in(stores, &[&lobby]).await;
    let (one, two) = (profile_updated(ada), profile_updated(ada));
    post(stores, &[one.clone(), two.clone(), one.clone(), two.clone()], noon()).await;
    assert_eq!(heard_in(stores, &lobby, noon()).await, [one, two]);
}

pub async fn an_event_posted_again_reaches_a_room_that_was_entered_meanwhile(stores: &Stores) {
    let (lobby, garden) = (room("lobby"), room("garden"));
    let ada = user_in(stores, &[&lobby]).await;
    let event = profile_updated(ada);
    post(stores, from_ref(&event), noon()).await;
    enter(stores, &garden, ada, node()).await;
    post(stores, from_ref(&event), noon()).await;
    for room in [&lobby, &garden] {
        assert_eq!(heard_in(stores, room, noon()).await, from_ref(&event));
    }
}

pub async fn what_is_not_logged_is_not_posted(stores: &Stores) {
    let lobby = room("lobby");
    let ada = user_in(stores, &[&lobby]).await;
    let of = |body| Event { body, ..account_created(ada) };
    let events = [
        account_created(ada),
        of(EventBody::AvatarChanged { images_processed: 4, storage_bytes: 1 }),
        of(EventBody::PasswordChanged),
        of(EventBody::SessionsEnded { sessions: vec![], everywhere: true }),
        of(came(&lobby)),
        of(EventBody::RoomLeft { room: lobby.to_string() }),
    ];
    for broadcast in [Broadcast::Members, Broadcast::All] {
        stores.rooms.post(&events, broadcast, noon()).await.unwrap();
    }
    let logged = profile_updated(ada);
    post(stores, &[&events[..], from_ref(&logged)].concat(), noon()).await;
    assert_eq!(heard_in(stores, &lobby, noon()).await, [logged]);
    assert_eq!(present(stores, &lobby).await, [ada]);
}

pub async fn an_event_whose_user_is_in_no_room_is_in_no_log(stores: &Stores) {
    let lobby = room("lobby");
    user_in(stores, &[&lobby]).await;
    let events = [profile_updated(user_id()), account_deleted(user_id())];
    post(stores, &events, noon()).await;
    for event in &events {
        assert_eq!(rooms_of(stores, event).await, []);
    }
    assert_eq!(end_of(stores, &lobby).await.offset, 0);
}

pub async fn a_post_of_nothing_does_nothing(stores: &Stores) {
    let lobby = room("lobby");
    user_in(stores, &[&lobby]).await;
    for broadcast in [Broadcast::Members, Broadcast::All] {
        stores.rooms.post(&[], broadcast, noon()).await.unwrap();
    }
    assert_eq!(end_of(stores, &lobby).await.offset, 0);
}

pub async fn whoever_left_is_heard_of_for_a_day_and_no_longer(stores: &Stores) {
    let (lobby, ada, node) = (room("lobby"), user_id(), node());
    enter(stores, &lobby, ada, node).await;
    leave_at(stores, &lobby, ada, node, noon()).await;
    let (within, after) = (profile_updated(ada), profile_updated(ada));
    post(stores, from_ref(&within), noon() + REMEMBERED_FOR - MICRO).await;
    post(stores, from_ref(&after), noon() + REMEMBERED_FOR).await;
    assert_eq!(heard_in(stores, &lobby, noon() + REMEMBERED_FOR).await, [within]);
    assert_eq!(rooms_of(stores, &after).await, []);
}

pub async fn whoever_is_there_on_one_node_of_two_is_heard_of_for_ever(stores: &Stores) {
    let (lobby, ada, one) = (room("lobby"), user_id(), node());
    enter(stores, &lobby, ada, one).await;
    enter(stores, &lobby, ada, node()).await;
    leave(stores, &lobby, ada, one).await;
    let (event, now) = (profile_updated(ada), noon() + REMEMBERED_FOR * 30);
    post(stores, from_ref(&event), now).await;
    assert_eq!(heard_in(stores, &lobby, now).await, [event]);
}

pub async fn a_broadcast_to_all_reaches_rooms_where_the_user_never_was(stores: &Stores) {
    let (lobby, garden) = (room("lobby"), room("garden"));
    let ada = user_in(stores, &[&lobby]).await;
    user_in(stores, &[&garden]).await;
    let events = [profile_updated(ada), profile_updated(user_id()), profile_updated(ada)];
    for _ in 0..2 {
        stores.rooms.post(&events, Broadcast::All, noon()).await.unwrap();
    }
    for room in [&lobby, &garden] {
        assert_eq!(heard_in(stores, room, noon()).await, events);
    }
    assert_eq!(rooms_of(stores, &events[1]).await, [garden, lobby]);
}

pub async fn an_end_of_an_account_is_logged_and_then_the_user_is_nowhere(stores: &Stores) {
    let (lobby, garden, ada, node) = (room("lobby"), room("garden"), user_id(), node());
    for room in [&lobby, &garden] {
        enter(stores, room, ada, node).await;
    }
    let event = account_deleted(ada);
    for _ in 0..2 {
        post(stores, from_ref(&event), noon()).await;
    }
    post(stores, &[profile_updated(ada)], noon()).await;
    for room in [&lobby, &garden] {
        assert_eq!(heard_in(stores, room, noon()).await, from_ref(&event));
        assert_eq!(present(stores, room).await, []);
        leave(stores, room, ada, node).await;
    }
    // It is the end of the account that the rooms hear of, not of a user who left.
    assert_eq!(told(stores, ada).await, [came(&lobby), came(&garden)]);
    let expired = stores.rooms.expired(noon() + REMEMBERED_FOR).await.unwrap();
    assert_eq!(expired, []);
    assert_eq!(enter(stores, &lobby, ada, node).await.present, [ada]);
    assert_eq!(told(stores, ada).await.len(), 3);
}

pub async fn an_end_of_an_account_is_logged_where_the_user_was(stores: &Stores) {
    let (lobby, garden, ada, node) = (room("lobby"), room("garden"), user_id(), lasting_node(stores).await);
    let now = noon() + REMEMBERED_FOR;
    for (room, left_at) in [(&lobby, noon() + MICRO), (&garden, noon())] {
        enter(stores, room, ada, node).await;
        leave_at(stores, room, ada, node, left_at).await;
    }
    let event = account_deleted(ada);
    post(stores, from_ref(&event), now).await;
    assert_eq!(rooms_of(stores, &event).await, [lobby]);
    // Of neither room anything is left to forget, but the room that has no log.
    assert_eq!(stores.rooms.purge(now).await.unwrap(), 1);
}

pub async fn an_end_of_an_account_that_is_told_to_all_is_logged_once(stores: &Stores) {
    let (lobby, garden) = (room("lobby"), room("garden"));
    let ada = user_in(stores, &[&lobby]).await;
    let eve = user_in(stores, &[&garden]).await;
    let events = [account_deleted(ada), profile_updated(ada)];
    for _ in 0..2 {
        stores.rooms.post(&events, Broadcast::All, noon()).await.unwrap();
    }
    for (room, there) in [(&lobby, &[][..]), (&garden, &[eve][..])] {
        assert_eq!(heard_in(stores, room, noon()).await, events);
        assert_eq!(present(stores, room).await, there);
    }
}

pub async fn an_end_of_an_account_that_is_posted_again_forgets_who_came_in_meanwhile(stores: &Stores) {
    let lobby = room("lobby");
    for broadcast in [Broadcast::Members, Broadcast::All] {
        let ada = user_in(stores, &[&lobby]).await;
        let events = [account_deleted(ada)];
        for _ in 0..2 {
            stores.rooms.post(&events, broadcast, noon()).await.unwrap();
            assert_eq!(present(stores, &lobby).await, []);
            enter(stores, &lobby, ada, node()).await;
        }
        post(stores, &events, noon()).await;
    }
}

pub async fn what_comes_after_an_end_of_an_account_is_not_heard_of(stores: &Stores) {
    let lobby = room("lobby");
    let (ada, eve) = (user_in(stores, &[&lobby]).await, user_in(stores, &[&lobby]).await);
    let [before, end, of_eve] = [profile_updated(ada), account_deleted(ada), profile_updated(eve)];
    let events = [before.clone(), end.clone(), profile_updated(ada), of_eve.clone(), account_deleted(ada)];
    post(stores, &events, noon()).await;
    assert_eq!(heard_in(stores, &lobby, noon()).await, [before, end, of_eve]);
}

pub async fn ends_of_accounts_leave_everybody_else_where_they_are(stores: &Stores) {
    let (lobby, garden) = (room("lobby"), room("garden"));
    let (ada, eve) = (user_in(stores, &[&lobby]).await, user_in(stores, &[&garden]).await);
    let bob = user_in(stores, &[&lobby, &garden]).await;
    post(stores, &[account_deleted(ada), profile_updated(bob), account_deleted(eve)], noon()).await;
    for room in [&lobby, &garden] {
        assert_eq!(present(stores, room).await, [bob]);
        assert_eq!(heard_in(stores, room, noon()).await.len(), 2);
    }
}

pub async fn of_64_events_posted_at_once_each_has_an_offset_of_its_own(stores: &Stores) {
    let lobby = room("lobby");
    let (ada, eve) = (user_in(stores, &[&lobby]).await, user_in(stores, &[&lobby]).await);
    let users = [ada, eve];
    let events: Vec<_> = (0..64).map(|index| profile_updated(users[index % 2])).collect();
    race(64, |index| {
        let (rooms, event) = (Arc::clone(&stores.rooms), events[index].clone());
        async move { rooms.post(&[event], Broadcast::Members, noon()).await.unwrap() }
    })
    .await;
    let mut heard = heard_in(stores, &lobby, noon()).await;
    heard.sort_by_key(|event| event.id);
    assert_eq!(heard, events);
}

pub async fn of_one_event_posted_64_times_at_once_one_is_there(stores: &Stores) {
    let (lobby, garden) = (room("lobby"), room("garden"));
    let event = profile_updated(user_in(stores, &[&lobby, &garden]).await);
    race(64, |index| {
        let (rooms, event) = (Arc::clone(&stores.rooms), event.clone());
        let broadcast = if index % 2 == 0 { Broadcast::Members } else { Broadcast::All };
        async move { rooms.post(&[event], broadcast, noon()).await.unwrap() }
    })
    .await;
    for room in [&lobby, &garden] {
        assert_eq!(heard_in(stores, room, noon()).await, from_ref(&event));
    }
}

pub async fn batches_that_are_posted_at_once_to_several_rooms_keep_their_order_in_each(stores: &Stores) {
    let rooms = [room("a"), room("b"), room("c"), room("d")];
    let [a, b, c, d] = &rooms;
    let users = [user_in(stores, &[a, b, c]).await, user_in(stores, &[d, c, b]).await];
    let batch = |index: usize| (0..4).map(move |turn| profile_updated(users[(index + turn) % 2]));
    let batches: Vec<Vec<_>> = (0..32).map(|index| batch(index).collect()).collect();
    race(32, |index| {
        let (rooms, batch) = (Arc::clone(&stores.rooms), batches[index].clone());
        async move { rooms.post(&batch, Broadcast::Members, noon()).await.unwrap() }
    })
    .await;
    for (room, count) in rooms.iter().zip([64, 128, 128, 64]) {
        let heard = heard_in(stores, room, noon()).await;
        assert_eq!(heard.len(), count);
        for batch in &batches {
            let of_batch: Vec<_> = heard.iter().filter(|event| batch.contains(event)).collect();
            let expected: Vec<_> = batch.iter().filter(|event| of_batch.contains(event)).collect();
            assert_eq!(of_batch, expected);
        }
    }
}

pub async fn the_logs_of_two_rooms_do_not_mix(stores: &Stores) {
    let (lobby, garden) = (room("lobby"), room("Lobby"));
    let (ada, eve) = (user_in(stores, &[&lobby]).await, user_in(stores, &[&garden]).await);
    let events: Vec<_> = [ada, eve, eve, ada, ada].map(profile_updated).into();
    for event in &events {
        post(stores, from_ref(event), noon()).await;
    }
    for (room, user) in [(&lobby, ada), (&garden, eve)] {
        let of_user: Vec<_> = events.iter().filter(|event| event.user_id == user).cloned().collect();
        assert_eq!(heard_in(stores, room, noon()).await, of_user);
    }
    assert_ne!(end_of(stores, &lobby).await.epoch, end_of(stores, &garden).await.epoch);
}
