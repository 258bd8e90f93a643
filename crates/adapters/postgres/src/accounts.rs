//! Accounts and passwords.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use frontdesk_kernel::idempotency::Completion;
use frontdesk_kernel::{Timestamp, Unavailable, UserId};
use frontdesk_profile::account::{
    Account, DeleteAccount, Deletion, PasswordDecision, SetPassword, TOMBSTONE_STANDS_FOR, decide_password,
};
use frontdesk_profile::password::PasswordHash;
use frontdesk_profile::session::Ending;
use frontdesk_profile::token::Identity;
use frontdesk_profile::{
    AccountStore, CreateError, DeleteError, Login, Provision, Provisioned, Registered, StorePasswordError,
};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join, join_all};
use uuid::Uuid;

use crate::errors::{Violation, vanished, violation};
use crate::idempotency::complete;
use crate::locked::{all, end, lock};
use crate::login_names::LoginNameRow;
use crate::purge::purge;
use crate::rows::{ChannelsRow, EventRow, ProfileRow, SessionRow, SettingsRow, UserRow};
use crate::schema::{
    identities, login_names, notification_preferences, outbox, profiles, sessions, user_settings, users,
};
use crate::scoped::{Scope, Scoped};
use crate::write::write;

mod deletion;
mod provision;

const JOB: Scope<'static> = Scope::Job("accounts");

const PURGE_NAMES: &str = "DELETE FROM app.login_names WHERE rests_until <= $1 AND ctid = ANY (ARRAY(
    SELECT ctid FROM app.login_names WHERE rests_until <= $1 ORDER BY rests_until LIMIT $2))";

/// The moment is asked twice: an account that is made anew meanwhile has no tombstone any more.
const PURGE_TOMBSTONES: &str = "DELETE FROM app.users WHERE deleted_at < $1 AND ctid = ANY (ARRAY(
    SELECT ctid FROM app.users WHERE deleted_at < $1 ORDER BY deleted_at LIMIT $2))";

/// Keeps accounts in Postgres.
pub struct PgAccountStore {
    scoped: Scoped,
    worker: Scoped,
}

impl PgAccountStore {
    pub(crate) const fn new(scoped: Scoped, worker: Scoped) -> Self {
        Self { scoped, worker }
    }
}

#[async_trait]
impl AccountStore for PgAccountStore {
    async fn create(&self, new: &Registered, completion: Option<&Completion>) -> Result<(), CreateError> {
        let user = Scope::User(new.account.id);
        let both;
        let scopes: &[Scope<'_>] = match completion {
            None => &[user],
            Some(completion) => {
                both = [user, Scope::Principal(&completion.claim.scope.principal)];
                &both
            }
        };
        self.scoped.transaction(scopes, |unit| insert(unit.connection, new, completion).boxed()).await
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>, Unavailable> {
        let of_user =
            users::table.find(user.as_uuid()).filter(users::deleted_at.is_null()).select(UserRow::as_select());
        let read = self.scoped.read(Scope::User(user), |connection| of_user.load(&mut &*connection).boxed());
        let rows: Vec<UserRow> = read.await?;
        Ok(rows.into_iter().next().map(Account::from))
    }

    async fn find_login(&self, username_key: &str) -> Result<Option<Login>, Unavailable> {
        // The one character that Postgres refuses in a text; no username has it.
        if username_key.contains('\0') {
            return Ok(None);
        }
        let of_name = login_names::table
            .filter(login_names::username_key.eq(username_key))
            .filter(login_names::rests_until.is_null())
            .select(login_names::user_id);
        let read = self.scoped.read(Scope::Login(username_key), |connection| of_name.load(&mut &*connection).boxed());
        let ids: Vec<Uuid> = read.await?;
        let Some(user_id) = ids.into_iter().next().map(UserId::new) else { return Ok(None) };
        let of_user =
            users::table.find(user_id.as_uuid()).filter(users::deleted_at.is_null()).select(users::password_hash);
        let read = self.scoped.read(Scope::User(user_id), |connection| of_user.load(&mut &*connection).boxed());
        let hashes: Vec<Option<String>> = read.await?;
        Ok(hashes.into_iter().next().map(|hash| Login { user_id, password: hash.map(PasswordHash::new) }))
    }

    async fn set_password(&self, command: &SetPassword) -> Result<Ending, StorePasswordError> {
        let scope = [Scope::User(command.user_id)];
        self.scoped.transaction(&scope, |unit| set_locked(unit.connection, command).boxed()).await
    }

    async fn close_claim(&self, user: UserId) -> Result<(), Unavailable> {
        let closed = self.scoped.statement(Scope::User(user), |connection| {
            let open = users::table.find(user.as_uuid()).filter(users::claim_open_until.is_not_null());
            write(connection, diesel::update(open).set(users::claim_open_until.eq(None::<DateTime<Utc>>)))
        });
        closed.await.map(|_| ())
    }

    async fn provision(&self, command: &Provision) -> Result<Provisioned, Unavailable> {
        let scope = [Scope::User(command.new.account.id)];
        self.scoped.transaction(&scope, |unit| provision::provision(unit.connection, command).boxed()).await
    }

    async fn identities(&self, user: UserId) -> Result<Vec<Identity>, Unavailable> {
        let of_user = identities::table
            .filter(identities::user_id.eq(user.as_uuid()))
            .order((identities::issuer, identities::subject))
            .select((identities::issuer, identities::subject));
        let read = self.scoped.read(Scope::User(user), |connection| of_user.load(&mut &*connection).boxed());
        let rows: Vec<(String, String)> = read.await?;
        Ok(rows.into_iter().map(|(issuer, subject)| Identity { issuer, subject }).collect())
    }

    async fn delete(&self, command: &DeleteAccount) -> Result<Deletion, DeleteError> {
        let scope = [Scope::User(command.user_id)];
        self.scoped.transaction(&scope, |unit| deletion::delete(unit.connection, command).boxed()).await
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, Unavailable> {
        let names = purge(&self.worker, JOB, PURGE_NAMES, now).await?;
        Ok(names + purge(&self.worker, JOB, PURGE_TOMBSTONES, now - TOMBSTONE_STANDS_FOR).await?)
    }
}

async fn insert(
    connection: &AsyncPgConnection,
    new: &Registered,
    completion: Option<&Completion>,
) -> Result<(), CreateError> {
    let Registered { account, profile, settings, channels, session, event } = new;
    let user = account.id.as_uuid();
    let name =
        LoginNameRow::of(profile).map(|row| write(connection, diesel::insert_into(login_names::table).values(row)));
    let settings = (
        SettingsRow::from(settings),
        user_settings::user_id.eq(user),
        user_settings::created_at.eq(account.created_at.as_datetime()),
    );
    let channels = (
        ChannelsRow::from(*channels),
        notification_preferences::user_id.eq(user),
        notification_preferences::created_at.eq(account.created_at.as_datetime()),
        notification_preferences::updated_at.eq(account.created_at.as_datetime()),
    );
    // The order of references: a user, then what belongs to one.
    let mut inserts: Vec<BoxFuture<'_, QueryResult<usize>>> = vec![
        write(connection, diesel::insert_into(users::table).values(UserRow::from(account))),
        write(connection, diesel::insert_into(profiles::table).values(ProfileRow::from(profile))),
        write(connection, diesel::insert_into(user_settings::table).values(settings)),
        write(connection, diesel::insert_into(notification_preferences::table).values(channels)),
        write(connection, diesel::insert_into(outbox::table).values(EventRow::try_from(event)?)),
    ];
    inserts.extend(name);
    let session = session.as_ref().map(SessionRow::from);
    inserts.extend(session.map(|row| write(connection, diesel::insert_into(sessions::table).values(row))));
    let completed = async {
        match completion {
            None => Ok(true),
            Some(completion) => complete(connection, completion).await,
        }
    };
    let (inserted, completed) = join(join_all(inserts), completed).await;
    for inserted in inserted {
        inserted.map_err(refusal)?;
    }
    if completed.map_err(Unavailable::new)? { Ok(()) } else { Err(CreateError::ClaimLost) }
}

fn refusal(error: diesel::result::Error) -> CreateError {
    match violation(&error) {
        Some(Violation::UsernameTaken) => CreateError::UsernameTaken,
        None => Unavailable::new(error).into(),
    }
}

async fn set_locked(connection: &AsyncPgConnection, command: &SetPassword) -> Result<Ending, StorePasswordError> {
    let user = command.user_id.as_uuid();
    let locked = lock(connection, command.user_id, command.now).await?.ok_or(StorePasswordError::NotFound)?;
    let decision = decide_password(&locked.account, &locked.live, command)?;
    let PasswordDecision { account, event, ending, session } = decision;
    let mut writes = vec![
        write(connection, diesel::update(users::table.find(user)).set(UserRow::from(&account))),
        // Also those that had run out.
        write(connection, diesel::delete(sessions::table.filter(sessions::user_id.eq(user)))),
        write(connection, diesel::insert_into(outbox::table).values(EventRow::try_from(&event)?)),
    ];
    writes.extend(end(connection, &ending)?);
    writes.push(write(connection, diesel::insert_into(sessions::table).values(SessionRow::from(&session))));
    if all(writes).await? == 1 { Ok(ending) } else { Err(vanished("users").into()) }
}
