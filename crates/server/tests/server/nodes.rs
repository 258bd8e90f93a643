//! Two servers on one database: what one of them ends is over on the other.

use std::time::{Duration, Instant};

use frontdesk::compose::{Overrides, Running, start};
use frontdesk::config::Config;
use frontdesk_testkit::postgres::{Line, TestDatabase, database, line_to};
use frontdesk_testkit::redis;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

const PASSWORD: &str = "Str0ngPassw0rd!";
/// How long another node may go on believing a token.
const LIMIT: Duration = Duration::from_secs(1);

struct Node {
    running: Running,
    client: Client,
}

#[derive(Clone)]
struct User {
    id: String,
    username: String,
    token: String,
}

async fn node(url: &str) -> Node {
    node_with(url, None).await
}

async fn node_with(url: &str, redis: Option<&str>) -> Node {
    let avatars = concat!(env!("CARGO_TARGET_TMPDIR"), "/avatars");
    let variables = [
        ("PORT", "0"),
        ("DATABASE_URL", url),
        ("DATABASE_POOL_SIZE", "4"),
        ("RATE_LIMIT_PER_MINUTE", "0"),
        ("AVATAR_DIR", avatars),
    ];
    let config = Config::of(variables.into_iter().chain(redis.map(|url| ("REDIS_URL", url)))).unwrap();
    let running = start(&config, Overrides { workers: Some(1), ..Overrides::default() }).await.unwrap();
    Node { running, client: Client::new() }
}

impl Node {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.running.address()))
    }

    async fn register(&self, body: Value) -> User {
        let answer = self.request(Method::POST, "/users").json(&body).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
        User { id: text("id"), username: text("username"), token: text("access_token") }
    }

    async fn status(&self, user: &User) -> u16 {
        let request = self.request(Method::GET, "/api/v1/profile").bearer_auth(&user.token);
        request.send().await.unwrap().status().as_u16()
    }

    async fn logout(&self, user: &User) {
        let request = self.request(Method::POST, "/api/v1/auth/logout").bearer_auth(&user.token);
        assert_eq!(request.send().await.unwrap().status(), 204);
    }

    /// Asks until the token is refused; tells how long that took.
    async fn refused_after(&self, user: &User) -> Duration {
        let asked = Instant::now();
        loop {
            match self.status(user).await {
                401 => return asked.elapsed(),
                200 => assert!(asked.elapsed() < Duration::from_secs(30), "it is never refused"),
                other => panic!("{other}"),
            }
        }
    }
}

async fn two_nodes() -> Option<(TestDatabase, Node, Node)> {
    let database = database().await?;
    let (one, other) = (node(&database.url()).await, node(&database.url()).await);
    Some((database, one, other))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_sessions_that_end_on_one_node_are_refused_on_the_other_within_a_second() {
    let Some((_database, one, other)) = two_nodes().await else { return };
    for number in 0..200 {
        let user = one.register(json!({ "username": format!("user_{number}") })).await;
        assert_eq!(other.status(&user).await, 200);
        one.logout(&user).await;
        assert_eq!(one.status(&user).await, 401, "the node that ended it");
        let took = other.refused_after(&user).await;
        assert!(took < LIMIT, "session {number} took {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_is_refused_after_a_restart_of_all_nodes_from_the_first_request_on() {
    let Some((database, one, other)) = two_nodes().await else { return };
    let mut ended = Vec::new();
    for number in 0..20 {
        let user = one.register(json!({ "username": format!("user_{number}") })).await;
        one.logout(&user).await;
        ended.push(user);
    }
    let open = one.register(json!({ "username": "open" })).await;
    one.running.stop().await;
    other.running.stop().await;
    let (one, other) = (node(&database.url()).await, node(&database.url()).await);
    for node in [&one, &other] {
        for user in &ended {
            assert_eq!(node.status(user).await, 401);
        }
        assert_eq!(node.status(&open).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_and_a_deletion_are_heard_on_the_other_node() {
    let Some((_database, one, other)) = two_nodes().await else { return };
    let ada = one.register(json!({ "username": "ada", "password": PASSWORD })).await;
    let bob = one.register(json!({ "username": "bob", "password": PASSWORD })).await;
    for user in [&ada, &bob] {
        assert_eq!(other.status(user).await, 200);
    }
    let body = json!({ "new_password": "An0ther-Passw0rd", "current_password": PASSWORD });
    let path = format!("/users/{}/password", ada.id);
    let changed = one.request(Method::PUT, &path).bearer_auth(&ada.token).json(&body).send().await.unwrap();
    assert_eq!(changed.status(), 200);
    let renewed: Value = changed.json().await.unwrap();
    let deleted = one.request(Method::DELETE, "/api/v1/account").bearer_auth(&bob.token).send().await.unwrap();
    assert_eq!(deleted.status(), 200);
    for user in [&ada, &bob] {
        let took = other.refused_after(user).await;
        assert!(took < LIMIT, "{} took {took:?}", user.username);
    }
    let renewed = User { token: renewed["access_token"].as_str().unwrap().to_owned(), ..ada };
    assert_eq!(other.status(&renewed).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_line_was_cut_refuses_what_ended_meanwhile() {
    let Some(database) = database().await else { return };
    let (url, line) = line_to(&database.url()).await;
    let (one, cut) = (node(&database.url()).await, node(&url).await);
    let user = one.register(json!({ "username": "ada" })).await;
    assert_eq!(cut.status(&user).await, 200);
    line.send(Line::Down).unwrap();
    one.logout(&user).await;
    line.send(Line::Up).unwrap();
    // The first answers may say that the database is out of reach, and none that the token is good.
    let asked = Instant::now();
    loop {
        match cut.status(&user).await {
            401 => break,
            503 => assert!(asked.elapsed() < Duration::from_secs(30), "the node never recovers"),
            other => {
                assert!(asked.elapsed() < LIMIT, "{other} after {:?}", asked.elapsed());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_redis_sessions_that_end_on_one_node_are_refused_on_the_other_within_a_second() {
    let (Some(database), Some(redis)) = (database().await, redis::server().await) else { return };
    let (url, redis) = (database.url(), redis.url());
    let (one, other) = (node_with(&url, Some(&redis)).await, node_with(&url, Some(&redis)).await);
    for number in 0..50 {
        let user = one.register(json!({ "username": format!("user_{number}") })).await;
        assert_eq!(other.status(&user).await, 200);
        one.logout(&user).await;
        let took = other.refused_after(&user).await;
        assert!(took < LIMIT, "session {number} took {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_redis_a_node_asks_the_database_what_has_ended() {
    let (Some(database), Some(server)) = (database().await, redis::server().await) else { return };
    let (url, address) = (database.url(), server.url());
    let (one, other) = (node_with(&url, Some(&address)).await, node_with(&url, Some(&address)).await);
    let user = one.register(json!({ "username": "ada" })).await;
    assert_eq!(other.status(&user).await, 200);
    drop(server);
    one.logout(&user).await;
    let took = other.refused_after(&user).await;
    assert!(took < LIMIT, "it took {took:?}");
}
