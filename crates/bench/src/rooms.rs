//! Rooms: how soon the last member hears, how much is told, what an idle socket costs, and what a reader who does not
//! read does to the others.

mod bare;
mod crowd;
mod figures;
mod frames;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::histogram::Histogram;
use crate::process::{Caller, Server};
use crate::setting::{self, Setting};
use crate::users::User;
use crate::{Outcome, say, users};
use bare::bare;
use crowd::{Crowd, stall};
use figures::{Figures, Idle, Room, Stall};

/// Below the server's limit for a user.
const SOCKETS_OF_A_USER: usize = 10;
/// Edits under way at once while it is counted how many frames are told.
const AUTHORS: usize = 4;
/// Of an edit while one reader stalls: its frames have to fill what the system buffers.
const LONG_BIO: usize = 500;
const PATIENCE: Duration = Duration::from_mins(2);

/// How many, and how often.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Sockets in one room, each time in a room of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 5_000])]
    members: Vec<usize>,
    /// Edits of which each is heard by everybody before the next.
    #[arg(long, default_value_t = 300)]
    edits: usize,
    /// Seconds of edits without a pause.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Sockets that hear nothing.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Edits with a reader who does not read, and as many without.
    #[arg(long, default_value_t = 4_000)]
    stalled_edits: usize,
    #[command(flatten)]
    setting: Setting,
}

/// Measures, prints, and keeps the figures.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let program = options.setting.program()?;
    let figures = measure(options, &program)?;
    let body = format!(
        "{}\n{}\nIn memory, one room, as many threads for all clients as cores, on the same cores. A latency is the time from the first byte of \
         a `PATCH /api/v1/profile` to the last byte of its frame at the last member: the commit, the relay and the \
         log of the room are in it. Beside it stands what it takes threads that do nothing but send frames of that size \
         to as many sockets, heard by the same clients: the share of the system and of the load generator. \
         {SOCKETS_OF_A_USER} sockets belong to one user. Frames told: {AUTHORS} edits under way at once. Idle sockets: resident memory with {} of them, above that before the first, the members of 200 rooms. The \
         stalled reader is one of {} members and never reads; edits have a bio of {LONG_BIO} characters.\n",
        figures.targets(),
        figures.table(),
        options.idle,
        options.members.first().copied().unwrap_or_default(),
    );
    options.setting.publish("rooms", "Rooms", &body)
}

fn measure(options: &Options, program: &Path) -> Outcome<Figures> {
    let is_quick = options.setting.quick;
    let mut rooms = Vec::new();
    for &members in &options.members {
        let members = if is_quick { members / 10 } else { members };
        rooms.push(one_room(options, program, members)?);
    }
    let idle = idle(program, if is_quick { options.idle / 10 } else { options.idle })?;
    let members = options.members.first().copied().unwrap_or(1_000);
    let edits = if is_quick { options.stalled_edits / 10 } else { options.stalled_edits };
    let stall = stalled(program, members, edits)?;
    Ok(Figures { rooms, idle, stall })
}

/// Starts a server without limits, with users enough for so many sockets. What the authors write about themselves is
/// public: nobody else would hear of it.
fn start(program: &Path, sockets: usize) -> Outcome<(Server, Vec<User>)> {
    let server = setting::start(program, None, None, 0)?;
    let users = users::sign_up(server.address, sockets.div_ceil(SOCKETS_OF_A_USER).max(AUTHORS))?;
    let mut caller = Caller::connect(server.address)?;
    for author in users.iter().take(AUTHORS) {
        patch(&mut caller, &author.access_token, &json!({ "public_profile": true }))?;
    }
    Ok((server, users))
}

/// Changes a profile, and waits until that is answered.
fn patch(caller: &mut Caller, token: &str, change: &Value) -> Outcome<()> {
    let body = change.to_string();
    let request = format!(
        "PATCH /api/v1/profile HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    match caller.call(request.as_bytes())? {
        (200, _) => Ok(()),
        (status, body) => Err(format!("an edit: {status} {}", String::from_utf8_lossy(&body)).into()),
    }
}

/// Somebody who edits their profile.
struct Author {
    caller: Caller,
    token: String,
    edits: usize,
}

impl Author {
    fn new(server: &Server, user: &User) -> Outcome<Self> {
        Ok(Self { caller: Caller::connect(server.address)?, token: user.access_token.clone(), edits: 0 })
    }

    /// Makes an edit that changes something.
    fn edit(&mut self, bio_length: usize) -> Outcome<()> {
        self.edits += 1;
        patch(&mut self.caller, &self.token, &json!({ "bio": format!("{:0>bio_length$}", self.edits) }))
    }
}

fn one_room(options: &Options, program: &Path, members: usize) -> Outcome<Room> {
    let (server, users) = start(program, members)?;
    let crowd = Crowd::open(server.address, "room", &users, members)?;
    let mut author = Author::new(&server, users.first().ok_or("no users")?)?;
    let edits = if options.setting.quick { options.edits / 10 } else { options.edits };
    timed(&crowd, &mut author, edits / 10 + 1, 20)?;
    let latencies = timed(&crowd, &mut author, edits, 20)?;
    say(format!(
        "{members} members: {:.1} / {:.1} ms p50 / p99 to the last",
        latencies.percentile(50),
        latencies.percentile(99)
    ));
    let seconds = if options.setting.quick { 1 } else { options.seconds };
    let rate = told(&server, &crowd, &users, Duration::from_secs(seconds))?;
    say(format!("{members} members: {rate:.0} frames/s"));
    drop((crowd, server));
    let bare = bare(members, edits)?;
    say(format!("{members} sockets: {:.1} ms p50 where threads only send", bare.percentile(50)));
    Ok(Room { members, latencies, bare, rate })
}

/// Edits, each after everybody has heard the one before.
fn timed(crowd: &Crowd, author: &mut Author, edits: usize, bio_length: usize) -> Outcome<Histogram> {
    let mut latencies = Histogram::new();
    for _ in 0..edits {
        let expected = crowd.heard() + crowd.members();
        crowd.await_heard(expected);
        let begins = Instant::now();
        author.edit(bio_length)?;
        latencies.record(crowd.until_heard(expected)?.saturating_duration_since(begins));
    }
    Ok(latencies)
}

/// Frames that arrive in a second while several edit without a pause, each after the room has heard as much as one edit
/// makes: what is coalesced would be told less often.
fn told(server: &Server, crowd: &Crowd, users: &[User], time: Duration) -> Outcome<f64> {
    let (begins, before) = (Instant::now(), crowd.heard());
    std::thread::scope(|scope| {
        let authors: Vec<_> = users
            .iter()
            .take(AUTHORS)
            .zip(1..)
            .map(|(user, number)| {
                scope.spawn(move || {
                    let mut author = Author::new(server, user)?;
                    // The first edit of another connection must change something too.
                    author.edits = number * 1_000_000;
                    while begins.elapsed() < time {
                        // A number that no other author waits for.
                        let next = crowd.heard() + crowd.members();
                        crowd.await_heard(next);
                        author.edit(20)?;
                        crowd.until_heard(next).ok();
                    }
                    Ok::<_, crate::Failure>(())
                })
            })
            .collect();
        authors.into_iter().try_for_each(|author| author.join().map_err(|_| "an author panicked")?)
    })?;
    let frames = u32::try_from(crowd.heard() - before)?;
    Ok(f64::from(frames) / begins.elapsed().as_secs_f64())
}

fn idle(program: &Path, sockets: usize) -> Outcome<Idle> {
    let (server, users) = start(program, sockets)?;
    // Some of each kind first: what the process needs once is not what a socket costs.
    drop(Crowd::open(server.address, "first", &users, SOCKETS_OF_A_USER)?);
    let before = server.resident_mib()?;
    let crowd = Crowd::open_in_rooms(server.address, 200, &users, sockets)?;
    let after = server.resident_mib()?;
    let bytes = (after - before) * 1_048_576.0 / f64::from(u32::try_from(sockets)?);
    say(format!("{sockets} idle sockets: {bytes:.0} bytes each"));
    drop(crowd);
    Ok(Idle { sockets, bytes })
}

fn stalled(program: &Path, members: usize, edits: usize) -> Outcome<Stall> {
    let (server, users) = start(program, members + 1)?;
    let author = users.first().ok_or("no users")?;
    let crowd = Crowd::open(server.address, "room", &users, members - 1)?;
    let mut author = Author::new(&server, author)?;
    let without = timed(&crowd, &mut author, edits, LONG_BIO)?;
    let stalled = stall(server.address, "room", users.last().ok_or("no users")?)?;
    let with = timed(&crowd, &mut author, edits, LONG_BIO)?;
    let begins = Instant::now();
    let is_closed = stalled.until_closed(PATIENCE);
    say(format!(
        "p99 {:.1} ms, with a reader who does not read {:.1} ms; closed: {is_closed} (waited {:.0} s)",
        without.percentile(99),
        with.percentile(99),
        begins.elapsed().as_secs_f64()
    ));
    Ok(Stall { without, with, is_closed })
}
