//! Passwords: what is refused, and the port that hashes.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use async_trait::async_trait;
use frontdesk_kernel::Unavailable;

use crate::{Email, FieldError, FieldText, Username};

/// The fewest characters of a password.
pub const MIN_CHARS: usize = 8;
/// The most characters of a password. Hashing is not free, and nobody types more.
pub const MAX_CHARS: usize = 1_024;

/// The 10,000 most common passwords, in lower case; ranked by the zxcvbn project (MIT).
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// A password as typed. Never shown, never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes a password exactly as typed, for comparison with a stored one.
    pub fn typed(typed: impl Into<String>) -> Self {
        Self(typed.into())
    }

    /// Takes a new password, if it may be one: 8 to 1,024 characters, and not what anybody would guess first.
    pub fn choose(typed: &str, username: Option<&Username>, email: Option<&Email>) -> Result<Self, FieldError> {
        let length = typed.chars().count();
        if !(MIN_CHARS..=MAX_CHARS).contains(&length) {
            return Err(FieldError::new(format!(
                "must be {MIN_CHARS} to {MAX_CHARS} characters long; it has {length}"
            )));
        }
        let lower = typed.to_lowercase();
        if COMMON.contains(lower.as_str()) {
            return Err(FieldError::new("is one of the 10,000 most common passwords; choose another"));
        }
        if username.is_some_and(|name| name.as_str().to_lowercase() == lower) {
            return Err(FieldError::new("must not be the username"));
        }
        if email.is_some_and(|address| address.as_str().to_lowercase() == lower) {
            return Err(FieldError::new("must not be the e-mail address"));
        }
        Ok(Self(typed.to_owned()))
    }

    /// Gives the characters to a hasher.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Tells whether it could be anybody's password at all, by its length.
    pub fn is_plausible(&self) -> bool {
        self.0.chars().count() <= MAX_CHARS
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A password hash in PHC string form.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps a PHC string.
    pub fn new(phc: impl Into<String>) -> Self {
        Self(phc.into())
    }

    /// The PHC string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Hashes and verifies passwords.
///
/// # Contract
/// - The hash MUST be argon2id with at least 19 MiB, two passes and one lane, and a salt of its own.
/// - `verify` without a hash MUST take as long as with one, and MUST say no: whether an account exists does not show.
/// - Both MUST run off the event loop, a bounded number at a time, and give `Unavailable` when too many wait.
#[async_trait]
pub trait PasswordHasher: Send + Sync + 'static {
    /// Hashes a new password.
    async fn hash(&self, password: Password) -> Result<PasswordHash, Unavailable>;

    /// Tells whether the password is the hashed one.
    async fn verify(&self, password: Password, hash: Option<PasswordHash>) -> Result<bool, Unavailable>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(typed: &str) -> Option<String> {
        let username = Username::parse("Ada-Lovelace").unwrap();
        let email = Email::parse("ada@example.com").unwrap();
        Password::choose(typed, Some(&username), Some(&email)).err().map(|error| error.to_string())
    }

    #[test]
    fn lengths_at_the_edges() {
        assert_eq!(refusal("7 chars").unwrap(), "must be 8 to 1024 characters long; it has 7");
        assert_eq!(refusal("        "), None);
        assert_eq!(refusal(&"🦀".repeat(128)), None);
        assert_eq!(refusal(&"x".repeat(1_024)), None);
        assert!(refusal(&"x".repeat(1_025)).is_some());
    }

    #[test]
    fn what_anybody_would_guess_first_is_refused() {
        for guess in ["password", "PassWord", "12345678", "ada-lovelace", "ADA@example.com"] {
            assert!(refusal(guess).is_some(), "{guess}");
        }
        assert_eq!(refusal("Str0ngPassw0rd!"), None);
    }

    #[test]
    fn the_list_is_whole() {
        assert_eq!(COMMON.len(), 10_000);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Password::typed("hunter2hunter2")), "Password(…)");
    }
}
