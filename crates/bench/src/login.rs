//! A storm of sign-ins, and what it does to those who only read.

mod figures;
mod storm;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::cluster::Cluster;
use crate::load::{self, Plan, Request};
use crate::process::{Server, pause};
use crate::setting::{self, Setting};
use crate::{Outcome, say, users};
use figures::{Figures, Round};
use storm::Told;

const READ: &str = "/api/v1/profile";
const SIGN_IN: &str = "/api/v1/auth/login";
/// Longer than the server keeps the memory of a hash for the next one.
const CALM: Duration = Duration::from_secs(2);

/// How much at once, and how often.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds; each has a while of reads and a storm, for each store.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Seconds of reads without a storm in a round, after half a second that does not count.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Users who sign in at the same moment.
    #[arg(long, default_value_t = 250)]
    sign_ins: usize,
    /// Connections that read all the time.
    #[arg(long, default_value_t = 16)]
    readers: usize,
    /// Threads of the readers.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Users among whom each read picks one at random; they do not sign in.
    #[arg(long, default_value_t = 2_000)]
    users: usize,
    #[command(flatten)]
    setting: Setting,
}

impl Options {
    /// Rounds, and the time of reads without a storm in each.
    const fn extent(&self) -> (u64, Duration) {
        if self.setting.quick { (2, Duration::from_secs(1)) } else { (self.rounds, Duration::from_secs(self.seconds)) }
    }
}

/// A server, who reads from it and who signs in.
struct Subject {
    server: Server,
    reads: Plan,
    sign_ins: Arc<[Request]>,
    figures: Figures,
}

/// Measures, prints, and keeps the figures.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let program = options.setting.program()?;
    let (cluster, postgres) = options.setting.postgres()?;
    let stores = measure(options, &program, cluster.as_ref())?;
    let (rounds, while_idle) = options.extent();
    let load = format!(
        "{rounds} rounds. {} users sign in at the same moment, each on a connection of its own; who is refused comes again \
         after `Retry-After`, until the last one is signed in. Meanwhile, and for {} s before, {} connections read, each \
         time one of {} other users. Argon2id with 19 MiB, the limits off, the request log to /dev/null. Memory is \
         that of the whole process: *before* is after reads and before the first password is hashed, *after* is {} s \
         after the last storm.",
        options.sign_ins,
        while_idle.as_secs(),
        options.readers,
        options.users,
        CALM.as_secs()
    );
    let body = format!("{}\n{}\n{load}\nPostgres: {postgres}.\n", figures::targets(&stores), figures::table(&stores));
    options.setting.publish("login", "Sign-ins", &body)
}

fn measure(options: &Options, program: &Path, cluster: Option<&Cluster>) -> Outcome<Vec<Figures>> {
    let mut subjects = vec![Subject::new(options, program, "in memory", None)?];
    let database = cluster.map(|cluster| cluster.create_database("frontdesk_bench_login")).transpose()?;
    if let Some(database) = &database {
        // Migrates, so that the next one starts as a server does every day.
        start(options, program, Some(&database.url))?;
        subjects.push(Subject::new(options, program, "Postgres with RLS", Some(&database.url))?);
        database.sql("VACUUM (ANALYZE)")?;
    }
    let (rounds, while_idle) = options.extent();
    for number in 1..=rounds {
        for subject in &mut subjects {
            subject.round(number, while_idle)?;
        }
    }
    pause(CALM);
    // The servers end here, before their database goes.
    subjects.into_iter().map(Subject::finish).collect()
}

/// Starts the server without limits: everybody comes from one address.
fn start(options: &Options, program: &Path, database: Option<&Url>) -> Outcome<Server> {
    setting::start(program, database, options.setting.pool_size, 0)
}

impl Subject {
    fn new(options: &Options, program: &Path, store: &'static str, database: Option<&Url>) -> Outcome<Self> {
        let server = start(options, program, database)?;
        let readers = users::sign_up(server.address, options.users)?;
        let reads = Plan {
            address: server.address,
            requests: readers.iter().map(|user| Request::get(READ, &user.access_token)).collect(),
            connections: options.readers,
            threads: options.threads,
            warm_up: Duration::from_millis(500),
            seed: 0,
        };
        load::run(&reads, Duration::from_secs(1))?;
        let before_mib = server.resident_mib()?;
        let sign_ins = users::sign_up_with_passwords(server.address, options.sign_ins)?;
        let sign_ins = sign_ins.iter().map(|credentials| Request::post(SIGN_IN, credentials)).collect();
        let (rounds, told) = (Vec::new(), Told::new());
        let figures = Figures { store, rounds, told, before_mib, peak_mib: 0.0, after_mib: 0.0 };
        Ok(Self { server, reads, sign_ins, figures })
    }

    fn round(&mut self, number: u64, while_idle: Duration) -> Outcome<()> {
        let name = self.figures.store;
        let failed = |failure| format!("{name}: {failure}");
        let reads = |half| Plan { seed: 2 * number + half, ..self.reads.clone() };
        let idle = load::run(&reads(0), while_idle).map_err(failed)?;
        let storm = || storm::run(self.server.address, &self.sign_ins);
        let (storm, meanwhile) = load::during(&reads(1), storm).map_err(failed)?;
        let (told, took) = storm.map_err(failed)?;
        let rate = f64::from(u32::try_from(self.sign_ins.len())?) / took.as_secs_f64();
        say(format!(
            "round {number}: {name:<20} {:>7.0} reads/s, meanwhile {:>7.0}, {rate:>5.1} sign-ins/s",
            idle.rate, meanwhile.rate
        ));
        self.figures.told.merge(&told);
        self.figures.rounds.push(Round { idle, meanwhile, rate });
        Ok(())
    }

    fn finish(mut self) -> Outcome<Figures> {
        self.figures.peak_mib = self.server.peak_mib()?;
        self.figures.after_mib = self.server.resident_mib()?;
        Ok(self.figures)
    }
}
