//! The port that keeps sessions.

use async_trait::async_trait;
use frontdesk_kernel::{Fault, FaultCode, Listed, Page, SessionId, Timestamp, Unavailable, UserId};

use crate::revocation::Revocation;
use crate::session::{EndSessions, Ending, OpenSession, Refresh, Refreshed, Session};

/// Where a page of sessions begins: after the session of this moment and id.
pub type SessionKey = (Timestamp, SessionId);

/// What a store says to a session that is to be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenSessionError {
    /// The account is gone, or has another password than the one that was proved.
    #[error("the account is not the one that signed in")]
    Refused,
    /// The store is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Fault for OpenSessionError {
    fn code(&self) -> FaultCode {
        match self {
            Self::Refused => FaultCode::Unauthorized,
            Self::Unavailable(cause) => cause.code(),
        }
    }
}

/// Keeps sessions, and what is refused of those that ended.
///
/// # Contract
/// - `open` MUST lock the account, ask [`decide_open`](crate::session::decide_open), and store the whole decision
///   together or not at all. It MUST refuse an account that does not exist.
/// - `refresh` MUST lock the session, ask [`decide_refresh`](crate::session::decide_refresh), and store the whole
///   decision; of any number of refreshes with one token at once, one MUST rotate and the others repeat.
/// - `end` MUST lock the account, ask [`decide_end`](crate::session::decide_end), and store the whole decision; `None`
///   where there was nothing to end.
/// - Whenever a session ends, its row MUST go, and its revocations and its event be stored, in one transaction.
/// - `list` MUST give the sessions that have not ended or expired at `now`, newest first, ties by id.
/// - `revocations_of` MUST give what is remembered of a user at `now`, and `revocations` of all users.
/// - `purge` MUST remove sessions that have expired and revocations that reach no living token, and only those.
/// - A method that names a user MUST NOT read or write another user's rows.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Opens a session; gives the end of those that gave way to it.
    async fn open(&self, command: &OpenSession) -> Result<Option<Ending>, OpenSessionError>;

    /// Refreshes a session.
    async fn refresh(&self, command: &Refresh) -> Result<Refreshed, Unavailable>;

    /// Ends sessions.
    async fn end(&self, command: &EndSessions) -> Result<Option<Ending>, Unavailable>;

    /// Lists the sessions of a user.
    async fn list(&self, user: UserId, page: Page<SessionKey>, now: Timestamp) -> Result<Listed<Session>, Unavailable>;

    /// What is refused of a user.
    async fn revocations_of(&self, user: UserId, now: Timestamp) -> Result<Vec<Revocation>, Unavailable>;

    /// What is refused of anybody.
    async fn revocations(&self, now: Timestamp) -> Result<Vec<Revocation>, Unavailable>;

    /// Forgets what is over; tells how many rows.
    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable>;
}
