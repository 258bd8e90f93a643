//! The service.

mod lease;

use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::{Clock, Entropy, Event, EventBody, EventId, Timestamp, Unavailable, UserId};

pub use crate::hub::Told;
use crate::hub::{Delivered, GRACE, Hub, Seat, Unseated};
use crate::mailbox::{CAPACITY, Closing, Payload};
use crate::position::{Epoch, Position};
use crate::room_id::RoomId;
use crate::store::{
    Broadcast, EXPIRED_MAX, EnterError, Entered, Entering, LEASED_FOR, Leaving, Missed, NodeId, Posted, Presence,
    RoomStore, Sockets, TicketId, is_logged,
};
use lease::Lease;

/// Makes what is sent.
///
/// # Contract
/// - `updates` and `joined` MUST give one for each that was asked for, in their order, as the profile is now: an entry
///   says what changed, and not into what.
/// - What is made after `outdated` MUST NOT show what was read of that user before it.
#[async_trait]
pub trait Frames<P>: Send + Sync + 'static {
    /// What each entry is to those who hear of it.
    async fn updates(&self, posted: &[Posted]) -> Result<Vec<Told<P>>, Unavailable>;

    /// Says that somebody came, each into a room; nothing where there is no such user any more.
    async fn joined(&self, came: &[(RoomId, UserId)]) -> Result<Vec<Option<P>>, Unavailable>;

    /// Says that somebody went.
    fn left(&self, room: &RoomId, user_id: UserId) -> P;

    /// Forgets what was read of a user; of everybody, where none is named.
    fn outdated(&self, user_id: Option<UserId>);
}

/// The ports that [`Rooms`] holds, and what it has to know of its node.
#[expect(missing_docs, reason = "each field is the port or value its type names")]
pub struct RoomsPorts<P> {
    pub store: Arc<dyn RoomStore>,
    pub frames: Arc<dyn Frames<P>>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub broadcast: Broadcast,
}

/// The rooms, as one node sees them.
pub struct Rooms<P: Payload> {
    ports: RoomsPorts<P>,
    node: NodeId,
    hub: Arc<Hub<P>>,
    lease: Lease,
}

impl<P: Payload> Rooms<P> {
    /// Joins the ports, for a node that begins.
    pub fn new(ports: RoomsPorts<P>) -> Self {
        let node = NodeId::new(ports.entropy.uuid_v7(ports.clock.now()));
        let hub = Arc::new(Hub::new(Arc::clone(&ports.clock)));
        Self { ports, node, hub, lease: Lease::default() }
    }

    /// The sockets of this node.
    pub const fn hub(&self) -> &Arc<Hub<P>> {
        &self.hub
    }

    // --- For one socket ---

    /// Takes a ticket; tells whether nobody had taken it, on any node.
    pub async fn redeem(&self, ticket: TicketId, ends_at: Timestamp) -> Result<bool, Unavailable> {
        self.ports.store.redeem(ticket, ends_at).await
    }

    /// Takes a place in a room, before anything is read: so nothing is missed that happens meanwhile.
    pub fn sit(&self, room: RoomId, user_id: UserId) -> Result<Seat<P>, Unseated> {
        self.hub.sit(room, user_id)
    }

    /// Comes in, and tells who is there and where this socket begins: what comes after that waits at the seat. Read what
    /// the members look like afterwards.
    pub async fn enter(&self, seat: &Seat<P>) -> Result<Entered, EnterError> {
        if self.lease.is_ending(self.ports.clock.now()) {
            self.renew().await?;
        }
        let (sockets, is_in) = self.hub.count_in(seat);
        let (room, user_id) = (seat.room(), seat.user_id());
        let Entered { position, present, heard_from } = self.bring_in(room, user_id, sockets, !is_in).await?;
        let begun = self.hub.begin(seat, position, &present);
        if begun.is_first {
            // Events of theirs may be on their way that were committed before this and are told to nobody here.
            for user_id in &present {
                self.ports.frames.outdated(Some(*user_id));
            }
        }
        if begun.is_stirred
            && let Err(error) = self.follow(seat.room()).await
        {
            // Others in the room may have begun there too, and nobody would read on for them.
            self.hub.restart(seat.room(), None);
            return Err(error.into());
        }
        Ok(Entered { position: begun.position, present, heard_from })
    }

    /// What somebody missed between two positions, `to` included; nothing where it is not all to be had. It is small, and
    /// nothing to send yet: [`Self::told`] makes that.
    pub async fn missed(
        &self,
        seat: &Seat<P>,
        from: Position,
        to: Position,
    ) -> Result<Option<Vec<Posted>>, Unavailable> {
        if from.epoch != to.epoch || from.offset > to.offset {
            return Ok(None);
        }
        let now = self.ports.clock.now();
        match self.ports.store.since(seat.room(), from, to.offset, now).await? {
            Missed::Gone { now: _ } => Ok(None),
            Missed::Entries(entries) => {
                let posted = entries.into_iter().map(|entry| Posted { room: seat.room().clone(), entry });
                Ok(Some(posted.collect()))
            }
        }
    }

    /// What these entries are to a user.
    pub async fn told(&self, user_id: UserId, posted: &[Posted]) -> Result<Vec<P>, Unavailable> {
        let told = self.ports.frames.updates(posted).await?;
        let heard = posted.iter().zip(told).filter_map(
            |(posted, Told { peers, own })| {
                if posted.entry.event.user_id == user_id { own } else { peers }
            },
        );
        Ok(heard.collect())
    }

    // --- For the node ---

    /// Writes events into the logs of the rooms that hear of them. Call it before they are published.
    pub async fn post(&self, events: &[Event]) -> Result<(), Unavailable> {
        if events.iter().any(|event| is_logged(&event.body)) {
            self.ports.store.post(events, self.ports.broadcast, self.ports.clock.now()).await?;
        }
        Ok(())
    }

    /// Does at once what needs no store: an event of the bus arrived.
    pub fn heed(&self, event: &Event) {
        match &event.body {
            EventBody::ProfileUpdated { .. } | EventBody::AvatarChanged { .. } => {
                self.ports.frames.outdated(Some(event.user_id));
            }
            EventBody::PasswordChanged | EventBody::SessionsEnded { .. } => self.hub.recheck(event.user_id),
            EventBody::AccountDeleted { .. } => {
                self.ports.frames.outdated(Some(event.user_id));
                self.hub.close(event.user_id, Closing::Deleted);
            }
            EventBody::AccountCreated | EventBody::RoomEntered { .. } | EventBody::RoomLeft { .. } => {}
        }
    }

    /// Tells the sockets of this node of events of the bus. One call at a time, in their order. Repeating them is safe.
    pub async fn hear(&self, events: &[Event]) -> Result<(), Unavailable> {
        if self.hub.counts().rooms == 0 {
            return Ok(());
        }
        let logged: Vec<_> = events.iter().filter(|event| is_logged(&event.body)).map(|event| event.id).collect();
        if !logged.is_empty() {
            let mut posted = self.ports.store.posted(&logged).await?;
            posted.retain(|posted| self.hub.has(&posted.room));
            self.deliver(&posted).await?;
        }
        let moves = events.iter().filter_map(|event| match &event.body {
            EventBody::RoomEntered { room } => Some((self.listening(room)?, event.user_id, true)),
            EventBody::RoomLeft { room } => Some((self.listening(room)?, event.user_id, false)),
            EventBody::AccountCreated
            | EventBody::ProfileUpdated { .. }
            | EventBody::AvatarChanged { .. }
            | EventBody::PasswordChanged
            | EventBody::SessionsEnded { .. }
            | EventBody::AccountDeleted { .. } => None,
        });
        self.moved(moves.collect(), false).await
    }

    /// Tells who is there now and who is not, in their order.
    async fn moved(&self, moves: Vec<(RoomId, UserId, bool)>, is_late: bool) -> Result<(), Unavailable> {
        let came = moves.iter().filter(|(.., is_there)| *is_there);
        let came: Vec<_> = came.map(|(room, user_id, _)| (room.clone(), *user_id)).collect();
        let mut joined = self.ports.frames.joined(&came).await?.into_iter();
        for (room, user_id, is_there) in moves {
            let left = || self.ports.frames.left(&room, user_id);
            let told = if is_there { joined.next().flatten() } else { Some(left()) };
            if let Some(told) = told {
                self.hub.presence(&room, user_id, is_there, is_late, &told);
            }
        }
        Ok(())
    }

    fn listening(&self, room: &str) -> Option<RoomId> {
        room.parse().ok().filter(|room| self.hub.has(room))
    }

    async fn deliver(&self, posted: &[Posted]) -> Result<(), Unavailable> {
        if posted.is_empty() {
            return Ok(());
        }
        let told = self.ports.frames.updates(posted).await?;
        // Nobody reads while they are put: more of them than a mailbox holds are nobody's fault.
        let is_late = posted.len() > CAPACITY / 2;
        for (posted, told) in posted.iter().zip(&told) {
            if let Delivered::TooEarly = self.hub.deliver(posted, told, is_late) {
                self.follow(&posted.room).await?;
            }
        }
        Ok(())
    }

    /// Reads on in the log of a room, from where it was told, to its end.
    async fn follow(&self, room: &RoomId) -> Result<(), Unavailable> {
        while let Some(told) = self.hub.told(room) {
            let entries = match self.ports.store.since(room, told, u64::MAX, self.ports.clock.now()).await? {
                Missed::Entries(entries) => entries,
                Missed::Gone { now } => {
                    self.hub.restart(room, now);
                    break;
                }
            };
            if entries.is_empty() {
                break;
            }
            let posted: Vec<_> = entries.into_iter().map(|entry| Posted { room: room.clone(), entry }).collect();
            let told = self.ports.frames.updates(&posted).await?;
            for (posted, told) in posted.iter().zip(&told) {
                // Whoever follows at the same time may be ahead. Nothing can lie between.
                self.hub.deliver(posted, told, true);
                if matches!(posted.entry.event.body, EventBody::AccountDeleted { .. }) {
                    self.hub.close(posted.entry.event.user_id, Closing::Deleted);
                }
            }
        }
        Ok(())
    }

    /// Reads what was missed while events were: in the logs of all rooms in which somebody listens, and who is there.
    pub async fn catch_up(&self) -> Result<(), Unavailable> {
        self.ports.frames.outdated(None);
        for room in self.hub.rooms() {
            self.follow(&room).await?;
            self.recount(&room).await?;
        }
        Ok(())
    }

    /// Tells who has come and gone without a word. Who is there is told to whoever comes in, and that is asked for once
    /// more for somebody who is.
    async fn recount(&self, room: &RoomId) -> Result<(), Unavailable> {
        let Some(somebody) = self.hub.anybody_in(room) else { return Ok(()) };
        let present = self.enter_again(room, somebody).await?.present;
        let (come, gone) = self.hub.unheard(room, &present);
        let come = come.into_iter().map(|user_id| (room.clone(), user_id, true));
        self.moved(come.chain(gone.into_iter().map(|user_id| (room.clone(), user_id, false))).collect(), true).await
    }

    /// Says how many sockets are left to those who have closed some: others open theirs on other nodes.
    pub async fn count_sockets(&self) -> Result<(), Unavailable> {
        let counts = self.hub.uncounted();
        if counts.is_empty() {
            return Ok(());
        }
        let said = self.ports.store.set_sockets(self.node, &counts, self.ports.clock.now()).await;
        if said.is_err() {
            for (user_id, _) in counts {
                self.hub.count_again(user_id);
            }
        }
        said
    }

    /// Lets those out who have been without a socket for longer than the grace.
    pub async fn let_out(&self) -> Result<(), Unavailable> {
        let now = self.ports.clock.now();
        let mut gone = self.hub.vacated(now).into_iter();
        while let Some((room, user_id)) = gone.next() {
            let left = self.let_one_out(&room, user_id, now).await;
            if left.is_err() {
                self.hub.vacate(room, user_id, now);
                gone.for_each(|(room, user_id)| self.hub.vacate(room, user_id, now));
                return left;
            }
        }
        Ok(())
    }

    async fn let_one_out(&self, room: &RoomId, user_id: UserId, now: Timestamp) -> Result<(), Unavailable> {
        if self.hub.is_in(room, user_id) {
            return Ok(());
        }
        let mut left = self.ports.store.leave(&self.leaving(room.clone(), user_id, self.node, now, false)).await;
        // Whoever came back meanwhile may have been let out again, also where the store could not say so.
        if self.hub.is_in(room, user_id) {
            left = left.and(self.enter_again(room, user_id).await.map(drop));
            if left.is_err() {
                self.lease.lapse();
            }
        }
        left
    }

    /// Says that this node lives. After a time in which nobody heard that, those who are here come in again, all of them,
    /// however many tries it takes.
    pub async fn renew(&self) -> Result<(), Unavailable> {
        let now = self.ports.clock.now();
        self.lease.renewing(now);
        let until = now + LEASED_FOR;
        self.lease.renewed(until, self.ports.store.renew(self.node, until, now).await?);
        if self.lease.take_lapse() {
            for (room, user_id) in self.hub.present() {
                if let Err(error) = self.enter_again(&room, user_id).await {
                    self.lease.lapse();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Lets those out whose node says nothing any more. A node that has come back meanwhile keeps them.
    pub async fn expire(&self) -> Result<(), Unavailable> {
        let now = self.ports.clock.now();
        let mut are_more = true;
        while are_more {
            let expired = self.ports.store.expired(now).await?;
            are_more = expired.len() >= EXPIRED_MAX;
            for Presence { room, user_id, node } in expired {
                self.ports.store.leave(&self.leaving(room, user_id, node, now, true)).await?;
            }
        }
        Ok(())
    }

    /// Takes no more sockets, and says that this node ends: within the grace those who do not come back elsewhere are let
    /// out by others. From now on its sockets do not count. Close them afterwards.
    pub async fn withdraw(&self) -> Result<(), Unavailable> {
        self.hub.refuse();
        let now = self.ports.clock.now();
        self.ports.store.renew(self.node, now + GRACE, now).await.map(drop)
    }

    /// Brings somebody in who has a socket here. Whoever has lost it meanwhile, and may have been let out before this, is
    /// let out once more: nobody else would.
    async fn enter_again(&self, room: &RoomId, user_id: UserId) -> Result<Entered, Unavailable> {
        let sockets = self.hub.count(user_id);
        let entered = match self.bring_in(room, user_id, sockets, false).await {
            Ok(entered) => entered,
            Err(EnterError::Unavailable(error)) => return Err(error),
            // There is no bound here.
            Err(error @ EnterError::TooMany) => return Err(Unavailable::new(error)),
        };
        if !self.hub.is_in(room, user_id) {
            self.hub.vacate(room.clone(), user_id, self.ports.clock.now());
        }
        Ok(entered)
    }

    async fn bring_in(
        &self,
        room: &RoomId,
        user_id: UserId,
        sockets: Sockets,
        is_bounded: bool,
    ) -> Result<Entered, EnterError> {
        let now = self.ports.clock.now();
        let draw = || self.ports.entropy.uuid_v7(now);
        let (epoch, event_id) = (Epoch::new(draw()), EventId::new(draw()));
        let (room, node) = (room.clone(), self.node);
        self.ports.store.enter(&Entering { room, user_id, node, sockets, is_bounded, epoch, event_id, now }).await
    }

    fn leaving(&self, room: RoomId, user_id: UserId, node: NodeId, now: Timestamp, is_silent: bool) -> Leaving {
        Leaving { room, user_id, node, event_id: EventId::new(self.ports.entropy.uuid_v7(now)), now, is_silent }
    }
}
