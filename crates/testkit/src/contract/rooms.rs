//! What the suites of [`RoomStore`](frontdesk_rooms::RoomStore) share.

use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, Timestamp, UserId};
use frontdesk_rooms::RoomId;
use frontdesk_rooms::store::{Broadcast, Entered, Leaving, NodeId, REMEMBERED_FOR};

use super::Stores;
use crate::builders::{entering, leaving, node, noon, user_id};

pub(super) const MICRO: Duration = Duration::from_micros(1);

pub(super) async fn enter(stores: &Stores, room: &RoomId, user: UserId, node: NodeId) -> Entered {
    stores.rooms.enter(&entering(room, user, node)).await.unwrap()
}

pub(super) async fn leave(stores: &Stores, room: &RoomId, user: UserId, node: NodeId) {
    leave_at(stores, room, user, node, noon()).await;
}

pub(super) async fn leave_at(stores: &Stores, room: &RoomId, user: UserId, node: NodeId, now: Timestamp) {
    stores.rooms.leave(&Leaving { now, ..leaving(room, user, node) }).await.unwrap();
}

/// Who is in a room, asked by somebody who enters and leaves.
pub(super) async fn present(stores: &Stores, room: &RoomId) -> Vec<UserId> {
    let (asker, node) = (user_id(), node());
    let mut present = enter(stores, room, asker, node).await.present;
    leave(stores, room, asker, node).await;
    present.retain(|user| *user != asker);
    present
}

/// What was told of a user.
pub(super) async fn told(stores: &Stores, user: UserId) -> Vec<EventBody> {
    stores.events_of(user).await.into_iter().map(|event| event.body).collect()
}

pub(super) fn came(room: &RoomId) -> EventBody {
    EventBody::RoomEntered { room: room.to_string() }
}

pub(super) fn went(room: &RoomId) -> EventBody {
    EventBody::RoomLeft { room: room.to_string() }
}

/// A node whose lease runs for longer than any test looks.
pub(super) async fn lasting_node(stores: &Stores) -> NodeId {
    let node = node();
    stores.rooms.renew(node, noon() + REMEMBERED_FOR * 30, noon()).await.unwrap();
    node
}

/// Posts to those rooms where the user is, or was within a day.
pub(super) async fn post(stores: &Stores, events: &[Event], now: Timestamp) {
    stores.rooms.post(events, Broadcast::Members, now).await.unwrap();
}
