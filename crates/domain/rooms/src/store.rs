//! What is kept of rooms.

use std::time::Duration;

use async_trait::async_trait;
use frontdesk_kernel::{Event, EventBody, EventId, Timestamp, Unavailable, UserId};
use uuid::Uuid;

use crate::hub::SOCKETS_MAX;
use crate::position::{Epoch, Position};
use crate::room_id::RoomId;

/// How long a room goes on hearing of somebody who has left.
pub const REMEMBERED_FOR: Duration = Duration::from_hours(24);
/// How long an entry of a log can be asked for.
pub const REPLAYED_FOR: Duration = Duration::from_mins(10);
/// How many rooms remember a user who has left them; of more, those that were left last do. Whoever posts about a user
/// writes to each of them.
pub const REMEMBERED_MAX: usize = 100;
/// How many entries can be asked for at once.
pub const REPLAYED_MAX: usize = 512;
/// The sockets of a node whose lease runs for no longer than this do not count: it is about to end. One that stops leaves
/// itself [`GRACE`](crate::hub::GRACE), so the clocks of nodes may differ by 20 s; one that lives has over a minute left.
pub const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// How many of those whose node is silent are given at once.
pub const EXPIRED_MAX: usize = 1_000;
/// How long it is remembered that a user has no socket on a node: what was said of them earlier arrives sooner. And for
/// how long what a node said after its lease ran out: one that comes back says all of it again.
pub const NONE_KEPT_FOR: Duration = Duration::from_mins(10);
/// How long it is remembered that a ticket was taken, after its end: the clocks of nodes may differ by as much.
pub const TICKET_KEPT_FOR: Duration = Duration::from_mins(10);
/// How long those on a node count as present without a word from the node.
pub const LEASED_FOR: Duration = Duration::from_secs(90);

/// One run of the server process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Uuid);

impl NodeId {
    /// Wraps a UUID that nobody has drawn before.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Returns the UUID, for adapters.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }
}

/// What opens one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(Uuid);

impl TicketId {
    /// Wraps a UUID that nobody has drawn before.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Returns the UUID, for adapters.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }
}

/// Which rooms hear of a user (`ROOM_BROADCAST`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Broadcast {
    /// Those where the user is, or was within 24 h.
    #[default]
    Members,
    /// Every room.
    All,
}

/// How many sockets a user has on a node, as the node counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sockets {
    /// In all rooms.
    pub count: usize,
    /// Grows with each time that the node counts: what is said arrives in any order, and the latest holds.
    pub serial: u64,
}

/// A user on a node comes into a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entering {
    /// Where to.
    pub room: RoomId,
    /// Who.
    pub user_id: UserId,
    /// On which node.
    pub node: NodeId,
    /// Counted with the one that comes in.
    pub sockets: Sockets,
    /// Whether there is a bound to them. There is none for sockets that are open already.
    pub is_bounded: bool,
    /// Of the log, should this begin the room.
    pub epoch: Epoch,
    /// Of the [`EventBody::RoomEntered`], should the user not be there yet.
    pub event_id: EventId,
    /// When.
    pub now: Timestamp,
}

impl Entering {
    /// Whether the user would have too many sockets, with so many on other nodes.
    pub const fn is_too_many(&self, elsewhere: usize) -> bool {
        self.is_bounded && self.sockets.count.saturating_add(elsewhere) > SOCKETS_MAX
    }
}

/// What somebody finds who comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// The end of the log.
    pub position: Position,
    /// Who is there, the one who came in included; in the order of their ids.
    pub present: Vec<UserId>,
    /// The end of the log when the one who came in did so for the first time, as far as that is remembered. What was
    /// said before is none of their business.
    pub heard_from: u64,
}

/// Why somebody does not come in.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The user has [`SOCKETS_MAX`] sockets open, on all nodes together.
    #[error("more than {SOCKETS_MAX} sockets are open for this user")]
    TooMany,
    /// The store is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A user on a node is gone from a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// Where from.
    pub room: RoomId,
    /// Who.
    pub user_id: UserId,
    /// On which node.
    pub node: NodeId,
    /// Of the [`EventBody::RoomLeft`], should the user be nowhere else in the room.
    pub event_id: EventId,
    /// When.
    pub now: Timestamp,
    /// Whether only a node that says nothing any more is spoken for: where its lease runs, the user stays.
    pub is_silent: bool,
}

/// A user who is in a room, on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Where.
    pub room: RoomId,
    /// Who.
    pub user_id: UserId,
    /// On which node.
    pub node: NodeId,
}

/// An event in the log of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Of which log, and the how manieth.
    pub position: Position,
    /// What happened.
    pub event: Event,
}

/// An entry, and in the log of which room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The room.
    pub room: RoomId,
    /// The entry.
    pub entry: Entry,
}

/// What came after a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missed {
    /// Every entry, in order.
    Entries(Vec<Entry>),
    /// Not all of them are there any more, or they are too many, or the position is of another log.
    Gone {
        /// The end of the log; `None` where there is no such room.
        now: Option<Position>,
    },
}

/// Tells whether an event goes into the logs of rooms. Coming and going does not: it is told, and not replayed.
pub const fn is_logged(body: &EventBody) -> bool {
    match body {
        EventBody::ProfileUpdated { .. } | EventBody::AccountDeleted { .. } => true,
        EventBody::AccountCreated
        | EventBody::AvatarChanged { .. }
        | EventBody::PasswordChanged
        | EventBody::SessionsEnded { .. }
        | EventBody::RoomEntered { .. }
        | EventBody::RoomLeft { .. } => false,
    }
}

/// Keeps who is in which room, and the log of each.
///
/// # Contract
/// - `enter` MUST begin a room that is not there, with the epoch given and the offset 0, and MUST keep the one that is.
/// - A user is in a room from the first `enter` until each node that entered has left. `enter` MUST append
///   [`EventBody::RoomEntered`] to the outbox where the user was not there, `leave` [`EventBody::RoomLeft`] where the user
///   is no more, in the same transaction; both MUST change nothing where they are repeated.
/// - `enter` MUST refuse whoever is bounded and would have more than [`SOCKETS_MAX`] sockets, and change nothing then. Those
///   on other nodes count while the lease of the node runs for longer than [`ENDS_WITHIN`]. Of many who enter at once, no
///   more come in than that.
/// - What `enter` and `set_sockets` say of a user's sockets on a node MUST hold unless something with a serial as great or
///   greater was said before and is not forgotten, whatever came in which order.
/// - `redeem` MUST tell one alone, of all who ever ask for a ticket, that it is theirs, until [`TICKET_KEPT_FOR`] after the
///   end of the ticket.
/// - `leave` for a silent node MUST change nothing where the lease of the node runs at that moment.
/// - `leave` MUST forget that the user was in the rooms that were left first, where more than [`REMEMBERED_MAX`] remember it.
/// - `enter` MUST give the offset at which the user came in first; leaving changes it only once the user is forgotten.
/// - Both also begin the lease of the node, if it has none: it runs for [`LEASED_FOR`].
/// - `renew` MUST make the lease of a node run until the moment given, and MUST tell whether it still ran: where it did
///   not, others may have let those out who are there.
/// - `expired` MUST give those whose node's lease has run out, [`EXPIRED_MAX`] at most, and MUST leave them there.
/// - `post` MUST append each event for which [`is_logged`] holds to the log of each room that hears of its user, once,
///   with the next offset; events that are posted together keep their order. Whoever left [`REMEMBERED_FOR`] ago or
///   earlier is not heard of any more.
/// - `post` of an [`EventBody::AccountDeleted`] MUST also forget that the user was in any room.
/// - `posted` MUST give the entries that came of events, in the order of the rooms' names and in each of its log.
/// - An entry that a newer version wrote MUST keep its place, as an event that is not logged.
/// - `since` MUST give the entries after a position, up to and with the offset `until`, if each of them is there, none is
///   older than [`REPLAYED_FOR`] and they are [`REPLAYED_MAX`] at most.
/// - `purge` MUST remove the entries older than [`REPLAYED_FOR`], tickets that ended [`TICKET_KEPT_FOR`] ago, what was said
///   [`NONE_KEPT_FOR`] ago of users without a socket and by nodes whose lease ran out then or earlier, whoever left
///   [`REMEMBERED_FOR`] ago, leases that ran out [`REMEMBERED_FOR`] ago and hold nobody (a node that was stalled has to learn
///   that it was thought gone), and rooms in which nobody is or is remembered, when their log is empty.
#[async_trait]
pub trait RoomStore: Send + Sync + 'static {
    /// Brings somebody in, and tells who is there.
    async fn enter(&self, entering: &Entering) -> Result<Entered, EnterError>;

    /// Says how many sockets users have on a node, each of them once.
    async fn set_sockets(&self, node: NodeId, counts: &[(UserId, Sockets)], now: Timestamp) -> Result<(), Unavailable>;

    /// Takes a ticket; tells whether nobody had taken it.
    async fn redeem(&self, ticket: TicketId, ends_at: Timestamp) -> Result<bool, Unavailable>;

    /// Lets somebody out.
    async fn leave(&self, leaving: &Leaving) -> Result<(), Unavailable>;

    /// Says that a node lives; tells whether everybody could know that until now.
    async fn renew(&self, node: NodeId, until: Timestamp, now: Timestamp) -> Result<bool, Unavailable>;

    /// Those whose node says nothing any more.
    async fn expired(&self, now: Timestamp) -> Result<Vec<Presence>, Unavailable>;

    /// Writes events into the logs of the rooms that hear of them.
    async fn post(&self, events: &[Event], broadcast: Broadcast, now: Timestamp) -> Result<(), Unavailable>;

    /// Tells into which logs events were written.
    async fn posted(&self, events: &[EventId]) -> Result<Vec<Posted>, Unavailable>;

    /// Reads what came after a position.
    async fn since(&self, room: &RoomId, position: Position, until: u64, now: Timestamp)
    -> Result<Missed, Unavailable>;

    /// Forgets what nobody can ask for any more; tells how many rows.
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable>;
}
