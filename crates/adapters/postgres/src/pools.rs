//! Pools of connections that work as one role.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bb8::ErrorSink;
use diesel::ConnectionError;
use diesel_async::pooled_connection::bb8::{Pool, PooledConnection};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, PoolError, PoolableConnection, RecyclingMethod,
};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

use crate::connect::{Opened, Target};
use crate::errors::shown;
use crate::scoped::RlsMode;

/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How long opening a connection may take. More than a request waits: it goes on without whoever asked first, for whoever
/// comes next. Otherwise a pool would stay empty where the seven round trips of an opening take longer than a request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How old a connection gets; with a step for each pool, so that they are not all renewed at once.
const MAX_LIFETIME: Duration = Duration::from_mins(30);
const MAX_LIFETIME_STEP: Duration = Duration::from_secs(37);

/// The limits of every statement of the service. Role settings do not apply under `SET ROLE`, so the session has them.
pub(crate) const LIMITS: [(&str, &str); 4] = [
    ("search_path", "app, pg_temp"),
    ("statement_timeout", "'5s'"),
    ("lock_timeout", "'2s'"),
    ("idle_in_transaction_session_timeout", "'10s'"),
];

/// The roles that the service works as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Acts for one user at a time.
    App,
    /// Does jobs over all users.
    Worker,
}

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::App => "frontdesk_app",
            Self::Worker => "frontdesk_worker",
        }
    }
}

/// The state of the connections, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStatus {
    /// Open connections.
    pub connections: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// Requests that got no connection in time, since the start.
    pub timed_out: u64,
    /// Connections that were closed because they were lost or in doubt, since the start.
    pub closed_broken: u64,
}

/// Pools of one role. A thread keeps to one of them, so that a reply wakes the thread that waits for it.
pub(crate) struct Pools {
    pools: Vec<Pool<AsyncPgConnection>>,
}

impl Pools {
    /// Opens nothing yet. `size` connections at most, over `count` pools.
    pub(crate) fn new(target: &Target, role: Role, mode: RlsMode, size: u32, count: u32) -> Self {
        let size = size.max(1);
        // The driver of a connection stays on the runtime that opened it. Where each worker has a pool of its own, that is
        // as it should be. A pool that workers share must not lose its connections with the first of them that ends.
        let runtime = (count > size).then(Handle::try_current).and_then(Result::ok);
        let count = count.clamp(1, size);
        let share = |index: u32| size / count + u32::from(index < size % count);
        let pools =
            (0..count).map(|index| pool(opener(target, role, mode, runtime.clone()), share(index), index)).collect();
        Self { pools }
    }

    /// Takes a connection that was not lost while it lay there.
    pub(crate) async fn get(&self) -> Result<PooledConnection<'_, AsyncPgConnection>, bb8::RunError<PoolError>> {
        let Some(pool) = self.pools.get(slot() % self.pools.len().max(1)) else { return Err(bb8::RunError::TimedOut) };
        loop {
            let mut connection = pool.get().await?;
            // Without a round trip: the driver of a connection notices when the server closes it.
            if !connection.is_broken() {
                return Ok(connection);
            }
        }
    }

    pub(crate) fn status(&self) -> PoolStatus {
        self.pools.iter().map(Pool::state).fold(PoolStatus::default(), |sum, state| PoolStatus {
            connections: sum.connections + state.connections,
            idle: sum.idle + state.idle_connections,
            timed_out: sum.timed_out + state.statistics.get_timed_out,
            closed_broken: sum.closed_broken + state.statistics.connections_closed_broken,
        })
    }
}

/// The number of this thread among those of its kind. Each HTTP worker is a runtime of one thread; the threads of the
/// main runtime are counted apart, so that they do not take a worker's pool out of turn.
fn slot() -> usize {
    static WORKERS: AtomicUsize = AtomicUsize::new(0);
    static OTHERS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static SLOT: Cell<Option<usize>> = const { Cell::new(None) });
    SLOT.with(|slot| {
        slot.get().unwrap_or_else(|| {
            let is_worker =
                Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread);
            let counter = if is_worker { &WORKERS } else { &OTHERS };
            let number = counter.fetch_add(1, Ordering::Relaxed);
            slot.set(Some(number));
            number
        })
    })
}

type Opener = Box<dyn Fn() -> BoxFuture<'static, Result<AsyncPgConnection, ConnectionError>> + Send + Sync>;

fn opener(target: &Target, role: Role, mode: RlsMode, runtime: Option<Handle>) -> Opener {
    let target = target.clone();
    Box::new(move || {
        let (target, runtime) = (target.clone(), runtime.clone());
        let open = async move { establish(&target, role, mode).await };
        let gone = |error: JoinError| ConnectionError::BadConnection(error.to_string());
        match runtime {
            None => open.boxed(),
            Some(runtime) => runtime.spawn(open).map(move |opened| opened.map_err(gone)?).boxed(),
        }
    })
}

fn pool(opener: Opener, size: u32, index: u32) -> Pool<AsyncPgConnection> {
    let mut config = ManagerConfig::default();
    // A round trip less for each request. What it would find is found without one, and a read is tried again.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |_| opener());
    Pool::builder()
        .max_size(size)
        .test_on_check_out(false)
        .connection_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(MAX_LIFETIME + MAX_LIFETIME_STEP * index)
        .error_sink(Box::new(LogErrors))
        .build_unchecked(AsyncDieselConnectionManager::new_with_config(String::new(), config))
}

/// Opens a connection that works as the role.
async fn establish(target: &Target, role: Role, mode: RlsMode) -> Result<AsyncPgConnection, ConnectionError> {
    let open = async {
        let opened = target.open().await.map_err(|error| ConnectionError::BadConnection(shown(&error)))?;
        let mut connection = match opened {
            Opened::Plain(client, driver) => AsyncPgConnection::try_from_client_and_connection(client, *driver).await?,
            Opened::Tls(client, driver) => AsyncPgConnection::try_from_client_and_connection(client, *driver).await?,
        };
        // A pooler in transaction mode would give these to whoever comes next; there every transaction sets its own.
        if mode == RlsMode::Session {
            let setup = session_setup(role);
            connection.batch_execute(&setup).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
        }
        Ok(connection)
    };
    let opened = tokio::time::timeout(CONNECT_TIMEOUT, open).await;
    opened.unwrap_or_else(|_| Err(ConnectionError::BadConnection("no answer in time".to_owned())))
}

fn session_setup(role: Role) -> String {
    let limits = LIMITS.map(|(name, value)| format!("SET {name} = {value}; ")).concat();
    format!("{limits}SET ROLE {}", role.name())
}

/// bb8 tries again by itself and says nothing; an operator wants to know.
#[derive(Debug, Clone, Copy)]
struct LogErrors;

impl ErrorSink<PoolError> for LogErrors {
    fn sink(&self, error: PoolError) {
        tracing::warn!(%error, "a database connection could not be opened");
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<PoolError>> {
        Box::new(*self)
    }
}
