use serde_json::{Value, json};

use super::*;
use crate::test_keys::{ED_1_X, WEAK_RSA_N, ec_jwk, ed_jwk, rsa_jwk};

fn set(keys: &[Value], algorithm: Algorithm) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), algorithm).unwrap()
}

fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk[member] = value;
    jwk
}

#[test]
fn only_the_keys_of_the_pinned_algorithm_are_taken() {
    let all = [rsa_jwk("r"), ec_jwk("e"), ed_jwk("d")];
    for (algorithm, kid) in [(Algorithm::RS256, "r"), (Algorithm::ES256, "e"), (Algorithm::EdDSA, "d")] {
        let set = set(&all, algorithm);
        assert_eq!(set.len(), 1, "{algorithm:?}");
        assert!(set.find(Some(kid)).is_some(), "{algorithm:?}");
    }
}

#[test]
fn a_shared_secret_in_a_key_set_is_never_a_key() {
    let oct = json!({ "kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "s" });
    for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert_eq!(set(std::slice::from_ref(&oct), algorithm).len(), 0, "{algorithm:?}");
    }
    assert_eq!(set(&[rsa_jwk("r")], Algorithm::HS256).len(), 0);
}

#[test]
fn keys_that_cannot_be_used_are_skipped_and_the_others_stay() {
    let good = ec_jwk("good");
    for bad in [
        with(ec_jwk("bad"), "use", json!("enc")),
        with(ec_jwk("bad"), "alg", json!("ES384")),
        with(ec_jwk("bad"), "alg", json!("none")),
        with(ec_jwk("bad"), "key_ops", json!(["sign"])),
        with(ec_jwk("bad"), "crv", json!("P-384")),
        with(ec_jwk("bad"), "crv", json!("secp256k1")),
        with(ec_jwk("bad"), "x", json!("AQAB")),
        with(ec_jwk("bad"), "x", json!("not base64!")),
        with(ec_jwk("bad"), "y", Value::Null),
        with(ec_jwk("bad"), "kty", json!("RSA")),
        with(ec_jwk("bad"), "kid", json!(5)),
        json!({}),
        json!("bad"),
        json!(null),
        json!([]),
    ] {
        let set = set(&[bad.clone(), good.clone()], Algorithm::ES256);
        assert_eq!(set.len(), 1, "{bad}");
        assert!(set.find(Some("good")).is_some(), "{bad}");
    }
}

#[test]
fn an_rsa_key_under_2048_bits_is_skipped() {
    assert_eq!(set(&[with(rsa_jwk("r"), "n", json!(WEAK_RSA_N))], Algorithm::RS256).len(), 0);
    assert_eq!(set(&[with(rsa_jwk("r"), "e", json!(""))], Algorithm::RS256).len(), 0);
}

#[test]
fn a_key_without_use_and_algorithm_is_taken() {
    let bare = json!({ "kty": "OKP", "crv": "Ed25519", "x": ED_1_X });
    assert_eq!(set(&[bare], Algorithm::EdDSA).len(), 1);
}

#[test]
fn without_a_key_id_only_a_single_key_is_meant() {
    assert!(set(&[ec_jwk("a"), rsa_jwk("b")], Algorithm::ES256).find(None).is_some());
    assert!(set(&[ec_jwk("a"), ec_jwk("b")], Algorithm::ES256).find(None).is_none());
    assert!(set(&[], Algorithm::ES256).find(None).is_none());
}

#[test]
fn a_key_id_has_to_match_exactly() {
    let set = set(&[ec_jwk("a")], Algorithm::ES256);
    for kid in ["A", "", "a ", "../../dev/null", "' OR 1=1 --"] {
        assert!(set.find(Some(kid)).is_none(), "{kid}");
    }
}

#[test]
fn what_is_no_key_set_is_told() {
    for document in ["", "null", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]"#, "<html>"] {
        assert!(KeySet::parse(document.as_bytes(), Algorithm::ES256).is_err(), "{document}");
    }
    assert_eq!(set(&[], Algorithm::ES256).len(), 0);
}
