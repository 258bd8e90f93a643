//! Tests on a real Postgres of what no port promises: isolation, migrations, faults, round trips.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is how a test fails"
)]

mod common;
mod connections;
mod deletion;
mod locks;
mod migrations;
mod outbox;
mod provision;
mod resilience;
mod rooms;
mod round_trips;
mod row_level_security;
