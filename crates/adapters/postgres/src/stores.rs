//! All stores on one database.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::Unavailable;
use futures_util::FutureExt;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::connect::{Target, UrlError};
use crate::errors::shown;
use crate::migrations::{administrators_line, connected};
use crate::pools::{PoolStatus, Pools, Role};
use crate::schema::TABLES;
use crate::scoped::{RlsMode, Scope, Scoped, is_writable};
use crate::{
    PgAccountStore, PgIdempotencyStore, PgOutbox, PgPictureStore, PgProfileStore, PgRoomStore, PgSessionStore,
    PgSettingsStore,
};

/// Connections of the worker's role: the relay and the purges take turns.
const WORKER_CONNECTIONS: u32 = 2;
/// As for a pool that belongs to no HTTP worker.
const SHARED: u32 = u32::MAX;
/// How long the first questions may take, once connected.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// The encoding, the tables that are missing, and whether the role is too strong. From the catalogue, which every login
/// may read.
const FACTS: &str = "SELECT current_setting('server_encoding'),
    (SELECT string_agg(name, ', ') FROM unnest(ARRAY[{tables}]) AS name WHERE NOT EXISTS (
        SELECT 1 FROM pg_tables WHERE schemaname = 'app' AND tablename = name)),
    (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = '{role}')";
/// How long a probe may take.
const PING_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How to reach the database.
#[derive(Clone)]
pub struct PgConfig {
    /// `postgres://user:password@host:port/database?sslmode=...`; not shown anywhere.
    pub url: String,
    /// Another login for the jobs of the worker's role, where that of `url` may not act as it.
    pub worker_url: Option<String>,
    /// How many connections the stores may open, 1 at least. The worker's role and the probe have three more.
    pub pool_size: u32,
    /// Over how many pools they are spread: the number of HTTP workers.
    pub pools: u32,
    /// How the user in scope reaches the server.
    pub rls_mode: RlsMode,
}

/// Why the stores cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The URL for jobs cannot be used.
    #[error(transparent)]
    WorkerUrl(UrlError),
    /// Nobody answers, or the login is refused.
    #[error("the database cannot be used as {role}: {cause}")]
    Unreachable {
        /// The role.
        role: &'static str,
        /// What the server or the network said.
        cause: String,
    },
    /// The login may not act as the role of the service.
    #[error("the login of the service may not act as its roles; let an administrator run once: {sql}")]
    Role {
        /// What an administrator has to run, on one line.
        sql: String,
    },
    /// The database cannot hold every text.
    #[error("the database of DATABASE_URL must have the encoding UTF8; it has {0}")]
    Encoding(String),
    /// Tables are missing.
    #[error("the schema is not there (no {0}): run `frontdesk migrate`, or set MIGRATE_ON_START=true")]
    NotMigrated(String),
    /// The role is above row-level security.
    #[error("the role {0} must be neither SUPERUSER nor BYPASSRLS: it would see every user's rows")]
    RoleTooStrong(&'static str),
}

/// The stores of one database.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the store its type names")]
pub struct PgStores {
    pub accounts: Arc<PgAccountStore>,
    pub profiles: Arc<PgProfileStore>,
    pub settings: Arc<PgSettingsStore>,
    pub idempotency: Arc<PgIdempotencyStore>,
    pub outbox: Arc<PgOutbox>,
    pub sessions: Arc<PgSessionStore>,
    pub pictures: Arc<PgPictureStore>,
    pub rooms: Arc<PgRoomStore>,
    app: Scoped,
    probe: Scoped,
}

impl PgStores {
    /// Checks that the database can be used, within a few seconds, and joins the stores to it.
    pub async fn connect(config: PgConfig) -> Result<Self, ConnectError> {
        let PgConfig { url, worker_url, pool_size, pools, rls_mode } = config;
        let target = Target::parse(&url)?;
        let jobs = worker_url.as_deref().map_or_else(|| Ok(target.clone()), Target::parse);
        let jobs = jobs.map_err(ConnectError::WorkerUrl)?;
        check(&target).await?;
        // The login of the service does the jobs where it may; the owner's does not have to be there all the time.
        let jobs = if is_worker(&target).await {
            target.clone()
        } else {
            check_jobs(&jobs).await;
            jobs
        };
        let scoped = |target, role, size, pools| {
            Scoped::new(Arc::new(Pools::new(target, role, rls_mode, size, pools)), role, rls_mode)
        };
        let app = scoped(&target, Role::App, pool_size, pools);
        let worker = scoped(&jobs, Role::Worker, WORKER_CONNECTIONS, SHARED);
        Ok(Self {
            accounts: Arc::new(PgAccountStore::new(app.clone(), worker.clone())),
            profiles: Arc::new(PgProfileStore::new(app.clone())),
            settings: Arc::new(PgSettingsStore::new(app.clone())),
            idempotency: Arc::new(PgIdempotencyStore::new(app.clone(), worker.clone())),
            sessions: Arc::new(PgSessionStore::new(app.clone(), worker.clone())),
            pictures: Arc::new(PgPictureStore::new(app.clone(), worker.clone())),
            rooms: Arc::new(PgRoomStore::new(app.clone())),
            outbox: Arc::new(PgOutbox::new(worker, app.committed())),
            app,
            probe: scoped(&target, Role::App, 1, SHARED),
        })
    }

    /// Asks the database whether it takes writes, on a connection of its own: a busy service is still ready.
    pub async fn ping(&self) -> Result<(), Unavailable> {
        let scope = [Scope::Job("probe")];
        let ask = self.probe.transaction(&scope, |unit| {
            async move {
                let refused = || Unavailable::new("the database takes no writes");
                if is_writable(unit.connection).await? { Ok(()) } else { Err(refused()) }
            }
            .boxed()
        });
        let asked = tokio::time::timeout(PING_TIMEOUT, ask).await;
        asked.unwrap_or_else(|_| Err(Unavailable::new("the database did not answer in time")))
    }

    /// The state of the connections, for metrics.
    pub fn status(&self) -> PoolStatus {
        self.app.status()
    }
}

/// Asks what cannot be asked later: whether this database, with this login, can serve.
async fn check(target: &Target) -> Result<(), ConnectError> {
    let role = Role::App;
    let unreachable = |cause| ConnectError::Unreachable { role: role.name(), cause };
    let client = connected(target).await.map_err(|error| unreachable(error.to_string()))?;
    let ask = async {
        let tables = TABLES.map(|table| format!("'{table}'")).join(", ");
        let facts = FACTS.replace("{tables}", &tables).replace("{role}", role.name());
        let facts = client.simple_query(&facts).await.map_err(|error| unreachable(shown(&error)))?;
        let row = facts.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let fact = |column| row.and_then(|row| row.get(column)).unwrap_or_default();
        if fact(0) != "UTF8" {
            return Err(ConnectError::Encoding(fact(0).to_owned()));
        }
        if !fact(1).is_empty() {
            return Err(ConnectError::NotMigrated(fact(1).to_owned()));
        }
        if fact(2) == "t" {
            return Err(ConnectError::RoleTooStrong(role.name()));
        }
        may_act_as(&client, target, role).await
    };
    let asked = tokio::time::timeout(CHECK_TIMEOUT, ask).await;
    asked.unwrap_or_else(|_| Err(unreachable("no answer in time".to_owned())))
}

async fn is_worker(target: &Target) -> bool {
    match connected(target).await {
        Ok(client) => may_act_as(&client, target, Role::Worker).await.is_ok(),
        Err(_) => false,
    }
}

/// Jobs are not what a node serves with: it starts without them, and says so.
async fn check_jobs(target: &Target) {
    let role = Role::Worker;
    let checked = match connected(target).await {
        Ok(client) => may_act_as(&client, target, role).await,
        Err(error) => Err(ConnectError::Unreachable { role: role.name(), cause: error.to_string() }),
    };
    if let Err(cause) = checked {
        tracing::warn!(%cause, "no jobs on this node: events and old keys wait for one that may do them");
    }
}

/// Tries it, in one message: so it holds also behind a pooler that gives every transaction another session.
async fn may_act_as(client: &Client, target: &Target, role: Role) -> Result<(), ConnectError> {
    let attempt = format!("BEGIN; SET LOCAL ROLE {}; COMMIT", role.name());
    client.batch_execute(&attempt).await.map_err(|error| match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => ConnectError::Role { sql: administrators_line(target, false) },
        // There is no such role.
        Some(&SqlState::INVALID_PARAMETER_VALUE) => ConnectError::Role { sql: administrators_line(target, true) },
        _ => ConnectError::Unreachable { role: role.name(), cause: shown(&error) },
    })
}
