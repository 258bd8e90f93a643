//! The bus over Postgres.

mod session;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_kernel::{Entropy, Event, EventBus, EventListener, Unavailable};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client};

use crate::hearing::Hearing;
use crate::payload::encoded;
use session::Node;

/// The channel of all nodes on one database.
const CHANNEL: &str = "frontdesk_events";
/// How long opening a connection may take, and how long a statement.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// All payloads in one transaction: nobody hears the second without the first, also where the statement fails half-way.
/// Notifications live in memory, so their commit need not wait for the disk, and a heartbeat costs no flush. The
/// setting ends with the transaction; behind a pooler, one of the session would stay for whoever comes next.
const NOTIFY: &str = "SELECT pg_notify($1, payload)
    FROM set_config('synchronous_commit', 'off', true), unnest($2::text[]) WITH ORDINALITY AS told (payload, place)
    ORDER BY place";

/// What a connection receives. Whoever polls it drives the connection.
pub type Messages = BoxStream<'static, Result<AsyncMessage, tokio_postgres::Error>>;
/// A connection that was opened for the bus alone.
pub type Link = (Client, Messages);

/// Opens connections; the bus knows nothing of addresses, passwords and TLS.
type Open = Box<dyn Fn() -> BoxFuture<'static, Result<Link, Unavailable>> + Send + Sync>;

/// Carries events over LISTEN/NOTIFY, on a connection of its own.
///
/// - **Publishing** is one statement in a transaction of its own, never in one of a request: a NOTIFY holds a lock of
///   the whole database until its commit.
/// - **Hearing** goes on in one task, which is the only one that calls the listener. Whoever may log in to the
///   database may send notifications. What is no event is logged once per connection and ignored; what is one is
///   believed, so listeners must read what matters from the stores.
/// - **A heartbeat** goes to the node itself, through the database and back. When none has come back for 900 ms, or
///   the connection ends, the bus is lost: it is opened again at once, then with growing pauses up to 1 s.
///
/// An event has to fit one notification (below 8,000 bytes); `publish` refuses one that does not.
pub struct PgBus {
    client: watch::Receiver<Option<Arc<Client>>>,
    task: AbortHandle,
}

impl PgBus {
    /// Starts to connect, on the present runtime. Dropping the bus ends its connection.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn start(
        open: impl Fn() -> BoxFuture<'static, Result<Link, Unavailable>> + Send + Sync + 'static,
        listener: Arc<dyn EventListener>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let (sender, client) = watch::channel(None);
        let node = Node::new(Box::new(open), Hearing::new(listener), entropy, sender);
        Self { client, task: tokio::spawn(node.run()).abort_handle() }
    }
}

impl Drop for PgBus {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl EventBus for PgBus {
    async fn publish(&self, events: &[Event]) -> Result<(), Unavailable> {
        let payloads = encoded(events)?;
        if payloads.is_empty() {
            return Ok(());
        }
        let client = self.client.borrow().clone();
        let client = client.ok_or_else(|| Unavailable::new("the event bus is not connected"))?;
        notify(&client, CHANNEL, &payloads).await.map_err(Unavailable::new)
    }
}

/// Why a connection is of no use (any more).
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no connection within {PATIENCE:?}")]
    NotOpened,
    #[error("no connection")]
    Refused(#[source] Unavailable),
    #[error("no answer to a statement within {PATIENCE:?}")]
    NotAnswered,
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
    #[error("the database closed the connection")]
    Closed,
    #[error("no heartbeat came back for {:?}", session::SILENCE)]
    Silent,
    #[error("the database takes notifications and delivers none")]
    Deaf,
}

async fn opened(open: &Open) -> Result<Link, Failure> {
    let opened = tokio::time::timeout(PATIENCE, open()).await;
    opened.map_err(|_| Failure::NotOpened)?.map_err(Failure::Refused)
}

async fn answered<T>(statement: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Failure> {
    let answered = tokio::time::timeout(PATIENCE, statement).await;
    Ok(answered.map_err(|_| Failure::NotAnswered)??)
}

/// In one round trip: the types are known, so nothing has to be prepared.
async fn notify(client: &Client, channel: &str, payloads: &[String]) -> Result<(), Failure> {
    answered(client.execute_typed(NOTIFY, &[(&channel, Type::TEXT), (&payloads, Type::TEXT_ARRAY)])).await?;
    Ok(())
}
