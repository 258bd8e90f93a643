//! Bodies that change a profile.

use frontdesk_kernel::Patch;
use frontdesk_profile::channels::ChannelsPatch;
use frontdesk_profile::preferences::PreferencesPatch;
use frontdesk_profile::profile::{AvatarUrls, ProfilePatch};
use frontdesk_profile::{AvatarUrl, FieldError, FieldText};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::config::PublicUrl;
use crate::error::ApiError;
use crate::input::{Fields, Unknown};

/// The fields that v1 shows and nobody sets.
const READ_ONLY: &[&str] = &["id", "user_id", "shown_name", "email_verified", "created_at", "updated_at", "version"];

/// A change of a profile: an absent field keeps its value, `null` clears it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `profile_patch` reads; a test compares the two")]
pub(crate) struct ProfileChanges {
    /// 3 to 32 of `[A-Za-z0-9_.-]`, unique without regard to case; cannot be null.
    #[schema(value_type = String, required = false)]
    username: Option<String>,
    #[schema(max_length = 100)]
    display_name: Option<String>,
    #[schema(max_length = 100)]
    first_name: Option<String>,
    #[schema(max_length = 100)]
    last_name: Option<String>,
    /// A contact; a new one is unverified.
    #[schema(max_length = 255)]
    email: Option<String>,
    /// E.164 after spaces and dashes are dropped.
    #[schema(max_length = 20)]
    phone: Option<String>,
    #[schema(max_length = 2000)]
    bio: Option<String>,
    #[schema(max_length = 200)]
    company: Option<String>,
    #[schema(max_length = 200)]
    job_title: Option<String>,
    #[schema(max_length = 200)]
    location: Option<String>,
    /// Absolute http or https URL.
    #[schema(max_length = 2048)]
    website: Option<String>,
    #[schema(max_length = 100)]
    linkedin_username: Option<String>,
    #[schema(max_length = 100)]
    github_username: Option<String>,
    #[schema(max_length = 100)]
    twitter_username: Option<String>,
    /// An http or https URL, or a path that this service gave out.
    #[schema(max_length = 2048)]
    avatar_url: Option<String>,
    /// Replaced whole.
    avatar_urls: Option<AvatarUrlsChange>,
    /// IANA name; null means UTC.
    timezone: Option<String>,
    /// BCP 47, at most 10 characters; null means en.
    #[schema(max_length = 10)]
    language: Option<String>,
    public_profile: Option<bool>,
    email_notifications: Option<bool>,
    marketing_emails: Option<bool>,
    /// Merged deeply; at most 16 KiB in all.
    #[schema(value_type = Option<Object>)]
    preferences: Option<Value>,
}

/// Picture URLs by size.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `avatar_urls` reads")]
pub(crate) struct AvatarUrlsChange {
    thumbnail: Option<String>,
    small: Option<String>,
    medium: Option<String>,
    large: Option<String>,
}

/// A change from the iOS app.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `mobile_patch` reads")]
pub(crate) struct MobileChanges {
    #[schema(max_length = 100)]
    display_name: Option<String>,
    /// Merged deeply.
    #[schema(value_type = Option<Object>)]
    preferences: Option<Value>,
    notification_settings: Option<ChannelsChange>,
}

/// A change of the notification channels.
#[derive(ToSchema)]
#[expect(dead_code, clippy::struct_field_names, reason = "describes what `channels` reads, named as on the wire")]
pub(crate) struct ChannelsChange {
    email_enabled: Option<bool>,
    push_enabled: Option<bool>,
    sms_enabled: Option<bool>,
}

/// A new name from the first iOS app: one of these.
#[derive(ToSchema)]
#[expect(dead_code, non_snake_case, reason = "describes what `name_patch` reads, spelled as clients send it")]
pub(crate) struct NameChange {
    display_name: Option<String>,
    displayName: Option<String>,
    name: Option<String>,
    user_name: Option<String>,
    userName: Option<String>,
    username: Option<String>,
}

fn url(value: &Value) -> Result<Option<AvatarUrl>, FieldError> {
    match value {
        Value::Null => Ok(None),
        Value::String(typed) if typed.trim().is_empty() => Ok(None),
        Value::String(typed) => AvatarUrl::parse(typed).map(Some),
        _ => Err(FieldError::new("must be text")),
    }
}

fn avatar_urls(value: Value, unknown: Unknown) -> Result<AvatarUrls, Vec<(String, FieldError)>> {
    let Value::Object(object) = value else {
        return Err(vec![(String::new(), FieldError::new("must be an object"))]);
    };
    let mut urls = AvatarUrls::default();
    let mut errors = Vec::new();
    for (size, value) in object {
        let slot = match size.as_str() {
            "thumbnail" => &mut urls.thumbnail,
            "small" => &mut urls.small,
            "medium" => &mut urls.medium,
            "large" => &mut urls.large,
            _ if unknown == Unknown::Ignore => continue,
            _ => {
                let sizes = FieldError::new("has only the keys thumbnail, small, medium, large").found(&size);
                errors.push((String::new(), sizes));
                continue;
            }
        };
        match url(&value) {
            Ok(url) => *slot = url,
            Err(error) => errors.push((size, error)),
        }
    }
    if errors.is_empty() { Ok(urls) } else { Err(errors) }
}

fn preferences(value: Value) -> Result<PreferencesPatch, Vec<(String, FieldError)>> {
    match value {
        Value::Object(object) => PreferencesPatch::parse(object),
        _ => Err(vec![(String::new(), FieldError::new("must be an object"))]),
    }
}

/// Reads a change of a profile. Pictures of our own are stored by their paths, however they were shown.
pub(crate) fn profile_patch(
    mut object: Map<String, Value>,
    unknown: Unknown,
    public: &PublicUrl,
) -> Result<ProfilePatch, ApiError> {
    public.store(&mut object);
    let mut fields = Fields::new(object, unknown);
    let patch = ProfilePatch {
        username: fields.replaceable("username"),
        display_name: fields.nullable("display_name"),
        first_name: fields.nullable("first_name"),
        last_name: fields.nullable("last_name"),
        email: fields.nullable("email"),
        phone: fields.nullable("phone"),
        bio: fields.nullable("bio"),
        company: fields.nullable("company"),
        job_title: fields.nullable("job_title"),
        location: fields.nullable("location"),
        website: fields.nullable("website"),
        linkedin_username: fields.nullable("linkedin_username"),
        github_username: fields.nullable("github_username"),
        twitter_username: fields.nullable("twitter_username"),
        avatar_url: fields.nullable("avatar_url"),
        avatar_urls: fields.with("avatar_urls", |value| avatar_urls(value, unknown)),
        timezone: fields.defaulted("timezone"),
        language: fields.defaulted("language"),
        public_profile: fields.switch("public_profile"),
        email_notifications: fields.switch("email_notifications"),
        marketing_emails: fields.switch("marketing_emails"),
        preferences: fields.with("preferences", preferences),
    };
    fields.finish(READ_ONLY)?;
    Ok(patch)
}

fn channels(value: Value) -> Result<ChannelsPatch, Vec<(String, FieldError)>> {
    let Value::Object(mut object) = value else {
        return Err(vec![(String::new(), FieldError::new("must be an object"))]);
    };
    let mut errors = Vec::new();
    let mut switch = |name: &str| match object.remove(name) {
        None => Patch::Keep,
        Some(Value::Null) => Patch::Clear,
        Some(Value::Bool(on)) => Patch::Set(on),
        Some(_) => {
            errors.push((name.to_owned(), FieldError::new("must be true or false")));
            Patch::Keep
        }
    };
    let (email_enabled, push_enabled) = (switch("email_enabled"), switch("push_enabled"));
    let patch = ChannelsPatch { email_enabled, push_enabled, sms_enabled: switch("sms_enabled") };
    if errors.is_empty() { Ok(patch) } else { Err(errors) }
}

/// Reads a change from the iOS app.
pub(crate) fn mobile_patch(object: Map<String, Value>) -> Result<(ProfilePatch, ChannelsPatch), ApiError> {
    let mut fields = Fields::new(object, Unknown::Ignore);
    let channels = fields.with("notification_settings", channels);
    let patch = ProfilePatch {
        display_name: fields.nullable("display_name"),
        preferences: fields.with("preferences", preferences),
        ..ProfilePatch::default()
    };
    fields.finish(&[])?;
    // `null` takes all three back to their defaults.
    let cleared = || {
        let (email_enabled, push_enabled, sms_enabled) = (Patch::Clear, Patch::Clear, Patch::Clear);
        ChannelsPatch { email_enabled, push_enabled, sms_enabled }
    };
    let channels = channels.over_or(ChannelsPatch::default(), cleared);
    Ok((patch, channels))
}

/// Reads a new name, under whichever of its names a client sends it.
pub(crate) fn name_patch(object: Map<String, Value>) -> Result<ProfilePatch, ApiError> {
    const ALIASES: [&str; 6] = ["display_name", "displayName", "name", "user_name", "userName", "username"];
    let Some(alias) = ALIASES.into_iter().find(|alias| object.contains_key(*alias)) else {
        return Err(ApiError::field("display_name", "is required"));
    };
    let mut fields = Fields::new(object, Unknown::Ignore);
    let patch = ProfilePatch { display_name: fields.nullable(alias), ..ProfilePatch::default() };
    fields.finish(&[])?;
    Ok(patch)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::PartialSchema as _;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn every_described_field_is_read_and_no_other() {
        let schema = serde_json::to_value(ProfileChanges::schema()).unwrap();
        for name in schema["properties"].as_object().unwrap().keys() {
            let error =
                profile_patch(object(json!({ name: [[]] })), Unknown::Refuse, &PublicUrl::default()).unwrap_err();
            let message = error.details["fields"].to_string();
            assert!(!message.contains("not a known field"), "{name}: {message}");
        }
    }

    #[test]
    fn unknown_sizes_are_told_on_v1_and_dropped_elsewhere() {
        let body = || object(json!({ "avatar_urls": { "huge": "https://a.test/x" } }));
        assert!(profile_patch(body(), Unknown::Refuse, &PublicUrl::default()).is_err());
        let patch = profile_patch(body(), Unknown::Ignore, &PublicUrl::default()).unwrap();
        assert_eq!(patch.avatar_urls, Patch::Set(AvatarUrls::default()));
    }

    #[test]
    fn an_error_inside_an_object_names_its_path() {
        let body =
            object(json!({ "avatar_urls": { "small": "javascript:x" }, "preferences": { "voice_preference": 1 } }));
        let error = profile_patch(body, Unknown::Refuse, &PublicUrl::default()).unwrap_err();
        let fields: Vec<_> = error.details["fields"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields, ["avatar_urls.small", "preferences.voice_preference"]);
    }

    #[test]
    fn a_name_is_found_under_each_of_its_names() {
        for alias in ["display_name", "displayName", "name", "user_name", "userName", "username"] {
            let patch = name_patch(object(json!({ alias: "Ada" }))).unwrap();
            assert!(matches!(patch.display_name, Patch::Set(name) if name.as_str() == "Ada"), "{alias}");
        }
        assert!(name_patch(object(json!({ "nom": "Ada" }))).is_err());
    }
}
