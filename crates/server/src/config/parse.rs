//! Values from text. An error says what would be right, and never repeats the text: the caller knows whether it may
//! be shown.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use frontdesk_auth::{MIN_SECRET_BYTES, check_signing_keys};
#[cfg(feature = "redis")]
use frontdesk_bus::RedisUrl;
use frontdesk_http::{MalformedPublicUrl, OriginPattern, PublicUrl};
use ipnet::IpNet;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;
use url::Url;

const DAY: u64 = 24 * 60 * 60;
const LONGEST: Duration = Duration::from_secs(30 * DAY);

/// Reads `90s`, `60m`, `24h` or `30d`; one second to thirty days.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a whole number with its unit: 90s, 60m, 24h or 30d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let scale = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => DAY,
        _ => return Err(wrong()),
    };
    let digits = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let count = digits.and_then(|digits| digits.parse::<u64>().ok()).ok_or_else(wrong)?;
    let duration = Duration::from_secs(count.saturating_mul(scale));
    if duration.is_zero() || duration > LONGEST {
        return Err("must be 1s to 30d".to_owned());
    }
    Ok(duration)
}

/// Reads `true` or `false`.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// Reads one of a few words.
pub(super) fn choice<T: Copy>(options: &'static [(&'static str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let found = options.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let words: Vec<_> = options.iter().map(|(word, _)| *word).collect();
            format!("must be one of {}", words.join(", "))
        })
    }
}

/// Reads a whole number between two others, both included.
pub(super) fn number<T>(least: T, most: T) -> impl Fn(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    move |text| {
        let number = text.parse().ok().filter(|number| (&least..=&most).contains(&number));
        number.ok_or_else(|| format!("must be a whole number from {least} to {most}"))
    }
}

/// Reads a comma-separated list; empty items are skipped.
pub(super) fn list<T>(item: impl Fn(&str) -> Result<T, String>) -> impl Fn(&str) -> Result<Vec<T>, String> {
    move |text| text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(&item).collect()
}

/// Reads an address (IPv6 with or without brackets) or a host name.
pub(super) fn host(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let is_name = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    if bare.parse::<IpAddr>().is_ok() || is_name {
        Ok(bare.to_owned())
    } else {
        Err("must be an address or a host name, without a port".to_owned())
    }
}

/// Reads a network, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| format!("must be networks or addresses, and {text:?} is neither"))
}

/// Reads an origin, or a pattern of origins.
pub(super) fn origin(text: &str) -> Result<OriginPattern, String> {
    text.parse().map_err(|error| format!("must be origins, and {text:?} is none: {error}"))
}

/// Reads the path of a file or a directory.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.chars().any(char::is_control) {
        return Err("must be a path without control characters".to_owned());
    }
    Ok(text.into())
}

/// Reads where clients reach the server.
pub(super) fn public_url(text: &str) -> Result<PublicUrl, String> {
    text.parse().map_err(|error: MalformedPublicUrl| error.to_string())
}

/// Reads the URL of a database.
pub(super) fn database_url(text: &str) -> Result<SecretString, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "postgres" | "postgresql") => Ok(text.into()),
        _ => Err("is not a URL that begins with postgres://".to_owned()),
    }
}

/// Reads the URL of a Redis.
#[cfg(feature = "redis")]
pub(super) fn redis_url(text: &str) -> Result<RedisUrl, String> {
    RedisUrl::parse(text).map_err(|error| format!("is {error}"))
}

/// Reads a secret that signs.
pub(super) fn signing_secret(text: &str) -> Result<SecretString, String> {
    if text.len() < MIN_SECRET_BYTES {
        return Err(format!("is {} bytes long: at least {MIN_SECRET_BYTES} are needed", text.len()));
    }
    Ok(text.into())
}

/// Reads the file of keys that sign. Says what is wrong with it, and nothing of what is in it.
pub(super) fn signing_keys(path: &str) -> Result<SecretString, String> {
    let pem = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    check_signing_keys(&pem).map_err(|error| error.to_string())?;
    Ok(pem.into())
}

/// Reads a name that goes into every token.
pub(super) fn name(text: &str) -> Result<String, String> {
    if text.len() > 255 || text.chars().any(char::is_control) {
        return Err("must be 1 to 255 bytes without control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads log directives.
pub(super) fn directives(text: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("must be tracing directives: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_with_their_unit() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("60m"), Ok(3_600));
        assert_eq!(seconds("24h"), Ok(86_400));
        assert_eq!(seconds("30d"), Ok(2_592_000));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "s", "90", "-1s", "+1s", "1.5h", "1 h", "1w", "0s", "31d", "1é", "99999999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("18446744073709551615d").is_err());
    }

    #[test]
    fn hosts_are_addresses_or_names() {
        assert_eq!(host("[::1]").unwrap(), "::1");
        assert_eq!(host("::").unwrap(), "::");
        assert_eq!(host("localhost").unwrap(), "localhost");
        for text in ["localhost:80", "http://a", "a b", "[]"] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        assert_eq!(network("10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert!(network("10.0.0.0/33").is_err());
    }

    #[test]
    fn lists_forgive_white_space_and_a_last_comma() {
        assert_eq!(list(number(0, 9))(" 1, 2 ,"), Ok(vec![1, 2]));
    }
}
