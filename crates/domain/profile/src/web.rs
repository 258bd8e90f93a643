//! E-mail addresses and URLs. Both are contacts to show: nothing here is ever fetched or written to by these rules.

use std::net::IpAddr;

use frontdesk_kernel::UserId;

use crate::avatar::PicturePath;
use crate::field::{FieldError, field_text};

/// What may stand unquoted in a local part (RFC 5322, `atext`), beside dots.
fn is_atext(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character)
}

/// Letters, digits and inner hyphens, 63 at most (RFC 1035). Other scripts' letters are taken as they are.
fn is_label(label: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || (!c.is_ascii() && c.is_alphanumeric());
    (1..=63).contains(&label.chars().count())
        && label.chars().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_domain(domain: &str) -> bool {
    domain.len() <= 253 && domain.split('.').all(is_label)
}

/// A dot-atom, an at sign and a domain with at least one dot. Quoted local parts and address literals are valid in
/// RFC 5321, deliver nowhere in practice and are how header injection begins, so they are refused.
fn email(typed: &str) -> Result<String, FieldError> {
    let address = typed.trim();
    let well_formed = address.split_once('@').is_some_and(|(local, domain)| {
        local.len() <= 64
            && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
            && domain.contains('.')
            && domain.is_ascii()
            && is_domain(domain)
    });
    // A percent sign is an old way to route through a relay, and here only ever an escape that somebody forgot.
    if well_formed && address.len() <= 255 && !address.contains('%') {
        return Ok(address.to_owned());
    }
    Err(FieldError::new("must be an e-mail address of at most 255 characters, like ada@example.com").found(address))
}

const URL_RULE: &str = "must be an http or https URL";
const URL_MAX: usize = 2_048;

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_link_local()),
    }
}

/// A host name, an IPv4 address or a bracketed IPv6 address. Link-local addresses are no website: one stands for
/// the metadata service of whatever machine follows the link.
fn is_host(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse().is_ok_and(|address| !is_link_local(IpAddr::V6(address)));
    }
    if let Ok(address) = host.parse() {
        return !is_link_local(IpAddr::V4(address));
    }
    is_domain(host.strip_suffix('.').unwrap_or(host))
}

fn is_authority(authority: &str) -> bool {
    let after_brackets = authority.rfind(']').map_or(0, |at| at + 1);
    let Some((_, tail)) = authority.split_at_checked(after_brackets) else { return false };
    let (host, port) = match tail.rfind(':').and_then(|colon| authority.split_at_checked(after_brackets + colon)) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
        None => (authority, "80"),
    };
    is_host(host)
        && !port.is_empty()
        && port.len() <= 5
        && port.bytes().all(|b| b.is_ascii_digit())
        && port.parse::<u16>().is_ok()
}

fn has_url_characters_only(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || c.is_whitespace() || "\\<>\"^`{|}".contains(c))
}

fn is_http_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        && has_url_characters_only(url)
        && is_authority(authority)
}

fn url_length(url: &str) -> Result<(), FieldError> {
    let length = url.chars().count();
    if length > URL_MAX {
        return Err(FieldError::new(format!("must be at most {URL_MAX} characters long; it has {length}")));
    }
    Ok(())
}

fn web_url(typed: &str) -> Result<String, FieldError> {
    let url = typed.trim();
    url_length(url)?;
    if is_http_url(url) { Ok(url.to_owned()) } else { Err(FieldError::new(URL_RULE).found(url)) }
}

/// The beginning of every path of a picture.
const AVATARS: &str = "/avatars/";

/// The paths that this service gives out for uploaded pictures: clients send them back with the next update.
fn is_own_avatar_path(path: &str) -> bool {
    path.strip_prefix(AVATARS).is_some_and(|rest| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        rest.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed))
    })
}

fn avatar_url(typed: &str) -> Result<String, FieldError> {
    let url = typed.trim();
    url_length(url)?;
    if is_own_avatar_path(url) { Ok(url.to_owned()) } else { web_url(url) }
}

field_text! {
    /// A contact address of at most 255 characters.
    Email, email
}
field_text! {
    /// An absolute `http` or `https` URL of at most 2,048 characters, without user or password in it.
    WebUrl, web_url
}
field_text! {
    /// A [`WebUrl`], or a path below `/avatars/` that this service gave out.
    AvatarUrl, avatar_url
}

impl AvatarUrl {
    /// The file it names, where that is one of this user's own; also by a URL of any host, since this service may have
    /// moved.
    pub fn picture_of(&self, user: UserId) -> Option<PicturePath> {
        let path = self.0.split(['?', '#']).next()?;
        let path = path.get(path.rfind(AVATARS)?..)?;
        path.parse().ok().filter(|path: &PicturePath| path.user_id == user)
    }
}

impl From<PicturePath> for AvatarUrl {
    fn from(path: PicturePath) -> Self {
        Self(path.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldText;

    #[test]
    fn ordinary_addresses_are_taken() {
        for good in ["alice@example.com", "a.b+c@sub.example.co.uk", "o'neill@example.org", "x@1.example"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn addresses_that_could_inject_or_misroute_are_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in [
            "",
            "a",
            "@b.c",
            "a@",
            "a@b",
            "a@@b.c",
            "a b@c.d",
            "a@b\r\nBcc: x@y.z",
            "a@b%0ABcc:x.y",
            "\"a b\"@x.y",
            "a@[127.0.0.1]",
            "a@b.c.",
            ".a@b.c",
            "a..b@c.d",
            "a\u{FF20}b.c",
            "a@-b.c",
            "a@bücher.example",
            &long,
        ] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn http_urls_are_taken_as_typed() {
        for good in [
            "https://example.com",
            "http://localhost:3000/me.png",
            "HTTPS://Example.com/a?b=c#d",
            "https://ui-avatars.com/api/?name=Alice&background=random",
            "https://[2001:db8::1]:8443/",
            "http://10.0.0.1/x",
            "https://bücher.example/ü",
            "https://example.com.",
        ] {
            assert_eq!(WebUrl::parse(good).map(|url| url.as_str().to_owned()), Ok(good.to_owned()));
        }
    }

    #[test]
    fn urls_that_run_code_or_mislead_are_refused() {
        for bad in [
            "",
            "example.com",
            "//evil.test",
            "javascript:alert(1)",
            "JaVa\tScript:alert(1)",
            "data:text/html,x",
            "https://good\\@evil.test",
            "http://user:pw@host",
            "file:///etc/passwd",
            "http://",
            "http:///x",
            "https://a b.test",
            "http://h:99999",
            "http://h:",
            "http://169.254.169.254/x",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://-a.test",
            "http://a..b",
            "ftp://a.test",
            "http://[::1",
        ] {
            assert!(WebUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_url_of_2049_characters_is_refused() {
        let path = "a".repeat(URL_MAX - "https://e.test/".len());
        assert!(WebUrl::parse(&format!("https://e.test/{path}")).is_ok());
        assert!(WebUrl::parse(&format!("https://e.test/{path}a")).is_err());
    }

    #[test]
    fn an_avatar_may_be_a_path_we_gave_out_and_no_other() {
        assert!(AvatarUrl::parse("/avatars/0190f5fe-7c00-7a00-8000-00000000000a/abc123/medium.jpg").is_ok());
        for bad in ["/avatars/", "/avatars/../x", "/avatars//x", "/etc/passwd", "avatars/x", "/avatars/a%2e"] {
            assert!(AvatarUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
