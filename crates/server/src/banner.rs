//! What a developer sees first.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;

use frontdesk_profile::ClaimPolicy;

use crate::config::{AppEnv, AvatarPlace, Config, LogFormat};

/// Shows the banner on standard error, in development and unless the log is asked to be JSON.
pub(crate) fn show(config: &Config, address: SocketAddr) {
    if config.app_env == AppEnv::Development && config.logging.format != Some(LogFormat::Json) {
        // Nobody listens where this fails, and the server serves all the same.
        std::io::stderr().write_all(text(config, address).as_bytes()).ok();
    }
}

fn text(config: &Config, address: SocketAddr) -> String {
    let url = url(address);
    let mut text = format!("\n  Frontdesk {}\n\n", crate::VERSION);
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        writeln!(text, "  {name:<9} {value}").ok();
    };
    line("address", &url);
    line("docs", &format!("{url}/docs"));
    match &config.database {
        None => line("stores", "in memory, lost at exit; set DATABASE_URL to keep data"),
        Some(_) => line("stores", "Postgres; unset DATABASE_URL to keep everything in memory"),
    }
    #[cfg(feature = "redis")]
    if config.redis_url.is_some() {
        line("events", "over Redis");
    }
    match &config.avatars {
        AvatarPlace::Memory => line("avatars", "in memory, lost at exit"),
        AvatarPlace::Directory(path) => line("avatars", &format!("in {}; AVATAR_DIR moves them", path.display())),
        AvatarPlace::Bucket(bucket) => line("avatars", &format!("in the bucket {}", bucket.bucket)),
    }
    if config.database.is_none() && !matches!(config.avatars, AvatarPlace::Memory) {
        line("", "they stay when the stores forget whose they are; set DATABASE_URL to remember");
    }
    match (&config.tokens.secret, &config.database) {
        _ if config.tokens.signing_keys.is_some() => line("tokens", "signed with JWT_SIGNING_KEY_FILE (EdDSA)"),
        (Some(_), _) => line("tokens", "signed with JWT_SECRET_KEY"),
        (None, None) => line("tokens", "signed with a key of this run; set JWT_SECRET_KEY to keep sign-ins"),
        (None, Some(_)) => line("tokens", "signed with a key kept in the database; set JWT_SECRET_KEY to choose it"),
    }
    if !config.trusted_issuers.is_empty() {
        let issuers: Vec<_> = config.trusted_issuers.iter().map(|trusted| trusted.issuer.as_str()).collect();
        line("issuers", &format!("trusted besides: {}", issuers.join(", ")));
    }
    match config.users_auth {
        ClaimPolicy::Claim => line("accounts", "open to their id until claimed; set USERS_AUTH=jwt to ask for a token"),
        ClaimPolicy::Open => line("accounts", "profile writes need NO token; set USERS_AUTH=claim to close them"),
        ClaimPolicy::Jwt => line("accounts", "a token is always needed; set USERS_AUTH=claim for scripts without"),
    }
    line("try", &format!("curl -d '{{\"username\":\"ada\"}}' -H 'Content-Type: application/json' {url}/users"));
    text.push('\n');
    text
}

/// A URL that works from this machine: nobody can call 0.0.0.0.
pub(crate) fn url(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => format!("http://127.0.0.1:{}", v4.port()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => format!("http://[::1]:{}", v6.port()),
        other => format!("http://{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_names_what_is_in_use_and_what_would_change_it() {
        let config = Config::of([]).unwrap();
        let text = text(&config, "0.0.0.0:8080".parse().unwrap());
        for part in ["http://127.0.0.1:8080/docs", "set DATABASE_URL to keep data", "curl ", "set JWT_SECRET_KEY"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn the_banner_warns_of_files_that_outlive_the_stores() {
        let text_of = |variables| text(&Config::of(variables).unwrap(), "127.0.0.1:1".parse().unwrap());
        let directory = ("AVATAR_DIR", "/var/lib/frontdesk");
        assert!(text_of(vec![directory]).contains("forget whose they are"));
        let database = ("DATABASE_URL", "postgres://localhost/frontdesk");
        assert!(!text_of(vec![directory, database]).contains("forget whose they are"));
    }

    #[test]
    fn the_banner_shows_no_secret() {
        let secrets = [
            ("DATABASE_URL", "postgres://frontdesk:hunter2hunter2@localhost/frontdesk"),
            ("JWT_SECRET_KEY", "hunter2hunter2hunter2hunter2hunter2"),
            ("AVATAR_BUCKET_URL", "s3://pictures"),
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_SESSION_TOKEN", "hunter2"),
        ];
        let config = Config::of(secrets).unwrap();
        assert!(!text(&config, "127.0.0.1:1".parse().unwrap()).contains("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
