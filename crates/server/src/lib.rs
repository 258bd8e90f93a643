//! The Frontdesk server: reads the environment, composes, starts, stops.
//!
//! **Architecture Invariant:** only [`config`] reads the environment, and only this crate knows which adapter stands
//! behind which port.

mod banner;
pub mod cli;
pub mod compose;
pub mod config;
mod describe;
mod healthcheck;
mod housekeeping;
mod log_writer;
mod readiness;
mod relay;
mod rooms;
mod serve;
mod system;
mod telemetry;
pub mod verify;

pub use system::{OsEntropy, SystemClock};

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Chooses the cryptography of every TLS connection. Later calls do nothing.
fn install_crypto() {
    // An error says that a provider is installed already, which is what is wanted.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
}
