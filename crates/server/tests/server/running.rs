use frontdesk::compose::{Overrides, Running, start};
use frontdesk::config::Config;
use frontdesk::verify;
use url::Url;

async fn in_memory(pairs: &[(&str, &str)]) -> Running {
    let config = Config::of(pairs.iter().copied().chain([("PORT", "0")])).unwrap();
    start(&config, Overrides { workers: Some(1), ..Overrides::default() }).await.unwrap()
}

fn url(running: &Running) -> Url {
    Url::parse(&format!("http://{}", running.address())).unwrap()
}

async fn status(running: &Running, path: &str) -> u16 {
    reqwest::get(url(running).join(path).unwrap()).await.unwrap().status().as_u16()
}

async fn report(running: &Running) -> (bool, String) {
    let mut report = Vec::new();
    let has_passed = verify::run(&url(running), &mut report).await.unwrap();
    (has_passed, String::from_utf8(report).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_clients_scripts_pass_on_default_settings() {
    let running = in_memory(&[]).await;
    let (has_passed, report) = report(&running).await;
    assert!(has_passed && !report.contains('✗'), "{report}");
    assert!(!report.contains("Str0ngPassw0rd!"), "{report}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn verify_says_what_does_not_hold() {
    let running = in_memory(&[("USERS_AUTH", "jwt")]).await;
    let (has_passed, report) = report(&running).await;
    assert!(!has_passed);
    assert!(report.contains("answers 401 instead of 200"), "{report}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn verify_fails_where_nobody_answers() {
    let running = in_memory(&[]).await;
    let url = url(&running);
    running.stop().await;
    let mut report = Vec::new();
    assert!(!verify::run(&url, &mut report).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_draining_server_is_alive_and_not_ready() {
    let running = in_memory(&[]).await;
    assert_eq!(status(&running, "/ready").await, 200);
    running.drain();
    assert_eq!(status(&running, "/ready").await, 503);
    assert_eq!(status(&running, "/health").await, 200);
    assert!(running.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stopped_server_gives_its_port_back() {
    let running = in_memory(&[]).await;
    let address = running.address();
    running.stop().await;
    std::net::TcpListener::bind(address).unwrap();
}
