//! Bringing the schema up to date, as the owner's login.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio_postgres::Client;

use crate::connect::{Opened, Target, UrlError};
use crate::errors::shown;

mod roles;

pub(crate) use roles::administrators_line;
use roles::{ROLES, ensure_role};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../../migrations");

/// A digest of the embedded migrations: equal for equal schemas.
pub const MIGRATIONS_FINGERPRINT: &str = env!("MIGRATIONS_FINGERPRINT");

/// The advisory lock that one migrating node holds at a time: `frontdsk` in ASCII.
const LOCK: i64 = 0x6672_6f6e_7464_736b;

/// The oldest server that is supported, as in `server_version_num`.
const OLDEST: i32 = 150_000;

/// How long a start waits for the database to take a connection, and then for what it asks on it.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How long a node waits for another that migrates, how often it looks, and after how many looks it says so again.
const LOCK_PATIENCE: Duration = Duration::from_mins(1);
const LOCK_STEP: Duration = Duration::from_millis(100);
const LOCK_STEPS_A_LINE: u32 = 50;

/// What a run of the migrations did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The versions that were applied, oldest first; empty where the schema was up to date.
    pub applied: Vec<String>,
}

/// Why the schema is not brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Nobody answers, or the login is refused.
    #[error("the database does not take the connection: {0}")]
    Connect(String),
    /// The server is too old.
    #[error("Postgres 15 or later is needed; this server is {0}")]
    TooOld(String),
    /// The database cannot hold every text.
    #[error("the database of DATABASE_URL must have the encoding UTF8; it has {0}")]
    Encoding(String),
    /// Another session holds the lock of the migrations and does not let go.
    #[error("another session has been migrating this database for {} s; find it with: \
        SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted;", .0.as_secs())]
    Locked(Duration),
    /// The login may not make the roles, or not act as them.
    #[error("{reason}; let an administrator run once: {sql}")]
    Role {
        /// What the login may not do.
        reason: String,
        /// What an administrator has to run, on one line.
        sql: String,
    },
    /// A role could do more than row-level security allows for.
    #[error("the role {0} must be neither SUPERUSER nor BYPASSRLS: it would see every user's rows")]
    RoleTooStrong(String),
    /// The server refuses a statement around the migrations.
    #[error("the database refuses to be prepared: {0}")]
    Prepare(String),
    /// A migration fails; nothing of it stays.
    #[error("a migration fails: {0}")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The thread that runs the migrations is gone.
    #[error("the thread of the migrations is gone")]
    Thread(#[source] std::io::Error),
}

/// Brings the schema up to date. Any number of nodes may do so at once: one works, the others wait and find it done.
pub async fn migrate(url: &str) -> Result<Migrated, MigrateError> {
    let url = url.to_owned();
    beside(move || migrate_blocking(&url)).await
}

/// As [`migrate`], for a caller without a runtime.
pub fn migrate_blocking(url: &str) -> Result<Migrated, MigrateError> {
    let target = Target::parse(url)?;
    on_own_thread(async move {
        let client = supported(&target).await?;
        if is_up_to_date(&client).await? {
            // Nothing is written on the way here: a node starts also on a database that takes no writes just now.
            ensure_roles(&client, &target).await?;
            return Ok(Migrated { applied: Vec::new() });
        }
        prepare(&client, &target).await?;
        let applied = with_harness(client, |harness| {
            let applied = harness.run_pending_migrations(MIGRATIONS)?;
            Ok(applied.iter().map(ToString::to_string).collect())
        })
        .await?;
        Ok(Migrated { applied })
    })
}

/// Takes every migration back, newest first. User data is gone after it: for tests, and for leaving.
pub async fn revert_all(url: &str) -> Result<(), MigrateError> {
    let target = Target::parse(url)?;
    let revert = || {
        on_own_thread(async move {
            let client = supported(&target).await?;
            prepare(&client, &target).await?;
            with_harness(client, |harness| harness.revert_all_migrations(MIGRATIONS).map(|_| ())).await
        })
    };
    beside(revert).await
}

/// Gives the secret of this name, and stores the candidate where there is none yet. All nodes get the same.
pub async fn server_secret(url: &str, name: &str, candidate: &[u8]) -> Result<Vec<u8>, MigrateError> {
    let target = Target::parse(url)?;
    let client = connected(&target).await?;
    in_time(kept(&client, name, candidate)).await
}

async fn kept(client: &Client, name: &str, candidate: &[u8]) -> Result<Vec<u8>, MigrateError> {
    let select = "SELECT value FROM system.server_secrets WHERE name = $1";
    // The INSERT alone would do; but a database that takes no writes just now may well have the secret.
    if let Some(row) = client.query_opt(select, &[&name]).await.map_err(refusal)? {
        return row.try_get(0).map_err(refusal);
    }
    let insert = "INSERT INTO system.server_secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    client.execute(insert, &[&name, &candidate]).await.map_err(refusal)?;
    client.query_one(select, &[&name]).await.and_then(|row| row.try_get(0)).map_err(refusal)
}

async fn in_time<T>(work: impl Future<Output = Result<T, MigrateError>>) -> Result<T, MigrateError> {
    let done = tokio::time::timeout(CONNECT_PATIENCE, work).await;
    done.unwrap_or_else(|_| Err(MigrateError::Connect("no answer in time".to_owned())))
}

async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MigrateError> + Send + 'static,
) -> Result<T, MigrateError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| MigrateError::Thread(std::io::Error::other(error)))?
}

/// The harness of the migrations blocks its thread, which a runtime of one thread does not survive.
fn on_own_thread<T: Send>(work: impl Future<Output = Result<T, MigrateError>> + Send) -> Result<T, MigrateError> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.map_err(MigrateError::Thread)?.block_on(work)
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("migrations".to_owned()).spawn_scoped(scope, run);
        let joined = thread.map_err(MigrateError::Thread)?.join();
        joined.unwrap_or_else(|_| Err(MigrateError::Thread(std::io::Error::other("it panicked"))))
    })
}

pub(crate) async fn connected(target: &Target) -> Result<Client, MigrateError> {
    let opened = in_time(async { Ok(target.open().await) }).await?;
    Ok(match opened.map_err(|error| MigrateError::Connect(shown(&error)))? {
        Opened::Plain(client, connection) => {
            tokio::spawn(*connection);
            client
        }
        Opened::Tls(client, connection) => {
            tokio::spawn(*connection);
            client
        }
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn refusal(error: tokio_postgres::Error) -> MigrateError {
    MigrateError::Prepare(shown(&error))
}

/// Connects to a server that can hold the schema.
async fn supported(target: &Target) -> Result<Client, MigrateError> {
    let client = connected(target).await?;
    let version = in_time(one_text(&client, "SELECT current_setting('server_version_num')")).await?;
    if version.parse::<i32>().is_ok_and(|number| number < OLDEST) {
        return Err(MigrateError::TooOld(one_text(&client, "SELECT current_setting('server_version')").await?));
    }
    match in_time(one_text(&client, "SELECT current_setting('server_encoding')")).await?.as_str() {
        "UTF8" => Ok(client),
        other => Err(MigrateError::Encoding(other.to_owned())),
    }
}

async fn is_up_to_date(client: &Client) -> Result<bool, MigrateError> {
    let table = "SELECT to_regclass('system.__diesel_schema_migrations') IS NOT NULL";
    if !client.query_one(table, &[]).await.and_then(|row| row.try_get::<_, bool>(0)).map_err(refusal)? {
        return Ok(false);
    }
    let rows = client.query("SELECT version FROM system.__diesel_schema_migrations", &[]).await.map_err(refusal)?;
    let applied: Result<BTreeSet<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
    let applied = applied.map_err(refusal)?;
    let known = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(MigrateError::Migration)?;
    Ok(known.iter().all(|migration| applied.contains(&migration.name().version().to_string())))
}

/// Takes the lock, and makes what must be there before the first migration.
async fn prepare(client: &Client, target: &Target) -> Result<(), MigrateError> {
    take_lock(client, LOCK_PATIENCE).await?;
    ensure_roles(client, target).await?;
    // `__diesel_schema_migrations` goes where the path points first. Without temporary tables no role of the service
    // can put one in the place of a table; who does not own the database is warned, and leaves that to its owner.
    let schemas = "SET client_min_messages = error;
        CREATE SCHEMA IF NOT EXISTS app; CREATE SCHEMA IF NOT EXISTS system;
        DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
            EXCEPTION WHEN insufficient_privilege THEN NULL; END $$;
        SET client_min_messages = warning; SET search_path = system; SET lock_timeout = '10s'";
    client.batch_execute(schemas).await.map_err(refusal)
}

async fn ensure_roles(client: &Client, target: &Target) -> Result<(), MigrateError> {
    for role in ROLES {
        ensure_role(client, target, role).await?;
    }
    Ok(())
}

/// Asks again and again rather than wait in the server: so a node says what it waits for, and does not wait for ever.
async fn take_lock(client: &Client, patience: Duration) -> Result<(), MigrateError> {
    let asking = async {
        let mut steps: u32 = 0;
        let ask = format!("SELECT pg_try_advisory_lock({LOCK})");
        while !client.query_one(&ask, &[]).await.and_then(|row| row.try_get::<_, bool>(0)).map_err(refusal)? {
            if steps.is_multiple_of(LOCK_STEPS_A_LINE) {
                let waited = (LOCK_STEP * steps).as_secs();
                tracing::info!(waited, "another session migrates the database; waiting for it");
            }
            steps += 1;
            tokio::time::sleep(LOCK_STEP).await;
        }
        Ok(())
    };
    tokio::time::timeout(patience, asking).await.unwrap_or(Err(MigrateError::Locked(patience)))
}

async fn one_text(client: &Client, sql: &str) -> Result<String, MigrateError> {
    client.query_one(sql, &[]).await.and_then(|row| row.try_get(0)).map_err(refusal)
}

/// Runs the harness on a prepared connection; the lock goes with the connection.
async fn with_harness<T>(
    client: Client,
    work: impl FnOnce(&mut AsyncMigrationHarness<AsyncPgConnection>) -> diesel::migration::Result<T>,
) -> Result<T, MigrateError> {
    let connection = AsyncPgConnection::try_from(client).await;
    let mut harness = AsyncMigrationHarness::new(connection.map_err(|error| MigrateError::Migration(error.into()))?);
    work(&mut harness).map_err(MigrateError::Migration)
}

#[cfg(test)]
mod tests {
    use frontdesk_testkit::postgres::database;

    use super::*;

    #[tokio::test]
    async fn a_node_does_not_wait_for_ever_for_another_that_migrates() {
        let Some(database) = database().await else { return };
        let target = Target::parse(&database.url()).unwrap();
        let (holder, other) = (connected(&target).await.unwrap(), connected(&target).await.unwrap());
        take_lock(&holder, LOCK_PATIENCE).await.unwrap();
        let refused = take_lock(&other, Duration::from_millis(300)).await.unwrap_err();
        assert!(matches!(refused, MigrateError::Locked(_)), "{refused}");
        let freed = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            drop(holder);
        };
        let (taken, ()) = tokio::join!(take_lock(&other, LOCK_PATIENCE), freed);
        taken.unwrap();
    }
}
