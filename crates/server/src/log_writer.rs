//! Where log lines wait for standard output.
//!
//! A line costs a request a copy into memory, under a lock held for nothing else: no system call, and no thread woken
//! for each line. The writer wakes for the first line, lets others gather for a moment, and writes them together.

use std::io::{self, Stdout, Write, stdout};
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long lines gather. A crash loses at most so much of the log.
const GATHER: Duration = Duration::from_millis(10);

/// How many bytes may wait. Past it whoever logs waits for the reader of the log: no line is dropped, and memory is
/// bounded.
const MOST_BYTES: usize = 4 * 1_024 * 1_024;

#[derive(Default)]
struct Lines {
    waiting: Vec<u8>,
    is_ending: bool,
}

#[derive(Default)]
struct Shared {
    lines: Mutex<Lines>,
    /// There is something to write, or the end has come.
    filled: Condvar,
    /// There is room again.
    emptied: Condvar,
}

impl Shared {
    /// A panic while logging leaves whole lines behind: nothing else is done under the lock.
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives each log line a place among those that wait.
#[derive(Clone)]
pub(crate) struct LogWriter(Arc<Shared>);

/// Writes what is left when it is dropped.
pub(crate) struct LogGuard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread that writes.
pub(crate) fn start() -> io::Result<(LogWriter, LogGuard)> {
    let shared = Arc::new(Shared::default());
    let of_thread = Arc::clone(&shared);
    let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&of_thread, stdout()))?;
    Ok((LogWriter(Arc::clone(&shared)), LogGuard { shared, thread: Some(thread) }))
}

fn write_all(shared: &Shared, mut out: Stdout) {
    loop {
        let lines = shared.lock();
        let idle = |lines: &mut Lines| lines.waiting.is_empty() && !lines.is_ending;
        let lines = shared.filled.wait_while(lines, idle).unwrap_or_else(PoisonError::into_inner);
        // A condition that only the end makes true: this is a pause that the end cuts short.
        let gathering = shared.filled.wait_timeout_while(lines, GATHER, |lines| !lines.is_ending);
        let (mut lines, _) = gathering.unwrap_or_else(PoisonError::into_inner);
        let (batch, is_ending) = (take(&mut lines.waiting), lines.is_ending);
        drop(lines);
        shared.emptied.notify_all();
        // There is nowhere to tell that the log cannot be written.
        let _ = out.write_all(&batch).and_then(|()| out.flush());
        if is_ending {
            return;
        }
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let full = |lines: &mut Lines| lines.waiting.len() >= MOST_BYTES && !lines.is_ending;
        let mut lines = self.0.emptied.wait_while(self.0.lock(), full).unwrap_or_else(PoisonError::into_inner);
        let is_first = lines.waiting.is_empty();
        lines.waiting.extend_from_slice(line);
        drop(lines);
        if is_first {
            self.0.filled.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.shared.lock().is_ending = true;
        self.shared.filled.notify_all();
        self.shared.emptied.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
