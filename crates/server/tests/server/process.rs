use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const SECRET: &str = "hunter2hunter2hunter2hunter2hunter2";

/// The binary in an empty directory, with an empty environment.
fn frontdesk(directory: &tempfile::TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
    command.current_dir(directory.path()).env_clear().args(arguments).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    frontdesk(&tempfile::tempdir().unwrap(), arguments, variables).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A server that listens.
struct Server {
    child: Child,
    log: BufReader<ChildStdout>,
    address: String,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let variables = [("PORT", "0"), ("JWT_SECRET_KEY", SECRET), ("SMTP_URL", "redis://:hunter2@localhost")];
        let mut child = frontdesk(&directory, &[], &variables).spawn().unwrap();
        let log = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, log, address: String::new(), _directory: directory };
        server.address = server.line("listening")["address"].as_str().unwrap().to_owned();
        server
    }

    /// Reads the log up to the line with this message.
    fn line(&mut self, message: &str) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "the log ends before {message:?}");
            assert!(!line.contains("hunter2"), "{line}");
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -s {name} {}", self.child.id())]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end; gives the exit code and what was written on standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (status.code(), errors)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failed assertion must not leave a server behind.
        self.child.kill().ok();
    }
}

#[test]
fn sigterm_and_sigint_end_with_0_in_time() {
    for name in ["TERM", "INT"] {
        let mut server = Server::start();
        let asked = Instant::now();
        server.signal(name);
        server.line("stopped");
        assert_eq!(server.end().0, Some(0), "SIG{name}");
        assert!(asked.elapsed() < Duration::from_secs(10), "SIG{name} took {:?}", asked.elapsed());
    }
}

#[test]
fn a_request_in_flight_is_answered() {
    let mut server = Server::start();
    let body = r#"{"username":"ada"}"#;
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let head = "POST /users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    // The server has the request and waits for its body.
    stream.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 100 "), "{line}");
    stream.read_line(&mut String::new()).unwrap();
    server.signal("TERM");
    server.line("stopping");
    stream.get_mut().write_all(body.as_bytes()).unwrap();
    line.clear();
    stream.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 201 "), "{line}");
    drop(stream);
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn the_banner_shows_the_way_and_no_secret() {
    let server = Server::start();
    let url = format!("http://{}", server.address);
    server.signal("TERM");
    let (_, banner) = server.end();
    assert!(banner.contains(&format!("{url}/docs")) && banner.contains("set DATABASE_URL to keep data"), "{banner}");
    assert!(!banner.contains("hunter2"), "{banner}");
}

#[test]
fn what_this_version_does_not_use_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let variables = [("PORT", "0"), ("SMTP_URL", "redis://:hunter2@localhost"), ("USERS_AUTH", "open")];
    let mut child = frontdesk(&directory, &[], &variables).spawn().unwrap();
    let log = BufReader::new(child.stdout.take().unwrap()).lines();
    let warnings: Vec<_> = log.map(Result::unwrap).take_while(|line| line.contains("\"WARN\"")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(warnings[0].contains("SMTP_URL") && !warnings[0].contains("hunter2"), "{warnings:?}");
    assert!(warnings[1].contains("USERS_AUTH=open"), "{warnings:?}");
}

#[test]
fn a_taken_port_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = output(&["--port", &port], &[]);
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    assert!(errors.starts_with(&format!("cannot listen on 127.0.0.1:{port}")), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn a_database_that_cannot_be_used_is_one_line_without_its_password() {
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let url = |rest: &str| format!("postgres://root:hunter2@127.0.0.1:{port}/frontdesk{rest}");
    for (url, code, start) in [
        (url(""), 1, "the database cannot be migrated: "),
        (url("?sslmode=maybe"), 2, "DATABASE_URL cannot be used: sslmode must be "),
    ] {
        let output = output(&["--port", "0"], &[("DATABASE_URL", &url)]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.starts_with(start) && !errors.contains("hunter2"), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn a_wrong_configuration_is_told_whole_and_without_secrets() {
    let variables = [
        ("PORT", "eighty"),
        ("ACCESS_TOKEN_TTL", "soon"),
        ("JWT_SECRET_KEY", "hunter2"),
        ("DATABASE_URL", "mysql://root:hunter2@localhost"),
    ];
    let output = output(&["--users-auth", "nobody"], &variables);
    assert_eq!(output.status.code(), Some(2));
    let errors = text(&output.stderr);
    assert_eq!(errors.lines().count(), 5, "{errors}");
    for name in ["PORT", "ACCESS_TOKEN_TTL", "JWT_SECRET_KEY", "DATABASE_URL", "USERS_AUTH"] {
        assert!(errors.lines().any(|line| line.starts_with(&format!("{name} is "))), "{name} in {errors}");
    }
    assert!(!errors.contains("hunter2"), "{errors}");
}

#[test]
fn help_is_the_reference_and_shows_no_secret() {
    let variables = [("JWT_SECRET_KEY", SECRET), ("DATABASE_URL", "postgres://frontdesk:hunter2@localhost/frontdesk")];
    let output = output(&["--help"], &variables);
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    for variable in frontdesk::config::variables::ALL {
        assert!(help.contains(&format!("--{}", variable.flag)), "{}", variable.flag);
        assert!(help.contains(&format!("[env: {}]", variable.name)), "{}", variable.name);
    }
    assert!(!help.contains("hunter2"), "{help}");
}

#[test]
fn bad_usage_ends_with_2() {
    for arguments in [&["--no-such-flag"][..], &["sing"], &["verify"], &["verify", "nowhere"], &["serve", "--port"]] {
        assert_eq!(output(arguments, &[]).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(output(&["migrate"], &[]).status.code(), Some(2));
}

#[test]
fn a_flag_goes_before_the_environment_and_the_environment_before_the_file() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(".env"), "PORT=file\nHOST='from file'\nLOG_FORMAT=xml\n").unwrap();
    let variables = [("PORT", "environment"), ("HOST", "from environment")];
    let output = frontdesk(&directory, &["--port", "flag"], &variables).output().unwrap();
    let errors = text(&output.stderr);
    for told in ["PORT is \"flag\"", "HOST is \"from environment\"", "LOG_FORMAT is \"xml\""] {
        assert!(errors.contains(told), "{told} in {errors}");
    }
}

#[test]
fn version_and_openapi_are_printed() {
    assert_eq!(text(&output(&["--version"], &[]).stdout).trim(), format!("frontdesk {}", frontdesk::VERSION));
    let document: Value = serde_json::from_slice(&output(&["openapi"], &[]).stdout).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[test]
fn healthcheck_tells_the_living_from_the_dead() {
    let server = Server::start();
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    let check = || output(&["healthcheck"], &[("PORT", &port)]).status.code();
    assert_eq!(check(), Some(0));
    server.signal("TERM");
    server.end();
    assert_eq!(check(), Some(1));
}

#[test]
fn verify_ticks_off_a_running_server() {
    let server = Server::start();
    let output = output(&["verify", &format!("http://{}/", server.address)], &[]);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(report.contains("✓ POST /users -> 201") && !report.contains('✗'), "{report}");
    server.signal("TERM");
    server.end();
}
