//! Chooses the adapter behind each port.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_auth::{Argon2Hasher, ForeignTokens, OwnTokens, OwnTokensConfig, Sha256Digest};
use frontdesk_blobs::BlobFiles;
use frontdesk_bus::{InProcessBus, PgBus};
use frontdesk_cpu::CpuPool;
use frontdesk_imaging::Renderer;
use frontdesk_kernel::gcra::Limiter;
use frontdesk_kernel::idempotency::IdempotencyStore;
use frontdesk_kernel::{Entropy, EventBus, EventListener, Outbox};
use frontdesk_memory::{MemoryLimiter, MemoryStores};
use frontdesk_postgres::{ConnectError, MigrateError, Migrated, PgConfig, PgStores};
use frontdesk_profile::password::PasswordHasher;
use frontdesk_profile::refresh_token::SecretDigest;
use frontdesk_profile::token::{TokenSigner, TrustedIssuers};
use frontdesk_profile::{
    AccountStore, AvatarFiles, AvatarRenderer, PictureStore, ProfileStore, SessionStore, SettingsStore,
};
use frontdesk_rooms::RoomStore;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::{BoxError, StartError};
use crate::config::{AvatarPlace, Config, Database, RlsMode, Tokens};
use crate::describe::describe;
use crate::readiness::Ready;

/// Closures that may wait for the CPU pool, and for how long.
const CPU_LINE: usize = 64;
const CPU_PATIENCE: Duration = Duration::from_secs(2);
/// The name under which the database keeps the key that signs access tokens.
const SIGNING_KEY: &str = "access-token-hs256";
/// That of the key over the requests that idempotency keys stand for. Of its own, so that another `JWT_SECRET_KEY` does
/// not make other requests of honest retries.
const FINGERPRINT_KEY: &str = "request-fingerprint";
const SIGNING_KEY_BYTES: usize = 32;
const CONNECTIONS_PER_CORE: u32 = 4;

/// One adapter for each port.
pub(super) struct Adapters {
    pub(super) accounts: Arc<dyn AccountStore>,
    pub(super) profiles: Arc<dyn ProfileStore>,
    pub(super) sessions: Arc<dyn SessionStore>,
    pub(super) settings: Arc<dyn SettingsStore>,
    pub(super) pictures: Arc<dyn PictureStore>,
    pub(super) renderer: Arc<dyn AvatarRenderer>,
    pub(super) files: Arc<dyn AvatarFiles>,
    pub(super) idempotency: Arc<dyn IdempotencyStore>,
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) rooms: Arc<dyn RoomStore>,
    pub(super) limiter: Arc<dyn Limiter>,
    pub(super) hasher: Arc<dyn PasswordHasher>,
    pub(super) signer: Arc<dyn TokenSigner>,
    pub(super) issuers: Option<Arc<dyn TrustedIssuers>>,
    pub(super) digest: Arc<dyn SecretDigest>,
    /// The public keys of our tokens.
    pub(super) jwks: String,
    pub(super) fingerprint_key: [u8; 32],
    pub(super) ready: Arc<Ready>,
}

impl Adapters {
    /// Chooses by the configuration. With Postgres, the schema is up to date when this returns.
    pub(super) async fn choose(config: &Config, entropy: &dyn Entropy, workers: usize) -> Result<Self, StartError> {
        let mut drawn = vec![0; SIGNING_KEY_BYTES];
        entropy.fill(&mut drawn);
        let files = Arc::new(files(&config.avatars)?);
        tokio::spawn(sweep(Arc::clone(&files)));
        let Some(database) = &config.database else {
            let secret = configured_secret(&config.tokens).or_else(|| needs_secret(&config.tokens).then_some(drawn));
            return Ok(Self::of(MemoryStores::new().into(), files, Keys::of(config, secret, None)?, None));
        };
        if database.migrate_on_start {
            migrate(database).await?;
        }
        let stores = PgStores::connect(pg_config(database, workers)).await.map_err(|error| match error {
            ConnectError::Url(cause) => StartError::DatabaseUrl { variable: "DATABASE_URL", cause },
            ConnectError::WorkerUrl(cause) => StartError::DatabaseUrl { variable: "MIGRATION_DATABASE_URL", cause },
            other => StartError::Database(other.into()),
        })?;
        let secret = match configured_secret(&config.tokens) {
            Some(secret) => Some(secret),
            None if needs_secret(&config.tokens) => Some(kept_key(database, &drawn).await?),
            None => None,
        };
        entropy.fill(&mut drawn);
        let fingerprint = kept_fingerprint_key(database, &drawn).await;
        let keys = Keys::of(config, secret, fingerprint)?;
        Ok(Self::of(stores.clone().into(), files, keys, Some(stores)))
    }

    fn of(stores: Stores, files: Arc<BlobFiles>, keys: Keys, database: Option<PgStores>) -> Self {
        let Stores { accounts, profiles, sessions, settings, pictures, idempotency, outbox, rooms } = stores;
        let Keys { own, issuers, fingerprint } = keys;
        let cpu = cpu();
        Self {
            accounts,
            profiles,
            sessions,
            settings,
            pictures,
            renderer: Arc::new(Renderer::new(cpu.clone())),
            files,
            idempotency,
            outbox,
            rooms,
            limiter: Arc::new(MemoryLimiter::new()),
            hasher: Arc::new(Argon2Hasher::new(cpu)),
            jwks: own.jwks(),
            signer: Arc::new(own),
            issuers: issuers.map(|issuers| Arc::new(issuers) as Arc<dyn TrustedIssuers>),
            digest: Arc::new(Sha256Digest),
            fingerprint_key: fingerprint,
            ready: Arc::new(Ready::new(database)),
        }
    }
}

/// One store for each port, of either backend.
struct Stores {
    accounts: Arc<dyn AccountStore>,
    profiles: Arc<dyn ProfileStore>,
    sessions: Arc<dyn SessionStore>,
    settings: Arc<dyn SettingsStore>,
    pictures: Arc<dyn PictureStore>,
    idempotency: Arc<dyn IdempotencyStore>,
    outbox: Arc<dyn Outbox>,
    rooms: Arc<dyn RoomStore>,
}

impl From<MemoryStores> for Stores {
    fn from(stores: MemoryStores) -> Self {
        let MemoryStores { accounts, profiles, sessions, settings, pictures, idempotency, outbox, rooms } = stores;
        Self { accounts, profiles, sessions, settings, pictures, idempotency, outbox, rooms }
    }
}

impl From<PgStores> for Stores {
    fn from(stores: PgStores) -> Self {
        let PgStores { accounts, profiles, sessions, settings, pictures, idempotency, outbox, rooms, .. } = stores;
        Self { accounts, profiles, sessions, settings, pictures, idempotency, outbox, rooms }
    }
}

/// The bus that reaches every node: over Redis where there is one, else over the database, else this process alone.
pub(super) fn bus(
    config: &Config,
    listener: Arc<dyn EventListener>,
    entropy: &Arc<dyn Entropy>,
) -> Result<Arc<dyn EventBus>, StartError> {
    #[cfg(feature = "redis")]
    if let Some(url) = &config.redis_url {
        return Ok(Arc::new(frontdesk_bus::RedisBus::start(url.clone().into(), listener, Arc::clone(entropy))));
    }
    let Some(database) = &config.database else { return Ok(Arc::new(InProcessBus::new(listener))) };
    // A pooler in transaction mode delivers no notifications; migrations cannot go through one either.
    let (variable, url) = match database.rls_mode {
        RlsMode::Session => ("DATABASE_URL", &database.url),
        RlsMode::Transaction => ("MIGRATION_DATABASE_URL", &database.migration_url),
    };
    let connections = frontdesk_postgres::Listener::new(url.expose_secret())
        .map_err(|cause| StartError::DatabaseUrl { variable, cause })?;
    Ok(Arc::new(PgBus::start(move || connections.open(), listener, Arc::clone(entropy))))
}

/// Brings the schema up to date.
pub async fn migrate(database: &Database) -> Result<(), StartError> {
    let migrated = frontdesk_postgres::migrate(database.migration_url.expose_secret()).await;
    let Migrated { applied } = migrated.map_err(|error| refused(database, error, StartError::Migrate))?;
    if applied.is_empty() {
        tracing::debug!("the schema is up to date");
    } else {
        tracing::info!(applied = applied.join(", "), "migrated");
    }
    Ok(())
}

/// Tells a URL that cannot be used, which is a matter of configuration, from everything else.
fn refused(database: &Database, error: MigrateError, otherwise: impl FnOnce(BoxError) -> StartError) -> StartError {
    let variable = if has_own_login(database) { "MIGRATION_DATABASE_URL" } else { "DATABASE_URL" };
    match error {
        MigrateError::Url(cause) => StartError::DatabaseUrl { variable, cause },
        other => otherwise(other.into()),
    }
}

/// Whether the schema has another owner than the login of the service.
fn has_own_login(database: &Database) -> bool {
    database.migration_url.expose_secret() != database.url.expose_secret()
}

fn pg_config(database: &Database, workers: usize) -> PgConfig {
    let cores = u32::try_from(cores()).unwrap_or(u32::MAX);
    PgConfig {
        url: database.url.expose_secret().to_owned(),
        worker_url: has_own_login(database).then(|| database.migration_url.expose_secret().to_owned()),
        pool_size: database.pool_size.map_or(cores.saturating_mul(CONNECTIONS_PER_CORE), NonZero::get),
        pools: u32::try_from(workers).unwrap_or(u32::MAX),
        rls_mode: match database.rls_mode {
            RlsMode::Session => frontdesk_postgres::RlsMode::Session,
            RlsMode::Transaction => frontdesk_postgres::RlsMode::Transaction,
        },
    }
}

/// The cores of this machine, or of the container.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// The pool that passwords and pictures share.
fn cpu() -> CpuPool {
    let permits = cores().saturating_sub(1).max(1);
    CpuPool::new(permits, CPU_LINE, CPU_PATIENCE)
}

/// Where the files of avatars are kept. A place that is of no use is told now, not at the first upload.
fn files(place: &AvatarPlace) -> Result<BlobFiles, StartError> {
    let unusable = |variable| move |source| StartError::Avatars { variable, source };
    match place {
        AvatarPlace::Memory => Ok(BlobFiles::memory()),
        AvatarPlace::Directory(path) => BlobFiles::directory(path).map_err(unusable("AVATAR_DIR")),
        AvatarPlace::Bucket(config) => BlobFiles::s3(config.clone()).map_err(unusable("AVATAR_BUCKET_URL")),
    }
}

/// Beside the start: with many users it takes a while, and nobody waits for it.
async fn sweep(files: Arc<BlobFiles>) {
    if let Err(error) = files.sweep().await {
        tracing::warn!(cause = describe(&error), "what a killed process may have left of avatars was not looked for");
    }
}

/// What is done with secrets.
struct Keys {
    own: OwnTokens,
    issuers: Option<ForeignTokens>,
    fingerprint: [u8; 32],
}

impl Keys {
    /// Without a fingerprint key of its own one is derived from what signs: knowing one key must not give away the
    /// other.
    fn of(config: &Config, secret: Option<Vec<u8>>, fingerprint: Option<[u8; 32]>) -> Result<Self, StartError> {
        let Tokens { secret: _, signing_keys, issuer, audience, lifetime } = &config.tokens;
        let signing_keys = signing_keys.as_ref().map(|keys| keys.expose_secret().to_owned());
        let root = secret.as_deref().or(signing_keys.as_deref().map(str::as_bytes)).unwrap_or_default();
        let derived = || Sha256::digest([b"frontdesk request fingerprint: ".as_slice(), root].concat()).into();
        let fingerprint = fingerprint.unwrap_or_else(derived);
        let (issuer, audience, lifetime) = (issuer.clone(), audience.clone(), *lifetime);
        let own = OwnTokens::new(OwnTokensConfig { secret, signing_keys, issuer, audience, lifetime })?;
        let trusted = config.trusted_issuers.clone();
        let issuers = (!trusted.is_empty()).then(|| ForeignTokens::new(trusted)).transpose()?;
        Ok(Self { own, issuers, fingerprint })
    }
}

fn configured_secret(tokens: &Tokens) -> Option<Vec<u8>> {
    tokens.secret.as_ref().map(|secret| secret.expose_secret().as_bytes().to_vec())
}

/// Whether a secret has to be made where none is configured: keys of one's own sign as well.
const fn needs_secret(tokens: &Tokens) -> bool {
    tokens.signing_keys.is_none()
}

/// The key that all nodes on this database sign with; the first to come draws it. Only the owner of the schema may
/// read it: the role that serves requests must not get at it, whatever it is made to run.
async fn kept_key(database: &Database, drawn: &[u8]) -> Result<Vec<u8>, StartError> {
    let url = database.migration_url.expose_secret();
    let kept = frontdesk_postgres::server_secret(url, SIGNING_KEY, drawn).await;
    kept.map_err(|error| refused(database, error, StartError::KeptKey))
}

/// The key of fingerprints that all nodes on this database use; without it, one derived from the signing key serves.
async fn kept_fingerprint_key(database: &Database, drawn: &[u8]) -> Option<[u8; 32]> {
    let url = database.migration_url.expose_secret();
    match frontdesk_postgres::server_secret(url, FINGERPRINT_KEY, drawn).await {
        Ok(kept) => kept.try_into().ok(),
        Err(error) => {
            tracing::warn!(%error, "no kept key for fingerprints: after a change of JWT_SECRET_KEY, retries are refused");
            None
        }
    }
}
