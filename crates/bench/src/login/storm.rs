//! Many sign-ins at the same moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Barrier;

use crate::Outcome;
use crate::connection::Connection;
use crate::histogram::Histogram;
use crate::load::Request;

/// How long a caller tries; one that is still refused then ends the measurement.
const PATIENCE: Duration = Duration::from_mins(2);

/// What became of the sign-ins of one storm, or of several.
pub(super) struct Told {
    /// Callers whose first request was answered with 200.
    pub(super) at_once: u32,
    /// Answers with 503, to first requests and to repeated ones.
    pub(super) refusals: u32,
    /// Those of them with a Retry-After.
    pub(super) refusals_with_time: u32,
    /// From a request to its 200.
    pub(super) answers: Histogram,
    /// From a request to its 503.
    pub(super) refused: Histogram,
    /// From the first request of a caller to its 200, with all it was told to wait.
    pub(super) signed_in: Histogram,
}

impl Told {
    pub(super) fn new() -> Self {
        let (answers, refused, signed_in) = (Histogram::new(), Histogram::new(), Histogram::new());
        Self { at_once: 0, refusals: 0, refusals_with_time: 0, answers, refused, signed_in }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let Self { at_once, refusals, refusals_with_time, answers, refused, signed_in } = other;
        self.at_once += at_once;
        self.refusals += refusals;
        self.refusals_with_time += refusals_with_time;
        self.answers.merge(answers);
        self.refused.merge(refused);
        self.signed_in.merge(signed_in);
    }
}

/// Sends each request on a connection of its own, all at once, and repeats those that are refused with 503 when their
/// Retry-After says. Gives what was told and how long it took until the last caller was signed in.
pub(super) fn run(address: SocketAddr, requests: &Arc<[Request]>) -> Outcome<(Told, Duration)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let all_connected = Arc::new(Barrier::new(requests.len() + 1));
        let callers: Vec<_> = (0..requests.len())
            .map(|number| tokio::spawn(call(address, Arc::clone(requests), number, Arc::clone(&all_connected))))
            .collect();
        all_connected.wait().await;
        let begins = Instant::now();
        let mut told = Told::new();
        for caller in callers {
            told.merge(&caller.await??);
        }
        Ok((told, begins.elapsed()))
    })
}

/// One caller, until it is signed in.
async fn call(
    address: SocketAddr,
    requests: Arc<[Request]>,
    number: usize,
    all_connected: Arc<Barrier>,
) -> Outcome<Told> {
    let mut request = Vec::new();
    requests.get(number).ok_or("no request for this caller")?.render(0, &mut request);
    let connection = Connection::open(address).await;
    // Whoever failed to connect must not keep the others waiting for ever.
    all_connected.wait().await;
    let mut connection = connection?;
    let mut told = Told::new();
    let begins = Instant::now();
    loop {
        let sent = Instant::now();
        let head = connection.ask(&request).await?;
        match head.status {
            200 => {
                told.at_once = u32::from(told.refusals == 0);
                told.answers.record(sent.elapsed());
                told.signed_in.record(begins.elapsed());
                return Ok(told);
            }
            503 if begins.elapsed() < PATIENCE => {
                told.refused.record(sent.elapsed());
                told.refusals += 1;
                let seconds = connection.header(&head, "retry-after").and_then(|seconds| seconds.parse().ok());
                told.refusals_with_time += u32::from(seconds.is_some());
                tokio::time::sleep(Duration::from_secs(seconds.unwrap_or(1))).await;
            }
            status => return Err(format!("a sign-in: {status} {}", connection.body(&head)).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers the requests of each connection in this order.
    fn serve(answers: &'static [&'static [u8]]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut request = [0; 1024];
                    for answer in answers {
                        assert!(stream.read(&mut request).unwrap() > 0);
                        stream.write_all(answer).unwrap();
                    }
                });
            }
        });
        address
    }

    fn requests(count: usize) -> Arc<[Request]> {
        (0..count).map(|_| Request::post("/", "{}")).collect()
    }

    const SIGNED_IN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

    #[test]
    fn a_refused_caller_comes_again_until_it_is_signed_in() {
        const LATER: &[u8] = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n";
        let (told, _) = run(serve(&[LATER, LATER, SIGNED_IN]), &requests(3)).unwrap();
        assert_eq!((told.at_once, told.refusals, told.refusals_with_time), (0, 6, 6));
        assert_eq!((told.answers.total(), told.signed_in.total(), told.refused.total()), (3, 3, 6));
    }

    #[test]
    fn who_is_signed_in_by_the_first_request_is_counted_apart() {
        let (told, _) = run(serve(&[SIGNED_IN]), &requests(5)).unwrap();
        assert_eq!((told.at_once, told.refusals), (5, 0));
    }

    #[test]
    fn another_answer_ends_the_measurement() {
        let failure = run(serve(&[b"HTTP/1.1 401 X\r\nContent-Length: 5\r\n\r\nwrong"]), &requests(1)).err().unwrap();
        assert_eq!(failure.to_string(), "a sign-in: 401 wrong");
    }
}
