use frontdesk_kernel::UserId;
use frontdesk_profile::FieldText as _;
use frontdesk_profile::token::{Identity, Origin};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::test_keys::{
    ec_jwk, ec_jwk_other, ed_jwk, eddsa, es256, es256_other, nonsense, rs256, rsa_jwk, spoiled_signatures, token_of,
};
use crate::test_site::{Site, http, keys};

const SECRET: &[u8] = b"a secret that Supabase made: 0123456789";
const USER: &str = "0190f5fe-7c00-4a00-8000-00000000000a";
const ISSUER: &str = "https://project.supabase.co/auth/v1";
const NOW: i64 = 1_100;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

fn jwks(keys: &[Value]) -> IssuerKeys {
    IssuerKeys::JwksFile(json!({ "keys": keys }).to_string())
}

fn trusted(issuer: &str, algorithm: IssuerAlgorithm, keys: IssuerKeys) -> TrustedIssuer {
    TrustedIssuer { issuer: issuer.to_owned(), audience: "authenticated".to_owned(), algorithm, keys }
}

/// Four issuers, one for each algorithm.
fn tokens() -> ForeignTokens {
    let all = [rsa_jwk("key"), ec_jwk("key"), ed_jwk("key")];
    ForeignTokens::new(vec![
        trusted(ISSUER, IssuerAlgorithm::Es256, jwks(&all)),
        trusted("https://rsa.example.com/", IssuerAlgorithm::Rs256, jwks(&all)),
        trusted("https://ed.example.com", IssuerAlgorithm::EdDsa, jwks(&all)),
        trusted("legacy", IssuerAlgorithm::Hs256, IssuerKeys::Secret(SECRET.to_vec())),
    ])
    .unwrap()
}

/// As Supabase makes them, less what does not concern us.
fn payload() -> Value {
    json!({
        "iss": ISSUER, "aud": "authenticated", "sub": USER, "iat": 1_000, "exp": 4_600,
        "email": "ada@example.com", "phone": "", "role": "authenticated", "aal": "aal1", "is_anonymous": false,
        "session_id": "11111111-2222-4333-8444-555555555555",
        "app_metadata": { "provider": "email" }, "user_metadata": { "email_verified": true },
        "amr": [{ "method": "password", "timestamp": 1_000 }],
    })
}

fn with(key: &str, value: Value) -> Value {
    let mut changed = payload();
    changed[key] = value;
    changed
}

fn without(key: &str) -> Value {
    let mut changed = payload();
    changed.as_object_mut().unwrap().remove(key);
    changed
}

fn header() -> Value {
    json!({ "alg": "ES256", "kid": "key", "typ": "JWT" })
}

fn sign(payload: &Value) -> String {
    token_of(&header().to_string(), &payload.to_string(), &es256(), Algorithm::ES256)
}

fn headed(header: &str) -> String {
    token_of(header, &payload().to_string(), &es256(), Algorithm::ES256)
}

async fn verify(token: &str) -> Option<ForeignClaims> {
    match tokens().verify(token, at(NOW)).await {
        Ok(claims) => Some(claims),
        Err(AuthenticationError::Refused(_)) => None,
        Err(AuthenticationError::Unavailable(error)) => panic!("{error:?}"),
    }
}

async fn claims(payload: Value) -> ForeignClaims {
    verify(&sign(&payload)).await.unwrap_or_else(|| panic!("refused: {payload}"))
}

#[track_caller]
fn assert_refused(claims: Option<&ForeignClaims>, why: impl std::fmt::Display) {
    assert!(claims.is_none(), "believed: {why}");
}

#[tokio::test]
async fn a_supabase_token_says_who_when_and_the_address() {
    let ForeignClaims { access, identity, email, email_verified } = claims(payload()).await;
    assert_eq!(access.origin, Origin::Foreign);
    assert_eq!(access.user_id, USER.parse().unwrap());
    assert_eq!((access.issued_at, access.expires_at, access.authenticated_at), (at(1_000), at(4_600), at(1_000)));
    assert_eq!(access.claims_until, None);
    assert_eq!(identity, None);
    assert_eq!(email.unwrap().as_str(), "ada@example.com");
    assert!(!email_verified, "the user writes `user_metadata`, so what it says is no proof");
}

#[tokio::test]
async fn each_issuer_is_believed_under_its_own_algorithm_alone() {
    let secret = EncodingKey::from_secret(SECRET);
    let keys = [
        (ISSUER, Algorithm::ES256, es256()),
        ("https://rsa.example.com/", Algorithm::RS256, rs256()),
        ("https://ed.example.com", Algorithm::EdDSA, eddsa()),
        ("legacy", Algorithm::HS256, secret),
    ];
    for (issuer, pinned, _) in &keys {
        for (_, algorithm, key) in &keys {
            let header = json!({ "alg": algorithm, "kid": "key" }).to_string();
            let token = token_of(&header, &with("iss", json!(issuer)).to_string(), key, *algorithm);
            assert_eq!(verify(&token).await.is_some(), pinned == algorithm, "{issuer} {algorithm:?}");
        }
    }
}

#[tokio::test]
async fn a_public_key_used_as_a_secret_is_refused() {
    let jwk = rsa_jwk("key");
    let public = [jwk["n"].as_str().unwrap().to_owned(), jwk.to_string(), json!({ "keys": [jwk] }).to_string()];
    for secret in public {
        for (issuer, algorithm) in [("https://rsa.example.com/", Algorithm::HS256), ("legacy", Algorithm::HS256)] {
            let header = json!({ "alg": algorithm, "kid": "key" }).to_string();
            let key = EncodingKey::from_secret(secret.as_bytes());
            let token = token_of(&header, &with("iss", json!(issuer)).to_string(), &key, algorithm);
            assert_refused(verify(&token).await.as_ref(), issuer);
        }
    }
}

#[tokio::test]
async fn other_algorithms_of_the_same_family_are_refused() {
    let cases = [
        ("https://rsa.example.com/", Algorithm::RS384, rs256()),
        ("https://rsa.example.com/", Algorithm::RS512, rs256()),
        ("https://rsa.example.com/", Algorithm::PS256, rs256()),
        ("legacy", Algorithm::HS384, EncodingKey::from_secret(SECRET)),
        ("legacy", Algorithm::HS512, EncodingKey::from_secret(SECRET)),
    ];
    for (issuer, algorithm, key) in cases {
        let header = json!({ "alg": algorithm, "kid": "key" }).to_string();
        let token = token_of(&header, &with("iss", json!(issuer)).to_string(), &key, algorithm);
        assert_refused(verify(&token).await.as_ref(), format!("{algorithm:?}"));
    }
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let signed = sign(&payload());
    let body = signed.split('.').nth(1).unwrap();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = crate::test_keys::b64(json!({ "alg": alg, "kid": "key" }).to_string());
        for token in [
            format!("{header}.{body}."),
            format!("{header}.{body}"),
            signed.replacen(signed.split('.').next().unwrap(), &header, 1),
        ] {
            assert_refused(verify(&token).await.as_ref(), alg);
        }
    }
}

#[tokio::test]
async fn a_spoiled_signature_is_refused() {
    let secret = EncodingKey::from_secret(SECRET);
    let legacy = with("iss", json!("legacy")).to_string();
    for good in [sign(&payload()), token_of(r#"{"alg":"HS256"}"#, &legacy, &secret, Algorithm::HS256)] {
        assert!(verify(&good).await.is_some());
        for bad in spoiled_signatures(&good) {
            assert_refused(verify(&bad).await.as_ref(), bad);
        }
    }
}

#[tokio::test]
async fn the_key_of_a_stranger_is_refused() {
    let token = token_of(&header().to_string(), &payload().to_string(), &es256_other(), Algorithm::ES256);
    assert_refused(verify(&token).await.as_ref(), "another key");
}

#[tokio::test]
async fn keys_that_a_token_brings_along_are_not_used() {
    for (member, value) in [
        ("jwk", ec_jwk_other("key")),
        ("jku", json!("https://evil.test/jwks.json")),
        ("x5u", json!("https://evil.test/cert.pem")),
        ("x5c", json!(["MIIB"])),
    ] {
        let mut header = header();
        header[member] = value;
        let token = token_of(&header.to_string(), &payload().to_string(), &es256_other(), Algorithm::ES256);
        assert_refused(verify(&token).await.as_ref(), header);
    }
}

#[tokio::test]
async fn a_key_id_that_is_not_in_the_set_is_refused() {
    for kid in [
        json!("other"),
        json!(""),
        json!("../../dev/null"),
        json!("' OR 1=1 --"),
        json!("KEY"),
        json!(5),
        json!(["key"]),
    ] {
        let mut header = header();
        header["kid"] = kid;
        assert_refused(verify(&headed(&header.to_string())).await.as_ref(), header);
    }
}

#[tokio::test]
async fn a_token_without_a_key_id_is_believed_where_only_one_key_can_be_meant() {
    let token = headed(r#"{"alg":"ES256"}"#);
    assert!(verify(&token).await.is_some());
    let two = jwks(&[ec_jwk("key"), ec_jwk_other("other")]);
    let two = ForeignTokens::new(vec![trusted(ISSUER, IssuerAlgorithm::Es256, two)]).unwrap();
    assert!(matches!(two.verify(&token, at(NOW)).await, Err(AuthenticationError::Refused(_))));
}

#[tokio::test]
async fn the_type_of_a_token_is_absent_or_that_of_an_access_token() {
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT"] {
        let header = json!({ "alg": "ES256", "kid": "key", "typ": typ }).to_string();
        assert!(verify(&headed(&header)).await.is_some(), "{typ}");
    }
    for typ in
        [json!(""), json!("rt+jwt"), json!("logout+jwt"), json!("dpop+jwt"), json!("JWT "), json!(1), json!(["JWT"])]
    {
        let header = json!({ "alg": "ES256", "kid": "key", "typ": typ }).to_string();
        assert_refused(verify(&headed(&header)).await.as_ref(), header);
    }
}

#[tokio::test]
async fn a_critical_header_is_refused() {
    for crit in [json!(["x"]), json!([]), json!(["exp"]), json!("x"), json!(["b64"])] {
        let header = json!({ "alg": "ES256", "kid": "key", "crit": crit, "b64": false }).to_string();
        assert_refused(verify(&headed(&header)).await.as_ref(), header);
    }
}

#[tokio::test]
async fn an_issuer_that_is_not_configured_is_refused() {
    for issuer in [
        json!("https://evil.test"),
        json!(""),
        json!(format!("{ISSUER}/")),
        json!(ISSUER.to_uppercase()),
        json!("https://rsa.example.com"),
        json!("frontdesk"),
        json!(1),
        json!(null),
        json!(true),
        json!([ISSUER]),
        json!({ "iss": ISSUER }),
    ] {
        assert_refused(verify(&sign(&with("iss", issuer.clone()))).await.as_ref(), issuer);
    }
    assert_refused(verify(&sign(&without("iss"))).await.as_ref(), "no issuer");
}

#[tokio::test]
async fn an_audience_is_ours_or_a_list_with_ours() {
    for audience in [json!("authenticated"), json!(["other", "authenticated"])] {
        claims(with("aud", audience)).await;
    }
    for audience in [
        json!("other"),
        json!(["other"]),
        json!([]),
        json!(["authenticated", 1]),
        json!(1),
        json!(null),
        json!({ "authenticated": true }),
        json!("AUTHENTICATED"),
        json!("authenticated other"),
    ] {
        assert_refused(verify(&sign(&with("aud", audience.clone()))).await.as_ref(), audience);
    }
    assert_refused(verify(&sign(&without("aud"))).await.as_ref(), "no audience");
}

#[tokio::test]
async fn times_that_are_missing_or_no_whole_seconds_are_refused() {
    for key in ["iat", "exp"] {
        assert_refused(verify(&sign(&without(key))).await.as_ref(), format!("without {key}"));
        for value in [json!(null), json!("4600"), json!(4_600.5), json!(1e300), json!([]), json!({}), json!(true)] {
            assert_refused(verify(&sign(&with(key, value.clone()))).await.as_ref(), format!("{key} = {value}"));
        }
    }
    for (key, value) in [("nbf", json!("0")), ("nbf", json!(1.5)), ("auth_time", json!("0")), ("auth_time", json!(-1))]
    {
        assert_refused(verify(&sign(&with(key, value.clone()))).await.as_ref(), format!("{key} = {value}"));
    }
}

#[tokio::test]
async fn times_out_of_bounds_are_refused() {
    let week = 7 * 24 * 60 * 60;
    for (key, value) in [("exp", 1_000 + week), ("exp", 1_071), ("iat", 1_160), ("nbf", 1_130), ("nbf", -5)] {
        claims(with(key, json!(value))).await;
    }
    for (key, value) in [
        ("exp", 1_000 + week + 1),
        ("exp", 253_402_300_799),
        ("exp", i64::MAX),
        ("exp", 1_070),
        ("exp", 999),
        ("exp", -1),
        ("iat", 1_161),
        ("iat", -1),
        ("iat", i64::MIN),
        ("nbf", 1_131),
    ] {
        assert_refused(verify(&sign(&with(key, json!(value)))).await.as_ref(), format!("{key} = {value}"));
    }
    let century = with("exp", json!(10_000_000_000_u64));
    assert_refused(verify(&sign(&century)).await.as_ref(), "a life of three centuries");
}

#[tokio::test]
async fn a_token_that_was_believed_once_still_ends() {
    let (tokens, token) = (tokens(), sign(&with("nbf", json!(1_050))));
    for (now, is_good) in [(1_100, true), (4_629, true), (4_630, false), (1_019, false), (1_020, true)] {
        assert_eq!(tokens.verify(&token, at(now)).await.is_ok(), is_good, "{now}");
    }
}

#[tokio::test]
async fn without_a_subject_there_is_no_user() {
    for subject in [
        json!(""),
        json!(null),
        json!(1),
        json!([USER]),
        json!({ "id": USER }),
        json!(Uuid::nil()),
        json!("a\nb"),
        json!("a\u{0}b"),
        json!("x".repeat(256)),
    ] {
        assert_refused(verify(&sign(&with("sub", subject.clone()))).await.as_ref(), subject);
    }
    assert_refused(verify(&sign(&without("sub"))).await.as_ref(), "no subject");
}

#[tokio::test]
async fn a_repeated_member_is_refused() {
    for (key, value) in [("sub", json!(USER)), ("iss", json!(ISSUER)), ("exp", json!(4_600)), ("role", json!("x"))] {
        let twice = payload().to_string().replacen('{', &format!("{{{}:{value},", json!(key)), 1);
        let token = token_of(&header().to_string(), &twice, &es256(), Algorithm::ES256);
        assert_refused(verify(&token).await.as_ref(), key);
    }
    for (key, value) in [("alg", "ES256"), ("kid", "key"), ("alg", "none")] {
        let twice = header().to_string().replacen('{', &format!(r#"{{"{key}":"{value}","#), 1);
        assert_refused(verify(&headed(&twice)).await.as_ref(), twice);
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    for bad in nonsense() {
        assert_refused(verify(&bad).await.as_ref(), &bad);
    }
    let long = sign(&with("user_metadata", json!("x".repeat(MAX_TOKEN_BYTES))));
    assert_refused(verify(&long).await.as_ref(), "a long one");
}

#[tokio::test]
async fn a_service_is_no_user() {
    for role in [json!("service_role"), json!(["service_role"])] {
        assert_refused(verify(&sign(&with("role", role.clone()))).await.as_ref(), role);
    }
    for role in [json!("authenticated"), json!(null), json!(["admin"]), json!(7)] {
        claims(with("role", role)).await;
    }
}

#[tokio::test]
async fn a_subject_that_is_a_uuid_is_the_user_in_any_case() {
    let lower = claims(with("sub", json!(USER))).await;
    let upper = claims(with("sub", json!(USER.to_uppercase()))).await;
    assert_eq!(lower.access.user_id, upper.access.user_id);
    assert_eq!(upper.identity, None);
}

#[tokio::test]
async fn any_other_subject_stands_for_one_user_of_its_issuer() {
    let of = |issuer: &'static str, subject: &'static str| async move {
        let header = json!({ "alg": "HS256" }).to_string();
        let mut payload = with("sub", json!(subject));
        payload["iss"] = json!(issuer);
        let token = if issuer == ISSUER {
            sign(&payload)
        } else {
            token_of(&header, &payload.to_string(), &EncodingKey::from_secret(SECRET), Algorithm::HS256)
        };
        verify(&token).await.unwrap()
    };
    let one = of(ISSUER, "auth0|1").await;
    assert_eq!(one.access.user_id.as_uuid().get_version_num(), 8);
    let identity = Identity { issuer: ISSUER.to_owned(), subject: "auth0|1".to_owned() };
    assert_eq!(one.identity, Some(identity));
    assert_eq!(of(ISSUER, "auth0|1").await.access.user_id, one.access.user_id);
    for (issuer, subject) in [(ISSUER, "auth0|2"), (ISSUER, "Auth0|1"), ("legacy", "auth0|1")] {
        assert_ne!(of(issuer, subject).await.access.user_id, one.access.user_id, "{issuer} {subject}");
    }
}

#[tokio::test]
async fn other_spellings_of_a_uuid_are_other_users() {
    let bare = USER.replace('-', "");
    for subject in [bare.clone(), format!("{{{USER}}}"), format!("urn:uuid:{USER}"), format!("{USER} ")] {
        let claims = claims(with("sub", json!(subject))).await;
        assert_ne!(claims.access.user_id, USER.parse::<UserId>().unwrap(), "{subject}");
        assert!(claims.identity.is_some(), "{subject}");
    }
}

#[tokio::test]
async fn a_session_is_told_by_its_claim_and_else_by_the_token() {
    let session = |payload: Value| async move { claims(payload).await.access.session_id };
    let named = session(payload()).await;
    assert_eq!(session(with("iat", json!(1_001))).await, named, "a refreshed token is of the same session");
    assert_ne!(session(with("session_id", json!("other"))).await, named);
    assert_ne!(session(with("sub", json!("someone else"))).await, named, "ids of sessions are each user's own");
    let mut sid = without("session_id");
    sid["sid"] = payload()["session_id"].clone();
    assert_eq!(session(sid).await, named);

    let unnamed = session(without("session_id")).await;
    assert_eq!(session(with("session_id", json!(""))).await, unnamed);
    let mut later = without("session_id");
    later["iat"] = json!(1_001);
    assert_ne!(session(later).await, unnamed);
    for (key, value) in [("session_id", json!(5)), ("sid", json!([])), ("jti", json!(5))] {
        assert_refused(verify(&sign(&with(key, value))).await.as_ref(), key);
    }
}

#[tokio::test]
async fn tokens_of_one_second_are_told_apart_by_their_id() {
    let id = |payload: Value| async move { claims(payload).await.access.token_id };
    assert_ne!(id(with("jti", json!("a"))).await, id(with("jti", json!("b"))).await);
    assert_eq!(id(with("jti", json!("a"))).await, id(with("jti", json!("a"))).await);
    assert_ne!(id(payload()).await, id(with("iat", json!(1_001))).await);
}

#[tokio::test]
async fn a_sign_in_counts_from_its_own_time_and_never_from_a_later_one() {
    let signed_in = |value: Value| async move { claims(with("auth_time", value)).await.access.authenticated_at };
    assert_eq!(signed_in(json!(500)).await, at(500));
    assert_eq!(signed_in(json!(null)).await, at(1_000));
    assert_eq!(signed_in(json!(i64::MAX)).await, at(1_000));
}

#[tokio::test]
async fn an_address_is_verified_only_by_the_claim_of_the_issuer_itself() {
    let verified = |value: Value| async move { claims(with("email_verified", value)).await.email_verified };
    assert!(verified(json!(true)).await);
    for value in [json!(false), json!("true"), json!(1), json!(null), json!({})] {
        assert!(!verified(value.clone()).await, "{value}");
    }
}

#[tokio::test]
async fn what_is_no_address_is_left_out() {
    for email in [json!(""), json!(null), json!(5), json!("ada"), json!("a@b\r\nBcc: x@y"), json!(["ada@example.com"])]
    {
        let mut payload = with("email", email.clone());
        payload["email_verified"] = json!(true);
        let claims = claims(payload).await;
        assert_eq!((claims.email, claims.email_verified), (None, false), "{email}");
    }
}

fn of_site(site: &Site) -> ForeignTokens {
    let keys = IssuerKeys::JwksUrl(site.url.to_string());
    ForeignTokens::new(vec![trusted(ISSUER, IssuerAlgorithm::Es256, keys)]).unwrap()
}

/// A token that lives for days, for tests in which hours go by.
fn long_lived() -> String {
    sign(&with("exp", json!(500_000)))
}

#[tokio::test]
async fn keys_come_from_the_configured_url_and_are_asked_for_once() {
    let site = Site::serve(keys(&[ec_jwk("key")])).await;
    let tokens = of_site(&site);
    for token in [sign(&payload()), sign(&payload()), sign(&with("iat", json!(1_001)))] {
        assert!(tokens.verify(&token, at(NOW)).await.is_ok());
    }
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn a_token_that_was_believed_once_is_refused_when_its_key_is_withdrawn() {
    let site = Site::serve(keys(&[ec_jwk("key")])).await;
    let (tokens, token) = (of_site(&site), long_lived());
    assert!(tokens.verify(&token, at(NOW)).await.is_ok());
    site.answers(keys(&[ec_jwk_other("next")]));
    assert!(tokens.verify(&token, at(NOW + 299)).await.is_ok());
    let answer = tokens.verify(&token, at(NOW + 600)).await;
    assert!(matches!(answer, Err(AuthenticationError::Refused(_))), "{answer:?}");
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn a_token_that_was_believed_once_is_not_while_its_keys_are_out_of_reach() {
    let site = Site::serve(keys(&[ec_jwk("key")])).await;
    let (tokens, token) = (of_site(&site), long_lived());
    assert!(tokens.verify(&token, at(NOW)).await.is_ok());
    site.answers(http("500 Internal Server Error", "", ""));
    let answer = tokens.verify(&token, at(NOW + 600)).await;
    assert!(matches!(answer, Err(AuthenticationError::Unavailable(_))), "{answer:?}");
    site.answers(keys(&[ec_jwk("key")]));
    assert!(tokens.verify(&token, at(NOW + 605)).await.is_ok());
}

#[tokio::test]
async fn a_token_that_names_no_issuer_of_ours_causes_no_fetch() {
    let site = Site::serve(keys(&[ec_jwk("key")])).await;
    let tokens = of_site(&site);
    let mut header = header();
    header["jku"] = json!(site.url.as_str());
    let elsewhere = with("iss", json!("https://evil.test")).to_string();
    let other_algorithm = token_of(r#"{"alg":"EdDSA","kid":"x"}"#, &payload().to_string(), &eddsa(), Algorithm::EdDSA);
    for token in [token_of(&header.to_string(), &elsewhere, &es256(), Algorithm::ES256), other_algorithm] {
        assert!(matches!(tokens.verify(&token, at(NOW)).await, Err(AuthenticationError::Refused(_))));
    }
    assert_eq!(site.asked(), 0);
}

#[test]
fn keys_that_do_not_fit_the_algorithm_make_no_issuer() {
    let secret = || IssuerKeys::Secret(SECRET.to_vec());
    for (algorithm, keys) in [
        (IssuerAlgorithm::Rs256, secret()),
        (IssuerAlgorithm::Es256, secret()),
        (IssuerAlgorithm::EdDsa, secret()),
        (IssuerAlgorithm::Hs256, jwks(&[rsa_jwk("key")])),
        (IssuerAlgorithm::Hs256, IssuerKeys::JwksUrl("https://a.test".to_owned())),
        (IssuerAlgorithm::Hs256, IssuerKeys::Secret(vec![7; 31])),
        (IssuerAlgorithm::Es256, IssuerKeys::JwksFile("no key set".to_owned())),
        (IssuerAlgorithm::Es256, IssuerKeys::JwksUrl("no URL".to_owned())),
    ] {
        assert!(ForeignTokens::new(vec![trusted(ISSUER, algorithm, keys)]).is_err(), "{algorithm:?}");
    }
}

#[test]
fn a_secret_is_not_shown() {
    let shown = format!("{:?}", trusted("legacy", IssuerAlgorithm::Hs256, IssuerKeys::Secret(SECRET.to_vec())));
    assert!(shown.contains("legacy") && !shown.contains("97, 32"), "{shown}");
}

#[test]
fn usable_keys_are_those_of_the_algorithm() {
    let document = json!({ "keys": [rsa_jwk("a"), ec_jwk("b"), ec_jwk_other("c")] }).to_string();
    assert_eq!(usable_keys(&document, IssuerAlgorithm::Es256), Some(2));
    assert_eq!(usable_keys(&document, IssuerAlgorithm::EdDsa), Some(0));
    assert_eq!(usable_keys("no key set", IssuerAlgorithm::Es256), None);
}
