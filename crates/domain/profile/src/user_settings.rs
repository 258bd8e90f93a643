//! Reading and changing settings.

use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::{Clock, Unavailable, UserId};

use crate::settings::{Settings, SettingsChange, SettingsError, SettingsPatch};

/// Keeps settings.
///
/// # Contract
/// - `change` MUST lock the settings, ask [`decide`](crate::settings::decide), and store the decision; concurrent
///   changes of different fields all survive.
/// - A method MUST NOT read or write another user's rows.
#[async_trait]
pub trait SettingsStore: Send + Sync + 'static {
    /// Reads settings.
    async fn settings(&self, user: UserId) -> Result<Option<Settings>, Unavailable>;

    /// Changes settings.
    async fn change(&self, change: &SettingsChange) -> Result<Settings, SettingsError>;
}

/// Reads and changes settings.
#[derive(Clone)]
pub struct UserSettings {
    store: Arc<dyn SettingsStore>,
    clock: Arc<dyn Clock>,
}

impl UserSettings {
    /// Joins the ports.
    pub const fn new(store: Arc<dyn SettingsStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Reads settings.
    pub async fn settings(&self, user: UserId) -> Result<Option<Settings>, Unavailable> {
        self.store.settings(user).await
    }

    /// Changes settings. `seen` are the versions the caller has seen (`If-Match`); `None` asks nothing.
    pub async fn change(
        &self,
        user_id: UserId,
        patch: SettingsPatch,
        seen: Option<Vec<i64>>,
    ) -> Result<Settings, SettingsError> {
        self.store.change(&SettingsChange { user_id, patch, seen, now: self.clock.now() }).await
    }
}
