//! The API as its clients see it. Every test runs on both stores: always in memory, and on Postgres where there is one.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking; clippy's own exceptions do not reach the helpers of integration tests"
)]

mod accounts;
mod avatars;
mod bad_inputs;
mod caching;
mod conventions;
mod deletion;
mod export;
mod facades;
mod forge;
mod hasher;
mod idempotency;
mod issuers;
mod limits;
mod openapi;
mod pictures;
mod profile;
mod refresh;
mod rooms;
mod sessions;
mod settings;
mod site;
mod tokens;

pub(crate) use site::{Site, Store};

/// Declares each test once for each store.
macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::Store::memory()).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(store) = crate::Store::postgres().await {
                    super::$name(store).await;
                }
            })*
        }
    };
}
pub(crate) use on_both_stores;
