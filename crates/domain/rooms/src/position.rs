//! Where in the log of a room somebody is.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// One life of a room. A room that was forgotten and is used again begins another log: positions of the old one mean
/// nothing in it. Written as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(Uuid);

impl Epoch {
    /// Wraps a UUID that nobody has drawn before.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Returns the UUID, for adapters.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.simple(), f)
    }
}

impl FromStr for Epoch {
    type Err = MalformedPosition;

    /// Reads what `Display` writes, and no other spelling of a UUID.
    fn from_str(text: &str) -> Result<Self, MalformedPosition> {
        let is_simple = text.len() == 32;
        if is_simple { Uuid::try_parse(text).map(Self).map_err(|_| MalformedPosition) } else { Err(MalformedPosition) }
    }
}

/// How much of a room's log somebody knows: all entries up to `offset`. The first entry has the offset 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which log.
    pub epoch: Epoch,
    /// How many entries.
    pub offset: u64,
}

/// A text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a position is <epoch>:<offset>, as a frame said them: 32 hexadecimal digits and a whole number from 0")]
pub struct MalformedPosition;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)
    }
}

impl FromStr for Position {
    type Err = MalformedPosition;

    fn from_str(text: &str) -> Result<Self, MalformedPosition> {
        let (epoch, offset) = text.split_once(':').ok_or(MalformedPosition)?;
        // `u64` would take a plus sign, which a URL turns into a space.
        if !offset.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(MalformedPosition);
        }
        let offset = offset.parse().map_err(|_| MalformedPosition)?;
        Ok(Self { epoch: epoch.parse()?, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        let position = Position { epoch: Epoch::new(Uuid::max()), offset: u64::MAX };
        assert_eq!(position.to_string(), "ffffffffffffffffffffffffffffffff:18446744073709551615");
        assert_eq!(position.to_string().parse(), Ok(position));
    }

    #[test]
    fn other_texts_are_no_position() {
        let epoch = Epoch::new(Uuid::nil());
        let hyphens = Uuid::nil();
        for text in [
            String::new(),
            ":".to_owned(),
            format!("{epoch}"),
            format!("{epoch}:"),
            format!("{epoch}:-1"),
            format!("{epoch}:+1"),
            format!("{epoch}:1.0"),
            format!("{epoch}:18446744073709551616"),
            format!("{hyphens}:1"),
            format!("{epoch}:1:1"),
        ] {
            assert_eq!(text.parse::<Position>(), Err(MalformedPosition), "{text}");
        }
    }
}
