//! The event bus: in process, and over Postgres LISTEN/NOTIFY.
//!
//! On either a node hears an event once, however often it is published: the last few thousand ids are remembered.

mod backoff;
mod hearing;
mod in_process;
mod payload;
mod pg;

pub use backoff::Backoff;
pub use in_process::InProcessBus;
pub use pg::{Link, Messages, PgBus};
