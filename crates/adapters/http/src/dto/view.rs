//! Profiles as the facades show them.

use std::borrow::Cow;

use frontdesk_kernel::Timestamp;
use frontdesk_profile::channels::Channels;
use frontdesk_profile::profile::{AvatarUrls, Profile, View};
use frontdesk_profile::{AvatarUrl, FieldText};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::config::PublicUrl;

fn text<T: FieldText>(field: Option<&T>) -> Option<&str> {
    field.map(FieldText::as_str)
}

fn url<'a>(url: Option<&'a AvatarUrl>, public: &PublicUrl) -> Option<Cow<'a, str>> {
    url.map(|url| public.shown(url.as_str()))
}

/// Picture URLs by size; a size without a picture is absent.
#[derive(Serialize, ToSchema)]
pub(crate) struct AvatarUrlsBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    small: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    medium: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    large: Option<Cow<'a, str>>,
}

impl<'a> AvatarUrlsBody<'a> {
    fn of(urls: &'a AvatarUrls, public: &PublicUrl) -> Self {
        let AvatarUrls { thumbnail, small, medium, large } = urls;
        Self {
            thumbnail: url(thumbnail.as_ref(), public),
            small: url(small.as_ref(), public),
            medium: url(medium.as_ref(), public),
            large: url(large.as_ref(), public),
        }
    }
}

/// Where the picture of a profile is seen.
pub(crate) fn shown_picture<'a>(profile: &'a Profile, public: &PublicUrl) -> Option<Cow<'a, str>> {
    url(profile.avatar_url.as_ref(), public)
}

/// The same in each size.
fn avatar_urls<'a>(profile: &'a Profile, public: &PublicUrl) -> Option<AvatarUrlsBody<'a>> {
    profile.avatar_urls.as_ref().map(|urls| AvatarUrlsBody::of(urls, public))
}

/// The picture that was uploaded, in each size.
#[derive(Serialize, ToSchema)]
pub(crate) struct AvatarBody<'a> {
    success: bool,
    /// The medium size.
    avatar_url: Option<Cow<'a, str>>,
    avatar_urls: Option<AvatarUrlsBody<'a>>,
}

impl<'a> AvatarBody<'a> {
    pub(crate) fn of(profile: &'a Profile, public: &PublicUrl) -> Self {
        Self { success: true, avatar_url: shown_picture(profile, public), avatar_urls: avatar_urls(profile, public) }
    }
}

/// Which name stands under `display_name`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    /// As stored, or null: v1.
    Stored,
    /// With its fallbacks: the older facades.
    Shown,
}

/// The whole profile, for its owner.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProfileBody<'a> {
    id: Uuid,
    /// 3 to 32 of `[A-Za-z0-9_.-]`; null for users of a trusted issuer.
    username: Option<&'a str>,
    display_name: Option<Cow<'a, str>>,
    /// The display name, else first and last name, else the username.
    shown_name: Option<Cow<'a, str>>,
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
    email: Option<&'a str>,
    email_verified: bool,
    phone: Option<&'a str>,
    bio: Option<&'a str>,
    company: Option<&'a str>,
    job_title: Option<&'a str>,
    location: Option<&'a str>,
    website: Option<&'a str>,
    linkedin_username: Option<&'a str>,
    github_username: Option<&'a str>,
    twitter_username: Option<&'a str>,
    avatar_url: Option<Cow<'a, str>>,
    avatar_urls: Option<AvatarUrlsBody<'a>>,
    timezone: &'a str,
    language: &'a str,
    public_profile: bool,
    email_notifications: bool,
    marketing_emails: bool,
    #[schema(value_type = Object)]
    preferences: Cow<'static, Map<String, Value>>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Counts changes, from 1.
    version: i64,
}

impl<'a> ProfileBody<'a> {
    /// As v1 shows it.
    pub(crate) fn of(profile: &'a Profile, public: &PublicUrl) -> Self {
        Self::named(profile, public, Name::Stored)
    }

    fn named(profile: &'a Profile, public: &PublicUrl, name: Name) -> Self {
        let shown_name = profile.shown_name();
        let display_name = match name {
            Name::Stored => text(profile.display_name.as_ref()).map(Cow::Borrowed),
            Name::Shown => shown_name.clone(),
        };
        Self {
            id: profile.id.as_uuid(),
            username: text(profile.username.as_ref()),
            display_name,
            shown_name,
            first_name: text(profile.first_name.as_ref()),
            last_name: text(profile.last_name.as_ref()),
            email: text(profile.email.as_ref()),
            email_verified: profile.email_verified,
            phone: text(profile.phone.as_ref()),
            bio: text(profile.bio.as_ref()),
            company: text(profile.company.as_ref()),
            job_title: text(profile.job_title.as_ref()),
            location: text(profile.location.as_ref()),
            website: text(profile.website.as_ref()),
            linkedin_username: text(profile.linkedin_username.as_ref()),
            github_username: text(profile.github_username.as_ref()),
            twitter_username: text(profile.twitter_username.as_ref()),
            avatar_url: shown_picture(profile, public),
            avatar_urls: avatar_urls(profile, public),
            timezone: profile.timezone.as_str(),
            language: profile.language.as_str(),
            public_profile: profile.public_profile,
            email_notifications: profile.email_notifications,
            marketing_emails: profile.marketing_emails,
            preferences: profile.preferences.shown(),
            created_at: profile.created_at,
            updated_at: profile.updated_at,
            version: profile.version,
        }
    }
}

/// A user, for its owner, as the existing web client reads it: the row, and the whole profile inside.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserBody<'a> {
    id: Uuid,
    user_id: Uuid,
    username: Option<&'a str>,
    /// The shown name.
    display_name: Option<Cow<'a, str>>,
    email: Option<&'a str>,
    bio: Option<&'a str>,
    avatar_url: Option<Cow<'a, str>>,
    avatar_urls: Option<AvatarUrlsBody<'a>>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    version: i64,
    profile: ProfileBody<'a>,
}

impl<'a> UserBody<'a> {
    pub(crate) fn of(profile: &'a Profile, public: &PublicUrl) -> Self {
        Self {
            id: profile.id.as_uuid(),
            user_id: profile.id.as_uuid(),
            username: text(profile.username.as_ref()),
            display_name: profile.shown_name(),
            email: text(profile.email.as_ref()),
            bio: text(profile.bio.as_ref()),
            avatar_url: shown_picture(profile, public),
            avatar_urls: avatar_urls(profile, public),
            created_at: profile.created_at,
            updated_at: profile.updated_at,
            version: profile.version,
            profile: ProfileBody::named(profile, public, Name::Shown),
        }
    }
}

/// What a user tells strangers, where the profile is public.
#[derive(Serialize, ToSchema)]
pub(crate) struct AboutBody<'a> {
    bio: Option<&'a str>,
    company: Option<&'a str>,
    job_title: Option<&'a str>,
    location: Option<&'a str>,
    website: Option<&'a str>,
    linkedin_username: Option<&'a str>,
    github_username: Option<&'a str>,
    twitter_username: Option<&'a str>,
}

impl<'a> AboutBody<'a> {
    fn of(profile: &'a Profile) -> Self {
        Self {
            bio: text(profile.bio.as_ref()),
            company: text(profile.company.as_ref()),
            job_title: text(profile.job_title.as_ref()),
            location: text(profile.location.as_ref()),
            website: text(profile.website.as_ref()),
            linkedin_username: text(profile.linkedin_username.as_ref()),
            github_username: text(profile.github_username.as_ref()),
            twitter_username: text(profile.twitter_username.as_ref()),
        }
    }
}

/// What strangers see of a user: never e-mail, phone or preferences.
#[derive(Serialize, ToSchema)]
pub(crate) struct PublicFields<'a> {
    id: Uuid,
    user_id: Uuid,
    username: Option<&'a str>,
    /// The shown name.
    display_name: Option<Cow<'a, str>>,
    avatar_url: Option<Cow<'a, str>>,
    avatar_urls: Option<AvatarUrlsBody<'a>>,
    /// Only where the profile is public.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    about: Option<AboutBody<'a>>,
}

impl<'a> PublicFields<'a> {
    fn of(profile: &'a Profile, public: &PublicUrl) -> Self {
        Self {
            id: profile.id.as_uuid(),
            user_id: profile.id.as_uuid(),
            username: text(profile.username.as_ref()),
            display_name: profile.shown_name(),
            avatar_url: shown_picture(profile, public),
            avatar_urls: avatar_urls(profile, public),
            about: profile.public_profile.then(|| AboutBody::of(profile)),
        }
    }
}

/// A user as strangers see it: the fields flat, and again under `profile`, where older clients look.
#[derive(Serialize, ToSchema)]
pub(crate) struct PublicUserBody<'a> {
    #[serde(flatten)]
    flat: PublicFields<'a>,
    profile: PublicFields<'a>,
}

impl<'a> PublicUserBody<'a> {
    pub(crate) fn of(profile: &'a Profile, public: &PublicUrl) -> Self {
        Self { flat: PublicFields::of(profile, public), profile: PublicFields::of(profile, public) }
    }
}

/// Somebody else's public profile, on v1.
#[derive(Serialize, ToSchema)]
pub(crate) struct PublicProfileBody<'a> {
    #[serde(flatten)]
    fields: PublicFields<'a>,
    /// The display name, else first and last name, else the username.
    shown_name: Option<Cow<'a, str>>,
}

impl<'a> PublicProfileBody<'a> {
    pub(crate) fn of(profile: &'a Profile, public: &PublicUrl) -> Self {
        Self { fields: PublicFields::of(profile, public), shown_name: profile.shown_name() }
    }
}

/// The notification channels of the iOS app.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChannelsBody {
    email_enabled: bool,
    push_enabled: bool,
    sms_enabled: bool,
}

impl From<Channels> for ChannelsBody {
    fn from(channels: Channels) -> Self {
        let Channels { email_enabled, push_enabled, sms_enabled, version: _ } = channels;
        Self { email_enabled, push_enabled, sms_enabled }
    }
}

/// The profile as the iOS app reads it.
#[derive(Serialize, ToSchema)]
pub(crate) struct MobileProfileBody<'a> {
    /// The shown name.
    display_name: Option<Cow<'a, str>>,
    email: Option<&'a str>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    avatar_url: Option<Cow<'a, str>>,
    avatar_urls: Option<AvatarUrlsBody<'a>>,
    #[schema(value_type = Object)]
    preferences: Cow<'static, Map<String, Value>>,
    notification_settings: ChannelsBody,
}

/// The iOS app's envelope.
#[derive(Serialize, ToSchema)]
pub(crate) struct MobileBody<'a> {
    user_profile: MobileProfileBody<'a>,
}

impl<'a> MobileBody<'a> {
    pub(crate) fn of(view: &'a View, public: &PublicUrl) -> Self {
        let View { profile, channels } = view;
        Self {
            user_profile: MobileProfileBody {
                display_name: profile.shown_name(),
                email: text(profile.email.as_ref()),
                created_at: profile.created_at,
                updated_at: profile.updated_at,
                avatar_url: shown_picture(profile, public),
                avatar_urls: avatar_urls(profile, public),
                preferences: profile.preferences.shown(),
                notification_settings: channels.unwrap_or_default().into(),
            },
        }
    }
}

/// The iOS app's envelope after a change.
#[derive(Serialize, ToSchema)]
pub(crate) struct MobileUpdatedBody<'a> {
    success: bool,
    message: &'static str,
    #[serde(flatten)]
    view: MobileBody<'a>,
}

impl<'a> MobileUpdatedBody<'a> {
    pub(crate) fn of(view: &'a View, public: &PublicUrl) -> Self {
        Self { success: true, message: "Profile updated successfully", view: MobileBody::of(view, public) }
    }
}
