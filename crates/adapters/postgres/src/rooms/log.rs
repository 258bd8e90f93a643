//! The logs of rooms.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Jsonb, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use frontdesk_kernel::{Event, EventBody, EventId, Timestamp, Unavailable};
use frontdesk_rooms::store::{Broadcast, Entry, Missed, Posted, REMEMBERED_FOR, REPLAYED_FOR, REPLAYED_MAX, is_logged};
use frontdesk_rooms::{Epoch, Position, RoomId};
use futures_util::FutureExt;
use futures_util::future::join;
use serde_json::Value;
use uuid::Uuid;

use super::JOB;
use crate::locked::all;
use crate::rows::{EntryRow, RoomRow};
use crate::schema::{room_entries, rooms};
use crate::scoped::Scoped;
use crate::write::{write, write_returning};

/// How many rooms one transaction writes to: few enough for its deadline, however many hear of a batch. Rooms are on their
/// own: where it ends half-way, the next try finds what is left.
const ROOMS_AT_ONCE: usize = 200;

/// In the order in which everybody locks rooms.
const LOCK_ALL: &str = "SELECT FROM app.rooms WHERE id = ANY ($1) ORDER BY id FOR UPDATE";

/// A room that was forgotten and began again since it was found is not locked: its epoch tells it apart.
const APPEND: &str = "WITH said AS (
        SELECT * FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS said (event_id, user_id, occurred_at, body, place)),
    heard AS ({heard}),
    new AS (
        SELECT heard.*, room.last_offset + row_number() OVER (PARTITION BY room.id ORDER BY heard.place) AS room_offset
        FROM heard JOIN app.rooms AS room ON room.id = heard.room_id WHERE room.epoch = ANY ($6) AND NOT EXISTS (
            SELECT FROM app.room_entries AS kept WHERE kept.event_id = heard.event_id AND kept.room_id = room.id)),
    counted AS (
        UPDATE app.rooms AS room SET last_offset = ends.last_offset
        FROM (SELECT room_id, max(room_offset) AS last_offset FROM new GROUP BY room_id) AS ends
        WHERE room.id = ends.room_id)
    INSERT INTO app.room_entries (room_id, room_offset, event_id, user_id, occurred_at, posted_at, body)
    SELECT room_id, room_offset, event_id, user_id, occurred_at, $7, body FROM new";

const HEARD_BY_MEMBERS: &str = "SELECT kept.room_id, said.* FROM said
    JOIN app.room_members AS kept ON kept.user_id = said.user_id AND kept.room_id = ANY ($5)
    WHERE kept.left_at IS NULL OR kept.left_at > $8";

const HEARD_BY_ALL: &str = "SELECT kept.id AS room_id, said.* FROM said
    CROSS JOIN app.rooms AS kept WHERE kept.id = ANY ($5)";

/// What is held is read once, by the events: asked for each room, it may be a scan of all logs.
const FIND_OF_MEMBERS: &str = "WITH held AS MATERIALIZED (
        SELECT event_id, room_id FROM app.room_entries WHERE event_id = ANY ($1))
    SELECT id, epoch FROM app.rooms WHERE id = ANY (ARRAY(
        SELECT kept.room_id FROM unnest($1, $2) AS said (event_id, user_id)
        JOIN app.room_members AS kept ON kept.user_id = said.user_id
        WHERE kept.user_id = ANY ($3) OR ((kept.left_at IS NULL OR kept.left_at > $4)
            AND (said.event_id, kept.room_id) NOT IN (SELECT event_id, room_id FROM held))))";

const FIND_OF_ALL: &str = "SELECT room.id, room.epoch FROM app.rooms AS room LEFT JOIN (
        SELECT room_id, count(*) AS events FROM app.room_entries WHERE event_id = ANY ($1) GROUP BY room_id
    ) AS held ON held.room_id = room.id
    WHERE held.events IS DISTINCT FROM cardinality($1)
    OR room.id IN (SELECT room_id FROM app.room_members WHERE user_id = ANY ($2))";

const FORGET_PRESENCES: &str = "DELETE FROM app.room_presences WHERE user_id = ANY ($1) AND room_id = ANY ($2)";

const FORGET_MEMBERS: &str = "DELETE FROM app.room_members WHERE user_id = ANY ($1) AND room_id = ANY ($2)";

/// A room, in its present life.
#[derive(QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
struct Found {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = SqlUuid)]
    epoch: Uuid,
}

/// Events that go into logs, in columns.
struct Batch {
    ids: Vec<Uuid>,
    users: Vec<Uuid>,
    occurred: Vec<DateTime<Utc>>,
    bodies: Vec<Value>,
    /// Those of the users whom a deletion is told of.
    deleted: Vec<Uuid>,
    broadcast: Broadcast,
    now: Timestamp,
}

impl Batch {
    /// Each once. Whoever is deleted is a member no more when the next event is posted.
    fn new(events: &[Event], broadcast: Broadcast, now: Timestamp) -> Result<Self, Unavailable> {
        let (ids, users, occurred, bodies, deleted) = (vec![], vec![], vec![], vec![], vec![]);
        let mut batch = Self { ids, users, occurred, bodies, deleted, broadcast, now };
        let (mut seen, mut forgotten) = (HashSet::new(), HashSet::new());
        for Event { id, user_id, occurred_at, body } in events.iter().filter(|event| is_logged(&event.body)) {
            let is_heard = broadcast == Broadcast::All || !forgotten.contains(user_id);
            if is_heard && seen.insert(id) {
                batch.ids.push(id.as_uuid());
                batch.users.push(user_id.as_uuid());
                batch.occurred.push(occurred_at.as_datetime());
                batch.bodies.push(serde_json::to_value(body).map_err(Unavailable::new)?);
            }
            if matches!(body, EventBody::AccountDeleted { .. }) && forgotten.insert(user_id) {
                batch.deleted.push(user_id.as_uuid());
            }
        }
        Ok(batch)
    }

    fn forgets_who_left_until(&self) -> DateTime<Utc> {
        (self.now - REMEMBERED_FOR).as_datetime()
    }
}

pub(super) async fn post(
    scoped: &Scoped,
    events: &[Event],
    broadcast: Broadcast,
    now: Timestamp,
) -> Result<(), Unavailable> {
    let batch = Batch::new(events, broadcast, now)?;
    if batch.ids.is_empty() {
        return Ok(());
    }
    // Most events are of users who are in no room: this is all that they cost.
    let found = find(scoped, &batch).await?;
    for some in found.chunks(ROOMS_AT_ONCE) {
        scoped.transaction(&[JOB], |unit| append(unit.connection, &batch, some).boxed()).await?;
    }
    Ok(())
}

/// The rooms that have to hear something of a batch, each with the epoch of its present life. Those that hold all of it
/// are left out: however many try to post it, and are stopped half-way, each gets further.
async fn find(scoped: &Scoped, batch: &Batch) -> Result<Vec<Found>, Unavailable> {
    let Batch { ids, users, deleted, broadcast, .. } = batch;
    let of_members = || {
        sql_query(FIND_OF_MEMBERS)
            .bind::<Array<SqlUuid>, _>(ids.clone())
            .bind::<Array<SqlUuid>, _>(users.clone())
            .bind::<Array<SqlUuid>, _>(deleted.clone())
            .bind::<Timestamptz, _>(batch.forgets_who_left_until())
    };
    let of_all =
        || sql_query(FIND_OF_ALL).bind::<Array<SqlUuid>, _>(ids.clone()).bind::<Array<SqlUuid>, _>(deleted.clone());
    match broadcast {
        Broadcast::Members => scoped.read(JOB, |connection| write_returning(connection, of_members())).await,
        Broadcast::All => scoped.read(JOB, |connection| write_returning(connection, of_all())).await,
    }
}

async fn append(connection: &AsyncPgConnection, batch: &Batch, rooms: &[Found]) -> Result<(), Unavailable> {
    let (names, epochs): (Vec<_>, Vec<_>) = rooms.iter().map(|Found { id, epoch }| (id.clone(), *epoch)).unzip();
    let Batch { ids, users, occurred, bodies, deleted, broadcast, now } = batch;
    let heard = match broadcast {
        Broadcast::Members => HEARD_BY_MEMBERS,
        Broadcast::All => HEARD_BY_ALL,
    };
    let append = sql_query(APPEND.replace("{heard}", heard))
        .bind::<Array<SqlUuid>, _>(ids)
        .bind::<Array<SqlUuid>, _>(users)
        .bind::<Array<Timestamptz>, _>(occurred)
        .bind::<Array<Jsonb>, _>(bodies)
        .bind::<Array<Text>, _>(&names)
        .bind::<Array<SqlUuid>, _>(epochs)
        .bind::<Timestamptz, _>(now.as_datetime())
        .bind::<Timestamptz, _>(batch.forgets_who_left_until());
    let mut writes = vec![
        write(connection, sql_query(LOCK_ALL).bind::<Array<Text>, _>(&names)),
        // A statement of its own: it sees what was committed before the locks were granted.
        write(connection, append),
    ];
    if !deleted.is_empty() {
        let forget =
            |sql: &str| sql_query(sql).bind::<Array<SqlUuid>, _>(deleted.clone()).bind::<Array<Text>, _>(names.clone());
        writes.push(write(connection, forget(FORGET_PRESENCES)));
        writes.push(write(connection, forget(FORGET_MEMBERS)));
    }
    all(writes).await.map(|_| ())
}

pub(super) async fn posted(scoped: &Scoped, events: &[EventId]) -> Result<Vec<Posted>, Unavailable> {
    let ids: Vec<Uuid> = events.iter().map(|id| id.as_uuid()).collect();
    let entries = room_entries::table
        .inner_join(rooms::table.on(rooms::id.eq(room_entries::room_id)))
        .filter(room_entries::event_id.eq_any(ids))
        .order((room_entries::room_id, room_entries::room_offset))
        .select((rooms::epoch, EntryRow::as_select()));
    let rows: Vec<(Uuid, EntryRow)> =
        scoped.read(JOB, |connection| entries.clone().load(&mut &*connection).boxed()).await?;
    rows.into_iter().map(|(epoch, row)| row.posted(Epoch::new(epoch)).map(|(posted, _)| posted)).collect()
}

pub(super) async fn since(
    scoped: &Scoped,
    room: &RoomId,
    position: Position,
    until: u64,
    now: Timestamp,
) -> Result<Missed, Unavailable> {
    // No log is as long as that.
    let stored = |offset| i64::try_from(offset).unwrap_or(i64::MAX);
    let limit = i64::try_from(REPLAYED_MAX).map_err(Unavailable::new)? + 1;
    let end = rooms::table.find(room.to_string()).select(RoomRow::as_select());
    let entries = room_entries::table
        .filter(room_entries::room_id.eq(room.to_string()))
        .filter(room_entries::room_offset.gt(stored(position.offset)))
        .filter(room_entries::room_offset.le(stored(until)))
        .order(room_entries::room_offset)
        .limit(limit)
        .select(EntryRow::as_select());
    let read = scoped.read(JOB, |connection| {
        let (mut for_end, mut for_entries) = (connection, connection);
        let (end, entries) = (end.clone(), entries.clone());
        async move {
            let (end, entries) = join(end.load(&mut for_end), entries.load(&mut for_entries)).await;
            Ok((end?, entries?))
        }
        .boxed()
    });
    let (end, entries): (Vec<RoomRow>, Vec<EntryRow>) = read.await?;
    let Some(end) = end.into_iter().next() else { return Ok(Missed::Gone { now: None }) };
    let end = Position::try_from(end)?;
    let entries = entries.into_iter().map(|row| row.posted(end.epoch)).collect::<Result<Vec<_>, _>>()?;
    Ok(missed(end, position, until, entries, now).map_or(Missed::Gone { now: Some(end) }, Missed::Entries))
}

/// The entries from a position to `until`, of those that were read after the end was, if they can be asked for.
fn missed(
    end: Position,
    from: Position,
    until: u64,
    entries: Vec<(Posted, Timestamp)>,
    now: Timestamp,
) -> Option<Vec<Entry>> {
    let until = until.min(end.offset);
    let count = usize::try_from(until.saturating_sub(from.offset)).ok()?;
    if from.epoch != end.epoch || from.offset > end.offset || count > REPLAYED_MAX {
        return None;
    }
    let mut missed = Vec::with_capacity(count);
    for (Posted { room: _, entry }, posted_at) in entries.into_iter().take(count) {
        let can_be_asked_for = entry.position.offset <= until && posted_at >= now - REPLAYED_FOR;
        missed.push(can_be_asked_for.then_some(entry)?);
    }
    (missed.len() == count).then_some(missed)
}
