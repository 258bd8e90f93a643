//! A throwaway Redis for tests.
//!
//! `TEST_REDIS_URL` names a server to share, as `redis://user:password@host:port/0`. Without it, a test process starts
//! one of its own from the `redis-server` or `valkey-server` on this machine, and so does each test that spoils its
//! server. Channels are what keeps tests apart: each takes a prefix of its own.
//!
//! ```no_run
//! # async fn example() {
//! let Some(url) = frontdesk_testkit::redis::url().await else { return };
//! let prefix = frontdesk_testkit::redis::prefix();
//! # }
//! ```

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Once, OnceLock};
use std::time::{Duration, Instant};

/// How long a start may take on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a start is tried again when another program takes the port first.
const START_ATTEMPTS: u32 = 3;

/// Runs a server until the other end of the input closes, which the end of a process does, however it ends.
const KEEPER: &str = r#"
exec 3<&0
dir=$1; shift
"$@" </dev/null 3<&- >"$dir/log" 2>&1 &
server=$!
( cat <&3 >/dev/null; kill -KILL "$server" 2>/dev/null ) &
keeper=$!
wait "$server"
kill "$keeper" 2>/dev/null
rm -rf "$dir"
"#;

/// A server of one test, which it may spoil. It ends with this value.
#[derive(Debug)]
pub struct TestRedis {
    port: u16,
    /// Its input is the end that this process holds.
    keeper: Child,
}

impl TestRedis {
    /// The URL of the server. No password is asked for.
    pub fn url(&self) -> String {
        // With a name of a login, so that a line can be laid to it.
        format!("redis://default@127.0.0.1:{}/0", self.port)
    }

    fn start() -> Result<Self, String> {
        let binary = binary().ok_or("no redis-server and no valkey-server in PATH")?;
        let mut last = String::new();
        for _ in 0..START_ATTEMPTS {
            match Self::start_once(&binary) {
                Ok(server) => return Ok(server),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn start_once(binary: &Path) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        let (dir, port) =
            (std::env::temp_dir().join(format!("frontdesk-redis-{}", name())), free_port().map_err(text)?);
        fs::create_dir_all(&dir).map_err(text)?;
        // Made before its reader looks for it.
        let log = dir.join("log");
        File::create(&log).map_err(text)?;
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(&dir).arg(binary).args(["--bind", "127.0.0.1", "--port"]);
        keeper.arg(port.to_string()).args(["--save", "", "--appendonly", "no", "--dir"]).arg(&dir);
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = Self { port, keeper: keeper.spawn().map_err(text)? };
        let give_up = Instant::now() + START_TIMEOUT;
        loop {
            let told = fs::read_to_string(&log).unwrap_or_default();
            // Not by a connection: on that port it could be another program that answers.
            if told.contains("Ready to accept connections") {
                return Ok(server);
            }
            if Instant::now() > give_up || !matches!(server.keeper.try_wait(), Ok(None)) {
                let last: Vec<_> = told.lines().rev().take(3).collect();
                return Err(format!("{} did not start: {}", binary.display(), last.join("; ")));
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The URL of a server that tests share, or `None` (and says so, once) where there is no Redis.
///
/// # Panics
/// Where there is no Redis although `FRONTDESK_REQUIRE_REDIS=1` asks for one.
pub async fn url() -> Option<String> {
    static SHARED: OnceLock<Option<String>> = OnceLock::new();
    blocking(|| {
        let shared = || environment("TEST_REDIS_URL").map_or_else(share, Ok).map_err(|error| unusable(&error)).ok();
        SHARED.get_or_init(shared).clone()
    })
    .await
}

/// A server of one test, as [`url`]; started also where `TEST_REDIS_URL` names one, which is not ours to spoil.
///
/// # Panics
/// As [`url`].
pub async fn server() -> Option<TestRedis> {
    blocking(|| TestRedis::start().map_err(|error| unusable(&error)).ok()).await
}

/// What the channels of one test begin with.
pub fn prefix() -> String {
    format!("test_{}_", name())
}

/// Starts the server that lives as long as this process.
fn share() -> Result<String, String> {
    static SERVER: OnceLock<TestRedis> = OnceLock::new();
    let server = TestRedis::start()?;
    Ok(SERVER.get_or_init(|| server).url())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // A run that demands Redis fails by this panic: it must reach the test.
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// Of this process, and of nobody else on this machine.
fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn binary() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    let in_path = |name: &str| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    in_path("redis-server").or_else(|| in_path("valkey-server"))
}

fn free_port() -> std::io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port())
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration to be told by")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn unusable(error: &str) {
    static TOLD: Once = Once::new();
    let is_demanded = environment("FRONTDESK_REQUIRE_REDIS").as_deref() == Some("1");
    assert!(!is_demanded, "REDIS NOT FOUND, and this run demands it: {error}");
    TOLD.call_once(|| {
        // Not by `eprintln!`: the harness keeps to itself what a test that passes has printed.
        let _ = writeln!(
            std::io::stderr(),
            "\nREDIS NOT FOUND: the Redis tests of this binary did NOT run. Install Redis or Valkey, or set \
             TEST_REDIS_URL. ({error})\n"
        );
    });
}
