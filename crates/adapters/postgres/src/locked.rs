//! The lock that everything of an account is changed under.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use frontdesk_kernel::{SessionId, Timestamp, Unavailable, UserId};
use frontdesk_profile::account::Account;
use frontdesk_profile::session::Ending;
use futures_util::future::{BoxFuture, join_all, join3};
use uuid::Uuid;

use crate::rows::{EventRow, UserRow, revoked};
use crate::schema::{outbox, profiles, sessions, users};
use crate::write::write;

/// An account, locked, and what its sessions are decided on.
pub(crate) struct Locked {
    pub(crate) account: Account,
    /// The sessions that have not run out, the one seen least recently first.
    pub(crate) live: Vec<SessionId>,
}

/// Locks an account; `None` where there is none, or only its tombstone. One flush.
///
/// Everybody locks in the order of `users`, `profiles`, `sessions`, `pictures`, so that no two wait for each other.
/// Whoever appends an event of a user holds the lock on the profile: so events of one user are numbered in the order of
/// their commits.
pub(crate) async fn lock(
    connection: &AsyncPgConnection,
    user: UserId,
    now: Timestamp,
) -> Result<Option<Locked>, Unavailable> {
    let account = users::table
        .find(user.as_uuid())
        .filter(users::deleted_at.is_null())
        .select(UserRow::as_select())
        .for_update()
        .load(&mut &*connection);
    // Behind the locks, so that nobody opens or ends one meanwhile.
    let live = sessions::table
        .filter(sessions::user_id.eq(user.as_uuid()))
        .filter(sessions::expires_at.gt(now.as_datetime()))
        .order((sessions::last_seen_at, sessions::id))
        .select(sessions::id)
        .load(&mut &*connection);
    let (account, profile, live) = join3(account, lock_profile(connection, user), live).await;
    let account: Vec<UserRow> = account.map_err(Unavailable::new)?;
    profile.map_err(Unavailable::new)?;
    let live: Vec<Uuid> = live.map_err(Unavailable::new)?;
    let live = live.into_iter().map(SessionId::new).collect();
    Ok(account.into_iter().next().map(|row| Locked { account: row.into(), live }))
}

/// Locks a profile, and with it the order of its user's events.
pub(crate) async fn lock_profile(connection: &AsyncPgConnection, user: UserId) -> QueryResult<()> {
    let version = profiles::table.find(user.as_uuid()).select(profiles::version).for_update();
    let _: Vec<i64> = version.load(&mut &*connection).await?;
    Ok(())
}

/// Ends sessions: their rows go, and what is refused and told from now on is stored.
pub(crate) fn end<'c>(
    connection: &'c AsyncPgConnection,
    ending: &Ending,
) -> Result<Vec<BoxFuture<'c, QueryResult<usize>>>, Unavailable> {
    let Ending { sessions, revocations, event } = ending;
    let user = event.user_id.as_uuid();
    let ids: Vec<Uuid> = sessions.iter().map(|session| session.as_uuid()).collect();
    let ended = sessions::table.filter(sessions::user_id.eq(user)).filter(sessions::id.eq_any(ids));
    Ok(vec![
        write(connection, diesel::delete(ended)),
        write(connection, revoked(revocations)),
        write(connection, diesel::insert_into(outbox::table).values(EventRow::try_from(event)?)),
    ])
}

/// Waits for statements that went out together; the first failure counts. Tells how many rows the first touched.
pub(crate) async fn all(writes: Vec<BoxFuture<'_, QueryResult<usize>>>) -> Result<usize, Unavailable> {
    let touched: QueryResult<Vec<usize>> = join_all(writes).await.into_iter().collect();
    Ok(touched.map_err(Unavailable::new)?.into_iter().next().unwrap_or(0))
}
