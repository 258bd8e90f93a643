//! The connection of a bus: opened, proved, watched, opened again. The same for whatever carries the events.

use std::convert::Infallible;
use std::error::Error;
use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::{Entropy, Event, EventListener, Unavailable};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::backoff::Backoff;
use crate::hearing::Hearing;
use crate::payload::{Unknown, encoded};

/// How long opening a connection may take, and how long a statement.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How often the node tells itself that it lives.
const BEAT: Duration = Duration::from_millis(300);
/// How long no heartbeat may come back.
const SILENCE: Duration = Duration::from_millis(900);
/// The first pause between two tries, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// A connection that held so long is opened again without a pause. One that is cut at once every time is not.
const STEADY: Duration = Duration::from_secs(1);

/// What carries events from node to node.
pub(crate) trait Transport: Send + Sync + 'static {
    /// What a node sends on.
    type Client: Send + Sync + 'static;

    /// Why a connection may take what is sent and deliver nothing.
    const DEAF: &'static str;

    /// The channel of all nodes.
    fn channel(&self) -> &str;

    /// Opens a connection that hears the channel of all nodes and the one of this node's heartbeat.
    fn open(&self, beat: &str) -> impl Future<Output = Result<(Self::Client, Incoming), Failure>> + Send;

    /// Sends payloads in their order: nobody hears the second without the first.
    fn send(
        &self,
        client: &Self::Client,
        channel: &str,
        payloads: &[String],
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Sends one heartbeat.
    fn beat(&self, client: &Self::Client, beat: &str) -> impl Future<Output = Result<(), Failure>> + Send {
        async { self.send(client, beat, &[String::new()]).await }
    }

    /// Sends the first heartbeat, in such a way that others are heard where it is.
    fn prove(&self, client: &Self::Client, beat: &str) -> impl Future<Output = Result<(), Failure>> + Send {
        self.beat(client, beat)
    }
}

/// What a connection receives. It ends with the connection.
pub(crate) type Incoming = BoxStream<'static, Result<Incident, Failure>>;

/// Something that a connection receives.
pub(crate) enum Incident {
    /// The node's own heartbeat.
    Beat,
    /// A payload, with the first thing in it that is no event; `from` is the sender where that is known.
    Told { events: Vec<Event>, unknown: Option<Unknown>, from: Option<i32> },
    /// Nothing for this node.
    Other,
}

/// Why a connection is of no use (any more).
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no connection within {PATIENCE:?}")]
    NotOpened,
    #[error("no connection")]
    Refused(#[source] Unavailable),
    #[error("no answer to a statement within {PATIENCE:?}")]
    NotAnswered,
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] ::redis::RedisError),
    #[error("the other end closed the connection")]
    Closed,
    #[error("no heartbeat came back for {SILENCE:?}")]
    Silent,
    /// With what an operator should know of it.
    #[error("what is sent is taken and not delivered")]
    Deaf(&'static str),
}

/// Waits for a connection, no longer than `PATIENCE`.
pub(crate) async fn opened<T, E>(opening: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
where
    Failure: From<E>,
{
    let opened = tokio::time::timeout(PATIENCE, opening).await;
    Ok(opened.map_err(|_| Failure::NotOpened)??)
}

/// Waits for the answer to a statement, no longer than `PATIENCE`.
pub(crate) async fn answered<T, E>(statement: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
where
    Failure: From<E>,
{
    let answered = tokio::time::timeout(PATIENCE, statement).await;
    Ok(answered.map_err(|_| Failure::NotAnswered)??)
}

/// A bus over a transport. Dropping it ends its connection.
pub(crate) struct Bus<T: Transport> {
    transport: Arc<T>,
    /// There is none while the bus is lost.
    client: watch::Receiver<Option<Arc<T::Client>>>,
    task: AbortHandle,
}

impl<T: Transport> Bus<T> {
    pub(crate) fn start(transport: T, listener: Arc<dyn EventListener>, entropy: Arc<dyn Entropy>) -> Self {
        let (transport, (sender, client)) = (Arc::new(transport), watch::channel(None));
        let node = Node::new(Arc::clone(&transport), Hearing::new(listener), entropy, sender);
        Self { transport, client, task: tokio::spawn(node.run()).abort_handle() }
    }

    pub(crate) async fn publish(&self, events: &[Event]) -> Result<(), Unavailable> {
        let payloads = encoded(events)?;
        if payloads.is_empty() {
            return Ok(());
        }
        let client = self.client.borrow().clone();
        let client = client.ok_or_else(|| Unavailable::new("the event bus is not connected"))?;
        self.transport.send(&client, self.transport.channel(), &payloads).await.map_err(Unavailable::new)
    }
}

impl<T: Transport> Drop for Bus<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// This node, as it hears.
struct Node<T: Transport> {
    transport: Arc<T>,
    hearing: Hearing,
    entropy: Arc<dyn Entropy>,
    /// What publishers send on.
    client: watch::Sender<Option<Arc<T::Client>>>,
    /// The channel of its heartbeat, which nobody else hears.
    beat: String,
    is_out: bool,
    is_told_deaf: bool,
}

impl<T: Transport> Node<T> {
    fn new(
        transport: Arc<T>,
        hearing: Hearing,
        entropy: Arc<dyn Entropy>,
        client: watch::Sender<Option<Arc<T::Client>>>,
    ) -> Self {
        let mut id = [0; 8];
        entropy.fill(&mut id);
        let mut beat = format!("{}_beat_", transport.channel());
        for byte in id {
            let _ = write!(beat, "{byte:02x}");
        }
        Self { transport, hearing, entropy, client, beat, is_out: false, is_told_deaf: false }
    }

    /// Holds a connection for as long as the task is not aborted.
    async fn run(mut self) {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        loop {
            let (failure, connected_at) = self.session().await;
            self.client.send_replace(None);
            if connected_at.is_some() {
                self.hearing.lost();
            }
            self.log(&failure);
            if connected_at.is_some_and(|at| at.elapsed() >= STEADY) {
                backoff.reset();
            } else {
                tokio::time::sleep(backoff.wait(self.entropy.as_ref())).await;
            }
        }
    }

    /// One connection, from its opening to its end: what ended it, and since when it had been good.
    async fn session(&mut self) -> (Failure, Option<Instant>) {
        let (client, incoming) = match self.transport.open(&self.beat).await {
            Ok(link) => link,
            Err(failure) => return (failure, None),
        };
        let (client, is_proved) = (Arc::new(client), Notify::new());
        let mut connected_at = None;
        let failure = self.hear(&client, incoming, &is_proved, &mut connected_at).await;
        (failure, connected_at)
    }

    async fn hear(
        &mut self,
        client: &Arc<T::Client>,
        mut incoming: Incoming,
        is_proved: &Notify,
        connected_at: &mut Option<Instant>,
    ) -> Failure {
        let Self { transport, hearing, client: shared, beat, is_out, .. } = self;
        let mut talk = pin!(talk(transport.as_ref(), client, beat, is_proved));
        let (mut echo_at, mut is_told_garbled) = (None, false);
        loop {
            tokio::select! {
                // What has arrived counts before the time at which it is read: a machine that was stopped for a second
                // has lost nothing.
                biased;
                Err(failure) = &mut talk => return failure,
                incident = incoming.next() => match incident {
                    None => return Failure::Closed,
                    Some(Err(failure)) => return failure,
                    Some(Ok(Incident::Beat)) => {
                        echo_at = Some(Instant::now());
                        if connected_at.is_none() {
                            *connected_at = echo_at;
                            is_proved.notify_one();
                            shared.send_replace(Some(Arc::clone(client)));
                            hearing.connected();
                            if std::mem::take(is_out) {
                                tracing::info!("the event bus is connected again");
                            }
                        }
                    }
                    Some(Ok(Incident::Told { events, unknown, from })) => {
                        for event in &events {
                            hearing.heard(event);
                        }
                        if let Some(cause) = unknown && !std::mem::replace(&mut is_told_garbled, true) {
                            log_garbled(&cause, from);
                        }
                    }
                    Some(Ok(Incident::Other)) => {}
                },
                () = silence_since(echo_at) => return Failure::Silent,
            }
        }
    }

    /// Once for each outage; a connection that delivers nothing, once for each start.
    fn log(&mut self, failure: &Failure) {
        if let Failure::Deaf(advice) = failure
            && !std::mem::replace(&mut self.is_told_deaf, true)
        {
            tracing::warn!("nodes do not hear each other: {advice}");
        }
        if !std::mem::replace(&mut self.is_out, true) {
            tracing::warn!(cause = shown(failure), "the event bus is lost; it is opened again until it holds");
        }
    }
}

fn log_garbled(cause: &Unknown, backend: Option<i32>) {
    tracing::warn!(%cause, backend, "ignored a notification that is no event of this version; more are not logged");
}

async fn silence_since(echo_at: Option<Instant>) {
    match echo_at {
        Some(at) => tokio::time::sleep_until(at + SILENCE).await,
        // What happens before the first is bounded step by step.
        None => std::future::pending().await,
    }
}

/// What the node says on the connection, one heartbeat after the other, until one fails.
async fn talk<T: Transport>(
    transport: &T,
    client: &T::Client,
    beat: &str,
    is_proved: &Notify,
) -> Result<Infallible, Failure> {
    transport.prove(client, beat).await?;
    tokio::time::timeout(SILENCE, is_proved.notified()).await.map_err(|_| Failure::Deaf(T::DEAF))?;
    let mut ticks = tokio::time::interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        transport.beat(client, beat).await?;
    }
}

/// An error with its causes, on one line.
fn shown(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text.replace('\n', "; ")
}
