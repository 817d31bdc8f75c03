//! Times and durations in words.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

/// A point in time, in the zone of whoever reads it: `2026-11-22 21:05`.
pub(super) fn moment(epoch_ms: i64) -> String {
    moment_in(epoch_ms, TimeZone::system())
}

fn moment_in(epoch_ms: i64, zone: TimeZone) -> String {
    Timestamp::from_millisecond(epoch_ms).map_or_else(
        |_| "?".to_owned(),
        |time| time.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string(),
    )
}

/// What is left until `epoch_ms`; nothing if it has passed.
pub(super) fn left(epoch_ms: i64) -> Duration {
    let left = epoch_ms.saturating_sub(Timestamp::now().as_millisecond());
    Duration::from_millis(left.try_into().unwrap_or_default())
}

/// A countdown: `14:59`.
pub(super) fn clock(left: Duration) -> String {
    let seconds = left.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// How long something has been: `3 days 4 h`, `12 min`, `5 s`.
pub(super) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (1, hours, _) => format!("1 day {hours} h"),
        (days, hours, _) => format!("{days} days {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(
            moment_in(1_795_381_500_000, TimeZone::UTC),
            "2026-11-22 21:05"
        );
        assert_eq!(moment_in(i64::MAX, TimeZone::UTC), "?");
        assert_eq!(clock(Duration::from_secs(899)), "14:59");
        assert_eq!(left(0), Duration::ZERO);
        for (seconds, words) in [
            (5, "5 s"),
            (720, "12 min"),
            (3_720, "1 h 2 min"),
            (90_000, "1 day 1 h"),
            (273_600, "3 days 4 h"),
        ] {
            assert_eq!(span(seconds), words);
        }
    }
}
