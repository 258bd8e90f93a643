//! Log lines on standard output.

use std::io::{IsTerminal, stdout};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, Logging};
use crate::log_writer::{self, LogGuard};

/// What dependencies say at every start and what the log need not repeat; `RUST_LOG` may bring it back.
const QUIET: &str = "actix_server=warn,actix_http=warn,tokio_postgres=warn";

/// Starts logging. Dropping the guard writes what is left; without a thread to write there is no log.
pub(crate) fn start(logging: &Logging) -> Option<LogGuard> {
    let (writer, guard) = log_writer::start().ok()?;
    let is_terminal = stdout().is_terminal();
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
    Some(guard)
}
