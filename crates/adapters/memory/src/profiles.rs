//! Profiles and channels.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::{Unavailable, UserId};
use frontdesk_profile::profile::{Authority, Decision, Profile, ProfileChange, View, decide};
use frontdesk_profile::token::TokenRefused;
use frontdesk_profile::{ProfileStore, UpdateError, Username};

use crate::lock::{lock, read, write};
use crate::pictures::{check, moved};
use crate::state::{Holder, Row, State};

/// Keeps profiles and channels in memory.
#[derive(Debug)]
pub struct MemoryProfileStore {
    state: Arc<State>,
}

impl MemoryProfileStore {
    pub(crate) const fn new(state: Arc<State>) -> Self {
        Self { state }
    }
}

#[async_trait]
impl ProfileStore for MemoryProfileStore {
    async fn profile(&self, user: UserId) -> Result<Option<Arc<Profile>>, Unavailable> {
        Ok(read(self.state.rows_of(user)).get(&user).map(|row| Arc::clone(&row.profile)))
    }

    async fn view(&self, user: UserId) -> Result<Option<View>, Unavailable> {
        Ok(read(self.state.rows_of(user)).get(&user).map(|row| view_of(row, true)))
    }

    async fn update(&self, change: &ProfileChange) -> Result<View, UpdateError> {
        let ProfileChange { user_id, authority, patch, channels, now, .. } = change;
        let mut usernames = patch.username.is_some().then(|| write(&self.state.usernames));
        let mut rows = write(self.state.rows_of(*user_id));
        let row = rows.get_mut(user_id).ok_or(UpdateError::NotFound)?;
        if *authority == Authority::Unclaimed && !row.account.is_open(*now) {
            return Err(TokenRefused.into());
        }
        let decision = decide(&view_of(row, channels.is_some()), change)?;
        let Decision { view, event, channels_changed, pictures } = decision;
        let View { profile, channels } = &view;
        // What may refuse comes before anything is changed.
        let moving = pictures.map(|moves| (moves, lock(&self.state.pictures)));
        if let Some((moves, kept)) = &moving {
            check(kept.get(user_id), moves)?;
        }
        if let Some(usernames) = usernames.as_deref_mut() {
            rename(usernames, *user_id, row.profile.username.as_ref(), profile.username.as_ref())?;
        }
        if let Some(event) = event {
            self.state.append(event);
            row.profile = Arc::new(profile.clone());
        }
        if let Some((moves, mut kept)) = moving
            && let Some(event) = moves.event(moved(kept.get_mut(user_id), &moves))
        {
            self.state.append(event);
        }
        if let Some(channels) = channels.filter(|_| channels_changed) {
            row.channels = channels;
        }
        Ok(view)
    }
}

fn view_of(row: &Row, with_channels: bool) -> View {
    View { profile: Profile::clone(&row.profile), channels: with_channels.then_some(row.channels) }
}

/// Moves a user from one name to another, unless somebody else has it.
fn rename(
    usernames: &mut HashMap<String, Holder>,
    user: UserId,
    old: Option<&Username>,
    new: Option<&Username>,
) -> Result<(), UpdateError> {
    let (old, new) = (old.map(Username::key), new.map(Username::key));
    if old == new {
        return Ok(());
    }
    if new.as_ref().is_some_and(|key| usernames.get(key).is_some_and(|holder| holder.user_id != user)) {
        return Err(UpdateError::UsernameTaken);
    }
    if let Some(key) = old {
        usernames.remove(&key);
    }
    if let Some(key) = new {
        usernames.insert(key, Holder::of(user));
    }
    Ok(())
}
