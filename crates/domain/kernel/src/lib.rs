//! The words every domain shares: ids, time, randomness, faults, pages, events and the rules (rate limits,
//! idempotency, personal data) that more than one domain applies.
//!
//! **Architecture Invariant:** this crate does no I/O and holds nothing that fewer than two domains use.

mod bus;
mod entropy;
mod event;
mod fault;
pub mod gcra;
mod id;
pub mod idempotency;
mod page;
mod patch;
pub mod personal;
mod time;

pub use bus::{EventBus, EventListener};
pub use entropy::Entropy;
pub use event::{Event, EventBody, Outbox};
pub use fault::{Fault, FaultCode, FaultKind, Unavailable};
pub use id::{EventId, MalformedId, SessionId, UserId};
pub use page::{Listed, Page};
pub use patch::Patch;
pub use time::{Clock, Timestamp};
