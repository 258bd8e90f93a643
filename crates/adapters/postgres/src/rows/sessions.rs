//! Rows of sessions and revocations.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_query;
use diesel::sql_types::{Array, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use frontdesk_kernel::{SessionId, Timestamp, Unavailable, UserId};
use frontdesk_profile::refresh_token::Digest;
use frontdesk_profile::revocation::{Reach, Revocation};
use frontdesk_profile::session::{Client, Rotation, Session, Spent};
use uuid::Uuid;

use crate::errors::corrupt;
use crate::schema::{revocations, sessions};

/// A row of `sessions`.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg), treat_none_as_null = true)]
pub(crate) struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    device: Option<String>,
    app_type: Option<String>,
    created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    authenticated_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    family_digest: Vec<u8>,
    current_digest: Vec<u8>,
    previous_digest: Option<Vec<u8>>,
    sealed_refresh: Option<Vec<u8>>,
    rotated_at: DateTime<Utc>,
    access_token_id: Uuid,
}

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        let Session { id, user_id, client, created_at, last_seen_at, authenticated_at, expires_at, rotation } = session;
        let Client { device, app_type } = client;
        let Rotation { family, current, previous, rotated_at, access_token_id } = rotation;
        let previous = previous.map(|Spent { digest, sealed }| (digest.to_vec(), sealed.to_vec()));
        let (previous_digest, sealed_refresh) = previous.unzip();
        Self {
            id: id.as_uuid(),
            user_id: user_id.as_uuid(),
            device: device.clone(),
            app_type: app_type.clone(),
            created_at: created_at.as_datetime(),
            last_seen_at: last_seen_at.as_datetime(),
            authenticated_at: authenticated_at.as_datetime(),
            expires_at: expires_at.as_datetime(),
            family_digest: family.to_vec(),
            current_digest: current.to_vec(),
            previous_digest,
            sealed_refresh,
            rotated_at: rotated_at.as_datetime(),
            access_token_id: *access_token_id,
        }
    }
}

impl TryFrom<SessionRow> for Session {
    type Error = Unavailable;

    fn try_from(row: SessionRow) -> Result<Self, Unavailable> {
        let SessionRow {
            id,
            user_id,
            device,
            app_type,
            created_at,
            last_seen_at,
            authenticated_at,
            expires_at,
            family_digest,
            current_digest,
            previous_digest,
            sealed_refresh,
            rotated_at,
            access_token_id,
        } = row;
        let previous = match previous_digest.zip(sealed_refresh) {
            None => None,
            Some((digest, sealed)) => Some(Spent {
                digest: digest_of("sessions.previous_digest", digest)?,
                sealed: digest_of("sessions.sealed_refresh", sealed)?,
            }),
        };
        Ok(Self {
            id: SessionId::new(id),
            user_id: UserId::new(user_id),
            client: Client { device, app_type },
            created_at: Timestamp::new(created_at),
            last_seen_at: Timestamp::new(last_seen_at),
            authenticated_at: Timestamp::new(authenticated_at),
            expires_at: Timestamp::new(expires_at),
            rotation: Rotation {
                family: digest_of("sessions.family_digest", family_digest)?,
                current: digest_of("sessions.current_digest", current_digest)?,
                previous,
                rotated_at: Timestamp::new(rotated_at),
                access_token_id,
            },
        })
    }
}

fn digest_of(column: &str, stored: Vec<u8>) -> Result<Digest, Unavailable> {
    let length = stored.len();
    stored.try_into().map_err(|_| corrupt(column, &format!("{length} bytes")))
}

/// A row of `revocations`, but for its id.
#[derive(Queryable, Selectable)]
#[diesel(table_name = revocations, check_for_backend(diesel::pg::Pg))]
pub(crate) struct RevocationRow {
    user_id: Uuid,
    session_id: Option<Uuid>,
    cut_at: Option<DateTime<Utc>>,
    reach: String,
    until: DateTime<Utc>,
}

impl From<&Revocation> for RevocationRow {
    fn from(revocation: &Revocation) -> Self {
        let Revocation { user_id, reach, until } = revocation;
        let (reach, session_id, cut_at) = match reach {
            Reach::Session(session) => ("session", Some(session.as_uuid()), None),
            Reach::Foreign(cut) => ("foreign", None, Some(cut.as_datetime())),
            Reach::All(cut) => ("all", None, Some(cut.as_datetime())),
        };
        let until = until.as_datetime();
        Self { user_id: user_id.as_uuid(), session_id, cut_at, reach: reach.to_owned(), until }
    }
}

impl TryFrom<RevocationRow> for Revocation {
    type Error = Unavailable;

    fn try_from(row: RevocationRow) -> Result<Self, Unavailable> {
        let RevocationRow { user_id, session_id, cut_at, reach, until } = row;
        let reach = match (reach.as_str(), session_id, cut_at) {
            ("session", Some(session), None) => Reach::Session(SessionId::new(session)),
            ("foreign", None, Some(cut)) => Reach::Foreign(Timestamp::new(cut)),
            ("all", None, Some(cut)) => Reach::All(Timestamp::new(cut)),
            (other, ..) => return Err(corrupt("revocations.reach", other)),
        };
        Ok(Self { user_id: UserId::new(user_id), reach, until: Timestamp::new(until) })
    }
}

/// Stores revocations, however many, in one statement whose text is always the same.
pub(crate) fn revoked(revocations: &[Revocation]) -> impl QueryFragment<Pg> + use<> {
    let (mut users, mut sessions, mut cuts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut reaches, mut ends) = (Vec::new(), Vec::new());
    for RevocationRow { user_id, session_id, cut_at, reach, until } in revocations.iter().map(RevocationRow::from) {
        users.push(user_id);
        sessions.push(session_id);
        cuts.push(cut_at);
        reaches.push(reach);
        ends.push(until);
    }
    let insert = "INSERT INTO app.revocations (user_id, session_id, cut_at, reach, until) \
        SELECT * FROM unnest($1, $2, $3, $4, $5)";
    sql_query(insert)
        .bind::<Array<SqlUuid>, _>(users)
        .bind::<Array<Nullable<SqlUuid>>, _>(sessions)
        .bind::<Array<Nullable<Timestamptz>>, _>(cuts)
        .bind::<Array<Text>, _>(reaches)
        .bind::<Array<Timestamptz>, _>(ends)
}
