//! Where this service is reached from outside.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use frontdesk_profile::{AvatarUrl, FieldText as _};
use serde_json::{Map, Value};
use url::Url;

/// The beginning of every path of a picture.
const AVATARS: &str = "/avatars/";

/// The URL in front of our paths; without one, paths are shown as they are stored.
///
/// What is stored is the path, so that a service that moves takes its pictures along.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// As clients see a URL or a path that is stored. Nobody else's URL is touched.
    pub fn shown<'a>(&self, stored: &'a str) -> Cow<'a, str> {
        if !self.0.is_empty() && stored.starts_with(AVATARS) {
            return Cow::Owned(format!("{}{stored}", self.0));
        }
        Cow::Borrowed(stored)
    }

    /// As it is stored, what a client sends: one of our own pictures by its path.
    pub fn stored<'a>(&self, typed: &'a str) -> &'a str {
        let path = typed.trim().strip_prefix(&self.0).filter(|path| path.starts_with(AVATARS));
        path.filter(|path| !self.0.is_empty() && AvatarUrl::parse(path).is_ok()).unwrap_or(typed)
    }

    /// The origin of the pages that are served there (RFC 6454); nothing where there is no such URL.
    pub(crate) fn origin(&self) -> Option<String> {
        Url::parse(&self.0).ok().map(|url| url.origin().ascii_serialization())
    }

    /// Takes the fields of a body that hold pictures to what is stored.
    pub(crate) fn store(&self, body: &mut Map<String, Value>) {
        let sizes = body.get_mut("avatar_urls").and_then(Value::as_object_mut);
        sizes.into_iter().flat_map(Map::values_mut).for_each(|url| self.store_value(url));
        body.get_mut("avatar_url").into_iter().for_each(|url| self.store_value(url));
    }

    fn store_value(&self, value: &mut Value) {
        if let Some(path) = value.as_str().map(|typed| self.stored(typed).to_owned()) {
            *value = Value::String(path);
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A URL that cannot stand in front of a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an http or https URL with neither user, query nor fragment, like https://accounts.example.com")]
pub struct MalformedPublicUrl;

impl FromStr for PublicUrl {
    type Err = MalformedPublicUrl;

    fn from_str(text: &str) -> Result<Self, MalformedPublicUrl> {
        let url = Url::parse(text).map_err(|_| MalformedPublicUrl)?;
        let is_plain = url.username().is_empty() && url.password().is_none() && !text.contains(['?', '#', '@', '\\']);
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host() && text.contains("://");
        // What stands in front of a path has to be a URL that a profile may hold.
        let shown = url.as_str().trim_end_matches('/').to_owned();
        if is_web && is_plain && AvatarUrl::parse(&shown).is_ok() { Ok(Self(shown)) } else { Err(MalformedPublicUrl) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PATH: &str = "/avatars/0190f5fe-7c00-7a00-8000-00000000000a/00112233445566778899aabbccddeeff/medium.jpg";

    fn public(text: &str) -> PublicUrl {
        text.parse().unwrap()
    }

    #[test]
    fn our_paths_are_shown_behind_it_and_nothing_else_is() {
        assert_eq!(public("https://a.test").shown(PATH), format!("https://a.test{PATH}"));
        assert_eq!(public("https://a.test/id/").shown(PATH), format!("https://a.test/id{PATH}"));
        for other in ["https://b.test/avatars/x", "/other", ""] {
            assert_eq!(public("https://a.test").shown(other), other);
        }
        assert_eq!(PublicUrl::default().shown(PATH), PATH);
    }

    #[test]
    fn what_was_shown_is_stored_as_it_was() {
        for url in [PublicUrl::default(), public("https://a.test"), public("http://[::1]:8080/id")] {
            for stored in [PATH, "/avatars/x/y.png", "https://b.test/avatars/x"] {
                assert_eq!(url.stored(&url.shown(stored)), stored, "{url}");
            }
        }
        assert_eq!(public("https://a.test").stored(&format!(" https://a.test{PATH} ")), PATH);
    }

    #[test]
    fn what_is_no_path_of_ours_is_stored_as_typed() {
        for typed in [
            "https://a.test/avatars/",
            "https://a.test/avatars/../x",
            "https://a.test/avatars/x?y",
            "https://a.test.evil.test/avatars/x",
            "https://a.test/other",
            "/avatars/x",
            "x",
        ] {
            assert_eq!(public("https://a.test").stored(typed), typed);
        }
    }

    #[test]
    fn every_picture_of_a_body_is_found() {
        let shown = format!("https://a.test{PATH}");
        let mut body = json!({ "avatar_url": shown, "avatar_urls": { "small": shown, "large": null }, "bio": shown });
        public("https://a.test").store(body.as_object_mut().unwrap());
        let stored = json!({ "avatar_url": PATH, "avatar_urls": { "small": PATH, "large": null }, "bio": shown });
        assert_eq!(body, stored);
    }

    #[test]
    fn its_origin_has_no_path() {
        assert_eq!(public("https://A.test:8443/id/").origin().as_deref(), Some("https://a.test:8443"));
        assert_eq!(public("https://a.test:443").origin().as_deref(), Some("https://a.test"));
        assert_eq!(PublicUrl::default().origin(), None);
    }

    #[test]
    fn what_cannot_stand_before_a_path_is_refused() {
        assert_eq!(public("HTTPS://A.test:443/").to_string(), "https://a.test");
        for text in [
            "",
            "a.test",
            "/avatars",
            "ftp://a.test",
            "https:a.test",
            "https://",
            "https://u@a.test",
            "https://u:p@a.test",
            "https://a.test?",
            "https://a.test/#x",
            "javascript:alert(1)",
        ] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }
}
