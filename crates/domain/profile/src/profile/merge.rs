//! What becomes of each field, and which of them differ.

use frontdesk_kernel::Patch;

use super::{Profile, ProfilePatch};
use crate::preferences::Preferences;
use crate::{FieldError, Language, Timezone};

/// Puts a change over a profile, field by field. Version and time are left to the caller.
pub(super) fn merge(stored: &Profile, patch: ProfilePatch) -> Result<Profile, FieldError> {
    let ProfilePatch {
        username,
        display_name,
        first_name,
        last_name,
        email,
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
    } = patch;
    let old = stored.clone();
    let email = email.over(old.email);
    Ok(Profile {
        id: old.id,
        username: username.or(old.username),
        display_name: display_name.over(old.display_name),
        first_name: first_name.over(old.first_name),
        last_name: last_name.over(old.last_name),
        email_verified: old.email_verified && email == stored.email,
        email,
        phone: phone.over(old.phone),
        bio: bio.over(old.bio),
        company: company.over(old.company),
        job_title: job_title.over(old.job_title),
        location: location.over(old.location),
        website: website.over(old.website),
        linkedin_username: linkedin_username.over(old.linkedin_username),
        github_username: github_username.over(old.github_username),
        twitter_username: twitter_username.over(old.twitter_username),
        avatar_url: avatar_url.over(old.avatar_url),
        avatar_urls: avatar_urls.over(old.avatar_urls).filter(|urls| !urls.is_empty()),
        timezone: timezone.over_or(old.timezone, Timezone::default),
        language: language.over_or(old.language, Language::default),
        public_profile: public_profile.over_or(old.public_profile, || false),
        email_notifications: email_notifications.over_or(old.email_notifications, || true),
        marketing_emails: marketing_emails.over_or(old.marketing_emails, || false),
        preferences: match preferences {
            Patch::Keep => old.preferences,
            Patch::Clear => Preferences::default(),
            Patch::Set(patch) => old.preferences.merged(&patch)?,
        },
        created_at: old.created_at,
        updated_at: old.updated_at,
        version: old.version,
    })
}

/// The names of the fields that differ, in the order of the contract. Exhaustive by its patterns: a new field does
/// not compile until somebody says whether a change of it is told.
pub(super) fn changed_fields(old: &Profile, new: &Profile) -> Vec<&'static str> {
    macro_rules! differing {
        ($($field:ident),* ; $($silent:ident),*) => {{
            let Profile { $($field: _,)* $($silent: _,)* } = new;
            let differs = [$((stringify!($field), old.$field != new.$field)),*];
            differs.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
        }};
    }
    differing!(
        username, display_name, first_name, last_name, email, email_verified, phone, bio, company, job_title,
        location, website, linkedin_username, github_username, twitter_username, avatar_url, avatar_urls, timezone,
        language, public_profile, email_notifications, marketing_emails, preferences;
        id, created_at, updated_at, version
    )
}
