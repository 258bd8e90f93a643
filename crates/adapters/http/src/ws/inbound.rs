//! Out of the bytes that come, the messages of a client (RFC 6455).

use actix_http::ws::{OpCode, Parser, ProtocolError};
use bytes::{Bytes, BytesMut};

use super::closure::Kind;

/// The most bytes of a message, whether it comes in one frame or in many.
const MESSAGE_MAX: usize = 64 * 1_024;

/// The most bytes of a ping, a pong or a close frame.
const CONTROL_MAX: u8 = 125;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// UTF-8.
    Text(Bytes),
    Binary,
    /// A fragment of what is not complete yet.
    Part,
    Ping(Bytes),
    Pong,
    /// With its code, where there is one.
    Close(Option<u16>),
}

struct Parts {
    is_text: bool,
    bytes: Vec<u8>,
}

/// Holds what has come and is no message yet; of a silent client, nothing.
#[derive(Default)]
pub(super) struct Inbound {
    buffer: BytesMut,
    parts: Option<Box<Parts>>,
}

impl Inbound {
    /// Takes in bytes.
    pub(super) fn feed(&mut self, bytes: &Bytes) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, if all of it is there. After an error there is none any more.
    pub(super) fn next(&mut self) -> Result<Option<Message>, Kind> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        look_ahead(&self.buffer)?;
        let parsed = Parser::parse(&mut self.buffer, true, MESSAGE_MAX).map_err(|error| match error {
            ProtocolError::Overflow => Kind::TooLarge,
            _ => Kind::Protocol,
        })?;
        if self.buffer.is_empty() {
            // Not cleared: a buffer would stay with each of thousands of silent sockets.
            self.buffer = BytesMut::new();
        }
        let Some((is_last, code, payload)) = parsed else { return Ok(None) };
        let payload = payload.map(BytesMut::freeze).unwrap_or_default();
        self.message(is_last, code, payload).map(Some)
    }

    fn message(&mut self, is_last: bool, code: OpCode, payload: Bytes) -> Result<Message, Kind> {
        match code {
            OpCode::Ping => Ok(Message::Ping(payload)),
            OpCode::Pong => Ok(Message::Pong),
            OpCode::Close => {
                let reason = Parser::try_parse_close_payload(&payload).map_err(|_| Kind::Protocol)?;
                Ok(Message::Close(reason.map(|reason| reason.code.into())))
            }
            OpCode::Text | OpCode::Binary if self.parts.is_some() => Err(Kind::Protocol),
            OpCode::Text | OpCode::Binary if is_last => whole(code == OpCode::Text, payload),
            OpCode::Text | OpCode::Binary => {
                self.parts = Some(Box::new(Parts { is_text: code == OpCode::Text, bytes: payload.into() }));
                Ok(Message::Part)
            }
            OpCode::Continue => self.go_on(is_last, &payload),
            OpCode::Bad => Err(Kind::Protocol),
        }
    }

    fn go_on(&mut self, is_last: bool, payload: &[u8]) -> Result<Message, Kind> {
        let mut parts = self.parts.take().ok_or(Kind::Protocol)?;
        if parts.bytes.len() + payload.len() > MESSAGE_MAX {
            return Err(Kind::TooLarge);
        }
        parts.bytes.extend_from_slice(payload);
        if is_last {
            return whole(parts.is_text, parts.bytes.into());
        }
        self.parts = Some(parts);
        Ok(Message::Part)
    }
}

fn whole(is_text: bool, bytes: Bytes) -> Result<Message, Kind> {
    match (is_text, std::str::from_utf8(&bytes)) {
        (true, Ok(_)) => Ok(Message::Text(bytes)),
        (true, Err(_)) => Err(Kind::NotText),
        (false, _) => Ok(Message::Binary),
    }
}

/// Judges a frame by its header: the parser would wait for all of a frame that is too large, and say so afterwards.
fn look_ahead(buffer: &[u8]) -> Result<(), Kind> {
    let [first, second, rest @ ..] = buffer else { return Ok(()) };
    let (is_last, is_control, length) = (first & 0x80 != 0, first & 0x08 != 0, second & 0x7f);
    let (has_reserved, is_masked) = (first & 0x70 != 0, second & 0x80 != 0);
    if has_reserved || !is_masked || (is_control && (!is_last || length > CONTROL_MAX)) {
        return Err(Kind::Protocol);
    }
    let Some(length) = rest.first_chunk().filter(|_| length == 127).map(|length| u64::from_be_bytes(*length)) else {
        return Ok(());
    };
    match usize::try_from(length) {
        // The first bit of the 64 must be zero.
        _ if length > i64::MAX.cast_unsigned() => Err(Kind::Protocol),
        Ok(length) if length <= MESSAGE_MAX => Ok(()),
        _ => Err(Kind::TooLarge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIN: u8 = 0x80;
    const TEXT: u8 = 1;
    const BINARY: u8 = 2;

    fn header(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(0x80 | 0x7e);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 0x7f);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = header(first, payload.len());
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    fn read(bytes: &[u8]) -> Result<Vec<Message>, Kind> {
        let mut inbound = Inbound::default();
        inbound.feed(&Bytes::copy_from_slice(bytes));
        std::iter::from_fn(|| inbound.next().transpose()).collect()
    }

    fn text(text: &str) -> Message {
        Message::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn frames_are_read_whatever_pieces_they_come_in() {
        let bytes =
            [frame(FIN | TEXT, b"one"), frame(FIN | 9, b"p"), frame(FIN | TEXT, "zw\u{f6}".as_bytes())].concat();
        let expected = [text("one"), Message::Ping(Bytes::from_static(b"p")), text("zw\u{f6}")];
        assert_eq!(read(&bytes).unwrap(), expected);
        let (mut inbound, mut messages) = (Inbound::default(), Vec::new());
        for byte in bytes.chunks(1) {
            inbound.feed(&Bytes::copy_from_slice(byte));
            messages.extend(inbound.next().unwrap());
        }
        assert_eq!(messages, expected);
        assert_eq!(inbound.buffer.capacity(), 0, "a silent socket keeps a buffer");
    }

    #[test]
    fn fragments_are_put_together_with_control_frames_in_between() {
        let bytes = [frame(TEXT, b"a"), frame(FIN | 0xa, b""), frame(0, b"b"), frame(FIN, b"c")].concat();
        assert_eq!(read(&bytes).unwrap(), [Message::Part, Message::Pong, Message::Part, text("abc")]);
        let binary = [frame(BINARY, b"\xff"), frame(FIN, b"\xff")].concat();
        assert_eq!(read(&binary).unwrap(), [Message::Part, Message::Binary]);
    }

    #[test]
    fn a_message_has_64_kib_at_most_in_one_frame_or_in_many() {
        let whole = vec![b'a'; MESSAGE_MAX];
        assert_eq!(read(&frame(FIN | TEXT, &whole)).unwrap().len(), 1);
        assert_eq!(read(&[frame(TEXT, &whole), frame(FIN, b"")].concat()).unwrap().len(), 2);
        assert_eq!(read(&[frame(TEXT, &whole), frame(FIN, b"a")].concat()), Err(Kind::TooLarge));
    }

    #[test]
    fn a_frame_that_is_too_large_is_refused_by_its_header() {
        assert_eq!(read(&header(FIN | TEXT, MESSAGE_MAX + 1)), Err(Kind::TooLarge));
        assert_eq!(read(&header(FIN | TEXT, usize::MAX >> 1)), Err(Kind::TooLarge));
        assert_eq!(read(&header(FIN | TEXT, usize::MAX)), Err(Kind::Protocol));
    }

    #[test]
    fn what_breaks_the_protocol_is_refused() {
        let close = |payload: &[u8]| frame(FIN | 8, payload);
        for (what, bytes) in [
            ("reserved bits", frame(FIN | 0x40 | TEXT, b"a")),
            ("an unknown operation", frame(FIN | 3, b"a")),
            ("no mask", vec![FIN | TEXT, 1, b'a']),
            ("a ping of 126 bytes", frame(FIN | 9, &[0; 126])),
            ("a ping in fragments", frame(9, b"a")),
            ("a continuation of nothing", frame(FIN, b"a")),
            ("a text within a text", [frame(TEXT, b"a"), frame(FIN | TEXT, b"b")].concat()),
            ("a close of one byte", close(b"\x03")),
            ("a close code that is none", close(&1005_u16.to_be_bytes())),
            ("a close reason that is no text", close(b"\x03\xe8\xff")),
        ] {
            assert_eq!(read(&bytes), Err(Kind::Protocol), "{what}");
        }
    }

    #[test]
    fn text_that_is_not_utf_8_is_refused() {
        assert_eq!(read(&frame(FIN | TEXT, b"\xff")), Err(Kind::NotText));
        // Half a character may end a fragment.
        assert!(read(&[frame(TEXT, b"\xc3"), frame(FIN, b"\xb6")].concat()).is_ok());
        assert_eq!(read(&[frame(TEXT, b"\xc3"), frame(FIN, b"a")].concat()), Err(Kind::NotText));
    }

    #[test]
    fn a_close_frame_may_have_a_code() {
        assert_eq!(read(&frame(FIN | 8, b"")).unwrap(), [Message::Close(None)]);
        assert_eq!(read(&frame(FIN | 8, b"\x03\xe8bye")).unwrap(), [Message::Close(Some(1000))]);
        assert_eq!(read(&frame(FIN | 8, b"\x0f\xa0")).unwrap(), [Message::Close(Some(4000))]);
    }
}
