//! Names of rooms.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// No name has more characters.
pub const ROOM_ID_MAX: usize = 128;

/// The name of a room: 1 to 128 of `[A-Za-z0-9_.:-]`, and not of dots alone (contract, rooms). Whoever uses a name
/// first makes the room.
///
/// Cheap to clone: thousands of sockets share one text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(Arc<str>);

/// A text that names no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a room id has 1 to 128 characters of A-Z, a-z, 0-9, _ . : and -, not dots alone")]
pub struct MalformedRoomId;

impl RoomId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoomId {
    type Err = MalformedRoomId;

    fn from_str(text: &str) -> Result<Self, MalformedRoomId> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-');
        // Proxies take `.` and `..` out of a path.
        let is_name = (1..=ROOM_ID_MAX).contains(&text.len())
            && text.bytes().all(is_allowed)
            && text.bytes().any(|byte| byte != b'.');
        if is_name { Ok(Self(text.into())) } else { Err(MalformedRoomId) }
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_digits_and_four_signs_name_a_room() {
        for name in ["a", "Room-1", "team:7_x.y", "..a", &"r".repeat(ROOM_ID_MAX)] {
            assert_eq!(name.parse::<RoomId>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long = "r".repeat(ROOM_ID_MAX + 1);
        for name in ["", ".", "..", "a/b", "a b", "a%2Fb", "\0", "\u{1F600}", "ä", "a\n", "a+b", &long] {
            assert_eq!(name.parse::<RoomId>(), Err(MalformedRoomId), "{name:?}");
        }
    }
}
