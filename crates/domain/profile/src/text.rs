//! Plain text fields: names, notes, handles, phone, language, time zone.

use std::borrow::Cow;

use crate::field::{FieldError, FieldText, field_text};

/// Characters that draw nothing or turn the reading direction: a name with one can pass for another name.
const DECEIVING: [char; 13] = [
    '\u{200B}', '\u{FEFF}', '\u{2028}', '\u{2029}', '\u{202A}', '\u{202B}', '\u{202C}', '\u{202D}', '\u{202E}',
    '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
];

fn refuse(character: char) -> FieldError {
    FieldError::new(format!("must not contain the character U+{:04X}", u32::from(character)))
}

fn at_most(text: &str, max: usize) -> Result<(), FieldError> {
    let length = text.chars().count();
    if length > max {
        return Err(FieldError::new(format!("must be at most {max} characters long; it has {length}")));
    }
    Ok(())
}

/// One line of text, trimmed: no control, no invisible and no bidirectional override character.
fn line(typed: &str, max: usize) -> Result<String, FieldError> {
    let text = typed.trim();
    if let Some(bad) = text.chars().find(|c| c.is_control() || DECEIVING.contains(c)) {
        return Err(refuse(bad));
    }
    at_most(text, max)?;
    Ok(text.to_owned())
}

/// Text that may hold line feeds and tabs, trimmed; `\r\n` becomes `\n`.
fn paragraph(typed: &str, max: usize) -> Result<String, FieldError> {
    let text = if typed.contains('\r') { Cow::Owned(typed.replace("\r\n", "\n")) } else { Cow::Borrowed(typed) };
    let text = text.trim();
    if let Some(bad) = text.chars().find(|&c| c.is_control() && c != '\n' && c != '\t') {
        return Err(refuse(bad));
    }
    at_most(text, max)?;
    Ok(text.to_owned())
}

/// A line of at most `MAX` characters (Unicode scalar values).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<const MAX: usize>(String);

impl<const MAX: usize> FieldText for Line<MAX> {
    fn parse(typed: &str) -> Result<Self, FieldError> {
        line(typed, MAX).map(Self)
    }

    fn from_stored(stored: String) -> Self {
        Self(stored)
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text of at most `MAX` characters (Unicode scalar values) that may have several lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph<const MAX: usize>(String);

impl<const MAX: usize> FieldText for Paragraph<MAX> {
    fn parse(typed: &str) -> Result<Self, FieldError> {
        paragraph(typed, MAX).map(Self)
    }

    fn from_stored(stored: String) -> Self {
        Self(stored)
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_handle_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-')
}

fn username(typed: &str) -> Result<String, FieldError> {
    let name = typed.trim();
    if (3..=32).contains(&name.len()) && name.chars().all(is_handle_character) {
        return Ok(name.to_owned());
    }
    Err(FieldError::new("must be 3 to 32 of A-Z, a-z, 0-9, '_', '.', '-'").found(name))
}

fn handle(typed: &str) -> Result<String, FieldError> {
    let name = typed.trim();
    if (1..=100).contains(&name.len()) && name.chars().all(is_handle_character) {
        return Ok(name.to_owned());
    }
    Err(FieldError::new("must be 1 to 100 of A-Z, a-z, 0-9, '_', '.', '-'").found(name))
}

fn voice(typed: &str) -> Result<String, FieldError> {
    let name = typed.trim();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if (1..=20).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    Err(FieldError::new("must be 1 to 20 of A-Z, a-z, 0-9, '_', '-'").found(name))
}

fn default_scenario(typed: &str) -> Result<String, FieldError> {
    let name = line(typed, 50)?;
    if name.is_empty() { Err(FieldError::new("must be 1 to 50 characters long; it is empty")) } else { Ok(name) }
}

/// E.164: a plus, a country code that does not begin with zero, 15 digits at most.
fn phone(typed: &str) -> Result<String, FieldError> {
    let number: String = typed.trim().chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let digits = number.strip_prefix('+').unwrap_or_default();
    let well_formed =
        (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if well_formed {
        return Ok(number);
    }
    Err(FieldError::new("must be a phone number in E.164 form, like +4930123456").found(typed))
}

/// BCP 47 by its syntax (RFC 5646, section 2.1): subtags of 1 to 8 letters and digits. The first is a language, or `x`
/// or `i`; which subtags are registered changes with the registry.
fn language(typed: &str) -> Result<String, FieldError> {
    let tag = typed.trim();
    let mut subtags = tag.split('-');
    let first = subtags.next().unwrap_or_default();
    let is_private = first.eq_ignore_ascii_case("x") || first.eq_ignore_ascii_case("i");
    let is_language = (2..=8).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
    let is_subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let well_formed = (is_language || (is_private && tag.len() > 2)) && subtags.all(is_subtag);
    if well_formed && tag.len() <= 10 {
        return Ok(tag.to_owned());
    }
    Err(FieldError::new("must be a BCP 47 language tag of at most 10 characters, like en or pt-BR").found(tag))
}

fn timezone(typed: &str) -> Result<String, FieldError> {
    let name = typed.trim();
    name.parse::<chrono_tz::Tz>()
        .map(|zone| zone.name().to_owned())
        .map_err(|_| FieldError::new("must be an IANA time zone, like Europe/Berlin").found(name))
}

field_text! {
    /// 3 to 32 of `[A-Za-z0-9_.-]`, kept as typed, unique without regard to case.
    Username, username
}
field_text! {
    /// An account name at another service: 1 to 100 of `[A-Za-z0-9_.-]`.
    Handle, handle
}
field_text! {
    /// A voice of the assistant: 1 to 20 of `[A-Za-z0-9_-]`.
    Voice, voice
}
field_text! {
    /// A practice scenario: 1 to 50 characters.
    DefaultScenario, default_scenario
}
field_text! {
    /// A phone number in E.164 form; spaces and dashes are dropped.
    Phone, phone
}
field_text! {
    /// A BCP 47 language tag, at most 10 characters.
    Language, language
}
field_text! {
    /// A time zone of the IANA database, spelled as there.
    Timezone, timezone
}

impl Username {
    /// The form in which usernames are compared. ASCII has one lower case, so no locale can tell two apart.
    pub fn key(&self) -> String {
        Self::key_of(self.as_str())
    }

    /// The comparison form of what somebody typed at a sign-in, whether or not it could be a username.
    pub fn key_of(typed: &str) -> String {
        typed.trim().to_ascii_lowercase()
    }
}

impl Default for Language {
    fn default() -> Self {
        Self("en".to_owned())
    }
}

impl Default for Timezone {
    fn default() -> Self {
        Self("UTC".to_owned())
    }
}

#[cfg(test)]
#[path = "text/tests.rs"]
mod tests;
