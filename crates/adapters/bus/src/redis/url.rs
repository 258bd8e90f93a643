//! The URL of a Redis server.

use std::fmt;

use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo, ProtocolVersion, parse_redis_url};

/// Why a Redis URL cannot be used. Never repeats the URL: it holds a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedRedisUrl {
    /// Not a URL of Redis at all.
    #[error(
        "not a Redis URL, like redis://user:password@localhost:6379/0, or rediss:// for TLS; a password's \
         `/`, `?`, `#`, `@` and `%` must be percent-encoded"
    )]
    Malformed,
    /// A database that is no number.
    #[error("the path of a Redis URL must be the number of a database, as in redis://localhost/0, or be left out")]
    Database,
    /// More than the bus knows what to do with.
    #[error("a Redis URL must end after the number of the database: it takes no `?` and no `#`")]
    Parameters,
}

/// A Redis server, with the login for it. Does not show what it holds.
#[derive(Clone)]
pub struct RedisUrl {
    client: Client,
    database: u32,
}

impl RedisUrl {
    /// Reads `redis://` or `rediss://` (TLS, with the certificates that the system trusts); `valkey://` and
    /// `valkeys://` mean the same.
    pub fn parse(url: &str) -> Result<Self, MalformedRedisUrl> {
        let read = parse_redis_url(url).ok_or(MalformedRedisUrl::Malformed)?;
        if !matches!(read.scheme(), "redis" | "rediss" | "valkey" | "valkeys") {
            return Err(MalformedRedisUrl::Malformed);
        }
        if read.query().is_some() || read.fragment().is_some() {
            return Err(MalformedRedisUrl::Parameters);
        }
        if read.host_str().is_none_or(str::is_empty) {
            return Err(MalformedRedisUrl::Malformed);
        }
        let database = match read.path().trim_matches('/') {
            "" => 0,
            number => number.parse().map_err(|_| MalformedRedisUrl::Database)?,
        };
        // What is wrong with it may be told with what it says.
        let info = read.into_connection_info().map_err(|_| MalformedRedisUrl::Malformed)?;
        // Never selected: channels know no databases, and the server need not have this one, nor let the login select.
        let login = info
            .redis_settings()
            .clone()
            .set_db(0)
            .set_protocol(ProtocolVersion::RESP2)
            .set_lib_name("frontdesk", env!("CARGO_PKG_VERSION"));
        // Heartbeats are small, and must not wait for one another.
        let info = info.set_redis_settings(login).set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).map_err(|_| MalformedRedisUrl::Malformed)?;
        Ok(Self { client, database })
    }

    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(super) fn database(&self) -> u32 {
        self.database
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisUrl").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::*;

    fn login(url: &str) -> (Option<String>, Option<String>) {
        let url = RedisUrl::parse(url).unwrap();
        let settings = url.client.get_connection_info().redis_settings();
        (settings.username().map(str::to_owned), settings.password().map(str::to_owned))
    }

    #[test]
    fn a_url_names_a_server_a_login_and_a_database() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(login("redis://localhost"), (None, None));
        assert_eq!(login("redis://:p%40ss%2F@localhost:6380/2"), (None, some("p@ss/")));
        assert_eq!(login("valkey://desk:secret@[::1]"), (some("desk"), some("secret")));
        for (url, database) in [("redis://h", 0), ("redis://h/", 0), ("redis://h/0", 0), ("rediss://u:p@h:1/12", 12)] {
            assert_eq!(RedisUrl::parse(url).unwrap().database, database, "{url}");
        }
    }

    #[test]
    fn an_s_more_means_tls_that_verifies() {
        for (url, is_tls) in [("redis://h", false), ("valkey://h", false), ("rediss://h", true), ("valkeys://h", true)]
        {
            let url = RedisUrl::parse(url).unwrap();
            let addr = url.client.get_connection_info().addr();
            assert_eq!(matches!(addr, ConnectionAddr::TcpTls { insecure: false, .. }), is_tls);
            assert_eq!(matches!(addr, ConnectionAddr::Tcp(..)), !is_tls);
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused_and_not_repeated() {
        use MalformedRedisUrl::{Database, Malformed, Parameters};
        for (url, expected) in [
            ("", Malformed),
            ("hunter2", Malformed),
            ("hunter2:6379", Malformed),
            ("http://:hunter2@localhost", Malformed),
            ("redis:hunter2", Malformed),
            ("redis://", Malformed),
            ("redis://:hunter2@", Malformed),
            ("redis:///hunter2", Malformed),
            ("redis://localhost:hunter2", Malformed),
            ("redis://:%ffhunter2@localhost", Malformed),
            ("unix:///run/hunter2.sock", Malformed),
            ("redis+unix:///run/hunter2.sock", Malformed),
            ("redis://localhost/hunter2", Database),
            ("redis://localhost/-1", Database),
            ("redis://localhost/0/hunter2", Database),
            ("redis://localhost/99999999999", Database),
            ("redis://:hunter2?@localhost", Malformed),
            ("redis://localhost?password=hunter2", Parameters),
            ("rediss://localhost#insecure", Parameters),
        ] {
            let error = RedisUrl::parse(url).map(drop).unwrap_err();
            assert_eq!(error, expected, "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
        }
    }

    #[test]
    fn what_a_url_holds_is_not_shown() {
        let url = RedisUrl::parse("redis://desk:hunter2@inner.host/3").unwrap();
        assert_eq!(format!("{url:?}"), "RedisUrl { .. }");
    }
}
