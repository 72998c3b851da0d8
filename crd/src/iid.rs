//! The id of one instance.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Epoch and counter: unique over all attempts of all operators of a tree, increasing, never used again.
/// Written `3-17`; as YARN's allocation request id, epoch << 32 | counter, which is positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Iid {
    epoch: u32,
    counter: u32,
}

/// A text that is no instance id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an instance id: write epoch and counter, as in 3-17")]
pub struct IidError;

impl Iid {
    /// The id number `counter` of an epoch. Epochs above 2^31 - 1 are cut to stay positive as an `i64`.
    #[must_use]
    pub const fn new(epoch: u32, counter: u32) -> Self {
        Self { epoch: epoch & 0x7fff_ffff, counter }
    }

    /// The epoch it was given in.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        self.epoch
    }

    /// Its number in the epoch.
    #[must_use]
    pub const fn counter(self) -> u32 {
        self.counter
    }

    /// As YARN's allocation request id.
    #[must_use]
    pub const fn get(self) -> i64 {
        (self.epoch as i64) << 32 | self.counter as i64
    }

    /// From YARN's allocation request id; `None` for one that no operator gave.
    #[must_use]
    pub fn from_i64(id: i64) -> Option<Self> {
        let epoch = u32::try_from(id >> 32).ok().filter(|e| *e > 0)?;
        let counter = u32::try_from(id & 0xffff_ffff).ok()?;
        Some(Self { epoch, counter })
    }
}

impl fmt::Display for Iid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}", self.epoch, self.counter))
    }
}

impl FromStr for Iid {
    type Err = IidError;

    fn from_str(text: &str) -> Result<Self, IidError> {
        let (epoch, counter) = text.split_once('-').ok_or(IidError)?;
        let iid = Self { epoch: epoch.parse().map_err(|_| IidError)?, counter: counter.parse().map_err(|_| IidError)? };
        // One spelling only: no sign, no leading zero.
        if iid.epoch <= 0x7fff_ffff && iid.to_string() == text { Ok(iid) } else { Err(IidError) }
    }
}

impl Serialize for Iid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Iid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'_, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_survive_the_way_through_text_and_yarn(epoch in 1u32..0x8000_0000, counter: u32) {
            let iid = Iid::new(epoch, counter);
            prop_assert_eq!(iid.to_string().parse::<Iid>(), Ok(iid));
            prop_assert_eq!(Iid::from_i64(iid.get()), Some(iid));
            prop_assert!(iid.get() > 0);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,20}") {
            if let Ok(iid) = text.parse::<Iid>() { prop_assert_eq!(iid.to_string(), text); }
        }
    }

    #[test]
    fn ids_that_no_operator_gave_are_none() {
        assert_eq!(Iid::from_i64(0), None);
        assert_eq!(Iid::from_i64(-1), None);
        assert_eq!(Iid::from_i64(7), None);
    }
}
