//! The names that users sign in with, apart from all else.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::upsert::excluded;
use frontdesk_profile::Username;
use frontdesk_profile::profile::Profile;
use uuid::Uuid;

use crate::schema::login_names;

/// The comparison form of a username.
pub(crate) fn username_key(profile: &Profile) -> Option<String> {
    profile.username.as_ref().map(Username::key)
}

/// A row of `login_names`.
#[derive(Insertable)]
#[diesel(table_name = login_names, check_for_backend(diesel::pg::Pg))]
pub(crate) struct LoginNameRow {
    user_id: Uuid,
    username_key: String,
}

impl LoginNameRow {
    /// The row of a profile that has a username.
    pub(crate) fn of(profile: &Profile) -> Option<Self> {
        username_key(profile).map(|username_key| Self { user_id: profile.id.as_uuid(), username_key })
    }
}

/// Gives a user their new name. Whoever had none before has no row yet, or that of the account they deleted once.
pub(crate) fn named(row: LoginNameRow) -> impl QueryFragment<Pg> + Send {
    diesel::insert_into(login_names::table).values(row).on_conflict(login_names::user_id).do_update().set((
        login_names::username_key.eq(excluded(login_names::username_key)),
        login_names::rests_until.eq(None::<DateTime<Utc>>),
    ))
}
