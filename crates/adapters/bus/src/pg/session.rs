//! The connection of the bus: opened, proved, watched, opened again.

use std::convert::Infallible;
use std::error::Error;
use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_kernel::Entropy;
use futures_util::StreamExt;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_postgres::{AsyncMessage, Client, Notification};

use super::{CHANNEL, Failure, Messages, Open, answered, notify, opened};
use crate::backoff::Backoff;
use crate::hearing::Hearing;
use crate::payload::decoded;

/// How often the node tells itself that it lives.
const BEAT: Duration = Duration::from_millis(300);
/// How long no heartbeat may come back.
pub(super) const SILENCE: Duration = Duration::from_millis(900);
/// The first pause between two tries, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// A connection that held so long is opened again without a pause. One that is cut at once every time is not.
const STEADY: Duration = Duration::from_secs(1);

/// This node, as it hears.
pub(super) struct Node {
    open: Open,
    hearing: Hearing,
    entropy: Arc<dyn Entropy>,
    /// What publishers send on; there is none while the bus is lost.
    client: watch::Sender<Option<Arc<Client>>>,
    /// The channel of its heartbeat, which nobody else hears.
    beat: String,
    is_out: bool,
    is_told_deaf: bool,
}

impl Node {
    pub(super) fn new(
        open: Open,
        hearing: Hearing,
        entropy: Arc<dyn Entropy>,
        client: watch::Sender<Option<Arc<Client>>>,
    ) -> Self {
        let mut id = [0; 8];
        entropy.fill(&mut id);
        let mut beat = String::from("frontdesk_beat_");
        for byte in id {
            let _ = write!(beat, "{byte:02x}");
        }
        Self { open, hearing, entropy, client, beat, is_out: false, is_told_deaf: false }
    }

    /// Holds a connection for as long as the task is not aborted.
    pub(super) async fn run(mut self) {
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
        let (client, messages) = match opened(&self.open).await {
            Ok(link) => link,
            Err(failure) => return (failure, None),
        };
        let (client, is_proved) = (Arc::new(client), Notify::new());
        let mut connected_at = None;
        let failure = self.hear(&client, messages, &is_proved, &mut connected_at).await;
        (failure, connected_at)
    }

    async fn hear(
        &mut self,
        client: &Arc<Client>,
        mut messages: Messages,
        is_proved: &Notify,
        connected_at: &mut Option<Instant>,
    ) -> Failure {
        let Self { open, hearing, client: shared, beat, is_out, .. } = self;
        let mut talk = pin!(talk(client, open, beat, is_proved));
        let (mut echo_at, mut is_told_garbled) = (None, false);
        loop {
            tokio::select! {
                // What has arrived counts before the time at which it is read: a machine that was stopped for a second
                // has lost nothing.
                biased;
                Err(failure) = &mut talk => return failure,
                message = messages.next() => match message {
                    None => return Failure::Closed,
                    Some(Err(error)) => return error.into(),
                    Some(Ok(AsyncMessage::Notification(heard))) if heard.channel() == beat => {
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
                    Some(Ok(AsyncMessage::Notification(heard))) if heard.channel() == CHANNEL => {
                        is_told_garbled |= !told(hearing, &heard, is_told_garbled);
                    }
                    Some(Ok(_)) => {}
                },
                () = silence_since(echo_at) => return Failure::Silent,
            }
        }
    }

    /// Once for each outage; a pooler in the way, once for each start.
    fn log(&mut self, failure: &Failure) {
        if matches!(failure, Failure::Deaf) && !std::mem::replace(&mut self.is_told_deaf, true) {
            tracing::warn!(
                "LISTEN has no effect on this connection, as behind a pooler in transaction mode: nodes do not hear \
                 each other; connect the event bus to Postgres itself, or through a pooler in session mode"
            );
        }
        if !std::mem::replace(&mut self.is_out, true) {
            tracing::warn!(cause = shown(failure), "the event bus is lost; it is opened again until it holds");
        }
    }
}

/// Hands on the events of a notification; tells whether all of it was understood.
fn told(hearing: &mut Hearing, heard: &Notification, is_told_garbled: bool) -> bool {
    let (events, unknown) = decoded(heard.payload());
    for event in &events {
        hearing.heard(event);
    }
    if let (Some(cause), false) = (&unknown, is_told_garbled) {
        let backend = heard.process_id();
        tracing::warn!(%cause, backend, "ignored a notification that is no event of this version; more are not logged");
    }
    unknown.is_none()
}

async fn silence_since(echo_at: Option<Instant>) {
    match echo_at {
        Some(at) => tokio::time::sleep_until(at + SILENCE).await,
        // What happens before the first is bounded step by step.
        None => std::future::pending().await,
    }
}

/// What the node says on the connection, one statement after the other, until one fails.
async fn talk(client: &Client, open: &Open, beat: &str, is_proved: &Notify) -> Result<Infallible, Failure> {
    answered(client.batch_execute(&format!("LISTEN {CHANNEL}; LISTEN {beat}"))).await?;
    prove(open, beat).await?;
    tokio::time::timeout(SILENCE, is_proved.notified()).await.map_err(|_| Failure::Deaf)?;
    let mut ticks = tokio::time::interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        notify(client, beat, &[String::new()]).await?;
    }
}

/// Sends the first heartbeat from another connection, while the node's own lies still.
///
/// Its own would prove nothing: a pooler in transaction mode may give it the same session for the LISTEN and for the
/// NOTIFY, and hand it the echo, and still drop whatever arrives in between.
async fn prove(open: &Open, beat: &str) -> Result<(), Failure> {
    let (client, mut messages) = opened(open).await?;
    let payload = [String::new()];
    tokio::select! {
        sent = notify(&client, beat, &payload) => sent,
        () = async { while let Some(Ok(_)) = messages.next().await {} } => Err(Failure::Closed),
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
