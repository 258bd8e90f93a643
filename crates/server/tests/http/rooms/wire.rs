//! Bytes that no library would send.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::soon;
use super::{LOBBY, PROFILE, noticed};
use crate::Store;
use crate::on_both_stores;
use crate::site::{Site, User};

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// The last frame of a message.
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
/// A mask that changes nothing.
const MASK: [u8; 4] = [0; 4];
const JSON_PING: &[u8] = br#"{"type":"ping"}"#;

/// A frame whose length says what it is.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut bytes = vec![first];
    match u16::try_from(length) {
        Ok(0..=0x7D) => bytes.push(MASKED | u8::try_from(length).unwrap()),
        Ok(medium) => {
            bytes.push(MASKED | 0x7E);
            bytes.extend(medium.to_be_bytes());
        }
        Err(_) => {
            bytes.push(MASKED | 0x7F);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend_from_slice(payload);
    bytes
}

/// The beginning of a frame that says this length, in eight bytes.
fn head_of(length: u64) -> Vec<u8> {
    [&[FIN | TEXT, MASKED | 0x7F][..], &length.to_be_bytes(), &MASK, b"{"].concat()
}

struct Raw {
    stream: TcpStream,
    /// What was read, and is not used yet.
    rest: Vec<u8>,
}

impl Raw {
    fn handshake(user: &User) -> String {
        format!(
            "GET /ws/{LOBBY}/{} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: \
             Bearer {}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            user.id, user.token
        )
    }

    /// Comes in and sends something at once, before anybody has answered.
    async fn open_with(site: &Site, user: &User, early: &[u8]) -> Self {
        let mut raw = Self::ask(site, &[Self::handshake(user).as_bytes(), early].concat()).await;
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        // RFC 6455, section 1.3.
        assert!(head.to_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        raw
    }

    /// Connects and sends something.
    async fn ask(site: &Site, bytes: &[u8]) -> Self {
        let mut stream = TcpStream::connect(site.base.strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        Self { stream, rest: vec![] }
    }

    /// The head of an answer.
    async fn head(&mut self) -> String {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill().await, "the server hung up: {}", String::from_utf8_lossy(&self.rest));
        };
        String::from_utf8(self.rest.drain(..end).collect()).unwrap()
    }

    /// Comes in and is welcome.
    async fn open(site: &Site, user: &User) -> Self {
        let mut raw = Self::open_with(site, user, b"").await;
        assert_eq!(raw.json().await["type"], "welcome");
        raw
    }

    /// Whether there is more.
    async fn fill(&mut self) -> bool {
        let mut buffer = [0; 4_096];
        // A reset is an end too.
        let length = soon("the server", self.stream.read(&mut buffer)).await.unwrap_or_default();
        self.rest.extend_from_slice(&buffer[..length]);
        length > 0
    }

    async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.rest.len() < length {
            if !self.fill().await {
                return None;
            }
        }
        Some(self.rest.drain(..length).collect())
    }

    /// The next frame of the server, which sends none in pieces, under a mask or with reserved bits.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = self.take(2).await?;
        assert_eq!(head[0] & 0xF0, FIN, "{head:?}");
        let length = match head[1] {
            126 => u16::from_be_bytes(self.take(2).await?.try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.take(8).await?.try_into().unwrap()).try_into().unwrap(),
            short => usize::from(short),
        };
        Some((head[0] & 0x0F, self.take(length).await?))
    }

    async fn json(&mut self) -> Value {
        let (opcode, payload) = self.frame().await.expect("the server hung up");
        assert_eq!(opcode, TEXT, "{payload:?}");
        serde_json::from_slice(&payload).unwrap()
    }

    /// The code with which the server closes, and what it sent before.
    async fn closed(&mut self) -> (u16, Vec<(u8, Vec<u8>)>) {
        let mut before = Vec::new();
        loop {
            let (opcode, payload) = self.frame().await.unwrap_or_else(|| panic!("no close after {before:?}"));
            if opcode == CLOSE {
                let (code, reason) = payload.split_at(2);
                std::str::from_utf8(reason).unwrap();
                // Nothing comes after it but the end, for which nobody has to wait who has understood.
                self.stream.shutdown().await.ok();
                assert_eq!(self.frame().await, None);
                return (u16::from_be_bytes([code[0], code[1]]), before);
            }
            before.push((opcode, payload));
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        // A server that has heard enough may be gone by now.
        soon("room to send", self.stream.write_all(bytes)).await.ok();
    }
}

/// Sends each to a socket of its own; it has to be closed with one of these codes.
async fn refused(store: Store, codes: &[u16], inputs: Vec<Vec<u8>>) {
    let site = store.open().await;
    let user = site.user().await;
    for input in inputs {
        let mut raw = Raw::open(&site, &user).await;
        raw.send(&input).await;
        let (code, before) = raw.closed().await;
        let shown = &input[..input.len().min(20)];
        assert!(codes.contains(&code) && before.is_empty(), "{shown:?}: {code} {before:?}");
    }
    noticed(&site, 0).await;
    Raw::open(&site, &user).await;
}

async fn reserved_bits_and_opcodes_break_the_protocol(store: Store) {
    let bits = [0x40, 0x20, 0x10, 0x70].map(|bits| frame(FIN | bits | TEXT, JSON_PING));
    let opcodes = [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF].map(|opcode| frame(FIN | opcode, b""));
    refused(store, &[1002], bits.into_iter().chain(opcodes).collect()).await;
}

async fn a_frame_without_a_mask_breaks_the_protocol(store: Store) {
    let unmasked = [&[FIN | TEXT, u8::try_from(JSON_PING.len()).unwrap()], JSON_PING].concat();
    refused(store, &[1002], vec![unmasked, vec![FIN | PING, 0], vec![FIN | CLOSE, 0]]).await;
}

async fn pieces_out_of_order_break_the_protocol(store: Store) {
    let begun = frame(TEXT, b"{");
    let inputs = vec![
        frame(FIN | CONTINUATION, JSON_PING),
        frame(CONTINUATION, JSON_PING),
        [begun.clone(), frame(FIN | TEXT, JSON_PING)].concat(),
        [begun.clone(), frame(TEXT, b"{")].concat(),
        [begun, frame(FIN | 0x2, b"x")].concat(),
    ];
    refused(store, &[1002], inputs).await;
}

async fn control_frames_that_are_long_or_in_pieces_break_the_protocol(store: Store) {
    let long = [b'x'; 126];
    let inputs = vec![
        frame(FIN | PING, &long),
        frame(FIN | PONG, &long),
        frame(FIN | CLOSE, &[&[0x03, 0xE8], &long[..]].concat()),
        frame(PING, b"x"),
        frame(CLOSE, &[0x03, 0xE8]),
    ];
    refused(store, &[1002], inputs).await;
}

async fn a_close_that_says_nothing_sensible_breaks_the_protocol(store: Store) {
    let code = |code: u16| frame(FIN | CLOSE, &code.to_be_bytes());
    refused(store, &[1002], vec![frame(FIN | CLOSE, &[3]), code(0), code(999), code(1005), code(1006)]).await;
}

async fn text_that_is_no_utf_8_is_told_as_such(store: Store) {
    let inputs = vec![
        frame(FIN | TEXT, b"{\"type\":\"\xff\"}"),
        frame(FIN | TEXT, b"\xed\xa0\x80"),
        frame(FIN | TEXT, b"\xc0\xaf"),
        frame(FIN | TEXT, b"\xf0\x9f\x98"),
        [frame(TEXT, b"{\"type\":\"\xf0\x9f"), frame(FIN | CONTINUATION, b"x\"}")].concat(),
    ];
    refused(store, &[1007], inputs).await;
}

async fn a_frame_that_says_it_is_too_large_is_not_read(store: Store) {
    let inputs = [65_537, 1 << 20, 1 << 40, (1 << 63) - 1].map(head_of).into();
    refused(store, &[1009], inputs).await;
}

async fn a_length_with_its_top_bit_is_none(store: Store) {
    refused(store, &[1002, 1009], [1 << 63, u64::MAX].map(head_of).into()).await;
}

async fn pieces_over_the_limit_in_all_are_not_put_together(store: Store) {
    let mut inputs = vec![[frame(TEXT, &[b' '; 65_536]), frame(FIN | CONTINUATION, b" ")].concat()];
    let mut many = frame(TEXT, b"{");
    (0..8).for_each(|_| many.extend(frame(CONTINUATION, &[b' '; 10_000])));
    inputs.push(many);
    refused(store, &[1009], inputs).await;
}

async fn pieces_of_the_limit_are_one_message(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut raw = Raw::open(&site, &user).await;
    let padding = vec![b' '; 65_536 - JSON_PING.len()];
    let (one, other) = JSON_PING.split_at(5);
    raw.send(&frame(TEXT, one)).await;
    raw.send(&frame(CONTINUATION, b"")).await;
    // A ping may come between.
    raw.send(&frame(FIN | PING, b"between")).await;
    assert_eq!(raw.frame().await, Some((PONG, b"between".to_vec())));
    raw.send(&frame(CONTINUATION, other)).await;
    raw.send(&frame(FIN | CONTINUATION, &padding)).await;
    assert_eq!(raw.json().await, json!({ "type": "pong" }));
    // And a letter may be split.
    for piece in [frame(TEXT, b"{\"type\":\"ping\",\"x\":\"\xc3"), frame(FIN | CONTINUATION, b"\xa4\"}")] {
        raw.send(&piece).await;
    }
    assert!(matches!(raw.json().await["type"].as_str(), Some("pong" | "error")));
}

async fn bytes_may_come_as_slowly_and_as_early_as_they_like(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let early = frame(FIN | TEXT, JSON_PING);
    let mut raw = Raw::open_with(&site, &user, &early).await;
    assert_eq!(raw.json().await["type"], "welcome");
    assert_eq!(raw.json().await["type"], "pong");
    raw.stream.set_nodelay(true).unwrap();
    for byte in early {
        raw.send(&[byte]).await;
    }
    assert_eq!(raw.json().await["type"], "pong");
}

async fn a_ping_gets_a_pong_of_the_same(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut raw = Raw::open(&site, &user).await;
    for payload in [&b""[..], b"x", &[0xff; 125]] {
        raw.send(&frame(FIN | PING, payload)).await;
        assert_eq!(raw.frame().await, Some((PONG, payload.to_vec())));
    }
    // One that nobody asked for.
    raw.send(&frame(FIN | PONG, b"x")).await;
    raw.send(&frame(FIN | CLOSE, &[0x03, 0xE8])).await;
    assert_eq!(raw.closed().await, (1000, vec![]));
}

async fn a_hundred_at_once_are_read_and_a_flood_is_not(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for (one, is_answer) in
        [(frame(FIN | PING, b"x"), PONG), (frame(FIN | TEXT, JSON_PING), TEXT), (frame(FIN | PONG, b"x"), 0)]
    {
        let mut raw = Raw::open(&site, &user).await;
        raw.send(&one.repeat(100)).await;
        for _ in 0..100 {
            if is_answer != 0 {
                assert_eq!(raw.frame().await.unwrap().0, is_answer);
            }
        }
        raw.send(&one.repeat(10_000)).await;
        let (code, before) = raw.closed().await;
        assert!(code == 4429 && before.len() < 10_000, "{code} after {}", before.len());
    }
}

async fn a_million_empty_pieces_are_a_flood(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut raw = Raw::open(&site, &user).await;
    raw.send(&frame(TEXT, b"{")).await;
    let pieces = frame(CONTINUATION, b"").repeat(10_000);
    for _ in 0..100 {
        raw.send(&pieces).await;
    }
    assert_eq!(raw.closed().await, (4429, vec![]));
}

async fn a_connection_that_ends_half_way_is_gone(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for half in [&b""[..], &[FIN | TEXT], &head_of(60_000), &frame(TEXT, b"{")] {
        let mut raw = Raw::open(&site, &user).await;
        raw.send(half).await;
        raw.stream.shutdown().await.unwrap();
        while raw.frame().await.is_some() {}
        noticed(&site, 0).await;
    }
}

async fn who_does_not_hang_up_is_hung_up_on(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for input in [frame(FIN | CLOSE, &[0x03, 0xE8]), frame(FIN | 0x3, b""), frame(FIN | CONTINUATION, b"")] {
        let mut raw = Raw::open(&site, &user).await;
        raw.send(&input).await;
        assert_eq!(raw.frame().await.unwrap().0, CLOSE);
        assert_eq!(raw.frame().await, None);
    }
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";

/// Takes the answer to [`HEALTH`].
async fn healthy(raw: &mut Raw) {
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    assert!(raw.take(length).await.unwrap().starts_with(b"{"));
}

async fn a_connection_that_was_used_before_may_become_a_socket(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut raw = Raw::ask(&site, HEALTH.as_bytes()).await;
    healthy(&mut raw).await;
    raw.send(&[Raw::handshake(&user).as_bytes(), &frame(FIN | PING, b"p")].concat()).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(raw.json().await["type"], "welcome");
    assert_eq!(raw.frame().await, Some((PONG, b"p".to_vec())));
}

async fn an_upgrade_that_does_not_wait_for_the_answers_before_it_is_refused_after_them(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let early = [HEALTH.repeat(3).as_bytes(), Raw::handshake(&user).as_bytes(), &frame(FIN | PING, b"p")].concat();
    let mut raw = Raw::ask(&site, &early).await;
    for _ in 0..3 {
        healthy(&mut raw).await;
    }
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 400 ") && head.contains("connection: close"), "{head}");
    while raw.fill().await {}
    assert_eq!(serde_json::from_slice::<Value>(&raw.rest).unwrap()["error"]["code"], "malformed_request");
    noticed(&site, 0).await;
}

async fn a_handshake_may_say_that_it_has_no_body(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let handshake = Raw::handshake(&user).replace("Host: a\r\n", "Host: a\r\nContent-Length: 0\r\n");
    let mut raw = Raw::ask(&site, handshake.as_bytes()).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(raw.json().await["type"], "welcome");
    raw.send(&frame(FIN | PING, b"p")).await;
    assert_eq!(raw.frame().await, Some((PONG, b"p".to_vec())));
}

async fn a_path_that_is_no_room_answers_an_upgrade_and_closes(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for (request, rest, status, is_empty) in [
        ("GET /health", "\r\n", 200, false),
        ("HEAD /health", "\r\n", 200, true),
        ("GET /nowhere", "\r\n", 404, false),
        ("CONNECT a:443", "\r\n", 404, false),
        ("PATCH /api/v1/profile", "Content-Length: 13\r\n\r\n{\"bio\": \"up\"}", 200, false),
        ("PATCH /api/v1/profile", "\r\n", 400, false),
    ] {
        let mut raw = Raw::ask(&site, in_vain(&user, request, rest).as_bytes()).await;
        let head = raw.head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
        assert!(head.contains("\r\nconnection: close\r\n") && head.contains("\r\nx-request-id: "), "{head}");
        while raw.fill().await {}
        assert_eq!(raw.rest.is_empty(), is_empty, "{request}: {}", String::from_utf8_lossy(&raw.rest));
    }
    assert_eq!(site.get_as(&user, PROFILE).await.json["bio"], "up");
}

/// What asks for an upgrade where there is none, with a token.
fn in_vain(user: &User, request: &str, rest: &str) -> String {
    let token = &user.token;
    format!(
        "{request} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\n{rest}"
    )
}

async fn a_body_that_breaks_off_writes_nothing_also_where_it_asks_for_an_upgrade(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let cut = in_vain(&user, &format!("PATCH {PROFILE}"), "Content-Length: 100\r\n\r\n{\"bio\": \"cut\"}");
    let mut raw = Raw::ask(&site, cut.as_bytes()).await;
    raw.stream.shutdown().await.unwrap();
    assert!(raw.head().await.starts_with("HTTP/1.1 400 "));
    assert_ne!(site.get_as(&user, PROFILE).await.json["bio"], "cut");
}

async fn who_waits_to_be_told_to_go_on_is_told_also_where_it_asks_for_an_upgrade(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let rest = "Expect: 100-continue\r\nContent-Length: 13\r\n\r\n";
    let mut raw = Raw::ask(&site, in_vain(&user, &format!("PATCH {PROFILE}"), rest).as_bytes()).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 100 "));
    raw.send(b"{\"bio\": \"up\"}").await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200 "));
}

async fn an_answer_of_unknown_length_ends_with_the_connection_where_it_asks_for_an_upgrade(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let mut raw = Raw::ask(&site, in_vain(&user, "GET /api/v1/account/export", "\r\n").as_bytes()).await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("transfer-encoding"), "{head}");
    while raw.fill().await {}
    assert!(serde_json::from_slice::<Value>(&raw.rest).unwrap().is_object());
}

on_both_stores! {
    a_connection_that_was_used_before_may_become_a_socket,
    an_upgrade_that_does_not_wait_for_the_answers_before_it_is_refused_after_them,
    a_handshake_may_say_that_it_has_no_body,
    a_body_that_breaks_off_writes_nothing_also_where_it_asks_for_an_upgrade,
    who_waits_to_be_told_to_go_on_is_told_also_where_it_asks_for_an_upgrade,
    an_answer_of_unknown_length_ends_with_the_connection_where_it_asks_for_an_upgrade,
    a_path_that_is_no_room_answers_an_upgrade_and_closes,
    who_does_not_hang_up_is_hung_up_on,
    reserved_bits_and_opcodes_break_the_protocol,
    a_frame_without_a_mask_breaks_the_protocol,
    pieces_out_of_order_break_the_protocol,
    control_frames_that_are_long_or_in_pieces_break_the_protocol,
    a_close_that_says_nothing_sensible_breaks_the_protocol,
    text_that_is_no_utf_8_is_told_as_such,
    a_frame_that_says_it_is_too_large_is_not_read,
    a_length_with_its_top_bit_is_none,
    pieces_over_the_limit_in_all_are_not_put_together,
    pieces_of_the_limit_are_one_message,
    bytes_may_come_as_slowly_and_as_early_as_they_like,
    a_ping_gets_a_pong_of_the_same,
    a_hundred_at_once_are_read_and_a_flood_is_not,
    a_million_empty_pieces_are_a_flood,
    a_connection_that_ends_half_way_is_gone,
}
