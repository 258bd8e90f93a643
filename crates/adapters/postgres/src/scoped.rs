//! The only way to a connection: on behalf of somebody, for a bounded time.

use std::fmt::Write as _;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use diesel::QueryResult;
use diesel::result::Error;
use diesel_async::pooled_connection::bb8::PooledConnection;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection, TransactionManager};
use frontdesk_kernel::{Unavailable, UserId};
use futures_util::future::{BoxFuture, join, join3};

use crate::errors::{is_connection_lost, is_read_only};
use crate::outbox::Committed;
use crate::pools::{LIMITS, PoolStatus, Pools, Role};

/// How long an operation may take in all, the wait for a connection included.
const DEADLINE: Duration = Duration::from_millis(2_200);

/// How the user in scope reaches the server (`RLS_MODE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RlsMode {
    /// A setting of the session around each statement: one round trip.
    #[default]
    Session,
    /// A setting of the transaction, for poolers that give every transaction another session (`PgBouncer`).
    Transaction,
}

/// On whose behalf a statement runs. Policies show exactly the rows that belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope<'a> {
    /// A user.
    User(UserId),
    /// Whoever has this username, in its comparison form; nobody is in scope at a sign-in.
    Login(&'a str),
    /// The principal of an idempotency key.
    Principal(&'a str),
    /// A job of a worker; of the service, where rows are nobody's alone.
    Job(&'static str),
}

impl Scope<'_> {
    const fn setting(&self) -> &'static str {
        match self {
            Self::User(_) => "app.user_id",
            Self::Login(_) => "app.login_name",
            Self::Principal(_) => "app.principal",
            Self::Job(_) => "app.job",
        }
    }

    fn value(&self) -> String {
        match *self {
            Self::User(user) => user.to_string(),
            Self::Login(text) | Self::Principal(text) => text.to_owned(),
            Self::Job(job) => job.to_owned(),
        }
    }
}

diesel::define_sql_function! {
    /// Sets a parameter of the session; the DSL's form, because its prepared statement is cached.
    fn set_config(name: diesel::sql_types::Text, value: diesel::sql_types::Text, is_local: diesel::sql_types::Bool) -> diesel::sql_types::Text;
}

diesel::define_sql_function! {
    /// Tells a parameter of the session.
    fn current_setting(name: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// A connection on loan. Unless it is handed back in a known state, it is closed and never used again.
struct Lease<'a> {
    connection: PooledConnection<'a, AsyncPgConnection>,
    is_clean: bool,
}

impl Drop for Lease<'_> {
    /// A future dropped half-way leaves another user's setting, an open transaction or unread rows behind.
    fn drop(&mut self) {
        if !self.is_clean {
            <AsyncPgConnection as AsyncConnection>::TransactionManager::transaction_manager_status_mut(
                &mut *self.connection,
            )
            .set_in_error();
        }
    }
}

/// The connection of a transaction that is under way. `'env` is what its body borrows from outside; naming it here is
/// what lets the body's future borrow from both.
#[derive(Clone, Copy)]
pub(crate) struct Unit<'c, 'env> {
    pub(crate) connection: &'c AsyncPgConnection,
    env: PhantomData<&'c &'env ()>,
}

/// Lends connections of one role, each time on somebody's behalf.
#[derive(Clone)]
pub(crate) struct Scoped {
    pools: Arc<Pools>,
    role: Role,
    mode: RlsMode,
    committed: Committed,
}

impl Scoped {
    pub(crate) fn new(pools: Arc<Pools>, role: Role, mode: RlsMode) -> Self {
        Self { pools, role, mode, committed: Committed::default() }
    }

    /// Hears of each transaction that commits here.
    pub(crate) fn committed(&self) -> Committed {
        self.committed.clone()
    }

    pub(crate) fn status(&self) -> PoolStatus {
        self.pools.status()
    }

    /// Reads in one flush; once more on another connection where the first was lost.
    ///
    /// `run` MUST issue all it has to say when it is first polled: what comes later runs after the scope has ended,
    /// and sees no row.
    pub(crate) async fn read<T: Send>(
        &self,
        scope: Scope<'_>,
        run: impl for<'c> Fn(&'c AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>> + Send + Sync,
    ) -> Result<T, Unavailable> {
        within_deadline(async {
            match self.attempt(scope, &run).await? {
                Err(error) if is_connection_lost(&error) => self.attempt(scope, &run).await?.map_err(Unavailable::new),
                done => done.map_err(Unavailable::new),
            }
        })
        .await
    }

    /// As [`Self::read`], for a statement that writes: it is never repeated.
    pub(crate) async fn statement<T: Send>(
        &self,
        scope: Scope<'_>,
        run: impl for<'c> Fn(&'c AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>> + Send + Sync,
    ) -> Result<T, Unavailable> {
        within_deadline(async { self.attempt(scope, &run).await?.map_err(Unavailable::new) }).await
    }

    async fn attempt<T: Send>(
        &self,
        scope: Scope<'_>,
        run: &(impl for<'c> Fn(&'c AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>> + Send + Sync),
    ) -> Result<QueryResult<T>, Unavailable> {
        let mut lease = self.lease().await?;
        let done = match self.mode {
            RlsMode::Session => in_session(&mut lease, scope, run).await,
            RlsMode::Transaction => {
                let prelude = self.prelude(&[scope]);
                in_transaction(&mut lease, &prelude, |unit| run(unit.connection), |error| error).await
            }
        };
        Ok(done)
    }

    /// Runs several statements together or not at all. An error of `body` takes everything back.
    ///
    /// What `body` issues when it is first polled goes out together with the BEGIN. That is sound also on a
    /// connection that has to prepare its statements first: the BEGIN carries the scope and waits for nothing, so it
    /// is always ahead; and were it refused, the statements behind it would find nobody in scope and see no row.
    pub(crate) async fn transaction<'env, T, E>(
        &self,
        scopes: &[Scope<'_>],
        body: impl for<'c> FnOnce(Unit<'c, 'env>) -> BoxFuture<'c, Result<T, E>> + Send,
    ) -> Result<T, E>
    where
        T: Send,
        E: From<Unavailable> + Send,
    {
        let run = async {
            let mut lease = self.lease().await?;
            let prelude = self.prelude(scopes);
            let done = in_transaction(&mut lease, &prelude, body, |error| Unavailable::new(error).into()).await;
            if done.is_ok() {
                self.committed.signal();
            }
            done
        };
        within_deadline(run).await
    }

    async fn lease(&self) -> Result<Lease<'_>, Unavailable> {
        let connection = self.pools.get().await.map_err(|error| match error {
            bb8::RunError::TimedOut => Unavailable::new("no database connection was free in time"),
            bb8::RunError::User(error) => Unavailable::new(error),
        })?;
        Ok(Lease { connection, is_clean: false })
    }

    /// Opens a transaction in the given scopes. One message, so nothing can come between its parts.
    fn prelude(&self, scopes: &[Scope<'_>]) -> String {
        let mut sql = String::from("BEGIN");
        if self.mode == RlsMode::Transaction {
            for (name, value) in LIMITS {
                let _ = write!(sql, "; SET LOCAL {name} = {value}");
            }
            let _ = write!(sql, "; SET LOCAL ROLE {}", self.role.name());
        }
        for scope in scopes {
            let _ = write!(sql, "; SET LOCAL {} = {}", scope.setting(), quoted(&scope.value()));
        }
        sql
    }
}

/// A literal that no setting of the server reads differently.
fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

async fn within_deadline<T, E: From<Unavailable>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let done = tokio::time::timeout(DEADLINE, work).await;
    done.unwrap_or_else(|_| Err(Unavailable::new("the database did not answer in time").into()))
}

/// Sets the scope, runs, clears the scope: three messages in one flush, one round trip.
///
/// `join3` polls in order, and each statement enters the queue of the connection's statement cache when it is first
/// polled, so they reach the server in this order also where they must be prepared first.
async fn in_session<T: Send>(
    lease: &mut Lease<'_>,
    scope: Scope<'_>,
    run: &(impl for<'c> Fn(&'c AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>> + Send + Sync),
) -> QueryResult<T> {
    let connection: &AsyncPgConnection = &lease.connection;
    let set = diesel::select(set_config(scope.setting(), scope.value(), false)).execute(&mut &*connection);
    let clear = diesel::select(set_config(scope.setting(), "", false)).execute(&mut &*connection);
    let (set, done, cleared) = join3(set, run(connection), clear).await;
    lease.is_clean = set.is_ok() && cleared.is_ok() && !done.as_ref().is_err_and(is_read_only);
    // A statement whose scope failed has seen nobody's rows, which is not the answer to the question.
    set.and(done)
}

async fn in_transaction<'env, T, E>(
    lease: &mut Lease<'_>,
    prelude: &str,
    body: impl for<'c> FnOnce(Unit<'c, 'env>) -> BoxFuture<'c, Result<T, E>> + Send,
    unavailable: impl Fn(Error) -> E + Send,
) -> Result<T, E> {
    let connection: &AsyncPgConnection = &lease.connection;
    let (mut for_begin, mut for_end) = (connection, connection);
    let (begun, done) = join(for_begin.batch_execute(prelude), body(Unit { connection, env: PhantomData })).await;
    begun.map_err(&unavailable)?;
    let (end, is_writable) = match done {
        // In a transaction that has failed, a bare COMMIT is answered as if all were well. The SELECT is refused.
        Ok(_) => (for_end.batch_execute("SELECT 1; COMMIT").await, Ok(true)),
        Err(_) => join(for_end.batch_execute("ROLLBACK"), is_writable(connection)).await,
    };
    lease.is_clean = end.is_ok() && is_writable.unwrap_or(false);
    match (done, end) {
        (Ok(done), Ok(())) => Ok(done),
        (Ok(_), Err(error)) => Err(unavailable(error)),
        (Err(error), _) => Err(error),
    }
}

/// Tells whether the session may write. One that was opened while the database took no writes is told so for good; the
/// server may have recovered long ago. Asked behind a ROLLBACK, so without another round trip.
pub(crate) async fn is_writable(connection: &AsyncPgConnection) -> Result<bool, Unavailable> {
    let setting = diesel::select(current_setting("transaction_read_only")).load::<String>(&mut &*connection).await;
    Ok(setting.map_err(Unavailable::new)?.iter().all(|setting| setting == "off"))
}

#[cfg(test)]
mod tests;
