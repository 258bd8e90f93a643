//! What domains tell each other: the published language.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{EventId, Timestamp, Unavailable, UserId};

/// Something that happened to one user. It commits together with the change it tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Consumers drop an id that they have seen.
    pub id: EventId,
    /// Whose change it was.
    pub user_id: UserId,
    /// When the change was decided.
    pub occurred_at: Timestamp,
    /// What happened.
    pub body: EventBody,
}

/// What happened. Stored as JSON, so a variant or a field is only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventBody {
    /// An account came into being.
    AccountCreated,
    /// A profile changed.
    ProfileUpdated {
        /// The version after the change.
        version: i64,
        /// The names of the fields that changed, in the order of the contract.
        changed: Vec<String>,
    },
    /// A password was set for the first time or replaced.
    PasswordChanged,
}

/// The events that stores have committed and that wait to be told.
///
/// # Contract
/// - Every store MUST append an event in the transaction that makes its change, or not at all.
/// - `pending` MUST give the events of one user in the order of their commits.
/// - `purge` MUST remove events that occurred before the moment, and only those.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// The oldest events, `limit` at most.
    async fn pending(&self, limit: u32) -> Result<Vec<Event>, Unavailable>;

    /// Forgets events that occurred before `before`; tells how many.
    async fn purge(&self, before: Timestamp) -> Result<u64, Unavailable>;
}
