//! Load on loopback, in ratios.
//!
//! Everything of one comparison runs in one call, in rounds, taken in turn, on one machine: throughputs of
//! different calls differ by 15 %, ratios within a round do not. Each subcommand is one section of
//! `docs/performance.md`.

mod avatar;
mod cluster;
mod connection;
mod hello;
mod histogram;
mod load;
mod login;
mod machine;
mod pgbench;
mod process;
mod profile;
mod report;
mod response;
mod rooms;
mod setting;
mod users;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Why a benchmark stopped; it is told once and nothing reacts to it.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T> = Result<T, Failure>;

#[derive(Parser)]
#[command(version, about = "Measures a release build of frontdesk, in ratios.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Profile reads and writes, in memory and on Postgres, start and memory.
    Profile(Box<profile::Options>),
    /// A storm of sign-ins, and profile reads meanwhile, in memory and on Postgres.
    Login(Box<login::Options>),
    /// Uploads of pictures, beside vipsthumbnail, and profile reads meanwhile, in memory.
    Avatar(Box<avatar::Options>),
    /// Edits heard in rooms, idle sockets, and a reader who does not read, in memory.
    Rooms(Box<rooms::Options>),
    /// Serves a constant JSON document from a bare actix-web, as the yardstick for the others.
    Hello(hello::Options),
}

/// Prints a line of progress or of a result.
fn say(line: impl AsRef<str>) {
    // A closed pipe is the reader's choice, and no reason to stop a measurement.
    writeln!(std::io::stdout(), "{}", line.as_ref()).ok();
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Profile(options) => profile::run(&options),
        Command::Login(options) => login::run(&options),
        Command::Avatar(options) => avatar::run(&options),
        Command::Rooms(options) => rooms::run(&options),
        Command::Hello(options) => hello::serve(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            writeln!(std::io::stderr(), "frontdesk-bench: {failure}").ok();
            ExitCode::FAILURE
        }
    }
}
