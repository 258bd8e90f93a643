//! Profile reads and writes: against a bare actix-web, against no row-level security, and against pgbench.

mod figures;
mod targets;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::cluster::{Cluster, Database};
use crate::load::{self, Measured, Plan, Request};
use crate::pgbench::{self, Script};
use crate::process::Server;
use crate::report::median;
use crate::setting::{self, Setting};
use crate::users::{self, User};
use crate::{Outcome, say};
use figures::{Figures, Subject};

const ROUTE: &str = "/api/v1/profile";
/// Starts of which the median is told.
const STARTS: usize = 11;

/// How long to measure, and with what.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds; each measures every subject once.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds that count for each subject in a round, after half a second that does not.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Connections of the load generator.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Threads of the load generator.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Users among whom each request picks one at random.
    #[arg(long, default_value_t = 2_000)]
    users: usize,
    /// Connections of pgbench.
    #[arg(long, default_value_t = 32)]
    pgbench_clients: u32,
    #[command(flatten)]
    setting: Setting,
}

impl Options {
    /// Rounds, and seconds of each subject in a round.
    const fn extent(&self) -> (u32, u64) {
        if self.setting.quick { (2, 1) } else { (self.rounds, self.seconds) }
    }
}

/// Where a subject's load comes from.
enum Source<'a> {
    Http(Plan),
    Pgbench(&'a Database<'a>, Script),
}

/// Everything that runs while the rounds do.
struct Bench<'a> {
    options: &'a Options,
    rounds: u32,
    measure: Duration,
    subjects: Vec<(Subject, Source<'a>)>,
}

/// Measures, prints, and keeps the figures.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let program = options.setting.program()?;
    let mut figures = Figures::default();
    let (cluster, postgres) = options.setting.postgres()?;
    measure_starts(&program, &mut figures)?;
    measure_rounds(options, &program, cluster.as_ref(), &mut figures)?;
    options.setting.publish("profile", "Profile", &body(options, &postgres, &figures))
}

/// Starts the server again and again in memory; the figures are those of an idle machine.
fn measure_starts(program: &Path, figures: &mut Figures) -> Outcome<()> {
    let mut starts = Vec::with_capacity(STARTS);
    let mut memory = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let server = start(program, None, None)?;
        starts.push(server.cold_start.as_secs_f64() * 1e3);
        memory.push(server.resident_mib()?);
    }
    figures.start_in_memory_ms = median(starts);
    figures.idle_mib = median(memory);
    Ok(())
}

fn measure_starts_on(database: &Database<'_>, program: &Path, figures: &mut Figures) -> Outcome<()> {
    let mut starts = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        starts.push(start(program, Some(&database.url), None)?.cold_start.as_secs_f64() * 1e3);
    }
    figures.start_on_postgres_ms = median(starts);
    Ok(())
}

fn measure_rounds(options: &Options, program: &Path, cluster: Option<&Cluster>, figures: &mut Figures) -> Outcome<()> {
    let this = std::env::current_exe()?;
    let hello = Server::start(&this, |command, port| {
        command.args(["hello", "--port", &port.to_string()]);
    })?;
    let memory = start(program, None, None)?;
    let (rounds, seconds) = options.extent();
    let mut bench = Bench { options, rounds, measure: Duration::from_secs(seconds), subjects: Vec::new() };
    bench.add(Subject::Hello, &hello, Arc::new([Request::anonymous("/")]));
    let visitors = users::sign_up(memory.address, options.users)?;
    bench.add(Subject::MemoryGet, &memory, reads(&visitors));
    bench.add(Subject::MemoryPatch, &memory, writes(&visitors));
    let Some(cluster) = cluster else { return bench.run(figures) };

    // Two databases, equal but for the policies: the same server with and without row-level security.
    let forced = cluster.create_database("frontdesk_bench_rls")?;
    let open = cluster.create_database("frontdesk_bench_no_rls")?;
    start(program, Some(&forced.url), options.setting.pool_size)?;
    measure_starts_on(&forced, program, figures)?;
    let on_forced = start(program, Some(&forced.url), options.setting.pool_size)?;
    let on_open = start(program, Some(&open.url), options.setting.pool_size)?;
    let visitors = users::sign_up(on_forced.address, options.users)?;
    pgbench::prepare(&forced, &visitors)?;
    let others = users::sign_up(on_open.address, options.users)?;
    open.sql(DROP_POLICIES)?;
    open.sql("VACUUM (ANALYZE)")?;
    bench.add(Subject::PostgresGet, &on_forced, reads(&visitors));
    bench.add(Subject::NoRlsGet, &on_open, reads(&others));
    bench.subjects.push((Subject::PgbenchGet, Source::Pgbench(&forced, Script::GET)));
    bench.add(Subject::PostgresPatch, &on_forced, writes(&visitors));
    bench.subjects.push((Subject::PgbenchPatch, Source::Pgbench(&forced, Script::PATCH)));
    bench.run(figures)
}

impl Bench<'_> {
    fn add(&mut self, subject: Subject, server: &Server, requests: Arc<[Request]>) {
        let plan = Plan {
            address: server.address,
            requests,
            connections: self.options.connections,
            threads: self.options.threads,
            warm_up: Duration::from_millis(500),
            seed: 0,
        };
        self.subjects.push((subject, Source::Http(plan)));
    }

    fn run(&self, figures: &mut Figures) -> Outcome<()> {
        let mut seed = 0;
        for round in 1..=self.rounds {
            for (subject, source) in &self.subjects {
                seed += 1;
                let measured =
                    self.measure(source, seed).map_err(|failure| format!("{}: {failure}", subject.name()))?;
                say(format!("round {round}: {:<40} {:>8.0} /s", subject.name(), measured.rate));
                figures.add(*subject, measured);
            }
        }
        Ok(())
    }

    fn measure(&self, source: &Source<'_>, seed: u64) -> Outcome<Measured> {
        match source {
            Source::Http(plan) => load::run(&Plan { seed, ..plan.clone() }, self.measure),
            Source::Pgbench(database, script) => {
                pgbench::run(database, *script, self.options.users, self.options.pgbench_clients, self.measure)
            }
        }
    }
}

/// Switches row-level security off for every table of user data.
const DROP_POLICIES: &str = "DO $$ DECLARE t regclass; BEGIN
    FOR t IN SELECT oid FROM pg_class WHERE relrowsecurity LOOP
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', t);
    END LOOP;
END $$";

/// Starts the server with a limit that counts and never refuses.
fn start(program: &Path, database: Option<&Url>, pool_size: Option<u32>) -> Outcome<Server> {
    setting::start(program, database, pool_size, 1_000_000)
}

fn reads(users: &[User]) -> Arc<[Request]> {
    users.iter().map(|user| Request::get(ROUTE, &user.access_token)).collect()
}

fn writes(users: &[User]) -> Arc<[Request]> {
    users.iter().map(|user| Request::patch(ROUTE, &user.access_token, "bio")).collect()
}

fn body(options: &Options, postgres: &str, figures: &Figures) -> String {
    let (rounds, seconds) = options.extent();
    let load = format!(
        "{rounds} rounds of {seconds} s, {} connections, {} users, a random one for each request; JWT, limits, metrics and request \
         log on (the log to /dev/null). pgbench: `-M prepared -c {} -j 1`.",
        options.connections, options.users, options.pgbench_clients
    );
    format!("{}\n{}\n{load}\nPostgres: {postgres}.\n", targets::table(figures), figures.table())
}
