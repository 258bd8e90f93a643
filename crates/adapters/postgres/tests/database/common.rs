//! What the tests on a real Postgres share.

use frontdesk_kernel::UserId;
use frontdesk_kernel::idempotency::{Claim, IdempotencyStore, Scope};
use frontdesk_postgres::{PgConfig, PgStores, RlsMode};
use frontdesk_profile::AccountStore;
use frontdesk_testkit::builders::{claim, fingerprint, noon, registered};
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

pub(crate) async fn stores(url: &str, pool_size: u32) -> PgStores {
    let config = PgConfig { url: url.to_owned(), worker_url: None, pool_size, pools: 1, rls_mode: RlsMode::Session };
    PgStores::connect(config).await.unwrap()
}

/// A plain connection, as the login that owns everything.
pub(crate) async fn owner(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A plain connection that works as a role.
pub(crate) async fn acting_as(url: &str, role: &str) -> Client {
    let client = owner(url).await;
    client.batch_execute(&format!("SET ROLE {role}")).await.unwrap();
    client
}

/// The rows of a query as text, or how many a command touched.
pub(crate) async fn ask(client: &Client, sql: &str) -> Result<Vec<Vec<String>>, Error> {
    let text = |row: &tokio_postgres::SimpleQueryRow| {
        (0..row.len()).map(|column| row.get(column).unwrap_or("NULL").to_owned()).collect()
    };
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some(text(row)),
        _ => None,
    };
    Ok(client.simple_query(sql).await?.iter().filter_map(row).collect())
}

/// How many rows a command touched.
pub(crate) async fn touched(client: &Client, sql: &str) -> Result<u64, Error> {
    let messages = client.simple_query(sql).await?;
    let count = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::CommandComplete(count) => Some(*count),
        _ => None,
    };
    Ok(messages.iter().rev().find_map(count).unwrap_or(0))
}

pub(crate) fn code(error: &Error) -> &str {
    error.code().map_or("", tokio_postgres::error::SqlState::code)
}

/// An account with a row in every table, and the principal of its idempotency key.
pub(crate) async fn given(stores: &PgStores, username: &str) -> (UserId, String) {
    let new = registered(username);
    let user_id = new.account.id;
    stores.accounts.create(&new, None).await.unwrap();
    let principal = format!("user:{user_id}");
    let scope = Scope { principal: principal.clone(), route: "POST /things".to_owned(), key: "1".to_owned() };
    stores.idempotency.claim(&Claim { scope, user_id, ..claim("1") }, &fingerprint(1), noon()).await.unwrap();
    (user_id, principal)
}
