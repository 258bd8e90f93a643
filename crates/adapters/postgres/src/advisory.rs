//! Locks on what has no row of its own.

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use frontdesk_kernel::UserId;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// What is locked. Each kind has numbers of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lock<'a> {
    /// A username, as it is compared.
    Username(&'a str),
    /// In which rooms a user is, and with how many sockets.
    Rooms(UserId),
}

diesel::define_sql_function! {
    /// Waits for a lock that ends with the transaction. Gives nothing, which no type of the DSL says.
    fn pg_advisory_xact_lock(key: diesel::sql_types::BigInt) -> diesel::sql_types::Bool;
}

diesel::define_sql_function! {
    /// Digests a text to a number.
    fn hashtextextended(text: diesel::sql_types::Text, seed: diesel::sql_types::BigInt) -> diesel::sql_types::BigInt;
}

/// Keeps a lock until the transaction ends. Two that share a number by chance wait for each other, and no more.
pub(crate) fn hold<'c>(connection: &'c AsyncPgConnection, lock: Lock<'_>) -> BoxFuture<'c, QueryResult<usize>> {
    // Nodes of two releases run beside each other: a kind keeps its number.
    let (name, kind) = match lock {
        Lock::Username(name) => (name.to_owned(), 0),
        Lock::Rooms(user_id) => (user_id.to_string(), 1),
    };
    let hold = diesel::select(pg_advisory_xact_lock(hashtextextended(name, kind)));
    async move { hold.execute(&mut &*connection).await }.boxed()
}
