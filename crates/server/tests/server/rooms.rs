//! Rooms on several nodes, and over the end of one.

mod churn;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk::compose::{Overrides, Running, start};
use frontdesk::config::Config;
use frontdesk_testkit::builders::{TestClock, noon};
use frontdesk_testkit::postgres::{Line, TestDatabase, database, line_to};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::client::{Client, Door, Heard};

const PASSWORD: &str = "Str0ngPassw0rd!";
const LOBBY: &str = "lobby";

struct Node {
    running: Running,
    client: reqwest::Client,
}

#[derive(Clone)]
struct User {
    id: String,
    token: String,
}

async fn node(url: Option<&str>, clock: Option<Arc<TestClock>>) -> Node {
    let avatars = concat!(env!("CARGO_TARGET_TMPDIR"), "/avatars");
    let database =
        url.into_iter().flat_map(|url| [("DATABASE_URL", url), ("DATABASE_POOL_SIZE", "4"), ("AVATAR_DIR", avatars)]);
    let variables = [("PORT", "0"), ("RATE_LIMIT_PER_MINUTE", "0")];
    let config = Config::of(variables.into_iter().chain(database)).unwrap();
    let clock = clock.map(|clock| clock as _);
    let running = start(&config, Overrides { workers: Some(1), clock, ..Overrides::default() }).await.unwrap();
    Node { running, client: reqwest::Client::new() }
}

async fn two_nodes(clock: Option<Arc<TestClock>>) -> Option<(TestDatabase, Node, Node)> {
    let database = database().await?;
    let one = node(Some(&database.url()), clock.clone()).await;
    let other = node(Some(&database.url()), clock).await;
    Some((database, one, other))
}

impl Node {
    fn base(&self) -> String {
        format!("http://{}", self.running.address())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base())).timeout(Duration::from_secs(30))
    }

    async fn register(&self, name: &str) -> User {
        let body = json!({ "username": name, "password": PASSWORD });
        let answer = self.request(Method::POST, "/users").json(&body).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
        User { id: text("id"), token: text("access_token") }
    }

    fn door(&self, user: &User) -> Door {
        Door::to(&self.base(), LOBBY, &user.id).bearer(&user.token)
    }

    async fn enter(&self, user: &User) -> Client {
        self.door(user).enter().await.0
    }

    async fn rename(&self, user: &User, name: &str) {
        let request = self.request(Method::PATCH, "/api/v1/profile").bearer_auth(&user.token);
        assert_eq!(request.json(&json!({ "display_name": name })).send().await.unwrap().status(), 200);
    }
}

fn renamed(frame: &Value) -> (&str, u64) {
    (frame["profile"]["display_name"].as_str().unwrap(), frame["offset"].as_u64().unwrap())
}

/// Whether these are there and nobody else.
fn are(welcome: &Value, users: &[&User]) -> bool {
    let members = welcome["members"].as_array().unwrap();
    let mut there: Vec<_> = members.iter().map(|member| member["user_id"].as_str().unwrap()).collect();
    let mut expected: Vec<_> = users.iter().map(|user| user.id.as_str()).collect();
    there.sort_unstable();
    expected.sort_unstable();
    there == expected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_on_one_node_is_heard_on_each_once() {
    let Some((_database, one, other)) = two_nodes(None).await else { return };
    let (ada, bob) = (one.register("ada").await, one.register("bob").await);
    let mut adas = [one.enter(&ada).await, other.enter(&ada).await];
    let mut bobs = [one.enter(&bob).await, other.enter(&bob).await];
    for (offset, node) in (1..=20).zip([&one, &other].into_iter().cycle()) {
        node.rename(&ada, &format!("Ada {offset}")).await;
        for client in adas.iter_mut().chain(&mut bobs) {
            assert_eq!(renamed(&client.update().await), (format!("Ada {offset}").as_str(), offset));
        }
    }
    one.rename(&bob, "Bob").await;
    for client in adas.iter_mut().chain(&mut bobs) {
        assert_eq!(renamed(&client.update().await), ("Bob", 21), "told twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_on_two_nodes_at_once_have_one_order() {
    let Some((_database, one, other)) = two_nodes(None).await else { return };
    let (ada, bob) = (one.register("ada").await, one.register("bob").await);
    let (mut adas, mut bobs) = (one.enter(&ada).await, other.enter(&bob).await);
    let rename = async |node: &Node, user: &User| {
        for number in 0..50 {
            node.rename(user, &format!("{number}")).await;
        }
    };
    tokio::join!(rename(&one, &ada), rename(&other, &bob));
    for offset in 1..=100 {
        let (here, there) = (adas.update().await, bobs.update().await);
        assert_eq!((&here["offset"], &here["event_id"]), (&json!(offset), &there["event_id"]), "{here} {there}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_there_is_the_same_on_every_node() {
    let Some((_database, one, other)) = two_nodes(None).await else { return };
    let (ada, bob) = (one.register("ada").await, one.register("bob").await);
    let mut adas = one.enter(&ada).await;
    let (bobs, welcome) = other.door(&bob).enter().await;
    assert!(are(&welcome, &[&ada, &bob]), "{welcome}");
    assert_eq!(adas.presence().await, ("member_joined".to_owned(), bob.id.clone()));
    // To be on a second node is not to come again, and to go from it is not to go.
    one.enter(&bob).await.leave().await;
    one.rename(&ada, "Ada").await;
    assert_eq!(renamed(&adas.frame().await), ("Ada", 1));
    bobs.leave().await;
    assert_eq!(adas.presence().await, ("member_left".to_owned(), bob.id.clone()));
    let (_client, welcome) = other.door(&ada).enter().await;
    assert!(are(&welcome, &[&ada]), "{welcome}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_on_one_node_closes_the_sockets_of_the_other_within_a_second() {
    let Some((_database, one, other)) = two_nodes(None).await else { return };
    let (ada, bob, eve) = (one.register("ada").await, one.register("bob").await, one.register("eve").await);
    let mut eves = other.enter(&eve).await;
    let mut adas = other.enter(&ada).await;
    let logout = one.request(Method::POST, "/api/v1/auth/logout").bearer_auth(&ada.token);
    assert_eq!(logout.send().await.unwrap().status(), 204);
    let asked = Instant::now();
    assert_eq!(adas.closed().await, 4401);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let mut bobs = other.enter(&bob).await;
    let delete = one.request(Method::DELETE, "/api/v1/account").bearer_auth(&bob.token);
    assert_eq!(delete.send().await.unwrap().status(), 200);
    let asked = Instant::now();
    bobs.news_of("user_deleted").await;
    assert_eq!(bobs.closed().await, 4410);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(eves.news_of("user_deleted").await["user_id"], bob.id.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_opens_one_socket_on_all_nodes_together() {
    let Some((_database, one, other)) = two_nodes(None).await else { return };
    let ada = one.register("ada").await;
    let request = one.request(Method::POST, "/api/v1/realtime/ticket").bearer_auth(&ada.token);
    let ticket: Value = request.send().await.unwrap().json().await.unwrap();
    let with = |node: &Node| Door::to(&node.base(), LOBBY, &ada.id).query("ticket", ticket["ticket"].as_str().unwrap());
    let (_client, _) = with(&other).enter().await;
    for node in [&one, &other] {
        assert_eq!(with(node).refused().await, 4401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_has_twenty_sockets_on_all_nodes_together() {
    let Some((_database, one, other)) = two_nodes(None).await else { return };
    let (ada, bob) = (one.register("ada").await, one.register("bob").await);
    let mut clients = Vec::new();
    for node in [&one, &other].into_iter().cycle().take(20) {
        clients.push(node.enter(&ada).await);
    }
    for node in [&one, &other] {
        assert_eq!(node.door(&ada).refused().await, 4409);
        node.enter(&bob).await;
    }
    // Until the other node has heard of it.
    clients.remove(0);
    let closed = Instant::now();
    let welcome = loop {
        match other.door(&ada).open().await.next().await {
            Heard::Frame(frame) => break frame,
            heard => assert_eq!(heard, Heard::Closed(4409)),
        }
        assert!(closed.elapsed() < Duration::from_secs(30), "a closed socket counts for ever");
    };
    assert_eq!(welcome["type"], "welcome");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_forty_sockets_that_open_at_once_in_many_rooms_no_more_than_twenty_come_in() {
    let Some((_database, one, other)) = two_nodes(None).await else { return };
    let ada = one.register("ada").await;
    let racing = (0..40).zip([&one, &other].into_iter().cycle()).map(|(number, node)| {
        let door = Door::to(&node.base(), &format!("room-{number}"), &ada.id).bearer(&ada.token);
        async move {
            let mut client = door.open().await;
            let heard = client.next().await;
            (client, heard)
        }
    });
    let (mut open, refused): (Vec<_>, Vec<_>) = futures_util::future::join_all(racing)
        .await
        .into_iter()
        .partition(|(_, heard)| matches!(heard, Heard::Frame(_)));
    assert!((1..=20).contains(&open.len()), "{} came in", open.len());
    assert!(refused.iter().all(|(_, heard)| *heard == Heard::Closed(4409)));
    // Once it is known that those are gone there is room for the rest.
    let begun = Instant::now();
    while open.len() < 20 {
        let mut client = other.door(&ada).open().await;
        match client.next().await {
            heard @ Heard::Frame(_) => open.push((client, heard)),
            heard => assert_eq!(heard, Heard::Closed(4409)),
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "refused sockets count for ever");
    }
    for node in [&one, &other] {
        assert_eq!(node.door(&ada).refused().await, 4409);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_on_a_node_that_is_gone_leaves_when_its_lease_runs_out() {
    let clock = Arc::new(TestClock::at(noon()));
    let Some((_database, one, other)) = two_nodes(Some(clock.clone())).await else { return };
    let (ada, bob) = (one.register("ada").await, one.register("bob").await);
    let _adas = one.enter(&ada).await;
    let mut bobs = other.enter(&bob).await;
    // Nobody stops it: it is not there any more.
    drop(one);
    let (_second, welcome) = other.door(&bob).enter().await;
    assert!(are(&welcome, &[&ada, &bob]), "{welcome}");
    clock.advance(Duration::from_secs(91));
    while bobs.presence().await != ("member_left".to_owned(), ada.id.clone()) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_closes_its_sockets_in_time() {
    let database = database().await;
    for url in [None, database.as_ref().map(TestDatabase::url)].into_iter().take(1 + usize::from(database.is_some())) {
        let node = node(url.as_deref(), None).await;
        let mut clients = Vec::new();
        for name in ["ada", "bob", "eve"] {
            let user = node.register(name).await;
            clients.push(node.enter(&user).await);
        }
        let waiting = node.register("waiting").await;
        // Nobody knows yet who this is.
        let unknown = Door::to(&node.base(), LOBBY, &waiting.id).open().await;
        let asked = Instant::now();
        let stopping = tokio::spawn(node.running.stop());
        clients.push(unknown);
        for client in &mut clients {
            assert_eq!(client.closed().await, 1001);
        }
        assert!(stopping.await.unwrap(), "not all requests were finished");
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_line_was_cut_tells_what_was_missed() {
    let Some(database) = database().await else { return };
    let (url, line) = line_to(&database.url()).await;
    let (one, cut) = (node(Some(&database.url()), None).await, node(Some(&url), None).await);
    let (ada, bob) = (one.register("ada").await, one.register("bob").await);
    let (_adas, mut bobs) = (one.enter(&ada).await, cut.enter(&bob).await);
    for round in 0..3 {
        line.send(Line::Down).unwrap();
        for number in 1..=5 {
            one.rename(&ada, &format!("Ada {round} {number}")).await;
        }
        line.send(Line::Up).unwrap();
        for number in 1..=5 {
            assert_eq!(bobs.update().await["offset"], 5 * round + number);
        }
    }
    one.rename(&ada, "Ada").await;
    assert_eq!(renamed(&bobs.update().await), ("Ada", 16));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_a_node_asks_to_come_later() {
    let Some(database) = database().await else { return };
    let (url, line) = line_to(&database.url()).await;
    let node = node(Some(&url), None).await;
    let ada = node.register("ada").await;
    node.enter(&ada).await;
    line.send(Line::Down).unwrap();
    assert_eq!(node.door(&ada).refused().await, 1013);
    line.send(Line::Up).unwrap();
    // The first tries may still find the line down.
    while node.door(&ada).open().await.next().await == Heard::Closed(1013) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_log_nor_metrics_show_what_a_socket_was_opened_with() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
    command
        .current_dir(directory.path())
        .env_clear()
        .envs([("PORT", "0"), ("RUST_LOG", "info,frontdesk=trace,frontdesk_http=trace")]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stdout.take().unwrap());
    let base = loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server ended before it listened");
        let line: Value = serde_json::from_str(&line).unwrap();
        if let Some(address) = line["address"].as_str() {
            break format!("http://{address}");
        }
    };
    // Nobody may leave the pipe full.
    let reading = std::thread::spawn(move || {
        let mut rest = String::new();
        log.read_to_string(&mut rest).unwrap();
        rest
    });
    let client = reqwest::Client::new();
    let ada = client.post(format!("{base}/users")).json(&json!({ "username": "ada", "password": PASSWORD }));
    let ada: Value = ada.send().await.unwrap().json().await.unwrap();
    let (id, token) = (ada["id"].as_str().unwrap(), ada["access_token"].as_str().unwrap());
    let ticket = client.post(format!("{base}/api/v1/realtime/ticket")).bearer_auth(token);
    let ticket: Value = ticket.send().await.unwrap().json().await.unwrap();
    let ticket = ticket["ticket"].as_str().unwrap();
    let door = || Door::to(&base, LOBBY, id);
    let (by_ticket, _) = door().query("ticket", ticket).query("token", token).enter().await;
    by_ticket.leave().await;
    assert_eq!(door().query("ticket", ticket).refused().await, 4401);
    door().subprotocol(token).enter().await.0.leave().await;
    let mut by_frame = door().open().await;
    by_frame.send(json!({ "type": "auth", "token": token })).await;
    by_frame.news_of("welcome").await;
    by_frame.leave().await;
    let metrics = client.get(format!("{base}/metrics")).send().await.unwrap().text().await.unwrap();
    let asked = Command::new("sh").args(["-c", &format!("kill -s TERM {}", child.id())]).status().unwrap();
    assert!(asked.success() && child.wait().unwrap().success());
    let log = reading.join().unwrap();
    assert!(log.contains("a socket closed") && log.contains(id), "{log}");
    // Nor the end of one, which is all that is secret in it.
    let end = |text: &str| text.split_at(text.len() - 20).1.to_owned();
    for secret in [end(token), end(ticket)] {
        assert!(!log.contains(&secret) && !metrics.contains(&secret), "{secret}");
    }
}
