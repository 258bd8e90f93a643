//! Sessions, and what is refused of those that ended.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use frontdesk_kernel::{Listed, Page, Timestamp, Unavailable, UserId};
use frontdesk_profile::revocation::Revocation;
use frontdesk_profile::session::{
    EndSessions, Ending, OpenSession, Refresh, Refreshed, Session, decide_end, decide_open, decide_refresh,
};
use frontdesk_profile::{OpenSessionError, SessionKey, SessionStore};
use futures_util::FutureExt;
use futures_util::future::join;
use uuid::Uuid;

use crate::errors::vanished;
use crate::locked::{all, end, lock, lock_profile};
use crate::purge::purge;
use crate::rows::{RevocationRow, SessionRow};
use crate::schema::{revocations, sessions};
use crate::scoped::{Scope, Scoped};
use crate::write::write;

const JOB: Scope<'static> = Scope::Job("sessions");

/// The moment is asked twice: a session that is refreshed meanwhile is not over any more.
const PURGE_SESSIONS: &str = "DELETE FROM app.sessions WHERE expires_at <= $1 AND ctid = ANY (ARRAY(
    SELECT ctid FROM app.sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2))";

const PURGE_REVOCATIONS: &str = "DELETE FROM app.revocations WHERE until <= $1 AND ctid = ANY (ARRAY(
    SELECT ctid FROM app.revocations WHERE until <= $1 ORDER BY until LIMIT $2))";

/// Keeps sessions in Postgres.
pub struct PgSessionStore {
    scoped: Scoped,
    worker: Scoped,
}

impl PgSessionStore {
    pub(crate) const fn new(scoped: Scoped, worker: Scoped) -> Self {
        Self { scoped, worker }
    }
}

#[async_trait]
impl SessionStore for PgSessionStore {
    async fn open(&self, command: &OpenSession) -> Result<Option<Ending>, OpenSessionError> {
        let scope = [Scope::User(command.session.user_id)];
        self.scoped.transaction(&scope, |unit| open_locked(unit.connection, command).boxed()).await
    }

    async fn refresh(&self, command: &Refresh) -> Result<Refreshed, Unavailable> {
        let scope = [Scope::User(command.user_id)];
        self.scoped.transaction(&scope, |unit| refresh_locked(unit.connection, command).boxed()).await
    }

    async fn end(&self, command: &EndSessions) -> Result<Option<Ending>, Unavailable> {
        let scope = [Scope::User(command.user_id)];
        self.scoped.transaction(&scope, |unit| end_locked(unit.connection, command).boxed()).await
    }

    async fn list(&self, user: UserId, page: Page<SessionKey>, now: Timestamp) -> Result<Listed<Session>, Unavailable> {
        let Page { limit, offset, after } = page;
        let live = sessions::table
            .filter(sessions::user_id.eq(user.as_uuid()))
            .filter(sessions::expires_at.gt(now.as_datetime()));
        // Without a key, after one that is newer than all: so there is one statement to prepare.
        let newest = (DateTime::<Utc>::MAX_UTC, Uuid::max());
        let (at, id) = after.map_or(newest, |(at, id)| (at.as_datetime(), id.as_uuid()));
        let is_after = sessions::created_at.lt(at).or(sessions::created_at.eq(at).and(sessions::id.lt(id)));
        let rows = live
            .filter(is_after)
            .order((sessions::created_at.desc(), sessions::id.desc()))
            .offset(i64::from(offset))
            .limit(i64::from(limit) + 1)
            .select(SessionRow::as_select());
        let read = self.scoped.read(Scope::User(user), |connection| {
            let (mut for_rows, mut for_count) = (connection, connection);
            async move {
                let (rows, total) = join(rows.load(&mut for_rows), live.count().load(&mut for_count)).await;
                Ok((rows?, total?))
            }
            .boxed()
        });
        let (rows, total): (Vec<SessionRow>, Vec<i64>) = read.await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        let rows = rows.into_iter().take(limit).map(Session::try_from).collect::<Result<_, _>>()?;
        Ok(Listed { rows, total: total.into_iter().map(i64::unsigned_abs).sum(), has_more })
    }

    async fn revocations_of(&self, user: UserId, now: Timestamp) -> Result<Vec<Revocation>, Unavailable> {
        let of_user = revocations::table
            .filter(revocations::user_id.eq(user.as_uuid()))
            .filter(revocations::until.gt(now.as_datetime()))
            .select(RevocationRow::as_select());
        let read = self.scoped.read(Scope::User(user), |connection| of_user.load(&mut &*connection).boxed());
        let rows: Vec<RevocationRow> = read.await?;
        rows.into_iter().map(Revocation::try_from).collect()
    }

    async fn revocations(&self, now: Timestamp) -> Result<Vec<Revocation>, Unavailable> {
        let valid =
            revocations::table.filter(revocations::until.gt(now.as_datetime())).select(RevocationRow::as_select());
        let rows: Vec<RevocationRow> =
            self.worker.read(JOB, |connection| valid.load(&mut &*connection).boxed()).await?;
        rows.into_iter().map(Revocation::try_from).collect()
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        let sessions = purge(&self.worker, JOB, PURGE_SESSIONS, now).await?;
        Ok(sessions + purge(&self.worker, JOB, PURGE_REVOCATIONS, now).await?)
    }
}

async fn open_locked(
    connection: &AsyncPgConnection,
    command: &OpenSession,
) -> Result<Option<Ending>, OpenSessionError> {
    let OpenSession { session, seen: _, notice: _ } = command;
    let locked = lock(connection, session.user_id, session.created_at).await?.ok_or(OpenSessionError::Refused)?;
    let ending = decide_open(&locked.account, &locked.live, command).ok_or(OpenSessionError::Refused)?;
    let mut writes = ending.as_ref().map_or_else(|| Ok(Vec::new()), |ending| end(connection, ending))?;
    writes.push(write(connection, diesel::insert_into(sessions::table).values(SessionRow::from(session))));
    all(writes).await?;
    Ok(ending)
}

/// Takes the lock on the profile before that on the session, although only a reused token has an event to append, which
/// shows too late: after the session it would be the wrong way round. It goes out in the same flush, and only a change
/// of the same user's profile could wait for it.
async fn refresh_locked(connection: &AsyncPgConnection, command: &Refresh) -> Result<Refreshed, Unavailable> {
    let of_session = sessions::table
        .filter(sessions::id.eq(command.session_id.as_uuid()))
        .filter(sessions::user_id.eq(command.user_id.as_uuid()));
    let session = of_session.select(SessionRow::as_select()).for_update().load(&mut &*connection);
    let (profile, session) = join(lock_profile(connection, command.user_id), session).await;
    profile.map_err(Unavailable::new)?;
    let session: Vec<SessionRow> = session.map_err(Unavailable::new)?;
    let Some(row) = session.into_iter().next() else { return Ok(Refreshed::Refused) };
    let refreshed = decide_refresh(&row.try_into()?, command);
    match &refreshed {
        Refreshed::Rotated(rotated) => {
            let update = write(connection, diesel::update(of_session).set(SessionRow::from(rotated)));
            if update.await.map_err(Unavailable::new)? != 1 {
                return Err(vanished("sessions"));
            }
        }
        Refreshed::Reused(ending) => {
            all(end(connection, ending)?).await?;
        }
        Refreshed::Repeated(_) | Refreshed::Refused => {}
    }
    Ok(refreshed)
}

async fn end_locked(connection: &AsyncPgConnection, command: &EndSessions) -> Result<Option<Ending>, Unavailable> {
    let Some(locked) = lock(connection, command.user_id, command.now).await? else { return Ok(None) };
    let Some(ending) = decide_end(&locked.live, command) else { return Ok(None) };
    all(end(connection, &ending)?).await?;
    Ok(Some(ending))
}
