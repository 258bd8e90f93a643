//! Settings.

use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::{Unavailable, UserId};
use frontdesk_profile::settings::{Settings, SettingsChange, decide};
use frontdesk_profile::{SettingsError, SettingsStore};

use crate::lock::{read, write};
use crate::state::State;

/// Keeps settings in memory.
#[derive(Debug)]
pub struct MemorySettingsStore {
    state: Arc<State>,
}

impl MemorySettingsStore {
    pub(crate) const fn new(state: Arc<State>) -> Self {
        Self { state }
    }
}

#[async_trait]
impl SettingsStore for MemorySettingsStore {
    async fn settings(&self, user: UserId) -> Result<Option<Settings>, Unavailable> {
        Ok(read(self.state.rows_of(user)).get(&user).map(|row| row.settings.clone()))
    }

    async fn change(&self, change: &SettingsChange) -> Result<Settings, SettingsError> {
        let SettingsChange { user_id, patch: _, seen: _, now: _ } = change;
        let mut rows = write(self.state.rows_of(*user_id));
        let row = rows.get_mut(user_id).ok_or(SettingsError::NotFound)?;
        if let Some(settings) = decide(&row.settings, change)? {
            row.settings = settings;
        }
        Ok(row.settings.clone())
    }
}
