//! Pictures of which files may exist.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use frontdesk_kernel::{Timestamp, Unavailable, UserId};
use frontdesk_profile::avatar::PictureId;
use frontdesk_profile::profile::PictureMoves;
use frontdesk_profile::{
    CLAIMED_FOR, ClaimedPicture, Picture, PictureStore, RESERVED_FOR, Reservation, ReserveError, UpdateError,
};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, OptionFuture, join4};
use uuid::Uuid;

use crate::errors::corrupt;
use crate::schema::pictures;
use crate::scoped::{Scope, Scoped};
use crate::write::{write, write_returning};

const JOB: Scope<'static> = Scope::Job("pictures");

/// The lock on the profile is what no deletion gets past: the account is there until the row is.
const RESERVE: &str = "WITH owner AS (SELECT id FROM app.profiles WHERE id = $1 FOR KEY SHARE),
    reserved AS (
        INSERT INTO app.pictures AS kept (user_id, picture, bytes, created_at, purge_after, reserved_until, uploads)
        SELECT id, $2, $3, $4, $4, $5, 1 FROM owner
        ON CONFLICT (user_id, picture) DO UPDATE SET bytes = EXCLUDED.bytes, claimed_until = NULL,
            reserved_until = GREATEST(kept.reserved_until, EXCLUDED.reserved_until),
            uploads = CASE WHEN kept.reserved_until > $4 THEN kept.uploads + 1 ELSE 1 END
            WHERE kept.claimed_until IS NULL OR kept.claimed_until <= $4
        RETURNING 1)
    SELECT EXISTS (SELECT FROM owner) AS is_there, EXISTS (SELECT FROM reserved) AS is_reserved";

/// The upload is done; another one of the same picture may still write its files.
const SHOW_UPLOADED: &str = "UPDATE app.pictures SET purge_after = NULL, uploads = GREATEST(uploads - 1, 0),
    reserved_until = CASE WHEN uploads > 1 THEN reserved_until END
    WHERE user_id = $1 AND picture = $2 AND claimed_until IS NULL";

const SHOW_AGAIN: &str = "UPDATE app.pictures SET purge_after = NULL
    WHERE user_id = $1 AND picture = ANY ($2) AND claimed_until IS NULL";

const RELEASE: &str = "UPDATE app.pictures SET purge_after = $3 WHERE user_id = $1 AND picture = ANY ($2)";

const CLAIM: &str = "WITH due AS (
        SELECT user_id, picture FROM app.pictures WHERE purge_after <= $1
        AND (reserved_until IS NULL OR reserved_until <= $1) AND (claimed_until IS NULL OR claimed_until <= $1)
        ORDER BY purge_after, user_id, picture LIMIT $3 FOR UPDATE SKIP LOCKED),
    claimed AS (
        UPDATE app.pictures AS kept SET claimed_until = $2 FROM due
        WHERE kept.user_id = due.user_id AND kept.picture = due.picture
        RETURNING kept.user_id, kept.picture, kept.purge_after)
    SELECT user_id, picture FROM claimed ORDER BY purge_after, user_id, picture";

/// Keeps pictures in Postgres.
pub struct PgPictureStore {
    scoped: Scoped,
    worker: Scoped,
}

impl PgPictureStore {
    pub(crate) const fn new(scoped: Scoped, worker: Scoped) -> Self {
        Self { scoped, worker }
    }
}

/// What became of a reservation.
#[derive(QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
struct Reserved {
    #[diesel(sql_type = Bool)]
    is_there: bool,
    #[diesel(sql_type = Bool)]
    is_reserved: bool,
}

/// The key of a row that was claimed.
#[derive(QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
struct Claimed {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Bytea)]
    picture: Vec<u8>,
}

/// What is told of a row of `pictures`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = pictures, check_for_backend(diesel::pg::Pg))]
struct PictureRow {
    picture: Vec<u8>,
    bytes: i64,
    created_at: DateTime<Utc>,
    purge_after: Option<DateTime<Utc>>,
}

impl TryFrom<PictureRow> for Picture {
    type Error = Unavailable;

    fn try_from(row: PictureRow) -> Result<Self, Unavailable> {
        let PictureRow { picture, bytes, created_at, purge_after } = row;
        Ok(Self {
            id: id_of(picture)?,
            bytes: bytes.unsigned_abs(),
            created_at: Timestamp::new(created_at),
            purge_after: purge_after.map(Timestamp::new),
        })
    }
}

fn id_of(stored: Vec<u8>) -> Result<PictureId, Unavailable> {
    let length = stored.len();
    let digest = stored.try_into().map_err(|_| corrupt("pictures.picture", &format!("{length} bytes")))?;
    Ok(PictureId::new(digest))
}

#[async_trait]
impl PictureStore for PgPictureStore {
    async fn reserve(&self, reservation: &Reservation) -> Result<(), ReserveError> {
        let Reservation { user_id, picture, bytes, now } = *reservation;
        let bytes = i64::try_from(bytes).map_err(Unavailable::new)?;
        let reserve = || {
            sql_query(RESERVE)
                .bind::<SqlUuid, _>(user_id.as_uuid())
                .bind::<Bytea, _>(picture.as_bytes().to_vec())
                .bind::<BigInt, _>(bytes)
                .bind::<Timestamptz, _>(now.as_datetime())
                .bind::<Timestamptz, _>((now + RESERVED_FOR).as_datetime())
        };
        let done = self.scoped.statement(Scope::User(user_id), |connection| write_returning(connection, reserve()));
        let done: Vec<Reserved> = done.await?;
        match done.into_iter().next() {
            Some(Reserved { is_reserved: true, .. }) => Ok(()),
            Some(Reserved { is_there: true, .. }) => Err(ReserveError::BeingRemoved),
            Some(_) | None => Err(ReserveError::NotFound),
        }
    }

    async fn pictures(&self, user: UserId) -> Result<Vec<Picture>, Unavailable> {
        let of_user = pictures::table
            .filter(pictures::user_id.eq(user.as_uuid()))
            .order((pictures::created_at.desc(), pictures::picture.desc()))
            .select(PictureRow::as_select());
        let read = self.scoped.read(Scope::User(user), |connection| of_user.load(&mut &*connection).boxed());
        let rows: Vec<PictureRow> = read.await?;
        rows.into_iter().map(Picture::try_from).collect()
    }

    async fn claim(&self, now: Timestamp, limit: u32) -> Result<Vec<ClaimedPicture>, Unavailable> {
        let claimed_until = now + CLAIMED_FOR;
        let claim = || {
            sql_query(CLAIM)
                .bind::<Timestamptz, _>(now.as_datetime())
                .bind::<Timestamptz, _>(claimed_until.as_datetime())
                .bind::<BigInt, _>(i64::from(limit))
        };
        let claimed = self.worker.statement(JOB, |connection| write_returning(connection, claim()));
        let claimed: Vec<Claimed> = claimed.await?;
        let told = |Claimed { user_id, picture }| {
            let (user_id, picture) = (UserId::new(user_id), id_of(picture)?);
            Ok(ClaimedPicture { user_id, picture, claimed_until })
        };
        claimed.into_iter().map(told).collect()
    }

    async fn purged(&self, claimed: &ClaimedPicture) -> Result<(), Unavailable> {
        let ClaimedPicture { user_id, picture, claimed_until } = claimed;
        let forgotten = self.worker.statement(JOB, |connection| {
            let row = pictures::table.find((user_id.as_uuid(), picture.as_bytes().to_vec()));
            let held = row.filter(pictures::claimed_until.eq(claimed_until.as_datetime()));
            write(connection, diesel::delete(held))
        });
        forgotten.await.map(|_| ())
    }
}

/// Moves pictures of a user whose profile is locked, in one flush; tells the bytes of all that are not to be purged.
/// Fails where what was uploaded is gone, or what is shown again.
pub(crate) async fn moved(
    connection: &AsyncPgConnection,
    user: UserId,
    moves: &PictureMoves,
) -> Result<u64, UpdateError> {
    let ids = |pictures: &[PictureId]| pictures.iter().map(|id| id.as_bytes().to_vec()).collect::<Vec<_>>();
    let user = user.as_uuid();
    let uploaded: OptionFuture<_> = moves
        .uploaded
        .map(|id| {
            let show = sql_query(SHOW_UPLOADED).bind::<SqlUuid, _>(user);
            write(connection, show.bind::<Bytea, _>(id.as_bytes().to_vec()))
        })
        .into();
    let again = &moves.shown_again;
    let shown_again: OptionFuture<_> = (!again.is_empty())
        .then(|| {
            let show = sql_query(SHOW_AGAIN).bind::<SqlUuid, _>(user);
            write(connection, show.bind::<Array<Bytea>, _>(ids(again)))
        })
        .into();
    let released: OptionFuture<_> = (!moves.released.is_empty())
        .then(|| {
            let release = sql_query(RELEASE).bind::<SqlUuid, _>(user).bind::<Array<Bytea>, _>(ids(&moves.released));
            write(connection, release.bind::<Timestamptz, _>(moves.purge_after.as_datetime()))
        })
        .into();
    // A profile shows five at most.
    let shown = pictures::table
        .filter(pictures::user_id.eq(user))
        .filter(pictures::purge_after.is_null())
        .select(pictures::bytes)
        .load(&mut &*connection);
    let (uploaded, shown_again, released, shown) = join4(uploaded, shown_again, released, shown).await;
    let touched = |done: Option<QueryResult<usize>>| done.transpose().map_err(Unavailable::new);
    if touched(uploaded)? == Some(0) {
        return Err(Unavailable::new("the files of the upload are gone or going").into());
    }
    if touched(shown_again)?.is_some_and(|count| count != again.len()) {
        return Err(UpdateError::picture_is_gone());
    }
    touched(released)?;
    let shown: Vec<i64> = shown.map_err(Unavailable::new)?;
    Ok(shown.into_iter().fold(0, |bytes, of_one| bytes.saturating_add(of_one.unsigned_abs())))
}

/// Lets all pictures of a user go whose account is locked.
pub(crate) fn release(
    connection: &AsyncPgConnection,
    user: UserId,
    now: Timestamp,
) -> BoxFuture<'_, QueryResult<usize>> {
    let release = "UPDATE app.pictures SET purge_after = LEAST(purge_after, $2) WHERE user_id = $1";
    let release = sql_query(release).bind::<SqlUuid, _>(user.as_uuid());
    write(connection, release.bind::<Timestamptz, _>(now.as_datetime()))
}
