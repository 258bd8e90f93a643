//! What is measured, on what, and where the figures go: the same for every section.

use std::path::{Path, PathBuf};
use std::process::Command;

use url::Url;

use crate::cluster::Cluster;
use crate::process::Server;
use crate::{Outcome, report, say};

#[derive(clap::Args)]
pub(crate) struct Setting {
    /// Connections of the server to Postgres; without it, the server's default.
    #[arg(long)]
    pub(crate) pool_size: Option<u32>,
    /// The server; without it, `frontdesk` beside this program.
    #[arg(long)]
    server: Option<PathBuf>,
    /// A Postgres whose login may create databases and roles; without it, a throwaway cluster.
    #[arg(long, env = "BENCH_DATABASE_URL", hide_env_values = true)]
    bench_database_url: Option<Url>,
    /// Used where `BENCH_DATABASE_URL` is not set.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<Url>,
    /// The document to keep the figures in.
    #[arg(long, default_value = "docs/performance.md")]
    document: PathBuf,
    /// Two short rounds, printed and not kept: to see that everything runs.
    #[arg(long)]
    pub(crate) quick: bool,
}

impl Setting {
    /// The server's program.
    pub(crate) fn program(&self) -> Outcome<PathBuf> {
        let program = match &self.server {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.with_file_name("frontdesk"),
        };
        let found = program.canonicalize();
        found.map_err(|error| format!("{}: {error}; cargo build --release -p frontdesk", program.display()).into())
    }

    /// The Postgres, if there is one, and what to say of it.
    pub(crate) fn postgres(&self) -> Outcome<(Option<Cluster>, String)> {
        let cluster = Cluster::find(self.bench_database_url.as_ref().or(self.database_url.as_ref()))?;
        let description = match &cluster {
            Some(cluster) => cluster.describe()?,
            None => "SKIPPED: no Postgres. Set BENCH_DATABASE_URL, or install its server and pgbench".to_owned(),
        };
        say(format!("Postgres: {description}"));
        Ok((cluster, description))
    }

    /// Prints what was measured, and keeps it as a section of the document.
    pub(crate) fn publish(&self, section: &str, title: &str, body: &str) -> Outcome<()> {
        say(format!("\n{body}"));
        if !self.quick {
            report::publish(&self.document, section, title, body)?;
            say(format!("Kept in {}.", self.document.display()));
        }
        Ok(())
    }
}

/// Starts the server as anybody would, but with tokens that outlive the run and a limit of one's own.
pub(crate) fn start(
    program: &Path,
    database: Option<&Url>,
    pool_size: Option<u32>,
    requests_per_minute: u32,
) -> Outcome<Server> {
    Server::start(program, |command: &mut Command, port| {
        command.env("PORT", port.to_string());
        command.env("JWT_SECRET_KEY", "a secret for measurements, told to everybody");
        command.env("ACCESS_TOKEN_TTL", "24h").env("CLAIM_WINDOW", "1s");
        command.env("RATE_LIMIT_PER_MINUTE", requests_per_minute.to_string());
        command.env("RUST_LOG", "info");
        if let Some(url) = database {
            command.env("DATABASE_URL", url.as_str());
        }
        if let Some(size) = pool_size {
            command.env("DATABASE_POOL_SIZE", size.to_string());
        }
    })
}
