//! Builders of what happens in rooms.

use frontdesk_kernel::{Event, EventBody, UserId};
use frontdesk_rooms::store::{Entering, Leaving, NodeId, Sockets, TicketId};
use frontdesk_rooms::{Epoch, RoomId};

use super::{event_id, noon, unique};

/// A room by a name that is known to be one.
#[track_caller]
pub fn room(name: &str) -> RoomId {
    name.parse().unwrap()
}

/// A node that nobody else is.
pub fn node() -> NodeId {
    NodeId::new(unique())
}

/// A ticket that nobody else has.
pub fn ticket_id() -> TicketId {
    TicketId::new(unique())
}

/// An epoch that no other room has.
pub fn epoch() -> Epoch {
    Epoch::new(unique())
}

/// A user comes into a room at [`noon`], with a socket that nobody bounds.
pub fn entering(room: &RoomId, user_id: UserId, node: NodeId) -> Entering {
    let sockets = Sockets { count: 1, serial: 1 };
    let (epoch, event_id) = (epoch(), event_id());
    Entering { room: room.clone(), user_id, node, sockets, is_bounded: false, epoch, event_id, now: noon() }
}

/// A user is gone from a room at [`noon`].
pub fn leaving(room: &RoomId, user_id: UserId, node: NodeId) -> Leaving {
    Leaving { room: room.clone(), user_id, node, event_id: event_id(), now: noon(), is_silent: false }
}

/// An event that tells of a change of a profile at [`noon`].
pub fn profile_updated(user_id: UserId) -> Event {
    let body = EventBody::ProfileUpdated { version: 2, changed: vec!["bio".to_owned()] };
    Event { id: event_id(), user_id, occurred_at: noon(), body }
}

/// An event that tells of the end of an account at [`noon`].
pub fn account_deleted(user_id: UserId) -> Event {
    Event { id: event_id(), user_id, occurred_at: noon(), body: EventBody::AccountDeleted { sessions: vec![] } }
}
