//! Whether the server should be given requests.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use frontdesk_http::Readiness;
use frontdesk_postgres::PgStores;

/// Ready while the database answers and the server does not drain.
pub(crate) struct Ready {
    database: Option<PgStores>,
    is_draining: AtomicBool,
}

impl Ready {
    pub(crate) const fn new(database: Option<PgStores>) -> Self {
        Self { database, is_draining: AtomicBool::new(false) }
    }

    /// Turns the answer to "not ready", for good.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Readiness for Ready {
    async fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.is_draining.load(Ordering::Relaxed) {
            missing.push("draining".to_owned());
        }
        if let Some(database) = &self.database
            && database.ping().await.is_err()
        {
            missing.push("database".to_owned());
        }
        missing
    }
}
