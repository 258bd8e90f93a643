//! What rooms forget.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use frontdesk_kernel::{Timestamp, Unavailable};
use frontdesk_rooms::store::{NONE_KEPT_FOR, REMEMBERED_FOR, REPLAYED_FOR, TICKET_KEPT_FOR};
use futures_util::FutureExt;

use super::JOB;
use crate::purge::purge as in_batches;
use crate::schema::{room_entries, room_members, rooms};
use crate::scoped::Scoped;
use crate::write::write;

/// How many rooms one transaction locks at most.
const ROOMS: i64 = 1_000;

const ENTRIES: &str = "DELETE FROM app.room_entries WHERE posted_at < $1 AND ctid = ANY (ARRAY(
    SELECT ctid FROM app.room_entries WHERE posted_at < $1 ORDER BY posted_at LIMIT $2))";

/// Waits for nobody: whoever posts the end of several accounts removes members too, in another order.
const MEMBERS: &str = "DELETE FROM app.room_members WHERE left_at <= $1 AND ctid = ANY (ARRAY(
    SELECT ctid FROM app.room_members WHERE left_at <= $1 ORDER BY left_at LIMIT $2 FOR UPDATE SKIP LOCKED))";

const NODES: &str = "DELETE FROM app.room_nodes WHERE leased_until <= $1 AND node_id = ANY (ARRAY(
    SELECT node_id FROM app.room_nodes AS node WHERE leased_until <= $1 AND NOT EXISTS (
        SELECT FROM app.room_presences WHERE node_id = node.node_id)
    LIMIT $2 FOR UPDATE SKIP LOCKED))";

const SOCKETS: &str = "DELETE FROM app.room_sockets WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM app.room_sockets AS kept WHERE (sockets = 0 AND said_at <= $1) OR NOT EXISTS (
        SELECT FROM app.room_nodes WHERE node_id = kept.node_id AND leased_until > $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED))";

const TICKETS: &str = "DELETE FROM app.room_tickets WHERE ends_at <= $1 AND ctid = ANY (ARRAY(
    SELECT ctid FROM app.room_tickets WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2))";

pub(super) async fn purge(scoped: &Scoped, now: Timestamp) -> Result<u64, Unavailable> {
    let entries = in_batches(scoped, JOB, ENTRIES, now - REPLAYED_FOR).await?;
    let members = in_batches(scoped, JOB, MEMBERS, now - REMEMBERED_FOR).await?;
    let nodes = in_batches(scoped, JOB, NODES, now - REMEMBERED_FOR).await?;
    let sockets = in_batches(scoped, JOB, SOCKETS, now - NONE_KEPT_FOR).await?;
    let tickets = in_batches(scoped, JOB, TICKETS, now - TICKET_KEPT_FOR).await?;
    let mut purged = entries + members + nodes + sockets + tickets;
    loop {
        let forget = scoped.transaction(&[JOB], |unit| forget_empty(unit.connection).boxed());
        let (found, forgotten): (usize, usize) = forget.await?;
        purged += u64::try_from(forgotten).unwrap_or(u64::MAX);
        if i64::try_from(found).is_ok_and(|found| found < ROOMS) {
            return Ok(purged);
        }
    }
}

/// Forgets rooms of which nothing is left; tells how many seemed so and how many were.
///
/// Somebody may enter between the look and the lock, which changes other rows than that of the room. So whether a room
/// is empty is asked again by a statement that begins when the locks are held.
async fn forget_empty(connection: &AsyncPgConnection) -> Result<(usize, usize), Unavailable> {
    let members = || room_members::table.filter(room_members::room_id.eq(rooms::id));
    let entries = || room_entries::table.filter(room_entries::room_id.eq(rooms::id));
    let empty = rooms::table
        .filter(not(exists(members())))
        .filter(not(exists(entries())))
        .order(rooms::id)
        .limit(ROOMS)
        .select(rooms::id)
        .for_update()
        .skip_locked()
        .load(&mut &*connection);
    let found: Vec<String> = empty.await.map_err(Unavailable::new)?;
    if found.is_empty() {
        return Ok((0, 0));
    }
    let count = found.len();
    let empty =
        rooms::table.filter(rooms::id.eq_any(found)).filter(not(exists(members()))).filter(not(exists(entries())));
    let forgotten = write(connection, diesel::delete(empty)).await.map_err(Unavailable::new)?;
    Ok((count, forgotten))
}
