//! Bringing the schema up to date, as the owner's login.

use std::time::Duration;

use diesel_async::{AsyncMigrationHarness, AsyncPgConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::connect::{Opened, Target, UrlError};
use crate::errors::shown;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../../migrations");

/// A digest of the embedded migrations: equal for equal schemas.
pub const MIGRATIONS_FINGERPRINT: &str = env!("MIGRATIONS_FINGERPRINT");

/// The advisory lock that one migrating node holds at a time: `frontdsk` in ASCII.
const LOCK: i64 = 0x6672_6f6e_7464_736b;

/// The oldest server that is supported, as in `server_version_num`.
const OLDEST: i32 = 150_000;

/// How long a start waits for the database to take a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

/// How often a role is made again when another database of the cluster makes it at the same moment.
const ROLE_ATTEMPTS: u32 = 20;

/// The settings take effect where somebody logs in as the role itself; a session under `SET ROLE` sets its own.
const CREATE_ROLE: &str = "
    CREATE ROLE {role} NOLOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    ALTER ROLE {role} SET search_path = app;
    ALTER ROLE {role} SET statement_timeout = '5s';
    ALTER ROLE {role} SET lock_timeout = '2s';
    ALTER ROLE {role} SET idle_in_transaction_session_timeout = '10s'";

const ROLES: [&str; 2] = ["frontdesk_app", "frontdesk_worker"];

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
        let client = prepared(&target).await?;
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
            let client = prepared(&target).await?;
            with_harness(client, |harness| harness.revert_all_migrations(MIGRATIONS).map(|_| ())).await
        })
    };
    beside(revert).await
}

/// Gives the secret of this name, and stores the candidate where there is none yet. All nodes get the same.
pub async fn server_secret(url: &str, name: &str, candidate: &[u8]) -> Result<Vec<u8>, MigrateError> {
    let target = Target::parse(url)?;
    let client = connected(&target).await?;
    let insert = "INSERT INTO system.server_secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    client.execute(insert, &[&name, &candidate]).await.map_err(refusal)?;
    let select = "SELECT value FROM system.server_secrets WHERE name = $1";
    client.query_one(select, &[&name]).await.and_then(|row| row.try_get(0)).map_err(refusal)
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

async fn connected(target: &Target) -> Result<Client, MigrateError> {
    let opened = tokio::time::timeout(CONNECT_PATIENCE, target.open()).await;
    let opened = opened.map_err(|_| MigrateError::Connect("no answer in time".to_owned()))?;
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

/// Connects, takes the lock, and makes what must be there before the first migration.
async fn prepared(target: &Target) -> Result<Client, MigrateError> {
    let client = connected(target).await?;
    let version = one_text(&client, "SELECT current_setting('server_version_num')").await?;
    if version.parse::<i32>().is_ok_and(|number| number < OLDEST) {
        return Err(MigrateError::TooOld(one_text(&client, "SELECT current_setting('server_version')").await?));
    }
    let lock = format!("SELECT pg_advisory_lock({LOCK})");
    client.batch_execute(&lock).await.map_err(refusal)?;
    for role in ROLES {
        ensure_role(&client, target, role).await?;
    }
    // `__diesel_schema_migrations` goes where the path points first.
    let schemas = "CREATE SCHEMA IF NOT EXISTS app; CREATE SCHEMA IF NOT EXISTS system;
        SET client_min_messages = warning; SET search_path = system; SET lock_timeout = '10s'";
    client.batch_execute(schemas).await.map_err(refusal)?;
    Ok(client)
}

async fn one_text(client: &Client, sql: &str) -> Result<String, MigrateError> {
    client.query_one(sql, &[]).await.and_then(|row| row.try_get(0)).map_err(refusal)
}

/// Makes a role unless it is there, and makes the login a member unless it is one.
async fn ensure_role(client: &Client, target: &Target, role: &str) -> Result<(), MigrateError> {
    let mut attempt = 0;
    while !role_exists(client, role).await? {
        attempt += 1;
        match client.batch_execute(&CREATE_ROLE.replace("{role}", role)).await {
            Ok(()) => {}
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                return Err(refused(target, "may not create roles", true));
            }
            // Roles belong to the cluster, and the lock to one database of it: another may be at it too.
            Err(error) if attempt < ROLE_ATTEMPTS && is_race(&error) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(refusal(error)),
        }
    }
    ensure_membership(client, target, role).await
}

async fn role_exists(client: &Client, role: &str) -> Result<bool, MigrateError> {
    let sql = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = $1";
    let row = client.query_opt(sql, &[&role]).await.map_err(refusal)?;
    match row.map(|row| row.try_get::<_, bool>(0)).transpose().map_err(refusal)? {
        Some(true) => Err(MigrateError::RoleTooStrong(role.to_owned())),
        found => Ok(found.is_some()),
    }
}

async fn ensure_membership(client: &Client, target: &Target, role: &str) -> Result<(), MigrateError> {
    let mut attempt = 0;
    // Who makes a role is a member of it from Postgres 16 on, but not one who may act as it: only trying tells.
    while client.batch_execute(&format!("SET ROLE {role}; RESET ROLE")).await.is_err() {
        attempt += 1;
        match client.batch_execute(&format!("GRANT {role} TO CURRENT_USER")).await {
            Ok(()) if attempt < ROLE_ATTEMPTS => {}
            Err(error) if attempt < ROLE_ATTEMPTS && is_race(&error) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(()) | Err(_) => return Err(refused(target, &format!("may not act as {role}"), false)),
        }
    }
    Ok(())
}

fn is_race(error: &tokio_postgres::Error) -> bool {
    let code = error.code();
    let is_concurrent_update =
        error.as_db_error().is_some_and(|error| error.message().contains("concurrently updated"));
    code == Some(&SqlState::DUPLICATE_OBJECT) || code == Some(&SqlState::UNIQUE_VIOLATION) || is_concurrent_update
}

fn refused(target: &Target, what: &str, are_missing: bool) -> MigrateError {
    let create = |role| format!("CREATE ROLE {role} NOLOGIN NOINHERIT; ");
    let creations = if are_missing { ROLES.map(create).concat() } else { String::new() };
    let login = target.login().replace('"', "\"\"");
    let sql = format!("{creations}GRANT {} TO \"{login}\";", ROLES.join(", "));
    MigrateError::Role { reason: format!("the login {:?} {what}", target.login()), sql }
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
