//! The contract of [`RoomStore`](frontdesk_rooms::RoomStore), as to what can be asked for again.

use std::time::Duration;

use frontdesk_kernel::{Event, Timestamp};
use frontdesk_rooms::store::{Broadcast, Missed, REMEMBERED_FOR, REPLAYED_FOR, REPLAYED_MAX};
use frontdesk_rooms::{Position, RoomId};

use super::Stores;
use super::rooms::{MICRO, enter, lasting_node, leave_at, post};
use crate::builders::{epoch, noon, profile_updated, room, user_id};

/// Runs this contract against a backend.
#[macro_export]
macro_rules! room_replay_contract {
    ($($backend:tt)+) => {
        $crate::contract_tests! { [$($backend)+] room_replay:
            since_gives_what_came_after_a_position_in_order,
            since_the_end_there_is_nothing,
            since_gives_nothing_beyond_until,
            since_a_position_of_another_life_is_gone,
            since_a_position_beyond_the_end_is_gone,
            since_in_a_room_that_is_not_there_is_gone,
            since_gives_512_entries_and_no_more,
            since_gives_no_entry_older_than_ten_minutes,
            only_the_entries_that_are_asked_for_may_not_be_too_old,
            an_entry_is_as_old_as_its_post_and_not_as_its_event,
            purge_removes_entries_older_than_ten_minutes_and_only_those,
            since_an_entry_that_was_purged_is_gone_and_since_the_end_is_not,
            a_log_that_was_purged_goes_on_where_it_was,
            a_room_is_not_forgotten_while_it_has_a_log,
            a_clock_that_goes_back_loses_no_entry,
        }
    };
}

/// A room with a log of so many entries of one user, posted together at [`noon`]; where it begins.
async fn filled(stores: &Stores, room: &RoomId, count: usize) -> (Position, Vec<Event>) {
    let (user, node) = (user_id(), lasting_node(stores).await);
    let beginning = enter(stores, room, user, node).await.position;
    let events: Vec<_> = (0..count).map(|_| profile_updated(user)).collect();
    post(stores, &events, noon()).await;
    (beginning, events)
}

async fn since(stores: &Stores, room: &RoomId, position: Position, until: u64, now: Timestamp) -> Missed {
    stores.rooms.since(room, position, until, now).await.unwrap()
}

/// The offsets of what was missed, which is there.
#[track_caller]
fn offsets(missed: Missed) -> Vec<u64> {
    match missed {
        Missed::Entries(entries) => entries.into_iter().map(|entry| entry.position.offset).collect(),
        Missed::Gone { now } => panic!("gone, and the log ends at {now:?}"),
    }
}

const fn at(beginning: Position, offset: u64) -> Position {
    Position { offset, ..beginning }
}

const fn gone(now: Position) -> Missed {
    Missed::Gone { now: Some(now) }
}

pub async fn since_gives_what_came_after_a_position_in_order(stores: &Stores) {
    let lobby = room("lobby");
    let (beginning, events) = filled(stores, &lobby, 5).await;
    for offset in 0..5 {
        let Missed::Entries(entries) = since(stores, &lobby, at(beginning, offset), u64::MAX, noon()).await else {
            panic!("the log is whole");
        };
        let positions: Vec<_> = entries.iter().map(|entry| entry.position).collect();
        assert_eq!(positions, (offset + 1..=5).map(|offset| at(beginning, offset)).collect::<Vec<_>>());
        let later: Vec<_> = entries.into_iter().map(|entry| entry.event).collect();
        assert!(events.ends_with(&later));
    }
}

pub async fn since_the_end_there_is_nothing(stores: &Stores) {
    let (lobby, garden) = (room("lobby"), room("garden"));
    let (beginning, _) = filled(stores, &lobby, 3).await;
    let (of_empty, _) = filled(stores, &garden, 0).await;
    for until in [0, 3, 4, u64::MAX] {
        let nothing = Missed::Entries(vec![]);
        assert_eq!(since(stores, &lobby, at(beginning, 3), until, noon()).await, nothing);
        assert_eq!(since(stores, &garden, of_empty, until, noon()).await, nothing);
    }
}

pub async fn since_gives_nothing_beyond_until(stores: &Stores) {
    let lobby = room("lobby");
    let (beginning, _) = filled(stores, &lobby, 5).await;
    for (until, expected) in
        [(0, &[][..]), (1, &[]), (2, &[2]), (4, &[2, 3, 4]), (5, &[2, 3, 4, 5]), (6, &[2, 3, 4, 5])]
    {
        assert_eq!(offsets(since(stores, &lobby, at(beginning, 1), until, noon()).await), expected, "until {until}");
    }
}

pub async fn since_a_position_of_another_life_is_gone(stores: &Stores) {
    let (lobby, garden) = (room("lobby"), room("garden"));
    let (beginning, _) = filled(stores, &lobby, 3).await;
    let (of_garden, _) = filled(stores, &garden, 3).await;
    for offset in [0, 1, 3, 4] {
        for epoch in [epoch(), of_garden.epoch] {
            let missed = since(stores, &lobby, Position { epoch, offset }, u64::MAX, noon()).await;
            assert_eq!(missed, gone(at(beginning, 3)));
        }
    }
}

pub async fn since_a_position_beyond_the_end_is_gone(stores: &Stores) {
    let lobby = room("lobby");
    let (beginning, _) = filled(stores, &lobby, 3).await;
    let signed = i64::MAX.unsigned_abs();
    for offset in [4, 5, signed - 1, signed, signed + 1, u64::MAX] {
        for until in [0, 3, offset, u64::MAX] {
            let missed = since(stores, &lobby, at(beginning, offset), until, noon()).await;
            assert_eq!(missed, gone(at(beginning, 3)), "{offset} until {until}");
        }
    }
}

pub async fn since_in_a_room_that_is_not_there_is_gone(stores: &Stores) {
    let (beginning, _) = filled(stores, &room("lobby"), 3).await;
    let missed = since(stores, &room("Lobby"), beginning, u64::MAX, noon()).await;
    assert_eq!(missed, Missed::Gone { now: None });
}

pub async fn since_gives_512_entries_and_no_more(stores: &Stores) {
    let lobby = room("lobby");
    let (beginning, _) = filled(stores, &lobby, REPLAYED_MAX + 1).await;
    let all = since(stores, &lobby, beginning, u64::MAX, noon()).await;
    assert_eq!(all, gone(at(beginning, 513)));
    let last = since(stores, &lobby, at(beginning, 1), u64::MAX, noon()).await;
    assert_eq!(offsets(last), (2..=513).collect::<Vec<_>>());
    let first = since(stores, &lobby, beginning, 512, noon()).await;
    assert_eq!(offsets(first), (1..=512).collect::<Vec<_>>());
}

pub async fn since_gives_no_entry_older_than_ten_minutes(stores: &Stores) {
    let lobby = room("lobby");
    let (beginning, events) = filled(stores, &lobby, 1).await;
    post(stores, &[profile_updated(events[0].user_id)], noon() + MICRO).await;
    let now = noon() + REPLAYED_FOR;
    assert_eq!(offsets(since(stores, &lobby, beginning, u64::MAX, now).await), [1, 2]);
    assert_eq!(since(stores, &lobby, beginning, u64::MAX, now + MICRO).await, gone(at(beginning, 2)));
}

pub async fn only_the_entries_that_are_asked_for_may_not_be_too_old(stores: &Stores) {
    let lobby = room("lobby");
    let (beginning, events) = filled(stores, &lobby, 2).await;
    let later = noon() + Duration::from_mins(5);
    post(stores, &[profile_updated(events[0].user_id)], later).await;
    let now = later + REPLAYED_FOR;
    assert_eq!(offsets(since(stores, &lobby, at(beginning, 2), u64::MAX, now).await), [3]);
    assert_eq!(since(stores, &lobby, at(beginning, 1), u64::MAX, now).await, gone(at(beginning, 3)));
    assert_eq!(since(stores, &lobby, at(beginning, 1), 2, now).await, gone(at(beginning, 3)));
    assert_eq!(since(stores, &lobby, at(beginning, 3), u64::MAX, now + REMEMBERED_FOR).await, Missed::Entries(vec![]));
}

pub async fn an_entry_is_as_old_as_its_post_and_not_as_its_event(stores: &Stores) {
    let lobby = room("lobby");
    let (beginning, events) = filled(stores, &lobby, 0).await;
    assert_eq!(events, []);
    let user = user_id();
    enter(stores, &lobby, user, lasting_node(stores).await).await;
    let long_ago = Event { occurred_at: noon() - REPLAYED_FOR * 6, ..profile_updated(user) };
    post(stores, std::slice::from_ref(&long_ago), noon()).await;
    assert_eq!(stores.rooms.purge(noon() + REPLAYED_FOR).await.unwrap(), 0);
    assert_eq!(offsets(since(stores, &lobby, beginning, u64::MAX, noon() + REPLAYED_FOR).await), [1]);
}

pub async fn purge_removes_entries_older_than_ten_minutes_and_only_those(stores: &Stores) {
    let (lobby, garden) = (room("lobby"), room("garden"));
    let (_, first) = filled(stores, &lobby, 2).await;
    let (_, other) = filled(stores, &garden, 1).await;
    let last = profile_updated(first[0].user_id);
    post(stores, std::slice::from_ref(&last), noon() + MICRO).await;
    let now = noon() + REPLAYED_FOR;
    assert_eq!(stores.rooms.purge(now).await.unwrap(), 0);
    assert_eq!(stores.rooms.purge(now + MICRO).await.unwrap(), 3);
    assert_eq!(stores.rooms.purge(now + MICRO).await.unwrap(), 0);
    for event in first.iter().chain(&other) {
        assert_eq!(stores.rooms.posted(&[event.id]).await.unwrap(), []);
    }
    assert_eq!(stores.rooms.posted(&[last.id]).await.unwrap().len(), 1);
    assert_eq!(stores.rooms.purge(now + MICRO * 2).await.unwrap(), 1);
}

pub async fn since_an_entry_that_was_purged_is_gone_and_since_the_end_is_not(stores: &Stores) {
    let lobby = room("lobby");
    let (beginning, _) = filled(stores, &lobby, 2).await;
    stores.rooms.purge(noon() + REPLAYED_FOR + MICRO).await.unwrap();
    // A clock that went back does not bring them back.
    for offset in [0, 1] {
        let missed = since(stores, &lobby, at(beginning, offset), u64::MAX, noon()).await;
        assert_eq!(missed, gone(at(beginning, 2)));
    }
    assert_eq!(since(stores, &lobby, at(beginning, 2), u64::MAX, noon()).await, Missed::Entries(vec![]));
}

pub async fn a_log_that_was_purged_goes_on_where_it_was(stores: &Stores) {
    let lobby = room("lobby");
    let (beginning, events) = filled(stores, &lobby, 2).await;
    let now = noon() + REPLAYED_FOR + MICRO;
    stores.rooms.purge(now).await.unwrap();
    let next = profile_updated(events[0].user_id);
    post(stores, std::slice::from_ref(&next), now).await;
    let posted = stores.rooms.posted(&[next.id]).await.unwrap();
    assert_eq!(posted[0].entry.position, at(beginning, 3));
    assert_eq!(offsets(since(stores, &lobby, at(beginning, 2), u64::MAX, now).await), [3]);
}

pub async fn a_room_is_not_forgotten_while_it_has_a_log(stores: &Stores) {
    let (lobby, user, node) = (room("lobby"), user_id(), lasting_node(stores).await);
    let beginning = enter(stores, &lobby, user, node).await.position;
    leave_at(stores, &lobby, user, node, noon()).await;
    let now = noon() + REMEMBERED_FOR;
    stores.rooms.post(&[profile_updated(user)], Broadcast::All, now).await.unwrap();
    // The member alone, and later the entry and the room.
    assert_eq!(stores.rooms.purge(now).await.unwrap(), 1);
    assert_eq!(offsets(since(stores, &lobby, beginning, u64::MAX, now).await), [1]);
    assert_eq!(stores.rooms.purge(now + REPLAYED_FOR + MICRO).await.unwrap(), 2);
    assert_eq!(since(stores, &lobby, beginning, u64::MAX, now).await, Missed::Gone { now: None });
}

pub async fn a_clock_that_goes_back_loses_no_entry(stores: &Stores) {
    let lobby = room("lobby");
    let (beginning, events) = filled(stores, &lobby, 1).await;
    let back = noon() - Duration::from_mins(1);
    post(stores, &[profile_updated(events[0].user_id)], back).await;
    assert_eq!(offsets(since(stores, &lobby, beginning, u64::MAX, back).await), [1, 2]);
    // The older of the two stands behind the other.
    let now = back + REPLAYED_FOR + MICRO;
    assert_eq!(stores.rooms.purge(now).await.unwrap(), 1);
    assert_eq!(since(stores, &lobby, beginning, u64::MAX, now).await, gone(at(beginning, 2)));
    assert_eq!(offsets(since(stores, &lobby, beginning, 1, now).await), [1]);
}
