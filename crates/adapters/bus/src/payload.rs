//! Events as the text of notifications.
//!
//! A payload is a JSON array of events, whole ones, in their order. Postgres takes less than 8,000 bytes, and Redis is
//! given no more. No event comes near that: the largest are a `SessionsEnded` with its 100 sessions (4 KB) and a
//! `ProfileUpdated` with the names of all 22 fields (below 1 KB).

use frontdesk_kernel::{Event, EventBody, EventId, Timestamp, Unavailable, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// No payload has more bytes.
const LIMIT: usize = 7_899;
/// The most that Postgres takes. Redis takes any size, and whoever may log in may publish one.
const POSTGRES_TAKES: usize = 7_999;

/// An event on its way.
#[derive(Serialize, Deserialize)]
struct Wire {
    id: EventId,
    user_id: UserId,
    occurred_at: Timestamp,
    body: EventBody,
}

impl From<&Event> for Wire {
    fn from(event: &Event) -> Self {
        let Event { id, user_id, occurred_at, body } = event;
        Self { id: *id, user_id: *user_id, occurred_at: *occurred_at, body: body.clone() }
    }
}

impl From<Wire> for Event {
    fn from(wire: Wire) -> Self {
        let Wire { id, user_id, occurred_at, body } = wire;
        Self { id, user_id, occurred_at, body }
    }
}

/// Writes events, as many into each payload as it takes. One that needs more than a payload cannot be sent, and
/// nothing is: what comes after it must not overtake it.
pub(crate) fn encoded(events: &[Event]) -> Result<Vec<String>, Unavailable> {
    let mut payloads = Vec::new();
    let mut payload = String::new();
    for event in events {
        let text = serde_json::to_string(&Wire::from(event)).map_err(Unavailable::new)?;
        if text.len() + "[]".len() > LIMIT {
            let size = text.len();
            return Err(Unavailable::new(format!("event {} has {size} bytes; a notification takes less", event.id)));
        }
        if !payload.is_empty() && payload.len() + text.len() + ",]".len() > LIMIT {
            payload.push(']');
            payloads.push(std::mem::take(&mut payload));
        }
        payload.push(if payload.is_empty() { '[' } else { ',' });
        payload.push_str(&text);
    }
    if !payload.is_empty() {
        payload.push(']');
        payloads.push(payload);
    }
    Ok(payloads)
}

/// Why a payload, or a part of one, is no event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unknown {
    #[error("{0} bytes, which no node sends")]
    Large(usize),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Reads the events that this version knows, and tells the first thing that it does not. While a release rolls out, a
/// newer node may say more: the rest of its payload still counts. What is larger than any payload is not looked at.
pub(crate) fn decoded(payload: &[u8]) -> (Vec<Event>, Option<Unknown>) {
    if payload.len() > POSTGRES_TAKES {
        return (Vec::new(), Some(Unknown::Large(payload.len())));
    }
    let values: Vec<Value> = match serde_json::from_slice(payload) {
        Ok(values) => values,
        Err(error) => return (Vec::new(), Some(error.into())),
    };
    let (mut events, mut unknown) = (Vec::with_capacity(values.len()), None);
    for value in values {
        match serde_json::from_value::<Wire>(value) {
            Ok(wire) => events.push(wire.into()),
            Err(error) => unknown = unknown.or(Some(error.into())),
        }
    }
    (events, unknown)
}

#[cfg(test)]
mod tests {
    use frontdesk_kernel::SessionId;
    use frontdesk_testkit::builders::{event_id, noon, user_id};
    use uuid::Uuid;

    use super::*;

    fn event(body: EventBody) -> Event {
        Event { id: event_id(), user_id: user_id(), occurred_at: noon(), body }
    }

    fn sessions_ended(count: usize) -> Event {
        let sessions = (0..count).map(|_| SessionId::new(Uuid::max())).collect();
        event(EventBody::SessionsEnded { sessions, everywhere: true })
    }

    #[test]
    fn every_kind_of_event_arrives_as_it_was_sent() {
        let events = [
            event(EventBody::AccountCreated),
            event(EventBody::ProfileUpdated { version: i64::MAX, changed: vec!["bio".to_owned(), "näme".to_owned()] }),
            event(EventBody::AvatarChanged { images_processed: u32::MAX, storage_bytes: u64::MAX }),
            event(EventBody::PasswordChanged),
            sessions_ended(2),
            event(EventBody::AccountDeleted { sessions: vec![SessionId::new(Uuid::max())] }),
        ];
        let [payload] = encoded(&events).unwrap().try_into().unwrap();
        let (heard, unknown) = decoded(payload.as_bytes());
        assert_eq!((heard.as_slice(), unknown.is_none()), (events.as_slice(), true));
    }

    #[test]
    fn nothing_needs_no_payload() {
        assert_eq!(encoded(&[]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn many_events_are_spread_over_payloads_below_the_limit_and_keep_their_order() {
        let events: Vec<_> = (0..1_000).map(|size| sessions_ended(size % 101)).collect();
        let payloads = encoded(&events).unwrap();
        assert!(payloads.iter().all(|payload| payload.len() <= LIMIT));
        assert!(payloads.len() < 400, "a payload takes what fits");
        let heard: Vec<_> = payloads.iter().flat_map(|payload| decoded(payload.as_bytes()).0).collect();
        assert_eq!(heard, events);
    }

    #[test]
    fn the_largest_event_fits() {
        assert_eq!(encoded(&[sessions_ended(100)]).unwrap().len(), 1);
    }

    #[test]
    fn an_event_above_the_limit_is_refused_by_its_id_and_with_it_all_others() {
        let large = sessions_ended(300);
        let error = encoded(&[event(EventBody::AccountCreated), large.clone()]).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(&large.id.to_string()), "{cause}");
    }

    #[test]
    fn what_this_version_does_not_know_hides_nothing_else() {
        let known = event(EventBody::PasswordChanged);
        let wire = serde_json::to_string(&Wire::from(&known)).unwrap();
        let newer = wire.replace("password_changed", "moon_landed");
        let (heard, unknown) = decoded(format!("[{newer},7,{wire}]").as_bytes());
        assert_eq!(heard, [known]);
        assert!(unknown.unwrap().to_string().contains("moon_landed"));
    }

    #[test]
    fn garbage_is_no_event() {
        for garbage in ["", "[", "null", "{}", "\u{0}", "[[[]]]", &"[".repeat(7_000)] {
            let (heard, unknown) = decoded(garbage.as_bytes());
            assert!(heard.is_empty() && unknown.is_some(), "{garbage}");
        }
    }

    #[test]
    fn what_is_larger_than_any_payload_is_not_looked_at() {
        let wire = serde_json::to_string(&Wire::from(&event(EventBody::PasswordChanged))).unwrap();
        let padded = |size: usize| format!("[{wire}{}]", " ".repeat(size - wire.len() - 2));
        assert_eq!(decoded(padded(7_999).as_bytes()).0.len(), 1);
        let (heard, unknown) = decoded(padded(8_000).as_bytes());
        assert!(heard.is_empty());
        assert_eq!(unknown.unwrap().to_string(), "8000 bytes, which no node sends");
    }

    #[test]
    fn bytes_that_are_no_text_are_no_event() {
        let (heard, unknown) = decoded(&[b'[', b'"', 0xff, b'"', b']']);
        assert!(heard.is_empty() && unknown.is_some());
    }
}
