//! Accounts of trusted issuers' users, made on their first use.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_query;
use diesel::sql_types::{Jsonb, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use frontdesk_kernel::{Timestamp, Unavailable};
use frontdesk_profile::token::Identity;
use frontdesk_profile::{Provision, Provisioned, Registered};
use futures_util::future::join;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::errors::vanished;
use crate::locked::all;
use crate::login_names::{LoginNameRow, rename};
use crate::rows::{ChannelsRow, EventRow, ProfileRow, SessionRow, SettingsRow, UserRow};
use crate::schema::{sessions, users};
use crate::write::write;

/// Makes the account in one statement, and asks in a second, in the same flush, what is there now.
///
/// The first cannot tell: its snapshot may be older than the row that another request made meanwhile, or than the
/// tombstone. But it has waited for that row and holds its lock, so that the second sees what the first has met.
pub(super) async fn provision(connection: &AsyncPgConnection, command: &Provision) -> Result<Provisioned, Unavailable> {
    let user = command.new.account.id.as_uuid();
    let made = write(connection, statement(command)?);
    let standing = users::table.find(user).select(users::deleted_at).load(&mut &*connection);
    let (made, standing) = join(made, standing).await;
    let made = made.map_err(Unavailable::new)? == 1;
    let standing: Vec<Option<DateTime<Utc>>> = standing.map_err(Unavailable::new)?;
    match standing.into_iter().next() {
        None => Err(vanished("users")),
        Some(Some(_)) => Ok(Provisioned::Deleted),
        Some(None) if made => rest(connection, &command.new).await.map(|()| Provisioned::Made),
        Some(None) => Ok(Provisioned::Known),
    }
}

/// What a user of a trusted issuer does not have, although the port could say it.
async fn rest(connection: &AsyncPgConnection, new: &Registered) -> Result<(), Unavailable> {
    let Registered { account: _, profile, settings: _, channels: _, session, event: _ } = new;
    let session = session.as_ref().map(SessionRow::from);
    let session = session.map(|row| write(connection, diesel::insert_into(sessions::table).values(row)));
    let name = LoginNameRow::of(profile).map(|row| rename(connection, false, row));
    all(session.into_iter().chain(name).collect()).await.map(|_| ())
}

/// A row to insert: its table, and its values by their columns.
struct Row {
    table: &'static str,
    columns: Map<String, Value>,
}

impl Row {
    fn new(table: &'static str, values: impl Serialize, others: Value) -> Result<Self, Unavailable> {
        let values = serde_json::to_value(values).map_err(Unavailable::new)?;
        let columns = [values, others].into_iter().filter_map(|values| match values {
            Value::Object(columns) => Some(columns),
            _ => None,
        });
        Ok(Self { table, columns: columns.flatten().collect() })
    }

    /// Names each column that it sets, so that a column that a later version adds gets its default.
    fn insert(&self, bind: usize) -> String {
        let (table, columns) = (self.table, self.listed(str::to_owned));
        format!(
            "INSERT INTO app.{table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::app.{table}, ${bind})"
        )
    }

    fn listed(&self, worded: impl Fn(&str) -> String) -> String {
        self.columns.keys().map(|column| worded(column)).collect::<Vec<_>>().join(", ")
    }
}

/// What belongs to an account; the last is its profile.
fn belongings(command: &Provision) -> Result<Vec<Row>, Unavailable> {
    let Provision { new, identity, issued_at: _ } = command;
    let Registered { account, profile, settings, channels, session: _, event } = new;
    let (user, now) = (account.id.as_uuid(), account.created_at.as_datetime());
    let of_settings = json!({ "user_id": user, "created_at": now });
    let of_channels = json!({ "user_id": user, "created_at": now, "updated_at": now });
    let mut rows = vec![
        Row::new("user_settings", SettingsRow::from(settings), of_settings)?,
        Row::new("notification_preferences", ChannelsRow::from(*channels), of_channels)?,
        Row::new("outbox", EventRow::try_from(event)?, Value::Null)?,
    ];
    if let Some(Identity { issuer, subject }) = identity {
        let columns = json!({ "issuer": issuer, "subject": subject, "user_id": user, "created_at": now });
        rows.push(Row::new("identities", Value::Null, columns)?);
    }
    rows.push(Row::new("profiles", ProfileRow::from(profile), Value::Null)?);
    Ok(rows)
}

/// The statement that makes an account where there is none, or only a tombstone from before the token. It touches one
/// row where it makes one: that of the profile, the other INSERTs are not counted.
///
/// Whoever comes second waits on the primary key of `users`, and finds the condition as it stands then.
fn statement(command: &Provision) -> Result<impl QueryFragment<Pg> + use<>, Unavailable> {
    let account = Row::new("users", UserRow::from(&command.new.account), Value::Null)?;
    let renewed = account.listed(|column| format!("{column} = EXCLUDED.{column}"));
    let made = format!(
        "made AS ({} ON CONFLICT (id) DO UPDATE SET {renewed}, deleted_at = NULL, receipt_id = NULL \
        WHERE users.deleted_at < $2 RETURNING id)",
        account.insert(1)
    );
    let belongings = belongings(command)?;
    let given = |(bind, row): (usize, &Row)| (row.table, row.insert(bind) + " WHERE EXISTS (SELECT FROM made)");
    let mut inserts: Vec<_> = (3..).zip(&belongings).map(given).collect();
    let (_, counted) = inserts.pop().unwrap_or_default();
    let others: Vec<_> = inserts.iter().map(|(table, insert)| format!(", {table} AS ({insert})")).collect();
    let sql = format!("WITH {made}{} {counted}", others.concat());
    // In whole seconds, as the tombstone compares them: what was deleted within the second of the token stays deleted.
    let second = Timestamp::from_unix_seconds(command.issued_at.unix_seconds()).unwrap_or(command.issued_at);
    let mut query = sql_query(sql)
        .into_boxed::<Pg>()
        .bind::<Jsonb, _>(Value::Object(account.columns))
        .bind::<Timestamptz, _>(second.as_datetime());
    for row in belongings {
        query = query.bind::<Jsonb, _>(Value::Object(row.columns));
    }
    Ok(query)
}
