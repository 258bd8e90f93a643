use std::collections::BTreeSet;
use std::sync::Arc;

use frontdesk_kernel::UserId;

use super::super::frame::tests::said;
use super::super::frame::{Frame, encode};
use super::super::frames::tests::{USER, deleted, epoch, joined, left, room, updated};
use super::super::frames::{Member, Resync};
use super::*;
use crate::error::ApiError;

fn document() -> Value {
    serde_json::from_str(&asyncapi_json()).unwrap()
}

fn frames() -> Vec<Value> {
    let member = Member { user_id: USER, display_name: Some("Ada"), avatar_url: None };
    let member: Arc<str> = serde_json::to_string(&member).unwrap().into();
    let welcome = Welcome { room_id: &room(), user_id: USER, epoch: epoch(), offset: 2, members: () };
    let bytes = [
        welcome.encode(&[member]),
        Frame::updated(updated(1, &["bio"])).bytes(),
        joined().bytes(),
        left().bytes(),
        deleted(1).bytes(),
        encode(&UserDeleted::own(&room(), UserId::new(USER))),
        encode(&Resync { epoch: epoch(), offset: 1 }),
        encode(&TokenExpiring {}),
        encode(&Pong {}),
        encode(&Refused::from(&ApiError::malformed("no"))),
    ];
    bytes.iter().map(|frame| said(frame)).collect()
}

fn names(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(object) => object.keys().cloned().collect(),
        Value::Array(names) => names.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
        _ => BTreeSet::new(),
    }
}

/// Whether a value has every field that a schema requires, and none that it does not describe.
fn check(document: &Value, schema: &Value, value: &Value, what: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.strip_prefix('#').unwrap());
        return check(document, schema.unwrap_or_else(|| panic!("{reference} is nowhere")), value, what);
    }
    match value {
        Value::Object(object) if schema.get("properties").is_some() => {
            let (described, required) = (names(&schema["properties"]), names(&schema["required"]));
            let there = names(value);
            assert!(there.is_subset(&described), "{what}: {there:?} is not in {described:?}");
            assert!(required.is_subset(&there), "{what}: {required:?} is required, and there is {there:?}");
            for (name, value) in object {
                check(document, &schema["properties"][name], value, &format!("{what}.{name}"));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| check(document, &schema["items"], item, what)),
        _ => {}
    }
}

#[test]
fn every_frame_has_the_fields_that_are_described() {
    let document = document();
    for frame in frames() {
        let kind = frame["type"].as_str().unwrap();
        let payload = &document["components"]["messages"][kind]["payload"];
        assert_eq!(payload["properties"]["type"]["const"], kind);
        check(&document, payload, &frame, kind);
    }
}

#[test]
fn every_frame_that_is_described_is_one_of_the_two_directions() {
    let document = document();
    let sent: BTreeSet<_> = frames().iter().map(|frame| frame["type"].as_str().unwrap().to_owned()).collect();
    let heard = BTreeSet::from(["auth", "ping", "resume"].map(str::to_owned));
    let of = |operation: &str| -> BTreeSet<String> {
        let messages = document["operations"][operation]["messages"].as_array().unwrap();
        messages
            .iter()
            .map(|message| message["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!((of("tell"), of("hear")), (sent.clone(), heard.clone()));
    assert_eq!(names(&document["channels"]["room"]["messages"]), &sent | &heard);
}

#[test]
fn a_welcome_and_a_resume_say_what_they_must() {
    let document = document();
    let payload = |kind: &str| document["components"]["messages"][kind]["payload"].clone();
    let welcome = ["type", "room_id", "user_id", "epoch", "offset", "members"].map(str::to_owned);
    assert_eq!(names(&payload("welcome")["required"]), BTreeSet::from(welcome));
    assert_eq!(names(&payload("resume")["required"]), BTreeSet::from(["type", "epoch", "offset"].map(str::to_owned)));
    assert_eq!(names(&payload("auth")["required"]), BTreeSet::from(["type", "token"].map(str::to_owned)));
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(document: &Value, value: &Value, seen: &mut usize) {
        match value {
            Value::Object(object) => {
                if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                    assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
                    *seen += 1;
                }
                object.values().for_each(|value| walk(document, value, seen));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(document, value, seen)),
            _ => {}
        }
    }
    let (document, mut seen) = (document(), 0);
    walk(&document, &document, &mut seen);
    assert!(seen > 20);
}

#[test]
fn every_close_code_is_described() {
    let document = document();
    let codes = document["channels"]["room"]["x-close-codes"].as_array().unwrap();
    assert_eq!(codes.len(), Kind::ALL.len());
    assert!(codes.iter().any(|code| code["code"] == 4410));
}
