//! Time as an input.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A moment in UTC with microseconds and nothing finer.
///
/// Postgres keeps microseconds. Were a nanosecond allowed in, the in-memory store would give back a time that
/// Postgres cannot, and a comparison after a round trip would fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Truncates to microseconds.
    pub fn new(at: DateTime<Utc>) -> Self {
        Self(at.trunc_subsecs(6))
    }

    /// Returns the moment, for adapters.
    pub const fn as_datetime(self) -> DateTime<Utc> {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, as in a JWT's `NumericDate` (RFC 7519).
    pub const fn unix_seconds(self) -> i64 {
        self.0.timestamp()
    }

    /// Whole milliseconds since 1970-01-01T00:00:00Z, as in a UUIDv7 (RFC 9562).
    pub const fn unix_millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// The moment `seconds` after 1970-01-01T00:00:00Z, or `None` where the calendar ends.
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        DateTime::from_timestamp(seconds, 0).map(Self)
    }

    /// The time from `earlier` to `self`; zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        (self.0 - earlier.0).to_std().unwrap_or(Duration::ZERO)
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the end of the calendar.
    fn add(self, by: Duration) -> Self {
        let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        Self(self.0.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)).truncated()
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the beginning of the calendar.
    fn sub(self, by: Duration) -> Self {
        let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
        Self(self.0.checked_sub_signed(by).unwrap_or(DateTime::<Utc>::MIN_UTC)).truncated()
    }
}

impl Timestamp {
    fn truncated(self) -> Self {
        Self::new(self.0)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with `Z`; sub-seconds only where there are any, three or six digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl From<Timestamp> for String {
    fn from(at: Timestamp) -> Self {
        at.to_string()
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DateTime::<Utc>::deserialize(deserializer).map(Self::new)
    }
}

/// Tells the time.
///
/// # Contract
/// - `now` MUST be cheap enough to call on every request.
/// - `now` MAY go backwards: nothing orders rows by it.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_are_cut_not_rounded() {
        let at = DateTime::from_timestamp(1_700_000_000, 123_456_789).unwrap();
        assert_eq!(Timestamp::new(at).to_string(), "2023-11-14T22:13:20.123456Z");
    }

    #[test]
    fn whole_seconds_have_no_fraction() {
        assert_eq!(Timestamp::from_unix_seconds(0).unwrap().to_string(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn since_never_goes_below_zero() {
        let early = Timestamp::from_unix_seconds(10).unwrap();
        assert_eq!(early.since(early + Duration::from_secs(1)), Duration::ZERO);
    }
}
