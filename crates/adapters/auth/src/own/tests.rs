use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::test_keys::{
    EC, ED_1, ED_1_ID, ED_1_PUBLIC, ED_1_X, ED_2, ED_2_PUBLIC, RSA, b64, eddsa, nonsense, spoiled_signatures, token_of,
};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

fn config() -> OwnTokensConfig {
    OwnTokensConfig {
        secret: Some(SECRET.to_vec()),
        signing_keys: None,
        issuer: "frontdesk".into(),
        audience: "frontdesk".into(),
        lifetime: Duration::from_mins(15),
    }
}

fn signer() -> OwnTokens {
    OwnTokens::new(config()).unwrap()
}

fn with_keys(secret: Option<&[u8]>, pem: &str) -> OwnTokens {
    let config = OwnTokensConfig { secret: secret.map(<[u8]>::to_vec), signing_keys: Some(pem.to_owned()), ..config() };
    OwnTokens::new(config).unwrap()
}

fn ours() -> AccessClaims {
    AccessClaims {
        origin: Origin::Own,
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
    for signer in [signer(), with_keys(None, ED_1)] {
        let token = signer.sign(&ours());
        assert!(signer.verify(&token, at(1_100)).is_ok());
        for bad in spoiled_signatures(&token) {
            assert!(signer.verify(&bad, at(1_100)).is_err(), "{bad}");
        }
    }
}

#[test]
fn what_is_no_token_is_refused() {
    for bad in nonsense() {
        assert!(!accepts(&bad), "{bad}");
    }
}

#[test]
fn an_unsigned_token_is_refused() {
    for signer in [signer(), with_keys(None, ED_1)] {
        let kid = &signer.keys[0].0.id;
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            let header = b64(json!({ "typ": "at+jwt", "alg": alg, "kid": kid }).to_string());
            let body = format!("{header}.{}", b64(payload().to_string()));
            for token in [body.clone(), format!("{body}."), format!("{body}.{}", b64("none"))] {
                assert!(signer.verify(&token, at(1_100)).is_err(), "{alg}");
            }
        }
    }
}

#[test]
fn another_secret_is_refused() {
    let other = OwnTokens::new(OwnTokensConfig { secret: Some(vec![7; 32]), ..config() }).unwrap();
    assert!(!accepts(&other.sign(&ours())));
}

#[test]
fn without_a_key_there_is_no_signer() {
    let error = |secret: Option<&[u8]>, pem: Option<&str>| {
        let (secret, signing_keys) = (secret.map(<[u8]>::to_vec), pem.map(str::to_owned));
        OwnTokens::new(OwnTokensConfig { secret, signing_keys, ..config() }).err()
    };
    assert_eq!(error(None, None), Some(KeyError::NoKey));
    assert_eq!(error(Some(&[7; 31]), None), Some(KeyError::WeakSecret(31)));
    assert_eq!(error(Some(&[7; 31]), Some(ED_1)), Some(KeyError::WeakSecret(31)));
    assert_eq!(error(Some(SECRET), Some("")), Some(KeyError::NoBlock));
    assert_eq!(error(None, Some("no key at all")), Some(KeyError::NoBlock));
    assert_eq!(error(None, Some(ED_1_PUBLIC)), Some(KeyError::FirstIsPublic));
    assert_eq!(error(None, Some(&format!("{ED_1_PUBLIC}{ED_1}"))), Some(KeyError::FirstIsPublic));
    assert_eq!(error(None, Some(EC)), Some(KeyError::NotEd25519(1)));
    assert_eq!(error(None, Some(&format!("{ED_1}{RSA}"))), Some(KeyError::NotEd25519(2)));
    assert_eq!(error(None, Some(&ED_1.replace("MC4C", "MC4D"))), Some(KeyError::NotEd25519(1)));
    assert_eq!(error(None, Some(ED_1.split_once("-----END").unwrap().0)), Some(KeyError::Torn));
    assert_eq!(
        error(None, Some(&format!("{ED_1}{ED_2}").replace("\n-----BEGIN", "\n----BEGIN"))),
        Some(KeyError::Torn)
    );
}

#[test]
fn a_signing_key_signs_and_a_secret_beside_it_still_verifies() {
    let (before, after) = (signer(), with_keys(Some(SECRET), ED_1));
    let (old, new) = (before.sign(&ours()), after.sign(&ours()));
    assert_eq!(decode_header(&new).unwrap().alg, Algorithm::EdDSA);
    assert_eq!(decode_header(&new).unwrap().kid.as_deref(), Some(ED_1_ID));
    assert_eq!(after.verify(&old, at(1_100)), Ok(ours()));
    assert_eq!(after.verify(&new, at(1_100)), Ok(ours()));
    assert!(before.verify(&new, at(1_100)).is_err());
}

#[test]
fn earlier_keys_verify_until_they_are_taken_out_of_the_file() {
    let old = with_keys(None, ED_2).sign(&ours());
    for file in [format!("{ED_1}{ED_2}"), format!("{ED_1}{ED_2_PUBLIC}"), format!("new\n{ED_1}\nold\n{ED_2_PUBLIC}\n")]
    {
        let signer = with_keys(None, &file);
        assert_eq!(signer.verify(&old, at(1_100)), Ok(ours()), "{file}");
        assert_eq!(decode_header(signer.sign(&ours())).unwrap().kid.as_deref(), Some(ED_1_ID));
    }
    assert!(with_keys(None, ED_1).verify(&old, at(1_100)).is_err());
}

#[test]
fn the_same_claims_are_always_the_same_token() {
    for signer in [signer, || with_keys(None, ED_1)] {
        assert_eq!(signer().sign(&ours()), signer().sign(&ours()));
    }
}

#[test]
fn public_keys_are_published_and_secrets_never() {
    assert_eq!(signer().jwks(), r#"{"keys":[]}"#);
    let published: Value =
        serde_json::from_str(&with_keys(Some(SECRET), &format!("{ED_1}{ED_2_PUBLIC}")).jwks()).unwrap();
    let keys = published["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "{published}");
    let first = json!({ "kty": "OKP", "crv": "Ed25519", "x": ED_1_X, "kid": ED_1_ID, "use": "sig", "alg": "EdDSA" });
    assert_eq!(keys[0], first);
    assert!(keys.iter().all(|key| key.get("d").is_none()), "{published}");
}

#[test]
fn both_halves_of_a_key_are_one_key() {
    let published: Value = serde_json::from_str(&with_keys(None, &format!("{ED_1}{ED_1_PUBLIC}")).jwks()).unwrap();
    assert_eq!(published["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn a_published_key_used_as_a_secret_is_refused() {
    let signer = with_keys(Some(SECRET), ED_1);
    let x = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, ED_1_X).unwrap();
    for secret in [ED_1_X.as_bytes(), &x, ED_1_PUBLIC.as_bytes(), signer.jwks().as_bytes()] {
        for kid in [ED_1_ID, &signer.keys[1].0.id] {
            let header = json!({ "typ": "at+jwt", "alg": "HS256", "kid": kid }).to_string();
            let key = EncodingKey::from_secret(secret);
            let token = token_of(&header, &payload().to_string(), &key, Algorithm::HS256);
            assert!(signer.verify(&token, at(1_100)).is_err(), "{kid}");
        }
    }
}

#[test]
fn a_key_is_good_for_its_own_algorithm_and_id_alone() {
    let signer = with_keys(Some(SECRET), ED_1);
    let secret = EncodingKey::from_secret(SECRET);
    let token = |kid: &str, key: &EncodingKey, algorithm: Algorithm| {
        let header = json!({ "typ": "at+jwt", "alg": algorithm, "kid": kid }).to_string();
        token_of(&header, &payload().to_string(), key, algorithm)
    };
    let secret_id = signer.keys[1].0.id.clone();
    assert!(signer.verify(&token(ED_1_ID, &eddsa(), Algorithm::EdDSA), at(1_100)).is_ok());
    assert!(signer.verify(&token(&secret_id, &secret, Algorithm::HS256), at(1_100)).is_ok());
    for bad in [
        token(&secret_id, &eddsa(), Algorithm::EdDSA),
        token(ED_1_ID, &secret, Algorithm::HS256),
        token(&secret_id, &secret, Algorithm::HS384),
        token(&secret_id, &secret, Algorithm::HS512),
        token("", &secret, Algorithm::HS256),
    ] {
        assert!(signer.verify(&bad, at(1_100)).is_err(), "{bad}");
    }
}

#[test]
fn keys_that_a_token_brings_along_are_not_used() {
    let keys = [ED_1, ED_2].map(|key| EncodingKey::from_ed_pem(key.as_bytes()).unwrap());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "WxJ8f0Erbdm8bdcw3aqU8T4liKpqhYHEDk-jLvIfeNA" });
    for (member, value) in [
        ("jwk", jwk),
        ("jku", json!("https://evil.test/jwks.json")),
        ("x5u", json!("https://evil.test/cert.pem")),
        ("x5c", json!(["MIIB"])),
    ] {
        let mut header = json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": ED_1_ID });
        header[member] = value;
        for key in &keys {
            let token = token_of(&header.to_string(), &payload().to_string(), key, Algorithm::EdDSA);
            assert!(with_keys(None, ED_1).verify(&token, at(1_100)).is_err(), "{header}");
        }
    }
}

#[test]
fn a_repeated_header_member_is_refused() {
    let key = EncodingKey::from_secret(SECRET);
    let kid = signer().keys[0].0.id.clone();
    let header = |start: &str| format!(r#"{{{start}"typ":"at+jwt","alg":"HS256","kid":"{kid}"}}"#);
    assert!(accepts(&token_of(&header(""), &payload().to_string(), &key, Algorithm::HS256)));
    for start in [r#""alg":"none","#, r#""alg":"HS256","#, r#""kid":"x","#, r#""typ":"JWT","#] {
        assert!(!accepts(&token_of(&header(start), &payload().to_string(), &key, Algorithm::HS256)), "{start}");
    }
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
