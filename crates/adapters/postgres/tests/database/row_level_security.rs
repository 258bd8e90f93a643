//! What the runtime roles can and cannot reach, asked in SQL: these hold whatever the stores do.

use crate::common::{acting_as, ask, code, given, owner, stores, touched};
use frontdesk_kernel::UserId;
use frontdesk_profile::AccountStore;
use frontdesk_testkit::builders::delete;
use frontdesk_testkit::postgres::{TestDatabase, database};
use tokio_postgres::Client;

/// Every table of `app` whose rows are their user's, with the column that says whose a row is.
const TABLES: [(&str, &str); 11] = [
    ("users", "id"),
    ("profiles", "id"),
    ("login_names", "user_id"),
    ("user_settings", "user_id"),
    ("notification_preferences", "user_id"),
    ("outbox", "user_id"),
    ("idempotency_keys", "user_id"),
    ("sessions", "user_id"),
    ("revocations", "user_id"),
    ("identities", "user_id"),
    ("pictures", "user_id"),
];

/// The tables that are about rooms, with a column. Their rows are nobody's alone.
const ROOMS: [(&str, &str); 7] = [
    ("rooms", "id"),
    ("room_members", "user_id"),
    ("room_presences", "user_id"),
    ("room_nodes", "node_id"),
    ("room_entries", "user_id"),
    ("room_sockets", "user_id"),
    ("room_tickets", "id"),
];

fn all_tables() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.into_iter().chain(ROOMS)
}

/// The tables whose rows the service makes and removes, and never changes.
const UNCHANGING: [&str; 3] = ["outbox", "revocations", "identities"];

/// A row for each user in the tables that come with a use, not with the account.
const USED: &str = "
    INSERT INTO app.sessions
        SELECT gen_random_uuid(), id, NULL, NULL, now(), now(), now(), now(), digest, digest, NULL, NULL, now(), id
        FROM app.users, decode(repeat('00', 32), 'hex') AS digest;
    INSERT INTO app.revocations (user_id, cut_at, reach, until) SELECT id, now(), 'all', now() FROM app.users;
    INSERT INTO app.identities SELECT 'https://issuer.example', id, id, now() FROM app.users;
    INSERT INTO app.pictures SELECT id, uuid_send(id), 1, now(), now(), NULL, 0, NULL FROM app.users;
    INSERT INTO app.rooms SELECT id, id, 1 FROM app.users;
    INSERT INTO app.room_members SELECT id, id, NULL, 0 FROM app.users;
    INSERT INTO app.room_presences SELECT id, id, id FROM app.users;
    INSERT INTO app.room_nodes SELECT id, now() FROM app.users;
    INSERT INTO app.room_entries SELECT id, 1, id, id, now(), now(), '{}' FROM app.users;
    INSERT INTO app.room_sockets SELECT id, id, 1, 1, now() FROM app.users;
    INSERT INTO app.room_tickets SELECT id, now() FROM app.users";

struct Two {
    database: TestDatabase,
    ada: UserId,
    bob: UserId,
    ada_principal: String,
}

async fn two_users() -> Option<Two> {
    let database = database().await?;
    let stores = stores(&database.url(), 2).await;
    let (ada, ada_principal) = given(&stores, "ada").await;
    let (bob, _) = given(&stores, "bob").await;
    owner(&database.url()).await.batch_execute(USED).await.unwrap();
    Some(Two { database, ada, bob, ada_principal })
}

impl Two {
    async fn app(&self) -> Client {
        acting_as(&self.database.url(), "frontdesk_app").await
    }

    async fn app_for_ada(&self) -> Client {
        let client = self.app().await;
        let scope = format!("SET app.user_id = '{}'; SET app.principal = '{}'", self.ada, self.ada_principal);
        client.batch_execute(&scope).await.unwrap();
        client
    }
}

/// Refused, or done to nothing.
fn is_harmless(done: &Result<u64, tokio_postgres::Error>) -> bool {
    match done {
        Ok(touched) => *touched == 0,
        Err(error) => code(error) == "42501",
    }
}

#[tokio::test]
async fn every_table_of_user_data_is_in_the_list() {
    let Some(two) = two_users().await else { return };
    let client = owner(&two.database.url()).await;
    let found = ask(&client, "SELECT tablename FROM pg_tables WHERE schemaname = 'app' ORDER BY 1").await.unwrap();
    let mut listed: Vec<_> = all_tables().map(|(table, _)| vec![table.to_owned()]).collect();
    listed.sort();
    assert_eq!(found, listed);
    for (table, _) in all_tables() {
        assert_eq!(ask(&client, &format!("SELECT count(*) FROM app.{table}")).await.unwrap(), [["2"]], "{table}");
    }
}

#[tokio::test]
async fn without_a_user_in_scope_every_table_is_empty_and_nothing_fails() {
    let Some(two) = two_users().await else { return };
    for scope in ["", "SET app.user_id = ''; SET app.principal = ''; SET app.login_name = ''; SET app.job = ''"] {
        let client = two.app().await;
        client.batch_execute(scope).await.unwrap();
        for (table, owner_column) in all_tables() {
            let rows = ask(&client, &format!("SELECT count(*) FROM app.{table}")).await.unwrap();
            assert_eq!(rows, [["0"]], "{table} after {scope:?}");
            let update = format!("UPDATE app.{table} SET {owner_column} = {owner_column}");
            for command in [update, format!("DELETE FROM app.{table}")] {
                let done = touched(&client, &command).await;
                assert!(is_harmless(&done), "{command} after {scope:?}: {done:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_malformed_scope_is_an_error_and_shows_nothing() {
    let Some(two) = two_users().await else { return };
    let client = two.app().await;
    client.batch_execute("SET app.user_id = 'x'' OR true --'").await.unwrap();
    assert_eq!(code(&ask(&client, "SELECT * FROM app.users").await.unwrap_err()), "22P02");
}

#[tokio::test]
async fn a_user_sees_their_own_rows_and_nobody_elses() {
    let Some(two) = two_users().await else { return };
    let client = two.app_for_ada().await;
    for (table, owner_column) in TABLES {
        let select = format!("SELECT {owner_column} FROM app.{table}");
        assert_eq!(ask(&client, &select).await.unwrap(), [[two.ada.to_string()]], "{table}");
        let locked = ask(&client, &format!("{select} FOR UPDATE")).await;
        if UNCHANGING.contains(&table) {
            assert_eq!(code(&locked.unwrap_err()), "42501", "{table}");
        } else {
            assert_eq!(locked.unwrap(), [[two.ada.to_string()]], "{table}");
        }
    }
    assert_eq!(code(&ask(&client, "SELECT * FROM app.outbox").await.unwrap_err()), "42501");
}

#[tokio::test]
async fn a_user_cannot_change_or_remove_anothers_rows() {
    let Some(two) = two_users().await else { return };
    let client = two.app_for_ada().await;
    for (table, owner_column) in TABLES {
        for command in [
            format!("UPDATE app.{table} SET {owner_column} = {owner_column} WHERE {owner_column} = '{}'", two.bob),
            format!("DELETE FROM app.{table} WHERE {owner_column} = '{}'", two.bob),
        ] {
            let done = touched(&client, &command).await;
            assert!(is_harmless(&done), "{command}: {done:?}");
        }
    }
}

#[tokio::test]
async fn a_user_cannot_give_a_row_to_another_or_make_one_for_another() {
    let Some(two) = two_users().await else { return };
    let client = two.app_for_ada().await;
    let bob = two.bob;
    let new = "0190f5fe-7c00-7a00-8000-00000000000a";
    for command in [
        format!("UPDATE app.users SET id = '{new}'"),
        format!("UPDATE app.profiles SET id = '{bob}'"),
        format!("UPDATE app.login_names SET user_id = '{bob}'"),
        format!("UPDATE app.user_settings SET user_id = '{bob}'"),
        format!("UPDATE app.notification_preferences SET user_id = '{bob}'"),
        format!("UPDATE app.idempotency_keys SET principal = 'user:{bob}'"),
        format!("UPDATE app.sessions SET user_id = '{bob}'"),
        format!("UPDATE app.pictures SET user_id = '{bob}'"),
        format!("INSERT INTO app.users (id, created_at) VALUES ('{new}', now())"),
        format!("INSERT INTO app.users (id, created_at) VALUES ('{new}', now()) ON CONFLICT DO NOTHING"),
        format!("INSERT INTO app.profiles (id, created_at, updated_at) VALUES ('{bob}', now(), now())"),
        format!("INSERT INTO app.login_names (user_id, username_key) VALUES ('{bob}', 'other')"),
        format!("INSERT INTO app.user_settings (user_id, updated_at) VALUES ('{bob}', now())"),
        format!("INSERT INTO app.notification_preferences (user_id) VALUES ('{bob}')"),
        format!("INSERT INTO app.outbox (id, user_id, occurred_at, body) VALUES ('{new}', '{bob}', now(), '{{}}')"),
        format!(
            "INSERT INTO app.idempotency_keys (principal, route, key, user_id, token, fingerprint, claimed_at) \
             VALUES ('user:{bob}', 'r', 'k', '{bob}', '{new}', decode(repeat('00', 32), 'hex'), now())"
        ),
        format!(
            "INSERT INTO app.sessions SELECT '{new}', '{bob}', device, app_type, created_at, last_seen_at, \
             authenticated_at, expires_at, family_digest, current_digest, previous_digest, sealed_refresh, rotated_at, \
             access_token_id FROM app.sessions"
        ),
        format!("INSERT INTO app.revocations (user_id, cut_at, reach, until) VALUES ('{bob}', now(), 'all', now())"),
        format!(
            "INSERT INTO app.pictures SELECT '{bob}', decode(repeat('00', 16), 'hex'), 1, now(), NULL, NULL, 0, NULL"
        ),
        format!("INSERT INTO app.identities VALUES ('https://issuer.example', 'x', '{bob}', now())"),
        format!(
            "MERGE INTO app.users USING (SELECT '{new}'::uuid AS id) AS new ON users.id = new.id \
             WHEN NOT MATCHED THEN INSERT (id, created_at) VALUES (new.id, now())"
        ),
    ] {
        let error = touched(&client, &command).await.expect_err(&command);
        assert_eq!(code(&error), "42501", "{command}");
    }
}

#[tokio::test]
async fn the_service_sees_rooms_while_it_says_that_it_is_about_them_and_nothing_else_by_that() {
    let Some(two) = two_users().await else { return };
    let client = two.app_for_ada().await;
    for (table, column) in ROOMS {
        assert_eq!(ask(&client, &format!("SELECT {column} FROM app.{table}")).await.unwrap().len(), 0, "{table}");
        for command in [
            format!("INSERT INTO app.{table} SELECT * FROM app.{table}"),
            format!("UPDATE app.{table} SET {column} = {column}"),
            format!("DELETE FROM app.{table}"),
        ] {
            let done = touched(&client, &command).await;
            assert!(is_harmless(&done), "{command}: {done:?}");
        }
    }
    let count = "UPDATE app.room_sockets SET sockets = 0";
    assert_eq!(touched(&client, count).await.unwrap(), 0);
    let enter = format!("INSERT INTO app.room_members VALUES ('{}', '{}', NULL, 0)", two.bob, two.ada);
    assert_eq!(code(&touched(&client, &enter).await.unwrap_err()), "42501");
    client.batch_execute("SET app.job = 'rooms'").await.unwrap();
    for (table, column) in ROOMS {
        assert_eq!(ask(&client, &format!("SELECT {column} FROM app.{table}")).await.unwrap().len(), 2, "{table}");
    }
    assert_eq!(touched(&client, &enter).await.unwrap(), 1);
    assert_eq!(touched(&client, count).await.unwrap(), 2);
    for (table, owner_column) in TABLES {
        let select = format!("SELECT {owner_column} FROM app.{table}");
        assert_eq!(ask(&client, &select).await.unwrap(), [[two.ada.to_string()]], "{table}");
    }
    for command in ["UPDATE app.room_entries SET body = '{}'", "UPDATE app.room_sockets SET node_id = user_id"] {
        assert_eq!(code(&touched(&client, command).await.unwrap_err()), "42501", "{command}");
    }
}

#[tokio::test]
async fn a_login_name_shows_whose_it_is_and_nothing_else() {
    let Some(two) = two_users().await else { return };
    let client = two.app().await;
    client.batch_execute("SET app.login_name = 'bob'").await.unwrap();
    let row = [[two.bob.to_string(), "bob".to_owned(), "NULL".to_owned()]];
    assert_eq!(ask(&client, "SELECT * FROM app.login_names").await.unwrap(), row);
    assert_eq!(touched(&client, "UPDATE app.login_names SET username_key = 'mine'").await.unwrap(), 0);
    for (table, owner_column) in all_tables().filter(|(table, _)| *table != "login_names") {
        let rows = ask(&client, &format!("SELECT {owner_column} FROM app.{table}")).await.unwrap();
        assert_eq!(rows.len(), 0, "{table}");
    }
}

#[tokio::test]
async fn the_role_of_the_service_can_do_nothing_but_use_its_tables() {
    let Some(two) = two_users().await else { return };
    let client = two.app_for_ada().await;
    for command in [
        "TRUNCATE app.users",
        "DELETE FROM app.users",
        "DELETE FROM app.revocations",
        "DELETE FROM app.pictures",
        "UPDATE app.revocations SET until = now()",
        "UPDATE app.identities SET subject = 'x'",
        "SELECT body FROM app.outbox",
        "CREATE TABLE app.x ()",
        "CREATE TABLE public.x ()",
        "CREATE SCHEMA x",
        "CREATE ROLE x",
        "ALTER TABLE app.users ADD COLUMN x int",
        "ALTER TABLE app.users DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE app.users NO FORCE ROW LEVEL SECURITY",
        "DROP TABLE app.users",
        "DROP POLICY users_select ON app.users",
        "CREATE POLICY x ON app.users USING (true)",
        "SELECT * FROM system.server_secrets",
        "SELECT * FROM system.__diesel_schema_migrations",
        "COPY app.users TO PROGRAM 'cat'",
        "SET row_security = off; SELECT * FROM app.users",
        "ALTER ROLE frontdesk_app SUPERUSER",
    ] {
        let error = touched(&client, command).await.expect_err(command);
        assert!(["42501", "42704"].contains(&code(&error)), "{command}: {error:?}");
    }
}

#[tokio::test]
async fn a_worker_sees_the_rows_of_its_job_and_only_while_it_says_so() {
    let Some(two) = two_users().await else { return };
    let client = acting_as(&two.database.url(), "frontdesk_worker").await;
    let jobs = [
        ("outbox", "outbox"),
        ("idempotency_keys", "idempotency"),
        ("sessions", "sessions"),
        ("revocations", "sessions"),
        ("pictures", "pictures"),
    ];
    for said in ["", "outbox", "idempotency", "sessions", "accounts", "pictures"] {
        client.batch_execute(&format!("SET app.job = '{said}'")).await.unwrap();
        for (table, job) in jobs {
            let expected = if job == said { "2" } else { "0" };
            let count = ask(&client, &format!("SELECT count(*) FROM app.{table}")).await.unwrap();
            assert_eq!(count, [[expected]], "{table} for the job {said:?}");
        }
    }
    for command in [
        "UPDATE app.outbox SET body = '{}'",
        "UPDATE app.pictures SET purge_after = now()",
        "SELECT * FROM system.server_secrets",
    ] {
        assert_eq!(code(&touched(&client, command).await.unwrap_err()), "42501", "{command}");
    }
    let others = ["profiles", "user_settings", "notification_preferences", "identities"];
    for table in others.into_iter().chain(ROOMS.map(|(table, _)| table)) {
        let refused = ask(&client, &format!("SELECT * FROM app.{table}")).await.unwrap_err();
        assert_eq!(code(&refused), "42501", "{table}");
    }
}

#[tokio::test]
async fn a_worker_reaches_tombstones_and_names_that_rest_and_no_account_that_lives() {
    let Some(two) = two_users().await else { return };
    stores(&two.database.url(), 1).await.accounts.delete(&delete(two.bob)).await.unwrap();
    let client = acting_as(&two.database.url(), "frontdesk_worker").await;
    for said in ["", "outbox", "sessions"] {
        client.batch_execute(&format!("SET app.job = '{said}'")).await.unwrap();
        for table in ["users", "login_names"] {
            let done = touched(&client, &format!("DELETE FROM app.{table}")).await;
            assert_eq!(done.unwrap(), 0, "{table} for the job {said:?}");
        }
    }
    client.batch_execute("SET app.job = 'accounts'").await.unwrap();
    for (table, owner_column) in [("login_names", "user_id"), ("users", "id")] {
        let rows = ask(&client, &format!("SELECT {owner_column} FROM app.{table}")).await.unwrap();
        assert_eq!(rows, [[two.bob.to_string()]], "{table}");
        assert_eq!(touched(&client, &format!("DELETE FROM app.{table}")).await.unwrap(), 1, "{table}");
    }
}
