//! In-memory stores: real ones, for development, for demonstrations and for tests without a database.
//!
//! [`MemoryStores`] hands out one store per port. All of them share one state, so that what commits together in
//! Postgres commits together here. Nothing survives the process.

mod accounts;
mod idempotency;
mod limiter;
mod lock;
mod outbox;
mod pictures;
mod profiles;
mod rooms;
mod sessions;
mod settings;
mod state;

use std::sync::Arc;

pub use accounts::MemoryAccountStore;
pub use idempotency::MemoryIdempotencyStore;
pub use limiter::MemoryLimiter;
pub use outbox::MemoryOutbox;
pub use pictures::MemoryPictureStore;
pub use profiles::MemoryProfileStore;
pub use rooms::MemoryRoomStore;
pub use sessions::MemorySessionStore;
pub use settings::MemorySettingsStore;

use state::State;

/// The stores of one backend, empty at first.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each field is the store its type names")]
pub struct MemoryStores {
    pub accounts: Arc<MemoryAccountStore>,
    pub profiles: Arc<MemoryProfileStore>,
    pub sessions: Arc<MemorySessionStore>,
    pub settings: Arc<MemorySettingsStore>,
    pub pictures: Arc<MemoryPictureStore>,
    pub rooms: Arc<MemoryRoomStore>,
    pub idempotency: Arc<MemoryIdempotencyStore>,
    pub outbox: Arc<MemoryOutbox>,
}

impl MemoryStores {
    /// Makes a backend of its own.
    pub fn new() -> Self {
        let state = Arc::new(State::default());
        Self {
            accounts: Arc::new(MemoryAccountStore::new(Arc::clone(&state))),
            profiles: Arc::new(MemoryProfileStore::new(Arc::clone(&state))),
            sessions: Arc::new(MemorySessionStore::new(Arc::clone(&state))),
            settings: Arc::new(MemorySettingsStore::new(Arc::clone(&state))),
            pictures: Arc::new(MemoryPictureStore::new(Arc::clone(&state))),
            rooms: Arc::new(MemoryRoomStore::new(Arc::clone(&state))),
            idempotency: Arc::new(MemoryIdempotencyStore::new(Arc::clone(&state))),
            outbox: Arc::new(MemoryOutbox::new(state)),
        }
    }
}

impl Default for MemoryStores {
    fn default() -> Self {
        Self::new()
    }
}
