//! Uploads of pictures: beside `vipsthumbnail`, in memory taken, and in what they do to those who only read.

mod figures;
mod photo;
mod vips;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use crate::load::{self, Plan, Request};
use crate::process::{Caller, Server, pause};
use crate::setting::{self, Setting};
use crate::{Outcome, say, users};
use figures::{Figures, Pair, Storm};
use photo::Photo;
use vips::Vips;

const READ: &str = "/api/v1/profile";
const UPLOAD: &str = "/api/v1/profile/avatar";
/// A phone's: 12 megapixels.
const PHONE: Photo = Photo { width: 4_032, height: 3_024, quality: 90, grain: 23 };
/// The largest that is taken: 50 megapixels.
const LARGEST: Photo = Photo { width: 8_660, height: 5_772, quality: 75, grain: 5 };

/// How much at once, and how often.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds of one upload and one run of `vipsthumbnail`.
    #[arg(long, default_value_t = 15)]
    rounds: u64,
    /// The largest pictures that are sent at the same moment, each by another user.
    #[arg(long, default_value_t = 16)]
    uploads: usize,
    /// How often they are.
    #[arg(long, default_value_t = 5)]
    storms: u64,
    /// Connections that read meanwhile, and for as long before.
    #[arg(long, default_value_t = 4)]
    readers: usize,
    /// Users among whom each read picks one at random.
    #[arg(long, default_value_t = 2_000)]
    users: usize,
    #[command(flatten)]
    setting: Setting,
}

/// Measures, prints, and keeps the figures.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let program = options.setting.program()?;
    let folder = tempfile::tempdir()?;
    let (phone, largest) = (PHONE.jpeg()?, LARGEST.jpeg()?);
    let vips = Vips::find();
    let told = vips.as_ref().map_or("SKIPPED: no vipsthumbnail. Install libvips-tools", Vips::version);
    say(format!("vipsthumbnail: {told}"));
    let figures = Figures {
        alone: alone(options, &program)?,
        pairs: pairs(options, &program, &phone, vips.as_ref(), folder.path())?,
        storms: storms(options, &program, &largest)?,
    };
    options.setting.publish("avatar", "Avatars", &body(options, &figures, [&phone, &largest], told))
}

fn body(options: &Options, figures: &Figures, [phone, largest]: [&Vec<u8>; 2], vips: &str) -> String {
    format!(
        "{}\n{}\nIn memory. A request is a whole one, from its first byte to the last of its answer: a baseline JPEG (4:2:0) of \
         {PHONE} and {} kB in one part, made into four sizes. `vipsthumbnail` makes the same four of the same file, \
         512 pixels of the picture and the others of that, in one process each; its memory is the most that one of \
         them took. A storm is {} pictures of {LARGEST} and {} kB at the same moment, each of another user; meanwhile, \
         and as long before, {} connections read, each time one of {} other users. Memory of a storm is that of the \
         whole process, bodies included.\nvipsthumbnail: {vips}.\n",
        figures.targets(),
        figures.table(),
        phone.len() / 1_000,
        options.uploads,
        largest.len() / 1_000,
        options.readers,
        options.users,
    )
}

impl Options {
    const fn extent(&self) -> (u64, u64) {
        if self.setting.quick { (2, 1) } else { (self.rounds, self.storms) }
    }
}

/// Starts the server without limits: everybody comes from one address.
fn start(options: &Options, program: &Path) -> Outcome<Server> {
    setting::start(program, None, options.setting.pool_size, 0)
}

/// The most memory that one upload takes, above that before.
fn alone(options: &Options, program: &Path) -> Outcome<f64> {
    let server = start(options, program)?;
    let user = users::sign_up(server.address, 1)?.pop().ok_or("no user")?;
    let before = server.resident_mib()?;
    upload(server.address, &request(&user.access_token, &PHONE.jpeg()?))?;
    Ok(server.peak_mib()? - before)
}

fn pairs(options: &Options, program: &Path, photo: &[u8], vips: Option<&Vips>, folder: &Path) -> Outcome<Vec<Pair>> {
    let server = start(options, program)?;
    let user = users::sign_up(server.address, 1)?.pop().ok_or("no user")?;
    let request = request(&user.access_token, photo);
    let file = folder.join("photo.jpg");
    std::fs::write(&file, photo)?;
    let mut pairs = Vec::new();
    // The first one warms up.
    for round in 0..=options.extent().0 {
        let ours = upload(server.address, &request)?;
        let theirs = vips.map(|vips| vips.thumbnails(&file, folder)).transpose()?;
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let pair = Pair {
            ours_ms: milliseconds(ours),
            theirs_ms: theirs.as_ref().map(|theirs| milliseconds(theirs.took)),
            their_peak_mib: theirs.as_ref().map(|theirs| theirs.peak_mib),
        };
        if round > 0 {
            say(format!(
                "round {round}: {:>6.1} ms, vipsthumbnail {:>6.1} ms",
                pair.ours_ms,
                pair.theirs_ms.unwrap_or(f64::NAN)
            ));
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

fn storms(options: &Options, program: &Path, photo: &[u8]) -> Outcome<Vec<Storm>> {
    let mut storms = Vec::new();
    for number in 1..=options.extent().1 {
        // Each in a process of its own: the most memory that a process ever took is never forgotten.
        let server = start(options, program)?;
        let users = users::sign_up(server.address, options.users + options.uploads)?;
        let (uploaders, readers) = users.split_at_checked(options.uploads).ok_or("too few users")?;
        let reads = Plan {
            address: server.address,
            requests: readers.iter().map(|user| Request::get(READ, &user.access_token)).collect(),
            connections: options.readers,
            threads: 1,
            warm_up: Duration::from_millis(500),
            seed: number,
        };
        let requests: Vec<_> = uploaders.iter().map(|user| request(&user.access_token, photo)).collect();
        let idle = load::run(&reads, Duration::from_secs(5))?;
        let before_mib = server.resident_mib()?;
        let (answers, meanwhile) = load::during(&reads, || at_once(server.address, requests))?;
        let (answered, refused): (Vec<_>, Vec<_>) = answers?.into_iter().partition(|(status, _)| *status == 200);
        let slowest_ms = answered.iter().map(|(_, took)| took.as_secs_f64() * 1e3).fold(0.0, f64::max);
        let storm = Storm {
            idle,
            meanwhile,
            answered: answered.len(),
            refused: refused.len(),
            slowest_ms,
            before_mib,
            peak_mib: server.peak_mib()?,
        };
        say(format!(
            "storm {number}: {} answered, {} refused, the slowest after {slowest_ms:.0} ms, {:.1} MiB at most",
            storm.answered, storm.refused, storm.peak_mib
        ));
        storms.push(storm);
        pause(Duration::from_millis(500));
    }
    Ok(storms)
}

fn request(token: &str, photo: &[u8]) -> Vec<u8> {
    let begin = "--frame\r\nContent-Disposition: form-data; name=\"file\"; filename=\"photo.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n";
    let end = "\r\n--frame--\r\n";
    let length = begin.len() + photo.len() + end.len();
    let head = format!(
        "POST {UPLOAD} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: multipart/form-data; boundary=frame\r\nContent-Length: {length}\r\n\r\n{begin}"
    );
    [head.as_bytes(), photo, end.as_bytes()].concat()
}

/// Sends one upload and gives the time until the last byte of its answer.
fn upload(address: SocketAddr, request: &[u8]) -> Outcome<Duration> {
    let mut caller = Caller::connect(address)?;
    let sent = Instant::now();
    match caller.call(request)? {
        (200, _) => Ok(sent.elapsed()),
        (status, body) => Err(format!("POST {UPLOAD}: {status} {}", String::from_utf8_lossy(&body)).into()),
    }
}

/// Sends all at the same moment; gives the status and the time of each.
fn at_once(address: SocketAddr, requests: Vec<Vec<u8>>) -> Outcome<Vec<(u16, Duration)>> {
    let all_connected = Arc::new(Barrier::new(requests.len()));
    let callers: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let all_connected = Arc::clone(&all_connected);
            std::thread::spawn(move || -> Outcome<(u16, Duration)> {
                let caller = Caller::connect(address);
                // Whoever failed to connect must not keep the others waiting for ever.
                all_connected.wait();
                let sent = Instant::now();
                let (status, _) = caller?.call(&request)?;
                Ok((status, sent.elapsed()))
            })
        })
        .collect();
    let join =
        |caller: std::thread::JoinHandle<Outcome<_>>| caller.join().map_err(|_| "an uploading thread panicked")?;
    callers.into_iter().map(join).collect()
}
