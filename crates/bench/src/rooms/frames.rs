//! As much of WebSocket (RFC 6455) as a load generator needs.

/// How the text of a frame begins that tells of an update.
const UPDATED: &[u8] = b"{\"type\":\"profile_updated\"";
/// An empty pong, with the mask that a client owes and that changes nothing.
pub(super) const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;

/// What a frame means to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A profile changed.
    Updated,
    /// A pong is owed.
    Ping,
    /// The server closes.
    Closed,
    /// Anything else.
    Other,
}

/// Reads frames that arrive in pieces, and keeps of each no more than its beginning.
#[derive(Default)]
pub(super) struct Frames {
    beginning: Vec<u8>,
    /// Bytes of the frame that are still to come.
    left: Option<usize>,
}

impl Frames {
    /// Takes in a piece, and tells the frames that end in it.
    pub(super) fn read(&mut self, mut piece: &[u8], mut tell: impl FnMut(Meaning)) {
        while let Some((&byte, rest)) = piece.split_first() {
            match self.left {
                None => {
                    self.beginning.push(byte);
                    piece = rest;
                    self.left = header(&self.beginning);
                }
                Some(left) => {
                    let taken = left.min(piece.len());
                    let (mine, rest) = piece.split_at(taken);
                    let kept = (UPDATED.len() + 10).saturating_sub(self.beginning.len()).min(mine.len());
                    self.beginning.extend_from_slice(mine.get(..kept).unwrap_or_default());
                    self.left = Some(left - taken);
                    piece = rest;
                }
            }
            if self.left == Some(0) {
                tell(meaning(&self.beginning));
                *self = Self::default();
            }
        }
    }
}

/// How long the payload is, once the header is whole. A server does not mask.
fn header(bytes: &[u8]) -> Option<usize> {
    let len = match (bytes.len(), bytes.get(1)? & 0x7f) {
        (2, short @ ..=125) => u64::from(short),
        (4, 126) => u64::from(u16::from_be_bytes(*bytes.last_chunk()?)),
        (10, 127) => u64::from_be_bytes(*bytes.last_chunk()?),
        _ => return None,
    };
    usize::try_from(len).ok()
}

fn meaning(frame: &[u8]) -> Meaning {
    let header = match frame.get(1).map(|len| len & 0x7f) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    match frame.first().map(|first| first & 0x0f) {
        Some(TEXT) if frame.get(header..).is_some_and(|text| text.starts_with(UPDATED)) => Meaning::Updated,
        Some(CLOSE) => Meaning::Closed,
        Some(PING) => Meaning::Ping,
        _ => Meaning::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let len = payload.len();
        let mut frame = vec![first];
        match len {
            ..=125 => frame.push(u8::try_from(len).unwrap()),
            126..=65_535 => {
                frame.push(126);
                frame.extend(u16::try_from(len).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(127);
                frame.extend(u64::try_from(len).unwrap().to_be_bytes());
            }
        }
        [frame, payload.to_vec()].concat()
    }

    #[test]
    fn frames_of_every_length_are_told_however_they_are_cut() {
        let update = [UPDATED, [b' '; 400].as_slice()].concat();
        let bytes = [
            frame(0x81, UPDATED),
            frame(0x81, &update),
            frame(0x81, &vec![b'x'; 70_000]),
            frame(0x89, b""),
            frame(0x88, &[3, 245]),
        ]
        .concat();
        for size in [1, 2, 3, 7, 100, 5_000, bytes.len()] {
            let (mut frames, mut told) = (Frames::default(), Vec::new());
            for piece in bytes.chunks(size) {
                frames.read(piece, |meaning| told.push(meaning));
            }
            let all = [Meaning::Updated, Meaning::Updated, Meaning::Other, Meaning::Ping, Meaning::Closed];
            assert_eq!(told, all, "in pieces of {size}");
        }
    }
}
