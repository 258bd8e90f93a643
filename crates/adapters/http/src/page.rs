//! Lists: which part of one is asked for, and how it is answered.
//!
//! `limit` and `offset` count; `cursor` goes on after the last row of a page, so that rows that arrive meanwhile
//! neither repeat nor hide one. A cursor is the key of that row, written so that nobody takes it for something to make
//! up.

use std::time::Duration;

use actix_web::HttpRequest;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use frontdesk_kernel::{Listed, Page, SessionId, Timestamp};
use frontdesk_profile::FieldError;
use serde::Serialize;
use serde_json::Map;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::error::ApiError;
use crate::input::{Fields, Unknown};

const DEFAULT_LIMIT: u32 = 50;
const MOST_ROWS: u32 = 100;
const FARTHEST_OFFSET: u32 = 1_000_000;

/// The end of the year 9999, in seconds: later moments are no RFC 3339, and some are none that a store can read.
const LATEST_SECOND: i64 = 253_402_300_799;
const MICROS: i64 = 1_000_000;

/// Describes what [`page`] reads.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `page` reads")]
pub(crate) struct PageParams {
    /// The most rows of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
    /// How many of the newest rows are left out.
    #[param(minimum = 0, maximum = 1_000_000, default = 0)]
    offset: Option<u32>,
    /// `next_cursor` of the page before; not together with `offset`.
    cursor: Option<String>,
}

/// The place of a row in its list.
pub(crate) trait Key: Sized {
    /// As a cursor carries it.
    fn to_bytes(&self) -> Vec<u8>;

    /// Reads it back; `None` where it was not written here.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl Key for (Timestamp, SessionId) {
    fn to_bytes(&self) -> Vec<u8> {
        let micros = self.0.as_datetime().timestamp_micros().to_be_bytes();
        [micros.as_slice(), self.1.as_uuid().as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (micros, id) = bytes.split_first_chunk::<8>()?;
        let micros = i64::from_be_bytes(*micros);
        let seconds = micros.div_euclid(MICROS);
        let whole = Timestamp::from_unix_seconds(seconds).filter(|_| (0..=LATEST_SECOND).contains(&seconds))?;
        let rest = u64::try_from(micros.rem_euclid(MICROS)).ok()?;
        let at = whole + Duration::from_micros(rest);
        Some((at, SessionId::new(Uuid::from_slice(id).ok()?)))
    }
}

fn written(key: &impl Key) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(key.to_bytes())
}

fn read<K: Key>(cursor: &str) -> Option<K> {
    K::from_bytes(&BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?)
}

/// A number of digits and nothing else, in a range.
fn number(typed: &str, least: u32, most: u32) -> Result<u32, FieldError> {
    let number = typed.parse().ok().filter(|_| typed.bytes().all(|digit| digit.is_ascii_digit()));
    let number = number.filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| FieldError::new(format!("must be a whole number from {least} to {most}")).found(typed))
}

/// Reads which part of a list a request asks for. Parameters that are not known are nobody's business.
pub(crate) fn page<K: Key>(request: &HttpRequest) -> Result<Page<K>, ApiError> {
    let mut errors = Fields::new(Map::new(), Unknown::Ignore);
    let (mut limit, mut offset, mut after) = (None, None, None);
    let mut seen = Vec::new();
    for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
        let Some(known) = ["limit", "offset", "cursor"].into_iter().find(|known| *known == name) else { continue };
        if seen.contains(&known) {
            errors.refuse(known, &FieldError::new("must be given once"));
            continue;
        }
        seen.push(known);
        let problem = match known {
            "limit" => number(&value, 1, MOST_ROWS).map(|number| limit = Some(number)).err(),
            "offset" => number(&value, 0, FARTHEST_OFFSET).map(|number| offset = Some(number)).err(),
            _ => {
                after = read::<K>(&value);
                after.is_none().then(|| FieldError::new("must be the next_cursor of a page"))
            }
        };
        if let Some(problem) = problem {
            errors.refuse(known, &problem);
        }
    }
    if seen.contains(&"cursor") && seen.contains(&"offset") {
        errors.refuse("cursor", &FieldError::new("must not come together with offset"));
    }
    errors.finish(&[])?;
    Ok(Page { limit: limit.unwrap_or(DEFAULT_LIMIT), offset: offset.unwrap_or(0), after })
}

/// Where a page stands in its list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Pagination {
    limit: u32,
    offset: u32,
    /// How many rows there are in all.
    total: u64,
    /// Whether rows follow this page.
    has_more: bool,
    /// For `cursor`; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl Pagination {
    /// Describes a page; `key` gives the place of a row.
    pub(crate) fn of<R, K: Key>(page: &Page<K>, listed: &Listed<R>, key: impl Fn(&R) -> K) -> Self {
        let Listed { rows, total, has_more } = listed;
        let last = rows.last().filter(|_| *has_more);
        Self {
            limit: page.limit,
            offset: page.offset,
            total: *total,
            has_more: *has_more,
            next_cursor: last.map(|row| written(&key(row))),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use serde_json::json;

    use super::*;

    type SessionKey = (Timestamp, SessionId);

    fn key(seconds: i64, micros: u64) -> SessionKey {
        let at = Timestamp::from_unix_seconds(seconds).unwrap() + Duration::from_micros(micros);
        (at, SessionId::new(Uuid::from_u128(7)))
    }

    fn asked(query: &str) -> Result<Page<SessionKey>, ApiError> {
        page(&TestRequest::with_uri(&format!("/?{query}")).to_http_request())
    }

    fn refused(query: &str) -> Vec<String> {
        let fields = asked(query).unwrap_err().details["fields"].clone();
        fields.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for key in [key(0, 0), key(1_700_000_000, 123_456), key(LATEST_SECOND, 999_999)] {
            assert_eq!(asked(&format!("cursor={}", written(&key))).unwrap().after, Some(key));
        }
    }

    #[test]
    fn a_cursor_that_was_not_written_here_is_refused() {
        let at = |micros: i64| BASE64_URL_SAFE_NO_PAD.encode([&micros.to_be_bytes()[..], &[0; 16]].concat());
        let good = written(&key(0, 0));
        for cursor in [
            "",
            "x",
            "%00",
            good.trim_start_matches('A'),
            &format!("{good}AAAA"),
            &format!("{good}=="),
            &at(-1),
            &at(i64::MAX),
        ] {
            assert_eq!(refused(&format!("cursor={cursor}")), ["cursor"], "{cursor}");
        }
    }

    #[test]
    fn numbers_outside_their_range_are_refused_by_name() {
        for query in ["limit=0", "limit=101", "limit=-1", "limit=", "limit=x", "limit=%2B5", "limit=1.5"] {
            assert_eq!(refused(query), ["limit"], "{query}");
        }
        for query in ["offset=-1", "offset=1000001", "offset=2147483648", "offset=9223372036854775808"] {
            assert_eq!(refused(query), ["offset"], "{query}");
        }
        assert_eq!(refused("limit=0&offset=x&cursor=!"), ["cursor", "limit", "offset"]);
    }

    #[test]
    fn a_known_parameter_comes_once_and_others_are_ignored() {
        assert_eq!(refused("limit=5&limit=5"), ["limit"]);
        let page = asked("limit=5&LIMIT=6&user_id=1&user_id=2&offset=1000000").unwrap();
        assert_eq!((page.limit, page.offset), (5, 1_000_000));
    }

    #[test]
    fn without_parameters_a_page_is_the_newest_fifty() {
        assert_eq!(asked("").unwrap(), Page { limit: 50, offset: 0, after: None });
    }

    #[test]
    fn a_cursor_and_an_offset_contradict_each_other() {
        assert_eq!(refused(&format!("offset=0&cursor={}", written(&key(0, 0)))), ["cursor"]);
    }

    #[test]
    fn the_last_page_leads_nowhere() {
        let page = Page { limit: 1, offset: 0, after: None };
        let mut listed = Listed { rows: vec![key(5, 0)], total: 2, has_more: true };
        assert!(Pagination::of(&page, &listed, |row| *row).next_cursor.is_some());
        listed.has_more = false;
        assert_eq!(json!(Pagination::of(&page, &listed, |row| *row))["next_cursor"], json!(null));
    }
}
