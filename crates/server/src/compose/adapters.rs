//! Chooses the adapter behind each port.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_auth::{Argon2Hasher, Hs256Config, Hs256Signer};
use frontdesk_cpu::CpuPool;
use frontdesk_kernel::gcra::Limiter;
use frontdesk_kernel::idempotency::IdempotencyStore;
use frontdesk_kernel::{Entropy, Outbox};
use frontdesk_memory::{MemoryLimiter, MemoryStores};
use frontdesk_postgres::{ConnectError, MigrateError, Migrated, PgConfig, PgStores};
use frontdesk_profile::password::PasswordHasher;
use frontdesk_profile::token::TokenSigner;
use frontdesk_profile::{AccountStore, ProfileStore, SettingsStore};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::{BoxError, StartError};
use crate::config::{Config, Database, RlsMode, Tokens};
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
    pub(super) settings: Arc<dyn SettingsStore>,
    pub(super) idempotency: Arc<dyn IdempotencyStore>,
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) limiter: Arc<dyn Limiter>,
    pub(super) hasher: Arc<dyn PasswordHasher>,
    pub(super) signer: Arc<dyn TokenSigner>,
    pub(super) fingerprint_key: [u8; 32],
    pub(super) ready: Arc<Ready>,
}

impl Adapters {
    /// Chooses by the configuration. With Postgres, the schema is up to date when this returns.
    pub(super) async fn choose(config: &Config, entropy: &dyn Entropy, workers: usize) -> Result<Self, StartError> {
        let mut drawn = vec![0; SIGNING_KEY_BYTES];
        entropy.fill(&mut drawn);
        let Some(database) = &config.database else {
            let key = signing_key(&config.tokens).unwrap_or(drawn);
            return Ok(Self::in_memory(&MemoryStores::new(), Keys::of(&config.tokens, key)?));
        };
        if database.migrate_on_start {
            migrate(database).await?;
        }
        let stores = PgStores::connect(pg_config(database, workers)).await.map_err(|error| match error {
            ConnectError::Url(cause) => StartError::DatabaseUrl { variable: "DATABASE_URL", cause },
            ConnectError::WorkerUrl(cause) => StartError::DatabaseUrl { variable: "MIGRATION_DATABASE_URL", cause },
            other => StartError::Database(other.into()),
        })?;
        let key = match signing_key(&config.tokens) {
            Some(key) => key,
            None => kept_key(database, &drawn).await?,
        };
        let mut keys = Keys::of(&config.tokens, key)?;
        entropy.fill(&mut drawn);
        if let Some(fingerprint) = kept_fingerprint_key(database, &drawn).await {
            keys.fingerprint = fingerprint;
        }
        Ok(Self::on_postgres(stores, keys))
    }

    fn in_memory(stores: &MemoryStores, keys: Keys) -> Self {
        let MemoryStores { accounts, profiles, settings, idempotency, outbox } = stores.clone();
        Self {
            accounts,
            profiles,
            settings,
            idempotency,
            outbox,
            limiter: Arc::new(MemoryLimiter::new()),
            hasher: hasher(),
            signer: Arc::new(keys.signer),
            fingerprint_key: keys.fingerprint,
            ready: Arc::new(Ready::new(None)),
        }
    }

    fn on_postgres(stores: PgStores, keys: Keys) -> Self {
        let PgStores { accounts, profiles, settings, idempotency, outbox, .. } = stores.clone();
        Self {
            accounts,
            profiles,
            settings,
            idempotency,
            outbox,
            limiter: Arc::new(MemoryLimiter::new()),
            hasher: hasher(),
            signer: Arc::new(keys.signer),
            fingerprint_key: keys.fingerprint,
            ready: Arc::new(Ready::new(Some(stores))),
        }
    }
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

fn hasher() -> Arc<Argon2Hasher> {
    let permits = cores().saturating_sub(1).max(1);
    Arc::new(Argon2Hasher::new(CpuPool::new(permits, CPU_LINE, CPU_PATIENCE)))
}

/// What the one secret of the server is used for.
struct Keys {
    signer: Hs256Signer,
    fingerprint: [u8; 32],
}

impl Keys {
    /// Derives what does not sign: knowing one key must not give away the other.
    fn of(tokens: &Tokens, secret: Vec<u8>) -> Result<Self, StartError> {
        let fingerprint = Sha256::digest([b"frontdesk request fingerprint: ".as_slice(), &secret].concat()).into();
        let (issuer, audience) = (tokens.issuer.clone(), tokens.audience.clone());
        let signer = Hs256Signer::new(Hs256Config { secret, issuer, audience, lifetime: tokens.lifetime })?;
        Ok(Self { signer, fingerprint })
    }
}

fn signing_key(tokens: &Tokens) -> Option<Vec<u8>> {
    tokens.secret.as_ref().map(|secret| secret.expose_secret().as_bytes().to_vec())
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
