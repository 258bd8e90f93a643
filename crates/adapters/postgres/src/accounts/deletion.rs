//! The end of an account.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::AsyncPgConnection;
use frontdesk_profile::DeleteError;
use frontdesk_profile::account::{DeleteAccount, Deletion, Tombstone, decide_deletion};
use uuid::Uuid;

use crate::errors::vanished;
use crate::locked::{Locked, all, lock};
use crate::pictures::release;
use crate::rows::{EventRow, revoked};
use crate::schema::{
    idempotency_keys, identities, login_names, notification_preferences, outbox, profiles, sessions, user_settings,
    users,
};
use crate::write::write;

/// What is left of the row of an account.
#[derive(AsChangeset)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg), treat_none_as_null = true)]
struct TombstoneRow {
    password_hash: Option<String>,
    claim_open_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    receipt_id: Option<Uuid>,
}

impl From<&Tombstone> for TombstoneRow {
    fn from(tombstone: &Tombstone) -> Self {
        let Tombstone { user_id: _, deleted_at, receipt_id } = tombstone;
        Self {
            password_hash: None,
            claim_open_until: None,
            // Not when the account was made: that is the user's.
            created_at: deleted_at.as_datetime(),
            deleted_at: Some(deleted_at.as_datetime()),
            receipt_id: Some(*receipt_id),
        }
    }
}

/// Removes every row of a user but what the decision keeps. Each table is named here: the tombstone keeps the row that
/// they refer to, so that no cascade clears them.
pub(super) async fn delete(connection: &AsyncPgConnection, command: &DeleteAccount) -> Result<Deletion, DeleteError> {
    let Locked { account: _, live } =
        lock(connection, command.user_id, command.now).await?.ok_or(DeleteError::NotFound)?;
    let decision = decide_deletion(&live, command);
    let Deletion { tombstone, username_rests_until, revocations, event } = &decision;
    let user = command.user_id.as_uuid();
    // A name that rests already is not the one that this account had.
    let name = login_names::table.filter(login_names::user_id.eq(user)).filter(login_names::rests_until.is_null());
    let rests = login_names::rests_until.eq(Some(username_rests_until.as_datetime()));
    let writes = vec![
        write(connection, diesel::update(users::table.find(user)).set(TombstoneRow::from(tombstone))),
        write(connection, diesel::delete(profiles::table.find(user))),
        write(connection, diesel::delete(sessions::table.filter(sessions::user_id.eq(user)))),
        release(connection, command.user_id, command.now),
        write(connection, diesel::update(name).set(rests)),
        write(connection, diesel::delete(user_settings::table.filter(user_settings::user_id.eq(user)))),
        write(
            connection,
            diesel::delete(notification_preferences::table.filter(notification_preferences::user_id.eq(user))),
        ),
        write(connection, diesel::delete(identities::table.filter(identities::user_id.eq(user)))),
        write(connection, diesel::delete(idempotency_keys::table.filter(idempotency_keys::user_id.eq(user)))),
        write(connection, revoked(revocations)),
        // Before the event that stays.
        write(connection, diesel::delete(outbox::table.filter(outbox::user_id.eq(user)))),
        write(connection, diesel::insert_into(outbox::table).values(EventRow::try_from(event)?)),
    ];
    if all(writes).await? == 1 { Ok(decision) } else { Err(vanished("users").into()) }
}
