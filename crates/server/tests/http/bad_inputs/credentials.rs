//! Credentials that are not believed: one answer for all of them, on every route that takes one.

use std::net::TcpListener;

use frontdesk_kernel::Clock as _;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::state;
use crate::forge::{self, Forge, hs256, hs384, hs512};
use crate::on_both_stores;
use crate::site::{Answer, PASSWORD, SECRET, User, send};
use crate::{Site, Store};

/// What would be done if the credential were believed.
fn wish() -> Value {
    json!({ "display_name": "Eve", "new_password": "An0therPassw0rd" })
}

/// The parts of an answer that could tell one refusal from another.
fn told(answer: &Answer) -> (u16, &str, Option<&str>, Vec<&str>) {
    (answer.status, &answer.text, answer.header("www-authenticate"), answer.header_names())
}

/// Sends each row of `Authorization` headers to every route that takes a token.
async fn refuse_everywhere(site: &Site, user: &User, rows: &[Vec<Vec<u8>>]) {
    let before = state(site, user).await;
    for operation in site.operations().await.into_iter().filter(|operation| operation.takes_token) {
        let (method, path) = (operation.method, operation.path.replace("{id}", &user.id));
        let mut first: Option<Answer> = None;
        for row in rows {
            let request = site.request(method.clone(), &path).header("X-App-Type", "mobile").json(&wish());
            let request = row.iter().fold(request, |request, value| request.header("Authorization", value.as_slice()));
            let answer = send(request).await;
            let shown: Vec<_> = row.iter().map(|value| String::from_utf8_lossy(value)).collect();
            assert_eq!(answer.refusal(), (401, "unauthorized"), "{method} {path} {shown:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {path} {shown:?}");
            let first = first.get_or_insert_with(|| answer.clone());
            assert_eq!(told(first), told(&answer), "{method} {path} {shown:?}");
        }
    }
    assert_eq!(state(site, user).await, before);
    assert_eq!(site.login(&user.username, PASSWORD).await.status, 200);
}

fn bearers(tokens: impl IntoIterator<Item = String>) -> Vec<Vec<Vec<u8>>> {
    tokens.into_iter().map(|token| vec![format!("Bearer {token}").into_bytes()]).collect()
}

async fn what_is_no_credential_gets_one_answer_everywhere(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let good = format!("Bearer {}", user.token);
    let mut rows: Vec<Vec<Vec<u8>>> = [
        "",
        "Bearer",
        "Bearer ",
        "bearer",
        "Bearer x",
        "Bearer null",
        "Bearer ..",
        "Basic",
        "Basic YWRhOnB3",
        "Digest username=\"ada\"",
        "Negotiate x",
    ]
    .map(|value| vec![value.into()])
    .into();
    rows.extend(
        [
            user.token.clone(),
            format!("Bearer {}", user.refresh),
            format!("Basic {}", user.token),
            format!("Token {}", user.token),
            format!("Bearer{}", user.token),
            format!("Bearer \"{}\"", user.token),
            format!("Bearer {} x", user.token),
            format!("{good}, {good}"),
            format!("Bearer {}", "x".repeat(16_384)),
            format!("Bearer {}{}", user.token, "x".repeat(16_384)),
        ]
        .map(|value| vec![value.into_bytes()]),
    );
    rows.push(vec![b"Bearer \xff\xfe".to_vec()]);
    rows.extend(
        [[good.as_str(), good.as_str()], [good.as_str(), "Basic x"], ["Basic x", good.as_str()]]
            .map(|two| two.map(|value| value.as_bytes().to_vec()).into()),
    );
    refuse_everywhere(&site, &user, &rows).await;
}

async fn a_credential_is_read_from_its_header_only(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let private = json!({ "email": "ada@example.com" });
    site.patch_as(&user, "/api/v1/profile", private).await;
    let before = state(&site, &user).await;
    let names = ["token", "access_token", "authorization", "api_key", "jwt"];
    let in_url = names.map(|name| format!("{name}={}", user.token)).join("&");
    for operation in site.operations().await.into_iter().filter(|operation| operation.takes_token) {
        let (method, path) = (operation.method, operation.path.replace("{id}", &user.id));
        let request = |path: &str| site.request(method.clone(), path).header("X-App-Type", "mobile").json(&wish());
        let cookie = format!("token={0}; access_token={0}; session={0}", user.token);
        for (how, request) in [
            ("none", request(&path)),
            ("in the URL", request(&format!("{path}?{in_url}"))),
            ("in a cookie", request(&path).header("Cookie", &cookie)),
            (
                "in another header",
                request(&path).header("X-Access-Token", &user.token).header("X-Api-Key", &user.token),
            ),
        ] {
            let answer = send(request).await;
            if operation.needs_token || method != Method::GET {
                assert_eq!(answer.refusal(), (401, "unauthorized"), "{method} {path} {how}");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {path} {how}");
            } else {
                assert_eq!(answer.status, 200, "{method} {path} {how}");
                assert!(!answer.text.contains("ada@example.com"), "{method} {path} {how}: {answer:?}");
            }
        }
    }
    assert_eq!(state(&site, &user).await, before);
}

async fn a_token_that_is_not_signed_as_ours_gets_that_answer(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let ours = Forge::of(&user.token);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys.json", listener.local_addr().unwrap());
    let mut tokens = Vec::new();
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = ours.header("alg", json!(algorithm));
        tokens.extend([unsigned.signed_with(""), unsigned.signed_by(hs256, SECRET)]);
    }
    for (algorithm, mac) in [("HS384", hs384 as forge::Mac), ("HS512", hs512)] {
        tokens.push(ours.header("alg", json!(algorithm)).signed_by(mac, SECRET));
    }
    // What a verifier would do that takes the secret for a public key, and the other way round.
    for algorithm in ["RS256", "RS512", "PS256", "ES256", "EdDSA", "HS256 ", "hs256", "HS1", "A128KW"] {
        tokens.push(ours.header("alg", json!(algorithm)).signed_by(hs256, SECRET));
    }
    for algorithm in [json!(null), json!(256), json!(["HS256"]), json!({ "name": "HS256" })] {
        tokens.push(ours.header("alg", algorithm).signed_by(hs256, SECRET));
    }
    let (body, signature) = user.token.rsplit_once('.').unwrap();
    let last = u32::from(signature.chars().next_back().unwrap());
    let (first, rest) = signature.split_at(1);
    let (most, _) = signature.split_at(signature.len() - 1);
    tokens.extend([
        body.to_owned(),
        format!("{body}."),
        format!(".{body}"),
        format!("{body}.{}{rest}", if first == "A" { 'B' } else { 'A' }),
        // Other spellings of the same bytes: two unused bits set, padding, white space.
        format!("{body}.{most}{}", char::from_u32(last + 1).unwrap()),
        format!("{body}.{signature}="),
        format!("{body}. {signature}"),
        format!("{body}.{signature}.{signature}"),
        format!("{body}.{}", signature.to_lowercase()),
        format!("{}.{signature}", body.replace('.', ":")),
        ours.payload("sub", json!(Uuid::from_u128(9))).signed_with(signature),
    ]);
    for secret in ["", "secret", "another secret of thirty-two bytes"] {
        tokens.push(ours.signed_by(hs256, secret));
        for kid in [json!("../../dev/null"), json!("' UNION SELECT 'secret' --"), json!(""), json!(null)] {
            tokens.push(ours.header("kid", kid).signed_by(hs256, secret));
        }
        let key = json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" });
        for (name, value) in [("jku", json!(url)), ("x5u", json!(url)), ("jwk", key), ("x5c", json!(["AAAA"]))] {
            tokens.push(ours.header(name, value).signed_by(hs256, secret));
        }
    }
    refuse_everywhere(&site, &user, &bearers(tokens)).await;
    let called = listener.accept().map(|(_, caller)| caller);
    assert_eq!(called.unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "a key was fetched");
}

/// Values that no claim and no header of ours has.
fn of_other_types() -> Vec<Value> {
    let text = ["", "x", "1795176000", " "].map(Value::from);
    let others =
        [json!(null), json!(true), json!({}), json!([]), json!(["frontdesk"]), json!(-1), json!(1.5), json!(1e300)];
    text.into_iter().chain(others).collect()
}

/// Tokens with one claim that ours never have.
fn with_wrong_claims(ours: &Forge, now: i64) -> Vec<Forge> {
    let mut all = Vec::new();
    for name in ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "auth_time"] {
        all.push(ours.without(name));
        all.extend(of_other_types().into_iter().map(|value| ours.payload(name, value)));
    }
    for (name, value) in [
        ("iss", json!("https://evil.test")),
        ("iss", json!(7)),
        ("iss", json!({ "frontdesk": true })),
        ("aud", json!("evil")),
        ("aud", json!(7)),
        ("aud", json!(["evil", "other"])),
        ("sub", json!("1")),
        ("sub", json!(Uuid::nil())),
        ("sub", json!([ours.claim("sub")])),
        ("sub", json!(format!("{{{}}}", ours.claim("sub").as_str().unwrap()))),
        ("sub", json!(format!("urn:uuid:{}", ours.claim("sub").as_str().unwrap()))),
        // Year 9999, and beyond what a time can be.
        ("exp", json!(253_402_300_799_i64)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(now + 901)),
        ("exp", json!(now - 31)),
        ("nbf", json!(now + 3_600)),
        ("nbf", json!("x")),
    ] {
        all.push(ours.payload(name, value));
    }
    let moved = |by: i64| ours.payload("iat", json!(now + by)).payload("auth_time", json!(now + by));
    // 31 s past its end; issued in an hour; issued in the year 9999.
    all.push(moved(-931).payload("exp", json!(now - 31)));
    all.push(moved(3_600).payload("exp", json!(now + 4_500)));
    all.push(moved(253_402_300_000 - now).payload("exp", json!(253_402_300_799_i64)));
    all
}

async fn a_token_that_says_what_ours_never_says_gets_that_answer(store: Store) {
    let site = store.open().await;
    let user = site.user().await;
    let ours = Forge::of(&user.token);
    let control = send(site.request(Method::GET, "/api/v1/profile").bearer_auth(ours.signed_by(hs256, SECRET))).await;
    assert_eq!(control.status, 200, "nothing is wrong with this one yet: {control:?}");
    let mut tokens: Vec<_> = with_wrong_claims(&ours, site.clock.now().unix_seconds())
        .iter()
        .map(|forged| forged.signed_by(hs256, SECRET))
        .collect();
    for (name, value) in [
        // What refresh tokens, reset links and sockets would carry.
        ("typ", json!("JWT")),
        ("typ", json!("rt+jwt")),
        ("typ", json!("reset+jwt")),
        ("typ", json!("ws+jwt")),
        ("typ", json!(null)),
        ("typ", json!(["at+jwt"])),
        ("crit", json!(["x"])),
        ("crit", json!(["exp"])),
        ("kid", json!("../../dev/null")),
        ("kid", json!("x' OR 'x' = 'x")),
        ("kid", json!(null)),
        ("kid", json!([])),
    ] {
        tokens.push(ours.header(name, value).signed_by(hs256, SECRET));
    }
    let other = Uuid::from_u128(9);
    let (header, payload) = ours.texts();
    let body = payload.strip_prefix('{').unwrap();
    for spoiled in [
        format!("{{\"sub\":\"{other}\",{body}"),
        format!("{},\"sub\":\"{other}\"}}", payload.strip_suffix('}').unwrap()),
        format!("{{\"exp\":1,{body}"),
        format!("[{payload}]"),
        format!("{payload}{payload}"),
        "null".to_owned(),
        "[".repeat(2_000),
        String::new(),
    ] {
        tokens.push(forge::signed(&header, &spoiled, hs256, SECRET));
    }
    for spoiled in ["", "null", "[]", "{}", "\u{feff}{}", "{\"alg\":\"HS256\"}"] {
        tokens.push(forge::signed(spoiled, &payload, hs256, SECRET));
    }
    refuse_everywhere(&site, &user, &bearers(tokens)).await;
}

on_both_stores! {
    what_is_no_credential_gets_one_answer_everywhere,
    a_credential_is_read_from_its_header_only,
    a_token_that_is_not_signed_as_ours_gets_that_answer,
    a_token_that_says_what_ours_never_says_gets_that_answer,
}
