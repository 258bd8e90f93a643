//! The configuration: a pure function of raw text, with every mistake told at once.

mod avatars;
mod issuers;
mod parse;
mod problem;
mod reader;
pub mod source;
#[cfg(test)]
mod tests;
pub mod variables;

use std::num::NonZero;
use std::time::Duration;

use frontdesk_auth::TrustedIssuer;
#[cfg(feature = "redis")]
use frontdesk_bus::RedisUrl;
use frontdesk_http::{CorsPolicy, OriginPattern, PublicUrl};
use frontdesk_profile::ClaimPolicy;
use frontdesk_rooms::store::Broadcast;
use ipnet::IpNet;
use secrecy::SecretString;

pub use avatars::AvatarPlace;
pub use problem::{Problem, Problems};
use reader::Reader;
pub use source::Variables;
use variables as v;

/// Where the server runs; production refuses what is unsafe there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppEnv {
    /// On a developer's machine.
    Development,
    /// Where strangers are.
    Production,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

/// How a connection learns for which user it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RlsMode {
    /// By a setting of the session: one round trip.
    Session,
    /// By a setting of the transaction, for poolers that hand a session to many clients.
    Transaction,
}

/// How Postgres is used.
#[derive(Debug, Clone)]
pub struct Database {
    /// The login the server works with.
    pub url: SecretString,
    /// The login that migrates.
    pub migration_url: SecretString,
    /// Connections in all; `None` is four for each core.
    pub pool_size: Option<NonZero<u32>>,
    /// Whether to migrate before listening.
    pub migrate_on_start: bool,
    /// How a connection learns its user.
    pub rls_mode: RlsMode,
}

/// How access tokens are made.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The secret; without one, and without signing keys, the server makes its own.
    pub secret: Option<SecretString>,
    /// Ed25519 keys as PEM. They sign in place of the secret, which then only verifies.
    pub signing_keys: Option<SecretString>,
    /// Their `iss`.
    pub issuer: String,
    /// Their `aud`.
    pub audience: String,
    /// How long they live.
    pub lifetime: Duration,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct Logging {
    /// Tracing directives.
    pub directives: String,
    /// The format; `None` is for people on a terminal and for machines elsewhere.
    pub format: Option<LogFormat>,
}

/// Everything the environment decides.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address or name to listen on.
    pub host: String,
    /// The port to listen on; 0 picks one.
    pub port: u16,
    /// Postgres, or nothing for memory.
    pub database: Option<Database>,
    /// Where events reach the other nodes, in the place of the database.
    #[cfg(feature = "redis")]
    pub redis_url: Option<RedisUrl>,
    /// Which rooms hear of a user.
    pub room_broadcast: Broadcast,
    /// Where the server runs.
    pub app_env: AppEnv,
    /// Access tokens.
    pub tokens: Tokens,
    /// Whose tokens are believed beside our own.
    pub trusted_issuers: Vec<TrustedIssuer>,
    /// Who may act for an account without its token.
    pub users_auth: ClaimPolicy,
    /// How long an account stays unclaimed.
    pub claim_window: Duration,
    /// Where the files of avatars are kept.
    pub avatars: AvatarPlace,
    /// Where clients reach the server.
    pub public_url: PublicUrl,
    /// Which web pages may call.
    pub cors: CorsPolicy,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Requests for each caller; 0 switches every limit off.
    pub requests_per_minute: u32,
    /// Logs.
    pub logging: Logging,
    /// Variables that are set and that only later versions use.
    pub not_yet: Vec<&'static str>,
}

impl Config {
    /// Reads a configuration. The only I/O are the files that `*_FILE` variables and trusted issuers
    /// name.
    pub fn read(variables: &Variables) -> Result<Self, Problems> {
        let mut reader = Reader::new(variables);
        let app_env = reader.get(&v::APP_ENV, parse::choice(APP_ENVS)).unwrap_or(AppEnv::Development);
        let is_production = app_env == AppEnv::Production;
        let tokens = tokens(&mut reader, is_production);
        let config = Self {
            host: reader.get(&v::HOST, parse::host).unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: reader.get(&v::PORT, parse::number(0, u16::MAX)).unwrap_or(8080),
            database: database(&mut reader, is_production),
            #[cfg(feature = "redis")]
            redis_url: reader.get(&v::REDIS_URL, parse::redis_url),
            room_broadcast: reader.get(&v::ROOM_BROADCAST, parse::choice(BROADCASTS)).unwrap_or_default(),
            app_env,
            trusted_issuers: issuers::read(&mut reader, &tokens.issuer),
            tokens,
            users_auth: reader.get(&v::USERS_AUTH, parse::choice(USERS_AUTHS)).unwrap_or(ClaimPolicy::Claim),
            claim_window: reader.get(&v::CLAIM_WINDOW, parse::duration).unwrap_or(Duration::from_hours(1)),
            avatars: avatars::read(&mut reader),
            public_url: reader.get(&v::PUBLIC_URL, parse::public_url).unwrap_or_default(),
            cors: cors(&mut reader, is_production),
            trusted_proxies: reader.get(&v::TRUSTED_PROXIES, parse::list(parse::network)).unwrap_or_default(),
            requests_per_minute: reader.get(&v::RATE_LIMIT_PER_MINUTE, parse::number(0, 1_000_000)).unwrap_or(600),
            logging: Logging {
                directives: reader.get(&v::RUST_LOG, parse::directives).unwrap_or_else(|| "info".to_owned()),
                format: reader.get(&v::LOG_FORMAT, parse::choice(LOG_FORMATS)),
            },
            not_yet: v::NOT_YET.iter().copied().filter(|name| reader.has(name)).collect(),
        };
        #[cfg(not(feature = "redis"))]
        if reader.is_set(&v::REDIS_URL) {
            reader
                .refuse(&v::REDIS_URL, "is set, and this build knows no Redis: it was built without the feature redis");
        }
        reader.finish(config)
    }

    /// Reads a configuration from pairs, for tests and tools.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Problems> {
        Self::read(&pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

const APP_ENVS: &[(&str, AppEnv)] = &[("development", AppEnv::Development), ("production", AppEnv::Production)];
const USERS_AUTHS: &[(&str, ClaimPolicy)] =
    &[("claim", ClaimPolicy::Claim), ("open", ClaimPolicy::Open), ("jwt", ClaimPolicy::Jwt)];
const BROADCASTS: &[(&str, Broadcast)] = &[("members", Broadcast::Members), ("all", Broadcast::All)];
const LOG_FORMATS: &[(&str, LogFormat)] = &[("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];
const RLS_MODES: &[(&str, RlsMode)] = &[("session", RlsMode::Session), ("transaction", RlsMode::Transaction)];

fn database(reader: &mut Reader<'_>, is_production: bool) -> Option<Database> {
    let is_set = reader.is_set(&v::DATABASE_URL);
    let url = reader.get(&v::DATABASE_URL, parse::database_url);
    let migration_url = reader.get(&v::MIGRATION_DATABASE_URL, parse::database_url);
    let pool_size = reader.get(&v::DATABASE_POOL_SIZE, parse::number(1, 10_000)).and_then(NonZero::new);
    let migrate_on_start = reader.get(&v::MIGRATE_ON_START, parse::flag).unwrap_or(true);
    let rls_mode = reader.get(&v::RLS_MODE, parse::choice(RLS_MODES)).unwrap_or(RlsMode::Session);
    if is_production && !is_set {
        reader.refuse(&v::DATABASE_URL, "is not set: APP_ENV=production refuses to keep data in memory");
    } else if migration_url.is_some() && !is_set {
        reader.refuse(&v::DATABASE_URL, "is not set, and MIGRATION_DATABASE_URL is");
    }
    let url = url?;
    let migration_url = migration_url.unwrap_or_else(|| url.clone());
    Some(Database { url, migration_url, pool_size, migrate_on_start, rls_mode })
}

fn tokens(reader: &mut Reader<'_>, is_production: bool) -> Tokens {
    if is_production && !reader.is_set(&v::JWT_SECRET_KEY) && !reader.is_set(&v::JWT_SIGNING_KEY_FILE) {
        let wrong = "is not set, nor is JWT_SIGNING_KEY_FILE: APP_ENV=production refuses to make a key up";
        reader.refuse(&v::JWT_SECRET_KEY, wrong);
    }
    Tokens {
        secret: reader.get(&v::JWT_SECRET_KEY, parse::signing_secret),
        signing_keys: reader.get(&v::JWT_SIGNING_KEY_FILE, parse::signing_keys),
        issuer: reader.get(&v::JWT_ISSUER, parse::name).unwrap_or_else(|| "frontdesk".to_owned()),
        audience: reader.get(&v::JWT_AUDIENCE, parse::name).unwrap_or_else(|| "frontdesk".to_owned()),
        lifetime: reader.get(&v::ACCESS_TOKEN_TTL, parse::duration).unwrap_or(Duration::from_mins(15)),
    }
}

fn cors(reader: &mut Reader<'_>, is_production: bool) -> CorsPolicy {
    let allow_credentials = reader.get(&v::CORS_ALLOW_CREDENTIALS, parse::flag).unwrap_or(false);
    let is_anyone = reader.raw(&v::CORS_ALLOWED_ORIGINS).is_some_and(|list| list.split(',').any(|o| o.trim() == "*"));
    if is_anyone && is_production {
        reader.refuse(&v::CORS_ALLOWED_ORIGINS, "has \"*\": APP_ENV=production refuses to let every web page call");
    }
    if is_anyone && allow_credentials {
        reader.refuse(
            &v::CORS_ALLOWED_ORIGINS,
            "has \"*\" while CORS_ALLOW_CREDENTIALS is true: every web page could act for its visitors",
        );
    }
    let mut origins = reader.get(&v::CORS_ALLOWED_ORIGINS, parse::list(parse::origin)).unwrap_or_default();
    if !reader.is_set(&v::DATABASE_URL) {
        origins.push(OriginPattern::Localhost);
    }
    CorsPolicy { origins, allow_credentials }
}
