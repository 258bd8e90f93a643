//! Rooms: who is there, and the log of each.
//!
//! Every writer locks the rows of the rooms that it writes about before anything else, and where they are several, in
//! the order of their names; then, where somebody comes or goes, the user. So none waits for another in a circle. How many
//! sockets there are is said without a room, in the order of the users.

use async_trait::async_trait;
use diesel::dsl::sum;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Jsonb, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use frontdesk_kernel::{Event, EventBody, EventId, Timestamp, Unavailable, UserId};
use frontdesk_rooms::store::{
    Broadcast, ENDS_WITHIN, EXPIRED_MAX, EnterError, Entered, Entering, LEASED_FOR, Leaving, Missed, NodeId, Posted,
    Presence, REMEMBERED_MAX, Sockets, TicketId,
};
use frontdesk_rooms::{Position, RoomId, RoomStore};
use futures_util::FutureExt;
use futures_util::future::{join, join3};
use uuid::Uuid;

use crate::advisory::{Lock, hold};
use crate::errors::vanished;
use crate::locked::all;
use crate::rows::{PresenceRow, RoomRow};
use crate::schema::{room_members, room_nodes, room_presences, room_sockets, rooms};
use crate::scoped::{Scope, Scoped};
use crate::write::{write, write_returning};

mod log;
mod purge;

const JOB: Scope<'static> = Scope::Job("rooms");

/// Of how many users it is said at once how many sockets they have: none of them comes in meanwhile.
const COUNTS_AT_ONCE: usize = 500;

/// Begins a room. One that is there is locked and, for all that it says, not written.
const BEGIN_OR_LOCK: &str = "INSERT INTO app.rooms AS kept (id, epoch, last_offset) VALUES ($1, $2, 0)
    ON CONFLICT (id) DO UPDATE SET last_offset = kept.last_offset WHERE false";

const LOCK: &str = "SELECT FROM app.rooms WHERE id = $1 FOR UPDATE";

/// A lease that has run out is not begun again: its node would not learn that others have thought it dead. The lease is
/// not locked, or those who enter on one node would wait for each other; it may be purged meanwhile, and without a row
/// it has run out just the same.
const ENTER: &str = "WITH lease AS (
        INSERT INTO app.room_nodes (node_id, leased_until) VALUES ($3, $4) ON CONFLICT (node_id) DO NOTHING),
    presence AS (
        INSERT INTO app.room_presences (room_id, user_id, node_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING),
    counted AS (
        INSERT INTO app.room_sockets AS kept (user_id, node_id, sockets, serial, said_at) VALUES ($2, $3, $8, $9, $6)
        ON CONFLICT (user_id, node_id) DO UPDATE
        SET sockets = EXCLUDED.sockets, serial = EXCLUDED.serial, said_at = EXCLUDED.said_at
        WHERE kept.serial < EXCLUDED.serial),
    entered AS (
        INSERT INTO app.room_members AS kept (room_id, user_id, heard_from)
        SELECT id, $2, last_offset FROM app.rooms WHERE id = $1
        ON CONFLICT (user_id, room_id) DO UPDATE SET left_at = NULL WHERE kept.left_at IS NOT NULL
        RETURNING user_id)
    INSERT INTO app.outbox (id, user_id, occurred_at, body) SELECT $5, user_id, $6, $7 FROM entered";

const LEAVE: &str = "WITH lease AS (
        INSERT INTO app.room_nodes (node_id, leased_until) VALUES ($3, $4) ON CONFLICT (node_id) DO NOTHING),
    gone AS (
        DELETE FROM app.room_presences WHERE room_id = $1 AND user_id = $2 AND node_id = $3
            AND NOT ($8 AND EXISTS (SELECT FROM app.room_nodes WHERE node_id = $3 AND leased_until > $6))
        RETURNING user_id),
    has_left AS (
        UPDATE app.room_members AS kept SET left_at = $6 FROM gone
        WHERE kept.room_id = $1 AND kept.user_id = gone.user_id AND NOT EXISTS (
            SELECT FROM app.room_presences WHERE room_id = $1 AND user_id = $2 AND node_id <> $3)
        RETURNING kept.user_id)
    INSERT INTO app.outbox (id, user_id, occurred_at, body) SELECT $5, user_id, $6, $7 FROM has_left";

/// Rows that somebody holds, who changes them to say the opposite, are left for the next time.
const FORGET_FIRST: &str = "DELETE FROM app.room_members
    WHERE left_at IS NOT NULL AND user_id = $1 AND room_id = ANY (ARRAY(
        SELECT room_id FROM app.room_members WHERE user_id = $1 AND left_at IS NOT NULL
        ORDER BY left_at DESC, room_id DESC OFFSET $2 FOR UPDATE SKIP LOCKED))";

/// Also of whoever is not known to have any: what was said of them before may still arrive.
const SET_SOCKETS: &str = "INSERT INTO app.room_sockets AS kept (user_id, node_id, sockets, serial, said_at)
    SELECT user_id, $4, sockets, serial, $5 FROM unnest($1, $2, $3) AS said (user_id, sockets, serial)
    ON CONFLICT (user_id, node_id) DO UPDATE
    SET sockets = EXCLUDED.sockets, serial = EXCLUDED.serial, said_at = EXCLUDED.said_at
    WHERE kept.serial < EXCLUDED.serial";

const REDEEM: &str = "INSERT INTO app.room_tickets (id, ends_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";

/// The first part sees what was there before the second.
const RENEW: &str = "WITH held AS (SELECT leased_until FROM app.room_nodes WHERE node_id = $1),
    renewed AS (
        INSERT INTO app.room_nodes (node_id, leased_until) VALUES ($1, $2)
        ON CONFLICT (node_id) DO UPDATE SET leased_until = EXCLUDED.leased_until)
    SELECT EXISTS (SELECT FROM held WHERE leased_until > $3) AS still_ran";

/// Keeps rooms in Postgres.
pub struct PgRoomStore {
    scoped: Scoped,
}

impl PgRoomStore {
    pub(crate) const fn new(scoped: Scoped) -> Self {
        Self { scoped }
    }
}

/// What a lease was before it was renewed.
#[derive(QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
struct Renewed {
    #[diesel(sql_type = Bool)]
    still_ran: bool,
}

#[async_trait]
impl RoomStore for PgRoomStore {
    async fn enter(&self, entering: &Entering) -> Result<Entered, EnterError> {
        let scope = [Scope::User(entering.user_id), JOB];
        self.scoped.transaction(&scope, |unit| enter_locked(unit.connection, entering).boxed()).await
    }

    async fn set_sockets(&self, node: NodeId, counts: &[(UserId, Sockets)], now: Timestamp) -> Result<(), Unavailable> {
        // One that was given up may still be at work: two that lock the same rows do so in one order.
        let mut counts = counts.to_vec();
        counts.sort_unstable_by_key(|(user_id, _)| *user_id);
        let mut outcome = Ok(());
        for some in counts.chunks(COUNTS_AT_ONCE) {
            let users: Vec<_> = some.iter().map(|(user_id, _)| user_id.as_uuid()).collect();
            let counted = some.iter().map(|(_, sockets)| stored(*sockets));
            let (counts, serials): (Vec<i32>, Vec<i64>) = counted.collect::<Result<_, _>>()?;
            let set = || {
                sql_query(SET_SOCKETS)
                    .bind::<Array<SqlUuid>, _>(&users)
                    .bind::<Array<Integer>, _>(&counts)
                    .bind::<Array<BigInt>, _>(&serials)
                    .bind::<SqlUuid, _>(node.as_uuid())
                    .bind::<Timestamptz, _>(now.as_datetime())
            };
            let set = self.scoped.statement(JOB, |connection| write(connection, set())).await;
            outcome = outcome.and(set.map(drop));
        }
        outcome
    }

    async fn redeem(&self, ticket: TicketId, ends_at: Timestamp) -> Result<bool, Unavailable> {
        let redeem =
            || sql_query(REDEEM).bind::<SqlUuid, _>(ticket.as_uuid()).bind::<Timestamptz, _>(ends_at.as_datetime());
        let taken = self.scoped.statement(JOB, |connection| write(connection, redeem())).await?;
        Ok(taken == 1)
    }

    async fn leave(&self, leaving: &Leaving) -> Result<(), Unavailable> {
        let scope = [Scope::User(leaving.user_id), JOB];
        self.scoped.transaction(&scope, |unit| leave_locked(unit.connection, leaving).boxed()).await
    }

    async fn renew(&self, node: NodeId, until: Timestamp, now: Timestamp) -> Result<bool, Unavailable> {
        let renew = || {
            sql_query(RENEW)
                .bind::<SqlUuid, _>(node.as_uuid())
                .bind::<Timestamptz, _>(until.as_datetime())
                .bind::<Timestamptz, _>(now.as_datetime())
        };
        let renewed = self.scoped.statement(JOB, |connection| write_returning(connection, renew()));
        let renewed: Vec<Renewed> = renewed.await?;
        Ok(renewed.iter().any(|Renewed { still_ran }| *still_ran))
    }

    async fn expired(&self, now: Timestamp) -> Result<Vec<Presence>, Unavailable> {
        let most = i64::try_from(EXPIRED_MAX).map_err(Unavailable::new)?;
        let expired = || {
            let leases = room_nodes::table
                .filter(room_nodes::node_id.eq(room_presences::node_id))
                .filter(room_nodes::leased_until.gt(now.as_datetime()));
            let expired = room_presences::table.filter(diesel::dsl::not(diesel::dsl::exists(leases)));
            expired.limit(most).select(PresenceRow::as_select())
        };
        let read = self.scoped.read(JOB, |connection| expired().load(&mut &*connection).boxed());
        let rows: Vec<PresenceRow> = read.await?;
        rows.into_iter().map(Presence::try_from).collect()
    }

    async fn post(&self, events: &[Event], broadcast: Broadcast, now: Timestamp) -> Result<(), Unavailable> {
        log::post(&self.scoped, events, broadcast, now).await
    }

    async fn posted(&self, events: &[EventId]) -> Result<Vec<Posted>, Unavailable> {
        log::posted(&self.scoped, events).await
    }

    async fn since(
        &self,
        room: &RoomId,
        position: Position,
        until: u64,
        now: Timestamp,
    ) -> Result<Missed, Unavailable> {
        log::since(&self.scoped, room, position, until, now).await
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        purge::purge(&self.scoped, now).await
    }
}

async fn enter_locked(connection: &AsyncPgConnection, entering: &Entering) -> Result<Entered, EnterError> {
    let Entering { room, user_id, node, sockets, is_bounded: _, epoch, event_id, now } = entering;
    let body = EventBody::RoomEntered { room: room.to_string() };
    let event = Event { id: *event_id, user_id: *user_id, occurred_at: *now, body };
    let begin = sql_query(BEGIN_OR_LOCK).bind::<Text, _>(room.as_str()).bind::<SqlUuid, _>(epoch.as_uuid());
    // After the room, and only ever one of them: whoever enters by several nodes is counted once after the other.
    let lock_user = hold(connection, Lock::Rooms(*user_id));
    // A statement of its own: it sees what was committed before the lock was granted.
    let elsewhere = room_sockets::table
        .inner_join(room_nodes::table.on(room_nodes::node_id.eq(room_sockets::node_id)))
        .filter(room_sockets::user_id.eq(user_id.as_uuid()))
        .filter(room_sockets::node_id.ne(node.as_uuid()))
        .filter(room_nodes::leased_until.gt((*now + ENDS_WITHIN).as_datetime()))
        .select(sum(room_sockets::sockets))
        .load(&mut &*connection);
    let (count, serial) = stored(*sockets)?;
    let enter = change(ENTER, room, *node, &event)?.bind::<Integer, _>(count).bind::<BigInt, _>(serial);
    let end = rooms::table.find(room.to_string()).select(RoomRow::as_select()).load(&mut &*connection);
    let present = room_members::table
        .filter(room_members::room_id.eq(room.to_string()))
        .filter(room_members::left_at.is_null())
        .order(room_members::user_id)
        .select((room_members::user_id, room_members::heard_from))
        .load(&mut &*connection);
    let locks = join3(write(connection, begin), lock_user, elsewhere);
    let entered = join3(write(connection, enter), end, present);
    let ((room_locked, user_locked, elsewhere), (changed, end, present)) = join(locks, entered).await;
    room_locked.and(user_locked).map_err(Unavailable::new)?;
    let elsewhere: Vec<Option<i64>> = elsewhere.map_err(Unavailable::new)?;
    let elsewhere = usize::try_from(elsewhere.into_iter().flatten().sum::<i64>()).map_err(Unavailable::new)?;
    if entering.is_too_many(elsewhere) {
        // What was done meanwhile is taken back.
        return Err(EnterError::TooMany);
    }
    changed.map_err(Unavailable::new)?;
    let end: Vec<RoomRow> = end.map_err(Unavailable::new)?;
    let present: Vec<(Uuid, i64)> = present.map_err(Unavailable::new)?;
    let end = end.into_iter().next().ok_or_else(|| vanished("rooms"))?;
    let own = present.iter().find(|(id, _)| *id == user_id.as_uuid()).ok_or_else(|| vanished("room_members"))?;
    let heard_from = u64::try_from(own.1).map_err(Unavailable::new)?;
    let present = present.into_iter().map(|(id, _)| UserId::new(id)).collect();
    Ok(Entered { position: end.try_into()?, present, heard_from })
}

fn stored(sockets: Sockets) -> Result<(i32, i64), Unavailable> {
    let count = i32::try_from(sockets.count).map_err(Unavailable::new)?;
    Ok((count, i64::try_from(sockets.serial).map_err(Unavailable::new)?))
}

async fn leave_locked(connection: &AsyncPgConnection, leaving: &Leaving) -> Result<(), Unavailable> {
    let Leaving { room, user_id, node, event_id, now, is_silent } = leaving;
    let body = EventBody::RoomLeft { room: room.to_string() };
    let event = Event { id: *event_id, user_id: *user_id, occurred_at: *now, body };
    let lock = write(connection, sql_query(LOCK).bind::<Text, _>(room.to_string()));
    // A room that was not there to be locked may be there for the next statement, and its user on the way in again.
    let lock_user = hold(connection, Lock::Rooms(*user_id));
    // Whether the lease runs is asked by a statement that begins when the lock is held: a node that has come back comes
    // in again, and waits for the same lock.
    let leave = change(LEAVE, room, *node, &event)?.bind::<Bool, _>(*is_silent);
    let most = i64::try_from(REMEMBERED_MAX).map_err(Unavailable::new)?;
    let forget = sql_query(FORGET_FIRST).bind::<SqlUuid, _>(user_id.as_uuid()).bind::<BigInt, _>(most);
    all(vec![lock, lock_user, write(connection, leave), write(connection, forget)]).await.map(drop)
}

type Change = BoxedSqlQuery<'static, Pg, SqlQuery>;

/// Enters or leaves, and tells of it with the event if that changes whether the user is there.
fn change(sql: &'static str, room: &RoomId, node: NodeId, event: &Event) -> Result<Change, Unavailable> {
    let Event { id, user_id, occurred_at, body } = event;
    Ok(sql_query(sql)
        .into_boxed()
        .bind::<Text, _>(room.to_string())
        .bind::<SqlUuid, _>(user_id.as_uuid())
        .bind::<SqlUuid, _>(node.as_uuid())
        .bind::<Timestamptz, _>((*occurred_at + LEASED_FOR).as_datetime())
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<Timestamptz, _>(occurred_at.as_datetime())
        .bind::<Jsonb, _>(serde_json::to_value(body).map_err(Unavailable::new)?))
}
