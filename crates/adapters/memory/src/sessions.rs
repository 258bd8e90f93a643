//! Sessions.

use std::cmp::Reverse;
use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::{Listed, Page, Timestamp, Unavailable, UserId};
use frontdesk_profile::revocation::Revocation;
use frontdesk_profile::session::{
    EndSessions, Ending, OpenSession, Refresh, Refreshed, Session, decide_end, decide_open, decide_refresh,
};
use frontdesk_profile::{OpenSessionError, SessionKey, SessionStore};

use crate::lock::{lock, read, write};
use crate::state::State;

/// Keeps sessions in memory.
#[derive(Debug)]
pub struct MemorySessionStore {
    state: Arc<State>,
}

impl MemorySessionStore {
    pub(crate) const fn new(state: Arc<State>) -> Self {
        Self { state }
    }
}

#[async_trait]
impl SessionStore for MemorySessionStore {
    async fn open(&self, command: &OpenSession) -> Result<Option<Ending>, OpenSessionError> {
        let OpenSession { session, seen: _, notice: _ } = command;
        let mut rows = write(self.state.rows_of(session.user_id));
        let row = rows.get_mut(&session.user_id).ok_or(OpenSessionError::Refused)?;
        let live = row.live(session.created_at);
        let ending = decide_open(&row.account, &live, command).ok_or(OpenSessionError::Refused)?;
        if let Some(ending) = &ending {
            self.state.end(row, ending);
        }
        row.sessions.push(session.clone());
        Ok(ending)
    }

    async fn refresh(&self, command: &Refresh) -> Result<Refreshed, Unavailable> {
        let mut rows = write(self.state.rows_of(command.user_id));
        let Some(row) = rows.get_mut(&command.user_id) else { return Ok(Refreshed::Refused) };
        let Some(session) = row.sessions.iter_mut().find(|session| session.id == command.session_id) else {
            return Ok(Refreshed::Refused);
        };
        let refreshed = decide_refresh(session, command);
        match &refreshed {
            Refreshed::Rotated(rotated) => *session = rotated.clone(),
            Refreshed::Reused(ending) => self.state.end(row, ending),
            Refreshed::Repeated(_) | Refreshed::Refused => {}
        }
        Ok(refreshed)
    }

    async fn end(&self, command: &EndSessions) -> Result<Option<Ending>, Unavailable> {
        let mut rows = write(self.state.rows_of(command.user_id));
        let Some(row) = rows.get_mut(&command.user_id) else { return Ok(None) };
        let ending = decide_end(&row.live(command.now), command);
        if let Some(ending) = &ending {
            self.state.end(row, ending);
        }
        Ok(ending)
    }

    async fn list(&self, user: UserId, page: Page<SessionKey>, now: Timestamp) -> Result<Listed<Session>, Unavailable> {
        let Page { limit, offset, after } = page;
        let rows = read(self.state.rows_of(user));
        let all = rows.get(&user).map_or(&[][..], |row| &row.sessions);
        let mut live: Vec<_> = all.iter().filter(|session| now < session.expires_at).collect();
        let key = |session: &Session| (session.created_at, session.id);
        live.sort_by_key(|session| Reverse(key(session)));
        let total = u64::try_from(live.len()).unwrap_or(u64::MAX);
        let (limit, offset) =
            (usize::try_from(limit).unwrap_or(usize::MAX), usize::try_from(offset).unwrap_or(usize::MAX));
        let mut rest = live.into_iter().filter(|session| after.is_none_or(|after| key(session) < after)).skip(offset);
        let rows: Vec<_> = rest.by_ref().take(limit).cloned().collect();
        Ok(Listed { rows, total, has_more: rest.next().is_some() })
    }

    async fn revocations_of(&self, user: UserId, now: Timestamp) -> Result<Vec<Revocation>, Unavailable> {
        let revocations = lock(&self.state.revocations);
        let of_user = revocations.get(&user).into_iter().flatten();
        Ok(of_user.filter(|revocation| now < revocation.until).copied().collect())
    }

    async fn revocations(&self, now: Timestamp) -> Result<Vec<Revocation>, Unavailable> {
        let revocations = lock(&self.state.revocations);
        Ok(revocations.values().flatten().filter(|revocation| now < revocation.until).copied().collect())
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        let mut purged = 0;
        for rows in self.state.shards() {
            for row in write(rows).values_mut() {
                let held = row.sessions.len();
                row.sessions.retain(|session| now < session.expires_at);
                purged += held - row.sessions.len();
            }
        }
        lock(&self.state.revocations).retain(|_, of_user| {
            let held = of_user.len();
            of_user.retain(|revocation| now < revocation.until);
            purged += held - of_user.len();
            !of_user.is_empty()
        });
        Ok(u64::try_from(purged).unwrap_or(u64::MAX))
    }
}
