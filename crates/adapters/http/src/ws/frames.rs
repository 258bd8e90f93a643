//! What the server says: one struct for each type of frame, from which the description is made too.

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use frontdesk_kernel::{Timestamp, UserId};
use frontdesk_rooms::store::Entry;
use frontdesk_rooms::{Epoch, Position, RoomId};
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::frame;
use crate::dto::error::ErrorObject;
use crate::error::ApiError;

fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn shared<S: Serializer>(value: &Arc<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    value.serialize(serializer)
}

/// See [`Welcome::encode`].
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_put_in_later((): &()) -> bool {
    true
}

/// Said once, first: where the log of the room is, and who is there.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename = "welcome")]
pub(super) struct Welcome<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub(super) room_id: &'a RoomId,
    pub(super) user_id: Uuid,
    /// Of the log; another one is another log.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub(super) epoch: Epoch,
    /// How many entries the log has had; after `?since=` that can be gone on from, its offset: what follows is told again.
    pub(super) offset: u64,
    /// Everybody in the room, the one who joins included.
    #[serde(skip_serializing_if = "is_put_in_later")]
    #[schema(value_type = Vec<Member>, required = true)]
    pub(super) members: (),
}

impl Welcome<'_> {
    /// Puts the members in, whose texts are kept ready: thousands come into the same room.
    pub(super) fn encode(&self, members: &[Arc<str>]) -> Bytes {
        // As `frame::encode`.
        let mut json = serde_json::to_vec(self).unwrap_or_default();
        json.pop();
        json.reserve(members.iter().map(|member| member.len() + 1).sum::<usize>() + 16);
        json.extend_from_slice(br#","members":["#);
        for (index, member) in members.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            json.extend_from_slice(member.as_bytes());
        }
        json.extend_from_slice(b"]}");
        frame::text(&json)
    }
}

/// Somebody in a room.
#[derive(Serialize, ToSchema)]
pub(super) struct Member<'a> {
    pub(super) user_id: Uuid,
    /// The shown name.
    #[schema(required = true)]
    pub(super) display_name: Option<&'a str>,
    #[schema(required = true)]
    pub(super) avatar_url: Option<&'a str>,
}

/// A profile changed. To the user's own sockets `profile` is all of it, as `GET /api/v1/profile` shows it; to others it
/// is the public profile, as `GET /api/v1/profiles/{id}` shows it, and `changed` names public fields alone.
#[derive(Clone, Serialize, ToSchema)]
#[serde(tag = "type", rename = "profile_updated")]
pub(super) struct ProfileUpdated {
    /// The same for everybody who hears of the change.
    pub(super) event_id: Uuid,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub(super) room_id: RoomId,
    /// Whose profile.
    pub(super) user_id: Uuid,
    /// Of the profile, after the change.
    pub(super) version: i64,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub(super) epoch: Epoch,
    /// The place of the entry in the log.
    pub(super) offset: u64,
    #[schema(value_type = String, format = DateTime)]
    pub(super) occurred_at: Timestamp,
    /// Which fields.
    pub(super) changed: Vec<String>,
    /// The profile as it is now, which may be newer than the change.
    #[serde(serialize_with = "shared")]
    #[schema(value_type = Object)]
    pub(super) profile: Arc<Value>,
}

/// Somebody came who was not there.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename = "member_joined")]
pub(super) struct MemberJoined<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub(super) room_id: &'a RoomId,
    pub(super) user_id: Uuid,
    /// The shown name.
    #[schema(required = true)]
    pub(super) display_name: Option<&'a str>,
    #[schema(required = true)]
    pub(super) avatar_url: Option<&'a str>,
}

/// Somebody has had no socket in the room for 10 s.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename = "member_left")]
pub(super) struct MemberLeft<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub(super) room_id: &'a RoomId,
    pub(super) user_id: Uuid,
}

/// An account was deleted. Where that stands in the log is told to others alone; the user's own sockets are closed next.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename = "user_deleted")]
pub(super) struct UserDeleted<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub(super) room_id: &'a RoomId,
    pub(super) user_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    event_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    epoch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    occurred_at: Option<Timestamp>,
}

impl<'a> UserDeleted<'a> {
    /// For the user's own sockets.
    pub(super) const fn own(room_id: &'a RoomId, user_id: UserId) -> Self {
        let (event_id, epoch, offset, occurred_at) = (None, None, None, None);
        Self { room_id, user_id: user_id.as_uuid(), event_id, epoch, offset, occurred_at }
    }

    /// For others.
    pub(super) fn of(room_id: &'a RoomId, entry: &Entry) -> Self {
        let Entry { position, event } = entry;
        Self {
            event_id: Some(event.id.as_uuid()),
            epoch: Some(position.epoch.to_string()),
            offset: Some(position.offset),
            occurred_at: Some(event.occurred_at),
            ..Self::own(room_id, event.user_id)
        }
    }
}

/// Something was missed that cannot be told any more: read again what is shown, and go on from here.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename = "resync")]
pub(super) struct Resync {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub(super) epoch: Epoch,
    pub(super) offset: u64,
}

impl From<Position> for Resync {
    fn from(Position { epoch, offset }: Position) -> Self {
        Self { epoch, offset }
    }
}

/// The token ends within 60 s: send an `auth` frame with a new one.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename = "token_expiring")]
pub(super) struct TokenExpiring {}

/// The answer to `ping`.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename = "pong")]
pub(super) struct Pong {}

/// A frame of the client was refused. The third that cannot be read closes the socket instead.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename = "error")]
pub(super) struct Refused {
    #[schema(value_type = ErrorObject)]
    error: Value,
}

impl From<&ApiError> for Refused {
    fn from(error: &ApiError) -> Self {
        Self { error: error.object() }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use frontdesk_kernel::{Event, EventBody, EventId};
    use serde_json::json;

    use super::super::frame::Frame;
    use super::super::frame::tests::said;
    use super::*;

    pub(in super::super) const USER: Uuid = Uuid::from_u128(7);

    pub(in super::super) fn room() -> RoomId {
        "lobby".parse().unwrap()
    }

    pub(in super::super) fn epoch() -> Epoch {
        Epoch::new(Uuid::from_u128(3))
    }

    pub(in super::super) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds).unwrap()
    }

    /// The version is the offset.
    pub(in super::super) fn updated(offset: u64, changed: &[&str]) -> ProfileUpdated {
        ProfileUpdated {
            event_id: Uuid::from_u128(9),
            room_id: room(),
            user_id: USER,
            version: offset.cast_signed(),
            epoch: epoch(),
            offset,
            occurred_at: at(0),
            changed: changed.iter().map(|name| (*name).to_owned()).collect(),
            profile: Arc::new(json!({ "bio": "b" })),
        }
    }

    pub(in super::super) fn deleted(offset: u64) -> Frame {
        let body = EventBody::AccountDeleted { sessions: Vec::new() };
        let (id, user_id) = (EventId::new(Uuid::from_u128(9)), UserId::new(USER));
        let event = Event { id, user_id, occurred_at: at(0), body };
        let position = Position { epoch: epoch(), offset };
        Frame::deleted(&UserDeleted::of(&room(), &Entry { position, event }), position)
    }

    pub(in super::super) fn joined() -> Frame {
        let (room_id, display_name) = (&room(), Some("Ada"));
        Frame::presence(&MemberJoined { room_id, user_id: USER, display_name, avatar_url: None })
    }

    pub(in super::super) fn left() -> Frame {
        Frame::presence(&MemberLeft { room_id: &room(), user_id: USER })
    }

    const EPOCH: &str = "00000000000000000000000000000003";

    #[test]
    fn a_welcome_lists_the_members_as_they_are_kept() {
        let welcome = Welcome { room_id: &room(), user_id: USER, epoch: epoch(), offset: 2, members: () };
        let (none, members) = (welcome.encode(&[]), welcome.encode(&[r#"{"a":1}"#.into(), r#"{"b":2}"#.into()]));
        assert_eq!(said(&none)["members"], json!([]));
        let expected = json!({ "type": "welcome", "room_id": "lobby", "user_id": USER, "epoch": EPOCH, "offset": 2,
            "members": [{ "a": 1 }, { "b": 2 }] });
        assert_eq!(said(&members), expected);
    }

    #[test]
    fn a_profile_update_says_what_the_contract_says() {
        let expected = json!({ "type": "profile_updated", "event_id": Uuid::from_u128(9), "room_id": "lobby",
            "user_id": USER, "version": 5, "epoch": EPOCH, "offset": 5, "occurred_at": "1970-01-01T00:00:00Z",
            "changed": ["bio"], "profile": { "bio": "b" } });
        assert_eq!(said(&frame::encode(&updated(5, &["bio"]))), expected);
    }

    #[test]
    fn a_deletion_tells_others_its_place_and_the_own_sockets_none() {
        let expected = json!({ "type": "user_deleted", "event_id": Uuid::from_u128(9), "room_id": "lobby",
            "user_id": USER, "epoch": EPOCH, "offset": 4, "occurred_at": "1970-01-01T00:00:00Z" });
        assert_eq!(said(&deleted(4).bytes()), expected);
        let own = frame::encode(&UserDeleted::own(&room(), UserId::new(USER)));
        assert_eq!(said(&own), json!({ "type": "user_deleted", "room_id": "lobby", "user_id": USER }));
    }

    #[test]
    fn small_frames_say_their_type() {
        assert_eq!(said(&frame::encode(&Pong {})), json!({ "type": "pong" }));
        assert_eq!(said(&frame::encode(&TokenExpiring {})), json!({ "type": "token_expiring" }));
        let refused = frame::encode(&Refused::from(&ApiError::malformed("no")));
        let error = json!({ "code": "malformed_request", "message": "no", "details": {} });
        assert_eq!(said(&refused), json!({ "type": "error", "error": error }));
    }
}
