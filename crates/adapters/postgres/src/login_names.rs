//! The names that users sign in with, apart from all else.

use diesel::prelude::*;
use diesel_async::AsyncPgConnection;
use frontdesk_profile::Username;
use frontdesk_profile::profile::Profile;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join};
use uuid::Uuid;

use crate::schema::login_names;
use crate::write::write;

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

/// Gives a user their new name, instead of the one they had; tells how many rows have it now. A name of their own that
/// rests since a deletion is theirs to take again.
pub(crate) fn rename(
    connection: &AsyncPgConnection,
    had_one: bool,
    row: LoginNameRow,
) -> BoxFuture<'_, QueryResult<usize>> {
    let of_user = || login_names::table.filter(login_names::user_id.eq(row.user_id));
    let resting = of_user().filter(login_names::username_key.eq(row.username_key.clone()));
    let freed = write(connection, diesel::delete(resting.filter(login_names::rests_until.is_not_null())));
    let named = if had_one {
        let current = of_user().filter(login_names::rests_until.is_null());
        write(connection, diesel::update(current).set(login_names::username_key.eq(row.username_key)))
    } else {
        write(connection, diesel::insert_into(login_names::table).values(row))
    };
    join(freed, named).map(|(freed, named)| freed.and(named)).boxed()
}
