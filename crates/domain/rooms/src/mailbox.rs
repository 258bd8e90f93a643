//! What waits to be sent to one socket.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use frontdesk_kernel::UserId;

use crate::position::Position;

/// How much may wait. A reader who is further behind is told less, and then nothing.
pub const CAPACITY: usize = 64;

/// How much may wait that comes all at once, after events were missed: nobody reads that fast, and it is no reason to
/// close anybody.
pub const LATE_CAPACITY: usize = 1_024;

/// For how much an empty box keeps room: most of what is told waits alone, and whoever fills a box does not allocate.
const KEPT: usize = 4;

/// What is sent, in a form that all members of a room share.
pub trait Payload: Clone + Send + Sync + 'static {
    /// Says both at once: this, and what the same user did `earlier` and nobody has been told yet.
    fn after(&self, earlier: &Self) -> Self;
}

/// Why a socket is closed from this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// It reads too slowly.
    Behind,
    /// The account is gone.
    Deleted,
    /// The node stops.
    Shutdown,
}

/// What a socket has to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter<P> {
    /// Send this.
    Send(P),
    /// Say that something was missed that nobody can tell any more, and go on from here.
    Resync(Option<Position>),
    /// Ask again whether the credential is good.
    Recheck,
    /// Close.
    Close(Closing),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// An entry of the log.
    Update,
    /// Somebody came or went.
    Presence,
}

enum Item<P> {
    Told { kind: Kind, of: UserId, payload: P },
    Resync(Option<Position>),
}

struct State<P> {
    items: VecDeque<Item<P>>,
    /// How many of them came late. They take no room from what comes in time.
    late: usize,
    /// The offset up to which the log is known here. `None` until the socket has been told where it begins.
    seen: Option<u64>,
    is_rechecked: bool,
    closing: Option<Closing>,
    reader: Option<Waker>,
}

/// A bounded queue with one reader. Whoever fills it never waits.
///
/// A std lock, never held over an await: each section moves a few pointers.
pub struct Mailbox<P> {
    state: Mutex<State<P>>,
}

impl<P> Default for Mailbox<P> {
    fn default() -> Self {
        let state =
            State { items: VecDeque::new(), late: 0, seen: None, is_rechecked: false, closing: None, reader: None };
        Self { state: Mutex::new(state) }
    }
}

impl<P: Payload> Mailbox<P> {
    /// Gives the reader, if it waits and has something to read now. Waking it is the caller's, who may have to wake many:
    /// waking the first may start another core, and waiting for that between two mailboxes doubles the time of a delivery.
    fn change(&self, change: impl FnOnce(&mut State<P>)) -> Option<Waker> {
        let mut state = self.lock();
        change(&mut state);
        if state.is_idle() { None } else { state.reader.take() }
    }

    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the log is told, after this offset.
    pub(crate) fn begin(&self, offset: u64) {
        self.lock().seen = Some(offset);
    }

    /// Takes in an entry of the log, unless it is known; `None` is one that this reader is not told of.
    #[must_use = "the reader has to be woken"]
    pub(crate) fn update(&self, offset: u64, of: UserId, payload: Option<&P>) -> Option<Waker> {
        self.change(|state| {
            if state.seen.is_some_and(|seen| seen < offset) {
                state.seen = Some(offset);
                state.tell(Kind::Update, of, payload);
            }
        })
    }

    /// As [`Self::update`], for an entry that comes with others all at once. Where even then it finds no room, the reader
    /// is told to go on from there, and stays.
    #[must_use = "the reader has to be woken"]
    pub(crate) fn late_update(&self, position: Position, of: UserId, payload: Option<&P>) -> Option<Waker> {
        self.change(|state| {
            if state.seen.is_some_and(|seen| seen < position.offset) {
                state.seen = Some(position.offset);
                if payload.is_some() && !state.has_room(LATE_CAPACITY) {
                    state.clear();
                    state.items.push_back(Item::Resync(Some(position)));
                } else {
                    state.tell_late(Kind::Update, of, payload);
                }
            }
        })
    }

    /// Takes in that somebody came or went.
    #[must_use = "the reader has to be woken"]
    pub(crate) fn presence(&self, of: UserId, payload: &P) -> Option<Waker> {
        self.change(|state| {
            // Nobody is late before the beginning: the oldest are in the list that is read meanwhile.
            if state.seen.is_none() && state.items.len() >= CAPACITY {
                state.items.pop_front();
            }
            state.tell(Kind::Presence, of, Some(payload));
        })
    }

    /// As [`Self::presence`], for one of many all at once. Where even then it finds no room, nobody is told.
    #[must_use = "the reader has to be woken"]
    pub(crate) fn late_presence(&self, of: UserId, payload: &P) -> Option<Waker> {
        self.change(|state| {
            if state.has_room(LATE_CAPACITY) {
                state.tell_late(Kind::Presence, of, Some(payload));
            }
        })
    }

    /// The log goes on somewhere else.
    #[must_use = "the reader has to be woken"]
    pub(crate) fn resync(&self, position: Option<Position>) -> Option<Waker> {
        self.change(|state| {
            if state.seen.is_some() {
                state.seen = Some(position.map_or(0, |position| position.offset));
                state.put(Item::Resync(position));
            }
        })
    }

    /// The credential may have become worthless.
    #[must_use = "the reader has to be woken"]
    pub(crate) fn recheck(&self) -> Option<Waker> {
        self.change(|state| state.is_rechecked = true)
    }

    /// Nothing comes after what waits now. The first reason counts.
    #[must_use = "the reader has to be woken"]
    pub(crate) fn close(&self, closing: Closing) -> Option<Waker> {
        self.change(|state| {
            state.closing.get_or_insert(closing);
        })
    }

    /// What cannot wait until what was put before it is read: that the credential may be worthless, that the account is
    /// gone, that the node stops.
    pub(crate) fn urgent(&self) -> Option<Letter<P>> {
        let mut state = self.lock();
        if let Some(closing) = state.closing.filter(|closing| *closing != Closing::Behind) {
            return Some(Letter::Close(closing));
        }
        std::mem::take(&mut state.is_rechecked).then_some(Letter::Recheck)
    }

    /// Waits for the next letter. Only the last task that waited is woken.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Letter<P>> {
        let mut state = self.lock();
        if let Some(letter) = state.take() {
            return Poll::Ready(letter);
        }
        match &mut state.reader {
            Some(reader) => reader.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl<P: Payload> State<P> {
    fn is_idle(&self) -> bool {
        self.items.is_empty() && !self.is_rechecked && self.closing.is_none()
    }

    fn tell(&mut self, kind: Kind, of: UserId, payload: Option<&P>) {
        if let Some(payload) = payload {
            self.put(Item::Told { kind, of, payload: payload.clone() });
        }
    }

    fn tell_late(&mut self, kind: Kind, of: UserId, payload: Option<&P>) {
        if let (Some(payload), None) = (payload, self.closing) {
            self.items.push_back(Item::Told { kind, of, payload: payload.clone() });
            self.late += 1;
        }
    }

    fn clear(&mut self) {
        self.items = VecDeque::new();
        self.late = 0;
    }

    fn put(&mut self, item: Item<P>) {
        if self.closing.is_some() {
            return;
        }
        if self.has_room(CAPACITY + self.late) {
            self.items.push_back(item);
        } else {
            // What waits would only take memory: whoever cannot follow asks for it after coming back.
            self.clear();
            self.closing = Some(Closing::Behind);
        }
    }

    fn has_room(&mut self, capacity: usize) -> bool {
        if self.items.len() >= capacity {
            self.coalesce();
        }
        self.items.len() < capacity
    }

    /// Leaves one update and one coming or going of each user, in the place of the last of them.
    fn coalesce(&mut self) {
        let mut last: HashMap<(Kind, UserId), P> = HashMap::new();
        let mut kept = VecDeque::with_capacity(self.items.len());
        // From the last to the first. What is said of each user grows in the map; its place is that of the last.
        for item in self.items.drain(..).rev() {
            match item {
                Item::Resync(_) => kept.push_front(item),
                Item::Told { kind, of, payload } => match last.entry((kind, of)) {
                    Entry::Occupied(mut later) => {
                        let both = later.get().after(&payload);
                        later.insert(both);
                    }
                    Entry::Vacant(none) => {
                        kept.push_front(Item::Told { kind, of, payload: none.insert(payload).clone() });
                    }
                },
            }
        }
        for item in &mut kept {
            if let Item::Told { kind, of, payload } = item
                && let Some(all) = last.remove(&(*kind, *of))
            {
                *payload = all;
            }
        }
        self.items = kept;
        // Which of them came late is not known any more.
        self.late = self.late.min(self.items.len());
    }

    fn take(&mut self) -> Option<Letter<P>> {
        // A credential that has become worthless is not told what waits.
        if std::mem::take(&mut self.is_rechecked) {
            return Some(Letter::Recheck);
        }
        let Some(item) = self.items.pop_front() else { return self.closing.map(Letter::Close) };
        self.late = self.late.saturating_sub(1);
        if self.items.is_empty() && self.items.capacity() > KEPT {
            // Thousands of sockets hear nothing most of the time: an empty box holds little room.
            self.items = VecDeque::new();
        }
        Some(match item {
            Item::Told { payload, .. } => Letter::Send(payload),
            Item::Resync(position) => Letter::Resync(position),
        })
    }
}

#[cfg(test)]
mod tests;
