//! Accounts and passwords.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::idempotency::Completion;
use frontdesk_kernel::{Timestamp, Unavailable, UserId};
use frontdesk_profile::account::{
    Account, DeleteAccount, Deletion, PasswordDecision, SetPassword, TOMBSTONE_STANDS_FOR, decide_deletion,
    decide_password,
};
use frontdesk_profile::session::Ending;
use frontdesk_profile::token::Identity;
use frontdesk_profile::{
    AccountStore, CreateError, DeleteError, Login, Provision, Provisioned, Registered, StorePasswordError, Username,
};

use crate::idempotency::complete;
use crate::lock::{lock, read, write};
use crate::pictures::release;
use crate::state::{Holder, Row, State};

/// Keeps accounts in memory.
#[derive(Debug)]
pub struct MemoryAccountStore {
    state: Arc<State>,
}

impl MemoryAccountStore {
    pub(crate) const fn new(state: Arc<State>) -> Self {
        Self { state }
    }
}

fn row(new: &Registered, identity: Option<&Identity>) -> Row {
    let Registered { account, profile, settings, channels, session, event: _ } = new;
    Row {
        account: account.clone(),
        profile: Arc::new(profile.clone()),
        settings: settings.clone(),
        channels: *channels,
        sessions: session.iter().cloned().collect(),
        identities: identity.into_iter().cloned().collect(),
    }
}

#[async_trait]
impl AccountStore for MemoryAccountStore {
    async fn create(&self, new: &Registered, completion: Option<&Completion>) -> Result<(), CreateError> {
        let user = new.account.id;
        let key = new.profile.username.as_ref().map(Username::key);
        let mut usernames = write(&self.state.usernames);
        let mut rows = write(self.state.rows_of(user));
        let Entry::Vacant(vacant) = rows.entry(user) else {
            return Err(Unavailable::new(format!("the id {user} was drawn twice")).into());
        };
        if key.as_ref().is_some_and(|key| usernames.contains_key(key)) {
            return Err(CreateError::UsernameTaken);
        }
        // The last thing that can be refused, and the first that is stored.
        if completion.is_some_and(|completion| !complete(&mut lock(&self.state.records), completion)) {
            return Err(CreateError::ClaimLost);
        }
        self.state.append(new.event.clone());
        vacant.insert(row(new, None));
        if let Some(key) = key {
            usernames.insert(key, Holder::of(user));
        }
        Ok(())
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>, Unavailable> {
        Ok(read(self.state.rows_of(user)).get(&user).map(|row| row.account.clone()))
    }

    async fn find_login(&self, username_key: &str) -> Result<Option<Login>, Unavailable> {
        let usernames = read(&self.state.usernames);
        let Some(holder) = usernames.get(username_key).filter(|holder| holder.rests_until.is_none()) else {
            return Ok(None);
        };
        let user_id = holder.user_id;
        let rows = read(self.state.rows_of(user_id));
        Ok(rows.get(&user_id).map(|row| Login { user_id, password: row.account.password.clone() }))
    }

    async fn set_password(&self, command: &SetPassword) -> Result<Ending, StorePasswordError> {
        let SetPassword { user_id, ground: _, seen: _, hash: _, session: _, now, event_id: _, notice: _ } = command;
        let mut rows = write(self.state.rows_of(*user_id));
        let row = rows.get_mut(user_id).ok_or(StorePasswordError::NotFound)?;
        let decision = decide_password(&row.account, &row.live(*now), command)?;
        let PasswordDecision { account, event, ending, session } = decision;
        self.state.append(event);
        self.state.end(row, &ending);
        row.account = account;
        // Also those that had run out.
        row.sessions = vec![session];
        Ok(ending)
    }

    async fn close_claim(&self, user: UserId) -> Result<(), Unavailable> {
        if let Some(row) = write(self.state.rows_of(user)).get_mut(&user) {
            row.account.claim_open_until = None;
        }
        Ok(())
    }

    async fn provision(&self, command: &Provision) -> Result<Provisioned, Unavailable> {
        let Provision { new, identity, issued_at } = command;
        let user = new.account.id;
        let mut rows = write(self.state.rows_of(user));
        let Entry::Vacant(vacant) = rows.entry(user) else { return Ok(Provisioned::Known) };
        let mut tombstones = lock(&self.state.tombstones);
        if tombstones.get(&user).is_some_and(|tombstone| tombstone.stops(*issued_at)) {
            return Ok(Provisioned::Deleted);
        }
        tombstones.remove(&user);
        self.state.append(new.event.clone());
        vacant.insert(row(new, identity.as_ref()));
        Ok(Provisioned::Made)
    }

    async fn identities(&self, user: UserId) -> Result<Vec<Identity>, Unavailable> {
        Ok(read(self.state.rows_of(user)).get(&user).map_or_else(Vec::new, |row| row.identities.clone()))
    }

    async fn delete(&self, command: &DeleteAccount) -> Result<Deletion, DeleteError> {
        let user = command.user_id;
        let mut usernames = write(&self.state.usernames);
        let mut rows = write(self.state.rows_of(user));
        let row = rows.remove(&user).ok_or(DeleteError::NotFound)?;
        let decision = decide_deletion(&row.live(command.now), command);
        let Deletion { tombstone, username_rests_until, revocations, event } = &decision;
        let key = row.profile.username.as_ref().map(Username::key);
        if let Some(holder) = key.and_then(|key| usernames.get_mut(&key)) {
            holder.rests_until = Some(*username_rests_until);
        }
        if let Some(pictures) = lock(&self.state.pictures).get_mut(&user) {
            release(pictures, command.now);
        }
        lock(&self.state.tombstones).insert(user, *tombstone);
        self.state.revoke(user, revocations.iter().copied());
        lock(&self.state.records).retain(|_, kept| kept.user_id != user);
        lock(&self.state.events).forget(user);
        self.state.append(event.clone());
        Ok(decision)
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        let mut usernames = write(&self.state.usernames);
        let mut tombstones = lock(&self.state.tombstones);
        let held = usernames.len() + tombstones.len();
        usernames.retain(|_, holder| holder.rests_until.is_none_or(|until| now < until));
        tombstones.retain(|_, tombstone| now - TOMBSTONE_STANDS_FOR <= tombstone.deleted_at);
        Ok(u64::try_from(held - usernames.len() - tombstones.len()).unwrap_or(u64::MAX))
    }
}
