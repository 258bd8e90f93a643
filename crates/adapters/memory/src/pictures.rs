//! Pictures of which files may exist.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_kernel::{Timestamp, Unavailable, UserId};
use frontdesk_profile::avatar::PictureId;
use frontdesk_profile::profile::PictureMoves;
use frontdesk_profile::{
    CLAIMED_FOR, ClaimedPicture, Picture, PictureStore, RESERVED_FOR, Reservation, ReserveError, UpdateError,
};

use crate::lock::{lock, read};
use crate::state::State;

/// A picture of a user.
pub(crate) struct Kept {
    bytes: u64,
    created_at: Timestamp,
    purge_after: Option<Timestamp>,
    reserved_until: Option<Timestamp>,
    /// The uploads that the reservation is for.
    uploads: u32,
    claimed_until: Option<Timestamp>,
}

/// The pictures of a user.
pub(crate) type Pictures = BTreeMap<PictureId, Kept>;

/// Keeps pictures in memory.
#[derive(Debug)]
pub struct MemoryPictureStore {
    state: Arc<State>,
}

impl MemoryPictureStore {
    pub(crate) const fn new(state: Arc<State>) -> Self {
        Self { state }
    }
}

fn lasts(until: Option<Timestamp>, now: Timestamp) -> bool {
    until.is_some_and(|until| now < until)
}

impl Kept {
    fn new(reservation: &Reservation) -> Self {
        let Reservation { user_id: _, picture: _, bytes, now } = *reservation;
        let purge_after = Some(now);
        Self { bytes, created_at: now, purge_after, reserved_until: None, uploads: 0, claimed_until: None }
    }

    fn reserve(&mut self, bytes: u64, now: Timestamp) {
        self.bytes = bytes;
        self.uploads = if lasts(self.reserved_until, now) { self.uploads.saturating_add(1) } else { 1 };
        self.reserved_until = self.reserved_until.max(Some(now + RESERVED_FOR));
        self.claimed_until = None;
    }

    /// Its upload is done; another one of the same picture may still write the files.
    fn end_upload(&mut self) {
        self.uploads = self.uploads.saturating_sub(1);
        if self.uploads == 0 {
            self.reserved_until = None;
        }
    }

    /// Since when its files may go, if they may.
    fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let is_kept = lasts(self.reserved_until, now) || lasts(self.claimed_until, now);
        self.purge_after.filter(|purge_after| *purge_after <= now && !is_kept)
    }
}

/// Refuses moves of a user whose row is locked, where what was uploaded is gone, or what is shown again.
pub(crate) fn check(pictures: Option<&Pictures>, moves: &PictureMoves) -> Result<(), UpdateError> {
    let is_there =
        |id: &PictureId| pictures.and_then(|kept| kept.get(id)).is_some_and(|kept| kept.claimed_until.is_none());
    if !moves.uploaded.iter().all(is_there) {
        return Err(Unavailable::new("the files of the upload are gone or going").into());
    }
    if moves.shown_again.iter().all(is_there) { Ok(()) } else { Err(UpdateError::picture_is_gone()) }
}

/// Makes moves that were checked under the same lock; tells the bytes of all that are not to be purged.
pub(crate) fn moved(pictures: Option<&mut Pictures>, moves: &PictureMoves) -> u64 {
    let Some(pictures) = pictures else { return 0 };
    for (id, kept) in pictures.iter_mut() {
        if moves.uploaded == Some(*id) {
            kept.purge_after = None;
            kept.end_upload();
        } else if moves.shown_again.contains(id) {
            kept.purge_after = None;
        } else if moves.released.contains(id) {
            kept.purge_after = Some(moves.purge_after);
        }
    }
    let shown = pictures.values().filter(|kept| kept.purge_after.is_none());
    shown.fold(0, |bytes, kept| bytes.saturating_add(kept.bytes))
}

/// Lets all pictures of a user go whose row is locked.
pub(crate) fn release(pictures: &mut Pictures, now: Timestamp) {
    for kept in pictures.values_mut() {
        kept.purge_after = Some(kept.purge_after.map_or(now, |purge_after| purge_after.min(now)));
    }
}

#[async_trait]
impl PictureStore for MemoryPictureStore {
    async fn reserve(&self, reservation: &Reservation) -> Result<(), ReserveError> {
        let Reservation { user_id, picture, bytes, now } = *reservation;
        // Held to the end, so that no deletion comes in between.
        let rows = read(self.state.rows_of(user_id));
        if !rows.contains_key(&user_id) {
            return Err(ReserveError::NotFound);
        }
        let mut pictures = lock(&self.state.pictures);
        let kept = pictures.entry(user_id).or_default().entry(picture).or_insert_with(|| Kept::new(reservation));
        if lasts(kept.claimed_until, now) {
            return Err(ReserveError::BeingRemoved);
        }
        kept.reserve(bytes, now);
        Ok(())
    }

    async fn pictures(&self, user: UserId) -> Result<Vec<Picture>, Unavailable> {
        let pictures = lock(&self.state.pictures);
        let of_user = pictures.get(&user).into_iter().flatten();
        let mut of_user: Vec<_> = of_user
            .map(|(id, Kept { bytes, created_at, purge_after, .. })| Picture {
                id: *id,
                bytes: *bytes,
                created_at: *created_at,
                purge_after: *purge_after,
            })
            .collect();
        of_user.sort_by_key(|picture| Reverse((picture.created_at, picture.id)));
        Ok(of_user)
    }

    async fn claim(&self, now: Timestamp, limit: u32) -> Result<Vec<ClaimedPicture>, Unavailable> {
        let mut pictures = lock(&self.state.pictures);
        let mut due: Vec<_> = pictures
            .iter_mut()
            .flat_map(|(user_id, pictures)| pictures.iter_mut().map(|(picture, kept)| (*user_id, *picture, kept)))
            .filter_map(|(user_id, picture, kept)| Some((kept.due(now)?, user_id, picture, kept)))
            .collect();
        due.sort_by_key(|(since, user_id, picture, _)| (*since, *user_id, *picture));
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let claimed_until = now + CLAIMED_FOR;
        let claim = |(_, user_id, picture, kept): (_, _, _, &mut Kept)| {
            kept.claimed_until = Some(claimed_until);
            ClaimedPicture { user_id, picture, claimed_until }
        };
        Ok(due.into_iter().map(claim).collect())
    }

    async fn purged(&self, claimed: &ClaimedPicture) -> Result<(), Unavailable> {
        let ClaimedPicture { user_id, picture, claimed_until } = claimed;
        let mut pictures = lock(&self.state.pictures);
        let Some(of_user) = pictures.get_mut(user_id) else { return Ok(()) };
        if of_user.get(picture).is_some_and(|kept| kept.claimed_until == Some(*claimed_until)) {
            of_user.remove(picture);
        }
        if of_user.is_empty() {
            pictures.remove(user_id);
        }
        Ok(())
    }
}
