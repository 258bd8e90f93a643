//! Which login the connections use, where they live, and how long opening one may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{ask, given, owner, stores};
use frontdesk_kernel::{Outbox, Timestamp};
use frontdesk_postgres::{ConnectError, PgConfig, PgStores, RlsMode};
use frontdesk_profile::ProfileStore;
use frontdesk_testkit::postgres::{TestDatabase, database};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

fn config(url: String) -> PgConfig {
    PgConfig { url, worker_url: None, pool_size: 1, pools: 1, rls_mode: RlsMode::Session }
}

/// A login for one test, and the URL with it.
async fn login(database: &TestDatabase, name: &str, roles: &str) -> (String, String) {
    let login = format!("frontdesk_{name}_{}", std::process::id());
    let create = format!("CREATE ROLE {login} LOGIN NOINHERIT PASSWORD 'hunter2' {roles}");
    owner(&database.url()).await.batch_execute(&create).await.unwrap();
    let url = database.url();
    let (_, rest) = url.split_once('@').unwrap();
    let url = format!("postgres://{login}:hunter2@{rest}");
    (login, url)
}

async fn drop_login(database: &TestDatabase, login: &str) {
    owner(&database.url()).await.batch_execute(&format!("DROP ROLE {login}")).await.unwrap();
}

#[tokio::test]
async fn a_login_that_is_no_member_is_told_what_to_run() {
    let Some(database) = database().await else { return };
    let (login, url) = login(&database, "stranger", "").await;
    for rls_mode in [RlsMode::Session, RlsMode::Transaction] {
        let error = PgStores::connect(PgConfig { rls_mode, ..config(url.clone()) }).await.err().unwrap().to_string();
        assert!(error.ends_with(&format!("GRANT frontdesk_app, frontdesk_worker TO \"{login}\";")), "{error}");
        assert!(!error.contains('\n') && !error.contains("hunter2"), "{error}");
    }
    drop_login(&database, &login).await;
}

#[tokio::test]
async fn jobs_are_done_with_a_login_of_their_own_where_there_is_one() {
    let Some(database) = database().await else { return };
    let (login, url) = login(&database, "weak", "IN ROLE frontdesk_app").await;
    let before = Timestamp::from_unix_seconds(0).unwrap();
    let without = PgStores::connect(config(url.clone())).await.unwrap();
    assert!(without.outbox.purge(before).await.is_err());
    let with = PgStores::connect(PgConfig { worker_url: Some(database.url()), ..config(url) }).await.unwrap();
    with.ping().await.unwrap();
    assert_eq!(with.outbox.purge(before).await.unwrap(), 0);
    drop((with, without));
    drop_login(&database, &login).await;
}

#[tokio::test]
async fn a_missing_table_is_named_at_the_start() {
    let Some(database) = database().await else { return };
    owner(&database.url()).await.batch_execute("DROP TABLE app.login_names, app.outbox").await.unwrap();
    let error = PgStores::connect(config(database.url())).await.err().unwrap();
    assert!(matches!(&error, ConnectError::NotMigrated(missing) if missing == "login_names, outbox"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_connection_outlives_the_worker_that_opened_it() {
    let Some(database) = database().await else { return };
    let (ada, _) = given(&stores(&database.url(), 1).await, "ada").await;
    let shared = PgStores::connect(PgConfig { pools: 2, ..config(database.url()) }).await.unwrap();
    let backend = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
        AND query LIKE '%set_config%' AND pid <> pg_backend_pid() ORDER BY backend_start DESC LIMIT 1";
    let mut backends = Vec::new();
    for _ in 0..3 {
        let on_worker = shared.clone();
        let worker = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(on_worker.profiles.profile(ada)).unwrap().is_some()
        });
        assert!(tokio::task::spawn_blocking(move || worker.join().unwrap()).await.unwrap());
        backends.push(ask(&owner(&database.url()).await, backend).await.unwrap().concat());
    }
    assert!(backends.iter().all(|pids| pids.len() == 1), "{backends:?}");
    backends.dedup();
    assert_eq!(backends.len(), 1, "{backends:?}");
}

/// A line to the database that can be held: while it is, every word waits.
struct Line {
    url: String,
    is_open: watch::Sender<bool>,
    /// How many connections were opened over it.
    opened: Arc<AtomicUsize>,
}

impl Line {
    async fn to(url: &str) -> Self {
        let (head, rest) = url.split_once('@').unwrap();
        let (upstream, path) = rest.split_once('/').unwrap();
        let upstream = upstream.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{head}@{}/{path}?sslmode=disable", listener.local_addr().unwrap());
        let (is_open, gate) = watch::channel(true);
        let opened = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&opened);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = TcpStream::connect(&upstream).await.unwrap().into_split();
                tokio::spawn(carry(near_read, far_write, gate.clone()));
                tokio::spawn(carry(far_read, near_write, gate.clone()));
            }
        });
        Self { url, is_open, opened }
    }
}

async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut gate: watch::Receiver<bool>,
) {
    let mut words = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut words).await {
        if gate.wait_for(|is_open| *is_open).await.is_err() || to.write_all(&words[..count]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_connection_that_opens_longer_than_a_request_waits_is_there_for_the_next() {
    let Some(database) = database().await else { return };
    let (ada, _) = given(&stores(&database.url(), 1).await, "ada").await;
    let line = Line::to(&database.url()).await;
    let stores = PgStores::connect(config(line.url.clone())).await.unwrap();
    let before = line.opened.load(Ordering::Relaxed);
    line.is_open.send_replace(false);
    stores.profiles.profile(ada).await.unwrap_err();
    line.is_open.send_replace(true);
    assert!(stores.profiles.profile(ada).await.unwrap().is_some());
    assert_eq!(line.opened.load(Ordering::Relaxed), before + 1);
}
