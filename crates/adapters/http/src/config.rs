//! What the HTTP adapter is given by whoever composes it.

mod public_url;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::gcra::Limiter;
use frontdesk_kernel::idempotency::IdempotencyStore;
use frontdesk_kernel::{Clock, Entropy};
use frontdesk_profile::{Accounts, Authentication, Avatars, ClaimPolicy, Profiles, Sessions, UserSettings};
use frontdesk_rooms::Rooms;
use ipnet::IpNet;

use crate::ws::{Frame, RoomFrames};
pub use public_url::{MalformedPublicUrl, PublicUrl};

/// The services and ports behind the routes.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the service or port its type names")]
pub struct Services {
    pub accounts: Accounts,
    pub authentication: Authentication,
    pub sessions: Sessions,
    pub profiles: Profiles,
    pub avatars: Avatars,
    pub settings: UserSettings,
    pub idempotency: Arc<dyn IdempotencyStore>,
    pub limiter: Arc<dyn Limiter>,
    pub readiness: Arc<dyn Readiness>,
    pub rooms: Arc<Rooms<Frame>>,
    pub room_frames: Arc<RoomFrames>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// Tells whether the process can serve.
#[async_trait]
pub trait Readiness: Send + Sync + 'static {
    /// What is missing, in words for an operator; nothing means ready.
    async fn missing(&self) -> Vec<String>;
}

/// Where data is kept, as `/health` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In this process, gone when it ends.
    Memory,
    /// In Postgres.
    Postgres,
}

impl Storage {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Postgres => "postgres",
        }
    }
}

/// How the adapter behaves.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Shown by `/health`.
    pub version: &'static str,
    /// Shown by `/health`.
    pub storage: Storage,
    /// Which origins may read answers.
    pub cors: CorsPolicy,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Requests a minute and caller, with a burst of a sixth of it; 0 switches the limit off.
    pub requests_per_minute: u32,
    /// Who may act without a token.
    pub users_auth: ClaimPolicy,
    /// Where clients reach this service, put before the paths of our own pictures.
    pub public_url: PublicUrl,
    /// Threads that serve.
    pub workers: usize,
    /// Keys the digests of request bodies that are stored with an idempotency key, so that a stolen table gives
    /// away no password; what seals tickets is derived from it. The same on every node and after a restart.
    pub fingerprint_key: [u8; 32],
    /// The public keys of access tokens, a JSON Web Key Set (RFC 7517); without keys where they are signed with a secret.
    pub jwks: Arc<str>,
}

/// Which origins may read answers (CORS).
#[derive(Debug, Clone, Default)]
pub struct CorsPolicy {
    /// The allowed origins; empty allows none.
    pub origins: Vec<OriginPattern>,
    /// Whether browsers may send cookies along.
    pub allow_credentials: bool,
}

impl CorsPolicy {
    /// Tells whether an `Origin` header names an allowed origin.
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|pattern| pattern.matches(origin))
    }
}

/// One origin, or a family of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPattern {
    /// Every origin.
    Any,
    /// This origin, to the letter.
    Exact(String),
    /// Every host below a domain, as `https://*.example.com`; not the domain itself.
    Below {
        /// Up to and with `://`.
        scheme: String,
        /// From the dot on.
        suffix: String,
    },
    /// This machine, any scheme and port.
    Localhost,
}

/// An origin that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no origin: write https://app.example.com, https://*.example.com or *")]
pub struct MalformedOrigin(String);

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "80"));
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    !host.is_empty() && host.chars().all(allowed) && port.parse::<u16>().is_ok()
}

impl OriginPattern {
    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == origin,
            Self::Below { scheme, suffix } => origin
                .strip_prefix(scheme.as_str())
                .and_then(|host| host.strip_suffix(suffix.as_str()))
                .is_some_and(|below| !below.is_empty() && is_host_and_port(below) && !below.contains(':')),
            Self::Localhost => {
                let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
                host.is_some_and(|host| {
                    ["localhost", "127.0.0.1", "[::1]"].iter().any(|local| {
                        host.strip_prefix(local).is_some_and(|port| {
                            port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
                        })
                    })
                })
            }
        }
    }
}

impl FromStr for OriginPattern {
    type Err = MalformedOrigin;

    fn from_str(text: &str) -> Result<Self, MalformedOrigin> {
        let typed = text;
        let malformed = || MalformedOrigin(typed.to_owned());
        if text == "*" {
            return Ok(Self::Any);
        }
        // Browsers send host names in lower case.
        let text = text.to_ascii_lowercase();
        let (scheme, host) = text.split_once("://").ok_or_else(malformed)?;
        if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Err(malformed());
        }
        match host.strip_prefix('*') {
            Some(suffix) if suffix.strip_prefix('.').is_some_and(is_host_and_port) => {
                Ok(Self::Below { scheme: format!("{scheme}://"), suffix: suffix.to_owned() })
            }
            None if is_host_and_port(host) => Ok(Self::Exact(text.clone())),
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(origin) => f.write_str(origin),
            Self::Below { scheme, suffix } => write!(f, "{scheme}*{suffix}"),
            Self::Localhost => f.write_str("http://localhost:*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, origin: &str) -> bool {
        pattern.parse::<OriginPattern>().unwrap().matches(origin)
    }

    #[test]
    fn an_exact_origin_allows_itself_only() {
        assert!(allows("https://good.test", "https://good.test"));
        for origin in ["https://good.test.evil.test", "http://good.test", "https://good.test:8443", "null", ""] {
            assert!(!allows("https://good.test", origin), "{origin}");
        }
    }

    #[test]
    fn a_wildcard_allows_hosts_below_and_nothing_that_merely_ends_alike() {
        assert!(allows("https://*.example.com", "https://a.b.example.com"));
        for origin in [
            "https://example.com",
            "https://evilexample.com",
            "https://evil.test/.example.com",
            "https://.example.com:1",
        ] {
            assert!(!allows("https://*.example.com", origin), "{origin}");
        }
    }

    #[test]
    fn localhost_is_any_port_of_this_machine() {
        for origin in ["http://localhost:3000", "https://localhost", "http://127.0.0.1:5173", "http://[::1]:80"] {
            assert!(OriginPattern::Localhost.matches(origin), "{origin}");
        }
        for origin in ["http://localhost.evil.test", "http://localhost:evil", "null", "http://127.0.0.1.nip.test"] {
            assert!(!OriginPattern::Localhost.matches(origin), "{origin}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in
            ["", "example.com", "https://", "https://a/b", "https://*example.com", "https://a.*.com", "://a.test"]
        {
            assert!(text.parse::<OriginPattern>().is_err(), "{text}");
        }
    }
}
