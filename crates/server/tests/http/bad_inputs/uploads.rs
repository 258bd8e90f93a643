//! Uploads whose frame no client should send: sizes, boundaries, names, types.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{refusal_in, state, wire, wire_and_end};
use crate::on_both_stores;
use crate::pictures::{FORM, RED, form, png, routes};
use crate::site::{Answer, User, send};
use crate::{Site, Store};

/// The most bytes of pictures in one upload.
const LIMIT: usize = 5_242_880;

/// A valid picture of so many bytes: what stands behind its end is nobody's business.
fn padded(length: usize) -> Vec<u8> {
    let mut picture = png(99, 99, RED);
    picture.resize(length, 0);
    picture
}

/// The head of an upload by hand.
fn head(user: &User, headers: &str) -> Vec<u8> {
    format!(
        "POST /api/v1/profile/avatar HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
         Content-Type: {FORM}\r\n{headers}\r\n",
        user.token
    )
    .into_bytes()
}

fn assert_too_large(answer: &Answer, what: &str) {
    assert_eq!(answer.refusal(), (413, "payload_too_large"), "{what}: {answer:?}");
    assert_eq!(answer.json["error"]["details"], json!({ "limit_bytes": LIMIT }), "{what}");
}

async fn an_upload_of_the_limit_is_read_and_one_byte_more_is_not(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let half = padded(LIMIT / 2);
    for (method, path) in routes(&user) {
        let send = |form: Vec<u8>| site.send_form(method.clone(), &path, Some(&user), form);
        assert_eq!(send(form(&[("file", &padded(LIMIT))])).await.status, 200, "{path}");
        assert_eq!(send(form(&[("small", &half), ("large", &half)])).await.status, 200, "{path}");
        let before = state(&site, &user).await;
        assert_too_large(&send(form(&[("file", &padded(LIMIT + 1))])).await, &path);
        assert_too_large(&send(form(&[("small", &half), ("large", &padded(LIMIT / 2 + 1))])).await, &path);
        assert_eq!(state(&site, &user).await, before, "{path}");
    }
}

async fn an_upload_that_says_it_is_too_large_is_not_read(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let answer = wire(&site, &head(&user, &format!("Content-Length: {}\r\n", 5_usize << 30))).await;
    assert_eq!(refusal_in(&answer), (413, "payload_too_large".to_owned()), "{answer}");
}

/// Sends one chunk after another until there is an answer; tells how much was sent by then, and the answer.
async fn endless(site: &Site, start: &[u8], chunk: &[u8]) -> (usize, String) {
    let stream = TcpStream::connect(site.base.strip_prefix("http://").unwrap()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    writer.write_all(start).await.unwrap();
    let (mut sent, mut answer) = (0, Vec::new());
    let exchange = async {
        let mut first = [0; 1_024];
        loop {
            tokio::select! {
                biased;
                read = reader.read(&mut first) => {
                    answer.extend_from_slice(&first[..read.unwrap_or(0)]);
                    break;
                }
                written = writer.write_all(chunk) => sent += written.map_or(0, |()| chunk.len()),
            }
        }
        // It goes on a little, and is not listened to: the connection ends.
        while writer.write_all(chunk).await.is_ok() {}
        reader.read_to_end(&mut answer).await.ok();
    };
    tokio::time::timeout(Duration::from_secs(20), exchange).await.expect("the server neither answered nor closed");
    (sent, String::from_utf8_lossy(&answer).into_owned())
}

async fn an_endless_upload_is_cut_off(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = state(&site, &user).await;
    let head = head(&user, "Transfer-Encoding: chunked\r\n");
    let part = b"--frontdesk\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
    let chunk = |content: &[u8]| [format!("{:x}\r\n", content.len()).as_bytes(), content, b"\r\n"].concat();
    let filler = chunk(&vec![b'x'; 65_536]);
    let closed = [part.as_slice(), b"x\r\n--frontdesk--\r\n"].concat();
    for (what, first) in [("a part", part.as_slice()), ("a preamble", b"x"), ("an epilogue", &closed)] {
        let (sent, answer) = endless(&site, &[head.as_slice(), &chunk(first)].concat(), &filler).await;
        assert_eq!(refusal_in(&answer), (413, "payload_too_large".to_owned()), "{what}: {answer}");
        // What the server has read, and what lies in the buffers of the system between.
        assert!(sent < 4 * LIMIT, "{what}: {sent}");
    }
    assert_eq!(state(&site, &user).await, before);
}

async fn a_body_without_an_end_that_nobody_reads_ends_the_connection(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let filler = [b"10000\r\n".as_slice(), &vec![b'x'; 65_536], b"\r\n"].concat();
    let bearer = format!("Authorization: Bearer {}\r\n", user.token);
    for (line, credential, status) in [
        ("POST /api/v1/profile/avatar".to_owned(), "", 401),
        (format!("PUT /users/{}/avatar", user.id), "", 401),
        ("POST /avatars/upload/abc".to_owned(), bearer.as_str(), 404),
        ("PUT /api/v1/profile/avatar".to_owned(), &bearer, 405),
        ("POST /nowhere".to_owned(), "", 404),
        (format!("GET /avatars/{}/medium", user.id), "", 200),
        ("DELETE /api/v1/profile/avatar".to_owned(), &bearer, 204),
        ("PATCH /api/v1/profile".to_owned(), "", 401),
    ] {
        let head = format!(
            "{line} HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\n{credential}Transfer-Encoding: chunked\r\n\r\n"
        );
        let (_, answer) = endless(&site, head.as_bytes(), &filler).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
    }
}

/// A form around a picture, by its frame.
fn framed(head: &str, tail: &str) -> Vec<u8> {
    [head.as_bytes(), &png(9, 9, RED), tail.as_bytes()].concat()
}

async fn a_frame_that_cannot_be_read_is_refused(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = state(&site, &user).await;
    let (open, close) = ("--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n", "\r\n--b--\r\n");
    let good = || framed(open, close);
    let typed = |boundary: &str| format!("multipart/form-data; boundary={boundary}");
    let long = "b".repeat(1_024);
    let filled = |length: usize| open.replace("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "x".repeat(length)));
    for (what, kind, body) in [
        ("no boundary", "multipart/form-data".to_owned(), good()),
        ("an empty boundary", typed(""), good()),
        ("an empty boundary in quotes", typed("\"\""), good()),
        ("quotes inside", typed("a\"b"), good()),
        ("a boundary of 1 KiB", typed(&long), framed(&open.replace("--b", &format!("--{long}")), close)),
        ("two boundaries", typed("b; boundary=c"), good()),
        ("another boundary", typed("c"), good()),
        ("never closed", typed("b"), framed(open, "\r\n--b\r\n")),
        ("closed as another", typed("b"), framed(open, "\r\n--c--\r\n")),
        ("truncated in the content", typed("b"), framed(open, "")),
        ("truncated in the headers", typed("b"), b"--b\r\nContent-Dispo".to_vec()),
        ("nothing", typed("b"), Vec::new()),
        ("no name", typed("b"), framed("--b\r\nContent-Disposition: form-data\r\n\r\n", close)),
        ("no headers", typed("b"), framed("--b\r\n\r\n", close)),
        ("headers of 64 KiB", typed("b"), framed(&filled(65_536), close)),
        ("headers of 4 MiB", typed("b"), framed(&filled(4 << 20), close)),
    ] {
        for (method, path) in routes(&user) {
            let request = site.request(method, &path).bearer_auth(&user.token).header(CONTENT_TYPE, &kind);
            let answer = send(request.body(body.clone())).await;
            assert_eq!(answer.refusal(), (400, "malformed_request"), "{what} {path}: {answer:?}");
        }
    }
    for headers in ["Content-Length: 9999\r\n", "Transfer-Encoding: chunked\r\n"] {
        let body = [head(&user, headers), format!("{:x}\r\n", open.len()).into_bytes(), open.into()].concat();
        let answer = wire_and_end(&site, &body).await;
        assert_eq!(refusal_in(&answer), (400, "malformed_request".to_owned()), "{headers}: {answer}");
    }
    assert_eq!(state(&site, &user).await, before);
}

async fn parts_that_break_a_rule_are_named(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = state(&site, &user).await;
    let picture = png(9, 9, RED);
    let named = |names: &[&'static str]| names.iter().map(|&name| (name, picture.as_slice())).collect::<Vec<_>>();
    let thousand = vec![("small", picture.as_slice()); 1_000];
    for (parts, field) in [
        (vec![], "file"),
        (named(&["file", "file"]), "file"),
        (named(&["file", "image"]), "image"),
        (named(&["small", "small"]), "small"),
        (named(&["picture"]), "picture"),
        (named(&["file", ""]), ""),
        (vec![("large", [].as_slice())], "large"),
        (vec![("file", picture.as_slice()), ("medium", [].as_slice())], "medium"),
        (thousand, "small"),
    ] {
        let answer = site.upload(&user, &parts).await;
        assert_eq!(answer.refusal(), (400, "validation_failed"), "{field}: {answer:?}");
        let fields = answer.json["error"]["details"]["fields"].as_object().unwrap();
        assert!(fields.len() == 1 && fields.contains_key(field), "{field}: {answer:?}");
    }
    assert_eq!(state(&site, &user).await, before);
}

async fn what_is_no_form_is_told(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = state(&site, &user).await;
    let good = form(&[("file", &png(9, 9, RED))]);
    for (method, path) in routes(&user) {
        let request = || site.request(method.clone(), &path).bearer_auth(&user.token).body(good.clone());
        for kind in ["", "x", "image/png", "application/json", "multipart/mixed; boundary=frontdesk"] {
            let answer = send(request().header(CONTENT_TYPE, kind)).await;
            assert_eq!(answer.refusal(), (415, "unsupported_media_type"), "{kind} {path}");
        }
        assert_eq!(send(request()).await.refusal(), (415, "unsupported_media_type"), "none {path}");
        for coding in ["gzip", "br", "identity, gzip"] {
            let request = request().header(CONTENT_TYPE, FORM).header("Content-Encoding", coding);
            assert_eq!(send(request).await.refusal(), (415, "unsupported_media_type"), "{coding} {path}");
        }
    }
    assert_eq!(state(&site, &user).await, before);
}

async fn the_name_of_a_file_says_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let expected = site.uploaded(&user, &png(9, 9, RED)).await;
    let long = format!("filename=\"{}.png\"", "x".repeat(4_096));
    for name in [
        "filename=\"../../x.png\"",
        "filename=\"a.png\0.php\"",
        "filename=\"\u{202e}gnp.exe\"",
        "filename=\".htaccess\"",
        "filename=\"\"",
        "filename*=utf-8''..%2fx",
        "x=y",
        &long,
    ] {
        let head = format!("--frontdesk\r\nContent-Disposition: form-data; name=\"file\"; {name}\r\n");
        let body = framed(&format!("{head}Content-Type: text/html\r\n\r\n"), "\r\n--frontdesk--\r\n");
        let answer = site.send_form(Method::POST, "/api/v1/profile/avatar", Some(&user), body).await;
        assert_eq!((answer.status, &answer.json["avatar_urls"]["small"]), (200, &json!(expected[1])), "{name:?}");
    }
}

on_both_stores! {
    an_upload_of_the_limit_is_read_and_one_byte_more_is_not,
    an_upload_that_says_it_is_too_large_is_not_read,
    an_endless_upload_is_cut_off,
    a_body_without_an_end_that_nobody_reads_ends_the_connection,
    a_frame_that_cannot_be_read_is_refused,
    parts_that_break_a_rule_are_named,
    what_is_no_form_is_told,
    the_name_of_a_file_says_nothing,
}
