//! Which sockets count, and how many a user has.

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_kernel::UserId;

use super::{Hub, Seat, SeatId, State};
use crate::mailbox::{Mailbox, Payload};
use crate::room_id::RoomId;
use crate::store::Sockets;

/// How far a socket has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has a seat, and whether it may come in is still to be seen: nobody counts it.
    Seated,
    /// The store is asked to let it in.
    Entering,
    /// It is in.
    In,
}

/// A socket of a user.
pub(super) struct Place<P> {
    pub(super) room: RoomId,
    pub(super) mailbox: Arc<Mailbox<P>>,
    pub(super) stage: Stage,
}

impl<P> Place<P> {
    /// Whether the store knows of it, or may know.
    pub(super) fn counts(&self) -> bool {
        self.stage != Stage::Seated
    }
}

/// Those of one user.
pub(super) type Places<P> = BTreeMap<SeatId, Place<P>>;

impl<P> State<P> {
    /// The sockets of a user that count.
    fn counted(&self, user_id: UserId) -> impl Iterator<Item = &Place<P>> {
        self.users.get(&user_id).into_iter().flat_map(BTreeMap::values).filter(|place| place.counts())
    }

    /// Whether one of them is in the room.
    pub(super) fn is_in(&self, room: &RoomId, user_id: UserId) -> bool {
        self.counted(user_id).any(|place| place.room == *room)
    }

    /// How many there are just now.
    fn count(&mut self, user_id: UserId) -> Sockets {
        self.serial += 1;
        Sockets { count: self.counted(user_id).count(), serial: self.serial }
    }
}

impl<P: Payload> Hub<P> {
    /// Counts the socket with those of its user, since it is to be let in now; gives their number, and whether this one is
    /// in already. Of several that come at once each is counted after the others: only those that are too many are refused.
    pub(crate) fn count_in(&self, seat: &Seat<P>) -> (Sockets, bool) {
        let mut state = self.lock();
        let place = state.users.get_mut(&seat.user_id).and_then(|places| places.get_mut(&seat.id));
        let before = place.map(|place| {
            let before = place.stage;
            if before == Stage::Seated {
                place.stage = Stage::Entering;
            }
            before
        });
        (state.count(seat.user_id), before == Some(Stage::In))
    }

    /// Who is in which room, each once.
    pub(crate) fn present(&self) -> Vec<(RoomId, UserId)> {
        let state = self.lock();
        let places =
            state.users.iter().flat_map(|(user_id, places)| places.values().map(move |place| (place, user_id)));
        let counted = places.filter(|(place, _)| place.counts());
        let mut present: Vec<_> = counted.map(|(place, user_id)| (place.room.clone(), *user_id)).collect();
        drop(state);
        present.sort_unstable();
        present.dedup();
        present
    }

    /// Whether the user is in the room with a socket of this node.
    pub(crate) fn is_in(&self, room: &RoomId, user_id: UserId) -> bool {
        self.lock().is_in(room, user_id)
    }

    /// How many sockets a user has that count.
    pub(crate) fn count(&self, user_id: UserId) -> Sockets {
        self.lock().count(user_id)
    }

    /// Those who may have fewer sockets than the store knows, and how many they have. They are not given again.
    pub(crate) fn uncounted(&self) -> Vec<(UserId, Sockets)> {
        let mut state = self.lock();
        let uncounted = std::mem::take(&mut state.uncounted);
        uncounted.into_iter().map(|user_id| (user_id, state.count(user_id))).collect()
    }

    /// Gives somebody back whose sockets have to be counted again.
    pub(crate) fn count_again(&self, user_id: UserId) {
        self.lock().uncounted.insert(user_id);
    }
}
