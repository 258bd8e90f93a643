//! The Postgres under load: the caller's, or a throwaway cluster with Postgres's own defaults.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use url::Url;

use crate::Outcome;
use crate::process::{free_port, pause};

/// How long a cluster may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Postgres whose login may create databases.
pub(crate) struct Cluster {
    login: Url,
    binaries: PathBuf,
    throwaway: Option<Throwaway>,
}

impl Cluster {
    /// Uses the database server of `url`, or starts one; `None` where there are no binaries.
    pub(crate) fn find(url: Option<&Url>) -> Outcome<Option<Self>> {
        let Some(binaries) = binaries() else { return Ok(None) };
        let cluster = match url {
            Some(url) => Self { login: url.clone(), binaries, throwaway: None },
            None if !binaries.join("initdb").exists() => return Ok(None),
            None => {
                let port = free_port()?;
                let throwaway = Throwaway::start(&binaries, port)?;
                let login = Url::parse(&format!("postgres://postgres@127.0.0.1:{port}/postgres"))?;
                Self { login, binaries, throwaway: Some(throwaway) }
            }
        };
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
        Command::new(self.binaries.join(name))
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
        let owner = owner_of_data(directory.path())?;
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

/// Finds the directory of `pgbench`: the newest version where there are several.
fn binaries() -> Option<PathBuf> {
    let output = Command::new("sh").args(["-c", "command -v pgbench"]).output().ok();
    let on_path = output.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    // Debian's wrapper on PATH stands for a version; the real one has `initdb` beside it.
    let versions = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"].into_iter().flat_map(subdirectories);
    let others = ["/usr/local/pgsql", "/usr/pgsql-18", "/usr/pgsql-17", "/usr/pgsql-16", "/usr/pgsql-15"];
    let mut found: Vec<_> =
        versions.chain(others.into_iter().map(PathBuf::from)).map(|path| path.join("bin")).collect();
    found.sort();
    found.reverse();
    let on_path = on_path.and_then(|path| path.parent().map(Path::to_path_buf));
    let whole = |path: &&PathBuf| path.join("pgbench").exists() && path.join("initdb").exists();
    let any = |path: &&PathBuf| path.join("pgbench").exists();
    found.extend(on_path);
    found.iter().find(whole).or_else(|| found.iter().find(any)).cloned()
}

fn subdirectories(path: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Gives the directory to somebody who may run Postgres: root may not.
fn owner_of_data(directory: &Path) -> Outcome<Option<(u32, u32)>> {
    if std::fs::metadata(directory)?.uid() != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let ids = ["postgres", "nobody"].into_iter().find_map(|name| {
        let mut fields = users.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
        Some((fields.next()?.parse::<u32>().ok()?, fields.next()?.parse::<u32>().ok()?))
    });
    let (user, group) = ids.ok_or("root may not run Postgres, and there is neither a user postgres nor nobody")?;
    std::os::unix::fs::chown(directory, Some(user), Some(group))?;
    Ok(Some((user, group)))
}
