//! What happens to the bus over Postgres when its connection goes away, and who may disturb it.

#![expect(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use frontdesk_bus::{Link, PgBus};
use frontdesk_kernel::{Event, EventBody, EventBus, EventListener, SessionId, Unavailable};
use frontdesk_postgres::Listener;
use frontdesk_testkit::builders::SeededEntropy;
use frontdesk_testkit::contract::event_bus::{Ear, Told, event, events};
use frontdesk_testkit::postgres::{Line, TestDatabase, database, line_to};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{AsyncMessage, Client, NoTls};

/// Opens connections that a test may spoil.
type Open = Box<dyn Fn() -> BoxFuture<'static, Result<Link, Unavailable>> + Send + Sync>;

fn opens(url: &str) -> Open {
    let listener = Listener::new(url).unwrap();
    Box::new(move || listener.open())
}

/// Starts a bus with a listener of its own.
fn started(open: Open) -> (PgBus, Arc<Ear>) {
    static SEED: AtomicU32 = AtomicU32::new(0);
    let ear = Ear::new();
    let entropy = SeededEntropy::new(SEED.fetch_add(1, Ordering::Relaxed).into());
    (PgBus::start(open, ear.clone(), Arc::new(entropy)), ear)
}

async fn owner(database: &TestDatabase) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Publishes an event on one bus and waits until both listeners have heard it.
async fn flows(bus: &PgBus, ears: &[&Ear]) {
    let event = event();
    bus.publish(std::slice::from_ref(&event)).await.unwrap();
    for ear in ears {
        assert_eq!(ear.events(1).await, std::slice::from_ref(&event));
    }
}

const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test]
async fn a_connection_that_the_server_ends_is_lost_and_opened_again() {
    let Some(database) = database().await else { return };
    let admin = owner(&database).await;
    let (bus, ear) = started(opens(&database.url()));
    let (_other, other) = started(opens(&database.url()));
    for _ in 0..3 {
        ear.until_connected().await;
        other.until_connected().await;
        flows(&bus, &[&ear, &other]).await;
        admin.batch_execute(CUT).await.unwrap();
        ear.until_lost().await;
        other.until_lost().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_on_which_nothing_arrives_any_more_is_lost_within_a_second_and_used_again_when_it_is_mended() {
    let Some(database) = database().await else { return };
    let (url, line) = line_to(&database.url()).await;
    let (bus, ear) = started(opens(&url));
    let (far_bus, far) = started(opens(&database.url()));
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

#[tokio::test]
async fn a_database_that_cannot_be_reached_at_first_is_connected_to_later() {
    let Some(database) = database().await else { return };
    let (tries, open) = (AtomicU32::new(0), opens(&database.url()));
    let (bus, ear) = started(Box::new(move || match tries.fetch_add(1, Ordering::Relaxed) {
        0..3 => ready(Err(Unavailable::new("refused"))).boxed(),
        _ => open(),
    }));
    assert!(bus.publish(&[event()]).await.is_err());
    assert_eq!(ear.next().await, Told::Connected, "what was never there is not lost");
    flows(&bus, &[&ear]).await;
}

#[tokio::test]
async fn a_connection_that_never_opens_is_given_up_and_tried_again() {
    let Some(database) = database().await else { return };
    let (tries, open) = (AtomicU32::new(0), opens(&database.url()));
    let (_bus, ear) = started(Box::new(move || match tries.fetch_add(1, Ordering::Relaxed) {
        0 => std::future::pending().boxed(),
        _ => open(),
    }));
    assert_eq!(ear.next().await, Told::Connected);
}

#[tokio::test]
async fn what_is_no_event_is_ignored_and_disturbs_nothing() {
    let Some(database) = database().await else { return };
    let admin = owner(&database).await;
    let (bus, ear) = started(opens(&database.url()));
    ear.until_connected().await;
    let deep = "[".repeat(7_000);
    for garbage in ["", "garbage", "null", "{}", "[]", "[1, {}, null]", "\u{1F600}", &deep] {
        admin.execute("SELECT pg_notify('frontdesk_events', $1)", &[&garbage]).await.unwrap();
    }
    admin.batch_execute("NOTIFY frontdesk_events; NOTIFY other, 'x'").await.unwrap();
    flows(&bus, &[&ear]).await;
    assert_eq!(ear.rest().await, []);
}

/// Passes on the notifications of which `is_passed` says so; its arguments are the sender's process and the own one.
fn through(open: Open, is_passed: fn(i32, i32) -> bool, opened: mpsc::UnboundedSender<()>) -> Open {
    let open = Arc::new(open);
    Box::new(move || {
        let (open, opened) = (Arc::clone(&open), opened.clone());
        async move {
            opened.send(()).unwrap();
            let (client, mut messages) = open().await?;
            let ask = async { client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get::<_, i32>(0) };
            let own = tokio::select! {
                own = ask => own,
                () = async { while messages.next().await.is_some() {} } => return Err(Unavailable::new("closed")),
            };
            let passed = move |message: &Result<AsyncMessage, _>| match message {
                Ok(AsyncMessage::Notification(heard)) => ready(is_passed(heard.process_id(), own)),
                _ => ready(true),
            };
            Ok((client, messages.filter(passed).boxed()))
        }
        .boxed()
    })
}

#[tokio::test]
async fn behind_a_pooler_that_delivers_no_notifications_the_bus_is_never_connected() {
    let Some(database) = database().await else { return };
    // Of one that gives every transaction another session, a node may hear itself and nobody else.
    for is_passed in [|_, _| false, |sender, own| sender == own] {
        let (sender, mut opened) = mpsc::unbounded_channel();
        let (bus, ear) = started(through(opens(&database.url()), is_passed, sender));
        // Each try is two connections.
        for _ in 0..5 {
            opened.recv().await.unwrap();
        }
        assert!(bus.publish(&[event()]).await.is_err());
        assert_eq!(ear.rest().await, []);
    }
}

#[tokio::test]
async fn dropping_the_bus_closes_its_connection() {
    let Some(database) = database().await else { return };
    let (sender, mut closed) = mpsc::unbounded_channel();
    let open = Arc::new(opens(&database.url()));
    let (bus, ear) = started(Box::new(move || {
        let (open, sender) = (Arc::clone(&open), sender.clone());
        async move {
            let (client, messages) = open().await?;
            // Is dropped with the stream, and wakes the other end.
            let (guard, is_closed) = oneshot::channel::<()>();
            sender.send(is_closed).unwrap();
            let guarded = stream::unfold((messages, guard), async |(mut messages, guard)| {
                messages.next().await.map(|message| (message, (messages, guard)))
            });
            Ok((client, guarded.boxed()))
        }
        .boxed()
    }));
    ear.until_connected().await;
    let is_closed = closed.recv().await.unwrap();
    drop(bus);
    assert!(is_closed.await.is_err());
}

#[tokio::test]
async fn an_event_that_fits_no_notification_is_refused_and_the_bus_goes_on() {
    let Some(database) = database().await else { return };
    let (bus, ear) = started(opens(&database.url()));
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
    let Some(database) = database().await else { return };
    let (ear, open) = (Ear::new(), opens(&database.url()));
    let clumsy = Arc::new(Clumsy(ear.clone(), AtomicU32::new(0)));
    let bus = PgBus::start(open, clumsy, Arc::new(SeededEntropy::new(7)));
    ear.until_connected().await;
    let events = events(2);
    bus.publish(&events).await.unwrap();
    assert_eq!(ear.events(1).await, events[1..]);
}
