//! Dates by the patterns of Java's `SimpleDateFormat`, as configs write them. Pure.

use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, tz};

/// A pattern that was read.
#[derive(Clone, Debug)]
pub struct Pattern {
    written: String,
    /// In the words of `strftime`.
    format: String,
    /// Whether the text ends with a zone's name.
    zone_last: bool,
    /// Whether the pattern itself says which zone.
    has_zone: bool,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A letter that Java knows and this program does not, or none does.
    pub fn read(written: &str) -> Result<Self, String> {
        let (mut format, mut has_zone, mut zone_last) = (String::new(), false, false);
        let mut letters = written.chars().peekable();
        while let Some(letter) = letters.next() {
            if zone_last {
                return Err(format!("the date pattern {written:?} has something behind z, which must be its end here"));
            }
            if letter == '\'' {
                // A quote in quotes, or two of them, is itself.
                let mut quoted = String::new();
                loop {
                    match letters.next() {
                        None => return Err(format!("the date pattern {written:?} has a quote without an end")),
                        Some('\'') if letters.peek() == Some(&'\'') => {
                            quoted.push('\'');
                            letters.next();
                        }
                        Some('\'') => break,
                        Some(other) => quoted.push(other),
                    }
                }
                let text = if quoted.is_empty() { "'" } else { &quoted };
                format.push_str(&text.replace('%', "%%"));
                continue;
            }
            if !letter.is_ascii_alphabetic() {
                if letter == '%' {
                    format.push('%');
                }
                format.push(letter);
                continue;
            }
            let mut count = 1;
            while letters.next_if_eq(&letter).is_some() {
                count += 1;
            }
            format.push_str(match (letter, count) {
                ('y', 2) => "%y",
                ('y', _) => "%Y",
                ('M', 1 | 2) => "%m",
                ('M', 3) => "%b",
                ('M', _) => "%B",
                ('d', _) => "%d",
                ('D', 3) => "%j",
                ('H', _) => "%H",
                ('h', _) => "%I",
                ('m', _) => "%M",
                ('s', _) => "%S",
                ('S', _) => "%f",
                ('a', _) => "%p",
                ('E', 1..=3) => "%a",
                ('E', _) => "%A",
                ('Z', _) => "%z",
                ('z', _) => {
                    zone_last = true;
                    "%z"
                }
                _ => {
                    let letters = letter.to_string().repeat(count);
                    return Err(format!(
                        "{letters} in the date pattern {written:?} is not supported: use of y M d H h m s S a E Z z"
                    ));
                }
            });
            has_zone |= matches!(letter, 'Z' | 'z');
        }
        Ok(Self { written: written.to_owned(), format, zone_last, has_zone })
    }

    /// Writes a moment, given in milliseconds, in UTC. None for one that no calendar has.
    #[must_use]
    pub fn write(&self, milliseconds: i64) -> Option<String> {
        let moment = Timestamp::from_millisecond(milliseconds).ok()?.to_zoned_datetime(TimeZone::UTC);
        // A fraction is of three digits, as Java's SSS.
        strtime::format(self.format.replace("%f", "%3f"), &moment).ok()
    }

    /// Reads a moment, in milliseconds. A text that names no zone is in the given one.
    ///
    /// # Errors
    /// The text is none.
    pub fn moment(&self, text: &str, zone: &TimeZone) -> Result<i64, String> {
        let bad = |reason: String| format!("{text:?} is no date of the form {:?}: {reason}", self.written);
        let numeric = if self.zone_last { offset_last(text) } else { None };
        let time = BrokenDownTime::parse(&self.format, numeric.as_deref().unwrap_or(text))
            .map_err(|error| bad(error.to_string()))?;
        if self.has_zone {
            return Ok(time.to_timestamp().map_err(|error| bad(error.to_string()))?.as_millisecond());
        }
        let local = match time.to_datetime() {
            Ok(local) => local,
            Err(_) => {
                time.to_date().map_err(|error| bad(error.to_string()))?.to_datetime(jiff::civil::Time::midnight())
            }
        };
        let moment = zone.to_ambiguous_timestamp(local).compatible().map_err(|error| bad(error.to_string()))?;
        Ok(moment.as_millisecond())
    }
}

/// The zone that a config names.
///
/// # Errors
/// There is none of that name. (Java silently takes UTC then.)
pub fn zone(name: &str) -> Result<TimeZone, String> {
    if matches!(name, "GMT" | "Z") {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|_| format!("there is no time zone {name:?}: name one such as UTC or Europe/Berlin"))
}

/// The text with its last word, a zone's abbreviation, as an offset; none when it is no known one.
fn offset_last(text: &str) -> Option<String> {
    let (before, name) = text.rsplit_once(' ')?;
    let hours = match name {
        "UTC" | "GMT" | "UT" | "Z" => 0,
        "EST" | "CDT" => -5,
        "EDT" => -4,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "CET" => 1,
        "CEST" => 2,
        _ => return None,
    };
    let offset = tz::Offset::from_hours(hours).ok()?;
    let sign = if offset.is_negative() { '-' } else { '+' };
    Some(format!("{before} {sign}{:02}00", hours.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_dates_are_written_in_utc() {
        let written = |pattern: &str| Pattern::read(pattern).unwrap().write(1_795_512_257_349).unwrap();
        assert_eq!(written("yyyy.MM.dd.HH"), "2026.11.24.09");
        assert_eq!(written("yyyy'-w'-DDD 100% HH:mm:ss.SSS"), "2026-w-328 100% 09:24:17.349");
        assert_eq!(written("EEE, dd MMM yy h 'o''clock' a"), "Tue, 24 Nov 26 09 o'clock AM");
        assert_eq!(Pattern::read("yyyy").unwrap().write(i64::MAX), None);
    }

    #[test]
    fn dates_are_read_in_the_zone_that_they_or_the_config_name() {
        let berlin = zone("Europe/Berlin").unwrap();
        let read = |pattern: &str, text: &str| Pattern::read(pattern).unwrap().moment(text, &berlin);
        assert_eq!(read("yyyy-MM-dd HH:mm:ss.S z", "2026-11-24 09:24:17.349 UTC"), Ok(1_795_512_257_349));
        assert_eq!(read("yyyy-MM-dd HH:mm:ss.S z", "2026-11-24 04:24:17.349 EST"), Ok(1_795_512_257_349));
        assert_eq!(read("dd/MMM/yyyy:HH:mm:ss Z", "24/Nov/2026:10:24:17 +0100"), Ok(1_795_512_257_000));
        assert_eq!(read("yyyy-MM-dd'T'HH:mm:ss", "2026-11-24T10:24:17"), Ok(1_795_512_257_000));
        assert_eq!(read("yyyy-MM-dd", "1970-01-02"), Ok(82_800_000));
        for bad in ["", "2026-13-01", "x", "2026-11-24 and more"] {
            assert!(read("yyyy-MM-dd", bad).unwrap_err().contains("yyyy-MM-dd"), "{bad}");
        }
        assert!(read("yyyy-MM-dd z", "2026-11-24 XYZ").is_err());
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        assert!(Pattern::read("YYYY.MM").unwrap_err().starts_with("YYYY in the date pattern"));
        assert!(Pattern::read("z yyyy").unwrap_err().contains("behind z"));
        assert!(Pattern::read("'x").unwrap_err().contains("quote without an end"));
        assert!(zone("Mars/Base").unwrap_err().contains("Mars/Base"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(pattern in "[yMdHhmsSaEZz'%. :-]{0,20}|\\PC{0,20}", text in "\\PC{0,40}", moment: i64) {
            if let Ok(pattern) = Pattern::read(&pattern) {
                let _ = pattern.write(moment);
                let _ = pattern.moment(&text, &TimeZone::UTC);
            }
        }
    }
}
