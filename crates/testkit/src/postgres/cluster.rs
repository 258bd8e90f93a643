//! A cluster of the tests' own: started by the first test process, gone soon after the last.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::server::run;

/// How long a start may take on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a start is tried again when another program takes the port first.
const START_ATTEMPTS: u32 = 3;

/// What a throwaway cluster does without, and what many parallel tests need.
const SETTINGS: [&str; 7] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=300",
    "shared_buffers=128MB",
    "listen_addresses=127.0.0.1",
    "log_min_messages=warning",
];

/// Stops the cluster when no registered process is alive. The folder is moved away first: a process that registers
/// from then on finds no cluster and starts another; one that was just in time is seen, and the folder moved back.
const WATCHDOG: &str = r#"
home=$1; run=$home/run; idle=0
anyone() {
    for file in "$1"/pids/*; do
        [ -e "$file" ] || continue
        if kill -0 "${file##*/}" 2>/dev/null; then return 0; fi
        rm -f "$file"
    done
    return 1
}
while [ "$idle" -lt 30 ]; do
    sleep 2
    [ -d "$run" ] || exit 0
    if anyone "$run"; then idle=0; else idle=$((idle + 2)); fi
done
gone=$home/gone.$$
mv "$run" "$gone" || exit 0
if anyone "$gone" && [ ! -e "$run" ]; then mv "$gone" "$run"; exec sh "$run/watchdog.sh" "$home"; fi
server=$(head -n 1 "$gone/data/postmaster.pid" 2>/dev/null)
[ -n "$server" ] && kill -INT "$server" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 "$server" 2>/dev/null || break
    sleep 1
done
kill -KILL "$server" 2>/dev/null
rm -rf "$gone"
"#;

/// Tells whether a process is alive.
pub(super) fn is_alive(process: &str) -> bool {
    let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet(Command::new("kill").args(["-0", process])).is_ok_and(|status| status.success())
}

/// Registers this process with the running cluster, or starts one. The caller holds the lock.
pub(super) fn ensure(home: &Path) -> Result<String, String> {
    let run_dir = home.join("run");
    if let Some(url) = register(&run_dir) {
        return Ok(url);
    }
    let mut last = String::new();
    for _ in 0..START_ATTEMPTS {
        // What is there does not answer: the machine was restarted, or a start was cut short.
        let _ = fs::remove_dir_all(&run_dir);
        match start(home, &run_dir) {
            Ok(url) => return Ok(url),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn register(run_dir: &Path) -> Option<String> {
    let ticket = run_dir.join("pids").join(std::process::id().to_string());
    File::create(&ticket).ok()?;
    let url = fs::read_to_string(run_dir.join("url")).ok()?;
    run(&url, "SELECT 1").ok()?;
    // Still there, so the watchdog has seen it or will.
    ticket.exists().then_some(url)
}

fn start(home: &Path, run_dir: &Path) -> Result<String, String> {
    let text = |error: std::io::Error| error.to_string();
    let binaries = binaries().ok_or("no initdb and postgres in PATH or the usual places")?;
    fs::create_dir_all(run_dir.join("pids")).map_err(text)?;
    let data = run_dir.join("data");
    fs::create_dir(&data).map_err(text)?;
    let owner = unprivileged(run_dir).map_err(text)?;
    if let Some((user, group)) = owner {
        chown(&data, Some(user), Some(group)).map_err(text)?;
    }
    let log = File::create(run_dir.join("log")).map_err(text)?;
    let command = |program: &str| -> Result<Command, String> {
        let mut command = Command::new(binaries.join(program));
        // Neither may be started by root.
        if let Some((user, group)) = owner {
            command.uid(user).gid(group);
        }
        command.current_dir("/").stdin(Stdio::null()).arg("-D").arg(&data);
        command.stdout(log.try_clone().map_err(text)?).stderr(log.try_clone().map_err(text)?);
        Ok(command)
    };
    let made = command("initdb")?
        .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
        .status()
        .map_err(text)?;
    if !made.success() {
        return Err(format!("initdb failed: {}", log_of(run_dir)));
    }
    let port = free_port().map_err(text)?;
    let mut postgres = command("postgres")?;
    postgres.args(SETTINGS.iter().flat_map(|setting| ["-c", setting])).args(["-c", "unix_socket_directories="]);
    // A group of its own, so that an interrupted test run does not take the cluster from the others.
    let mut server = postgres.arg("-p").arg(port.to_string()).process_group(0).spawn().map_err(text)?;
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let give_up = Instant::now() + START_TIMEOUT;
    while run(&url, "SELECT 1").is_err() {
        if Instant::now() > give_up || !matches!(server.try_wait(), Ok(None)) {
            let _ = server.kill();
            return Err(format!("postgres did not start: {}", log_of(run_dir)));
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    fs::write(run_dir.join("url"), &url).map_err(text)?;
    watch(home, run_dir).map_err(text)?;
    register(run_dir).ok_or_else(|| "the cluster went away at once".to_owned())
}

fn watch(home: &Path, run_dir: &Path) -> std::io::Result<()> {
    let script = run_dir.join("watchdog.sh");
    fs::write(&script, WATCHDOG)?;
    let mut watchdog = Command::new("sh");
    watchdog.arg(&script).arg(home).current_dir("/").process_group(0);
    watchdog.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(|_| ())
}

/// Finds the folder of `initdb` and `postgres`: on the `PATH`, else the newest version installed.
pub fn binaries() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    if let Ok(told) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&told.stdout).trim()));
    }
    for versions in ["/usr/lib/postgresql", "/usr/local/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr"]
    {
        let entries = fs::read_dir(versions).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<PathBuf> = entries
            .filter(|path| path.to_string_lossy().contains("pgsql") || path.to_string_lossy().contains("postgresql"))
            .collect();
        found.sort();
        folders.extend(found.into_iter().rev().map(|version| version.join("bin")));
    }
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));
    folders.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// Tells as which user and group Postgres must run where this process is root, which it refuses; `made_by_us` is a
/// file of this process.
pub fn unprivileged(made_by_us: &Path) -> std::io::Result<Option<(u32, u32)>> {
    if fs::metadata(made_by_us)?.uid() != 0 {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        let mut fields = accounts.lines().map(|line| line.split(':')).find(|line| line.clone().next() == Some(name))?;
        Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let found = find("postgres").or_else(|| find("nobody"));
    found.map(Some).ok_or_else(|| std::io::Error::other("root may not run Postgres, and there is no user nobody"))
}

fn free_port() -> std::io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port())
}

fn log_of(run_dir: &Path) -> String {
    fs::read_to_string(run_dir.join("log")).unwrap_or_default().lines().rev().take(3).collect::<Vec<_>>().join("; ")
}
