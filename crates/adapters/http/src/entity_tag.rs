//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110, section 13) over versions.
//!
//! A tag is the version and the last digits of the user's id, `"3-0a1b2c3d"`: `/api/v1/profile` is another resource
//! for every user, and a tag that only said `"3"` would let one user's copy pass for another's.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName};
use frontdesk_kernel::UserId;
use frontdesk_profile::profile::{Precondition, Profile, SeenVersion, View};

fn suffix(user: UserId) -> u32 {
    u32::try_from(user.as_uuid().as_u128() & u128::from(u32::MAX)).unwrap_or_default()
}

/// The tag of a version.
pub(crate) fn of_version(version: i64, user: UserId) -> String {
    format!("\"{version}-{:08x}\"", suffix(user))
}

/// The tag of a whole profile.
pub(crate) fn of_profile(profile: &Profile) -> String {
    of_version(profile.version, profile.id)
}

/// The tag of the mobile copy, which has the channels in it.
pub(crate) fn of_view(view: &View) -> String {
    let channels = view.channels.map_or(0, |channels| channels.version);
    format!("\"{}.{channels}-{:08x}\"", view.profile.version, suffix(view.profile.id))
}

/// The tag of what strangers see.
pub(crate) fn of_public(profile: &Profile) -> String {
    format!("\"p{}-{:08x}\"", profile.version, suffix(profile.id))
}

fn tags(request: &HttpRequest, name: HeaderName) -> Option<Vec<&str>> {
    let mut values = request.headers().get_all(name).peekable();
    values.peek()?;
    Some(values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim).collect())
}

/// Tells whether the caller's copy is the current one, so that 304 is the answer.
pub(crate) fn is_current(request: &HttpRequest, tag: &str) -> bool {
    tags(request, header::IF_NONE_MATCH)
        .is_some_and(|tags| tags.iter().any(|&seen| seen == "*" || seen.strip_prefix("W/").unwrap_or(seen) == tag))
}

/// The version inside a strong tag of this user's. Weak and foreign tags name no version.
fn version_text(tag: &str, user: UserId) -> Option<&str> {
    let (version, owner) = tag.strip_prefix('"')?.strip_suffix('"')?.split_once('-')?;
    (owner == format!("{:08x}", suffix(user))).then_some(version)
}

/// The versions that `If-Match` names, or `None` where it asks nothing (absent, or `*` for what exists).
pub(crate) fn seen_versions(request: &HttpRequest, user: UserId) -> Option<Vec<i64>> {
    let tags = tags(request, header::IF_MATCH).filter(|tags| !tags.contains(&"*"))?;
    Some(tags.into_iter().filter_map(|tag| version_text(tag, user)?.parse().ok()).collect())
}

/// `If-Match` on a profile, as any facade tags it.
pub(crate) fn precondition(request: &HttpRequest, user: UserId) -> Precondition {
    let Some(tags) = tags(request, header::IF_MATCH).filter(|tags| !tags.contains(&"*")) else {
        return Precondition::None;
    };
    let seen = tags.into_iter().filter_map(|tag| {
        let text = version_text(tag, user)?;
        let (profile, channels) = text.split_once('.').map_or((text, None), |(profile, rest)| (profile, Some(rest)));
        let channels = channels.map(str::parse).transpose().ok()?;
        Some(SeenVersion { profile: profile.parse().ok()?, channels })
    });
    Precondition::Seen(seen.collect())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use uuid::Uuid;

    use super::*;

    fn user() -> UserId {
        UserId::new(Uuid::from_u128(0xABCD))
    }

    fn precondition_of(header: &str) -> Precondition {
        precondition(&TestRequest::default().insert_header(("if-match", header)).to_http_request(), user())
    }

    #[test]
    fn a_tag_names_the_version_it_was_made_of() {
        let seen = |profile, channels| Precondition::Seen(vec![SeenVersion { profile, channels }]);
        assert_eq!(precondition_of(&of_version(3, user())), seen(3, None));
        assert_eq!(precondition_of("\"3.2-0000abcd\""), seen(3, Some(2)));
    }

    #[test]
    fn weak_foreign_and_broken_tags_match_nothing() {
        for tag in
            ["W/\"3-0000abcd\"", "\"3-0000abce\"", "\"3\"", "3-0000abcd", "\"x-0000abcd\"", "\"3.-0000abcd\"", ""]
        {
            assert_eq!(precondition_of(tag), Precondition::Seen(vec![]), "{tag}");
        }
    }

    #[test]
    fn a_star_asks_only_that_something_exists() {
        assert_eq!(precondition_of("*"), Precondition::None);
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let tag = of_version(3, user());
        for (header, current) in
            [(tag.clone(), true), (format!("\"x\", W/{tag}"), true), ("*".into(), true), ("\"3\"".into(), false)]
        {
            let request = TestRequest::default().insert_header(("if-none-match", header.clone())).to_http_request();
            assert_eq!(is_current(&request, &tag), current, "{header}");
        }
    }
}
