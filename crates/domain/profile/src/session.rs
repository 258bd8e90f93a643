//! Sessions: a sign-in and everything refreshed from it. The session is the refresh token family.

use std::time::Duration;

use frontdesk_kernel::{Event, EventBody, EventId, SessionId, Timestamp, UserId};
use uuid::Uuid;

use crate::account::Account;
use crate::password::PasswordHash;
use crate::refresh_token::Digest;
use crate::revocation::{Remember, Revocation};

mod client;
#[cfg(test)]
mod tests;

pub use client::Client;

/// How long a session lives without a refresh.
pub const IDLE_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// How long the token before the present one still gets the same answer: a lost reply is no logout.
pub const REPEATABLE_FOR: Duration = Duration::from_secs(30);

/// The most sessions of one user; the one that was seen least recently gives way. It also bounds what one event names.
pub const MOST_SESSIONS: usize = 100;

/// A sign-in on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The `sid` of its tokens.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// On what it runs, as the client said.
    pub client: Client,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub last_seen_at: Timestamp,
    /// When the user proved who they are.
    pub authenticated_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Its refresh tokens.
    pub rotation: Rotation,
}

/// Where the rotation of a session's refresh tokens stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Of the proof that all tokens of the session share.
    pub family: Digest,
    /// Of the one token that is good.
    pub current: Digest,
    /// The token before it.
    pub previous: Option<Spent>,
    /// When the present token was issued, and the access token with it.
    pub rotated_at: Timestamp,
    /// The id of that access token.
    pub access_token_id: Uuid,
}

/// A refresh token that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Of the token.
    pub digest: Digest,
    /// The secret of its successor, readable with this token alone.
    pub sealed: [u8; 32],
}

/// The command to refresh a session.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// Whose session.
    pub user_id: UserId,
    /// Which.
    pub session_id: SessionId,
    /// Of the family's proof, as presented.
    pub family: Digest,
    /// Of the token, as presented.
    pub presented: Digest,
    /// Of the token to come.
    pub next: Digest,
    /// The secret of the token to come, under the presented one.
    pub sealed: [u8; 32],
    /// The id of the access token to come.
    pub access_token_id: Uuid,
    /// The moment of it.
    pub now: Timestamp,
    /// For what has to be told.
    pub notice: Notice,
}

/// What the end of a session needs besides itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// The id of the event.
    pub event_id: EventId,
    /// How long what is refused has to be remembered.
    pub remember: Remember,
}

/// What becomes of a refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The session goes on with new tokens.
    Rotated(Session),
    /// The answer was given before and is given again; nothing changes.
    Repeated(Session),
    /// A token was used that had been used before: somebody has a copy, so that the session ends.
    Reused(Ending),
    /// No token of this session, or the session is over.
    Refused,
}

/// Sessions that end, all that is stored of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The sessions whose rows go.
    pub sessions: Vec<SessionId>,
    /// What is refused from now on.
    pub revocations: Vec<Revocation>,
    /// What is told.
    pub event: Event,
}

impl Ending {
    fn new(user_id: UserId, sessions: Vec<SessionId>, everywhere: bool, now: Timestamp, notice: Notice) -> Self {
        let body = EventBody::SessionsEnded { sessions: sessions.clone(), everywhere };
        let event = Event { id: notice.event_id, user_id, occurred_at: now, body };
        Self { sessions, revocations: Revocation::of(&event, notice.remember), event }
    }

    /// Every session of a user, at a change of password.
    pub(crate) fn everywhere(user_id: UserId, live: &[SessionId], now: Timestamp, notice: Notice) -> Self {
        Self::new(user_id, live.to_vec(), true, now, notice)
    }
}

/// Decides a refresh. Pure; the store calls it on the locked session.
pub fn decide_refresh(session: &Session, command: &Refresh) -> Refreshed {
    let Refresh { user_id, session_id, family, presented, next, sealed, access_token_id, now, notice } = command;
    let rotation = &session.rotation;
    if *now >= session.expires_at || *user_id != session.user_id || *family != rotation.family {
        return Refreshed::Refused;
    }
    if *presented == rotation.current {
        return Refreshed::Rotated(Session {
            last_seen_at: *now,
            expires_at: *now + IDLE_LIFETIME,
            rotation: Rotation {
                family: rotation.family,
                current: *next,
                previous: Some(Spent { digest: *presented, sealed: *sealed }),
                rotated_at: *now,
                access_token_id: *access_token_id,
            },
            ..session.clone()
        });
    }
    let is_last = rotation.previous.is_some_and(|spent| spent.digest == *presented);
    if is_last && now.since(rotation.rotated_at) <= REPEATABLE_FOR {
        return Refreshed::Repeated(session.clone());
    }
    Refreshed::Reused(Ending::new(*user_id, vec![*session_id], false, *now, *notice))
}

/// The command to open a session for somebody who has just proved who they are.
#[derive(Debug, Clone)]
pub struct OpenSession {
    /// The session.
    pub session: Session,
    /// The password that was proved; another one stored meanwhile refuses the session.
    pub seen: Option<PasswordHash>,
    /// For a session that has to give way.
    pub notice: Notice,
}

/// Decides whether a session opens, and which one gives way to it. `live` are the sessions of the user, the one seen
/// least recently first. Pure; the store calls it on the locked account.
pub fn decide_open(account: &Account, live: &[SessionId], command: &OpenSession) -> Option<Option<Ending>> {
    let OpenSession { session, seen, notice } = command;
    if account.password != *seen {
        return None;
    }
    let too_many = (live.len() + 1).saturating_sub(MOST_SESSIONS);
    let gone: Vec<_> = live.iter().copied().take(too_many).collect();
    let ending = (!gone.is_empty()).then(|| Ending::new(account.id, gone, false, session.created_at, *notice));
    Some(ending)
}

/// Which sessions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// One of the user's.
    One(SessionId),
    /// The one whose token asks for it; that of a trusted issuer has no row.
    Bearer(SessionId),
    /// All, and with them the one whose token asks for it.
    All {
        /// That one.
        bearer: SessionId,
    },
}

/// The command to end sessions.
#[derive(Debug, Clone, Copy)]
pub struct EndSessions {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub which: Which,
    /// The moment of it.
    pub now: Timestamp,
    /// For what has to be told.
    pub notice: Notice,
}

/// Decides which sessions end; `None` where there is no such session. `live` are the sessions of the user. Pure; the
/// store calls it on the locked account.
pub fn decide_end(live: &[SessionId], command: &EndSessions) -> Option<Ending> {
    let EndSessions { user_id, which, now, notice } = *command;
    let (sessions, everywhere) = match which {
        Which::One(session) => (live.contains(&session).then(|| vec![session])?, false),
        Which::Bearer(session) => (vec![session], false),
        Which::All { bearer } => {
            let others = live.iter().copied().filter(|session| *session != bearer);
            (others.chain([bearer]).collect(), true)
        }
    };
    Some(Ending::new(user_id, sessions, everywhere, now, notice))
}
