//! A throwaway Postgres for tests.
//!
//! `TEST_DATABASE_URL` names a server to use. Without it, the tests of a checkout share one cluster of their own: the
//! first test process starts it from the binaries on this machine, and a small watchdog stops and deletes it when no
//! test process has been alive for half a minute. Each test gets a database copied from a migrated template.
//!
//! ```no_run
//! # async fn example() {
//! let Some(database) = frontdesk_testkit::postgres::database().await else { return };
//! let url = database.url();
//! # }
//! ```

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

mod cluster;
mod line;
mod server;

pub use cluster::{binaries, unprivileged};
pub use line::{Line, line_to};
use server::Server;

/// A database of one test. It is dropped with this value.
pub struct TestDatabase {
    name: String,
    server: &'static Server,
}

impl TestDatabase {
    /// The URL of the database, as its owner.
    pub fn url(&self) -> String {
        self.server.url_of(&self.name)
    }

    /// Asks the database for a number, as its owner, whom no policy binds.
    ///
    /// # Panics
    /// Where the statement gives none.
    #[expect(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]
    pub async fn number(&self, sql: &str) -> i64 {
        let (client, connection) = tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.query_one(sql, &[]).await.unwrap().get(0)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // What cannot be dropped now is dropped by a later test process.
        let _ = self.server.drop_database(&self.name);
    }
}

/// Makes a migrated, empty database, or gives `None` (and says so, once) where there is no Postgres.
///
/// # Panics
/// Where there is no Postgres although `FRONTDESK_REQUIRE_POSTGRES=1` or `CI=true` ask for one.
pub async fn database() -> Option<TestDatabase> {
    make(Server::copy_template).await
}

/// As [`database`], without the schema.
pub async fn empty_database() -> Option<TestDatabase> {
    make(Server::create_database).await
}

async fn make(how: fn(&Server, &str) -> Result<(), String>) -> Option<TestDatabase> {
    let made = tokio::task::spawn_blocking(move || {
        let server = server()?;
        let name = next_name();
        how(server, &name).map(|()| TestDatabase { name, server }).map_err(|error| unusable(&error)).ok()
    });
    match made.await {
        Ok(database) => database,
        // A run that demands Postgres fails by this panic: it must reach the test.
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// Names carry the process, so that the databases of a dead one are known for what they are.
fn next_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}{}_{}", server::TEST_PREFIX, std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| Server::find(&home()).map_err(|error| unusable(&error)).ok()).as_ref()
}

/// The folder that the test processes of this checkout share: short enough for the path of a socket, and open to the
/// user that Postgres runs as.
fn home() -> PathBuf {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    target_dir().hash(&mut hasher);
    std::env::temp_dir().join(format!("frontdesk-tests-{:016x}", hasher.finish()))
}

/// The target folder that this test was built into, which cargo marks.
fn target_dir() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    let marked = executable.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    marked.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration to be told by")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn unusable(error: &str) {
    let is_demanded = environment("FRONTDESK_REQUIRE_POSTGRES").as_deref() == Some("1")
        || environment("CI").as_deref() == Some("true");
    assert!(!is_demanded, "POSTGRES NOT FOUND, and this run demands it: {error}");
    // Not by `eprintln!`: the harness keeps to itself what a test that passes has printed.
    let _ = writeln!(
        std::io::stderr(),
        "\nPOSTGRES NOT FOUND: the Postgres tests of this binary did NOT run. Install Postgres 15 or later, or set \
         TEST_DATABASE_URL. ({error})\n"
    );
}
