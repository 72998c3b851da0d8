//! How far another machine's clock is from this one's.

use super::finding::{Check, Finding};
use crate::output::now_ms;

/// More than this is told. YARN's tokens forgive minutes; ages, events and times of files do not.
const MUCH_MS: i64 = 2_000;

/// What the other clock showed, at some moment between two of this one's; all in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// This clock before.
    pub(super) before: i64,
    /// This clock after.
    pub(super) after: i64,
    /// The other clock showed this much at least,
    pub(super) least: i64,
    /// and this much at most.
    pub(super) most: i64,
}

impl Reading {
    /// Of a clock that is read exactly.
    pub(super) fn exact(before: i64, other: i64) -> Self {
        Self { before, after: now_ms(), least: other, most: other }
    }

    /// Of HTTP's `Date` header, which knows whole seconds; none when it is no date.
    pub(super) fn http(before: i64, date: &str) -> Option<Self> {
        let parser = jiff::fmt::rfc2822::DateTimeParser::new();
        let least = parser.parse_timestamp(date).ok()?.as_millisecond();
        Some(Self { before, after: now_ms(), least, most: least + 999 })
    }

    /// How far the other clock is ahead (positive) or behind (negative), at least.
    pub(super) fn skew_ms(&self) -> i64 {
        if self.least > self.after {
            self.least - self.after
        } else if self.most < self.before {
            self.most - self.before
        } else {
            0
        }
    }
}

/// One finding over the clocks of one kind of daemon, each by its name.
pub(super) fn judge(check: Check, clocks: &[(String, Reading)]) -> Finding {
    let far: Vec<String> = clocks
        .iter()
        .map(|(name, reading)| (name, reading.skew_ms()))
        .filter(|(_, skew)| skew.abs() > MUCH_MS)
        .map(|(name, skew)| format!("{name} is {} s {}", skew.abs() / 1000, if skew > 0 { "ahead" } else { "behind" }))
        .collect();
    if clocks.is_empty() {
        return check.skipped("no answer bore the time");
    }
    if far.is_empty() {
        return check.ok(format!("within {} s of this host", MUCH_MS / 1000));
    }
    check.warning(
        format!("{} of this host", far.join(", ")),
        "let every host follow the same time source (chrony, ntpd)",
        "ages, events and logs mislead, and some minutes of difference let YARN refuse to start containers",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: Check = Check::new(super::super::finding::Group::Yarn, "rm-clock");

    fn reading(least: i64, most: i64) -> Reading {
        Reading { before: 10_000, after: 10_050, least, most }
    }

    #[test]
    fn what_may_be_the_same_time_is_no_skew() {
        assert_eq!(reading(9_000, 9_999).skew_ms(), -1);
        assert_eq!(reading(9_500, 10_499).skew_ms(), 0);
        assert_eq!(reading(10_051, 10_051).skew_ms(), 1);
        assert_eq!(reading(0, 999).skew_ms(), -9_001);
    }

    #[test]
    fn hosts_that_are_far_off_are_named() {
        let found = judge(CHECK, &[("a".into(), reading(10_000, 10_999)), ("b".into(), reading(95_000, 95_999))]);
        assert_eq!(found.seen, "b is 84 s ahead of this host");
        assert_eq!(judge(CHECK, &[("a".into(), reading(12_000, 12_999))]).seen, "within 2 s of this host");
    }

    #[test]
    fn the_date_header_is_read() {
        let read = Reading::http(0, "Tue, 24 Nov 2026 16:21:52 GMT").unwrap();
        assert_eq!((read.least, read.most), (1_795_537_312_000, 1_795_537_312_999));
        assert_eq!(Reading::http(0, "yesterday"), None);
    }
}
