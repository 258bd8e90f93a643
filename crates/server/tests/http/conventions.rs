//! What every answer has, whoever gives it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both_stores;
use crate::site::{Answer, send};
use crate::{Site, Store};

fn assert_envelope(answer: &Answer, is_v1: bool, what: &str) {
    let error = &answer.json["error"];
    assert!(
        error["code"].is_string() && error["message"].is_string() && error["details"].is_object(),
        "{what}: {answer:?}"
    );
    if is_v1 {
        assert_eq!(answer.json.as_object().unwrap().len(), 1, "{what}");
    } else {
        assert_eq!(answer.json["detail"], error["message"], "{what}");
    }
}

fn assert_common_headers(answer: &Answer, what: &str) {
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{what}");
    assert!(answer.header("cache-control").is_some(), "{what}");
    assert!(answer.header("content-security-policy").is_some(), "{what}");
    assert_eq!(answer.header("server"), None, "{what}");
}

/// Six kinds of failure, by path: the router's, the method's, the credential's, the type's, the size's, the body's.
async fn failures(site: &Site, path: &str) -> Vec<(String, Answer)> {
    let user = site.user().await;
    let over = "x".repeat(65 * 1_024);
    let request = |method: &str| {
        site.request(method.parse().unwrap(), path).bearer_auth(&user.token).header("X-App-Type", "mobile")
    };
    let mut answers = Vec::new();
    for (what, request) in [
        ("unknown path", site.request(Method::GET, &format!("{path}/x/y/z"))),
        ("wrong method", request("DELETE")),
        ("unknown method", request("PROPFIND")),
        ("no credential", site.request(Method::PATCH, path).header("X-App-Type", "mobile").json(&json!({}))),
        ("no type", request("PATCH").body("{}")),
        ("other type", request("PATCH").header("Content-Type", "text/plain").body("{}")),
        ("too large", request("PATCH").header("Content-Type", "application/json").body(over)),
        ("no JSON", request("PATCH").header("Content-Type", "application/json").body("{")),
    ] {
        answers.push((format!("{what} on {path}"), send(request).await));
    }
    answers
}

async fn every_failure_has_the_envelope_of_its_facade_and_the_common_headers(store: Store) {
    let site = store.open().await;
    for (path, is_v1) in [("/api/v1/profile", true), ("/api/v1/settings", true), ("/update-user-name", false)] {
        for (what, answer) in failures(&site, path).await {
            assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
            assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
            assert_envelope(&answer, is_v1, &what);
            assert_common_headers(&answer, &what);
        }
    }
}

async fn unknown_paths_answer_in_the_form_of_their_surface(store: Store) {
    let site = store.open().await;
    for (path, is_v1) in [
        ("/nonsense", false),
        ("/users/x/y", false),
        ("/api/v2/profile", false),
        ("/api/v1x", false),
        ("/api/v1", true),
        ("/api/v1/nonsense", true),
        ("/internal/v1/x", true),
        ("/webhooks/x", true),
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.refusal(), (404, "not_found"), "{path}");
        assert_envelope(&answer, is_v1, path);
    }
}

async fn success_has_the_common_headers_too(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for path in ["/", "/health", "/ready", "/metrics", "/openapi.json", "/docs/", "/api/v1/profile"] {
        let answer = site.get_as(&user, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_common_headers(&answer, path);
    }
    assert_eq!(site.get_as(&user, "/api/v1/profile").await.header("cache-control"), Some("no-store"));
}

async fn a_sane_request_id_is_echoed_and_another_replaced(store: Store) {
    let site = store.open().await;
    let with = |id: &str| send(site.request(Method::GET, "/health").header("X-Request-Id", id.as_bytes()));
    assert_eq!(with("req-1.2:3_x").await.header("x-request-id"), Some("req-1.2:3_x"));
    for id in ["two words", "<script>", &"x".repeat(129), "", "caf\u{e9}"] {
        let answer = with(id).await;
        let echoed = answer.header("x-request-id").unwrap();
        assert!(echoed != id && echoed.len() == 36, "{id}: {echoed}");
    }
}

async fn reading_answers_head_without_a_body(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for path in ["/health", "/api/v1/profile"] {
        let answer = send(site.request(Method::HEAD, path).bearer_auth(&user.token)).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{path}");
    }
}

async fn health_tells_what_runs(store: Store) {
    let site = store.open().await;
    let storage = if matches!(store, Store::Memory) { "memory" } else { "postgres" };
    site.clock.advance(Duration::from_secs(7));
    for path in ["/", "/health"] {
        let answer = site.get(path).await;
        let expected =
            json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "storage": storage, "uptime_seconds": 7 });
        assert_eq!(answer.json, expected);
    }
}

async fn metrics_name_routes_and_never_paths(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    site.get(&format!("/users/{}", user.id)).await;
    site.get("/nonsense/at/all").await;
    let text = site.get("/metrics").await.text;
    assert!(
        text.contains("frontdesk_http_requests_total{method=\"GET\",route=\"/users/{id}\",status=\"200\"} 1"),
        "{text}"
    );
    assert!(text.contains("route=\"unmatched\",status=\"404\"} 1"), "{text}");
    assert!(text.contains("frontdesk_users_auth_open 0"), "{text}");
    assert!(!text.contains(&user.id) && !text.contains("nonsense"), "{text}");
}

async fn open_mode_shows_in_the_metrics(store: Store) {
    let site = store.open_with(&[("USERS_AUTH", "open")]).await;
    assert!(site.get("/metrics").await.text.contains("frontdesk_users_auth_open 1"));
}

async fn an_unknown_query_is_ignored(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    assert_eq!(site.get_as(&user, "/api/v1/profile?x=1&user_id=2").await.status, 200);
}

async fn preflight(site: &Site, origin: &str) -> Answer {
    let request = site.request(Method::OPTIONS, "/api/v1/profile").header("Origin", origin);
    let request = request.header("Access-Control-Request-Method", "PATCH");
    send(request.header(
        "Access-Control-Request-Headers",
        "authorization, content-type, if-match, idempotency-key, x-app-type, x-confirm-password",
    ))
    .await
}

async fn listed_origins_may_call_and_read(store: Store) {
    let site = store.open_with(&[("CORS_ALLOWED_ORIGINS", "https://good.test, https://*.example.com")]).await;
    let user = site.user().await;
    for origin in ["https://good.test", "https://app.example.com"] {
        let allowed = preflight(&site, origin).await;
        assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, Some(origin)), "{allowed:?}");
        let request = site.request(Method::GET, "/api/v1/profile").bearer_auth(&user.token).header("Origin", origin);
        let answer = send(request).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        let exposed = answer.header("access-control-expose-headers").unwrap().to_lowercase();
        for name in ["etag", "retry-after", "ratelimit", "ratelimit-policy", "x-request-id"] {
            assert!(exposed.split(", ").any(|exposed| exposed.trim() == name), "{name} in {exposed}");
        }
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

async fn an_error_can_be_read_by_a_listed_origin(store: Store) {
    let site = store.open_with(&[("CORS_ALLOWED_ORIGINS", "https://good.test")]).await;
    for path in ["/api/v1/profile", "/nonsense"] {
        let answer = send(site.request(Method::GET, path).header("Origin", "https://good.test")).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://good.test"), "{path}");
    }
}

async fn other_origins_hear_nothing(store: Store) {
    let site = store.open_with(&[("CORS_ALLOWED_ORIGINS", "https://good.test")]).await;
    for origin in ["https://evil.test", "null", "https://good.test.evil.test", "http://good.test"] {
        let refused = preflight(&site, origin).await;
        assert!(
            refused.status >= 400 && refused.header("access-control-allow-origin").is_none(),
            "{origin}: {refused:?}"
        );
        assert_envelope(&refused, true, origin);
        let answer = send(site.request(Method::GET, "/health").header("Origin", origin)).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
    }
}

async fn localhost_is_allowed_only_without_a_database(store: Store) {
    let site = store.open().await;
    let answer = preflight(&site, "http://localhost:5173").await;
    let expected = matches!(store, Store::Memory).then_some("http://localhost:5173");
    assert_eq!(answer.header("access-control-allow-origin"), expected);
}

async fn a_star_is_for_everybody_and_carries_no_credentials(store: Store) {
    let site = store.open_with(&[("CORS_ALLOWED_ORIGINS", "*")]).await;
    let answer = send(site.request(Method::GET, "/health").header("Origin", "https://any.test")).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

async fn what_was_written_is_there_after_a_restart(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    site.patch_as(&user, "/api/v1/profile", json!({ "bio": "kept" })).await;
    site.patch_as(&user, "/api/v1/settings", json!({ "theme": "dark" })).await;
    drop(site);
    let site = store.open().await;
    let read = site.get_as(&user, "/api/v1/profile").await;
    match store {
        Store::Memory => assert_eq!(read.status, 401),
        Store::Postgres(_) => {
            assert_eq!(read.json["bio"], "kept");
            assert_eq!(site.get_as(&user, "/api/v1/settings").await.json["theme"], "dark");
            assert_eq!(site.login(&user.username, crate::site::PASSWORD).await.status, 200);
        }
    }
}

async fn an_error_never_shows_its_cause(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for body in [Value::Null, json!([]), json!("x")] {
        let answer = site.patch_as(&user, "/api/v1/profile", body).await;
        for word in ["src/", "panicked", "diesel", "postgres", "SELECT"] {
            assert!(!answer.text.contains(word), "{word} in {}", answer.text);
        }
    }
}

on_both_stores! {
    every_failure_has_the_envelope_of_its_facade_and_the_common_headers,
    unknown_paths_answer_in_the_form_of_their_surface,
    success_has_the_common_headers_too,
    a_sane_request_id_is_echoed_and_another_replaced,
    reading_answers_head_without_a_body,
    health_tells_what_runs,
    metrics_name_routes_and_never_paths,
    open_mode_shows_in_the_metrics,
    an_unknown_query_is_ignored,
    listed_origins_may_call_and_read,
    an_error_can_be_read_by_a_listed_origin,
    other_origins_hear_nothing,
    localhost_is_allowed_only_without_a_database,
    a_star_is_for_everybody_and_carries_no_credentials,
    what_was_written_is_there_after_a_restart,
    an_error_never_shows_its_cause,
}
