//! The profile: one row per user, and the rule that merges an update into it.

mod heard;
mod merge;
mod pictures;

use std::borrow::Cow;
use std::collections::BTreeSet;

use frontdesk_kernel::{Event, EventBody, EventId, Fault, FaultCode, Patch, Timestamp, Unavailable, UserId};

use crate::avatar::{AvatarSize, PictureId};
use crate::channels::{self, Channels, ChannelsPatch};
use crate::preferences::{Preferences, PreferencesPatch};
use crate::token::TokenRefused;
use crate::{
    AvatarUrl, Email, FieldError, FieldText, Handle, Language, Line, Paragraph, Phone, Timezone, Username, WebUrl,
};
pub use heard::{TOLD_FIELDS, heard_by_others};
use merge::{changed_fields, merge};
pub use pictures::PictureMoves;

/// The pictures of a user by size. At least one is set: nothing at all is `None` of this type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AvatarUrls {
    /// 64 pixels square.
    pub thumbnail: Option<AvatarUrl>,
    /// 128 pixels square.
    pub small: Option<AvatarUrl>,
    /// 256 pixels square.
    pub medium: Option<AvatarUrl>,
    /// 512 pixels square.
    pub large: Option<AvatarUrl>,
}

impl AvatarUrls {
    /// Tells whether no size has a picture.
    pub const fn is_empty(&self) -> bool {
        let Self { thumbnail, small, medium, large } = self;
        thumbnail.is_none() && small.is_none() && medium.is_none() && large.is_none()
    }

    /// That of one size.
    pub const fn get(&self, size: AvatarSize) -> Option<&AvatarUrl> {
        match size {
            AvatarSize::Thumbnail => self.thumbnail.as_ref(),
            AvatarSize::Small => self.small.as_ref(),
            AvatarSize::Medium => self.medium.as_ref(),
            AvatarSize::Large => self.large.as_ref(),
        }
    }
}

/// Everything a user tells about themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The user.
    pub id: UserId,
    /// Absent for users of a trusted issuer.
    pub username: Option<Username>,
    /// The name to show, as typed.
    pub display_name: Option<Line<100>>,
    /// Given name.
    pub first_name: Option<Line<100>>,
    /// Family name.
    pub last_name: Option<Line<100>>,
    /// A contact, not a login.
    pub email: Option<Email>,
    /// True only where a trusted issuer said so.
    pub email_verified: bool,
    /// A contact.
    pub phone: Option<Phone>,
    /// About the user.
    pub bio: Option<Paragraph<2_000>>,
    /// Where the user works.
    pub company: Option<Line<200>>,
    /// As what.
    pub job_title: Option<Line<200>>,
    /// Where the user lives.
    pub location: Option<Line<200>>,
    /// The user's own site.
    pub website: Option<WebUrl>,
    /// At `LinkedIn`.
    pub linkedin_username: Option<Handle>,
    /// At GitHub.
    pub github_username: Option<Handle>,
    /// At Twitter.
    pub twitter_username: Option<Handle>,
    /// The picture.
    pub avatar_url: Option<AvatarUrl>,
    /// The picture in sizes.
    pub avatar_urls: Option<AvatarUrls>,
    /// The user's time zone.
    pub timezone: Timezone,
    /// The user's language.
    pub language: Language,
    /// Whether strangers see more than name and picture.
    pub public_profile: bool,
    /// Whether the user wants mail about the account.
    pub email_notifications: bool,
    /// Whether the user wants advertising.
    pub marketing_emails: bool,
    /// One document of preferences.
    pub preferences: Preferences,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When the profile last changed.
    pub updated_at: Timestamp,
    /// Counts changes, from 1.
    pub version: i64,
}

impl Profile {
    /// A profile with nothing in it but what a registration says.
    pub fn new(id: UserId, username: Option<Username>, now: Timestamp) -> Self {
        Self {
            id,
            username,
            display_name: None,
            first_name: None,
            last_name: None,
            email: None,
            email_verified: false,
            phone: None,
            bio: None,
            company: None,
            job_title: None,
            location: None,
            website: None,
            linkedin_username: None,
            github_username: None,
            twitter_username: None,
            avatar_url: None,
            avatar_urls: None,
            timezone: Timezone::default(),
            language: Language::default(),
            public_profile: false,
            email_notifications: true,
            marketing_emails: false,
            preferences: Preferences::default(),
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    /// The name that others see: the display name, else first and last name, else the username.
    pub fn shown_name(&self) -> Option<Cow<'_, str>> {
        if let Some(name) = &self.display_name {
            return Some(name.as_str().into());
        }
        match (&self.first_name, &self.last_name) {
            (Some(first), Some(last)) => Some(format!("{} {}", first.as_str(), last.as_str()).into()),
            (Some(name), None) | (None, Some(name)) => Some(name.as_str().into()),
            (None, None) => self.username.as_ref().map(|name| name.as_str().into()),
        }
    }

    /// The pictures that the user has uploaded here and that the profile shows.
    pub fn pictures(&self) -> BTreeSet<PictureId> {
        let of_size = |size| self.avatar_urls.as_ref().and_then(|urls| urls.get(size));
        let urls = AvatarSize::ALL.into_iter().filter_map(of_size).chain(&self.avatar_url);
        urls.filter_map(|url| url.picture_of(self.id)).map(|path| path.picture).collect()
    }
}

/// A change of the profile; every field on its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfilePatch {
    /// A username is renamed, never taken away.
    pub username: Option<Username>,
    /// See [`Profile`] for this and every other field.
    pub display_name: Patch<Line<100>>,
    /// See [`Profile`].
    pub first_name: Patch<Line<100>>,
    /// See [`Profile`].
    pub last_name: Patch<Line<100>>,
    /// Setting another address makes it unverified.
    pub email: Patch<Email>,
    /// See [`Profile`].
    pub phone: Patch<Phone>,
    /// See [`Profile`].
    pub bio: Patch<Paragraph<2_000>>,
    /// See [`Profile`].
    pub company: Patch<Line<200>>,
    /// See [`Profile`].
    pub job_title: Patch<Line<200>>,
    /// See [`Profile`].
    pub location: Patch<Line<200>>,
    /// See [`Profile`].
    pub website: Patch<WebUrl>,
    /// See [`Profile`].
    pub linkedin_username: Patch<Handle>,
    /// See [`Profile`].
    pub github_username: Patch<Handle>,
    /// See [`Profile`].
    pub twitter_username: Patch<Handle>,
    /// See [`Profile`].
    pub avatar_url: Patch<AvatarUrl>,
    /// Replaced whole.
    pub avatar_urls: Patch<AvatarUrls>,
    /// See [`Profile`].
    pub timezone: Patch<Timezone>,
    /// See [`Profile`].
    pub language: Patch<Language>,
    /// See [`Profile`].
    pub public_profile: Patch<bool>,
    /// See [`Profile`].
    pub email_notifications: Patch<bool>,
    /// See [`Profile`].
    pub marketing_emails: Patch<bool>,
    /// Merged deeply.
    pub preferences: Patch<PreferencesPatch>,
}

/// The version that a caller has seen. The mobile facade shows the channels too, so its copy has two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenVersion {
    /// Of the profile.
    pub profile: i64,
    /// Of the channels, where the caller's copy has them.
    pub channels: Option<i64>,
}

/// What must hold of the stored state for a change to be made (RFC 9110, `If-Match`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// The state must be one that the caller has seen. An empty list never holds.
    Seen(Vec<SeenVersion>),
}

impl Precondition {
    fn holds(&self, profile: &Profile, channels: Option<Channels>) -> bool {
        let Self::Seen(versions) = self else { return true };
        versions.iter().any(|seen| {
            let same_channels = seen.channels.is_none_or(|version| channels.is_some_and(|c| c.version == version));
            seen.profile == profile.version && same_channels
        })
    }
}

/// On whose authority a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// The owner's credential, or a mode of running that asks for none.
    Granted,
    /// The account is open to whoever has its id; the store checks that it still is.
    Unclaimed,
}

/// The command to change a profile, and the channels with it where the facade shows both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileChange {
    /// Whose profile.
    pub user_id: UserId,
    /// On whose authority.
    pub authority: Authority,
    /// What changes.
    pub patch: ProfilePatch,
    /// What changes in the channels; `None` where the facade does not show them.
    pub channels: Option<ChannelsPatch>,
    /// What must hold.
    pub precondition: Precondition,
    /// The moment of the change.
    pub now: Timestamp,
    /// The id of the event, if there is one.
    pub event_id: EventId,
    /// The id of the event about pictures, if there is one.
    pub picture_event_id: EventId,
    /// The picture that was uploaded for the change, and that it shows.
    pub upload: Option<PictureId>,
}

/// A profile, and the channels where the facade shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The profile.
    pub profile: Profile,
    /// The channels.
    pub channels: Option<Channels>,
}

/// What a store writes. Everything absent stays untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The state after the change; the answer to the caller.
    pub view: View,
    /// The new profile is to be stored, and its event with it.
    pub event: Option<Event>,
    /// The new channels are to be stored.
    pub channels_changed: bool,
    /// What becomes of the user's own pictures, to be stored with the profile.
    pub pictures: Option<PictureMoves>,
}

/// Why a profile is not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// No such profile.
    #[error("User not found")]
    NotFound,
    /// The account has been claimed, or its window has ended, since the request came in.
    #[error(transparent)]
    NotOpen(#[from] TokenRefused),
    /// A rule that needs the stored state is broken.
    #[error("{field} {error}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// The rule.
        error: FieldError,
    },
    /// The username belongs to somebody else.
    #[error("the username is taken")]
    UsernameTaken,
    /// The caller's copy is stale; here is the current one.
    #[error("the copy is stale: read it again and repeat the change")]
    PreconditionFailed(Box<View>),
    /// The store is out of reach.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl UpdateError {
    /// The profile would show a picture of the user's own that is not stored, or not any more.
    pub fn picture_is_gone() -> Self {
        let rule = "names a picture that is not stored any more: leave it out, or upload the picture again";
        Self::Invalid { field: "avatar_url", error: FieldError::new(rule) }
    }
}

impl Fault for UpdateError {
    fn code(&self) -> FaultCode {
        match self {
            Self::NotFound => FaultCode::NotFound,
            Self::NotOpen(cause) => cause.code(),
            Self::Invalid { .. } => FaultCode::ValidationFailed,
            Self::UsernameTaken => FaultCode::UsernameTaken,
            Self::PreconditionFailed(_) => FaultCode::PreconditionFailed,
            Self::Unavailable(cause) => cause.code(),
        }
    }
}

/// Decides a change. Pure: the store calls it inside its atomic section and writes the whole decision.
pub fn decide(stored: &View, change: &ProfileChange) -> Result<Decision, UpdateError> {
    let ProfileChange { user_id, patch, channels, precondition, now, event_id, .. } = change;
    if !precondition.holds(&stored.profile, stored.channels) {
        return Err(UpdateError::PreconditionFailed(Box::new(stored.clone())));
    }
    let mut profile =
        merge(&stored.profile, patch.clone()).map_err(|error| UpdateError::Invalid { field: "preferences", error })?;
    let changed = changed_fields(&stored.profile, &profile);
    let event = (!changed.is_empty()).then(|| {
        profile.version += 1;
        profile.updated_at = *now;
        Event {
            id: *event_id,
            user_id: *user_id,
            occurred_at: *now,
            body: EventBody::ProfileUpdated {
                version: profile.version,
                changed: changed.into_iter().map(str::to_owned).collect(),
            },
        }
    });
    let merged = match (stored.channels, channels) {
        (Some(stored), Some(patch)) => Some(channels::merge(stored, patch.clone())),
        (stored, _) => stored,
    };
    let channels_changed = merged != stored.channels;
    let pictures = PictureMoves::between(&stored.profile, &profile, change);
    Ok(Decision { view: View { profile, channels: merged }, event, channels_changed, pictures })
}

#[cfg(test)]
#[path = "profile/tests.rs"]
mod tests;
