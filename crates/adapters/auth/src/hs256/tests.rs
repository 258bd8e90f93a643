use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

fn signer() -> Hs256Signer {
    Hs256Signer::new(Hs256Config {
        secret: SECRET.to_vec(),
        issuer: "frontdesk".into(),
        audience: "frontdesk".into(),
        lifetime: Duration::from_mins(15),
    })
    .unwrap()
}

fn ours() -> AccessClaims {
    AccessClaims {
        user_id: UserId::new(Uuid::from_u128(1)),
        session_id: SessionId::new(Uuid::from_u128(2)),
        token_id: Uuid::from_u128(3),
        issued_at: at(1_000),
        expires_at: at(1_900),
        authenticated_at: at(1_000),
        claims_until: None,
    }
}

fn payload() -> Value {
    json!({
        "iss": "frontdesk", "aud": "frontdesk", "sub": Uuid::from_u128(1), "sid": Uuid::from_u128(2),
        "jti": Uuid::from_u128(3), "iat": 1_000, "exp": 1_900, "auth_time": 1_000,
    })
}

/// Signs any payload with our key, as only a bug or a stolen key could.
fn forge(header: &Header, payload: &Value) -> String {
    encode(header, payload, &EncodingKey::from_secret(SECRET)).unwrap()
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

fn accepts(token: &str) -> bool {
    signer().verify(token, at(1_100)).is_ok()
}

#[test]
fn what_was_signed_is_read_back() {
    let token = signer().sign(&ours());
    assert_eq!(signer().verify(&token, at(1_100)), Ok(ours()));
}

#[test]
fn the_payload_of_these_tests_is_acceptable_as_it_is() {
    assert!(accepts(&forge(&signer().header, &payload())));
}

#[test]
fn expiry_has_thirty_seconds_of_leeway_and_not_one_more() {
    let token = signer().sign(&ours());
    assert!(signer().verify(&token, at(1_929)).is_ok());
    assert!(signer().verify(&token, at(1_930)).is_err());
}

#[test]
fn a_token_from_a_clock_up_to_a_minute_ahead_is_believed() {
    let token = signer().sign(&ours());
    assert!(signer().verify(&token, at(940)).is_ok());
    assert!(signer().verify(&token, at(939)).is_err());
}

#[test]
fn claims_that_are_missing_or_of_another_type_are_refused() {
    for key in ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "auth_time"] {
        assert!(!accepts(&forge(&signer().header, &without(key))), "without {key}");
        for value in [json!(null), json!({}), json!([]), json!(true), json!(1.5), json!("x"), json!(-1)] {
            assert!(!accepts(&forge(&signer().header, &with(key, value.clone()))), "{key} = {value}");
        }
    }
}

#[test]
fn another_issuer_audience_or_subject_is_refused() {
    for (key, value) in [
        ("iss", json!("evil")),
        ("iss", json!(["frontdesk"])),
        ("aud", json!("evil")),
        ("aud", json!(["evil"])),
        ("sub", json!(Uuid::nil())),
        ("sub", json!([Uuid::from_u128(1)])),
    ] {
        assert!(!accepts(&forge(&signer().header, &with(key, value.clone()))), "{key} = {value}");
    }
}

#[test]
fn times_out_of_bounds_are_refused() {
    for (key, value) in [
        ("exp", json!(1_901)),
        ("exp", json!(253_402_300_799_i64)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(1e300)),
        ("exp", json!(1_069)),
        ("nbf", json!(1_131)),
        ("iat", json!(i64::MIN)),
    ] {
        assert!(!accepts(&forge(&signer().header, &with(key, value.clone()))), "{key} = {value}");
    }
}

#[test]
fn a_repeated_claim_is_refused() {
    let twice = payload().to_string().replacen('{', "{\"sub\":\"00000000-0000-0000-0000-000000000009\",", 1);
    let whole: Box<serde_json::value::RawValue> = serde_json::value::RawValue::from_string(twice).unwrap();
    let token = encode(&signer().header, &whole, &EncodingKey::from_secret(SECRET)).unwrap();
    assert!(!accepts(&token));
}

#[test]
fn another_header_is_refused() {
    let base = || signer().header;
    for header in [
        Header { typ: Some("JWT".into()), ..base() },
        Header { typ: Some("rt+jwt".into()), ..base() },
        Header { typ: None, ..base() },
        Header { kid: None, ..base() },
        Header { kid: Some("../../dev/null".into()), ..base() },
        Header { crit: Some(vec!["x".into()]), ..base() },
        Header { alg: Algorithm::HS384, ..base() },
        Header { alg: Algorithm::HS512, ..base() },
    ] {
        assert!(!accepts(&forge(&header, &payload())), "{header:?}");
    }
}

#[test]
fn a_broken_signature_is_refused() {
    let token = signer().sign(&ours());
    let (body, signature) = token.rsplit_once('.').unwrap();
    let last = signature.chars().next_back().unwrap();
    // The last character of 43 carries two unused bits: another spelling of the same bytes.
    let alias = char::from_u32(u32::from(last) + 1).unwrap();
    let (first, rest) = signature.split_at(1);
    let (most, _) = signature.split_at(42);
    let flipped = if first == "A" { 'B' } else { 'A' };
    for bad in [
        format!("{body}."),
        body.to_owned(),
        format!("{body}.{flipped}{rest}"),
        format!("{body}.{most}{alias}"),
        format!("{body}.{signature}="),
        format!("{token}.{signature}"),
        String::new(),
        "..".to_owned(),
        "x".repeat(16_384),
    ] {
        assert!(!accepts(&bad), "{bad}");
    }
}

#[test]
fn an_unsigned_token_is_refused() {
    let body = signer().sign(&ours());
    let payload = body.split('.').nth(1).unwrap();
    for header in ["eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0", "eyJhbGciOiJOb25lIiwidHlwIjoiYXQrand0In0"] {
        assert!(!accepts(&format!("{header}.{payload}.")), "{header}");
    }
}

#[test]
fn another_secret_is_refused() {
    let other = Hs256Signer::new(Hs256Config {
        secret: vec![7; 32],
        issuer: "frontdesk".into(),
        audience: "frontdesk".into(),
        lifetime: Duration::from_mins(15),
    })
    .unwrap();
    assert!(!accepts(&other.sign(&ours())));
}

#[test]
fn a_short_secret_makes_no_signer() {
    let config = Hs256Config {
        secret: vec![7; 31],
        issuer: "frontdesk".into(),
        audience: "frontdesk".into(),
        lifetime: Duration::from_mins(15),
    };
    assert_eq!(Hs256Signer::new(config).err(), Some(WeakSecret(31)));
}

#[test]
fn a_token_that_was_believed_once_still_ends() {
    let signer = signer();
    let token = signer.sign(&ours());
    assert!(signer.verify(&token, at(1_100)).is_ok());
    assert!(signer.verify(&token, at(1_930)).is_err());
    assert!(signer.verify(&token, at(939)).is_err());
    assert!(signer.verify(&token, at(1_100)).is_ok());
}
