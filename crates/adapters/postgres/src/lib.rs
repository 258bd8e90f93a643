//! Postgres stores with row-level security, and the migrations runner.
//!
//! **Architecture Invariant:** a store reaches the database through `scoped::Scoped` alone, which sets the user it
//! acts for before anything else and clears it after. The role it works as owns nothing; without a user in scope
//! every table of user data is empty to it. Rooms are nobody's alone: their tables are empty to it unless it says that
//! this is what it is about.

mod accounts;
mod advisory;
mod connect;
mod errors;
mod idempotency;
mod listener;
mod locked;
mod login_names;
mod migrations;
mod outbox;
mod pictures;
mod pools;
mod profiles;
mod purge;
mod rooms;
mod rows;
mod schema;
mod scoped;
mod sessions;
mod settings;
mod stores;
mod write;

pub use accounts::PgAccountStore;
pub use connect::UrlError;
pub use idempotency::PgIdempotencyStore;
pub use listener::Listener;
pub use migrations::{
    MIGRATIONS_FINGERPRINT, MigrateError, Migrated, migrate, migrate_blocking, revert_all, server_secret,
};
pub use outbox::PgOutbox;
pub use pictures::PgPictureStore;
pub use pools::PoolStatus;
pub use profiles::PgProfileStore;
pub use rooms::PgRoomStore;
pub use scoped::RlsMode;
pub use sessions::PgSessionStore;
pub use settings::PgSettingsStore;
pub use stores::{ConnectError, PgConfig, PgStores};
