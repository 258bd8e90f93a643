//! Rooms: who is there, and the log of each.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::{Event, EventBody, EventId, Timestamp, Unavailable, UserId};
use frontdesk_rooms::store::{
    Broadcast, ENDS_WITHIN, EXPIRED_MAX, EnterError, Entered, Entering, Entry, LEASED_FOR, Leaving, Missed,
    NONE_KEPT_FOR, NodeId, Posted, Presence, REMEMBERED_FOR, REMEMBERED_MAX, REPLAYED_FOR, REPLAYED_MAX, Sockets,
    TICKET_KEPT_FOR, TicketId, is_logged,
};
use frontdesk_rooms::{Epoch, Position, RoomId, RoomStore};

use crate::lock::lock;
use crate::state::State;

/// An entry of a log.
struct Kept {
    posted_at: Timestamp,
    /// One for the logs of all rooms.
    event: Arc<Event>,
}

/// A room, and all that it knows.
struct Room {
    epoch: Epoch,
    /// Of the last entry that there ever was.
    last_offset: u64,
    /// Who is there, on which nodes: one at least.
    present: BTreeMap<UserId, BTreeSet<NodeId>>,
    /// Who is not there any more, since when.
    left: HashMap<UserId, Timestamp>,
    /// Of each of them: where the log was when they came in first.
    heard_from: HashMap<UserId, u64>,
    log: BTreeMap<u64, Kept>,
}

impl Room {
    fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            last_offset: 0,
            present: BTreeMap::new(),
            left: HashMap::new(),
            heard_from: HashMap::new(),
            log: BTreeMap::new(),
        }
    }

    fn position(&self) -> Position {
        self.at(self.last_offset)
    }

    const fn at(&self, offset: u64) -> Position {
        Position { epoch: self.epoch, offset }
    }

    fn hears_of(&self, user: UserId, now: Timestamp) -> bool {
        self.present.contains_key(&user) || self.left.get(&user).is_some_and(|left_at| now - REMEMBERED_FOR < *left_at)
    }

    /// Writes an event that is not there yet; gives its offset.
    fn append(&mut self, event: &Arc<Event>, posted_at: Timestamp) -> u64 {
        self.last_offset += 1;
        self.log.insert(self.last_offset, Kept { posted_at, event: Arc::clone(event) });
        self.last_offset
    }

    /// The entries after an offset and up to another, if they can be asked for.
    fn missed(&self, after: u64, until: u64, now: Timestamp) -> Option<Vec<Entry>> {
        let end = until.min(self.last_offset);
        let count = usize::try_from(end.saturating_sub(after)).ok()?;
        if after > self.last_offset || count > REPLAYED_MAX {
            return None;
        }
        let mut entries = Vec::with_capacity(count);
        for (offset, kept) in self.log.range((Excluded(after), Unbounded)).take(count) {
            let is_next = *offset <= end && kept.posted_at >= now - REPLAYED_FOR;
            let event = is_next.then(|| Event::clone(&kept.event))?;
            entries.push(Entry { position: self.at(*offset), event });
        }
        (entries.len() == count).then_some(entries)
    }

    /// Nobody can tell whether it is there or not.
    fn is_forgotten(&self) -> bool {
        self.present.is_empty() && self.left.is_empty() && self.log.is_empty()
    }
}

/// All rooms.
#[derive(Default)]
pub(crate) struct Rooms {
    by_name: HashMap<RoomId, Room>,
    /// Where somebody is, or left and is remembered: so an event does not look into every room.
    of_user: HashMap<UserId, HashSet<RoomId>>,
    /// Which logs an event is in, and where.
    of_event: HashMap<EventId, BTreeMap<RoomId, u64>>,
    leases: HashMap<NodeId, Timestamp>,
    /// What was said of each user's sockets on each node, and when.
    sockets: HashMap<UserId, HashMap<NodeId, (Sockets, Timestamp)>>,
    /// The tickets that were taken, and when each ends.
    taken: HashMap<TicketId, Timestamp>,
}

impl Rooms {
    /// Writes an event into the logs of the rooms that hear of it, but for those that have it already.
    fn post(&mut self, event: &Event, broadcast: Broadcast, now: Timestamp) {
        let event = Arc::new(event.clone());
        let mut append = |(name, room): (&RoomId, &mut Room)| {
            let offsets = self.of_event.entry(event.id).or_default();
            if !offsets.contains_key(name) {
                offsets.insert(name.clone(), room.append(&event, now));
            }
        };
        match broadcast {
            Broadcast::All => self.by_name.iter_mut().for_each(append),
            Broadcast::Members => {
                for name in self.of_user.get(&event.user_id).into_iter().flatten() {
                    if let Some(room) = self.by_name.get_mut(name)
                        && room.hears_of(event.user_id, now)
                    {
                        append((name, room));
                    }
                }
            }
        }
    }

    fn forget(&mut self, user: UserId) {
        for name in self.of_user.remove(&user).into_iter().flatten() {
            if let Some(room) = self.by_name.get_mut(&name) {
                room.present.remove(&user);
                room.left.remove(&user);
                room.heard_from.remove(&user);
            }
        }
    }

    /// Forgets that a user was in the rooms that were left first, where too many remember it.
    fn forget_first(&mut self, user: UserId) {
        let Some(names) = self.of_user.get_mut(&user) else { return };
        let rooms = &mut self.by_name;
        let mut left: Vec<_> =
            names.iter().filter_map(|name| Some((*rooms.get(name)?.left.get(&user)?, name.clone()))).collect();
        left.sort_unstable_by(|one, other| other.cmp(one));
        for (_, name) in left.into_iter().skip(REMEMBERED_MAX) {
            names.remove(&name);
            if let Some(room) = rooms.get_mut(&name) {
                room.left.remove(&user);
                room.heard_from.remove(&user);
            }
        }
    }

    /// How many sockets a user has on other nodes than this, of those that are not about to end.
    fn sockets_elsewhere(&self, user: UserId, here: NodeId, now: Timestamp) -> usize {
        let runs = |node| self.leases.get(node).is_some_and(|until| now + ENDS_WITHIN < *until);
        let nodes = self.sockets.get(&user).into_iter().flatten().filter(|(node, _)| **node != here && runs(node));
        nodes.map(|(_, (sockets, _))| sockets.count).sum()
    }

    fn set_sockets(&mut self, user: UserId, node: NodeId, sockets: Sockets, now: Timestamp) {
        let nodes = self.sockets.entry(user).or_default();
        if nodes.get(&node).is_none_or(|(known, _)| known.serial < sockets.serial) {
            nodes.insert(node, (sockets, now));
        }
    }

    /// The nodes that have not said anything for too long.
    fn silent(&self, now: Timestamp) -> HashSet<NodeId> {
        self.leases.iter().filter(|(_, until)| **until <= now).map(|(node, _)| *node).collect()
    }

    fn presences(&self) -> impl Iterator<Item = (&RoomId, UserId, NodeId)> {
        self.by_name.iter().flat_map(|(name, room)| of_room(name, room))
    }

    fn purge_logs(&mut self, now: Timestamp) -> usize {
        let mut purged = 0;
        for (name, room) in &mut self.by_name {
            room.log.retain(|_, kept| {
                let stays = kept.posted_at >= now - REPLAYED_FOR;
                if !stays && let Some(offsets) = self.of_event.get_mut(&kept.event.id) {
                    offsets.remove(name);
                    if offsets.is_empty() {
                        self.of_event.remove(&kept.event.id);
                    }
                }
                purged += usize::from(!stays);
                stays
            });
        }
        purged
    }

    fn purge_members(&mut self, now: Timestamp) -> usize {
        let mut purged = 0;
        for (name, room) in &mut self.by_name {
            let Room { left, heard_from, .. } = room;
            left.retain(|user, left_at| {
                let stays = now - REMEMBERED_FOR < *left_at;
                if !stays {
                    heard_from.remove(user);
                }
                if !stays && let Some(rooms) = self.of_user.get_mut(user) {
                    rooms.remove(name);
                    if rooms.is_empty() {
                        self.of_user.remove(user);
                    }
                }
                purged += usize::from(!stays);
                stays
            });
        }
        purged
    }

    fn purge_tickets(&mut self, now: Timestamp) -> usize {
        let held = self.taken.len();
        self.taken.retain(|_, ends_at| now - TICKET_KEPT_FOR < *ends_at);
        held - self.taken.len()
    }

    fn purge_leases(&mut self, now: Timestamp) -> usize {
        let mut silent = self.silent(now - REMEMBERED_FOR);
        if !silent.is_empty() {
            for (_, _, node) in self.presences() {
                silent.remove(&node);
            }
        }
        self.leases.retain(|node, _| !silent.contains(node));
        silent.len()
    }

    fn purge_sockets(&mut self, now: Timestamp) -> usize {
        let mut purged = 0;
        self.sockets.retain(|_, nodes| {
            let held = nodes.len();
            nodes.retain(|node, (sockets, said_at)| {
                let runs = self.leases.get(node).is_some_and(|until| now - NONE_KEPT_FOR < *until);
                runs && (sockets.count > 0 || now - NONE_KEPT_FOR < *said_at)
            });
            purged += held - nodes.len();
            !nodes.is_empty()
        });
        purged
    }
}

fn of_room<'a>(name: &'a RoomId, room: &'a Room) -> impl Iterator<Item = (&'a RoomId, UserId, NodeId)> {
    room.present.iter().flat_map(move |(user, nodes)| nodes.iter().map(move |node| (name, *user, *node)))
}

/// Keeps rooms in memory.
#[derive(Debug)]
pub struct MemoryRoomStore {
    state: Arc<State>,
}

impl MemoryRoomStore {
    pub(crate) const fn new(state: Arc<State>) -> Self {
        Self { state }
    }
}

#[async_trait]
impl RoomStore for MemoryRoomStore {
    async fn enter(&self, entering: &Entering) -> Result<Entered, EnterError> {
        let Entering { room: name, user_id, node, sockets, is_bounded: _, epoch, event_id, now } = entering;
        let mut rooms = lock(&self.state.rooms);
        if entering.is_too_many(rooms.sockets_elsewhere(*user_id, *node, *now)) {
            return Err(EnterError::TooMany);
        }
        rooms.set_sockets(*user_id, *node, *sockets, *now);
        let Rooms { by_name, of_user, leases, .. } = &mut *rooms;
        leases.entry(*node).or_insert_with(|| *now + LEASED_FOR);
        let room = by_name.entry(name.clone()).or_insert_with(|| Room::new(*epoch));
        let nodes = room.present.entry(*user_id).or_default();
        if nodes.is_empty() {
            room.left.remove(user_id);
            of_user.entry(*user_id).or_default().insert(name.clone());
            let body = EventBody::RoomEntered { room: name.to_string() };
            self.state.append(Event { id: *event_id, user_id: *user_id, occurred_at: *now, body });
        }
        nodes.insert(*node);
        let heard_from = *room.heard_from.entry(*user_id).or_insert(room.last_offset);
        Ok(Entered { position: room.position(), present: room.present.keys().copied().collect(), heard_from })
    }

    async fn set_sockets(&self, node: NodeId, counts: &[(UserId, Sockets)], now: Timestamp) -> Result<(), Unavailable> {
        let mut rooms = lock(&self.state.rooms);
        for (user_id, sockets) in counts {
            rooms.set_sockets(*user_id, node, *sockets, now);
        }
        Ok(())
    }

    async fn redeem(&self, ticket: TicketId, ends_at: Timestamp) -> Result<bool, Unavailable> {
        Ok(lock(&self.state.rooms).taken.insert(ticket, ends_at).is_none())
    }

    async fn leave(&self, leaving: &Leaving) -> Result<(), Unavailable> {
        let Leaving { room: name, user_id, node, event_id, now, is_silent } = leaving;
        let mut rooms = lock(&self.state.rooms);
        let Rooms { by_name, leases, .. } = &mut *rooms;
        if *is_silent && leases.get(node).is_some_and(|until| now < until) {
            return Ok(());
        }
        leases.entry(*node).or_insert_with(|| *now + LEASED_FOR);
        let Some(room) = by_name.get_mut(name) else { return Ok(()) };
        let Some(nodes) = room.present.get_mut(user_id) else { return Ok(()) };
        nodes.remove(node);
        if nodes.is_empty() {
            room.present.remove(user_id);
            room.left.insert(*user_id, *now);
            let body = EventBody::RoomLeft { room: name.to_string() };
            self.state.append(Event { id: *event_id, user_id: *user_id, occurred_at: *now, body });
            rooms.forget_first(*user_id);
        }
        Ok(())
    }

    async fn renew(&self, node: NodeId, until: Timestamp, now: Timestamp) -> Result<bool, Unavailable> {
        let before = lock(&self.state.rooms).leases.insert(node, until);
        Ok(before.is_some_and(|before| now < before))
    }

    async fn expired(&self, now: Timestamp) -> Result<Vec<Presence>, Unavailable> {
        let rooms = lock(&self.state.rooms);
        let silent = rooms.silent(now);
        if silent.is_empty() {
            return Ok(Vec::new());
        }
        let expired = rooms.presences().filter(|(_, _, node)| silent.contains(node)).take(EXPIRED_MAX);
        Ok(expired.map(|(room, user_id, node)| Presence { room: room.clone(), user_id, node }).collect())
    }

    async fn post(&self, events: &[Event], broadcast: Broadcast, now: Timestamp) -> Result<(), Unavailable> {
        let mut rooms = lock(&self.state.rooms);
        for event in events.iter().filter(|event| is_logged(&event.body)) {
            rooms.post(event, broadcast, now);
            if matches!(event.body, EventBody::AccountDeleted { .. }) {
                rooms.forget(event.user_id);
            }
        }
        Ok(())
    }

    async fn posted(&self, events: &[EventId]) -> Result<Vec<Posted>, Unavailable> {
        let rooms = lock(&self.state.rooms);
        let posted = |(name, offset): (&RoomId, &u64)| {
            let room = rooms.by_name.get(name)?;
            let event = Event::clone(&room.log.get(offset)?.event);
            Some(Posted { room: name.clone(), entry: Entry { position: room.at(*offset), event } })
        };
        let offsets = events.iter().filter_map(|event| rooms.of_event.get(event)).flatten();
        let mut entries: Vec<Posted> = offsets.filter_map(posted).collect();
        entries.sort_by(|one, other| {
            (&one.room, one.entry.position.offset).cmp(&(&other.room, other.entry.position.offset))
        });
        entries.dedup();
        Ok(entries)
    }

    async fn since(
        &self,
        room: &RoomId,
        position: Position,
        until: u64,
        now: Timestamp,
    ) -> Result<Missed, Unavailable> {
        let rooms = lock(&self.state.rooms);
        let Some(room) = rooms.by_name.get(room) else { return Ok(Missed::Gone { now: None }) };
        let Position { epoch, offset } = position;
        let missed = (epoch == room.epoch).then(|| room.missed(offset, until, now)).flatten();
        Ok(missed.map_or_else(|| Missed::Gone { now: Some(room.position()) }, Missed::Entries))
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        let mut rooms = lock(&self.state.rooms);
        let purged = rooms.purge_logs(now)
            + rooms.purge_members(now)
            + rooms.purge_leases(now)
            + rooms.purge_sockets(now)
            + rooms.purge_tickets(now);
        let held = rooms.by_name.len();
        rooms.by_name.retain(|_, room| !room.is_forgotten());
        Ok(u64::try_from(purged + held - rooms.by_name.len()).unwrap_or(u64::MAX))
    }
}
