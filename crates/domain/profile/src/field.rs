//! What every field value has in common.

use std::borrow::Cow;
use std::fmt;

/// How much of a refused value an error repeats.
const ECHO_CHARS: usize = 40;

/// A value that breaks its rule. Says the rule, and the value unless it is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    rule: Cow<'static, str>,
    found: Option<String>,
}

impl FieldError {
    /// A rule that was broken, without the value.
    pub fn new(rule: impl Into<Cow<'static, str>>) -> Self {
        Self { rule: rule.into(), found: None }
    }

    /// Adds the value; escaped, and cut where it is long.
    pub fn found(mut self, value: &str) -> Self {
        let mut shown: String = value.chars().take(ECHO_CHARS).collect();
        if value.chars().nth(ECHO_CHARS).is_some() {
            shown.push('…');
        }
        self.found = Some(shown);
        self
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)?;
        self.found.as_ref().map_or(Ok(()), |found| write!(f, ", not {found:?}"))
    }
}

impl std::error::Error for FieldError {}

/// A field that is text on the wire.
pub trait FieldText: Sized {
    /// Reads what a client typed.
    fn parse(typed: &str) -> Result<Self, FieldError>;

    /// Takes what a store gives back, which was parsed when it went in.
    fn from_stored(stored: String) -> Self;

    /// The text to store and to show.
    fn as_str(&self) -> &str;
}

/// Declares a newtype over text with its rule.
macro_rules! field_text {
    ($(#[$doc:meta])* $name:ident, $rule:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $crate::FieldText for $name {
            fn parse(typed: &str) -> Result<Self, $crate::FieldError> {
                $rule(typed).map(Self)
            }

            fn from_stored(stored: String) -> Self {
                Self(stored)
            }

            fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(crate) use field_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_and_escaped() {
        let error = FieldError::new("must be short").found(&"\n".repeat(100));
        assert_eq!(error.to_string(), format!("must be short, not \"{}…\"", "\\n".repeat(40)));
    }
}
