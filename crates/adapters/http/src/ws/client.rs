//! What a client says.

use frontdesk_rooms::{Epoch, Position};
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::input::{Fields, Unknown, refused_field};
use crate::json;

/// A frame of the client that could be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Auth {
        token: String,
    },
    Ping,
    Resume(Position),
    /// Of a type that a newer server may know.
    Unknown,
}

/// Who it is: the first frame, where nothing else told; later, a new token before the old one ends.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(super) struct Auth {
    /// An access token.
    token: String,
}

/// Asks for a `pong`.
#[derive(ToSchema)]
pub(super) struct Ping {}

/// Asks for what was missed since a position.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(super) struct Resume {
    /// As a frame said it.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    epoch: String,
    /// The last that was heard of.
    offset: u64,
}

const TYPES: &str = "must be one of auth, ping, resume";

/// Reads a text frame. Fields that nobody asked for are ignored, as on the other paths of this surface.
pub(super) fn read(text: &[u8]) -> Result<Said, ApiError> {
    let Value::Object(object) = json::parse(text)
        .map_err(|error| ApiError::malformed(format!("the frame is not the JSON it should be: {error}")))?
    else {
        return Err(ApiError::malformed("the frame must be a JSON object"));
    };
    let mut fields = Fields::new(object, Unknown::Ignore);
    let Some(kind) = fields.take("type") else { return Err(refused_field("type", "is required")) };
    match kind.as_str() {
        Some("auth") => {
            let token = fields.required_secret("token").unwrap_or_default();
            fields.finish(&[])?;
            Ok(Said::Auth { token })
        }
        Some("ping") => Ok(Said::Ping),
        Some("resume") => resume(fields),
        Some(_) => Ok(Said::Unknown),
        None => Err(refused_field("type", "must be text")),
    }
}

/// What is said of [`Said::Unknown`].
pub(super) fn unknown() -> ApiError {
    refused_field("type", TYPES)
}

fn resume(mut fields: Fields) -> Result<Said, ApiError> {
    let epoch = fields.required_secret("epoch").and_then(|text| text.parse::<Epoch>().ok());
    let offset = fields.take("offset").and_then(|offset| offset.as_u64());
    fields.finish(&[])?;
    let epoch = epoch.ok_or_else(|| refused_field("epoch", "must be 32 hexadecimal digits, as a frame said them"))?;
    let offset = offset.ok_or_else(|| refused_field("offset", "must be a whole number from 0"))?;
    Ok(Said::Resume(Position { epoch, offset }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn refused(text: &str) -> Value {
        read(text.as_bytes()).unwrap_err().object()
    }

    fn rule(text: &str) -> Value {
        refused(text)["details"]["fields"].clone()
    }

    #[test]
    fn each_type_is_read() {
        assert_eq!(read(br#"{"type":"ping"}"#).unwrap(), Said::Ping);
        assert_eq!(read(br#"{"type":"auth","token":"t"}"#).unwrap(), Said::Auth { token: "t".to_owned() });
        let position = Position { epoch: Epoch::new(Uuid::from_u128(1)), offset: u64::MAX };
        let text = format!(r#"{{"type":"resume","epoch":"{}","offset":{}}}"#, position.epoch, position.offset);
        assert_eq!(read(text.as_bytes()).unwrap(), Said::Resume(position));
    }

    #[test]
    fn another_type_is_no_broken_frame() {
        for kind in ["shout", "Ping", "welcome", ""] {
            assert_eq!(read(format!(r#"{{"type":"{kind}"}}"#).as_bytes()).unwrap(), Said::Unknown, "{kind}");
        }
    }

    #[test]
    fn what_nobody_asked_for_is_ignored() {
        assert_eq!(read(br#"{"type":"ping","user_id":"somebody else"}"#).unwrap(), Said::Ping);
    }

    #[test]
    fn a_refusal_names_the_field_and_the_rule() {
        assert_eq!(rule("{}"), json!({ "type": ["is required"] }));
        assert_eq!(rule(r#"{"type":1}"#), json!({ "type": ["must be text"] }));
        assert_eq!(rule(r#"{"type":"auth"}"#), json!({ "token": ["is required"] }));
        assert_eq!(rule(r#"{"type":"auth","token":7}"#), json!({ "token": ["must be text"] }));
        assert_eq!(rule(r#"{"type":"resume","offset":1}"#), json!({ "epoch": ["is required"] }));
        let epoch = "0".repeat(32);
        for offset in ["-1", "1.5", "\"1\"", "null", "18446744073709551616"] {
            let text = format!(r#"{{"type":"resume","epoch":"{epoch}","offset":{offset}}}"#);
            assert_eq!(rule(&text), json!({ "offset": ["must be a whole number from 0"] }), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_malformed() {
        let deep = "[".repeat(60_000);
        for text in ["", "{", "[]", "null", r#"{"type":"ping","type":"auth"}"#, &deep] {
            assert_eq!(refused(text)["code"], "malformed_request", "{text:.20}");
        }
    }
}
