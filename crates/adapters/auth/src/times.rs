//! When a token is good. The library asks the system's clock; ours is an input.

use std::time::Duration;

use frontdesk_kernel::Timestamp;
use frontdesk_profile::token::{AccessClaims, LEEWAY, MAX_AHEAD};

pub(crate) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Whether a token lives forwards, and not longer than it may.
pub(crate) fn is_short_lived(issued_at: i64, expires_at: i64, longest: Duration) -> bool {
    expires_at.checked_sub(issued_at).is_some_and(|lives| (0..=seconds(longest)).contains(&lives))
}

/// Times that are right at this moment.
pub(crate) fn is_timely(claims: &AccessClaims, not_before: Option<i64>, now: Timestamp) -> bool {
    let now = now.unix_seconds();
    now < claims.expires_at.unix_seconds().saturating_add(seconds(LEEWAY))
        && not_before.is_none_or(|nbf| nbf <= now.saturating_add(seconds(LEEWAY)))
        && claims.issued_at.unix_seconds() <= now.saturating_add(seconds(MAX_AHEAD))
}
