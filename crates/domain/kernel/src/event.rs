//! What domains tell each other: the published language.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{EventId, SessionId, Timestamp, Unavailable, UserId};

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
    /// The pictures that a profile shows changed; told for the meters.
    AvatarChanged {
        /// How many pictures were rendered for it.
        images_processed: u32,
        /// The bytes of the files of all pictures that the profile shows now.
        storage_bytes: u64,
    },
    /// A password was set for the first time or replaced.
    PasswordChanged,
    /// Sessions ended before their time: their tokens are refused from now on.
    SessionsEnded {
        /// Which.
        sessions: Vec<SessionId>,
        /// Whether tokens of trusted issuers that were issued until now are refused too: a logout everywhere.
        everywhere: bool,
    },
    /// An account was deleted: every credential issued until now is refused.
    AccountDeleted {
        /// The sessions that went with it: their tokens are refused whenever they were issued.
        sessions: Vec<SessionId>,
    },
    /// A user came into a room where they were not.
    RoomEntered {
        /// The name of the room.
        room: String,
    },
    /// A user is in a room no more.
    RoomLeft {
        /// The name of the room.
        room: String,
    },
}

impl EventBody {
    /// The `type` of every event that this version knows. While a release rolls out, a newer node may write others.
    pub const TYPES: [&str; 8] = [
        "account_created",
        "profile_updated",
        "avatar_changed",
        "password_changed",
        "sessions_ended",
        "account_deleted",
        "room_entered",
        "room_left",
    ];
}

/// The events that stores have committed and that wait to be told.
///
/// # Contract
/// - Every store MUST append an event in the transaction that makes its change, or not at all.
/// - `committed` MUST return soon after this process has committed an event, and MAY return without one.
/// - `pending` MUST give the events that nobody has told yet, those of one user in the order of their commits. Events
///   that this version does not know it MUST leave for a node that does.
/// - `told` MUST take them out of `pending`, and MUST be idempotent.
/// - `purge` MUST remove told events that occurred before the moment, and only those.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Waits until this process commits an event.
    async fn committed(&self);

    /// The oldest events that wait to be told, `limit` at most.
    async fn pending(&self, limit: u32) -> Result<Vec<Event>, Unavailable>;

    /// Marks events as told.
    async fn told(&self, events: &[EventId]) -> Result<(), Unavailable>;

    /// Forgets told events that occurred before `before`; tells how many.
    async fn purge(&self, before: Timestamp) -> Result<u64, Unavailable>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind; a new one does not compile until it is here.
    fn all() -> Vec<EventBody> {
        let next = |body: &EventBody| match body {
            EventBody::AccountCreated => Some(EventBody::ProfileUpdated { version: 1, changed: vec![] }),
            EventBody::ProfileUpdated { .. } => {
                Some(EventBody::AvatarChanged { images_processed: 1, storage_bytes: 1 })
            }
            EventBody::AvatarChanged { .. } => Some(EventBody::PasswordChanged),
            EventBody::PasswordChanged => Some(EventBody::SessionsEnded { sessions: vec![], everywhere: false }),
            EventBody::SessionsEnded { .. } => Some(EventBody::AccountDeleted { sessions: vec![] }),
            EventBody::AccountDeleted { .. } => Some(EventBody::RoomEntered { room: "r".to_owned() }),
            EventBody::RoomEntered { .. } => Some(EventBody::RoomLeft { room: "r".to_owned() }),
            EventBody::RoomLeft { .. } => None,
        };
        std::iter::successors(Some(EventBody::AccountCreated), next).collect()
    }

    #[test]
    fn the_types_are_those_that_are_written() {
        let written = all().into_iter().map(|body| serde_json::to_value(body).unwrap()["type"].clone());
        assert_eq!(written.collect::<Vec<_>>(), EventBody::TYPES);
    }
}
