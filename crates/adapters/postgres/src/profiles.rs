//! Profiles and channels.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use frontdesk_kernel::{Unavailable, UserId};
use frontdesk_profile::account::Account;
use frontdesk_profile::channels::Channels;
use frontdesk_profile::profile::{Authority, Decision, Profile, ProfileChange, View, decide};
use frontdesk_profile::token::TokenRefused;
use frontdesk_profile::{ProfileStore, UpdateError};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, OptionFuture, join, join_all, join3};

use crate::advisory::{Lock, hold};
use crate::errors::{Violation, vanished, violation};
use crate::login_names::{LoginNameRow, rename, username_key};
use crate::pictures::moved;
use crate::rows::{ChannelsRow, EventRow, ProfileRow, UserRow};
use crate::schema::{notification_preferences, outbox, profiles, users};
use crate::scoped::{Scope, Scoped};
use crate::write::write;

/// Keeps profiles and channels in Postgres.
pub struct PgProfileStore {
    scoped: Scoped,
}

impl PgProfileStore {
    pub(crate) const fn new(scoped: Scoped) -> Self {
        Self { scoped }
    }
}

#[async_trait]
impl ProfileStore for PgProfileStore {
    async fn profile(&self, user: UserId) -> Result<Option<Arc<Profile>>, Unavailable> {
        let of_user = profiles::table.find(user.as_uuid()).select(ProfileRow::as_select());
        let read = self.scoped.read(Scope::User(user), |connection| of_user.load(&mut &*connection).boxed());
        let rows: Vec<ProfileRow> = read.await?;
        Ok(rows.into_iter().next().map(|row| Arc::new(row.into())))
    }

    async fn view(&self, user: UserId) -> Result<Option<View>, Unavailable> {
        // One statement, so one snapshot.
        let both = profiles::table
            .inner_join(notification_preferences::table.on(notification_preferences::user_id.eq(profiles::id)))
            .filter(profiles::id.eq(user.as_uuid()))
            .select((ProfileRow::as_select(), ChannelsRow::as_select()));
        let read = self.scoped.read(Scope::User(user), |connection| both.load(&mut &*connection).boxed());
        let rows: Vec<(ProfileRow, ChannelsRow)> = read.await?;
        Ok(rows
            .into_iter()
            .next()
            .map(|(profile, channels)| View { profile: profile.into(), channels: Some(channels.into()) }))
    }

    async fn update(&self, change: &ProfileChange) -> Result<View, UpdateError> {
        let scope = [Scope::User(change.user_id)];
        self.scoped.transaction(&scope, |unit| update_locked(unit.connection, change).boxed()).await
    }
}

/// The state that a change is decided on, locked. Every writer locks in the order of `users`, `profiles`,
/// `notification_preferences`, so that no two wait for each other.
async fn lock(connection: &AsyncPgConnection, change: &ProfileChange) -> Result<View, UpdateError> {
    let user = change.user_id.as_uuid();
    let account: OptionFuture<_> = (change.authority == Authority::Unclaimed)
        .then(|| users::table.find(user).select(UserRow::as_select()).for_share().load::<UserRow>(&mut &*connection))
        .into();
    let profile = profiles::table.find(user).select(ProfileRow::as_select()).for_update().load(&mut &*connection);
    let channels: OptionFuture<_> = change
        .channels
        .is_some()
        .then(|| {
            notification_preferences::table
                .filter(notification_preferences::user_id.eq(user))
                .select(ChannelsRow::as_select())
                .for_update()
                .load::<ChannelsRow>(&mut &*connection)
        })
        .into();
    let (account, profile, channels) = join3(account, profile, channels).await;
    let account = account.transpose().map_err(Unavailable::new)?.and_then(|rows| rows.into_iter().next());
    let profile: Vec<ProfileRow> = profile.map_err(Unavailable::new)?;
    let channels = channels.transpose().map_err(Unavailable::new)?.and_then(|rows| rows.into_iter().next());
    let profile = profile.into_iter().next().ok_or(UpdateError::NotFound)?;
    match change.authority {
        Authority::Granted => {}
        Authority::Unclaimed if account.is_some_and(|row| Account::from(row).is_open(change.now)) => {}
        Authority::Unclaimed => return Err(TokenRefused.into()),
    }
    Ok(View { profile: profile.into(), channels: channels.map(Channels::from) })
}

/// Keeps the old and the new name for this transaction, always in the same order. Otherwise two users who swap names
/// at the same moment would each wait in the unique index for the other to be done.
async fn lock_names(connection: &AsyncPgConnection, old: &Profile, new: &Profile) -> Result<(), Unavailable> {
    let (old, new) = (username_key(old), username_key(new));
    if old == new {
        return Ok(());
    }
    let names = BTreeSet::from([old, new]).into_iter().flatten();
    let locked = join_all(names.map(|name| hold(connection, Lock::Username(&name)))).await;
    locked.into_iter().try_for_each(|locked| locked.map(|_| ())).map_err(Unavailable::new)
}

async fn update_locked(connection: &AsyncPgConnection, change: &ProfileChange) -> Result<View, UpdateError> {
    let stored = lock(connection, change).await?;
    let Decision { view, event, channels_changed, pictures } = decide(&stored, change)?;
    let View { profile, channels } = &view;
    lock_names(connection, &stored.profile, profile).await?;
    let user = change.user_id.as_uuid();
    let mut writes: Vec<BoxFuture<'_, QueryResult<usize>>> = Vec::with_capacity(4);
    if let Some(event) = &event {
        let row = ProfileRow::from(profile);
        let event = EventRow::try_from(event)?;
        writes.push(write(connection, diesel::update(profiles::table.find(user)).set(row)));
        writes.push(write(connection, diesel::insert_into(outbox::table).values(event)));
    }
    if username_key(&stored.profile) != username_key(profile)
        && let Some(row) = LoginNameRow::of(profile)
    {
        writes.push(rename(connection, stored.profile.username.is_some(), row));
    }
    if let Some(channels) = channels.filter(|_| channels_changed) {
        let of_user = notification_preferences::table.filter(notification_preferences::user_id.eq(user));
        let row = (ChannelsRow::from(channels), notification_preferences::updated_at.eq(change.now.as_datetime()));
        writes.push(write(connection, diesel::update(of_user).set(row)));
    }
    let moves = OptionFuture::from(pictures.as_ref().map(|moves| moved(connection, change.user_id, moves)));
    let (written, shown) = join(join_all(writes), moves).await;
    for written in written {
        match written.map_err(refusal)? {
            1 => {}
            _ => return Err(vanished("profiles or notification_preferences").into()),
        }
    }
    let about_pictures = match (pictures, shown.transpose()?) {
        (Some(moves), Some(bytes)) => moves.event(bytes),
        _ => None,
    };
    if let Some(event) = about_pictures {
        let event = EventRow::try_from(&event)?;
        write(connection, diesel::insert_into(outbox::table).values(event)).await.map_err(Unavailable::new)?;
    }
    Ok(view)
}

fn refusal(error: diesel::result::Error) -> UpdateError {
    match violation(&error) {
        Some(Violation::UsernameTaken) => UpdateError::UsernameTaken,
        None => Unavailable::new(error).into(),
    }
}
