//! Memory and durations as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Memory of a container in whole MiB, written `512Mi`, `2Gi`, `500M` (decimal, rounded up to a MiB).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Memory(u64);

/// Most memory that a spec may ask for: 1 TiB. The cluster's own maximum is the operator's to say.
pub const MEMORY_LIMIT_MIB: u64 = 1024 * 1024;

/// Why a text is no amount of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuantityError(String);

impl Memory {
    /// What an instance gets unless its spec says otherwise: 512 MiB.
    pub const DEFAULT: Self = Self(512);

    /// So many MiB.
    ///
    /// # Errors
    /// None at all, or more than 1 TiB.
    pub fn from_mib(mib: u64) -> Result<Self, QuantityError> {
        match mib {
            0 => Err(QuantityError("memory must be at least 1Mi".to_owned())),
            1..=MEMORY_LIMIT_MIB => Ok(Self(mib)),
            _ => Err(QuantityError(format!("{mib}Mi is more than the largest amount, 1Ti"))),
        }
    }

    /// In MiB.
    #[must_use]
    pub fn mib(self) -> u64 {
        self.0
    }
}

impl FromStr for Memory {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let shown: String = text.chars().take(40).collect();
        let example = "write for example 512Mi or 2Gi";
        let hint = || QuantityError(format!("{shown:?} is no amount of memory: {example}"));
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        if number.is_empty() {
            return Err(hint());
        }
        if unit.is_empty() {
            // Kubernetes takes it for bytes, Metron for MiB: the nearer guess is told, never taken.
            let write = match text.parse::<u64>() {
                Ok(mib @ 1..=MEMORY_LIMIT_MIB) => format!("write {}", Self(mib)),
                Ok(bytes) if bytes >> 20 > 0 && bytes >> 20 <= MEMORY_LIMIT_MIB => {
                    format!("write {} for so many bytes", Self(bytes.div_ceil(1 << 20)))
                }
                _ => example.to_owned(),
            };
            return Err(QuantityError(format!("{shown} has no unit: {write}")));
        }
        if unit == "m" {
            return Err(QuantityError(format!("{shown} means thousandths of a byte: {example}")));
        }
        if unit.starts_with('.') {
            return Err(QuantityError(format!(
                "{shown:?} is a fraction: write whole numbers, such as 1536Mi for 1.5Gi"
            )));
        }
        let bytes_each: u128 = match unit {
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            "k" | "K" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            _ => return Err(hint()),
        };
        // Only digits and a known unit from here on: they may be told as they are.
        let too_much = || QuantityError(format!("{shown} is more than the largest amount, 1Ti"));
        let number: u128 = number.parse().map_err(|_| too_much())?;
        let bytes = number.checked_mul(bytes_each).ok_or_else(too_much)?;
        if bytes % (1 << 20) != 0 && unit.ends_with('i') {
            return Err(QuantityError(format!("{shown} is not a whole number of MiB: write for example 512Mi")));
        }
        Self::from_mib(u64::try_from(bytes.div_ceil(1 << 20)).map_err(|_| too_much())?)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1024) {
            f.pad(&format!("{}Gi", self.0 / 1024))
        } else {
            f.pad(&format!("{}Mi", self.0))
        }
    }
}

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'_, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Memory {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Memory".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^0*[1-9][0-9]*(Ki|Mi|Gi|Ti|k|K|M|G|T)$", "description": "Memory, as in 512Mi or 2Gi." })
    }
}

/// Longest duration a spec may give: 30 days.
pub const PERIOD_LIMIT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Durations written `500ms`, `30s`, `10m`, `1h30m`: for `#[serde(with)]`.
pub mod period {
    use super::{Duration, PERIOD_LIMIT, QuantityError};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Reads a duration.
    ///
    /// # Errors
    /// A text that is none, or more than 30 days.
    pub fn parse(text: &str) -> Result<Duration, QuantityError> {
        let shown: String = text.chars().take(40).collect();
        let hint = || QuantityError(format!("{shown:?} is no duration: write for example 30s, 10m or 1h30m"));
        let mut rest = text;
        let mut total: u128 = 0;
        let mut last_unit = u128::MAX;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, tail) = rest.split_at(end);
            let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            let each: u128 = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => return Err(hint()),
            };
            if each >= last_unit || number.len() > 12 {
                return Err(hint());
            }
            last_unit = each;
            total += number.parse::<u128>().map_err(|_| hint())? * each;
            rest = tail;
        }
        if text.is_empty() {
            return Err(hint());
        }
        let limit = PERIOD_LIMIT.as_millis();
        if total > limit {
            return Err(QuantityError(format!("{shown} is longer than 720h")));
        }
        Ok(Duration::from_millis(u64::try_from(total).unwrap_or(u64::MAX)))
    }

    /// Writes a duration in whole milliseconds.
    #[must_use]
    pub fn print(duration: Duration) -> String {
        let mut rest = duration.as_millis();
        let mut text = String::new();
        for (unit, each) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
            if rest >= each {
                text.push_str(&format!("{}{unit}", rest / each));
                rest %= each;
            }
        }
        if text.is_empty() { "0s".to_owned() } else { text }
    }

    /// For serde.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&print(*duration))
    }

    /// For serde.
    ///
    /// # Errors
    /// A text that is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_of_memory() {
        let mib = |t: &str| t.parse::<Memory>().map(Memory::mib);
        assert_eq!(mib("512Mi"), Ok(512));
        assert_eq!(mib("2Gi"), Ok(2048));
        assert_eq!(mib("1024Ki"), Ok(1));
        assert_eq!(mib("500M"), Ok(477));
        for bad in [
            "",
            "512",
            "100m",
            "0Mi",
            "-1Mi",
            "1.5Gi",
            "512MiB",
            "1Ki",
            "2Ti",
            "1000000000000Mi",
            "99999999999999999999999999999999999999999Gi",
            "Mi",
            "5 Mi",
        ] {
            assert!(mib(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_told_of_an_amount_holds_nothing_that_a_terminal_obeys() {
        let message = format!("{}\u{1b}[2J", "9".repeat(39)).parse::<Memory>().unwrap_err().to_string();
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }

    #[test]
    fn durations() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("1h30m", 5_400_000), ("0s", 0)] {
            assert_eq!(period::parse(text).unwrap().as_millis(), ms);
        }
        for bad in ["", "30", "s", "-1s", "1s30s", "30m1h", "721h", "1d", "999999999999999999999s"] {
            assert!(period::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn memory_survives_printing(mib in 1u64..=MEMORY_LIMIT_MIB) {
            let memory = Memory::from_mib(mib).unwrap();
            prop_assert_eq!(memory.to_string().parse(), Ok(memory));
        }

        #[test]
        fn durations_survive_printing(ms in 0u64..2_592_000_000) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(period::parse(&period::print(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,24}") {
            let _ = text.parse::<Memory>();
            let _ = period::parse(&text);
        }
    }
}
