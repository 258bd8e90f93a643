//! Tests of what the stores cannot be made to do from outside.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use frontdesk_testkit::postgres::{TestDatabase, database};
use futures_util::FutureExt;
use uuid::Uuid;

use super::*;
use crate::connect::Target;
use crate::schema::{outbox, users};

async fn scoped(mode: RlsMode) -> Option<(TestDatabase, Scoped)> {
    let database = database().await?;
    let target = Target::parse(&database.url()).unwrap();
    let pools = Pools::new(&target, Role::App, mode, 1, 1);
    Some((database, Scoped::new(Arc::new(pools), Role::App, mode)))
}

fn user(number: u128) -> UserId {
    UserId::new(Uuid::from_u128(number))
}

async fn insert(connection: &AsyncPgConnection, user: UserId) -> QueryResult<usize> {
    let row = (users::id.eq(user.as_uuid()), users::created_at.eq(chrono::DateTime::UNIX_EPOCH));
    diesel::insert_into(users::table).values(row).execute(&mut &*connection).await
}

async fn visible(scoped: &Scoped, scope: Scope<'_>) -> Vec<Uuid> {
    scoped.read(scope, |connection| users::table.select(users::id).load(&mut &*connection).boxed()).await.unwrap()
}

#[tokio::test]
async fn a_commit_that_became_a_rollback_is_no_success() {
    for mode in [RlsMode::Session, RlsMode::Transaction] {
        let Some((_database, scoped)) = scoped(mode).await else { return };
        let ada = user(1);
        let scope = [Scope::User(ada)];
        let swallowed = scoped.transaction(&scope, |unit| {
            async move {
                insert(unit.connection, ada).await.map_err(Unavailable::new)?;
                // Another user's row is refused, and nobody looks at the refusal.
                let _ = insert(unit.connection, user(2)).await;
                Ok::<_, Unavailable>(())
            }
            .boxed()
        });
        assert!(swallowed.await.is_err());
        assert_eq!(visible(&scoped, Scope::User(ada)).await, [] as [Uuid; 0]);
    }
}

#[tokio::test]
async fn an_error_of_the_body_takes_everything_back_and_keeps_the_connection() {
    let Some((_database, scoped)) = scoped(RlsMode::Session).await else { return };
    let ada = user(1);
    let scope = [Scope::User(ada)];
    let refused = scoped.transaction(&scope, |unit| {
        async move {
            insert(unit.connection, ada).await.map_err(Unavailable::new)?;
            Err::<(), _>(Unavailable::new("refused by a rule"))
        }
        .boxed()
    });
    assert!(refused.await.is_err());
    assert_eq!(visible(&scoped, Scope::User(ada)).await, [] as [Uuid; 0]);
    assert_eq!(scoped.status().closed_broken, 0);
}

#[tokio::test]
async fn a_scope_ends_with_its_statement_and_with_its_transaction() {
    for mode in [RlsMode::Session, RlsMode::Transaction] {
        let Some((_database, scoped)) = scoped(mode).await else { return };
        let ada = user(1);
        let scope = [Scope::User(ada)];
        let inserted = scoped.transaction(&scope, |unit| {
            async move { insert(unit.connection, ada).await.map_err(Unavailable::new) }.boxed()
        });
        assert_eq!(inserted.await.unwrap(), 1);
        assert_eq!(visible(&scoped, Scope::Job("nobody's")).await, [] as [Uuid; 0]);
        assert_eq!(visible(&scoped, Scope::User(ada)).await, [ada.as_uuid()]);
        assert_eq!(visible(&scoped, Scope::Job("nobody's")).await, [] as [Uuid; 0]);
        assert_eq!(visible(&scoped, Scope::User(user(2))).await, [] as [Uuid; 0]);
    }
}

#[tokio::test]
async fn a_failing_statement_does_not_leave_its_scope_behind() {
    let Some((_database, scoped)) = scoped(RlsMode::Session).await else { return };
    let ada = user(1);
    let bodies = outbox::table.select(outbox::body);
    let refused =
        scoped.read(Scope::User(ada), |connection| bodies.load::<serde_json::Value>(&mut &*connection).boxed());
    assert!(refused.await.is_err());
    let setting = scoped.read(Scope::Job("probe"), |connection| {
        diesel::select(current_setting("app.user_id", true)).load::<Option<String>>(&mut &*connection).boxed()
    });
    assert_eq!(setting.await.unwrap(), [Some(String::new())]);
    assert_eq!(scoped.status().closed_broken, 0);
}

diesel::define_sql_function! {
    fn current_setting(name: diesel::sql_types::Text, missing_ok: diesel::sql_types::Bool) -> diesel::sql_types::Nullable<diesel::sql_types::Text>;
}

#[tokio::test]
async fn the_limits_of_the_session_apply_to_the_role() {
    for mode in [RlsMode::Session, RlsMode::Transaction] {
        let Some((_database, scoped)) = scoped(mode).await else { return };
        let settings = [
            ("role", "frontdesk_app"),
            ("search_path", "app, pg_temp"),
            ("statement_timeout", "5s"),
            ("lock_timeout", "2s"),
            ("idle_in_transaction_session_timeout", "10s"),
        ];
        for (name, value) in settings {
            let setting = scoped.read(Scope::Job("probe"), |connection| {
                diesel::select(current_setting(name, true)).load::<Option<String>>(&mut &*connection).boxed()
            });
            assert_eq!(setting.await.unwrap(), [Some(value.to_owned())], "{name}");
        }
    }
}

#[test]
fn a_literal_cannot_be_left() {
    assert_eq!(quoted(r"a'; DROP TABLE users; --\"), r"E'a''; DROP TABLE users; --\\'");
}
