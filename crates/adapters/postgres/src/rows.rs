//! Rows of tables, and what they are in the domain. Both ways are exhaustive: a new column or field does not compile
//! until it is stored.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use frontdesk_kernel::{Event, EventBody, EventId, Timestamp, Unavailable, UserId};
use frontdesk_profile::account::Account;
use frontdesk_profile::channels::Channels;
use frontdesk_profile::password::PasswordHash;
use frontdesk_profile::preferences::Preferences;
use frontdesk_profile::profile::{AvatarUrls, Profile};
use frontdesk_profile::settings::{DefaultView, ItemsPerPage, Settings, Theme, Words};
use frontdesk_profile::{AvatarUrl, FieldText};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::errors::corrupt;
use crate::schema::{notification_preferences, outbox, profiles, user_settings, users};

mod rooms;
mod sessions;

pub(crate) use rooms::{EntryRow, PresenceRow, RoomRow};
pub(crate) use sessions::{RevocationRow, SessionRow, revoked};

/// A row of `users`.
#[derive(Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg), treat_none_as_null = true)]
pub(crate) struct UserRow {
    id: Uuid,
    password_hash: Option<String>,
    claim_open_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<&Account> for UserRow {
    fn from(account: &Account) -> Self {
        let Account { id, password, claim_open_until, created_at } = account;
        Self {
            id: id.as_uuid(),
            password_hash: password.as_ref().map(|hash| hash.as_str().to_owned()),
            claim_open_until: claim_open_until.map(Timestamp::as_datetime),
            created_at: created_at.as_datetime(),
        }
    }
}

impl From<UserRow> for Account {
    fn from(row: UserRow) -> Self {
        let UserRow { id, password_hash, claim_open_until, created_at } = row;
        Self {
            id: UserId::new(id),
            password: password_hash.map(PasswordHash::new),
            claim_open_until: claim_open_until.map(Timestamp::new),
            created_at: Timestamp::new(created_at),
        }
    }
}

/// A row of `profiles`.
#[derive(Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = profiles, check_for_backend(diesel::pg::Pg), treat_none_as_null = true)]
pub(crate) struct ProfileRow {
    id: Uuid,
    username: Option<String>,
    display_name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    avatar_url: Option<String>,
    avatar_urls: Option<Value>,
    email: Option<String>,
    email_verified: bool,
    phone: Option<String>,
    bio: Option<String>,
    company: Option<String>,
    job_title: Option<String>,
    location: Option<String>,
    website: Option<String>,
    linkedin_username: Option<String>,
    github_username: Option<String>,
    twitter_username: Option<String>,
    timezone: String,
    language: String,
    public_profile: bool,
    email_notifications: bool,
    marketing_emails: bool,
    preferences: Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
}

fn stored<T: FieldText>(field: Option<&T>) -> Option<String> {
    field.map(|field| field.as_str().to_owned())
}

fn field<T: FieldText>(stored: Option<String>) -> Option<T> {
    stored.map(T::from_stored)
}

impl From<&Profile> for ProfileRow {
    fn from(profile: &Profile) -> Self {
        let Profile {
            id,
            username,
            display_name,
            first_name,
            last_name,
            email,
            email_verified,
            phone,
            bio,
            company,
            job_title,
            location,
            website,
            linkedin_username,
            github_username,
            twitter_username,
            avatar_url,
            avatar_urls,
            timezone,
            language,
            public_profile,
            email_notifications,
            marketing_emails,
            preferences,
            created_at,
            updated_at,
            version,
        } = profile;
        Self {
            id: id.as_uuid(),
            username: stored(username.as_ref()),
            display_name: stored(display_name.as_ref()),
            first_name: stored(first_name.as_ref()),
            last_name: stored(last_name.as_ref()),
            avatar_url: stored(avatar_url.as_ref()),
            avatar_urls: avatar_urls.as_ref().map(stored_urls),
            email: stored(email.as_ref()),
            email_verified: *email_verified,
            phone: stored(phone.as_ref()),
            bio: stored(bio.as_ref()),
            company: stored(company.as_ref()),
            job_title: stored(job_title.as_ref()),
            location: stored(location.as_ref()),
            website: stored(website.as_ref()),
            linkedin_username: stored(linkedin_username.as_ref()),
            github_username: stored(github_username.as_ref()),
            twitter_username: stored(twitter_username.as_ref()),
            timezone: timezone.as_str().to_owned(),
            language: language.as_str().to_owned(),
            public_profile: *public_profile,
            email_notifications: *email_notifications,
            marketing_emails: *marketing_emails,
            preferences: Value::Object(preferences.as_stored().clone()),
            created_at: created_at.as_datetime(),
            updated_at: updated_at.as_datetime(),
            version: *version,
        }
    }
}

impl From<ProfileRow> for Profile {
    fn from(row: ProfileRow) -> Self {
        let ProfileRow {
            id,
            username,
            display_name,
            first_name,
            last_name,
            avatar_url,
            avatar_urls,
            email,
            email_verified,
            phone,
            bio,
            company,
            job_title,
            location,
            website,
            linkedin_username,
            github_username,
            twitter_username,
            timezone,
            language,
            public_profile,
            email_notifications,
            marketing_emails,
            preferences,
            created_at,
            updated_at,
            version,
        } = row;
        Self {
            id: UserId::new(id),
            username: field(username),
            display_name: field(display_name),
            first_name: field(first_name),
            last_name: field(last_name),
            email: field(email),
            email_verified,
            phone: field(phone),
            bio: field(bio),
            company: field(company),
            job_title: field(job_title),
            location: field(location),
            website: field(website),
            linkedin_username: field(linkedin_username),
            github_username: field(github_username),
            twitter_username: field(twitter_username),
            avatar_url: field(avatar_url),
            avatar_urls: avatar_urls.map(urls).filter(|urls| !urls.is_empty()),
            timezone: FieldText::from_stored(timezone),
            language: FieldText::from_stored(language),
            public_profile,
            email_notifications,
            marketing_emails,
            preferences: Preferences::from_stored(object(preferences)),
            created_at: Timestamp::new(created_at),
            updated_at: Timestamp::new(updated_at),
            version,
        }
    }
}

/// A CHECK holds these columns to objects.
fn object(document: Value) -> Map<String, Value> {
    match document {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

fn stored_urls(urls: &AvatarUrls) -> Value {
    let AvatarUrls { thumbnail, small, medium, large } = urls;
    let sizes = [("thumbnail", thumbnail), ("small", small), ("medium", medium), ("large", large)];
    let set = sizes.into_iter().filter_map(|(size, url)| Some((size.to_owned(), stored(url.as_ref())?.into())));
    Value::Object(set.collect())
}

fn urls(document: Value) -> AvatarUrls {
    let mut sizes = object(document);
    let mut take = |size| match sizes.remove(size) {
        Some(Value::String(url)) => Some(AvatarUrl::from_stored(url)),
        _ => None,
    };
    AvatarUrls { thumbnail: take("thumbnail"), small: take("small"), medium: take("medium"), large: take("large") }
}

/// The columns of `user_settings` that are settings.
#[derive(Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = user_settings, check_for_backend(diesel::pg::Pg))]
pub(crate) struct SettingsRow {
    theme: String,
    compact_mode: bool,
    default_view: String,
    items_per_page: i32,
    show_thumbnails: bool,
    auto_expand_folders: bool,
    confirm_delete: bool,
    show_activity: bool,
    allow_analytics: bool,
    updated_at: DateTime<Utc>,
    version: i64,
}

impl From<&Settings> for SettingsRow {
    fn from(settings: &Settings) -> Self {
        let Settings {
            theme,
            compact_mode,
            default_view,
            items_per_page,
            show_thumbnails,
            auto_expand_folders,
            confirm_delete,
            show_activity,
            allow_analytics,
            updated_at,
            version,
        } = settings;
        Self {
            theme: theme.as_str().to_owned(),
            compact_mode: *compact_mode,
            default_view: default_view.as_str().to_owned(),
            items_per_page: items_per_page.get(),
            show_thumbnails: *show_thumbnails,
            auto_expand_folders: *auto_expand_folders,
            confirm_delete: *confirm_delete,
            show_activity: *show_activity,
            allow_analytics: *allow_analytics,
            updated_at: updated_at.as_datetime(),
            version: *version,
        }
    }
}

impl TryFrom<SettingsRow> for Settings {
    type Error = Unavailable;

    fn try_from(row: SettingsRow) -> Result<Self, Unavailable> {
        let SettingsRow {
            theme,
            compact_mode,
            default_view,
            items_per_page,
            show_thumbnails,
            auto_expand_folders,
            confirm_delete,
            show_activity,
            allow_analytics,
            updated_at,
            version,
        } = row;
        Ok(Self {
            theme: Theme::find(&theme).ok_or_else(|| corrupt("user_settings.theme", &theme))?,
            compact_mode,
            default_view: DefaultView::find(&default_view)
                .ok_or_else(|| corrupt("user_settings.default_view", &default_view))?,
            items_per_page: ItemsPerPage::from_stored(items_per_page),
            show_thumbnails,
            auto_expand_folders,
            confirm_delete,
            show_activity,
            allow_analytics,
            updated_at: Timestamp::new(updated_at),
            version,
        })
    }
}

/// The columns of `notification_preferences` that are channels.
#[derive(Queryable, Selectable, Insertable, AsChangeset, Serialize)]
#[diesel(table_name = notification_preferences, check_for_backend(diesel::pg::Pg))]
pub(crate) struct ChannelsRow {
    email_enabled: bool,
    push_enabled: bool,
    sms_enabled: bool,
    version: i64,
}

impl From<Channels> for ChannelsRow {
    fn from(channels: Channels) -> Self {
        let Channels { email_enabled, push_enabled, sms_enabled, version } = channels;
        Self { email_enabled, push_enabled, sms_enabled, version }
    }
}

impl From<ChannelsRow> for Channels {
    fn from(row: ChannelsRow) -> Self {
        let ChannelsRow { email_enabled, push_enabled, sms_enabled, version } = row;
        Self { email_enabled, push_enabled, sms_enabled, version }
    }
}

/// A row of `outbox`, but for its place in the sequence.
#[derive(Queryable, Selectable, Insertable, Serialize)]
#[diesel(table_name = outbox, check_for_backend(diesel::pg::Pg))]
pub(crate) struct EventRow {
    id: Uuid,
    user_id: Uuid,
    occurred_at: DateTime<Utc>,
    body: Value,
}

impl TryFrom<&Event> for EventRow {
    type Error = Unavailable;

    fn try_from(event: &Event) -> Result<Self, Unavailable> {
        let Event { id, user_id, occurred_at, body } = event;
        Ok(Self {
            id: id.as_uuid(),
            user_id: user_id.as_uuid(),
            occurred_at: occurred_at.as_datetime(),
            body: serde_json::to_value(body).map_err(Unavailable::new)?,
        })
    }
}

impl TryFrom<EventRow> for Event {
    type Error = Unavailable;

    fn try_from(row: EventRow) -> Result<Self, Unavailable> {
        let EventRow { id, user_id, occurred_at, body } = row;
        let body: EventBody = serde_json::from_value(body).map_err(Unavailable::new)?;
        let (id, user_id) = (EventId::new(id), UserId::new(user_id));
        Ok(Self { id, user_id, occurred_at: Timestamp::new(occurred_at), body })
    }
}
