//! What a change of a profile does to the pictures of its user.

use frontdesk_kernel::{Event, EventBody, EventId, Timestamp, UserId};

use super::{Profile, ProfileChange};
use crate::avatar::PictureId;
use crate::avatars::RELEASED_FOR;

/// What becomes of the user's own pictures. All of it is to be stored together with the profile, and
/// [`PictureMoves::event`] with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureMoves {
    /// Was uploaded for this change: not to be purged from now on, and one of its reservations ends.
    pub uploaded: Option<PictureId>,
    /// Are shown again without an upload: not to be purged from now on. All must be known, and their files not be going:
    /// [`UpdateError::picture_is_gone`](super::UpdateError::picture_is_gone) otherwise.
    pub shown_again: Vec<PictureId>,
    /// To be purged from [`Self::purge_after`] on.
    pub released: Vec<PictureId>,
    /// A day after the change.
    pub purge_after: Timestamp,
    user_id: UserId,
    now: Timestamp,
    event_id: EventId,
    /// Whether the profile shows other pictures than before. An upload of what it shows already is no news.
    is_news: bool,
}

impl PictureMoves {
    pub(super) fn between(stored: &Profile, profile: &Profile, change: &ProfileChange) -> Option<Self> {
        let ProfileChange { user_id, now, picture_event_id, upload, .. } = change;
        // Most changes are of other fields.
        if upload.is_none() && stored.avatar_url == profile.avatar_url && stored.avatar_urls == profile.avatar_urls {
            return None;
        }
        let (before, after) = (stored.pictures(), profile.pictures());
        let uploaded = upload.filter(|id| after.contains(id));
        let shown_again = after.difference(&before).copied().filter(|id| Some(*id) != uploaded);
        let moves = Self {
            uploaded,
            shown_again: shown_again.collect(),
            released: before.difference(&after).copied().collect(),
            purge_after: *now + RELEASED_FOR,
            user_id: *user_id,
            now: *now,
            event_id: *picture_event_id,
            is_news: before != after,
        };
        (moves.is_news || uploaded.is_some()).then_some(moves)
    }

    /// What tells of it, if it is news, given the bytes of all pictures of the user that are not to be purged.
    pub fn event(&self, storage_bytes: u64) -> Option<Event> {
        let images_processed = u32::from(self.uploaded.is_some());
        let body = EventBody::AvatarChanged { images_processed, storage_bytes };
        self.is_news.then_some(Event { id: self.event_id, user_id: self.user_id, occurred_at: self.now, body })
    }
}
