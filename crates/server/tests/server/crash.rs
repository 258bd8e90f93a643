//! A server that is killed while it deletes an account: everything is there, or nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use frontdesk_testkit::postgres::{TestDatabase, database};
use serde_json::{Value, json};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// At which message of the server it is killed: from before the deletion, on a connection that is still to be opened and
/// to prepare its statements, to after it.
const LAST: i64 = 120;
const STRIDE: usize = 3;

/// Kills a process without a chance to do anything about it.
fn kill(process: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -s KILL {process}")]).stderr(Stdio::null()).status();
    // It may be gone already.
    drop(status);
}

/// A line to the database that counts the messages of the server, and kills it at the one it is told.
#[derive(Clone)]
struct Trap {
    /// Messages left; negative where the trap is not set.
    left: Arc<AtomicI64>,
    process: Arc<AtomicU32>,
}

impl Trap {
    /// Gives the URL over the line.
    fn to(url: &str) -> (Self, String) {
        let trap = Self { left: Arc::new(AtomicI64::new(-1)), process: Arc::default() };
        let (head, rest) = url.split_once('@').unwrap();
        let (upstream, path) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxied = format!("{head}@{}/{path}", listener.local_addr().unwrap());
        let (trap_of_line, upstream) = (trap.clone(), upstream.to_owned());
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let (Ok(near), Ok(far)) = (near, TcpStream::connect(&upstream)) else { continue };
                trap_of_line.carry(near, far);
            }
        });
        (trap, proxied)
    }

    fn carry(&self, near: TcpStream, far: TcpStream) {
        let (trap, from_server, to_database) = (self.clone(), near.try_clone().unwrap(), far.try_clone().unwrap());
        std::thread::spawn(move || copy(from_server, to_database, || trap.step()));
        std::thread::spawn(move || copy(far, near, || {}));
    }

    /// One message of the server: the last one kills it, and still arrives.
    fn step(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            kill(self.process.load(Ordering::SeqCst));
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, before_each: impl Fn()) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        before_each();
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // The other side learns of the end.
    to.shutdown(std::net::Shutdown::Write).ok();
}

struct Server {
    child: Mutex<Child>,
    base: String,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start(url: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
        command.current_dir(directory.path()).env_clear().stdin(Stdio::null()).stdout(Stdio::piped());
        command.envs([("PORT", "0"), ("JWT_SECRET_KEY", SECRET), ("DATABASE_URL", url), ("DATABASE_POOL_SIZE", "2")]);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let mut address = None;
        while address.is_none() {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server ended before it listened");
            let line: Value = serde_json::from_str(&line).unwrap();
            address = line["address"].as_str().map(str::to_owned);
        }
        // Nobody reads the rest; it must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child: Mutex::new(child), base: format!("http://{}", address.unwrap()), _directory: directory }
    }

    fn process(&self) -> u32 {
        self.child.lock().unwrap().id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        child.kill().ok();
        child.wait().ok();
    }
}

/// How many rows of a user each table has that an account fills.
async fn rows(database: &TestDatabase, user: &str) -> Vec<i64> {
    let mut counts = Vec::new();
    for rows in [
        "users WHERE deleted_at IS NULL AND id",
        "profiles WHERE id",
        "user_settings WHERE user_id",
        "notification_preferences WHERE user_id",
        "sessions WHERE user_id",
    ] {
        counts.push(database.number(&format!("SELECT count(*) FROM app.{rows} = '{user}'")).await);
    }
    counts
}

async fn status(client: &reqwest::Client, base: &str, token: &str) -> u16 {
    let request = client.get(format!("{base}/api/v1/profile")).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_step_of_a_deletion_a_server_leaves_everything_or_nothing() {
    let Some(database) = database().await else { return };
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let (mut kept, mut deleted) = (0, 0);
    for step in (1..=LAST).step_by(STRIDE) {
        let (trap, url) = Trap::to(&database.url());
        let server = Server::start(&url);
        trap.process.store(server.process(), Ordering::SeqCst);
        let body = json!({ "username": format!("user_{step}"), "password": "Str0ngPassw0rd!" });
        let answer = client.post(format!("{}/users", server.base)).json(&body).send().await.unwrap();
        let user: Value = answer.json().await.unwrap();
        let (id, token) = (user["id"].as_str().unwrap(), user["access_token"].as_str().unwrap());
        trap.left.store(step, Ordering::SeqCst);
        let request = client.delete(format!("{}/api/v1/account", server.base)).bearer_auth(token);
        // It may be killed before it answers, or after.
        let was_told = request.send().await.is_ok_and(|answer| answer.status() == 200);
        drop(server);
        let server = Server::start(&database.url());
        match rows(&database, id).await[..] {
            [1, 1, 1, 1, 1] => {
                assert!(!was_told, "step {step}: told that it is deleted, and it is not");
                assert_eq!(status(&client, &server.base, token).await, 200, "step {step}");
                kept += 1;
            }
            [0, 0, 0, 0, 0] => {
                assert_eq!(status(&client, &server.base, token).await, 401, "step {step}");
                deleted += 1;
                // Later steps are after the answer.
                if was_told {
                    break;
                }
            }
            ref some => panic!("step {step}: {some:?} is neither all nor nothing"),
        }
    }
    assert!(kept > 0 && deleted > 0, "the steps did not reach from before the commit to after it: {kept}, {deleted}");
}
