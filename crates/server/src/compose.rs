//! Joins ports and adapters, and runs them.

mod adapters;
mod listeners;
mod running;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_http::{Frame, HttpConfig, RoomFrames, Services, Storage};
use frontdesk_kernel::{Clock, Entropy};
use frontdesk_profile::password::PasswordHasher;
use frontdesk_profile::revocation::Remember;
use frontdesk_profile::token::{LEEWAY, MAX_AHEAD, MAX_FOREIGN_LIFETIME};
use frontdesk_profile::{
    Accounts, AccountsPorts, Authentication, AuthenticationPorts, Avatars, AvatarsPorts, Profiles, Revocations,
    Sessions, SessionsPorts, UserSettings,
};
use frontdesk_rooms::{Rooms, RoomsPorts};
use tokio::net::TcpSocket;

use crate::config::Config;
use crate::config::variables::DATABASE_URL;
use crate::housekeeping::Housekeeping;
use crate::relay::Relay;
use crate::rooms::{PostingBus, line};
use crate::{OsEntropy, SystemClock};
pub use adapters::migrate;
use adapters::{Adapters, cores};
use listeners::Listeners;
pub use running::Running;
use running::Sockets;

/// Connections that may wait to be accepted. The system cuts it to its own limit.
const BACKLOG: u32 = 1_024;

/// What a test puts in the place of the real thing.
#[derive(Clone, Default)]
pub struct Overrides {
    /// The time.
    pub clock: Option<Arc<dyn Clock>>,
    /// The randomness.
    pub entropy: Option<Arc<dyn Entropy>>,
    /// The hashing of passwords.
    pub hasher: Option<Arc<dyn PasswordHasher>>,
    /// HTTP workers; one for each core otherwise.
    pub workers: Option<usize>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A database URL that only the adapter can tell to be wrong.
    #[error("{variable} cannot be used: {cause} (for example {variable}={})", DATABASE_URL.example)]
    DatabaseUrl {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        cause: frontdesk_postgres::UrlError,
    },
    /// The schema is not up to date, and cannot be brought up to date.
    #[error("the database cannot be migrated: {0}")]
    Migrate(#[source] BoxError),
    /// The database does not answer, or refuses the login.
    #[error("the database cannot be used: {0}")]
    Database(#[source] BoxError),
    /// The key that signs tokens is not to be had.
    #[error(
        "the key kept in the database cannot be read: {0}; set JWT_SECRET_KEY, or MIGRATION_DATABASE_URL to the owner's login"
    )]
    KeptKey(#[source] BoxError),
    /// The key cannot sign.
    #[error("access tokens cannot be signed: {0}")]
    Tokens(#[from] frontdesk_auth::KeyError),
    /// An issuer cannot be trusted as configured.
    #[error("TRUSTED_ISSUERS cannot be used: {0}")]
    Issuers(#[from] frontdesk_auth::IssuerError),
    /// The files of avatars cannot be kept where the configuration says.
    #[error("{variable} cannot be used: {source}")]
    Avatars {
        /// The variable.
        variable: &'static str,
        /// What is wrong with the place.
        source: frontdesk_blobs::OpenError,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}{}", hint(.source))]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The HTTP server cannot start, or ended by itself.
    #[error("the HTTP server ended: {0}")]
    Http(#[source] std::io::Error),
    /// Signals cannot be listened for.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] std::io::Error),
}

impl StartError {
    /// Tells whether the configuration is to blame, and nothing else.
    pub const fn is_configuration(&self) -> bool {
        matches!(self, Self::DatabaseUrl { .. } | Self::Tokens(_) | Self::Issuers(_) | Self::Avatars { .. })
    }
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "; another process has this port: stop it, or set PORT (0 picks a free one)",
        std::io::ErrorKind::PermissionDenied => "; ports below 1024 are for root: set PORT",
        std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address: set HOST",
        _ => "",
    }
}

/// Composes the application and listens. Everything is in place when this returns: migrations, pools, the socket.
pub async fn start(config: &Config, overrides: Overrides) -> Result<Running, StartError> {
    crate::install_crypto();
    let clock = overrides.clock.unwrap_or_else(|| Arc::new(SystemClock));
    let entropy = overrides.entropy.unwrap_or_else(|| Arc::new(OsEntropy));
    let workers = overrides.workers.unwrap_or_else(cores);
    let mut adapters = Adapters::choose(config, entropy.as_ref(), workers).await?;
    if let Some(hasher) = overrides.hasher {
        adapters.hasher = hasher;
    }
    let ready = Arc::clone(&adapters.ready);
    let (avatars, deleted) = (avatars(&adapters, &clock, &entropy), Arc::default());
    let housekeeping = Housekeeping {
        idempotency: Arc::clone(&adapters.idempotency),
        sessions: Arc::clone(&adapters.sessions),
        accounts: Arc::clone(&adapters.accounts),
        outbox: Arc::clone(&adapters.outbox),
        rooms: Arc::clone(&adapters.rooms),
        avatars: avatars.clone(),
        deleted: Arc::clone(&deleted),
        clock: Arc::clone(&clock),
    };
    let outbox = Arc::clone(&adapters.outbox);
    let listener = listen(&config.host, config.port)
        .await
        .map_err(|source| StartError::Listen { address: format!("{}:{}", config.host, config.port), source })?;
    let address = listener.local_addr().map_err(StartError::Http)?;
    let http = http(config, workers, adapters.fingerprint_key, adapters.jwks.clone().into());
    let revocations = revocations(config, &adapters, &clock);
    let profiles = Profiles::new(Arc::clone(&adapters.profiles), Arc::clone(&clock), Arc::clone(&entropy));
    let frames = Arc::new(RoomFrames::new(profiles.clone(), config.public_url.clone()));
    let rooms = Arc::new(Rooms::new(RoomsPorts {
        store: Arc::clone(&adapters.rooms),
        frames: Arc::<RoomFrames>::clone(&frames),
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
        broadcast: config.room_broadcast,
    }));
    let (inbox, outlet) = line();
    let listeners = Arc::new(Listeners::new(Arc::clone(&revocations), Arc::clone(&rooms), inbox, deleted));
    let bus = adapters::bus(config, Arc::<Listeners>::clone(&listeners), &entropy)?;
    let bus = Arc::new(PostingBus { rooms: Arc::clone(&rooms), bus });
    let sockets = Sockets::keep(Arc::clone(&rooms), outlet, Arc::clone(&entropy));
    let shared = Shared { profiles, avatars, rooms, frames };
    let services = services(config, adapters, shared, &revocations, clock, Arc::clone(&entropy));
    let server = frontdesk_http::serve(listener, services, http).map_err(StartError::Http)?;
    let noticed = move |is_told| listeners.told(is_told);
    let relay = Arc::new(Relay::new(outbox, bus, entropy, Box::new(noticed)));
    Ok(Running::new(address, server, housekeeping, relay, sockets, ready))
}

/// What is refused, known on this node; remembered as long as any token can live that it could refuse.
fn revocations(config: &Config, adapters: &Adapters, clock: &Arc<dyn Clock>) -> Arc<Revocations> {
    let margin = LEEWAY + MAX_AHEAD;
    let foreign = adapters.issuers.as_ref().map_or(Duration::ZERO, |_| MAX_FOREIGN_LIFETIME + margin);
    let remember = Remember { own: config.tokens.lifetime + margin, foreign };
    Arc::new(Revocations::new(Arc::clone(&adapters.sessions), Arc::clone(clock), remember))
}

fn avatars(adapters: &Adapters, clock: &Arc<dyn Clock>, entropy: &Arc<dyn Entropy>) -> Avatars {
    Avatars::new(AvatarsPorts {
        renderer: Arc::clone(&adapters.renderer),
        files: Arc::clone(&adapters.files),
        pictures: Arc::clone(&adapters.pictures),
        profiles: Arc::clone(&adapters.profiles),
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
    })
}

/// Services that others need too.
struct Shared {
    profiles: Profiles,
    avatars: Avatars,
    rooms: Arc<Rooms<Frame>>,
    frames: Arc<RoomFrames>,
}

fn services(
    config: &Config,
    adapters: Adapters,
    shared: Shared,
    revocations: &Arc<Revocations>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Services {
    let Adapters { accounts, profiles, sessions, settings, idempotency, limiter, hasher, signer, .. } = adapters;
    let sessions = Sessions::new(SessionsPorts {
        sessions,
        accounts: Arc::clone(&accounts),
        revocations: Arc::clone(revocations),
        signer: Arc::clone(&signer),
        digest: adapters.digest,
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
    });
    let authentication = Authentication::new(AuthenticationPorts {
        accounts: Arc::clone(&accounts),
        revocations: Arc::clone(revocations),
        signer,
        issuers: adapters.issuers,
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
    });
    let ports = AccountsPorts {
        accounts,
        profiles,
        sessions: sessions.clone(),
        hasher,
        limiter: Arc::clone(&limiter),
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
    };
    let has_limits = config.requests_per_minute > 0;
    Services {
        accounts: Accounts::new(ports, config.users_auth, config.claim_window, has_limits),
        authentication,
        sessions,
        profiles: shared.profiles,
        avatars: shared.avatars,
        rooms: shared.rooms,
        room_frames: shared.frames,
        settings: UserSettings::new(settings, Arc::clone(&clock)),
        idempotency,
        limiter,
        readiness: adapters.ready,
        clock,
        entropy,
    }
}

fn http(config: &Config, workers: usize, fingerprint_key: [u8; 32], jwks: Arc<str>) -> HttpConfig {
    HttpConfig {
        version: crate::VERSION,
        storage: if config.database.is_some() { Storage::Postgres } else { Storage::Memory },
        cors: config.cors.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
        requests_per_minute: config.requests_per_minute,
        users_auth: config.users_auth,
        public_url: config.public_url.clone(),
        workers,
        fingerprint_key,
        jwks,
    }
}

/// Binds, with a longer line than the standard library's 128: a burst of connections must not be refused.
async fn listen(host: &str, port: u16) -> std::io::Result<std::net::TcpListener> {
    let mut refusal = None;
    for address in tokio::net::lookup_host((host, port)).await? {
        match bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => refusal = Some(error),
        }
    }
    Err(refusal.unwrap_or_else(|| std::io::ErrorKind::AddrNotAvailable.into()))
}

fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the last connections of the process before it (TIME_WAIT).
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}
