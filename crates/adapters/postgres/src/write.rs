//! Statements that write.

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Untyped;
use diesel::{QueryResult, QueryableByName, result};
use diesel_async::{AsyncConnectionCore, AsyncPgConnection, RunQueryDsl};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// Issues an INSERT, UPDATE or DELETE that the connection prepares once, and tells how many rows it touched.
///
/// diesel would prepare every UPDATE, and every INSERT of a row with a nullable column, anew each time: their SQL
/// depends on which values are there, so it must not be remembered by their type. Here it is remembered by its text.
/// That saves a round trip a statement, and lets statements go out together that would wait for each other.
pub(crate) fn write(
    connection: &AsyncPgConnection,
    statement: impl QueryFragment<Pg>,
) -> BoxFuture<'_, QueryResult<usize>> {
    AsyncConnectionCore::execute_returning_count(&mut &*connection, ByText(statement))
}

/// As [`write()`], for a statement that tells what it did.
pub(crate) fn write_returning<'c, S, R>(
    connection: &'c AsyncPgConnection,
    statement: S,
) -> BoxFuture<'c, QueryResult<Vec<R>>>
where
    S: Query<SqlType = Untyped> + QueryFragment<Pg> + Send + 'c,
    R: QueryableByName<Pg> + Send + 'static,
{
    ByText(statement).load(&mut &*connection).boxed()
}

struct ByText<S>(S);

impl<S: Query> Query for ByText<S> {
    type SqlType = S::SqlType;
}

impl<S> QueryId for ByText<S> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<S: QueryFragment<Pg>> QueryFragment<Pg> for ByText<S> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, Pg>) -> Result<(), result::Error> {
        self.0.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}
