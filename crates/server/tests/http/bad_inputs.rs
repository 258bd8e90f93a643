//! Inputs that no client should send. One driver: each row is sent, answered with what it must get, and has changed
//! nothing.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::on_both_stores;
use crate::site::{PASSWORD, User, send};
use crate::{Site, Store};

const PROFILE: &str = "/api/v1/profile";

/// A body, and what it must get.
struct Row {
    body: Vec<u8>,
    status: u16,
    code: &'static str,
}

fn raw(body: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Row {
    Row { body: body.into(), status, code }
}

fn field(name: &str, value: impl Into<Value>) -> Row {
    raw(json!({ name: value.into() }).to_string(), 400, "validation_failed")
}

/// Everything of a user that a request could have changed.
async fn state(site: &Site, user: &User) -> (Value, Value) {
    (site.profile(user).await, site.get_as(user, "/api/v1/settings").await.json)
}

async fn drive(site: &Site, method: Method, path: &str, rows: Vec<Row>) {
    let user = site.user().await;
    let path = path.replace("{id}", &user.id);
    let before = state(site, &user).await;
    for row in rows {
        let shown: String = String::from_utf8_lossy(&row.body).chars().take(80).collect();
        let request = site.mobile(&user, method.clone(), &path).header("Content-Type", "application/json");
        let answer = send(request.body(row.body)).await;
        assert_eq!(answer.refusal(), (row.status, row.code), "{path} {shown}: {}", answer.text);
        assert!(answer.json["error"]["details"].is_object(), "{path} {shown}");
    }
    assert_eq!(state(site, &user).await, before, "{path}");
}

fn broken_bodies() -> Vec<Row> {
    let malformed = |body: &[u8]| raw(body, 400, "malformed_request");
    vec![
        malformed(b""),
        malformed(b" "),
        malformed(b"null"),
        malformed(b"[]"),
        malformed(b"\"x\""),
        malformed(b"{}{}"),
        malformed(b"{\"bio\":\"a\"} x"),
        malformed(b"{\"bio\":NaN}"),
        malformed(b"{\"bio\":Infinity}"),
        malformed(b"{\"bio\":1e400}"),
        malformed(b"{\"bio\":\"a\",\"bio\":\"b\"}"),
        malformed(b"{\"preferences\":{\"a\":1,\"a\":2}}"),
        malformed(b"{\"bio\":\"\\ud800\"}"),
        malformed(b"{\"bio\":\"\xff\xfe\"}"),
        malformed(b"\xef\xbb\xbf{}"),
        malformed("[".repeat(65_536).as_bytes()),
        malformed(format!("{{\"preferences\":{}1{}}}", "{\"a\":".repeat(40), "}".repeat(40)).as_bytes()),
        malformed(format!("{{\"preferences\":{}{}}}", "[".repeat(127), "]".repeat(127)).as_bytes()),
        raw(format!("{{\"bio\":\"{}\"}}", "x".repeat(65_536)), 413, "payload_too_large"),
        raw("x".repeat(1_048_576), 413, "payload_too_large"),
    ]
}

async fn broken_bodies_are_refused_on_every_route_that_reads_one(store: Store) {
    let site = store.open().await;
    for (method, path) in [
        (Method::PATCH, PROFILE),
        (Method::PATCH, "/api/v1/settings"),
        (Method::PUT, "/users/{id}/profile"),
        (Method::PUT, "/users/{id}/password"),
        (Method::POST, "/mobile/user/profile"),
        (Method::POST, "/update-user-name"),
        (Method::POST, "/users"),
        (Method::POST, "/api/v1/auth/login"),
    ] {
        drive(&site, method, path, broken_bodies()).await;
    }
}

fn texts_that_deceive() -> impl Iterator<Item = String> {
    ["\u{0}", "\u{1b}[31m", "\u{202e}", "\u{2066}", "\u{2069}", "\u{200b}", "\u{feff}", "\u{85}", "\u{7f}"]
        .into_iter()
        .map(|bad| format!("a{bad}b"))
}

async fn fields_that_break_their_rules_are_refused(store: Store) {
    let site = store.open().await;
    let mut rows = Vec::new();
    for name in ["display_name", "first_name", "last_name", "company", "job_title", "location"] {
        rows.extend(texts_that_deceive().map(|text| field(name, text)));
    }
    for name in ["display_name", "first_name", "last_name"] {
        rows.push(field(name, "🦀".repeat(101)));
        rows.push(field(name, format!("e{}", "\u{301}".repeat(100))));
    }
    rows.extend(["bio", "company", "job_title", "location"].map(|name| field(name, "x".repeat(2_001))));
    rows.push(field("bio", "a\u{0}b"));
    let emails =
        ["a@b\r\nBcc: x@y", "a@b%0ABcc:x", "a", "a@@b.c", "\"a b\"@x.y", "a@[127.0.0.1]", "a@b.c.", "a\u{ff20}b.c"];
    rows.extend(emails.map(|email| field("email", email)));
    rows.push(field("email", format!("{}@example.com", "a".repeat(244))));
    let urls = [
        "javascript:alert(1)",
        "JaVa\tScript:x",
        "data:text/html,x",
        "//evil.test",
        "https://good\\@evil",
        "http://user:pw@h",
        "file:///etc/passwd",
        "http://169.254.169.254/",
        "/etc/passwd",
    ];
    rows.extend(["website", "avatar_url"].into_iter().flat_map(|name| urls.map(|url| field(name, url))));
    rows.push(field("website", format!("https://e.test/{}", "a".repeat(2_034))));
    let zones = ["Mars/Olympus", "utc+5", "Foo5", "europe/berlin", "../../etc/passwd", &"a".repeat(101)];
    rows.extend(zones.map(|zone| field("timezone", zone)));
    rows.push(field("language", "xx-YY-zz-toolong"));
    rows.extend(["letters", "+123456789012345678901", "+٤٩٣٠١٢٣٤٥٦"].map(|phone| field("phone", phone)));
    rows.extend(["a/b", "a?b", &"a".repeat(101)].map(|name| field("linkedin_username", name)));
    rows.extend(
        ["ab", "a b", "аda", "K\u{212a}K", "dotless\u{131}", &"a".repeat(33)].map(|name| field("username", name)),
    );
    for (key, value) in [
        ("voice_preference", json!("a".repeat(21))),
        ("voice_preference", json!("a b")),
        ("default_scenario", json!("a".repeat(51))),
        ("call_history", json!({ "retention_days": 3_651 })),
        ("free", json!({ "deep": ["a\u{0}b"] })),
        ("free", json!("x".repeat(17_000))),
    ] {
        rows.push(field("preferences", json!({ key: value })));
    }
    for document in [
        json!({ "a\u{0}": 1 }),
        json!({ "a\u{0}": null }),
        json!({ "a\u{1}b": 1 }),
        json!({ "n": [1e-307] }),
        json!({ "n": 1e300 }),
    ] {
        rows.push(field("preferences", document));
    }
    for name in ["public_profile", "email_notifications", "marketing_emails"] {
        rows.extend([json!("true"), json!(1), json!([])].map(|value| field(name, value)));
    }
    for name in ["display_name", "bio", "email", "website", "timezone", "preferences", "avatar_urls"] {
        rows.push(field(name, 7));
        rows.push(field(name, json!([[]])));
    }
    drive(&site, Method::PATCH, PROFILE, rows).await;
}

async fn fields_that_are_not_the_callers_to_set_are_refused_on_v1(store: Store) {
    let site = store.open().await;
    let names = [
        "user_id",
        "id",
        "is_admin",
        "current_balance",
        "password_hash",
        "password",
        "created_at",
        "updated_at",
        "version",
        "email_verified",
        "shown_name",
        "claim_open_until",
        "username_key",
    ];
    drive(&site, Method::PATCH, PROFILE, names.map(|name| field(name, "x")).into()).await;
}

async fn lengths_at_the_limit_are_taken(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for (name, value) in [
        ("display_name", "🦀".repeat(100)),
        ("bio", "🦀".repeat(2_000)),
        ("company", "x".repeat(200)),
        ("website", format!("https://e.test/{}", "a".repeat(2_033))),
        ("github_username", "a".repeat(100)),
        ("username", "a".repeat(32)),
        ("language", "zh-Hant-TW".to_owned()),
        ("phone", "+123456789012345".to_owned()),
    ] {
        let answer = site.patch_as(&user, PROFILE, json!({ name: value })).await;
        assert_eq!((answer.status, &answer.json[name]), (200, &json!(value)), "{name}");
    }
}

async fn registrations_that_break_a_rule_make_no_account(store: Store) {
    let site = store.open().await;
    for body in [
        json!({}),
        json!({ "username": null }),
        json!({ "username": ["a"] }),
        json!({ "username": "a\u{0}bc" }),
        json!({ "username": "rejected_1", "password": "password" }),
        json!({ "username": "rejected_1", "password": "Rejected_1" }),
        json!({ "username": "rejected_1", "password": ["x"] }),
        json!({ "username": "rejected_1", "password": "" }),
        json!({ "username": "rejected_1", "email": "x" }),
        json!({ "username": "rejected_1", "display_name": "a\u{202e}b" }),
    ] {
        let answer = site.post("/users", body.clone()).await;
        assert_eq!(answer.refusal(), (400, "validation_failed"), "{body}");
        assert!(answer.json["detail"].is_string());
    }
    assert_eq!(site.post("/users", json!({ "username": "rejected_1", "password": PASSWORD })).await.status, 201);
}

async fn media_types_that_are_not_read_are_told(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for kind in [
        "text/plain",
        "application/xml",
        "application/json; charset=utf-16",
        "text/json",
        "multipart/form-data",
        "x",
        "",
    ] {
        for (method, path) in [(Method::PATCH, PROFILE), (Method::POST, "/users"), (Method::POST, "/update-user-name")]
        {
            let request = site.mobile(&user, method, path).header("Content-Type", kind).body("{}");
            assert_eq!(send(request).await.refusal(), (415, "unsupported_media_type"), "{kind} {path}");
        }
    }
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""] {
        let request = site.mobile(&user, Method::PATCH, PROFILE).header("Content-Type", kind).body("{}");
        assert_eq!(send(request).await.status, 200, "{kind}");
    }
}

async fn a_compressed_body_is_not_inflated(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let request = site.mobile(&user, Method::PATCH, PROFILE).header("Content-Type", "application/json");
    let answer = send(request.header("Content-Encoding", "gzip").body(vec![0x1f, 0x8b, 8, 0, 0])).await;
    assert_eq!(answer.refusal(), (415, "unsupported_media_type"));
}

async fn headers_that_claim_to_be_somebody_are_not_believed(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    let request = site.mobile(&user, Method::GET, PROFILE).header("X-User-ID", &other.id);
    let answer = send(request.header("X-Real-IP", "10.0.0.1").header("Forwarded", "for=10.0.0.1")).await;
    assert_eq!(answer.json["id"], user.id.as_str());
}

/// Sends bytes as they are and reads what comes until the server closes.
async fn wire(site: &Site, bytes: &[u8], half_close: bool) -> String {
    let address = site.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    if half_close {
        stream.shutdown().await.unwrap();
    }
    let mut answer = Vec::new();
    // A reset after the answer is a close too.
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the server neither answered nor closed").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn requests_that_are_no_http_get_a_4xx_or_a_close(store: Store) {
    let site = store.open().await;
    let long = "x".repeat(200 * 1_024);
    let headers = "X-H: v\r\n".repeat(200);
    for request in [
        "POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}".to_owned(),
        "POST /users HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_owned(),
        "POST /users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n"),
        format!("GET /health HTTP/1.1\r\nHost: a\r\n{headers}\r\n"),
        "nonsense\r\n\r\n".to_owned(),
    ] {
        let answer = wire(&site, request.as_bytes(), true).await;
        let shown: String = request.chars().take(60).collect();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{shown:?}: {answer}");
    }
    assert_eq!(site.get("/health").await.status, 200);
}

async fn a_body_that_ends_early_writes_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let request = format!(
        "PATCH {PROFILE} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{\"bio\":1}}",
        user.token
    );
    let answer = wire(&site, request.as_bytes(), true).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(site.profile(&user).await["version"], 1);
}

async fn an_answer_is_not_longer_than_what_it_answers(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let many: Value = (0..5_000).map(|n| (format!("k{n}"), json!(0))).collect();
    let long = json!({ "preferences": { "k".repeat(60_000): "\u{0}" } });
    for body in [many, long] {
        let answer = site.patch_as(&user, PROFILE, body).await;
        assert_eq!(answer.refusal(), (400, "validation_failed"));
        assert!(answer.text.len() < 10_000, "{}", answer.text.len());
    }
}

async fn a_form_that_is_no_utf8_is_refused(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let request = site.mobile(&user, Method::POST, "/update-user-name").body("userName=%ff");
    let answer = send(request.header("Content-Type", "application/x-www-form-urlencoded")).await;
    assert_eq!(answer.refusal(), (400, "malformed_request"));
}

async fn a_body_of_unknown_length_is_counted_as_it_comes(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let chunk = format!("{:x}\r\n{}\r\n", 32_768, "x".repeat(32_768));
    let request = format!(
        "PATCH {PROFILE} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}",
        user.token
    );
    let answer = wire(&site, request.as_bytes(), true).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("payload_too_large") && answer.contains("65536"), "{answer}");
}

on_both_stores! {
    an_answer_is_not_longer_than_what_it_answers,
    a_form_that_is_no_utf8_is_refused,
    broken_bodies_are_refused_on_every_route_that_reads_one,
    fields_that_break_their_rules_are_refused,
    fields_that_are_not_the_callers_to_set_are_refused_on_v1,
    lengths_at_the_limit_are_taken,
    registrations_that_break_a_rule_make_no_account,
    media_types_that_are_not_read_are_told,
    a_compressed_body_is_not_inflated,
    headers_that_claim_to_be_somebody_are_not_believed,
    requests_that_are_no_http_get_a_4xx_or_a_close,
    a_body_that_ends_early_writes_nothing,
    a_body_of_unknown_length_is_counted_as_it_comes,
}
