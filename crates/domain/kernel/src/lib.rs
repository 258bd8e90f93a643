//! The words every domain shares: ids, time, randomness, faults, events and the two rules (rate limits,
//! idempotency) that more than one domain applies.
//!
//! **Architecture Invariant:** this crate does no I/O and holds nothing that fewer than two domains use.

mod entropy;
mod event;
mod fault;
pub mod gcra;
mod id;
pub mod idempotency;
mod patch;
mod time;

pub use entropy::Entropy;
pub use event::{Event, EventBody, Outbox};
pub use fault::{Fault, FaultCode, FaultKind, Unavailable};
pub use id::{EventId, MalformedId, SessionId, UserId};
pub use patch::Patch;
pub use time::{Clock, Timestamp};
