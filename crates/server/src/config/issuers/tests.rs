use std::io::Write as _;

use serde_json::json;

use super::*;
use crate::config::{Config, Problems};

const KEY_SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn supabase() -> Value {
    json!({
        "issuer": "https://project.supabase.co/auth/v1", "audience": "authenticated", "algorithm": "ES256",
        "jwks_url": "https://project.supabase.co/auth/v1/.well-known/jwks.json",
    })
}

fn legacy() -> Value {
    json!({
        "issuer": "legacy", "audience": "authenticated", "algorithm": "HS256",
        "hs256_secret": "hunter2hunter2hunter2hunter2hunter2",
    })
}

fn with(mut entry: Value, member: &str, value: Value) -> Value {
    entry[member] = value;
    entry
}

fn without(mut entry: Value, member: &str) -> Value {
    entry.as_object_mut().unwrap().remove(member);
    entry
}

fn problems_of(text: &str) -> Vec<String> {
    match Config::of([("TRUSTED_ISSUERS", text)]) {
        Ok(_) => Vec::new(),
        Err(Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn refused(entry: &Value, start: &str) {
    let problems = problems_of(&json!([entry]).to_string());
    let [told] = problems.as_slice() else { panic!("{problems:#?}") };
    assert!(told.starts_with(&format!("TRUSTED_ISSUERS {start}")), "{told}");
    assert!(!told.contains("hunter2") && !told.contains('\n'), "{told}");
}

#[test]
fn a_list_is_read_in_its_order_and_shows_no_secret() {
    let config = Config::of([("TRUSTED_ISSUERS", json!([supabase(), legacy()]).to_string().as_str())]).unwrap();
    let [first, second] = config.trusted_issuers.as_slice() else { panic!("{config:?}") };
    assert_eq!((first.audience.as_str(), first.algorithm), ("authenticated", IssuerAlgorithm::Es256));
    assert!(matches!(&first.keys, IssuerKeys::JwksUrl(url) if url.ends_with("/jwks.json")));
    assert_eq!((second.issuer.as_str(), second.algorithm), ("legacy", IssuerAlgorithm::Hs256));
    assert!(matches!(&second.keys, IssuerKeys::Secret(secret) if secret.starts_with(b"hunter2")));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn an_empty_list_trusts_nobody() {
    assert!(Config::of([("TRUSTED_ISSUERS", "[]")]).unwrap().trusted_issuers.is_empty());
    assert!(Config::of([]).unwrap().trusted_issuers.is_empty());
}

#[test]
fn the_list_may_come_from_a_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{:#}", json!([legacy()])).unwrap();
    let config = Config::of([("TRUSTED_ISSUERS_FILE", file.path().to_str().unwrap())]).unwrap();
    assert_eq!(config.trusted_issuers.len(), 1);
}

#[test]
fn what_is_no_list_of_objects_is_told_and_not_shown() {
    for text in ["hunter2", "{", "\"hunter2\"", "{\"issuer\":\"hunter2\"}", "[\"hunter2\"]", "[[]]", "5", "null"] {
        let problems = problems_of(text);
        let [told] = problems.as_slice() else { panic!("{problems:#?}") };
        assert!(told.starts_with("TRUSTED_ISSUERS is no JSON list of objects"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn every_mistake_of_every_issuer_is_told_at_once() {
    let list = json!([{ "issuer": "" }, with(supabase(), "audience", json!(5)), { "jwks_uri": "x" }]);
    let problems = problems_of(&list.to_string());
    let places = ["[0].issuer", "[0].audience", "[0].algorithm", "[0] must have", "[1].audience", "[2] has a member"];
    for place in places {
        let start = format!("TRUSTED_ISSUERS {place} ");
        let told = problems.iter().filter(|told| told.starts_with(start.trim_end())).count();
        assert_eq!(told, 1, "{place} in {problems:#?}");
    }
}

#[test]
fn members_have_to_be_there_and_to_be_text() {
    for member in ["issuer", "audience", "algorithm"] {
        refused(&without(supabase(), member), &format!("[0].{member} is missing"));
        for value in [json!(""), json!(5), json!(null), json!(["x"])] {
            refused(&with(supabase(), member, value), &format!("[0].{member} must be text"));
        }
    }
    for value in [json!(""), json!(5), json!(null)] {
        refused(&with(legacy(), "hs256_secret", value), "[0].hs256_secret must be text");
    }
}

#[test]
fn an_algorithm_is_one_of_four() {
    for algorithm in ["none", "es256", "ES384", "RS512", "PS256", "HS512"] {
        refused(&with(supabase(), "algorithm", json!(algorithm)), "[0].algorithm must be one of RS256, ES256");
    }
}

#[test]
fn an_unknown_member_is_a_mistake() {
    refused(&with(supabase(), "jwks_uri", json!("hunter2")), "[0] has a member that is none of issuer, audience");
}

#[test]
fn keys_come_from_exactly_one_place() {
    refused(&without(supabase(), "jwks_url"), "[0] must have exactly one of jwks_url, jwks_file, hs256_secret");
    refused(&with(supabase(), "jwks_file", json!("x")), "[0] must have exactly one of");
}

#[test]
fn the_place_of_the_keys_has_to_fit_the_algorithm() {
    refused(&with(legacy(), "algorithm", json!("RS256")), "[0].hs256_secret does not fit the algorithm");
    refused(&with(supabase(), "algorithm", json!("HS256")), "[0].jwks_url does not fit the algorithm");
}

#[test]
fn an_issuer_is_neither_ourselves_nor_in_the_list_twice() {
    refused(&with(legacy(), "issuer", json!("frontdesk")), "[0].issuer is JWT_ISSUER itself");
    let problems = problems_of(&json!([legacy(), supabase(), legacy()]).to_string());
    assert!(problems.len() == 1 && problems[0].starts_with("TRUSTED_ISSUERS [2].issuer is in the list twice"));
}

#[test]
fn keys_travel_over_https_except_on_this_machine() {
    for url in ["http://localhost:54321/jwks", "http://127.0.0.1/jwks", "http://[::1]:1/jwks", "https://10.0.0.1/"] {
        let list = json!([with(supabase(), "jwks_url", json!(url))]).to_string();
        assert_eq!(problems_of(&list), Vec::<String>::new(), "{url}");
    }
    for url in [
        "http://project.supabase.co/jwks",
        "http://10.0.0.1/jwks",
        "http://localhost.evil.test/jwks",
        "http://127.0.0.1.evil.test/jwks",
        "ftp://localhost/jwks",
        "file:///etc/jwks.json",
    ] {
        refused(&with(supabase(), "jwks_url", json!(url)), "[0].jwks_url must begin with https://");
    }
    refused(&with(supabase(), "jwks_url", json!("jwks.json")), "[0].jwks_url is no URL");
    refused(&with(supabase(), "jwks_url", json!("https://a:hunter2@b.test/")), "[0].jwks_url must have no user name");
}

#[test]
fn a_shared_secret_has_at_least_32_bytes() {
    refused(&with(legacy(), "hs256_secret", json!("x".repeat(31))), "[0].hs256_secret is 31 bytes long");
    let list = json!([with(legacy(), "hs256_secret", json!("x".repeat(32)))]).to_string();
    assert_eq!(problems_of(&list).len(), 0);
}

#[test]
fn a_file_of_keys_has_to_hold_one_that_can_be_used() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let entry = |path: &str, algorithm: &str| {
        let entry = with(without(supabase(), "jwks_url"), "jwks_file", json!(path));
        with(entry, "algorithm", json!(algorithm))
    };
    refused(&entry("/nowhere", "EdDSA"), "[0].jwks_file cannot be read");
    let path = file.path().to_str().unwrap().to_owned();
    refused(&entry(&path, "EdDSA"), "[0].jwks_file holds no JSON Web Key Set");
    file.write_all(KEY_SET.as_bytes()).unwrap();
    refused(&entry(&path, "ES256"), "[0].jwks_file holds no usable key");
    assert_eq!(problems_of(&json!([entry(&path, "EdDSA")]).to_string()), Vec::<String>::new());
}
