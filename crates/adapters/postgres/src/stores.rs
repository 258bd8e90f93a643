//! All stores on one database.

use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use frontdesk_kernel::Unavailable;
use futures_util::FutureExt;

use crate::connect::{Target, UrlError};
use crate::pools::{PoolStatus, Pools, Role, establish};
use crate::scoped::{RlsMode, Scope, Scoped};
use crate::{PgAccountStore, PgIdempotencyStore, PgOutbox, PgProfileStore, PgSettingsStore};

/// Connections of the worker's role: the relay and the purges take turns.
const WORKER_CONNECTIONS: u32 = 2;
/// How long a probe may take.
const PING_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How to reach the database.
#[derive(Clone)]
pub struct PgConfig {
    /// `postgres://user:password@host:port/database?sslmode=...`; not shown anywhere.
    pub url: String,
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
    /// Nobody answers, the login is refused, or it may not act as the role of the service.
    #[error("the database cannot be used as {role}: {cause}")]
    Unreachable {
        /// The role.
        role: &'static str,
        /// What the server or the network said.
        cause: diesel::ConnectionError,
    },
    /// The tables are missing.
    #[error("the schema is not there: run `frontdesk migrate`, or set MIGRATE_ON_START=true")]
    NotMigrated,
    /// The role is above row-level security.
    #[error("the role {0} must be neither SUPERUSER nor BYPASSRLS: it would see every user's rows")]
    RoleTooStrong(&'static str),
    /// The database did not answer the first questions.
    #[error("the database does not answer: {0}")]
    Check(#[source] diesel::result::Error),
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
    app: Scoped,
    probe: Scoped,
}

impl PgStores {
    /// Checks that the database can be used, within about 3 s, and joins the stores to it.
    pub async fn connect(config: PgConfig) -> Result<Self, ConnectError> {
        let PgConfig { url, pool_size, pools, rls_mode } = config;
        let target = Target::parse(&url)?;
        check(&target, rls_mode).await?;
        let scoped =
            |role, size, pools| Scoped::new(Arc::new(Pools::new(&target, role, rls_mode, size, pools)), role, rls_mode);
        let app = scoped(Role::App, pool_size, pools);
        let worker = scoped(Role::Worker, WORKER_CONNECTIONS, 1);
        Ok(Self {
            accounts: Arc::new(PgAccountStore::new(app.clone())),
            profiles: Arc::new(PgProfileStore::new(app.clone())),
            settings: Arc::new(PgSettingsStore::new(app.clone())),
            idempotency: Arc::new(PgIdempotencyStore::new(app.clone(), worker.clone())),
            outbox: Arc::new(PgOutbox::new(worker)),
            app,
            probe: scoped(Role::App, 1, 1),
        })
    }

    /// Asks the database for a sign of life, on a connection of its own: a busy service is still ready.
    pub async fn ping(&self) -> Result<(), Unavailable> {
        let one = diesel::select(1_i32.into_sql::<diesel::sql_types::Integer>());
        let ask = self.probe.read(Scope::Job("probe"), |connection| one.execute(&mut &*connection).boxed());
        let asked = tokio::time::timeout(PING_TIMEOUT, ask).await;
        asked.unwrap_or_else(|_| Err(Unavailable::new("the database did not answer in time"))).map(|_| ())
    }

    /// The state of the connections, for metrics.
    pub fn status(&self) -> PoolStatus {
        self.app.status()
    }
}

diesel::define_sql_function! {
    /// Names a table, or nothing where there is none.
    fn to_regclass(name: diesel::sql_types::Text) -> diesel::sql_types::Nullable<diesel::sql_types::Oid>;
}

diesel::table! {
    pg_catalog.pg_roles (rolname) {
        rolname -> Text,
        rolsuper -> Bool,
        rolbypassrls -> Bool,
    }
}

/// Opens one connection of each role and asks what cannot be asked later.
async fn check(target: &Target, mode: RlsMode) -> Result<(), ConnectError> {
    let name = Role::App.name();
    let opened = establish(target, Role::App, mode).await;
    let mut connection = opened.map_err(|cause| ConnectError::Unreachable { role: name, cause })?;
    check_schema(&mut connection).await?;
    if let Err(cause) = establish(target, Role::Worker, mode).await {
        // A login as the weak role itself serves; events and old keys then wait for a node that may do jobs.
        tracing::warn!(%cause, "no jobs on this node: let an administrator GRANT frontdesk_worker to its login");
    }
    Ok(())
}

async fn check_schema(connection: &mut AsyncPgConnection) -> Result<(), ConnectError> {
    let found: Vec<Option<u32>> =
        diesel::select(to_regclass("app.idempotency_keys")).load(connection).await.map_err(ConnectError::Check)?;
    if found.iter().all(Option::is_none) {
        return Err(ConnectError::NotMigrated);
    }
    let is_strong = pg_roles::rolsuper.or(pg_roles::rolbypassrls);
    let strong: Vec<bool> = pg_roles::table
        .filter(pg_roles::rolname.eq(Role::App.name()))
        .select(is_strong)
        .load(connection)
        .await
        .map_err(ConnectError::Check)?;
    if strong.contains(&true) { Err(ConnectError::RoleTooStrong(Role::App.name())) } else { Ok(()) }
}
