//! Reading fields out of a body, and collecting everything that is wrong with them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use frontdesk_kernel::Patch;
use frontdesk_profile::settings::Words;
use frontdesk_profile::{FieldError, FieldText};
use serde_json::{Map, Value, json};
use validator::{ValidationError, ValidationErrors, ValidationErrorsKind};

use crate::error::{ApiError, Code};

/// How many unknown fields are named; an answer is not to be longer than what it answers.
const MOST_UNKNOWN: usize = 100;

/// How much of a name is repeated.
const MOST_CHARS: usize = 100;

/// What becomes of a field that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// v1: a misspelt field is told, not lost.
    Refuse,
    /// The older facades, whose clients send what they like.
    Ignore,
}

/// The fields of a body. Each is taken out once; what is left at the end is unknown.
pub(crate) struct Fields {
    object: Map<String, Value>,
    unknown: Unknown,
    errors: ValidationErrors,
}

impl Fields {
    pub(crate) fn new(object: Map<String, Value>, unknown: Unknown) -> Self {
        Self { object, unknown, errors: ValidationErrors::new() }
    }

    /// Takes a field out as it is.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.object.remove(name)
    }

    pub(crate) fn refuse(&mut self, name: impl Into<Cow<'static, str>>, error: &FieldError) {
        let told = ValidationError::new("rule").with_message(error.to_string().into());
        // `ValidationErrors::add` takes only names known at compile time; the name of an unknown field is not.
        let field = self.errors.errors_mut().entry(shortened(name.into()));
        if let ValidationErrorsKind::Field(all) = field.or_insert_with(|| ValidationErrorsKind::Field(Vec::new())) {
            all.push(told);
        }
    }

    fn refuse_rule(&mut self, name: &'static str, rule: &'static str) {
        self.refuse(name, &FieldError::new(rule));
    }

    fn parse<T>(&mut self, name: &'static str, parsed: Result<T, FieldError>) -> Patch<T> {
        parsed.map_or_else(
            |error| {
                self.refuse(name, &error);
                Patch::Keep
            },
            Patch::Set,
        )
    }

    /// Text that may be nothing: `null` and blank text clear it.
    pub(crate) fn nullable<T: FieldText>(&mut self, name: &'static str) -> Patch<T> {
        match self.take(name) {
            Some(Value::String(typed)) if typed.trim().is_empty() => Patch::Clear,
            value => self.text_value(name, value),
        }
    }

    /// Text that has a default: `null` goes back to it, blank text is a value like any other.
    pub(crate) fn defaulted<T: FieldText>(&mut self, name: &'static str) -> Patch<T> {
        let value = self.take(name);
        self.text_value(name, value)
    }

    fn text_value<T: FieldText>(&mut self, name: &'static str, value: Option<Value>) -> Patch<T> {
        match value {
            None => Patch::Keep,
            Some(Value::Null) => Patch::Clear,
            Some(Value::String(typed)) => self.parse(name, T::parse(&typed)),
            Some(_) => {
                self.refuse_rule(name, "must be text");
                Patch::Keep
            }
        }
    }

    /// Text that can be replaced and never cleared.
    pub(crate) fn replaceable<T: FieldText>(&mut self, name: &'static str) -> Option<T> {
        match self.defaulted(name) {
            Patch::Keep => None,
            Patch::Clear => {
                self.refuse_rule(name, "must not be null");
                None
            }
            Patch::Set(value) => Some(value),
        }
    }

    /// Text that must be there.
    pub(crate) fn required<T: FieldText>(&mut self, name: &'static str) -> Option<T> {
        if !self.object.contains_key(name) {
            self.refuse_rule(name, "is required");
        }
        self.replaceable(name)
    }

    /// Text taken exactly as typed: a password. Its value is in no error.
    pub(crate) fn secret(&mut self, name: &'static str) -> Option<String> {
        match self.take(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(typed)) => Some(typed),
            Some(_) => {
                self.refuse_rule(name, "must be text");
                None
            }
        }
    }

    /// A [`Self::secret`] that must be there.
    pub(crate) fn required_secret(&mut self, name: &'static str) -> Option<String> {
        if self.object.get(name).is_none_or(Value::is_null) {
            self.refuse_rule(name, "is required");
        }
        self.secret(name)
    }

    /// A switch; `null` goes back to the default.
    pub(crate) fn switch(&mut self, name: &'static str) -> Patch<bool> {
        match self.take(name) {
            None => Patch::Keep,
            Some(Value::Null) => Patch::Clear,
            Some(Value::Bool(on)) => Patch::Set(on),
            Some(_) => {
                self.refuse_rule(name, "must be true or false");
                Patch::Keep
            }
        }
    }

    /// A word out of a closed set; `null` goes back to the default.
    pub(crate) fn word<T: Words>(&mut self, name: &'static str) -> Patch<T> {
        let value = match self.take(name) {
            None => return Patch::Keep,
            Some(Value::Null) => return Patch::Clear,
            Some(value) => value,
        };
        let found = value.as_str().and_then(T::find).ok_or_else(|| {
            let words: Vec<_> = T::ALL.iter().map(|word| word.as_str()).collect();
            let error = FieldError::new(format!("must be one of {}", words.join(", ")));
            value.as_str().map_or_else(|| error.clone(), |typed| error.clone().found(typed))
        });
        self.parse(name, found)
    }

    /// Anything else: a reader of its own, over a value that is not `null`.
    pub(crate) fn with<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Value) -> Result<T, Vec<(String, FieldError)>>,
    ) -> Patch<T> {
        let value = match self.take(name) {
            None => return Patch::Keep,
            Some(Value::Null) => return Patch::Clear,
            Some(value) => value,
        };
        match read(value) {
            Ok(value) => Patch::Set(value),
            Err(errors) => {
                for (path, error) in errors {
                    let path = if path.is_empty() { name.to_owned() } else { format!("{name}.{path}") };
                    self.refuse(path, &error);
                }
                Patch::Keep
            }
        }
    }

    /// Judges what is left, and gives all errors at once.
    pub(crate) fn finish(mut self, read_only: &[&str]) -> Result<(), ApiError> {
        if self.unknown == Unknown::Refuse {
            for name in std::mem::take(&mut self.object).into_iter().map(|(name, _)| name).take(MOST_UNKNOWN) {
                let rule = if read_only.contains(&name.as_str()) { "is read-only" } else { "is not a known field" };
                self.refuse(name, &FieldError::new(rule));
            }
        }
        if self.errors.is_empty() { Ok(()) } else { Err(invalid(&self.errors)) }
    }
}

/// A name that a client made up is repeated, but not at any length.
fn shortened(name: Cow<'static, str>) -> Cow<'static, str> {
    if name.chars().nth(MOST_CHARS).is_none() {
        return name;
    }
    name.chars().take(MOST_CHARS).chain(['…']).collect()
}

/// The error of one field that was read elsewhere.
pub(crate) fn refused_field(name: impl Into<Cow<'static, str>>, rule: impl Into<Cow<'static, str>>) -> ApiError {
    let mut errors = Fields::new(Map::new(), Unknown::Ignore);
    errors.refuse(name, &FieldError::new(rule));
    invalid(&errors.errors)
}

/// Only messages leave: the collector's own parameters could hold values.
fn invalid(errors: &ValidationErrors) -> ApiError {
    let fields: BTreeMap<String, Vec<String>> = errors
        .field_errors()
        .into_iter()
        .map(|(name, errors)| {
            let messages = errors.iter().filter_map(|error| error.message.as_ref().map(ToString::to_string));
            (name.to_string(), messages.collect())
        })
        .collect();
    let message = match fields.len() {
        1 => "1 field is invalid".to_owned(),
        count => format!("{count} fields are invalid"),
    };
    ApiError::new(Code::ValidationFailed, message).detail("fields", json!(fields))
}

#[cfg(test)]
mod tests {
    use frontdesk_profile::settings::Theme;
    use frontdesk_profile::{Line, Username};

    use super::*;

    fn fields(object: Value, unknown: Unknown) -> Fields {
        match object {
            Value::Object(object) => Fields::new(object, unknown),
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn every_error_is_told_at_once() {
        let mut fields =
            fields(json!({ "username": 1, "theme": "neon", "on": "true", "x": 1, "id": 2 }), Unknown::Refuse);
        fields.required::<Username>("username");
        fields.word::<Theme>("theme");
        fields.switch("on");
        let error = fields.finish(&["id"]).unwrap_err();
        assert_eq!(error.message, "5 fields are invalid");
        assert_eq!(
            error.details["fields"],
            json!({
                "username": ["must be text"], "theme": ["must be one of light, dark, system, not \"neon\""],
                "on": ["must be true or false"], "x": ["is not a known field"], "id": ["is read-only"],
            })
        );
    }

    #[test]
    fn absent_keeps_null_and_blank_clear() {
        let mut fields = fields(json!({ "b": null, "c": "  ", "d": "x" }), Unknown::Ignore);
        let patches = ["a", "b", "c", "d"].map(|name| fields.nullable::<Line<9>>(name));
        assert!(matches!(patches, [Patch::Keep, Patch::Clear, Patch::Clear, Patch::Set(_)]));
        assert!(fields.finish(&[]).is_ok());
    }

    #[test]
    fn a_secret_is_in_no_error() {
        let mut fields = fields(json!({ "password": ["hunter2"] }), Unknown::Refuse);
        fields.required_secret("password");
        assert!(!format!("{:?}", fields.finish(&[]).unwrap_err()).contains("hunter2"));
    }
}
