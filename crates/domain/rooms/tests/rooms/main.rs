//! The rooms of one node and of several, over the in-memory store.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is how a test fails"
)]

mod common;
mod log;
mod presence;
mod random;
