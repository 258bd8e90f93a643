use std::io::Write;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const URL: &str = "postgres://frontdesk@localhost/frontdesk";

fn problems<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    match Config::of(pairs) {
        Ok(_) => Vec::new(),
        Err(Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn refused<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>, start: &str) {
    let problems = problems(pairs);
    assert!(problems.len() == 1 && problems[0].starts_with(start), "{problems:#?}");
}

#[test]
fn nothing_set_runs_in_memory_on_localhost() {
    let config = Config::of([]).unwrap();
    assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 8080));
    assert!(config.database.is_none() && config.tokens.secret.is_none());
    assert_eq!(config.tokens.issuer, "frontdesk");
    assert_eq!(config.tokens.audience, "frontdesk");
    assert_eq!(config.tokens.lifetime, Duration::from_mins(15));
    assert_eq!(config.claim_window, Duration::from_hours(1));
    assert_eq!(config.users_auth, ClaimPolicy::Claim);
    assert_eq!(config.requests_per_minute, 600);
    assert!(!config.cors.allow_credentials);
}

#[test]
fn empty_is_the_same_as_unset() {
    let variables: Vec<_> = variables::ALL
        .iter()
        .flat_map(|variable| [Some(variable.name), variable.file.map(|file| file.name)])
        .flatten()
        .chain(variables::NOT_YET.iter().copied())
        .map(|name| (name, ""))
        .collect();
    let config = Config::of(variables).unwrap();
    assert!(config.database.is_none() && config.not_yet.is_empty());
}

#[test]
fn every_mistake_is_told_at_once_with_an_example() {
    let wrong = [
        ("HOST", "a b"),
        ("PORT", "65536"),
        ("DATABASE_URL", "mysql://localhost/frontdesk"),
        ("MIGRATION_DATABASE_URL", "not a URL"),
        ("DATABASE_POOL_SIZE", "0"),
        ("MIGRATE_ON_START", "maybe"),
        ("RLS_MODE", "none"),
        ("REDIS_URL", "localhost:6379"),
        ("ROOM_BROADCAST", "none"),
        ("APP_ENV", "staging"),
        ("JWT_SECRET_KEY", "short"),
        ("JWT_SIGNING_KEY_FILE", "/nowhere"),
        ("JWT_ISSUER", "a\nb"),
        ("JWT_AUDIENCE", "a\nb"),
        ("ACCESS_TOKEN_TTL", "15"),
        ("TRUSTED_ISSUERS", "no list"),
        ("USERS_AUTH", "none"),
        ("CLAIM_WINDOW", "1w"),
        ("AVATAR_DIR", "a\0b"),
        ("AVATAR_BUCKET_URL", "https://bucket"),
        ("AWS_ACCESS_KEY_ID", "a b"),
        ("AWS_SECRET_ACCESS_KEY", "a b"),
        ("AWS_SESSION_TOKEN", "a b"),
        ("AWS_REGION", "a b"),
        ("AWS_DEFAULT_REGION", "a b"),
        ("AWS_ENDPOINT_URL", "minio:9000"),
        ("PUBLIC_URL", "accounts.example.com"),
        ("CORS_ALLOWED_ORIGINS", "https://app.example.com/path"),
        ("CORS_ALLOW_CREDENTIALS", "yes"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("RATE_LIMIT_PER_MINUTE", "-1"),
        ("RUST_LOG", "info,=,"),
        ("LOG_FORMAT", "xml"),
    ];
    assert_eq!(wrong.len(), variables::ALL.len(), "every variable can be wrong");
    let problems = problems(wrong);
    for (name, value) in wrong {
        let told: Vec<_> = problems.iter().filter(|told| told.starts_with(&format!("{name} is "))).collect();
        assert_eq!(told.len(), 1, "{name} in {problems:#?}");
        assert!(told[0].contains(&format!("(for example {name}=")), "{told:?}");
        let is_shown = told[0].contains(&format!("{value:?}"));
        let is_secret = variables::ALL.iter().any(|variable| variable.name == name && variable.is_secret());
        assert_eq!(is_shown, !is_secret, "{told:?}");
    }
    assert!(problems.iter().all(|told| !told.contains('\n')));
}

#[test]
fn a_secret_of_31_bytes_is_too_short_and_one_of_32_is_not() {
    refused(
        [("JWT_SECRET_KEY", "0123456789abcdef0123456789abcde")],
        "JWT_SECRET_KEY is 31 bytes long: at least 32 are needed",
    );
    assert!(Config::of([("JWT_SECRET_KEY", SECRET)]).unwrap().tokens.secret.is_some());
}

#[test]
fn production_wants_a_database_and_a_key() {
    refused([("APP_ENV", "production"), ("JWT_SECRET_KEY", SECRET)], "DATABASE_URL is not set");
    refused([("APP_ENV", "production"), ("DATABASE_URL", URL)], "JWT_SECRET_KEY is not set");
    assert_eq!(problems([("APP_ENV", "production")]).len(), 2);
    assert_eq!(problems([("APP_ENV", "production"), ("DATABASE_URL", URL), ("JWT_SECRET_KEY", SECRET)]).len(), 0);
}

/// Made with openssl for this test, and good for nothing else.
const SIGNING_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINsdaN2XatpKuqtRhSWNSpEDqGyQ/52VOtRPwLaRIH5O
-----END PRIVATE KEY-----
";

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn signing_keys_come_from_their_file_and_are_not_shown() {
    use secrecy::ExposeSecret;
    let file = file(SIGNING_KEY);
    let config = Config::of([("JWT_SIGNING_KEY_FILE", file.path().to_str().unwrap())]).unwrap();
    assert_eq!(config.tokens.signing_keys.as_ref().unwrap().expose_secret(), SIGNING_KEY);
    assert!(!format!("{config:?}").contains("MC4C"), "{config:?}");
}

#[test]
fn a_file_without_signing_keys_is_told_by_name_and_not_by_what_is_in_it() {
    for (text, wrong) in [
        ("", "there is no key"),
        ("hunter2", "there is no key"),
        (&SIGNING_KEY.replace("MC4C", "hunter2"), "block 1 is no Ed25519 key"),
        (&SIGNING_KEY.replace("-----END PRIVATE KEY-----", "hunter2"), "missing its other half"),
    ] {
        let file = file(text);
        let problems = problems([("JWT_SIGNING_KEY_FILE", file.path().to_str().unwrap())]);
        let [told] = problems.as_slice() else { panic!("{problems:#?}") };
        assert!(told.starts_with("JWT_SIGNING_KEY_FILE is ") && told.contains(wrong), "{told}");
        assert!(!told.contains("hunter2") && !told.contains('\n'), "{told}");
    }
}

#[test]
fn in_production_a_signing_key_is_as_good_as_a_secret() {
    let file = file(SIGNING_KEY);
    let path = file.path().to_str().unwrap();
    assert_eq!(problems([("APP_ENV", "production"), ("DATABASE_URL", URL), ("JWT_SIGNING_KEY_FILE", path)]).len(), 0);
}

#[test]
fn production_refuses_every_origin() {
    let production = [("APP_ENV", "production"), ("DATABASE_URL", URL), ("JWT_SECRET_KEY", SECRET)];
    refused(production.into_iter().chain([("CORS_ALLOWED_ORIGINS", "*")]), "CORS_ALLOWED_ORIGINS has \"*\"");
    assert_eq!(problems([("CORS_ALLOWED_ORIGINS", "*")]).len(), 0);
}

#[test]
fn every_origin_with_credentials_is_always_refused() {
    let pairs = [("CORS_ALLOWED_ORIGINS", "https://a.example.com, *"), ("CORS_ALLOW_CREDENTIALS", "true")];
    refused(pairs, "CORS_ALLOWED_ORIGINS has \"*\" while CORS_ALLOW_CREDENTIALS is true");
}

#[test]
fn localhost_may_call_only_while_there_is_no_database() {
    let has_localhost = |pairs: &[(&str, &str)]| {
        let origins = Config::of(pairs.iter().copied()).unwrap().cors.origins;
        origins.iter().any(|origin| matches!(origin, OriginPattern::Localhost))
    };
    assert!(has_localhost(&[]));
    assert!(!has_localhost(&[("DATABASE_URL", URL)]));
}

#[test]
fn migrations_without_a_database_are_a_mistake() {
    refused([("MIGRATION_DATABASE_URL", URL)], "DATABASE_URL is not set, and MIGRATION_DATABASE_URL is");
}

#[test]
fn the_migration_login_is_the_same_unless_said() {
    use secrecy::ExposeSecret;
    let url = |pairs: &[(&str, &str)]| {
        let database = Config::of(pairs.iter().copied()).unwrap().database.unwrap();
        database.migration_url.expose_secret().to_owned()
    };
    assert_eq!(url(&[("DATABASE_URL", URL)]), URL);
    assert_eq!(url(&[("DATABASE_URL", URL), ("MIGRATION_DATABASE_URL", "postgres://o@h/d")]), "postgres://o@h/d");
}

#[test]
fn a_secret_comes_from_a_file_without_its_last_newline() {
    use secrecy::ExposeSecret;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{SECRET}").unwrap();
    let config = Config::of([("JWT_SECRET_KEY_FILE", file.path().to_str().unwrap())]).unwrap();
    assert_eq!(config.tokens.secret.unwrap().expose_secret(), SECRET);
}

#[test]
fn a_secret_and_its_file_are_one_too_many() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    refused(
        [("JWT_SECRET_KEY", SECRET), ("JWT_SECRET_KEY_FILE", path)],
        "JWT_SECRET_KEY and JWT_SECRET_KEY_FILE are both set",
    );
}

#[test]
fn a_file_that_is_missing_or_empty_is_told() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let path = empty.path().to_str().unwrap();
    refused([("DATABASE_URL_FILE", path)], "DATABASE_URL comes from DATABASE_URL_FILE, which is empty");
    refused([("DATABASE_URL_FILE", "/nowhere")], "DATABASE_URL comes from DATABASE_URL_FILE, which cannot be read");
}

#[test]
fn variables_of_later_versions_are_remembered() {
    let config = Config::of([("API_KEY_PEPPER", "pepper"), ("SMTP_URL", "smtp://localhost")]).unwrap();
    assert_eq!(config.not_yet, ["API_KEY_PEPPER", "SMTP_URL"]);
}
