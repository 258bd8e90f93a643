//! The command line.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write as _;
use std::num::NonZero;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use tokio::runtime::Runtime;
use url::Url;

use crate::compose::StartError;
use crate::config::variables::{ALL, File, Variable};
use crate::config::{Config, Problems, source};
use crate::describe::describe;
use crate::{compose, healthcheck, serve, telemetry, verify};

const FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;

const AFTER_HELP: &str = "\
Every flag is also an environment variable, and may stand in `.env`. A flag goes before the environment, the
environment before `.env`. Secrets are better given as variables, or as files: what is on a command line, every
process on the machine can read.

Exit codes: 0 done, 1 failed, 2 bad usage or configuration.";

/// Runs the command that the arguments name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Nobody reads where this fails.
            error.print().ok();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(BAD_USAGE));
        }
    };
    // Flags before the command are also seen by the command.
    let (name, given) = matches.subcommand().unwrap_or(("serve", &matches));
    match name {
        "migrate" => with_config(given, migrate),
        "verify" => verify(given),
        "openapi" => print(&frontdesk_http::openapi_json()),
        "healthcheck" => with_config(given, |config| healthcheck(config, given)),
        _ => with_config(given, serve),
    }
}

/// The command line as a value: what `--help` shows.
pub fn command() -> Command {
    let url = Arg::new("url").value_name("URL").value_parser(parse_url);
    Command::new("frontdesk")
        .version(crate::VERSION)
        .about("Everything behind the account page: profile, password and settings over REST, in one binary.")
        .after_help(AFTER_HELP)
        .args(ALL.iter().map(flag))
        .args(ALL.iter().filter_map(file_flag))
        .subcommand(Command::new("serve").about("Serve; the same as no command"))
        .subcommand(Command::new("migrate").about("Bring the schema of DATABASE_URL up to date"))
        .subcommand(
            Command::new("verify")
                .about("Run the scripts of the existing clients against a running server")
                .arg(url.clone().required(true).help("Where the server is")),
        )
        .subcommand(Command::new("openapi").about("Print the OpenAPI document"))
        .subcommand(
            Command::new("healthcheck")
                .about("Ask a server whether it is alive")
                .arg(url.help("What to ask; by default /health where HOST and PORT say")),
        )
}

/// The flag of a variable. It takes raw text: `config` reads flags and variables alike, and tells all mistakes at
/// once.
fn flag(variable: &Variable) -> Arg {
    let Variable { name, flag, help, default, .. } = *variable;
    let help = format!("{help} [env: {name}] [default: {default}]");
    Arg::new(name).long(flag).value_name("VALUE").global(true).allow_negative_numbers(true).help(help)
}

fn file_flag(variable: &Variable) -> Option<Arg> {
    let File { name, flag } = variable.file?;
    let help = format!("A file that holds {} [env: {name}]", variable.name);
    Some(Arg::new(name).long(flag).value_name("PATH").global(true).help(help))
}

fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| "must be an http or https URL, as http://127.0.0.1:8080".to_owned())
}

fn with_config(given: &ArgMatches, command: impl FnOnce(&Config) -> ExitCode) -> ExitCode {
    match config(given) {
        Ok(config) => command(&config),
        Err(problems) => complain(BAD_USAGE, problems),
    }
}

fn config(given: &ArgMatches) -> Result<Config, Problems> {
    let mut variables = source::of_process()?;
    for name in ALL.iter().flat_map(|variable| [Some(variable.name), variable.file.map(|file| file.name)]).flatten() {
        if let Some(value) = given.get_one::<String>(name) {
            variables.insert(name.to_owned(), value.clone());
        }
    }
    Config::read(&variables)
}

fn serve(config: &Config) -> ExitCode {
    // With Postgres the drivers of its connections run here; HTTP has threads of its own.
    let threads = config.database.as_ref().and_then(|_| std::thread::available_parallelism().ok());
    in_runtime(threads.map_or(1, NonZero::get), async {
        let _log = telemetry::start(&config.logging);
        started(serve::serve(config).await)
    })
}

fn migrate(config: &Config) -> ExitCode {
    let Some(database) = &config.database else {
        return complain(BAD_USAGE, "DATABASE_URL is not set: there is nothing to migrate");
    };
    // Two threads: migrations block one of them.
    in_runtime(2, async {
        let _log = telemetry::start(&config.logging);
        started(compose::migrate(database).await)
    })
}

fn verify(given: &ArgMatches) -> ExitCode {
    let Some(url) = given.get_one::<Url>("url") else { return complain(BAD_USAGE, "verify needs a URL") };
    in_runtime(1, async {
        let has_passed = verify::run(url, &mut std::io::stdout()).await;
        if has_passed.unwrap_or(false) { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
    })
}

fn healthcheck(config: &Config, given: &ArgMatches) -> ExitCode {
    let url = match given.get_one::<Url>("url") {
        Some(url) => url.clone(),
        None => match Url::parse(&healthcheck::url(config)) {
            Ok(url) => url,
            Err(error) => return complain(BAD_USAGE, format_args!("HOST and PORT make no URL: {error}")),
        },
    };
    in_runtime(1, async {
        match healthcheck::check(&url).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => complain(FAILED, reason),
        }
    })
}

fn in_runtime(threads: usize, work: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(work);
            end(runtime);
            code
        }
        Err(error) => complain(FAILED, format_args!("the runtime does not start: {error}")),
    }
}

/// Gives what still runs a moment: a password that is being hashed must not hold the exit up.
fn end(runtime: Runtime) {
    runtime.shutdown_timeout(Duration::from_millis(500));
}

fn started(result: Result<(), StartError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_configuration() => complain(BAD_USAGE, describe(&error)),
        Err(error) => complain(FAILED, describe(&error)),
    }
}

fn complain(code: u8, what: impl Display) -> ExitCode {
    // Nobody reads where this fails.
    writeln!(std::io::stderr(), "{what}").ok();
    ExitCode::from(code)
}

fn print(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough, as `head`, is no failure to complain of.
        Err(_) => ExitCode::from(FAILED),
    }
}
