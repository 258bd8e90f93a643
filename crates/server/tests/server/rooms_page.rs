//! The page `/docs/rooms`, in a real browser without a network.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use frontdesk::compose::{Overrides, Running, start};
use frontdesk::config::Config;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// Nothing but the page itself may ask the network for anything.
const QUIETLY: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
];

fn environment(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a test is configured by its caller's environment")]
    std::env::var(name).ok()
}

/// Where the browser is. Says loudly that there is none, and fails where one is demanded.
fn program() -> Option<PathBuf> {
    let path = environment("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    let found = places.into_iter().find(|place| place.is_file());
    if found.is_none() {
        let is_demanded = environment("FRONTDESK_REQUIRE_BROWSER").as_deref() == Some("1");
        assert!(!is_demanded, "no Chromium in PATH, although FRONTDESK_REQUIRE_BROWSER=1");
        eprintln!("NOT RUN: the page of the rooms was not tried, there is no Chromium in PATH");
    }
    found
}

/// A page in a browser, spoken to over the `DevTools` protocol. The browser ends with this value.
struct Page {
    browser: Child,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: Value,
    last: u64,
    /// The URLs that were asked for.
    requested: Vec<String>,
    _profile: TempDir,
}

impl Page {
    async fn open(url: &str) -> Option<Self> {
        let (program, profile) = (program()?, TempDir::new().unwrap());
        let mut command = Command::new(program);
        command.args(QUIETLY).arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        let mut browser = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(browser.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("DevTools listening on ").map(str::to_owned)).unwrap();
        // It goes on writing, and must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let (socket, _) = connect_async(address).await.unwrap();
        let mut page =
            Self { browser, socket, session: Value::Null, last: 0, requested: Vec::new(), _profile: profile };
        let target = page.ask("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        page.session = page.ask("Target.attachToTarget", attach).await["sessionId"].clone();
        page.ask("Network.enable", json!({})).await;
        page.ask("Page.navigate", json!({ "url": url })).await;
        Some(page)
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut request = json!({ "id": self.last, "method": method, "params": params });
        if !self.session.is_null() {
            request["sessionId"] = self.session.clone();
        }
        self.socket.send(Message::text(request.to_string())).await.unwrap();
        loop {
            let Message::Text(text) = self.socket.next().await.unwrap().unwrap() else { continue };
            let mut message: Value = serde_json::from_str(&text).unwrap();
            for url in [&message["params"]["request"]["url"], &message["params"]["url"]] {
                let is_request = matches!(
                    message["method"].as_str(),
                    Some("Network.requestWillBeSent" | "Network.webSocketCreated")
                );
                self.requested.extend(url.as_str().filter(|_| is_request).map(str::to_owned));
            }
            if message["id"] == json!(self.last) {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
        }
    }

    /// Runs a script, and gives what it comes to.
    async fn run(&mut self, script: &str) -> Value {
        let params = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let mut done = self.ask("Runtime.evaluate", params).await;
        assert!(done["exceptionDetails"].is_null(), "{script}: {done}");
        done["result"]["value"].take()
    }

    /// Waits until a condition holds in the page; what the page shows is told where it never does.
    async fn until(&mut self, condition: &str) {
        let script = format!(
            "new Promise((resolve, reject) => {{
                const last = Date.now() + 30000;
                const look = () => {{
                    if ({condition}) return resolve(true);
                    if (Date.now() > last) return reject(new Error(document.body?.innerText));
                    setTimeout(look, 10);
                }};
                look();
            }})"
        );
        assert_eq!(self.run(&script).await, json!(true));
    }

    async fn edit(&mut self, field: &str, value: &str) {
        self.run(&format!(
            "document.getElementById('{field}').value = '{value}'; document.getElementById('edit').requestSubmit();"
        ))
        .await;
    }

    async fn heard(&mut self, list: &str) -> String {
        self.run(&format!("document.getElementById('{list}').innerText")).await.as_str().unwrap().to_owned()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.browser.kill().ok();
        self.browser.wait().ok();
    }
}

async fn server() -> Running {
    let config = Config::of([("PORT", "0")]).unwrap();
    start(&config, Overrides { workers: Some(1), ..Overrides::default() }).await.unwrap()
}

fn has(list: &str, text: &str) -> String {
    format!("document.getElementById('{list}').innerText.includes('{text}')")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_on_the_left_arrives_on_the_right_and_after_a_break_too() {
    let running = server().await;
    let base = format!("http://{}", running.address());
    let Some(mut page) = Page::open(&format!("{base}/docs/rooms")).await else { return };
    page.until("document.getElementById('status')?.dataset.is === 'ready'").await;

    page.edit("display_name", "Countess").await;
    page.until(&has("peer", "Countess")).await;
    page.until(&has("own", "Countess")).await;

    page.edit("phone", "+4930123456").await;
    page.until(&has("own", "+4930123456")).await;
    page.edit("bio", "After the number").await;
    page.until(&has("peer", "After the number")).await;
    assert!(!page.heard("peer").await.contains("4930123456"), "what is private is the user's alone");

    page.run("document.getElementById('drop').click()").await;
    page.until(&has("peer", "closed 1000")).await;
    page.edit("bio", "While Bea was away").await;
    page.until(&has("own", "While Bea was away")).await;
    assert!(!page.heard("peer").await.contains("While Bea was away"));
    page.run("document.getElementById('back').click()").await;
    page.until(&has("peer", "While Bea was away")).await;

    let own = [format!("{base}/"), base.replace("http", "ws"), "data:".to_owned(), "about:".to_owned()];
    let foreign: Vec<_> =
        page.requested.iter().filter(|url| !own.iter().any(|own| url.starts_with(own.as_str()))).collect();
    assert!(page.requested.len() > 4 && foreign.is_empty(), "{foreign:?} of {:?}", page.requested);
    drop(page);
    running.stop().await;
}
