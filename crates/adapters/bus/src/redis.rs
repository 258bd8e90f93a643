//! The bus over Redis, or over Valkey, which speaks the same.

mod url;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::{Entropy, Event, EventBus, EventListener, Unavailable};
use futures_util::{StreamExt, future};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Msg, RedisError, Value};

pub use url::{MalformedRedisUrl, RedisUrl};

use crate::payload::decoded;
use crate::session::{Bus, Failure, Incident, Incoming, Transport, answered, opened};

/// How the channel of all nodes begins; the number of the database follows.
const CHANNEL: &str = "frontdesk_events";

const REPLICA: &str = "this Redis is a replica, and what is published on one reaches no other server; name the primary";

/// Where the bus finds Redis, and which nodes share it.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// The server. Nodes whose URLs differ in the number of the database do not hear each other.
    pub url: RedisUrl,
    /// How the names of the channels begin, for nodes that share a server and a database and shall not hear each other.
    pub prefix: String,
}

impl From<RedisUrl> for RedisConfig {
    fn from(url: RedisUrl) -> Self {
        Self { url, prefix: String::new() }
    }
}

/// Carries events over PUBLISH and SUBSCRIBE, on two connections of its own: one speaks, one hears.
///
/// - **Publishing** is one transaction (MULTI), so that nobody hears the second payload without the first.
/// - **Hearing** goes on in one task, which is the only one that calls the listener. Whoever may log in to Redis may
///   publish. What is no event is logged once per connection and ignored; what is one is believed, so listeners must
///   read what matters from the stores.
/// - **A heartbeat** goes to the node itself, through Redis and back. When none has come back for 900 ms, or a
///   connection ends, or the server has become a replica, the bus is lost: it is opened again at once, then with
///   growing pauses up to 1 s.
///
/// Redis keeps nothing of it. A login needs SUBSCRIBE, PUBLISH, MULTI, EXEC, and the channels that begin with
/// `frontdesk_events`; with HELLO, replicas are told apart.
pub struct RedisBus(Bus<Redis>);

impl RedisBus {
    /// Starts to connect, on the present runtime. Dropping the bus ends its connections.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn start(config: RedisConfig, listener: Arc<dyn EventListener>, entropy: Arc<dyn Entropy>) -> Self {
        let RedisConfig { url, prefix } = config;
        // Channels know no databases, so the number is in the name.
        let channel = format!("{prefix}{CHANNEL}_{}", url.database());
        Self(Bus::start(Redis { client: url.client(), channel }, listener, entropy))
    }
}

#[async_trait]
impl EventBus for RedisBus {
    async fn publish(&self, events: &[Event]) -> Result<(), Unavailable> {
        self.0.publish(events).await
    }
}

struct Redis {
    client: Client,
    channel: String,
}

impl Redis {
    async fn connect(&self, beat: &str) -> Result<(MultiplexedConnection, Incoming), RedisError> {
        // The bus has a patience of its own, for all of it.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let speaks = self.client.get_multiplexed_async_connection_with_config(&config);
        let (speaks, hears) = future::try_join(speaks, self.client.get_async_pubsub()).await?;
        let (mut sink, messages) = hears.split();
        sink.subscribe(&[self.channel.as_str(), beat]).await?;
        let (channel, beat) = (self.channel.clone(), beat.to_owned());
        let incoming = messages.map(move |message| Ok(incident(&message, &channel, &beat)));
        Ok((speaks, incoming.boxed()))
    }
}

impl Transport for Redis {
    type Client = MultiplexedConnection;

    const DEAF: &'static str =
        "Redis takes what is published and delivers nothing; connect the event bus to the server itself";

    fn channel(&self) -> &str {
        &self.channel
    }

    async fn open(&self, beat: &str) -> Result<(MultiplexedConnection, Incoming), Failure> {
        opened(self.connect(beat)).await
    }

    async fn send(&self, client: &MultiplexedConnection, channel: &str, payloads: &[String]) -> Result<(), Failure> {
        let mut told = redis::pipe();
        told.atomic();
        for payload in payloads {
            told.cmd("PUBLISH").arg(channel).arg(payload).ignore();
        }
        answered(told.exec_async(&mut client.clone())).await
    }

    /// Asks each time, since a primary may become a replica, where a node hears itself and nobody else hears it.
    async fn beat(&self, client: &MultiplexedConnection, beat: &str) -> Result<(), Failure> {
        if is_replica(client).await? {
            return Err(Failure::Deaf(REPLICA));
        }
        self.send(client, beat, &[String::new()]).await
    }
}

/// Tells whether what is published here stays here. Servers of a cluster pass it on, replicas too.
async fn is_replica(client: &MultiplexedConnection) -> Result<bool, Failure> {
    let mut client = client.clone();
    let hello = answered(async {
        // A server that is too old to say, or does not let this login ask, is taken for what the operator says it is. A
        // connection that broke is noticed by the heartbeat itself.
        let told = redis::cmd("HELLO").query_async::<HashMap<String, Value>>(&mut client).await;
        Ok::<_, Failure>(told.unwrap_or_default())
    })
    .await?;
    let is = |key: &str, value: &str| hello.get(key) == Some(&Value::BulkString(value.into()));
    Ok(is("role", "replica") && !is("mode", "cluster"))
}

fn incident(message: &Msg, channel: &str, beat: &str) -> Incident {
    let heard_on = message.get_channel_name();
    if heard_on == beat {
        Incident::Beat
    } else if heard_on == channel {
        let (events, unknown) = decoded(message.get_payload_bytes());
        Incident::Told { events, unknown, from: None }
    } else {
        Incident::Other
    }
}
