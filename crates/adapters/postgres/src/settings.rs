//! Settings.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use frontdesk_kernel::{Unavailable, UserId};
use frontdesk_profile::settings::{Settings, SettingsChange, decide};
use frontdesk_profile::{SettingsError, SettingsStore};
use futures_util::FutureExt;

use crate::errors::vanished;
use crate::rows::SettingsRow;
use crate::schema::user_settings;
use crate::scoped::{Scope, Scoped};
use crate::write::write;

/// Keeps settings in Postgres.
pub struct PgSettingsStore {
    scoped: Scoped,
}

impl PgSettingsStore {
    pub(crate) const fn new(scoped: Scoped) -> Self {
        Self { scoped }
    }
}

#[async_trait]
impl SettingsStore for PgSettingsStore {
    async fn settings(&self, user: UserId) -> Result<Option<Settings>, Unavailable> {
        let of_user =
            user_settings::table.filter(user_settings::user_id.eq(user.as_uuid())).select(SettingsRow::as_select());
        let read = self.scoped.read(Scope::User(user), |connection| of_user.load(&mut &*connection).boxed());
        let rows: Vec<SettingsRow> = read.await?;
        rows.into_iter().next().map(Settings::try_from).transpose()
    }

    async fn change(&self, change: &SettingsChange) -> Result<Settings, SettingsError> {
        let scope = [Scope::User(change.user_id)];
        self.scoped.transaction(&scope, |unit| change_locked(unit.connection, change).boxed()).await
    }
}

async fn change_locked(
    connection: &diesel_async::AsyncPgConnection,
    change: &SettingsChange,
) -> Result<Settings, SettingsError> {
    let of_user = user_settings::table.filter(user_settings::user_id.eq(change.user_id.as_uuid()));
    let locked = of_user.select(SettingsRow::as_select()).for_update();
    let rows: Vec<SettingsRow> = locked.load(&mut &*connection).await.map_err(Unavailable::new)?;
    let row = rows.into_iter().next().ok_or(SettingsError::NotFound)?;
    let stored = Settings::try_from(row)?;
    let Some(changed) = decide(&stored, change)? else { return Ok(stored) };
    let update = write(connection, diesel::update(of_user).set(SettingsRow::from(&changed)));
    if update.await.map_err(Unavailable::new)? == 1 { Ok(changed) } else { Err(vanished("user_settings").into()) }
}
