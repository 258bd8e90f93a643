//! What tests of several crates share: builders, and the contract suites that every store must pass.

pub mod builders;
pub mod contract;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod redis;
