//! Preferences: one document, merged deeply, with a few keys that we know.
//!
//! Only what differs from the defaults is stored; a new preference is a change to this file alone.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json::{Map, Number, Value, json};

use crate::{DefaultScenario, FieldError, FieldText, Voice};

/// The most bytes of the whole document, as JSON with the defaults filled in.
pub const MAX_BYTES: usize = 16 * 1_024;

/// How many days of call history may be asked for.
const RETENTION_DAYS: std::ops::RangeInclusive<u64> = 1..=3_650;

/// A rule broken inside the document: where, and how.
pub type PathError = (String, FieldError);

/// A user's preferences, as stored: known keys that differ from the default, and unknown keys as they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preferences(Map<String, Value>);

/// A checked change: a JSON merge patch (RFC 7396), `null` removes a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PreferencesPatch(Map<String, Value>);

static DEFAULTS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let defaults = json!({
        "voice_preference": "alloy",
        "default_scenario": "default",
        "call_history": { "enabled": true, "retention_days": null },
    });
    match defaults {
        Value::Object(map) => map,
        _ => Map::new(),
    }
});

impl Preferences {
    /// Takes what a store gives back.
    pub const fn from_stored(document: Map<String, Value>) -> Self {
        Self(document)
    }

    /// The document to store.
    pub const fn as_stored(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The document to show, with the defaults filled in.
    pub fn shown(&self) -> Cow<'static, Map<String, Value>> {
        if self.0.is_empty() {
            return Cow::Borrowed(&DEFAULTS);
        }
        let mut shown = DEFAULTS.clone();
        fill(&mut shown, &self.0);
        Cow::Owned(shown)
    }

    /// Applies a change.
    pub fn merged(&self, patch: &PreferencesPatch) -> Result<Self, FieldError> {
        let mut merged = self.0.clone();
        merge(&mut merged, &patch.0);
        forget_defaults(&mut merged, &DEFAULTS);
        let merged = Self(merged);
        let bytes = serde_json::to_vec(&*merged.shown()).map_or(usize::MAX, |json| json.len());
        if bytes > MAX_BYTES {
            return Err(FieldError::new(format!(
                "must be at most {MAX_BYTES} bytes of JSON in all; it would have {bytes}"
            )));
        }
        Ok(merged)
    }
}

/// Puts stored values over defaults, object into object. A stored `null` never hides a default: it is never stored.
fn fill(shown: &mut Map<String, Value>, stored: &Map<String, Value>) {
    for (key, value) in stored {
        match (shown.get_mut(key), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => fill(inner, value),
            _ => {
                shown.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Drops what says no more than the defaults do, so that asking for a default changes nothing.
fn forget_defaults(stored: &mut Map<String, Value>, defaults: &Map<String, Value>) {
    for (key, default) in defaults {
        if let (Some(Value::Object(stored)), Value::Object(default)) = (stored.get_mut(key), default) {
            forget_defaults(stored, default);
        }
        let is_default = |value: &Value| value == default || (default.is_object() && *value == json!({}));
        if stored.get(key).is_some_and(is_default) {
            stored.remove(key);
        }
    }
}

/// RFC 7396, section 2.
fn merge(stored: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                stored.remove(key);
            }
            Value::Object(inner) => {
                let slot = stored.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(slot) = slot {
                    merge(slot, inner);
                }
            }
            _ => {
                stored.insert(key.clone(), value.clone());
            }
        }
    }
}

impl PreferencesPatch {
    /// Checks a change: the known keys by their rules, the unknown ones for text that no store should hold.
    pub fn parse(patch: Map<String, Value>) -> Result<Self, Vec<PathError>> {
        let mut errors = Vec::new();
        let mut checked = Map::new();
        for (key, value) in patch {
            if let Err(error) = plain("preferences", &key) {
                // Named from outside: a key with such a character is no name to repeat.
                errors.push((String::new(), error.1));
                continue;
            }
            let found = match (key.as_str(), value) {
                (_, Value::Null) => Ok(Value::Null),
                ("voice_preference", value) => text::<Voice>(&value).map_err(|error| (key.clone(), error)),
                ("default_scenario", value) => text::<DefaultScenario>(&value).map_err(|error| (key.clone(), error)),
                ("call_history", value) => call_history(value),
                (_, value) => free(&key, value),
            };
            match found {
                Ok(value) => {
                    checked.insert(key, value);
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self(checked)) } else { Err(errors) }
    }
}

fn text<T: FieldText>(value: &Value) -> Result<Value, FieldError> {
    let typed = value.as_str().ok_or_else(|| FieldError::new("must be text"))?;
    T::parse(typed).map(|text| Value::String(text.as_str().to_owned()))
}

fn call_history(value: Value) -> Result<Value, PathError> {
    let at = |key: &str| format!("call_history.{key}");
    let Value::Object(history) = value else {
        return Err(("call_history".to_owned(), FieldError::new("must be an object")));
    };
    if history.get("enabled").is_some_and(|enabled| !enabled.is_boolean() && !enabled.is_null()) {
        return Err((at("enabled"), FieldError::new("must be true or false")));
    }
    let is_days = |days: &Value| days.is_null() || days.as_u64().is_some_and(|days| RETENTION_DAYS.contains(&days));
    if history.get("retention_days").is_some_and(|days| !is_days(days)) {
        return Err((at("retention_days"), FieldError::new("must be null or a whole number from 1 to 3650")));
    }
    free("call_history", Value::Object(history))
}

/// Free JSON: no control characters but line feed and tab, in keys and text alike.
fn free(path: &str, value: Value) -> Result<Value, PathError> {
    match value {
        Value::String(text) => {
            plain(path, &text)?;
            Ok(Value::String(text))
        }
        Value::Array(items) => {
            items.into_iter().map(|item| free(path, item)).collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Object(map) => {
            let checked = map.into_iter().map(|(key, value)| {
                plain(path, &key)?;
                let value = free(&format!("{path}.{key}"), value)?;
                Ok((key, value))
            });
            checked.collect::<Result<_, _>>().map(Value::Object)
        }
        Value::Number(number) if is_spelled_out(&number) => {
            Err((path.to_owned(), FieldError::new("must be zero or of a magnitude from 1e-30 to 1e30")))
        }
        Value::Number(number) => Ok(Value::Number(one_spelling(number))),
        other => Ok(other),
    }
}

/// Postgres spells a number without an exponent: `1e-307` takes 309 characters there, and a document of 16 KiB would
/// become one of 600.
fn is_spelled_out(number: &Number) -> bool {
    let magnitude = number.as_f64().map_or(0.0, f64::abs);
    magnitude != 0.0 && !(1e-30..=1e30).contains(&magnitude)
}

/// The number as Postgres gives it back, so that all stores give back the same and a repeated change changes nothing:
/// minus zero becomes zero, and what is written with an exponent (from 1e16) becomes an integer where it fits into one.
fn one_spelling(number: Number) -> Number {
    match number.as_f64() {
        Some(float) if number.is_f64() && float == 0.0 => Number::from_f64(0.0).unwrap_or(number),
        Some(float) if number.is_f64() && float.abs() >= 1e16 => {
            let digits = float.to_string();
            let integer = digits.parse::<u64>().map(Number::from);
            integer.or_else(|_| digits.parse::<i64>().map(Number::from)).unwrap_or(number)
        }
        _ => number,
    }
}

fn plain(path: &str, text: &str) -> Result<(), PathError> {
    match text.chars().find(|&c| c.is_control() && c != '\n' && c != '\t') {
        None => Ok(()),
        Some(bad) => {
            Err((path.to_owned(), FieldError::new(format!("must not contain the character U+{:04X}", u32::from(bad)))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("not an object: {other}"),
        }
    }

    fn after(patches: &[Value]) -> Value {
        let merged = patches.iter().fold(Preferences::default(), |stored, patch| {
            stored.merged(&PreferencesPatch::parse(object(patch.clone())).unwrap()).unwrap()
        });
        Value::Object(merged.shown().into_owned())
    }

    fn refusal(patch: Value) -> (String, String) {
        let errors = PreferencesPatch::parse(object(patch)).unwrap_err();
        (errors[0].0.clone(), errors[0].1.to_string())
    }

    #[test]
    fn nothing_stored_shows_the_defaults() {
        assert_eq!(
            after(&[]),
            json!({
                "voice_preference": "alloy", "default_scenario": "default",
                "call_history": { "enabled": true, "retention_days": null },
            })
        );
    }

    #[test]
    fn a_merge_keeps_what_it_does_not_name() {
        let shown =
            after(&[json!({ "a": { "b": 1 } }), json!({ "a": { "c": 2 } }), json!({ "voice_preference": "echo" })]);
        assert_eq!(shown["a"], json!({ "b": 1, "c": 2 }));
        assert_eq!(shown["voice_preference"], "echo");
    }

    #[test]
    fn null_takes_a_known_key_back_to_its_default_and_removes_an_unknown_one() {
        let shown = after(&[
            json!({ "voice_preference": "echo", "x": 1, "call_history": { "retention_days": 30 } }),
            json!({ "voice_preference": null, "x": null, "call_history": { "retention_days": null } }),
        ]);
        assert_eq!(shown, after(&[]).as_object().map(|map| Value::Object(map.clone())).unwrap());
    }

    #[test]
    fn known_keys_are_checked() {
        assert_eq!(refusal(json!({ "voice_preference": 3 })), ("voice_preference".into(), "must be text".into()));
        assert_eq!(refusal(json!({ "voice_preference": "a".repeat(21) })).0, "voice_preference");
        assert_eq!(refusal(json!({ "default_scenario": "a".repeat(51) })).0, "default_scenario");
        assert_eq!(refusal(json!({ "call_history": [] })).0, "call_history");
        assert_eq!(refusal(json!({ "call_history": { "enabled": "yes" } })).0, "call_history.enabled");
        for days in [json!(0), json!(3_651), json!(1.5), json!("30"), json!(-1)] {
            assert_eq!(refusal(json!({ "call_history": { "retention_days": days } })).0, "call_history.retention_days");
        }
    }

    #[test]
    fn control_characters_are_refused_wherever_they_hide() {
        assert_eq!(refusal(json!({ "a": { "b": ["\u{0}"] } })).0, "a.b");
        assert_eq!(refusal(json!({ "a": { "b\u{0}": 1 } })).0, "a");
        assert!(PreferencesPatch::parse(object(json!({ "a": "two\nlines" }))).is_ok());
    }

    #[test]
    fn a_number_has_one_spelling() {
        let shown = after(&[json!({ "x": [-0.0, 1e15, 1e16, -1.5e17, 1.8e19, 1e20, 0, 0.5] })]);
        let expected = [
            json!(0.0),
            json!(1e15),
            json!(10_000_000_000_000_000_u64),
            json!(-150_000_000_000_000_000_i64),
            json!(18_000_000_000_000_000_000_u64),
            json!(1e20),
            json!(0),
            json!(0.5),
        ];
        assert_eq!(shown["x"], Value::from(expected.to_vec()));
    }

    #[test]
    fn a_control_character_in_a_key_is_refused_even_where_the_key_is_removed() {
        for patch in [json!({ "a\u{0}": 1 }), json!({ "a\u{1}": null })] {
            assert!(PreferencesPatch::parse(object(patch)).is_err());
        }
    }

    #[test]
    fn asking_for_a_default_changes_nothing() {
        for patch in [
            json!({ "voice_preference": "alloy", "default_scenario": "default" }),
            json!({ "call_history": {} }),
            json!({ "call_history": { "enabled": true } }),
            json!({ "call_history": { "enabled": null, "retention_days": null } }),
        ] {
            let patch = PreferencesPatch::parse(object(patch)).unwrap();
            assert_eq!(Preferences::default().merged(&patch).unwrap(), Preferences::default());
        }
    }

    #[test]
    fn the_whole_document_is_bounded_not_the_patch() {
        let half = "x".repeat(9_000);
        let first = PreferencesPatch::parse(object(json!({ "a": half }))).unwrap();
        let second = PreferencesPatch::parse(object(json!({ "b": half }))).unwrap();
        let stored = Preferences::default().merged(&first).unwrap();
        assert!(stored.merged(&second).is_err());
    }
}
