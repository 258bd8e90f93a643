//! Credentials that are not believed: one answer for all of them, on every route that takes one.

use std::time::Duration;

use frontdesk_auth::{Hs256Config, Hs256Signer};
use frontdesk_kernel::{Clock as _, SessionId, Timestamp};
use frontdesk_profile::token::{AccessClaims, TokenSigner as _};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::Store;
use crate::on_both_stores;
use crate::site::{Site, send};

/// Every route that a token opens.
const ROUTES: &[(Method, &str)] = &[
    (Method::GET, "/api/v1/profile"),
    (Method::PATCH, "/api/v1/profile"),
    (Method::GET, "/api/v1/profiles/0190f5fe-7c00-7a00-8000-00000000000a"),
    (Method::GET, "/api/v1/settings"),
    (Method::PATCH, "/api/v1/settings"),
    (Method::GET, "/mobile/user/profile"),
    (Method::POST, "/mobile/user/profile"),
    (Method::POST, "/update-user-name"),
    (Method::GET, "/users/0190f5fe-7c00-7a00-8000-00000000000a"),
    (Method::PUT, "/users/0190f5fe-7c00-7a00-8000-00000000000a/profile"),
    (Method::PUT, "/users/0190f5fe-7c00-7a00-8000-00000000000a/password"),
];

fn signer(secret: &[u8], lifetime: Duration) -> Hs256Signer {
    let (issuer, audience) = ("frontdesk".to_owned(), "frontdesk".to_owned());
    Hs256Signer::new(Hs256Config { secret: secret.to_vec(), issuer, audience, lifetime }).unwrap()
}

fn claims(site: &Site, user: &str) -> AccessClaims {
    let now = Timestamp::from_unix_seconds(site.clock.now().unix_seconds()).unwrap();
    AccessClaims {
        user_id: user.parse().unwrap(),
        session_id: SessionId::new(Uuid::from_u128(1)),
        token_id: Uuid::from_u128(2),
        issued_at: now,
        expires_at: now + Duration::from_mins(15),
        authenticated_at: now,
        claims_until: None,
    }
}

async fn every_credential_that_is_not_believed_gets_the_same_answer(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let (head, signature) = user.token.rsplit_once('.').unwrap();
    let other = signer(b"another secret of thirty-two bytes", Duration::from_mins(15)).sign(&claims(&site, &user.id));
    let bad = [
        "Basic YWRhOnB3".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer x".to_owned(),
        format!("Bearer {}", "x".repeat(16_384)),
        format!("Bearer {head}."),
        format!("Bearer {head}.{signature}x"),
        format!("Bearer {other}"),
        format!("Token {}", user.token),
    ];
    for (method, path) in ROUTES {
        let mut bodies = Vec::new();
        for value in &bad {
            let request = site.request(method.clone(), path).header("X-App-Type", "mobile").json(&json!({}));
            let answer = send(request.header("Authorization", value)).await;
            assert_eq!(answer.refusal(), (401, "unauthorized"), "{method} {path} {value}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            bodies.push(answer.text);
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "{method} {path}: {bodies:?}");
    }
}

async fn no_credential_gets_that_answer_where_one_is_needed(store: Store) {
    let site = store.open().await;
    for (method, path) in ROUTES.iter().filter(|(method, path)| !(*method == Method::GET && path.starts_with("/users")))
    {
        let body = json!({ "new_password": "An0therPassw0rd" });
        let request = site.request(method.clone(), path).header("X-App-Type", "mobile").json(&body);
        assert_eq!(send(request).await.refusal(), (401, "unauthorized"), "{method} {path}");
    }
}

async fn a_token_is_never_read_from_the_url(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    for name in ["token", "access_token"] {
        assert_eq!(site.get(&format!("/api/v1/profile?{name}={}", user.token)).await.status, 401);
    }
}

async fn two_credentials_are_none(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let request = site.request(Method::GET, "/api/v1/profile").bearer_auth(&user.token);
    assert_eq!(send(request.header("Authorization", format!("Bearer {}", user.token))).await.status, 401);
}

async fn a_token_ends_when_it_says(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    site.clock.advance(Duration::from_secs(15 * 60 + 29));
    assert_eq!(site.get_as(&user, "/api/v1/profile").await.status, 200);
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(site.get_as(&user, "/api/v1/profile").await.status, 401);
}

async fn a_token_of_nobody_opens_nothing(store: Store) {
    let site = store.open().await;
    let signer = signer(b"0123456789abcdef0123456789abcdef", Duration::from_mins(15));
    let token = signer.sign(&claims(&site, "0190f5fe-7c00-7a00-8000-00000000000a"));
    for (method, path) in ROUTES.iter().filter(|(_, path)| !path.contains("/profiles/")) {
        let body = json!({ "new_password": "An0therPassw0rd", "name": "x" });
        let request = site.request(method.clone(), path).header("X-App-Type", "mobile").bearer_auth(&token);
        let body = if path.starts_with("/api/v1") { json!({}) } else { body };
        let answer = send(request.json(&body)).await;
        assert!(matches!(answer.status, 401 | 404), "{method} {path}: {answer:?}");
    }
}

on_both_stores! {
    every_credential_that_is_not_believed_gets_the_same_answer,
    no_credential_gets_that_answer_where_one_is_needed,
    a_token_is_never_read_from_the_url,
    two_credentials_are_none,
    a_token_ends_when_it_says,
    a_token_of_nobody_opens_nothing,
}
