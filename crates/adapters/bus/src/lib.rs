//! The event bus: in process, over Postgres LISTEN/NOTIFY, and over Redis.
//!
//! On each a node hears an event once, however often it is published: the last few thousand ids are remembered.

mod backoff;
mod hearing;
mod in_process;
mod payload;
mod pg;
#[cfg(feature = "redis")]
mod redis;
mod session;

pub use self::backoff::Backoff;
pub use self::in_process::InProcessBus;
pub use self::pg::{Link, Messages, PgBus};
#[cfg(feature = "redis")]
pub use self::redis::{MalformedRedisUrl, RedisBus, RedisConfig, RedisUrl};
