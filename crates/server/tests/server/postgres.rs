//! With Postgres, where there is one.

use frontdesk::compose::{Overrides, Running, StartError, start};
use frontdesk::config::Config;
use frontdesk::verify;
use frontdesk_testkit::postgres::{database, empty_database};
use serde_json::{Value, json};
use url::Url;

async fn on(url: &str, pairs: &[(&str, &str)]) -> Result<Running, StartError> {
    let avatars = concat!(env!("CARGO_TARGET_TMPDIR"), "/avatars");
    let variables = [("PORT", "0"), ("DATABASE_URL", url), ("DATABASE_POOL_SIZE", "2"), ("AVATAR_DIR", avatars)];
    let config = Config::of(variables.into_iter().chain(pairs.iter().copied())).unwrap();
    start(&config, Overrides { workers: Some(1), ..Overrides::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_clients_scripts_pass_on_postgres() {
    let Some(database) = database().await else { return };
    let running = on(&database.url(), &[]).await.unwrap();
    let url = Url::parse(&format!("http://{}", running.address())).unwrap();
    let mut report = Vec::new();
    assert!(verify::run(&url, &mut report).await.unwrap(), "{}", String::from_utf8(report).unwrap());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_token_outlives_a_restart() {
    let Some(database) = database().await else { return };
    let client = reqwest::Client::new();
    let first = on(&database.url(), &[]).await.unwrap();
    let request = client.post(format!("http://{}/users", first.address())).json(&json!({ "username": "ada" }));
    let user: Value = request.send().await.unwrap().json().await.unwrap();
    first.stop().await;
    let second = on(&database.url(), &[]).await.unwrap();
    let request = client.get(format!("http://{}/api/v1/profile", second.address()));
    let answer = request.bearer_auth(user["access_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_empty_database_is_ready_when_the_server_listens() {
    let Some(database) = empty_database().await else { return };
    let running = on(&database.url(), &[]).await.unwrap();
    let ready = reqwest::get(format!("http://{}/ready", running.address())).await.unwrap();
    assert_eq!(ready.status(), 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_empty_database_is_refused_where_migrations_are_switched_off() {
    let Some(database) = empty_database().await else { return };
    let refused = on(&database.url(), &[("MIGRATE_ON_START", "false")]).await.err().unwrap();
    assert!(matches!(refused, StartError::Database(_)), "{refused}");
    assert!(refused.to_string().contains("frontdesk migrate"), "{refused}");
}
