//! Identifiers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An identifier that is not 36 hexadecimal digits and hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")]
pub struct MalformedId;

/// Reads only the hyphenated form. `Uuid::parse_str` also takes braces, a URN and bare digits: one user would
/// then have four paths, and a cache or an access rule keyed by the path could be walked around.
fn parse_hyphenated(text: &str) -> Result<Uuid, MalformedId> {
    if text.len() == 36 { Uuid::try_parse(text).map_err(|_| MalformedId) } else { Err(MalformedId) }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that is known to identify one of these.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Returns the UUID, for adapters.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                parse_hyphenated(text).map(Self)
            }
        }
    };
}

id! {
    /// A user. Made here it is a UUIDv7; from a trusted issuer it is whatever UUID the issuer says.
    UserId
}
id! {
    /// A sign-in and everything refreshed from it; the `sid` claim of an access token.
    SessionId
}
id! {
    /// An event; consumers drop an id that they have seen.
    EventId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_case_names_the_same_user() {
        let lower: UserId = "0190f5fe-7c00-7a00-8000-00000000000a".parse().unwrap();
        assert_eq!("0190F5FE-7C00-7A00-8000-00000000000A".parse(), Ok(lower));
    }

    #[test]
    fn other_spellings_of_a_uuid_are_refused() {
        for text in [
            "",
            "1",
            "0190f5fe7c007a00800000000000000a",
            "{0190f5fe-7c00-7a00-8000-00000000000a}",
            "urn:uuid:0190f5fe-7c00-7a00-8000-00000000000a",
            "zzzzzzzz-7c00-7a00-8000-00000000000a",
        ] {
            assert_eq!(text.parse::<UserId>(), Err(MalformedId), "{text}");
        }
    }
}
