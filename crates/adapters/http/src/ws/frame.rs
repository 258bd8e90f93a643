//! What the members of a room are told, in the form in which it is sent.

use std::fmt;
use std::sync::{Arc, OnceLock};

use actix_http::ws::{OpCode, Parser};
use bytes::{Bytes, BytesMut};
use frontdesk_profile::profile::TOLD_FIELDS;
use frontdesk_rooms::Position;
use frontdesk_rooms::mailbox::Payload;
use serde::Serialize;

use super::frames::ProfileUpdated;

/// One frame for all who hear it, encoded once.
#[derive(Clone)]
pub struct Frame(Arc<Encoded>);

struct Encoded {
    /// Of a frame that says several things at once, not before it is sent: more may be said by then.
    bytes: OnceLock<Bytes>,
    /// Where in the log of the room; nothing for who comes and goes.
    position: Option<Position>,
    source: Source,
}

/// What has to be known to say two things at once.
enum Source {
    Updated(ProfileUpdated),
    Deleted,
    Presence,
}

impl Frame {
    pub(super) fn updated(update: ProfileUpdated) -> Self {
        let bytes = encode(&update).into();
        Self::later(update, bytes)
    }

    fn later(update: ProfileUpdated, bytes: OnceLock<Bytes>) -> Self {
        let position = Some(Position { epoch: update.epoch, offset: update.offset });
        Self(Arc::new(Encoded { bytes, position, source: Source::Updated(update) }))
    }

    pub(super) fn deleted(frame: &impl Serialize, position: Position) -> Self {
        Self(Arc::new(Encoded { bytes: encode(frame).into(), position: Some(position), source: Source::Deleted }))
    }

    pub(super) fn presence(frame: &impl Serialize) -> Self {
        Self(Arc::new(Encoded { bytes: encode(frame).into(), position: None, source: Source::Presence }))
    }

    /// Header and text, as they go out.
    pub(super) fn bytes(&self) -> Bytes {
        let encoded = || match &self.0.source {
            Source::Updated(update) => encode(update),
            // Encoded from the beginning.
            Source::Deleted | Source::Presence => Bytes::new(),
        };
        self.0.bytes.get_or_init(encoded).clone()
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.0.position
    }
}

impl Payload for Frame {
    fn after(&self, earlier: &Self) -> Self {
        match (&self.0.source, &earlier.0.source) {
            (Source::Updated(update), Source::Updated(before)) => {
                let changed = union(&before.changed, &update.changed);
                Self::later(ProfileUpdated { changed, ..update.clone() }, OnceLock::new())
            }
            // Nothing is left to be updated.
            (Source::Updated(_), Source::Deleted) => earlier.clone(),
            (Source::Deleted | Source::Presence, _) | (Source::Updated(_), Source::Presence) => self.clone(),
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("position", &self.0.position).finish_non_exhaustive()
    }
}

/// The names of both, each once, in the order of the contract; names that only a newer version knows come last.
fn union(earlier: &[String], later: &[String]) -> Vec<String> {
    let mut names: Vec<_> = earlier.iter().chain(later).cloned().collect();
    let rank = |name: &String| TOLD_FIELDS.iter().position(|field| field == name).unwrap_or(usize::MAX);
    names.sort_by(|one, other| rank(one).cmp(&rank(other)).then_with(|| one.cmp(other)));
    names.dedup();
    names
}

/// A text frame of what is said in JSON.
pub(super) fn encode(said: &impl Serialize) -> Bytes {
    // What is said is made of text, numbers and maps with text for keys: it cannot fail to serialise.
    text(&serde_json::to_vec(said).unwrap_or_default())
}

/// A text frame.
pub(super) fn text(json: &[u8]) -> Bytes {
    framed(json, OpCode::Text)
}

pub(super) fn pong(payload: &[u8]) -> Bytes {
    framed(payload, OpCode::Pong)
}

pub(super) const PING: Bytes = Bytes::from_static(&[0x89, 0]);

fn framed(payload: &[u8], code: OpCode) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + 10);
    Parser::write_message(&mut frame, payload, code, true, false);
    frame.freeze()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::super::frames::tests::{deleted, joined, left, updated};
    use super::*;

    /// What a text frame says.
    pub(in super::super) fn said(frame: &[u8]) -> Value {
        let start = match frame[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        assert_eq!(frame[0], 0x81, "no text frame");
        serde_json::from_slice(&frame[start..]).unwrap()
    }

    fn of(frame: &Frame) -> Value {
        said(&frame.bytes())
    }

    #[test]
    fn a_frame_carries_its_length_in_the_shortest_form() {
        for (length, header) in [
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_536, { vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0] }),
        ] {
            let frame = text(&vec![b' '; length]);
            assert_eq!(frame[..header.len()], header);
            assert_eq!(frame.len(), header.len() + length);
        }
    }

    #[test]
    fn two_updates_become_the_later_with_the_fields_of_both() {
        let (earlier, later) = (updated(4, &["avatar_url", "bio"]), updated(7, &["username", "bio"]));
        let both = Frame::updated(later).after(&Frame::updated(earlier));
        let told = of(&both);
        assert_eq!(told["changed"], json!(["username", "bio", "avatar_url"]));
        assert_eq!((&told["offset"], &told["version"]), (&json!(7), &json!(7)));
        assert_eq!(both.position().unwrap().offset, 7);
    }

    #[test]
    fn fields_that_this_version_does_not_know_are_kept() {
        let (earlier, later) = (updated(1, &["zodiac"]), updated(2, &["preferences"]));
        let told = of(&Frame::updated(later).after(&Frame::updated(earlier)));
        assert_eq!(told["changed"], json!(["preferences", "zodiac"]));
    }

    #[test]
    fn a_deletion_absorbs_every_update() {
        let (update, deletion) = (Frame::updated(updated(1, &["bio"])), deleted(2));
        assert_eq!(of(&deletion.after(&update)), of(&deletion));
        assert_eq!(of(&update.after(&deletion)), of(&deletion));
    }

    #[test]
    fn of_coming_and_going_the_later_counts() {
        assert_eq!(of(&left().after(&joined()))["type"], "member_left");
        assert_eq!(of(&joined().after(&left()))["type"], "member_joined");
    }
}
