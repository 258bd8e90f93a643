//! What is wrong before anybody has read the body: framing, methods, media types, sizes, forged headers.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use super::{PROFILE, SETTINGS, refusal_in, state, wire, wire_and_end};
use crate::on_both_stores;
use crate::site::{PASSWORD, User, send};
use crate::{Site, Store};

/// A request with a body, as bytes.
fn with_body(method: &Method, path: &str, user: &User, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nX-App-Type: mobile\r\n\
         Content-Type: application/json\r\nConnection: close\r\n{headers}\r\n{body}",
        user.token
    )
    .into_bytes()
}

async fn a_head_that_can_be_read_in_two_ways_is_refused(store: Store) {
    let site = store.open().await;
    // Whoever stands in front may take the one reading and hand a second request through.
    let username = Site::fresh_name();
    let hidden = json!({ "username": username }).to_string();
    let length = hidden.len();
    let host = "Host: a\r\n";
    for headers in [
        format!("{host}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("{host}Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        format!("{host}Content-Length: {length}\r\nContent-Length: {}\r\n", length + 1),
        format!("{host}Content-Length: {length}\r\nContent-Length: {length}\r\n"),
        format!("{host}Content-Length: {length}, {length}\r\n"),
        format!("{host}Content-Length: +{length}\r\n"),
        format!("{host}Content-Length: -1\r\n"),
        format!("{host}Content-Length: 0x{length:x}\r\n"),
        format!("{host}Transfer-Encoding: chunked, identity\r\n"),
        format!("{host}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        format!("{host}Transfer-Encoding: gzip\r\n"),
        format!("{host}Transfer-Encoding: \u{b}chunked\r\n"),
        format!("{host}Host: b\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\n"),
        format!("Host : a\r\nContent-Length: {length}\r\n"),
        format!("{host}X-Folded: a\r\n b\r\nContent-Length: {length}\r\n"),
        format!("{host}X-Nul: a\0b\r\nContent-Length: {length}\r\n"),
    ] {
        let request = format!("POST /users HTTP/1.1\r\nContent-Type: application/json\r\n{headers}\r\n{hidden}");
        let answer = wire(&site, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{headers:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{headers:?}: {answer}");
    }
    for nonsense in ["nonsense\r\n\r\n", "GET /health\r\n\r\n", "GET /health HTTP/9.9\r\nHost: a\r\n\r\n", "\0\0\0\0"] {
        let answer = wire(&site, nonsense.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{nonsense:?}: {answer:?}");
    }
    site.register(json!({ "username": username })).await;
}

/// The framework takes a broken chunk for a broken connection and hangs up at once (actix-http 3.20.0,
/// `h1/dispatcher.rs`): an answer goes out only where the route has one ready by then.
async fn a_chunk_that_is_none_is_refused(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = state(&site, &user).await;
    for chunks in [
        "\r\n{\"bio\":\"x\"}\r\n0\r\n\r\n",
        "x\r\n{\"bio\":\"x\"}\r\n0\r\n\r\n",
        "-1\r\n{\"bio\":\"x\"}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n{\"bio\":\"x\"}\r\n0\r\n\r\n",
        "b\r\n{\"bio\":\"x\"}XX0\r\n\r\n",
        "b \0\r\n{\"bio\":\"x\"}\r\n0\r\n\r\n",
    ] {
        let request = with_body(&Method::PATCH, PROFILE, &user, "Transfer-Encoding: chunked\r\n", chunks);
        let answer = wire(&site, &request).await;
        let is_refused = refusal_in(&answer) == (400, "malformed_request".to_owned());
        assert!(is_refused || answer.is_empty(), "{chunks:?}: {answer:?}");
    }
    assert_eq!(state(&site, &user).await, before);
}

async fn a_head_over_the_limits_is_refused(store: Store) {
    let site = store.open().await;
    let headers = |count: usize| "X-H: v\r\n".repeat(count - 2);
    let long = |kib: usize| "x".repeat(kib * 1_024);
    for (request, status) in [
        (format!("GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n", headers(96)), 200),
        (format!("GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n", headers(97)), 431),
        (format!("GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n", headers(10_000)), 431),
        (format!("GET /health HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", long(200)), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(200)), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(70)), 400),
        (format!("GET /health?{} HTTP/1.1\r\nHost: a\r\n\r\n", long(200)), 431),
    ] {
        let answer = wire(&site, request.as_bytes()).await;
        let shown: String = request.chars().take(60).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {answer}");
    }
}

/// The framework takes a name for a name that its own type refuses, and panics (actix-http 3.20.0, `h1/decoder.rs`,
/// `HeaderName::from_bytes(..).unwrap()`): there is no answer, which is as good as it gets from here.
async fn a_header_name_over_64_kib_ends_no_connection_but_its_own(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let request = format!("GET /health HTTP/1.1\r\nHost: a\r\n{}: v\r\n\r\n", "x".repeat(70 * 1_024));
    for _ in 0..8 {
        let answer = wire(&site, request.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert_eq!(site.get_as(&user, PROFILE).await.status, 200);
    }
}

async fn a_wrong_method_is_told_which_are_right(store: Store) {
    let site = store.open().await;
    let mut allowed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for operation in site.operations().await {
        let methods = allowed.entry(operation.path).or_default();
        if operation.method == Method::GET {
            methods.push("HEAD".to_owned());
        }
        methods.push(operation.method.to_string());
    }
    for (path, mut methods) in allowed {
        methods.sort_unstable();
        let path = path.replace("{id}", "0190f5fe-7c00-7a00-8000-00000000000a");
        let verbs = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW", "get"];
        for verb in verbs.into_iter().filter(|verb| !methods.iter().any(|method| method == verb)) {
            let request = format!("{verb} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let answer = wire(&site, request.as_bytes()).await;
            assert_eq!(refusal_in(&answer), (405, "method_not_allowed".to_owned()), "{verb} {path}: {answer}");
            let allow = format!("\r\nallow: {}\r\n", methods.join(", "));
            assert!(answer.contains(&allow), "{verb} {path}: {answer}");
        }
    }
    let request = b"BREW /nonsense HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(refusal_in(&wire(&site, request).await), (404, "not_found".to_owned()));
}

async fn a_tunnel_is_not_dug(store: Store) {
    let site = store.open().await;
    let inside = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
    for (target, refusal) in [
        ("/health", (405, "method_not_allowed")),
        (PROFILE, (405, "method_not_allowed")),
        ("evil.test:443", (404, "not_found")),
        ("127.0.0.1:22", (404, "not_found")),
    ] {
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n{inside}");
        let answer = wire_and_end(&site, request.as_bytes()).await;
        assert_eq!(refusal_in(&answer), (refusal.0, refusal.1.to_owned()), "{target}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{target}: {answer}");
    }
}

async fn media_types_that_are_not_read_are_told(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let form = "application/x-www-form-urlencoded";
    for operation in site.operations().await.into_iter().filter(|operation| operation.reads_json) {
        let path = operation.path.replace("{id}", &user.id);
        let request = || site.mobile(&user, operation.method.clone(), &path);
        for kind in [
            "text/plain",
            "application/xml",
            "application/json; charset=utf-16",
            "text/json",
            "multipart/form-data; boundary=x",
            "application/jsonx",
            "x",
            "",
            form,
        ] {
            if kind == form && path == "/update-user-name" {
                continue;
            }
            let answer = send(request().header("Content-Type", kind).body("{}")).await;
            assert_eq!(answer.refusal(), (415, "unsupported_media_type"), "{kind} {path}");
        }
        assert_eq!(send(request().body("{}")).await.refusal(), (415, "unsupported_media_type"), "none {path}");
    }
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""] {
        let request = site.mobile(&user, Method::PATCH, PROFILE).header("Content-Type", kind).body("{}");
        assert_eq!(send(request).await.status, 200, "{kind}");
    }
}

/// 10 KiB of gzip that are over a mebibyte when inflated: a zero, then "the last 258 bytes again" in 13 bits each
/// (RFC 1951, section 3.2.6).
fn bomb() -> Vec<u8> {
    let again = [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0];
    let mut bits = vec![1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0];
    while bits.len() < 10 * 1_024 * 8 {
        bits.extend(again);
    }
    bits.extend([0; 7]);
    let deflated = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |whole, bit| (whole << 1) | bit));
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255].into_iter().chain(deflated).collect()
}

async fn a_compressed_body_is_not_inflated(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = state(&site, &user).await;
    for operation in site.operations().await.into_iter().filter(|operation| operation.reads_json) {
        let path = operation.path.replace("{id}", &user.id);
        for coding in ["gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip"] {
            let request = site.mobile(&user, operation.method.clone(), &path);
            let request = request.header("Content-Type", "application/json").header("Content-Encoding", coding);
            let answer = send(request.body(bomb())).await;
            assert_eq!(answer.refusal(), (415, "unsupported_media_type"), "{coding} {path}");
        }
    }
    assert_eq!(state(&site, &user).await, before);
    let plain = site.mobile(&user, Method::PATCH, PROFILE).header("Content-Encoding", "identity");
    assert_eq!(send(plain.json(&json!({ "bio": "x" }))).await.status, 200);
}

/// The limit of JSON bodies.
const LIMIT: usize = 65_536;

async fn a_body_of_the_limit_is_read_and_one_byte_more_is_not(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = state(&site, &user).await;
    for operation in site.operations().await.into_iter().filter(|operation| operation.reads_json) {
        let path = operation.path.replace("{id}", &user.id);
        let method = &operation.method;
        for (length, is_read) in [(LIMIT, true), (LIMIT + 1, false), (LIMIT * 3, false)] {
            // It is read, and says nothing: refused on v1, ignored elsewhere.
            let said = "{\"nonsense\":0}";
            let body = format!("{said}{}", " ".repeat(length - said.len()));
            let half = body.len() / 2;
            let (one, two) = body.split_at(half);
            let chunks = format!("{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", one.len(), two.len());
            let declared = format!("Content-Length: {length}\r\n");
            for request in [
                with_body(method, &path, &user, &declared, &body),
                with_body(method, &path, &user, "Transfer-Encoding: chunked\r\n", &chunks),
            ] {
                let answer = wire_and_end(&site, &request).await;
                let (status, code) = refusal_in(&answer);
                if is_read {
                    assert!(matches!(status, 200 | 400 | 401), "{path} {length}: {answer}");
                } else {
                    assert_eq!((status, code.as_str()), (413, "payload_too_large"), "{path} {length}: {answer}");
                    assert!(answer.contains("\"limit_bytes\":65536"), "{path} {length}: {answer}");
                }
            }
        }
    }
    assert_eq!(state(&site, &user).await, before);
}

async fn a_body_that_ends_early_writes_nothing(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let before = state(&site, &user).await;
    let username = Site::fresh_name();
    let users = format!("/users/{}/profile", user.id);
    let password = format!("/users/{}/password", user.id);
    // Each would be done, did it not end before its time.
    for (method, path, body) in [
        (Method::PATCH, PROFILE, json!({ "bio": "x" })),
        (Method::PATCH, SETTINGS, json!({ "theme": "dark" })),
        (Method::PUT, users.as_str(), json!({ "bio": "x" })),
        (Method::PUT, password.as_str(), json!({ "new_password": "An0therPassw0rd" })),
        (Method::POST, "/mobile/user/profile", json!({ "display_name": "x" })),
        (Method::POST, "/update-user-name", json!({ "name": "x" })),
        (Method::POST, "/users", json!({ "username": username })),
    ] {
        let body = body.to_string();
        let chunk = format!("{:x}\r\n{body}\r\n", body.len());
        for request in [
            with_body(&method, path, &user, "Content-Length: 100\r\n", &body),
            with_body(&method, path, &user, "Transfer-Encoding: chunked\r\n", &chunk),
        ] {
            let answer = wire_and_end(&site, &request).await;
            let is_refused = refusal_in(&answer) == (400, "malformed_request".to_owned());
            assert!(is_refused, "{method} {path}: {answer:?}");
        }
    }
    assert_eq!(state(&site, &user).await, before);
    assert_eq!(site.login(&user.username, PASSWORD).await.status, 200);
    site.register(json!({ "username": username })).await;
}

async fn headers_that_claim_to_be_somebody_are_not_believed(store: Store) {
    let site = store.open().await;
    let (user, other) = (site.user().await, site.user().await);
    site.patch_as(&other, PROFILE, json!({ "email": "other@example.com" })).await;
    let claiming = |method: Method, path: &str, token: Option<&str>| {
        let mut request = site.request(method, path).header("X-App-Type", "admin");
        for name in ["X-User-ID", "X-User", "X-Forwarded-User", "X-Remote-User", "Remote-User"] {
            request = request.header(name, &other.id);
        }
        for name in ["X-Forwarded-For", "X-Real-IP", "X-Client-IP"] {
            request = request.header(name, "127.0.0.1");
        }
        request = request.header("Forwarded", "for=127.0.0.1;host=localhost");
        request = request.header("X-HTTP-Method-Override", "DELETE").header("X-Original-URL", "/metrics");
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    };
    let own = send(claiming(Method::GET, PROFILE, Some(&user.token))).await;
    assert_eq!((own.status, &own.json["id"]), (200, &json!(user.id)));
    for method in [Method::GET, Method::PATCH] {
        let refused = send(claiming(method, PROFILE, None).json(&json!({}))).await;
        assert_eq!(refused.refusal(), (401, "unauthorized"));
    }
    let path = format!("/users/{}", other.id);
    for token in [None, Some(user.token.as_str())] {
        let seen = send(claiming(Method::GET, &path, token)).await;
        assert_eq!(seen.status, 200);
        assert!(!seen.text.contains("other@example.com"), "{seen:?}");
    }
    let before = state(&site, &other).await;
    let put = claiming(Method::PUT, &format!("{path}/profile"), Some(&user.token)).json(&json!({ "bio": "x" }));
    assert_eq!(send(put).await.refusal(), (404, "not_found"));
    let post = claiming(Method::POST, "/mobile/user/profile", Some(&user.token)).json(&json!({ "display_name": "x" }));
    assert_eq!(send(post).await.refusal(), (400, "malformed_request"));
    assert_eq!(state(&site, &other).await, before);
}

async fn a_foreign_host_is_named_nowhere(store: Store) {
    let cors = [("CORS_ALLOWED_ORIGINS", "https://good.test"), ("CORS_ALLOW_CREDENTIALS", "true")];
    let site = store.open_with(&cors).await;
    let user = site.user().await;
    let forged: [&[(&str, &str)]; 6] = [
        &[("Host", "evil.test")],
        &[("Host", "evil.test:80"), ("X-Forwarded-Host", "evil.test"), ("X-Forwarded-Proto", "https")],
        &[("Forwarded", "host=evil.test;proto=https"), ("X-Forwarded-Server", "evil.test"), ("X-Host", "evil.test")],
        &[("Origin", "null")],
        &[("Origin", "https://good.test.evil.test"), ("Referer", "https://evil.test/")],
        &[("Origin", "https://evil.test"), ("X-Original-URL", "//evil.test"), ("X-Rewrite-URL", "//evil.test")],
    ];
    let query = "?redirect_to=//evil.test&next=https://evil.test/&callback=evil.test";
    let profile = format!("/users/{}/profile", user.id);
    for headers in forged {
        for (method, path, body, status) in [
            (Method::GET, "/", Value::Null, 200),
            (Method::GET, "/docs", Value::Null, 308),
            (Method::GET, "/docs/", Value::Null, 200),
            (Method::GET, "/openapi.json", Value::Null, 200),
            (Method::GET, "/nonsense", Value::Null, 404),
            (Method::DELETE, "/health", Value::Null, 405),
            (Method::GET, PROFILE, Value::Null, 200),
            (Method::PATCH, PROFILE, json!({ "nonsense": 1 }), 400),
            (Method::PUT, profile.as_str(), json!({ "bio": "x" }), 200),
            (Method::POST, "/users", json!({ "username": Site::fresh_name() }), 201),
            (Method::POST, "/update-user-name", json!({ "name": "x" }), 200),
            (Method::POST, "/api/v1/auth/login", json!({ "username": "x", "password": "x" }), 401),
        ] {
            let request = site.mobile(&user, method, &format!("{path}{query}")).json(&body);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let answer = send(request).await;
            assert_eq!(answer.status, status, "{path} {headers:?}: {answer:?}");
            let said = format!("{:?}{}", answer.headers, answer.text);
            assert!(!said.contains("evil.test"), "{path} {headers:?}: {said}");
            assert!(!said.contains("access-control-"), "{path} {headers:?}: {said}");
        }
    }
}

on_both_stores! {
    a_head_that_can_be_read_in_two_ways_is_refused,
    a_chunk_that_is_none_is_refused,
    a_head_over_the_limits_is_refused,
    a_header_name_over_64_kib_ends_no_connection_but_its_own,
    a_wrong_method_is_told_which_are_right,
    a_tunnel_is_not_dug,
    media_types_that_are_not_read_are_told,
    a_compressed_body_is_not_inflated,
    a_body_of_the_limit_is_read_and_one_byte_more_is_not,
    a_body_that_ends_early_writes_nothing,
    headers_that_claim_to_be_somebody_are_not_believed,
    a_foreign_host_is_named_nowhere,
}
