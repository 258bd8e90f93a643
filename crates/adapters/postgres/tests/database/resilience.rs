//! What happens when requests are dropped, when the database goes away, and when it comes back.

use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::common::{ask, given, owner, stores};
use frontdesk_kernel::idempotency::IdempotencyStore;
use frontdesk_kernel::{Outbox, Timestamp, Unavailable};
use frontdesk_postgres::{ConnectError, PgConfig, PgStores, RlsMode};
use frontdesk_profile::{AccountStore, FieldText, ProfileStore, SettingsStore};
use frontdesk_testkit::builders::{change, claim, display_name, fingerprint, noon, registered};
use frontdesk_testkit::postgres::{Line, database, line_to};
use tokio::net::TcpListener;

/// Polls a future a number of times and drops it where it is then.
async fn cut_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn a_read_dropped_half_way_never_leaves_its_user_on_the_connection() {
    let Some(database) = database().await else { return };
    let stores = stores(&database.url(), 1).await;
    let (ada, _) = given(&stores, "ada").await;
    let (bob, _) = given(&stores, "bob").await;
    for polls in (0..12).cycle().take(60) {
        cut_after(polls, stores.profiles.profile(ada)).await;
        let found = stores.profiles.profile(bob).await.unwrap().unwrap();
        assert_eq!((found.id, found.username.as_ref().unwrap().as_str()), (bob, "bob"), "{polls} polls");
        cut_after(polls, stores.settings.settings(bob)).await;
        assert_eq!(stores.accounts.account(ada).await.unwrap().unwrap().id, ada, "{polls} polls");
    }
}

#[tokio::test]
async fn a_write_dropped_half_way_is_done_whole_or_not_at_all_and_holds_up_nobody() {
    let Some(database) = database().await else { return };
    let stores = stores(&database.url(), 1).await;
    let (ada, _) = given(&stores, "ada").await;
    for polls in (0..16).cycle().take(48) {
        let before = stores.profiles.profile(ada).await.unwrap().unwrap();
        let command = change(ada, display_name(&format!("after {polls} polls, version {}", before.version)));
        cut_after(polls, stores.profiles.update(&command)).await;
        let after = stores.profiles.profile(ada).await.unwrap().unwrap();
        let is_same = after == before;
        assert!(is_same || after.version == before.version + 1, "{polls} polls: {after:?}");
        let other = registered(&format!("user{polls}-{}", after.version));
        cut_after(polls, stores.accounts.create(&other, None)).await;
        let account = stores.accounts.account(other.account.id).await.unwrap();
        let profile = stores.profiles.view(other.account.id).await.unwrap();
        assert_eq!(account.is_some(), profile.is_some(), "{polls} polls");
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart_of_the_service() {
    let Some(database) = database().await else { return };
    let first = stores(&database.url(), 2).await;
    let (ada, _) = given(&first, "ada").await;
    first.profiles.update(&change(ada, display_name("Ada"))).await.unwrap();
    let before = first.profiles.view(ada).await.unwrap();
    drop(first);
    let second = stores(&database.url(), 2).await;
    assert_eq!(second.profiles.view(ada).await.unwrap(), before);
    assert!(second.accounts.find_login("ada").await.unwrap().is_some());
}

#[tokio::test]
async fn connections_that_the_server_closed_are_not_noticed_by_readers() {
    let Some(database) = database().await else { return };
    let stores = stores(&database.url(), 3).await;
    let (ada, _) = given(&stores, "ada").await;
    let admin = owner(&database.url()).await;
    for _ in 0..5 {
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        admin.batch_execute(kill).await.unwrap();
        assert!(stores.profiles.profile(ada).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_every_call_ends_in_time_and_the_first_success_follows_its_return() {
    let Some(database) = database().await else { return };
    for cut in [Line::Down, Line::Silent] {
        let (url, line) = line_to(&database.url()).await;
        let stores = stores(&url, 4).await;
        let (ada, _) = given(&stores, &format!("ada-{cut:?}")).await;
        line.send(cut).unwrap();
        for _ in 0..3 {
            let started = Instant::now();
            let refused: Result<_, Unavailable> = stores.profiles.profile(ada).await;
            assert!(refused.is_err() && started.elapsed() < Duration::from_millis(2_500), "{:?}", started.elapsed());
        }
        let started = Instant::now();
        assert!(stores.profiles.update(&change(ada, display_name("x"))).await.is_err());
        assert!(started.elapsed() < Duration::from_millis(2_500), "{:?}", started.elapsed());
        let started = Instant::now();
        assert!(stores.ping().await.is_err() && started.elapsed() < Duration::from_millis(1_600));
        line.send(Line::Up).unwrap();
        let returned = Instant::now();
        while stores.profiles.profile(ada).await.is_err() {
            assert!(returned.elapsed() < Duration::from_secs(2), "no success 2 s after the return");
        }
        stores.ping().await.unwrap();
    }
}

#[tokio::test]
async fn without_a_database_the_start_fails_soon_and_says_why() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for (address, hint) in
        [("127.0.0.1:1".to_owned(), "refused"), (silent.local_addr().unwrap().to_string(), "in time")]
    {
        let url = format!("postgres://ada:hunter2@{address}/x?sslmode=disable");
        let config = PgConfig { url, worker_url: None, pool_size: 1, pools: 1, rls_mode: RlsMode::Session };
        let started = Instant::now();
        let error = PgStores::connect(config).await.err().unwrap().to_string();
        assert!(started.elapsed() < Duration::from_secs(6));
        assert!(error.contains(hint) && !error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn without_a_schema_the_start_says_what_to_run() {
    let Some(database) = frontdesk_testkit::postgres::empty_database().await else { return };
    let config = PgConfig { url: database.url(), worker_url: None, pool_size: 1, pools: 1, rls_mode: RlsMode::Session };
    let error = PgStores::connect(config).await.err().unwrap();
    assert!(matches!(error, ConnectError::NotMigrated(_)), "{error}");
}

#[tokio::test]
async fn writes_succeed_again_at_once_when_the_database_takes_them_again() {
    let Some(database) = database().await else { return };
    let stores = stores(&database.url(), 1).await;
    let (ada, _) = given(&stores, "ada").await;
    let admin = owner(&database.url()).await;
    let name = ask(&admin, "SELECT current_database()").await.unwrap().concat().concat();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let on = format!("ALTER DATABASE {name} SET default_transaction_read_only = on; {kill}");
    let off = format!("ALTER DATABASE {name} RESET default_transaction_read_only");
    let claimed = async |key: &str| stores.idempotency.claim(&claim(key), &fingerprint(1), noon()).await;
    for round in 0..2 {
        admin.batch_execute(&on).await.unwrap();
        assert!(stores.profiles.profile(ada).await.unwrap().is_some(), "reads go on");
        assert!(stores.ping().await.is_err(), "not ready");
        let is_refused = if round == 0 {
            stores.profiles.update(&change(ada, display_name("refused"))).await.is_err()
        } else {
            claimed("refused").await.is_err()
        };
        assert!(is_refused);
        admin.batch_execute(&off).await.unwrap();
        stores.profiles.update(&change(ada, display_name(&format!("Ada {round}")))).await.unwrap();
        claimed(&format!("key {round}")).await.unwrap();
        stores.ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_purge_forgets_more_than_one_statement_may_delete() {
    let Some(database) = database().await else { return };
    let stores = stores(&database.url(), 1).await;
    let insert = "
        INSERT INTO app.outbox (id, user_id, occurred_at, body, told_at)
            SELECT gen_random_uuid(), gen_random_uuid(), '2020-01-01', '{}', '2020-01-01' FROM generate_series(1, 11000);
        INSERT INTO app.idempotency_keys (principal, route, key, user_id, token, fingerprint, claimed_at)
            SELECT 'p', 'r', n, gen_random_uuid(), gen_random_uuid(), decode(repeat('00', 32), 'hex'), '2020-01-01'
            FROM generate_series(1, 10000) n";
    owner(&database.url()).await.batch_execute(insert).await.unwrap();
    given(&stores, "ada").await;
    let before = Timestamp::from_unix_seconds(1_600_000_000).unwrap();
    assert_eq!(stores.outbox.purge(before).await.unwrap(), 11_000);
    assert_eq!(stores.idempotency.purge(before).await.unwrap(), 10_000);
    assert_eq!(stores.outbox.pending(9).await.unwrap().len(), 1, "the new stay");
}
