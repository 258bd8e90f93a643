//! The migrations: what they leave behind, taken back and run by many at once.

use std::collections::BTreeMap;

use crate::common::{ask, owner};
use frontdesk_postgres::{MigrateError, PgConfig, PgStores, RlsMode, migrate, revert_all, server_secret};
use frontdesk_testkit::postgres::{database, empty_database};
use tokio_postgres::Client;

/// Each row of the answer is a defect of the schema.
const LINT: &str = include_str!("catalogue_lint.sql");

#[tokio::test]
async fn the_catalogue_shows_no_defect() {
    let Some(database) = database().await else { return };
    let found = ask(&owner(&database.url()).await, LINT).await.unwrap();
    assert_eq!(found, Vec::<Vec<String>>::new());
}

#[tokio::test]
async fn the_lint_finds_defects() {
    let Some(database) = database().await else { return };
    let client = owner(&database.url()).await;
    let defects = "
        CREATE TABLE app.bare (user_id uuid, at timestamp);
        CREATE TABLE app.open (user_id uuid NOT NULL UNIQUE);
        ALTER TABLE app.open ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE POLICY everybody ON app.open FOR SELECT TO frontdesk_app USING (true);
        CREATE POLICY twice ON app.open TO frontdesk_app USING (true) WITH CHECK (true);
        CREATE VIEW app.glass AS SELECT * FROM app.users;
        CREATE FUNCTION app.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
        GRANT TRUNCATE ON app.open TO frontdesk_app;
        GRANT SELECT ON system.server_secrets TO frontdesk_worker";
    client.batch_execute(defects).await.unwrap();
    let found: Vec<String> = ask(&client, LINT).await.unwrap().into_iter().map(|row| row.join(": ")).collect();
    for defect in [
        "bare: rls off or not forced",
        "app.bare: nullable user_id or timestamp without zone: user_id",
        "app.bare: nullable user_id or timestamp without zone: at",
        "app.bare: user_id leads no index",
        "open: policy shape: everybody",
        "open: more than one permissive policy for SELECT to frontdesk_app",
        "glass: view not security_invoker",
        "f: definer without search_path",
        "f: function executable by PUBLIC",
        "open: TRUNCATE granted to frontdesk_app",
        "server_secrets: outside app, granted to frontdesk_worker",
    ] {
        assert!(found.iter().any(|row| row == defect), "{defect} is not in {found:#?}");
    }
}

#[tokio::test]
async fn up_down_up_gives_the_same_schema() {
    let Some(database) = empty_database().await else { return };
    let (url, client) = (database.url(), owner(&database.url()).await);
    migrate(&url).await.unwrap();
    let first = schema_of(&client).await;
    revert_all(&url).await.unwrap();
    assert_eq!(ask(&client, "SELECT * FROM pg_class WHERE relnamespace = 'app'::regnamespace").await.unwrap().len(), 0);
    migrate(&url).await.unwrap();
    assert_eq!(schema_of(&client).await, first);
    assert!(first.len() > 100, "{}", first.len());
}

/// Columns, constraints, indexes, policies and grants, as the catalogue words them.
async fn schema_of(client: &Client) -> Vec<Vec<String>> {
    let everything = "
        SELECT 'column', table_schema || '.' || table_name || '.' || column_name,
            concat_ws(' ', ordinal_position, data_type, character_maximum_length, is_nullable, column_default, is_identity)
            FROM information_schema.columns WHERE table_schema IN ('app', 'system')
        UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace IN ('app'::regnamespace, 'system'::regnamespace)
        UNION ALL SELECT 'index', schemaname || '.' || indexname, indexdef
            FROM pg_indexes WHERE schemaname IN ('app', 'system')
        UNION ALL SELECT 'policy', tablename || '.' || policyname, concat_ws(' ', permissive, roles, cmd, qual, with_check)
            FROM pg_policies WHERE schemaname = 'app'
        UNION ALL SELECT 'security', relname, concat_ws(' ', relrowsecurity, relforcerowsecurity)
            FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r'
        UNION ALL SELECT 'grants', oid::regclass::text, array_to_string(relacl, ' ')
            FROM pg_class WHERE relnamespace IN ('app'::regnamespace, 'system'::regnamespace)
        UNION ALL SELECT 'schema', nspname, array_to_string(nspacl, ' ')
            FROM pg_namespace WHERE nspname IN ('app', 'system')
        ORDER BY 1, 2, 3";
    ask(client, everything).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_nodes_that_start_at_once_apply_each_migration_once() {
    let Some(database) = empty_database().await else { return };
    let nodes: Vec<_> = (0..8)
        .map(|_| {
            let url = database.url();
            tokio::spawn(async move { migrate(&url).await.unwrap().applied })
        })
        .collect();
    let mut applied = Vec::new();
    for node in nodes {
        applied.extend(node.await.unwrap());
    }
    let recorded = "SELECT version FROM system.__diesel_schema_migrations ORDER BY 1";
    let recorded = ask(&owner(&database.url()).await, recorded).await.unwrap().concat();
    applied.sort();
    assert_eq!(applied, recorded);
    assert_eq!(applied.len(), std::fs::read_dir("../../../migrations").unwrap().filter(is_folder).count());
}

fn is_folder(entry: &std::io::Result<std::fs::DirEntry>) -> bool {
    entry.as_ref().unwrap().path().is_dir()
}

#[tokio::test]
async fn all_nodes_get_the_secret_that_was_stored_first() {
    let Some(database) = database().await else { return };
    let url = database.url();
    let asked = (0..8_u8).map(|node| {
        let url = url.clone();
        tokio::spawn(async move { server_secret(&url, "key", &[node; 32]).await.unwrap() })
    });
    let mut given = Vec::new();
    for asked in asked.collect::<Vec<_>>() {
        given.push(asked.await.unwrap());
    }
    given.dedup();
    assert_eq!(given.len(), 1);
    assert_eq!(server_secret(&url, "other", &[9; 32]).await.unwrap(), [9; 32]);
}

#[tokio::test]
async fn a_login_that_may_not_act_as_the_roles_is_told_what_to_run() {
    let Some(database) = empty_database().await else { return };
    let client = owner(&database.url()).await;
    let login = format!("frontdesk_nobody_{}", std::process::id());
    client.batch_execute(&format!("CREATE ROLE {login} LOGIN PASSWORD 'hunter2'")).await.unwrap();
    let (_, rest) = database.url().split_once('@').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let error = migrate(&format!("postgres://{login}:hunter2@{rest}")).await.unwrap_err();
    client.batch_execute(&format!("DROP ROLE {login}")).await.unwrap();
    assert!(matches!(error, MigrateError::Role { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains(&format!("GRANT frontdesk_app, frontdesk_worker TO \"{login}\";")), "{message}");
    assert!(!message.contains('\n') && !message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn an_up_to_date_database_that_takes_no_writes_lets_nodes_start() {
    let Some(database) = database().await else { return };
    let (url, client) = (database.url(), owner(&database.url()).await);
    server_secret(&url, "key", &[1; 32]).await.unwrap();
    let name = ask(&client, "SELECT current_database()").await.unwrap().concat().concat();
    client.batch_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await.unwrap();
    assert!(migrate(&url).await.unwrap().applied.is_empty());
    assert_eq!(server_secret(&url, "key", &[2; 32]).await.unwrap(), [1; 32]);
    crate::common::stores(&url, 1).await;
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let Some(database) = empty_database().await else { return };
    let client = owner(&database.url()).await;
    let name = ask(&client, "SELECT current_database()").await.unwrap().concat().concat();
    let latin = format!("{name}_latin1");
    let create = format!("CREATE DATABASE {latin} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    client.batch_execute(&create).await.unwrap();
    let url = database.url().replace(&name, &latin);
    let errors = [
        migrate(&url).await.unwrap_err().to_string(),
        PgStores::connect(config(&url)).await.err().unwrap().to_string(),
    ];
    client.batch_execute(&format!("DROP DATABASE {latin} WITH (FORCE)")).await.unwrap();
    for error in errors {
        assert_eq!(error, "the database of DATABASE_URL must have the encoding UTF8; it has LATIN1");
    }
}

fn config(url: &str) -> PgConfig {
    PgConfig { url: url.to_owned(), worker_url: None, pool_size: 1, pools: 1, rls_mode: RlsMode::Session }
}

/// `schema.rs` is kept by hand; here is what holds it to the database.
#[tokio::test]
async fn the_tables_of_the_stores_are_those_of_the_database() {
    let Some(database) = database().await else { return };
    let columns = "SELECT table_name, column_name, udt_name, is_nullable FROM information_schema.columns \
        WHERE table_schema = 'app' ORDER BY table_name, ordinal_position";
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in ask(&owner(&database.url()).await, columns).await.unwrap() {
        let [table, column, udt, nullable] = row.try_into().unwrap();
        let shown =
            if nullable == "YES" { format!("Nullable<{}>", diesel_type(&udt)) } else { diesel_type(&udt).to_owned() };
        found.entry(table).or_default().push(format!("{column} -> {shown}"));
    }
    assert_eq!(written_schema(), found);
}

fn diesel_type(udt: &str) -> &'static str {
    match udt {
        "uuid" => "Uuid",
        "text" => "Text",
        "varchar" => "Varchar",
        "timestamptz" => "Timestamptz",
        "time" => "Time",
        "bool" => "Bool",
        "int2" => "SmallInt",
        "int4" => "Integer",
        "int8" => "BigInt",
        "jsonb" => "Jsonb",
        "bytea" => "Bytea",
        other => panic!("schema.rs has no name for {other}"),
    }
}

fn written_schema() -> BTreeMap<String, Vec<String>> {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut table = String::new();
    for line in include_str!("../../src/schema.rs").lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("app.") {
            rest.split_once(' ').unwrap().0.clone_into(&mut table);
        } else if line.contains(" -> ") {
            tables.entry(table.clone()).or_default().push(line.trim_end_matches(',').to_owned());
        }
    }
    tables
}
