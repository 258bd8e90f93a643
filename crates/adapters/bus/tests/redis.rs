//! What happens to the bus over Redis when its connections go away, and who may disturb it.

#![cfg(feature = "redis")]
#![expect(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use frontdesk_bus::{RedisBus, RedisConfig, RedisUrl};
use frontdesk_kernel::{Event, EventBody, EventBus, EventListener, SessionId};
use frontdesk_testkit::builders::SeededEntropy;
use frontdesk_testkit::contract::event_bus::{Ear, Told, event, events};
use frontdesk_testkit::postgres::{Line, line_to};
use frontdesk_testkit::redis::{prefix, server, url};
use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::subscriber::DefaultGuard;

fn config(url: &str) -> RedisConfig {
    RedisConfig { url: RedisUrl::parse(url).unwrap(), prefix: prefix() }
}

/// Starts a bus with a listener of its own.
fn started(config: &RedisConfig) -> (RedisBus, Arc<Ear>) {
    static SEED: AtomicU32 = AtomicU32::new(0);
    let ear = Ear::new();
    let entropy = SeededEntropy::new(SEED.fetch_add(1, Ordering::Relaxed).into());
    (RedisBus::start(config.clone(), ear.clone(), Arc::new(entropy)), ear)
}

async fn admin(url: &str) -> MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn run(admin: &mut MultiplexedConnection, command: &str) {
    let mut words = command.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    for word in words {
        command.arg(word);
    }
    command.exec_async(admin).await.unwrap();
}

/// Publishes an event on one bus and waits until all listeners have heard it.
async fn flows(bus: &RedisBus, ears: &[&Ear]) {
    let event = event();
    bus.publish(std::slice::from_ref(&event)).await.unwrap();
    for ear in ears {
        assert_eq!(ear.events(1).await, std::slice::from_ref(&event));
    }
}

#[tokio::test]
async fn connections_that_the_server_ends_are_lost_and_opened_again() {
    let Some(server) = server().await else { return };
    let (mut admin, config) = (admin(&server.url()).await, config(&server.url()));
    let (bus, ear) = started(&config);
    let (_other, other) = started(&config);
    for of_a_kind in ["pubsub", "normal", "pubsub"] {
        ear.until_connected().await;
        other.until_connected().await;
        flows(&bus, &[&ear, &other]).await;
        let started = Instant::now();
        run(&mut admin, &format!("CLIENT KILL TYPE {of_a_kind}")).await;
        ear.until_lost().await;
        other.until_lost().await;
        assert!(started.elapsed() < Duration::from_millis(1_500), "{:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_on_which_nothing_arrives_any_more_is_lost_within_a_second_and_used_again_when_it_is_mended() {
    let Some(server) = server().await else { return };
    let (through, line) = line_to(&server.url()).await;
    let near = config(&through);
    let (bus, ear) = started(&near);
    let (far_bus, far) = started(&RedisConfig { prefix: near.prefix, ..config(&server.url()) });
    for cut in [Line::Silent, Line::Down] {
        ear.until_connected().await;
        far.rest().await;
        flows(&bus, &[&ear]).await;
        line.send(cut).unwrap();
        let started = Instant::now();
        ear.until_lost().await;
        // A heartbeat that was on its way counts, and a busy machine may be late.
        assert!(started.elapsed() < Duration::from_millis(1_500), "{:?}", started.elapsed());
        let started = Instant::now();
        assert!(bus.publish(&[event()]).await.is_err());
        assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
        far_bus.publish(&[event()]).await.unwrap();
        line.send(Line::Up).unwrap();
    }
    ear.until_connected().await;
    assert_eq!(ear.rest().await, [], "what was published in between is not heard");
}

/// What happens to the connections of a gate.
enum Passed {
    Opened,
    Closed,
}

/// Passes connections on to a server, all but the first few, which it accepts and leaves without an answer.
async fn gate(url: &str, silent: u32) -> (String, mpsc::UnboundedReceiver<Passed>) {
    let address = url.split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gated = url.replace(&address, &listener.local_addr().unwrap().to_string());
    let (sender, passed) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for index in 0.. {
            let (mut near, _) = listener.accept().await.unwrap();
            let (sender, address) = (sender.clone(), address.clone());
            tokio::spawn(async move {
                // The test may have ended.
                sender.send(Passed::Opened).ok();
                if index < silent {
                    while near.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                } else {
                    let mut far = TcpStream::connect(address).await.unwrap();
                    copy_bidirectional(&mut near, &mut far).await.ok();
                }
                sender.send(Passed::Closed).ok();
            });
        }
    });
    (gated, passed)
}

/// The URL of the shared server, with a login that a line or a gate finds its way by.
async fn gateable() -> Option<String> {
    let url = url().await?;
    let is_whole = url.rsplit_once('/').is_some_and(|(head, _)| head.contains('@'));
    assert!(is_whole, "TEST_REDIS_URL must be like redis://user@host:port/0");
    Some(url)
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_at_first_is_connected_to_later() {
    let Some(url) = gateable().await else { return };
    let (url, line) = line_to(&url).await;
    line.send(Line::Down).unwrap();
    let (bus, ear) = started(&config(&url));
    assert!(bus.publish(&[event()]).await.is_err());
    tokio::task::yield_now().await;
    line.send(Line::Up).unwrap();
    assert_eq!(ear.next().await, Told::Connected, "what was never there is not lost");
    flows(&bus, &[&ear]).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_and_tried_again() {
    let Some(url) = gateable().await else { return };
    let (url, mut passed) = gate(&url, 3).await;
    let (bus, ear) = started(&config(&url));
    passed.recv().await.unwrap();
    assert!(bus.publish(&[event()]).await.is_err());
    assert_eq!(ear.next().await, Told::Connected);
    flows(&bus, &[&ear]).await;
}

#[tokio::test]
async fn dropping_the_bus_closes_its_connections() {
    let Some(url) = gateable().await else { return };
    let (url, mut passed) = gate(&url, 0).await;
    let (bus, ear) = started(&config(&url));
    ear.until_connected().await;
    let mut open = 0;
    while let Ok(Passed::Opened) = passed.try_recv() {
        open += 1;
    }
    assert_eq!(open, 2, "one speaks, one hears");
    drop(bus);
    while open > 0 {
        assert!(matches!(passed.recv().await, Some(Passed::Closed)));
        open -= 1;
    }
}

#[tokio::test]
async fn a_wrong_password_never_connects_and_is_never_told() {
    let Some(url) = gateable().await else { return };
    let (log, _guard) = Log::start();
    let (url, mut passed) = gate(&url, 0).await;
    let at = url.split_once('@').unwrap().1;
    let config = config(&format!("redis://nobody:hunter2@{at}"));
    let (bus, ear) = started(&config);
    // Each try is two connections.
    for _ in 0..12 {
        passed.recv().await.unwrap();
    }
    let error = bus.publish(&[event()]).await.unwrap_err();
    assert_eq!(ear.rest().await, []);
    let told = format!("{}{error}{error:?}{config:?}", log.lines().join("\n"));
    assert!(told.contains("the event bus is lost") && !told.contains("hunter2"), "{told}");
    assert_eq!(log.lines().len(), 1, "once for the whole outage: {told}");
}

#[tokio::test]
async fn a_login_needs_the_channels_of_the_bus_and_four_commands() {
    let Some(server) = server().await else { return };
    let mut admin = admin(&server.url()).await;
    let rights = "reset on >p@ss/word &frontdesk_events* +subscribe +publish +multi +exec";
    run(&mut admin, &format!("ACL SETUSER desk {rights}")).await;
    let url = server.url().replace("default@", "desk:p%40ss%2Fword@").replace("/0", "/15");
    let (bus, ear) = started(&RedisUrl::parse(&url).unwrap().into());
    ear.until_connected().await;
    flows(&bus, &[&ear]).await;
}

#[tokio::test]
async fn nodes_of_another_database_or_another_prefix_are_not_heard() {
    let Some(server) = server().await else { return };
    let one = config(&server.url());
    let other_database = RedisConfig { prefix: one.prefix.clone(), ..config(&server.url().replace("/0", "/1")) };
    let other_prefix = config(&server.url());
    let nodes = [&one, &other_database, &other_prefix, &one].map(started);
    for (_, ear) in &nodes {
        ear.until_connected().await;
    }
    // What should not have been heard in the first round would be heard before the second.
    for _ in 0..2 {
        let told = events(nodes.len());
        for ((bus, _), event) in nodes.iter().zip(&told) {
            bus.publish(std::slice::from_ref(event)).await.unwrap();
        }
        for ((_, ear), expected) in nodes.iter().zip([vec![0, 3], vec![1], vec![2], vec![0, 3]]) {
            let expected: Vec<_> = expected.into_iter().map(|index: usize| told[index].clone()).collect();
            assert_eq!(ear.events(expected.len()).await, expected);
        }
    }
}

#[tokio::test]
async fn a_server_that_becomes_a_replica_is_lost_until_it_is_none() {
    let Some(server) = server().await else { return };
    let mut admin = admin(&server.url()).await;
    let (bus, ear) = started(&config(&server.url()));
    ear.until_connected().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    run(&mut admin, &format!("REPLICAOF 127.0.0.1 {}", silent.local_addr().unwrap().port())).await;
    ear.until_lost().await;
    assert!(bus.publish(&[event()]).await.is_err());
    run(&mut admin, "REPLICAOF NO ONE").await;
    ear.until_connected().await;
    flows(&bus, &[&ear]).await;
}

#[tokio::test]
async fn what_is_no_event_is_ignored_and_disturbs_nothing_and_is_logged_once() {
    let Some(url) = url().await else { return };
    let (mut admin, config) = (admin(&url).await, config(&url));
    let (log, _guard) = Log::start();
    let (bus, ear) = started(&config);
    ear.until_connected().await;
    let channel = format!("{}frontdesk_events_0", config.prefix);
    let (deep, large) = ("[".repeat(7_000), format!("[{}]", " ".repeat(1_000_000)));
    let text = ["", "garbage", "null", "{}", "[]", "[1, {}, null]", "\u{1F600}", &deep, &large].map(str::as_bytes);
    for garbage in text.into_iter().chain([[0xff, 0xfe].as_slice()]) {
        redis::cmd("PUBLISH").arg(&channel).arg(garbage).exec_async(&mut admin).await.unwrap();
    }
    flows(&bus, &[&ear]).await;
    assert_eq!(ear.rest().await, []);
    let lines = log.lines();
    assert!(lines.len() == 1 && lines[0].contains("ignored a notification"), "{lines:?}");
}

#[tokio::test]
async fn an_event_that_fits_no_payload_is_refused_and_the_bus_goes_on() {
    let Some(url) = url().await else { return };
    let (bus, ear) = started(&config(&url));
    ear.until_connected().await;
    let sessions = vec![SessionId::new(uuid::Uuid::max()); 300];
    let large = Event { body: EventBody::SessionsEnded { sessions, everywhere: false }, ..event() };
    assert!(bus.publish(&[event(), large]).await.is_err());
    flows(&bus, &[&ear]).await;
}

/// Panics at its first event.
struct Clumsy(Arc<Ear>, AtomicU32);

impl EventListener for Clumsy {
    fn heard(&self, event: &Event) {
        assert!(self.1.fetch_add(1, Ordering::Relaxed) > 0, "the first event is too much");
        self.0.heard(event);
    }

    fn connected(&self) {
        self.0.connected();
    }

    fn lost(&self) {
        self.0.lost();
    }
}

#[tokio::test]
async fn a_listener_that_panics_hears_the_next_event() {
    let Some(url) = url().await else { return };
    let ear = Ear::new();
    let clumsy = Arc::new(Clumsy(ear.clone(), AtomicU32::new(0)));
    let bus = RedisBus::start(config(&url), clumsy, Arc::new(SeededEntropy::new(7)));
    ear.until_connected().await;
    let events = events(2);
    bus.publish(&events).await.unwrap();
    assert_eq!(ear.events(1).await, events[1..]);
}

#[tokio::test]
async fn a_url_that_asks_for_tls_says_nothing_before_the_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rediss://:hunter2@localhost:{}", listener.local_addr().unwrap().port());
    let (_bus, _ear) = started(&config(&url));
    let (mut stream, _) = listener.accept().await.unwrap();
    // A record of a handshake (RFC 8446, 5.1).
    assert_eq!(stream.read_u8().await.unwrap(), 22);
}

/// What this thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        (log.clone(), tracing::subscriber::set_default(log))
    }

    /// What the bus has logged.
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("frontdesk_bus") || metadata.target().starts_with("redis")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Logged(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Logged(String);

impl Visit for Logged {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}
