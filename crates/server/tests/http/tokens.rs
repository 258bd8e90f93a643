//! Access tokens of ours: what they say, what verifies them, when they end. What is no token of ours stands in
//! `bad_inputs::credentials`.

use std::time::Duration;

use jsonwebtoken::decode_header;
use serde_json::{Value, json};

use crate::Store;
use crate::forge::{Forge, hs256};
use crate::on_both_stores;
use crate::pictures::{FORM, RED, form, png};
use crate::site::{SECRET, send};

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
    let nobody = "0190f5fe-7c00-7a00-8000-00000000000a";
    let token = Forge::of(&site.user().await.token).payload("sub", json!(nobody)).signed_by(hs256, SECRET);
    // A signature alone is believed where nothing of the user is asked for: a public profile, the end of a session.
    let is_told = |path: &str| !["/profiles/", "/logout", "/sessions"].iter().any(|part| path.contains(part));
    let told =
        site.operations().await.into_iter().filter(|operation| operation.takes_token && is_told(&operation.path));
    for operation in told {
        let (method, path) = (operation.method, operation.path.replace("{id}", nobody));
        let body = json!({ "new_password": "An0therPassw0rd", "name": "x" });
        let body = if path.starts_with("/api/v1") { json!({}) } else { body };
        let request = site.request(method.clone(), &path).header("X-App-Type", "mobile").bearer_auth(&token);
        let request = if operation.reads_form {
            request.header("Content-Type", FORM).body(form(&[("file", &png(8, 8, RED))]))
        } else {
            request.json(&body)
        };
        let answer = send(request).await;
        let is_told = matches!(answer.refusal(), (401, "unauthorized") | (404, "not_found"));
        assert!(is_told, "{method} {path}: {answer:?}");
    }
}

/// The private key of RFC 8410, section 10.3: everybody has it.
const SIGNING_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";

async fn the_public_half_of_a_signing_key_is_published(store: Store) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), SIGNING_KEY).unwrap();
    let site = store.open_with(&[("JWT_SIGNING_KEY_FILE", file.path().to_str().unwrap())]).await;
    let user = site.user().await;
    assert_eq!(site.opens(&user).await, 200);
    let published = site.get("/.well-known/jwks.json").await;
    assert_eq!((published.status, published.header("content-type")), (200, Some("application/json")));
    assert_eq!(published.header("cache-control"), Some("public, max-age=300"));
    let header = decode_header(&user.token).unwrap();
    let key = &published.json["keys"][0];
    assert_eq!((key["kid"].as_str(), &key["crv"]), (header.kid.as_deref(), &json!("Ed25519")));
    assert_eq!(key.get("d"), None, "the private half");
}

async fn a_secret_is_not_published(store: Store) {
    let site = store.open().await;
    assert_eq!(site.get("/.well-known/jwks.json").await.json, json!({ "keys": [] }));
}

async fn a_change_of_algorithms_signs_nobody_out(store: Store) {
    let Store::Postgres(_) = store else { return };
    let site = store.open().await;
    let user = site.user().await;
    drop(site);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), SIGNING_KEY).unwrap();
    let site = store.open_with(&[("JWT_SIGNING_KEY_FILE", file.path().to_str().unwrap())]).await;
    assert_eq!(site.opens(&user).await, 200);
    let next = user.with(&site.refresh(&user.refresh).await);
    assert_eq!(site.opens(&next).await, 200);
    assert_ne!(decode_header(&next.token).unwrap().alg, decode_header(&user.token).unwrap().alg);
}

async fn an_access_token_says_what_the_contract_says(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let header = decode_header(&user.token).unwrap();
    assert_eq!((header.typ.as_deref(), header.kid.is_some()), (Some("at+jwt"), true));
    let claims: Value = jsonwebtoken::dangerous::insecure_decode(&user.token).unwrap().claims;
    let names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["aud", "auth_time", "exp", "iat", "iss", "jti", "sid", "sub"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 15 * 60);
    let listed = site.get_as(&user, "/api/v1/auth/sessions").await;
    assert_eq!(listed.json["data"][0]["id"], claims["sid"]);
}

on_both_stores! {
    the_public_half_of_a_signing_key_is_published,
    a_secret_is_not_published,
    a_change_of_algorithms_signs_nobody_out,
    an_access_token_says_what_the_contract_says,
    a_token_ends_when_it_says,
    a_token_of_nobody_opens_nothing,
}
