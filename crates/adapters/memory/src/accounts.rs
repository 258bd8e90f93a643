//! Accounts and passwords.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::idempotency::Completion;
use frontdesk_kernel::{Unavailable, UserId};
use frontdesk_profile::account::{Account, SetPassword, decide_password};
use frontdesk_profile::{AccountStore, CreateError, Login, Registered, StorePasswordError, Username};

use crate::idempotency::complete;
use crate::lock::{lock, read, write};
use crate::state::{Row, State};

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

#[async_trait]
impl AccountStore for MemoryAccountStore {
    async fn create(&self, new: &Registered, completion: Option<&Completion>) -> Result<(), CreateError> {
        let Registered { account, profile, settings, channels, event } = new;
        let key = profile.username.as_ref().map(Username::key);
        let mut usernames = write(&self.state.usernames);
        let mut rows = write(self.state.rows_of(account.id));
        let Entry::Vacant(row) = rows.entry(account.id) else {
            return Err(Unavailable::new(format!("the id {} was drawn twice", account.id)).into());
        };
        if key.as_ref().is_some_and(|key| usernames.contains_key(key)) {
            return Err(CreateError::UsernameTaken);
        }
        // The last thing that can be refused, and the first that is stored.
        if completion.is_some_and(|completion| !complete(&mut lock(&self.state.records), completion)) {
            return Err(CreateError::ClaimLost);
        }
        lock(&self.state.events).push_back(event.clone());
        row.insert(Row {
            account: account.clone(),
            profile: Arc::new(profile.clone()),
            settings: settings.clone(),
            channels: *channels,
        });
        if let Some(key) = key {
            usernames.insert(key, account.id);
        }
        Ok(())
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>, Unavailable> {
        Ok(read(self.state.rows_of(user)).get(&user).map(|row| row.account.clone()))
    }

    async fn find_login(&self, username_key: &str) -> Result<Option<Login>, Unavailable> {
        let usernames = read(&self.state.usernames);
        let Some(&user_id) = usernames.get(username_key) else { return Ok(None) };
        let rows = read(self.state.rows_of(user_id));
        Ok(rows.get(&user_id).map(|row| Login { user_id, password: row.account.password.clone() }))
    }

    async fn set_password(&self, command: &SetPassword) -> Result<(), StorePasswordError> {
        let SetPassword { user_id, ground: _, seen: _, hash: _, now: _, event_id: _ } = command;
        let mut rows = write(self.state.rows_of(*user_id));
        let row = rows.get_mut(user_id).ok_or(StorePasswordError::NotFound)?;
        let (account, event) = decide_password(&row.account, command)?;
        lock(&self.state.events).push_back(event);
        row.account = account;
        Ok(())
    }

    async fn close_claim(&self, user: UserId) -> Result<(), Unavailable> {
        if let Some(row) = write(self.state.rows_of(user)).get_mut(&user) {
            row.account.claim_open_until = None;
        }
        Ok(())
    }
}
