//! The place of a socket.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use frontdesk_kernel::UserId;

use super::{GRACE, Hub, Place, SeatId, Stage};
use crate::mailbox::{Letter, Mailbox, Payload};
use crate::room_id::RoomId;

/// The place of one socket in a room. Dropping it gives the place back.
pub struct Seat<P: Payload> {
    pub(super) hub: Arc<Hub<P>>,
    pub(super) id: SeatId,
    pub(super) room: RoomId,
    pub(super) user_id: UserId,
    pub(super) mailbox: Arc<Mailbox<P>>,
}

impl<P: Payload> Seat<P> {
    /// The room.
    pub const fn room(&self) -> &RoomId {
        &self.room
    }

    /// Whose socket it is.
    pub const fn user_id(&self) -> UserId {
        self.user_id
    }

    /// What the socket has to do before whatever else it has begun.
    pub fn urgent(&self) -> Option<Letter<P>> {
        self.mailbox.urgent()
    }

    /// Waits for what the socket has to do next. Nothing is lost where the wait is given up.
    pub fn next(&self) -> impl Future<Output = Letter<P>> + '_ {
        Next(&self.mailbox)
    }
}

/// Smaller than what `poll_fn` would capture, ten thousand times.
struct Next<'a, P>(&'a Mailbox<P>);

impl<P: Payload> Future for Next<'_, P> {
    type Output = Letter<P>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Letter<P>> {
        self.0.poll_next(context)
    }
}

impl<P: Payload> Drop for Seat<P> {
    fn drop(&mut self) {
        let until = self.hub.clock.now() + GRACE;
        let mut state = self.hub.lock();
        let place = state.users.get_mut(&self.user_id).and_then(|places| places.remove(&self.id));
        if state.users.get(&self.user_id).is_some_and(BTreeMap::is_empty) {
            state.users.remove(&self.user_id);
        }
        if let Some(sittings) = state.rooms.get_mut(&self.room) {
            sittings.seats.remove(&self.id);
            if sittings.seats.is_empty() {
                state.rooms.remove(&self.room);
            }
        }
        let Some(place) = place.filter(Place::counts) else { return };
        state.uncounted.insert(self.user_id);
        if state.is_in(&self.room, self.user_id) {
            return;
        }
        let who = (self.room.clone(), self.user_id);
        if place.stage == Stage::In {
            state.vacated.insert(who, until);
        } else {
            // Whoever was not let in is not there for longer. Whether they were let in is not known where the store did not
            // say so.
            state.vacated.entry(who).or_insert(until);
        }
    }
}
