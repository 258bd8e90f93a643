//! The bus over Postgres.

use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::{Entropy, Event, EventBus, EventListener, Unavailable};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client};

use crate::payload::decoded;
use crate::session::{Bus, Failure, Incident, Incoming, Transport, answered, opened};

/// The channel of all nodes on one database.
const CHANNEL: &str = "frontdesk_events";

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
pub struct PgBus(Bus<Postgres>);

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
        Self(Bus::start(Postgres(Box::new(open)), listener, entropy))
    }
}

#[async_trait]
impl EventBus for PgBus {
    async fn publish(&self, events: &[Event]) -> Result<(), Unavailable> {
        self.0.publish(events).await
    }
}

struct Postgres(Open);

impl Postgres {
    async fn link(&self) -> Result<Link, Failure> {
        opened(async { (self.0)().await.map_err(Failure::Refused) }).await
    }
}

impl Transport for Postgres {
    type Client = Client;

    const DEAF: &'static str = "LISTEN has no effect on this connection, as behind a pooler in transaction mode; \
                                connect the event bus to Postgres itself, or through a pooler in session mode";

    fn channel(&self) -> &str {
        CHANNEL
    }

    async fn open(&self, beat: &str) -> Result<(Client, Incoming), Failure> {
        let (client, mut messages) = self.link().await?;
        let listen = format!("LISTEN {CHANNEL}; LISTEN {beat}");
        while_driven(&mut messages, answered(client.batch_execute(&listen))).await?;
        let beat = beat.to_owned();
        let incoming = messages.map(move |message| Ok(incident(&message?, &beat)));
        Ok((client, incoming.boxed()))
    }

    /// In one round trip: the types are known, so nothing has to be prepared.
    async fn send(&self, client: &Client, channel: &str, payloads: &[String]) -> Result<(), Failure> {
        answered(client.execute_typed(NOTIFY, &[(&channel, Type::TEXT), (&payloads, Type::TEXT_ARRAY)])).await?;
        Ok(())
    }

    /// From another connection, while the node's own lies still.
    ///
    /// Its own would prove nothing: a pooler in transaction mode may give it the same session for the LISTEN and for
    /// the NOTIFY, and hand it the echo, and still drop whatever arrives in between.
    async fn prove(&self, _: &Client, beat: &str) -> Result<(), Failure> {
        let (client, mut messages) = self.link().await?;
        while_driven(&mut messages, self.beat(&client, beat)).await
    }
}

/// Waits for a statement on a connection of which nothing else is heard yet.
async fn while_driven(
    messages: &mut Messages,
    statement: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    tokio::select! {
        done = statement => done,
        () = async { while let Some(Ok(_)) = messages.next().await {} } => Err(Failure::Closed),
    }
}

fn incident(message: &AsyncMessage, beat: &str) -> Incident {
    match message {
        AsyncMessage::Notification(heard) if heard.channel() == beat => Incident::Beat,
        AsyncMessage::Notification(heard) if heard.channel() == CHANNEL => {
            let (events, unknown) = decoded(heard.payload().as_bytes());
            Incident::Told { events, unknown, from: Some(heard.process_id()) }
        }
        _ => Incident::Other,
    }
}
