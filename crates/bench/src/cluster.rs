//! The Postgres under load: the caller's, or a throwaway cluster with Postgres's own defaults.

use std::io::Write as _;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use frontdesk_testkit::postgres::{binaries, unprivileged};
use tempfile::TempDir;
use url::Url;

use crate::Outcome;
use crate::process::{free_port, pause};

/// How long a cluster may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Postgres whose login may create databases.
pub(crate) struct Cluster {
    login: Url,
    binaries: Option<PathBuf>,
    throwaway: Option<Throwaway>,
}

impl Cluster {
    /// Uses the database server of `url`, or starts one; `None` where there is neither that nor pgbench.
    pub(crate) fn find(url: Option<&Url>) -> Outcome<Option<Self>> {
        let binaries = binaries();
        if run(Command::new(program(binaries.as_deref(), "pgbench")).arg("--version"), "").is_err() {
            return Ok(None);
        }
        let (login, throwaway) = match (url, &binaries) {
            (Some(url), _) => (url.clone(), None),
            (None, None) => return Ok(None),
            (None, Some(folder)) => {
                let port = free_port()?;
                let login = Url::parse(&format!("postgres://postgres@127.0.0.1:{port}/postgres"))?;
                (login, Some(Throwaway::start(folder, port)?))
            }
        };
        let cluster = Self { login, binaries, throwaway };
        let started = Instant::now();
        while let Err(failure) = cluster.psql(&cluster.login, "SELECT 1") {
            if cluster.throwaway.is_none() || started.elapsed() > PATIENCE {
                return Err(failure);
            }
            pause(Duration::from_millis(20));
        }
        Ok(Some(cluster))
    }

    /// What the server calls itself, and how durable a commit is.
    pub(crate) fn describe(&self) -> Outcome<String> {
        let sql = "SELECT 'PostgreSQL ' || current_setting('server_version') || ', fsync ' || current_setting('fsync') \
                   || ', synchronous_commit ' || current_setting('synchronous_commit') \
                   || ', shared_buffers ' || current_setting('shared_buffers')";
        let server = self.psql(&self.login, sql)?;
        Ok(format!("{server}, {}", if self.throwaway.is_some() { "a throwaway cluster" } else { "given by its URL" }))
    }

    /// Makes an empty database in place of one of that name.
    pub(crate) fn create_database(&self, name: &str) -> Outcome<Database<'_>> {
        let mut url = self.login.clone();
        url.set_path(name);
        let database = Database { cluster: self, name: name.to_owned(), url };
        database.drop_if_there()?;
        self.psql(&self.login, &format!("CREATE DATABASE {name}"))?;
        Ok(database)
    }

    fn psql(&self, url: &Url, sql: &str) -> Outcome<String> {
        let output =
            run(self.client("psql").args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]).arg(url.as_str()), sql)?;
        Ok(output.trim().to_owned())
    }

    fn client(&self, name: &str) -> Command {
        Command::new(program(self.binaries.as_deref(), name))
    }
}

/// A database that goes when this value goes.
pub(crate) struct Database<'a> {
    cluster: &'a Cluster,
    name: String,
    pub(crate) url: Url,
}

impl Database<'_> {
    /// Runs SQL as the login and gives what it prints.
    pub(crate) fn sql(&self, sql: &str) -> Outcome<String> {
        self.cluster.psql(&self.url, sql)
    }

    /// Runs pgbench as `role` on a script and gives its report.
    pub(crate) fn pgbench(&self, role: &str, arguments: &[String], script: &str) -> Outcome<String> {
        let mut command = self.cluster.client("pgbench");
        command.env("PGOPTIONS", format!("-c role={role} -c search_path=app,pg_catalog"));
        run(command.args(["-n", "-M", "prepared", "-f", "-"]).args(arguments).arg(self.url.as_str()), script)
    }

    fn drop_if_there(&self) -> Outcome<()> {
        let sql = format!("SET client_min_messages = error; DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // In one call psql would put both into a transaction, where DROP DATABASE may not be.
        for statement in sql.split("; ") {
            self.cluster.psql(&self.cluster.login, statement)?;
        }
        Ok(())
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        self.drop_if_there().ok();
    }
}

struct Throwaway {
    postmaster: Child,
    stop: Command,
    _directory: TempDir,
}

impl Throwaway {
    /// Initialises and starts a cluster with the default configuration: a commit is durable when it returns.
    fn start(binaries: &Path, port: u16) -> Outcome<Self> {
        // Not the temporary directory: where that is memory, a commit costs nothing and the figures are wrong.
        let directory = tempfile::Builder::new().prefix("frontdesk-bench-").tempdir_in("/var/tmp")?;
        let owner = unprivileged(directory.path())?;
        if let Some((user, group)) = owner {
            chown(directory.path(), Some(user), Some(group))?;
        }
        let data = directory.path().join("data");
        let as_owner = |name: &str| {
            let mut command = Command::new(binaries.join(name));
            command.current_dir(directory.path()).arg("-D").arg(&data);
            if let Some((user, group)) = owner {
                command.uid(user).gid(group);
            }
            command
        };
        run(as_owner("initdb").args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]), "")?;
        let mut postmaster = as_owner("postgres");
        postmaster.args([
            "-p",
            &port.to_string(),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
        ]);
        let postmaster = postmaster.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut stop = as_owner("pg_ctl");
        stop.args(["stop", "-s", "-m", "immediate"]);
        Ok(Self { postmaster, stop, _directory: directory })
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        self.stop.status().ok();
        self.postmaster.wait().ok();
    }
}

/// The program of the server's own folder, else the one on the `PATH`: clients are often installed apart.
fn program(binaries: Option<&Path>, name: &str) -> PathBuf {
    let beside = binaries.map(|folder| folder.join(name)).filter(|path| path.is_file());
    beside.unwrap_or_else(|| PathBuf::from(name))
}

/// Runs a program to its end with `input`, and gives its output; its complaint is the error.
fn run(command: &mut Command, input: &str) -> Outcome<String> {
    let program = command.get_program().display().to_string();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{program} does not start: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
