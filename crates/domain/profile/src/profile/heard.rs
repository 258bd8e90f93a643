//! What others hear of a change.

use super::Profile;

/// Every field whose change is told, in the order of the contract.
pub const TOLD_FIELDS: [&str; 23] = [
    "username",
    "display_name",
    "first_name",
    "last_name",
    "email",
    "email_verified",
    "phone",
    "bio",
    "company",
    "job_title",
    "location",
    "website",
    "linkedin_username",
    "github_username",
    "twitter_username",
    "avatar_url",
    "avatar_urls",
    "timezone",
    "language",
    "public_profile",
    "email_notifications",
    "marketing_emails",
    "preferences",
];

/// Which public fields others see differently after a change of the fields in `changed`, in the order of the contract.
///
/// `profile` is the profile now. A name that shows through counts as the shown name. What a user tells about themselves
/// counts where the profile is public, or was until this change: then all of it is gone from what others see, also what
/// was emptied meanwhile.
pub fn heard_by_others(profile: &Profile, changed: &[String]) -> Vec<&'static str> {
    let has_changed = |field: &str| changed.iter().any(|name| name == field);
    let is_disclosed = has_changed("public_profile");
    let is_seen = |field: &str, is_empty: bool| {
        let is_other = has_changed(field) || (is_disclosed && !(is_empty && profile.public_profile));
        (profile.public_profile || is_disclosed) && is_other
    };
    let is_heard = |field: &str| match field {
        "username" | "avatar_url" | "avatar_urls" => has_changed(field),
        "display_name" => has_changed(field) || shows_through(profile, &has_changed),
        "bio" => is_seen(field, profile.bio.is_none()),
        "company" => is_seen(field, profile.company.is_none()),
        "job_title" => is_seen(field, profile.job_title.is_none()),
        "location" => is_seen(field, profile.location.is_none()),
        "website" => is_seen(field, profile.website.is_none()),
        "linkedin_username" => is_seen(field, profile.linkedin_username.is_none()),
        "github_username" => is_seen(field, profile.github_username.is_none()),
        "twitter_username" => is_seen(field, profile.twitter_username.is_none()),
        _ => false,
    };
    TOLD_FIELDS.into_iter().filter(|field| is_heard(field)).collect()
}

/// Whether the shown name came of another name that has changed: see [`Profile::shown_name`].
fn shows_through(profile: &Profile, has_changed: &impl Fn(&str) -> bool) -> bool {
    if profile.display_name.is_some() {
        return false;
    }
    let has_names = profile.first_name.is_some() || profile.last_name.is_some();
    has_changed("first_name") || has_changed("last_name") || (!has_names && has_changed("username"))
}

#[cfg(test)]
mod tests {
    use frontdesk_kernel::{Timestamp, UserId};
    use serde_json::{Map, Value};
    use uuid::Uuid;

    use super::*;
    use crate::preferences::Preferences;
    use crate::profile::AvatarUrls;
    use crate::profile::merge::changed_fields;
    use crate::{FieldText, Line, Username};

    fn parsed<T: FieldText>(text: &str) -> Option<T> {
        T::parse(text).ok()
    }

    fn profile() -> Profile {
        let now = Timestamp::from_unix_seconds(0).unwrap();
        Profile::new(UserId::new(Uuid::nil()), parsed::<Username>("ada"), now)
    }

    fn heard(profile: &Profile, changed: &[&str]) -> Vec<&'static str> {
        let changed: Vec<_> = changed.iter().map(|name| (*name).to_owned()).collect();
        heard_by_others(profile, &changed)
    }

    #[test]
    fn the_told_fields_are_all_that_a_change_can_name() {
        let old = profile();
        let other = Profile {
            username: parsed("bob"),
            display_name: parsed("Bob"),
            first_name: parsed("Bob"),
            last_name: parsed("B"),
            email: parsed("bob@example.com"),
            email_verified: true,
            phone: parsed("+4915112345678"),
            bio: parsed("b"),
            company: parsed("b"),
            job_title: parsed("b"),
            location: parsed("b"),
            website: parsed("https://b.test"),
            linkedin_username: parsed("bob"),
            github_username: parsed("bob"),
            twitter_username: parsed("bob"),
            avatar_url: parsed("https://b.test/a.png"),
            avatar_urls: Some(AvatarUrls::default()),
            timezone: parsed("Europe/Berlin").unwrap(),
            language: parsed("de").unwrap(),
            public_profile: !old.public_profile,
            email_notifications: !old.email_notifications,
            marketing_emails: !old.marketing_emails,
            preferences: Preferences::from_stored(Map::from_iter([("x".to_owned(), Value::Null)])),
            ..old.clone()
        };
        assert_eq!(changed_fields(&old, &other), TOLD_FIELDS);
    }

    #[test]
    fn private_fields_are_heard_by_nobody_else() {
        let private =
            ["email", "phone", "timezone", "language", "email_notifications", "marketing_emails", "preferences"];
        assert!(heard(&Profile { public_profile: true, ..profile() }, &private).is_empty());
    }

    #[test]
    fn what_a_user_tells_is_heard_while_the_profile_is_public() {
        assert!(heard(&profile(), &["bio", "company"]).is_empty());
        let public = Profile { public_profile: true, ..profile() };
        assert_eq!(heard(&public, &["bio", "company", "email"]), ["bio", "company"]);
    }

    #[test]
    fn names_and_pictures_are_always_heard() {
        let names = ["username", "display_name", "avatar_url", "avatar_urls"];
        assert_eq!(heard(&profile(), &names), names);
    }

    #[test]
    fn a_name_that_shows_through_is_the_shown_name() {
        let named = Profile { first_name: parsed::<Line<100>>("Ada"), ..profile() };
        assert_eq!(heard(&named, &["first_name"]), ["display_name"]);
        // The last name that was taken away leaves another one to be shown.
        assert_eq!(heard(&profile(), &["last_name"]), ["display_name"]);
        assert_eq!(heard(&profile(), &["username"]), ["username", "display_name"]);
        assert_eq!(heard(&named, &["username"]), ["username"]);
    }

    #[test]
    fn a_name_behind_the_display_name_is_not_heard() {
        let shown = Profile { display_name: parsed::<Line<100>>("Countess"), ..profile() };
        assert!(heard(&shown, &["first_name", "last_name"]).is_empty());
    }

    #[test]
    fn a_profile_that_opens_or_closes_changes_what_there_is_to_see() {
        let opened = Profile { bio: parsed("b"), public_profile: true, ..profile() };
        assert_eq!(heard(&opened, &["public_profile"]), ["bio"]);
        assert_eq!(heard(&opened, &["company", "public_profile"]), ["bio", "company"]);
        assert!(heard(&Profile { public_profile: true, ..profile() }, &["public_profile"]).is_empty());
        // What was emptied before somebody asks was told to nobody: the profile was closed by then.
        let all = ["bio", "company", "job_title", "location", "website"];
        assert_eq!(heard(&profile(), &["public_profile"])[..5], all);
    }
}
