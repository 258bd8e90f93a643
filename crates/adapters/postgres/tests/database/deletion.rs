//! What a deletion leaves behind, asked of the catalogue: a table that is added later is looked at too.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{ask, owner, stores, touched};
use frontdesk_kernel::UserId;
use frontdesk_kernel::idempotency::{Claim, IdempotencyStore, Scope};
use frontdesk_kernel::personal::{Holding, OnDeletion};
use frontdesk_postgres::PgStores;
use frontdesk_profile::session::Which;
use frontdesk_profile::token::Identity;
use frontdesk_profile::{AccountStore, PictureStore, ProfileStore, Provision, ReserveError, SessionStore};
use frontdesk_rooms::RoomStore;
use frontdesk_rooms::store::Broadcast;
use frontdesk_testkit::builders::{
    change, claim, delete, end, entering, every_field, fingerprint, node, noon, open, profile_updated, registered,
    reservation, room, session_at, set_password,
};
use frontdesk_testkit::postgres::database;
use tokio_postgres::Client;

/// What the user said, as it stands in the tables: all but the username, which rests.
const SAID: [&str; 9] =
    ["Lovelace", "Countess", "London", "example.com", "4930123456", "Safari", "secret-hash", "subject-of-ada", "echo"];

/// The tables that know of no user.
const OF_NOBODY: [&str; 3] = ["rooms", "room_nodes", "room_tickets"];

/// What all domains hold.
fn holdings() -> impl Iterator<Item = &'static Holding> {
    frontdesk_profile::HOLDINGS.iter().chain(frontdesk_rooms::HOLDINGS)
}

/// A user with a row in every table.
async fn with_everything(stores: &PgStores, username: &str) -> UserId {
    let new = registered(username);
    let user = new.account.id;
    let (issuer, subject) = ("https://issuer.example".to_owned(), format!("subject-of-{username}"));
    let identity = Some(Identity { issuer, subject });
    stores.accounts.provision(&Provision { new, identity, issued_at: noon() }).await.unwrap();
    stores.profiles.update(&change(user, every_field(username))).await.unwrap();
    stores.pictures.reserve(&reservation(user, 1)).await.unwrap();
    let ended = session_at(user, noon());
    stores.sessions.open(&open(&ended)).await.unwrap();
    stores.sessions.end(&end(user, Which::One(ended.id))).await.unwrap().unwrap();
    stores.accounts.set_password(&set_password(user, None, "secret-hash")).await.unwrap();
    stores.rooms.enter(&entering(&room("lobby"), user, node())).await.unwrap();
    stores.rooms.post(&[profile_updated(user)], Broadcast::Members, noon()).await.unwrap();
    for principal in [format!("user:{user}"), format!("anonymous:{username}")] {
        let scope = Scope { principal, route: "POST /things".to_owned(), key: "key".to_owned() };
        let claim = Claim { scope, user_id: user, ..claim("key") };
        stores.idempotency.claim(&claim, &fingerprint(1), noon()).await.unwrap();
    }
    user
}

/// The rows of a user in each table of `app`. A table says whose a row is by `user_id`, or is one row for each user.
async fn rows_of(client: &Client, user: UserId) -> BTreeMap<String, Vec<String>> {
    let tables = "SELECT c.relname, coalesce(max(a.attname), 'id') FROM pg_class c
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'user_id'
        WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') GROUP BY c.relname";
    let mut rows = BTreeMap::new();
    for table in ask(client, tables).await.unwrap() {
        let [table, column] = table.try_into().unwrap();
        if OF_NOBODY.contains(&table.as_str()) {
            continue;
        }
        let select = format!("SELECT row::text FROM app.{table} AS row WHERE {column} = '{user}' ORDER BY 1");
        rows.insert(table, ask(client, &select).await.unwrap().concat());
    }
    rows
}

#[tokio::test]
async fn a_deletion_clears_every_table_but_for_what_the_register_keeps() {
    let Some(database) = database().await else { return };
    let (stores, client) = (stores(&database.url(), 2).await, owner(&database.url()).await);
    let ada = with_everything(&stores, "ada").await;
    let before = rows_of(&client, ada).await;
    assert!(before.values().all(|rows| !rows.is_empty()), "the test gives no row to one of {before:#?}");
    let registered: BTreeSet<_> = holdings().map(|holding| holding.table.to_owned()).collect();
    assert_eq!(before.keys().cloned().collect::<BTreeSet<_>>(), registered);
    stores.accounts.delete(&delete(ada)).await.unwrap();
    let after = rows_of(&client, ada).await;
    for holding in holdings() {
        let is_erased = matches!(holding.on_deletion, OnDeletion::Erased);
        assert_eq!(after[holding.table].is_empty(), is_erased, "{}: {:?}", holding.table, after[holding.table]);
    }
}

#[tokio::test]
async fn nothing_that_the_user_said_is_left_after_a_deletion() {
    let Some(database) = database().await else { return };
    let (stores, client) = (stores(&database.url(), 2).await, owner(&database.url()).await);
    let ada = with_everything(&stores, "ada").await;
    let before = format!("{:?}", rows_of(&client, ada).await);
    assert!(SAID.iter().all(|word| before.contains(word)), "{before}");
    stores.accounts.delete(&delete(ada)).await.unwrap();
    let after = format!("{:?}", rows_of(&client, ada).await);
    assert!(!SAID.iter().any(|word| after.contains(word)), "{after}");
}

#[tokio::test]
async fn a_deletion_keeps_who_it_was_and_when_its_refusal_its_event_and_the_name() {
    let Some(database) = database().await else { return };
    let (stores, client) = (stores(&database.url(), 2).await, owner(&database.url()).await);
    let ada = with_everything(&stores, "ada").await;
    let decision = stores.accounts.delete(&delete(ada)).await.unwrap();
    let kept = "SELECT u.receipt_id, u.created_at = u.deleted_at, u.password_hash, u.claim_open_until, o.body->>'type',
            n.username_key, n.rests_until - u.deleted_at, r.cut_at = u.deleted_at, r.until - u.deleted_at
        FROM app.users u JOIN app.login_names n ON n.user_id = u.id JOIN app.outbox o ON o.user_id = u.id
        JOIN app.revocations r ON r.user_id = u.id AND r.reach = 'all'";
    let receipt = decision.tombstone.receipt_id.to_string();
    let row = [&receipt, "t", "NULL", "NULL", "account_deleted", "ada", "30 days", "t", "00:15:00"];
    assert_eq!(ask(&client, kept).await.unwrap(), [row.map(str::to_owned)]);
}

/// The backend that waits for a lock, once there is one.
async fn backend_that_waits(client: &Client) -> String {
    let waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    loop {
        if let Some(pid) = ask(client, waiting).await.unwrap().concat().pop() {
            return pid;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_waits_for_a_deletion_and_finds_nobody_then() {
    let Some(database) = database().await else { return };
    let (stores, client) = (stores(&database.url(), 2).await, owner(&database.url()).await);
    let ada = with_everything(&stores, "ada").await;
    let deleting = owner(&database.url()).await;
    deleting.batch_execute("BEGIN; DELETE FROM app.profiles").await.unwrap();
    let reserving = tokio::spawn({
        let pictures = stores.pictures.clone();
        async move { pictures.reserve(&reservation(ada, 2)).await }
    });
    backend_that_waits(&client).await;
    deleting.batch_execute("COMMIT").await.unwrap();
    let refused = reserving.await.unwrap();
    assert!(matches!(refused, Err(ReserveError::NotFound)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_whose_connection_is_lost_half_way_leaves_everything() {
    let Some(database) = database().await else { return };
    let (stores, client) = (stores(&database.url(), 2).await, owner(&database.url()).await);
    let ada = with_everything(&stores, "ada").await;
    let before = rows_of(&client, ada).await;
    let holder = owner(&database.url()).await;
    holder.batch_execute("BEGIN; SELECT * FROM app.notification_preferences FOR UPDATE").await.unwrap();
    let deleting = tokio::spawn({
        let accounts = stores.accounts.clone();
        async move { accounts.delete(&delete(ada)).await }
    });
    let pid = backend_that_waits(&client).await;
    assert_eq!(touched(&client, &format!("SELECT pg_terminate_backend({pid})")).await.unwrap(), 1);
    assert!(deleting.await.unwrap().is_err());
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(rows_of(&client, ada).await, before);
    stores.accounts.delete(&delete(ada)).await.unwrap();
}
