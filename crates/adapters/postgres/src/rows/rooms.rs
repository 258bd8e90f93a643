//! Rows about rooms.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use frontdesk_kernel::{Event, EventBody, Timestamp, Unavailable, UserId};
use frontdesk_rooms::store::{Entry, NodeId, Posted, Presence};
use frontdesk_rooms::{Epoch, Position, RoomId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::EventRow;
use crate::errors::corrupt;
use crate::schema::{room_entries, room_presences, rooms};

fn room_id(column: &str, stored: &str) -> Result<RoomId, Unavailable> {
    stored.parse().map_err(|_| corrupt(column, stored))
}

fn offset(column: &str, stored: i64) -> Result<u64, Unavailable> {
    u64::try_from(stored).map_err(|_| corrupt(column, &stored.to_string()))
}

/// What is told of a row of `rooms`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = rooms, check_for_backend(diesel::pg::Pg))]
pub(crate) struct RoomRow {
    epoch: Uuid,
    last_offset: i64,
}

impl TryFrom<RoomRow> for Position {
    type Error = Unavailable;

    /// The end of the log.
    fn try_from(row: RoomRow) -> Result<Self, Unavailable> {
        let RoomRow { epoch, last_offset } = row;
        Ok(Self { epoch: Epoch::new(epoch), offset: offset("rooms.last_offset", last_offset)? })
    }
}

/// A row of `room_presences`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = room_presences, check_for_backend(diesel::pg::Pg))]
#[expect(clippy::struct_field_names, reason = "the names of the columns")]
pub(crate) struct PresenceRow {
    room_id: String,
    user_id: Uuid,
    node_id: Uuid,
}

impl TryFrom<PresenceRow> for Presence {
    type Error = Unavailable;

    fn try_from(row: PresenceRow) -> Result<Self, Unavailable> {
        let PresenceRow { room_id: room, user_id, node_id } = row;
        let room = room_id("room_presences.room_id", &room)?;
        Ok(Self { room, user_id: UserId::new(user_id), node: NodeId::new(node_id) })
    }
}

/// A row of `room_entries`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = room_entries, check_for_backend(diesel::pg::Pg))]
pub(crate) struct EntryRow {
    room_id: String,
    room_offset: i64,
    event_id: Uuid,
    user_id: Uuid,
    occurred_at: DateTime<Utc>,
    posted_at: DateTime<Utc>,
    body: Value,
}

impl EntryRow {
    /// The entry of a log, and when it was posted.
    pub(crate) fn posted(self, epoch: Epoch) -> Result<(Posted, Timestamp), Unavailable> {
        let Self { room_id: room, room_offset, event_id, user_id, occurred_at, posted_at, body } = self;
        let room = room_id("room_entries.room_id", &room)?;
        let offset = offset("room_entries.room_offset", room_offset)?;
        // While a release rolls out, a newer node may write what this one does not know. It keeps its place in the log, and
        // an event that rooms are told nothing of stands there.
        let kind = body.get("type").and_then(Value::as_str);
        let is_newer = kind.is_some_and(|kind| !EventBody::TYPES.contains(&kind));
        let body = if is_newer { json!({ "type": "account_created" }) } else { body };
        let event = Event::try_from(EventRow { id: event_id, user_id, occurred_at, body })?;
        let entry = Entry { position: Position { epoch, offset }, event };
        Ok((Posted { room, entry }, Timestamp::new(posted_at)))
    }
}
