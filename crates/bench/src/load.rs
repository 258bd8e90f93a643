//! The load generator: connections kept alive, requests serialised before the clock starts.
//!
//! It shares the cores with what it measures, so it does as little as it can: one write and usually one read for a
//! request, no allocation, and of the answer only the status and the length.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::connection::Connection;
use crate::histogram::Histogram;
use crate::process::pause;

/// Digits of the number that makes each request of a kind differ from the last.
const COUNTER_DIGITS: usize = 20;

/// One request, ready to be sent.
pub(crate) struct Request {
    bytes: Vec<u8>,
    counter_at: Option<usize>,
}

impl Request {
    /// A request without a body.
    pub(crate) fn get(path: &str, token: &str) -> Self {
        let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n");
        Self { bytes: head.into_bytes(), counter_at: None }
    }

    /// A request without a body and without a credential.
    pub(crate) fn anonymous(path: &str) -> Self {
        let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        Self { bytes: head.into_bytes(), counter_at: None }
    }

    /// A PATCH that sets one text field to a value it has never had.
    pub(crate) fn patch(path: &str, token: &str, field: &str) -> Self {
        let before = format!("{{\"{field}\":\"At the desk, visit ");
        let after = "\"}";
        let len = before.len() + COUNTER_DIGITS + after.len();
        let mut bytes = format!(
            "PATCH {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {len}\r\n\r\n{before}"
        )
        .into_bytes();
        let counter_at = Some(bytes.len());
        bytes.extend_from_slice(&[b'0'; COUNTER_DIGITS]);
        bytes.extend_from_slice(after.as_bytes());
        Self { bytes, counter_at }
    }

    /// A POST of a JSON document, without a credential.
    pub(crate) fn post(path: &str, body: &str) -> Self {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Self { bytes: request.into_bytes(), counter_at: None }
    }

    /// Writes the request, with `counter` in its place, over what `buffer` held.
    pub(crate) fn render(&self, counter: u64, buffer: &mut Vec<u8>) {
        buffer.clear();
        buffer.extend_from_slice(&self.bytes);
        let digits = self.counter_at.and_then(|at| buffer.get_mut(at..at + COUNTER_DIGITS));
        let mut rest = counter;
        for digit in digits.into_iter().flatten().rev() {
            // `rest % 10` is below 10.
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
    }
}

/// What to send, and where.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<[Request]>,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    /// Sent before anything is counted.
    pub(crate) warm_up: Duration,
    /// Differs from call to call, so that a counter never repeats a value of an earlier call.
    pub(crate) seed: u64,
}

/// What came back.
pub(crate) struct Measured {
    /// Requests answered with 200, for each second.
    pub(crate) rate: f64,
    pub(crate) mean_ms: f64,
    /// What half of the requests did not exceed; `None` where only the mean is known.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
}

/// The time that counts.
#[derive(Clone)]
struct Window {
    begins: Instant,
    ended: Arc<OnceLock<Instant>>,
}

impl Window {
    fn is_over(&self) -> bool {
        self.ended.get().is_some()
    }
}

struct Tally {
    latencies: Histogram,
    refused: BTreeMap<u16, (u64, String)>,
}

impl Tally {
    fn new() -> Self {
        Self { latencies: Histogram::new(), refused: BTreeMap::new() }
    }

    fn merge(&mut self, other: Self) {
        self.latencies.merge(&other.latencies);
        for (status, (count, body)) in other.refused {
            self.refused.entry(status).or_insert((0, body)).0 += count;
        }
    }
}

/// Sends the load for a while that counts. Any answer but 200 fails the run: a rate of refusals means nothing.
pub(crate) fn run(plan: &Plan, measure: Duration) -> Outcome<Measured> {
    Ok(during(plan, || pause(measure))?.1)
}

/// Sends the load while `work` is done, and gives what both came to.
pub(crate) fn during<T>(plan: &Plan, work: impl FnOnce() -> T) -> Outcome<(T, Measured)> {
    let window = Window { begins: Instant::now() + plan.warm_up, ended: Arc::new(OnceLock::new()) };
    let threads: Vec<_> = (0..plan.threads)
        .map(|thread| {
            let (plan, window) = (plan.clone(), window.clone());
            std::thread::spawn(move || drive(&plan, thread, &window))
        })
        .collect();
    pause(window.begins.saturating_duration_since(Instant::now()));
    let done = work();
    let ended = *window.ended.get_or_init(Instant::now);
    let mut tally = Tally::new();
    for thread in threads {
        tally.merge(thread.join().map_err(|_| "a thread of the load generator panicked")??);
    }
    if let Some((status, (count, body))) = tally.refused.first_key_value() {
        return Err(format!("{count} answers with status {status}, the first: {body}").into());
    }
    let answered = u32::try_from(tally.latencies.total())?;
    let measured = Measured {
        rate: f64::from(answered) / (ended - window.begins).as_secs_f64(),
        mean_ms: tally.latencies.mean(),
        p50_ms: Some(tally.latencies.percentile(50)),
        p99_ms: Some(tally.latencies.percentile(99)),
    };
    Ok((done, measured))
}

/// Drives this thread's share of the connections.
fn drive(plan: &Plan, thread: usize, window: &Window) -> Outcome<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let mine = (thread..plan.connections).step_by(plan.threads);
        let connections: Vec<_> =
            mine.map(|connection| tokio::spawn(converse(plan.clone(), connection, window.clone()))).collect();
        let mut tally = Tally::new();
        for connection in connections {
            tally.merge(connection.await??);
        }
        Ok(tally)
    })
}

/// One connection: a random request, its answer, and so on until the end.
async fn converse(plan: Plan, number: usize, window: Window) -> Outcome<Tally> {
    let mut connection = Connection::open(plan.address).await?;
    let number = u64::try_from(number)?;
    let mut random = Random::new(plan.seed ^ (number << 32));
    // Connections count in ranges of their own.
    let mut counter = (plan.seed << 40) | (number << 32);
    let mut tally = Tally::new();
    let mut out = Vec::with_capacity(1024);
    let mut sent = Instant::now();
    while !window.is_over() {
        let request = plan.requests.get(random.below(plan.requests.len())).ok_or("no requests to send")?;
        counter += 1;
        request.render(counter, &mut out);
        let head = connection.ask(&out).await?;
        let answered = Instant::now();
        if head.status != 200 {
            let body = connection.body(&head);
            tally.refused.entry(head.status).or_insert((0, body)).0 += 1;
        } else if answered >= window.begins && !window.is_over() {
            tally.latencies.record(answered - sent);
        }
        sent = answered;
    }
    Ok(tally)
}

/// xorshift64*: cheap, and good enough to pick a user.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(drawn).unwrap_or_default() % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_never_repeats_its_value_and_keeps_its_length() {
        let request = Request::patch("/p", "t", "bio");
        let (mut first, mut second) = (Vec::new(), Vec::new());
        request.render(9, &mut first);
        request.render(u64::MAX, &mut second);
        assert_ne!(first, second);
        assert_eq!(first.len(), second.len());
        assert!(first.ends_with(b"visit 00000000000000000009\"}"));
    }

    #[test]
    fn the_content_length_is_that_of_the_body() {
        let mut out = Vec::new();
        Request::patch("/p", "t", "bio").render(1, &mut out);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len())) || head.ends_with(&body.len().to_string())
        );
    }

    /// Answers every request on every connection with `answer`, until the test process ends.
    fn serve(answer: &'static [u8]) -> SocketAddr {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut request = [0; 1024];
                    while stream.read(&mut request).is_ok_and(|read| read > 0) {
                        stream.write_all(answer).unwrap();
                    }
                });
            }
        });
        address
    }

    fn plan(address: SocketAddr) -> Plan {
        let requests = [Request::anonymous("/")].into();
        Plan { address, requests, connections: 4, threads: 2, warm_up: Duration::ZERO, seed: 1 }
    }

    const A_WHILE: Duration = Duration::from_millis(100);

    #[test]
    fn answers_are_counted() {
        let measured = run(&plan(serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")), A_WHILE).unwrap();
        assert!(measured.rate > 0.0 && measured.p99_ms >= measured.p50_ms);
    }

    #[test]
    fn a_refusal_fails_the_run() {
        let failure = run(&plan(serve(b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nbusy")), A_WHILE).err().unwrap();
        assert!(failure.to_string().ends_with("with status 503, the first: busy"), "{failure}");
    }

    #[test]
    fn every_request_is_picked_in_the_long_run() {
        let mut random = Random::new(7);
        let mut seen = [false; 100];
        for _ in 0..10_000 {
            seen[random.below(100)] = true;
        }
        assert!(seen.iter().all(|seen| *seen));
    }
}
