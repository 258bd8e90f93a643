//! Log lines on standard output.

use std::io::{BufWriter, IsTerminal, stdout};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, Logging};

/// Lines that may wait for the writer. The line is allocated as a whole: the default of 128,000 costs 5 MB.
const BUFFERED_LINES: usize = 4_096;
const BUFFER_BYTES: usize = 64 * 1_024;

/// What dependencies say at every start and what the log need not repeat; `RUST_LOG` may bring it back.
const QUIET: &str = "actix_server=warn,actix_http=warn";

/// Starts logging. Dropping the guard writes what is left.
///
/// Lines go through a thread of their own, which writes as many at a time as there are. None is ever dropped: a
/// reader that is too slow slows requests in the end.
pub(crate) fn start(logging: &Logging) -> WorkerGuard {
    let is_terminal = stdout().is_terminal();
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(false)
        .buffered_lines_limit(BUFFERED_LINES)
        .thread_name("log")
        .finish(BufWriter::with_capacity(BUFFER_BYTES, stdout()));
    let filter = EnvFilter::new(format!("{QUIET},{}", logging.directives));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let default = if is_terminal { LogFormat::Pretty } else { LogFormat::Json };
    // An error says that somebody else logs for this process: then their log is the log.
    match logging.format.unwrap_or(default) {
        LogFormat::Pretty => builder.with_ansi(is_terminal).finish().try_init(),
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(false).with_span_list(false).finish().try_init()
        }
    }
    .ok();
    guard
}
