//! The sockets of one node.

mod places;
mod seat;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use frontdesk_kernel::{Clock, Timestamp, UserId};

use crate::mailbox::{Closing, Mailbox, Payload};
use crate::position::Position;
use crate::room_id::RoomId;
use crate::store::Posted;
use places::{Place, Places, Stage};
pub use seat::Seat;

/// How many sockets one user may have open, on all nodes together.
pub const SOCKETS_MAX: usize = 20;
/// How long a user without a socket is still in the room: long enough to change networks.
pub const GRACE: Duration = Duration::from_secs(10);

/// How many readers are woken in one go: see [`Hub`].
const WOKEN_AT_ONCE: usize = 256;

type SeatId = u64;

/// No seat is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unseated {
    /// The user has [`SOCKETS_MAX`] sockets open.
    #[error("more than {SOCKETS_MAX} sockets are open for this user")]
    TooMany,
    /// The node stops.
    #[error("the service is stopping")]
    Stopping,
}

/// What an entry of a log is to those who hear of it; `None` is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<P> {
    /// For everybody else in the room.
    pub peers: Option<P>,
    /// For the sockets of the user whom it tells of.
    pub own: Option<P>,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// Nobody here has to hear of it.
    Nobody,
    /// It was known, or everybody has it now.
    Done,
    /// Others come before it.
    TooEarly,
}

/// Where a socket begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) position: Position,
    /// Whether this node knew nothing of the room before.
    pub(crate) is_first: bool,
    /// Whether entries came before it was known where the log ends: some may lie after the position.
    pub(crate) is_stirred: bool,
}

/// Who sits in a room on this node.
struct Sittings<P> {
    /// Up to where everybody here was told. `None` until the first has been told where the log ends.
    told: Option<Position>,
    /// Whether an entry came before that was known.
    is_stirred: bool,
    /// Who is there, on whatever node, as everybody here was told.
    present: BTreeSet<UserId>,
    seats: BTreeMap<SeatId, (UserId, Arc<Mailbox<P>>)>,
}

impl<P> Default for Sittings<P> {
    fn default() -> Self {
        Self { told: None, is_stirred: false, present: BTreeSet::new(), seats: BTreeMap::new() }
    }
}

struct State<P> {
    rooms: HashMap<RoomId, Sittings<P>>,
    users: HashMap<UserId, Places<P>>,
    /// Who has no socket any more, and until when that is nobody's business.
    vacated: HashMap<(RoomId, UserId), Timestamp>,
    /// Whose sockets may be fewer than the store knows.
    uncounted: HashSet<UserId>,
    /// Of the last time that somebody's sockets were counted.
    serial: u64,
    next: SeatId,
    is_stopping: bool,
}

/// The sockets of one node, by room and by user.
///
/// One std lock, never held over an await. A delivery holds it while it puts a pointer into each mailbox of a room: about a
/// millisecond for 5,000 of them. Meanwhile it wakes their readers, some hundreds at a time, so that the other cores begin.
pub struct Hub<P> {
    state: Mutex<State<P>>,
    clock: Arc<dyn Clock>,
}

/// How many are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Sockets.
    pub sockets: usize,
    /// Rooms in which there is one, or was one just now.
    pub rooms: usize,
}

impl<P: Payload> Hub<P> {
    /// Has no sockets yet.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State {
            rooms: HashMap::new(),
            users: HashMap::new(),
            vacated: HashMap::new(),
            uncounted: HashSet::new(),
            serial: 0,
            next: 0,
            is_stopping: false,
        };
        Self { state: Mutex::new(state), clock }
    }

    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place. Until [`Self::begin`] it hears of no entry.
    pub(crate) fn sit(self: &Arc<Self>, room: RoomId, user_id: UserId) -> Result<Seat<P>, Unseated> {
        let mut state = self.lock();
        if state.is_stopping {
            return Err(Unseated::Stopping);
        }
        let id = state.next;
        let sockets = state.users.entry(user_id).or_default();
        if sockets.len() >= SOCKETS_MAX {
            return Err(Unseated::TooMany);
        }
        let mailbox = Arc::new(Mailbox::default());
        sockets.insert(id, Place { room: room.clone(), mailbox: Arc::clone(&mailbox), stage: Stage::Seated });
        state.next += 1;
        state.rooms.entry(room.clone()).or_default().seats.insert(id, (user_id, Arc::clone(&mailbox)));
        drop(state);
        Ok(Seat { hub: Arc::clone(self), id, room, user_id, mailbox })
    }

    /// From now on the socket hears of what comes after the position that is given back.
    ///
    /// That is where the others in the room are, whatever the store said: what this node has not heard of yet may be
    /// missing from what it remembers of the members, so it has to be told. Only where nobody else is there to know, the
    /// store does.
    pub(crate) fn begin(&self, seat: &Seat<P>, stored: Position, present: &[UserId]) -> Begun {
        let mut state = self.lock();
        if let Some(place) = state.users.get_mut(&seat.user_id).and_then(|places| places.get_mut(&seat.id)) {
            place.stage = Stage::In;
        }
        state.vacated.remove(&(seat.room.clone(), seat.user_id));
        let Some(sittings) = state.rooms.get_mut(&seat.room) else {
            return Begun { position: stored, is_first: true, is_stirred: false };
        };
        if sittings.told.is_none() {
            sittings.present = present.iter().copied().collect();
        }
        match sittings.told {
            Some(told) if told.epoch == stored.epoch => {
                seat.mailbox.begin(told.offset);
                return Begun { position: told, is_first: false, is_stirred: false };
            }
            Some(_) => {
                let readers = sittings.restart(Some(stored), Some(seat.id));
                seat.mailbox.begin(stored.offset);
                drop(state);
                wake(readers);
                return Begun { position: stored, is_first: true, is_stirred: false };
            }
            None => sittings.told = Some(stored),
        }
        seat.mailbox.begin(stored.offset);
        Begun { position: stored, is_first: true, is_stirred: std::mem::take(&mut sittings.is_stirred) }
    }

    /// Tells everybody in a room of an entry, if it is the next.
    ///
    /// One that comes `late`, with others that were missed, closes nobody who has no room for them all.
    pub(crate) fn deliver(&self, posted: &Posted, told: &Told<P>, is_late: bool) -> Delivered {
        let Posted { room, entry } = posted;
        let (position, of) = (entry.position, entry.event.user_id);
        let mut state = self.lock();
        let Some(sittings) = state.rooms.get_mut(room) else { return Delivered::Nobody };
        let Some(known) = sittings.told else {
            sittings.is_stirred = true;
            return Delivered::Nobody;
        };
        if known.epoch != position.epoch || known.offset.saturating_add(1) < position.offset {
            return Delivered::TooEarly;
        }
        if known.offset < position.offset {
            sittings.told = Some(position);
            let tell = |(user_id, mailbox): &(UserId, Arc<Mailbox<P>>)| {
                let payload = if *user_id == of { &told.own } else { &told.peers };
                if is_late {
                    mailbox.late_update(position, of, payload.as_ref())
                } else {
                    mailbox.update(position.offset, of, payload.as_ref())
                }
            };
            let mut readers = Vec::with_capacity(WOKEN_AT_ONCE.min(sittings.seats.len()));
            for reader in sittings.seats.values().filter_map(tell) {
                readers.push(reader);
                if readers.len() == WOKEN_AT_ONCE {
                    readers.drain(..).for_each(Waker::wake);
                }
            }
            drop(state);
            wake(readers);
        }
        Delivered::Done
    }

    /// Tells everybody in a room, but for the user's own sockets, that the user came or went.
    ///
    /// That comes `late` where it was missed, with that of others: it closes nobody who has no room for it.
    pub(crate) fn presence(&self, room: &RoomId, of: UserId, is_there: bool, is_late: bool, payload: &P) {
        let mut state = self.lock();
        let Some(sittings) = state.rooms.get_mut(room) else { return };
        if is_there {
            sittings.present.insert(of);
        } else {
            sittings.present.remove(&of);
        }
        let others = sittings.seats.values().filter(|(user_id, _)| *user_id != of);
        let tell = |(_, mailbox): &(UserId, Arc<Mailbox<P>>)| {
            if is_late { mailbox.late_presence(of, payload) } else { mailbox.presence(of, payload) }
        };
        let readers: Vec<_> = others.filter_map(tell).collect();
        drop(state);
        wake(readers);
    }

    /// Of those who are there, who has come without a word to this node, and who has gone.
    pub(crate) fn unheard(&self, room: &RoomId, present: &[UserId]) -> (Vec<UserId>, Vec<UserId>) {
        let present: BTreeSet<UserId> = present.iter().copied().collect();
        let state = self.lock();
        let Some(sittings) = state.rooms.get(room) else { return (Vec::new(), Vec::new()) };
        let come = present.difference(&sittings.present).copied().collect();
        (come, sittings.present.difference(&present).copied().collect())
    }

    /// Somebody who is in a room.
    pub(crate) fn anybody_in(&self, room: &RoomId) -> Option<UserId> {
        let state = self.lock();
        let mut sitting = state.rooms.get(room)?.seats.values().map(|(user_id, _)| *user_id);
        sitting.find(|user_id| state.is_in(room, *user_id))
    }

    /// Tells everybody in a room that something was missed.
    pub(crate) fn restart(&self, room: &RoomId, now: Option<Position>) {
        let mut state = self.lock();
        let readers = state.rooms.get_mut(room).map(|sittings| sittings.restart(now, None));
        drop(state);
        wake(readers.unwrap_or_default());
    }

    /// Up to where a room was told; `None` where nobody listens.
    pub(crate) fn told(&self, room: &RoomId) -> Option<Position> {
        self.lock().rooms.get(room)?.told
    }

    /// Whether the node takes no more sockets.
    pub fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    /// Whether somebody listens in a room.
    pub(crate) fn has(&self, room: &RoomId) -> bool {
        self.lock().rooms.contains_key(room)
    }

    /// The rooms in which somebody listens.
    pub(crate) fn rooms(&self) -> Vec<RoomId> {
        self.lock().rooms.keys().cloned().collect()
    }

    /// Those whose grace is over. They are not given again.
    pub(crate) fn vacated(&self, now: Timestamp) -> Vec<(RoomId, UserId)> {
        let mut state = self.lock();
        state.vacated.extract_if(|_, until| *until <= now).map(|(who, _)| who).collect()
    }

    /// Gives somebody back who could not be let out: another try comes. Whoever has closed another socket since has the
    /// grace from then.
    pub(crate) fn vacate(&self, room: RoomId, user_id: UserId, until: Timestamp) {
        self.lock().vacated.entry((room, user_id)).or_insert(until);
    }

    /// Does something to each socket of a user, or of everybody.
    fn each(&self, user_id: Option<UserId>, act: impl Fn(&Mailbox<P>) -> Option<Waker>) {
        let state = self.lock();
        let of_one = user_id.map(|user_id| state.users.get(&user_id));
        let readers: Vec<_> = match of_one {
            Some(places) => places.into_iter().flatten().filter_map(|(_, place)| act(&place.mailbox)).collect(),
            None => state.users.values().flatten().filter_map(|(_, place)| act(&place.mailbox)).collect(),
        };
        drop(state);
        wake(readers);
    }

    /// Lets the sockets of a user ask whether their credential is still good.
    pub fn recheck(&self, user_id: UserId) {
        self.each(Some(user_id), Mailbox::recheck);
    }

    /// As [`Self::recheck`], for everybody.
    pub fn recheck_all(&self) {
        self.each(None, Mailbox::recheck);
    }

    /// Closes the sockets of a user.
    pub fn close(&self, user_id: UserId, closing: Closing) {
        self.each(Some(user_id), |mailbox| mailbox.close(closing));
    }

    /// Takes no more sockets.
    pub(crate) fn refuse(&self) {
        self.lock().is_stopping = true;
    }

    /// Closes every socket, and takes no more.
    pub fn stop(&self) {
        self.refuse();
        self.each(None, |mailbox| mailbox.close(Closing::Shutdown));
    }

    /// Counts.
    pub fn counts(&self) -> Counts {
        let state = self.lock();
        Counts { sockets: state.users.values().map(BTreeMap::len).sum(), rooms: state.rooms.len() }
    }
}

/// Wakes readers. Without the lock, where that costs nothing: each of them may ask for it at once.
fn wake(readers: Vec<Waker>) {
    readers.into_iter().for_each(Waker::wake);
}

impl<P: Payload> Sittings<P> {
    /// Goes on from another position, which all but one are told.
    fn restart(&mut self, now: Option<Position>, but: Option<SeatId>) -> Vec<Waker> {
        self.told = now;
        let others = self.seats.iter().filter(|(id, _)| Some(**id) != but);
        others.filter_map(|(_, (_, mailbox))| mailbox.resync(now)).collect()
    }
}
