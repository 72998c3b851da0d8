//! YARN's identifiers, printed and read as YARN does (`ApplicationId`, `ApplicationAttemptId`, `ContainerId`, `NodeId`).

use std::{fmt, str::FromStr};

use hadoop_rpc::{Address, AddressError};

/// A text that is not the identifier it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}")]
pub struct IdError {
    /// The text, cut at 100 characters.
    pub text: String,
    /// What was expected, with an example.
    pub what: &'static str,
}

fn fault(text: &str, what: &'static str) -> IdError {
    IdError { text: text.chars().take(100).collect(), what }
}

/// An application: `application_1700000000000_0001`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationId {
    /// When the ResourceManager (its cluster) was started, in ms since 1970.
    pub cluster_timestamp: i64,
    /// Number of the application.
    pub id: i32,
}

impl fmt::Display for ApplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "application_{}_{:04}", self.cluster_timestamp, self.id)
    }
}

impl FromStr for ApplicationId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let read = || {
            let (timestamp, id) = text.strip_prefix("application_")?.split_once('_')?;
            Some(Self { cluster_timestamp: number(timestamp)?, id: number(id)?.try_into().ok()? })
        };
        read().ok_or_else(|| fault(text, "an application, such as application_1700000000000_0001"))
    }
}

/// An attempt of an application: `appattempt_1700000000000_0001_000001`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The application.
    pub application: ApplicationId,
    /// Number of the attempt, from 1.
    pub attempt: i32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ApplicationId { cluster_timestamp, id } = self.application;
        write!(f, "appattempt_{cluster_timestamp}_{id:04}_{:06}", self.attempt)
    }
}

impl FromStr for AttemptId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let read = || {
            let mut parts = text.strip_prefix("appattempt_")?.split('_');
            let mut next = || number(parts.next()?);
            let application = ApplicationId { cluster_timestamp: next()?, id: next()?.try_into().ok()? };
            let id = Self { application, attempt: next()?.try_into().ok()? };
            parts.next().is_none().then_some(id)
        };
        read().ok_or_else(|| fault(text, "an attempt, such as appattempt_1700000000000_0001_000001"))
    }
}

/// A container: `container_1700000000000_0001_01_000002`, or `container_e07_…` once the ResourceManager was restarted
/// seven times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId {
    /// The attempt that it was allocated to.
    pub attempt: AttemptId,
    /// Restarts of the ResourceManager in the upper 24 bits, a serial number in the lower 40.
    pub id: i64,
}

const SERIAL_BITS: u32 = 40;
const SERIAL: i64 = (1 << SERIAL_BITS) - 1;

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("container_")?;
        let epoch = self.id >> SERIAL_BITS;
        if epoch > 0 {
            write!(f, "e{epoch:02}_")?;
        }
        let AttemptId { application: ApplicationId { cluster_timestamp, id }, attempt } = self.attempt;
        write!(f, "{cluster_timestamp}_{id:04}_{attempt:02}_{:06}", self.id & SERIAL)
    }
}

impl FromStr for ContainerId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let read = || {
            let rest = text.strip_prefix("container_")?;
            let (epoch, rest) = match rest.strip_prefix('e') {
                Some(rest) => rest.split_once('_').and_then(|(epoch, rest)| Some((number(epoch)?, rest)))?,
                None => (0, rest),
            };
            let mut parts = rest.split('_');
            let mut next = || number(parts.next()?);
            let application = ApplicationId { cluster_timestamp: next()?, id: next()?.try_into().ok()? };
            let attempt = AttemptId { application, attempt: next()?.try_into().ok()? };
            let serial = next()?;
            let fits = epoch < 1 << 23 && serial <= SERIAL && parts.next().is_none();
            fits.then_some(Self { attempt, id: epoch << SERIAL_BITS | serial })
        };
        read().ok_or_else(|| fault(text, "a container, such as container_e07_1700000000000_0001_01_000002"))
    }
}

/// A non-negative number of plain digits.
fn number(text: &str) -> Option<i64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A NodeManager, by the address of its RPC port.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Host, as the NodeManager registered it: what blacklists and asks for a host must name.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for NodeId {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        text.parse().map(|Address { host, port }| Self { host, port })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identifiers_print_as_yarn_prints_them() {
        let application = ApplicationId { cluster_timestamp: 1_700_000_000_000, id: 1 };
        let attempt = AttemptId { application, attempt: 1 };
        assert_eq!(application.to_string(), "application_1700000000000_0001");
        assert_eq!(attempt.to_string(), "appattempt_1700000000000_0001_000001");
        assert_eq!(ContainerId { attempt, id: 2 }.to_string(), "container_1700000000000_0001_01_000002");
        let restarted = ContainerId { attempt, id: (7 << 40) | 2 };
        assert_eq!(restarted.to_string(), "container_e07_1700000000000_0001_01_000002");
        let large = ContainerId { attempt: AttemptId { attempt: 123, ..attempt }, id: 12_345_678 };
        assert_eq!(large.to_string(), "container_1700000000000_0001_123_12345678");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "container_", "container_1_2_3", "container_1_2_3_4_5", "container_e1_2_3_4", "container_1_2_-3_4"]
        {
            assert!(text.parse::<ContainerId>().is_err(), "{text}");
        }
        assert!("application_1".parse::<ApplicationId>().is_err());
        assert!("application_1_99999999999".parse::<ApplicationId>().is_err());
        assert!("appattempt_1_2_3_4".parse::<AttemptId>().is_err());
    }

    proptest! {
        #[test]
        fn identifiers_read_back(timestamp in 0_i64.., app in 0_i32.., number in 0_i32.., id in 0_i64..1 << 62) {
            let application = ApplicationId { cluster_timestamp: timestamp, id: app };
            let attempt = AttemptId { application, attempt: number };
            let container = ContainerId { attempt, id };
            prop_assert_eq!(application.to_string().parse(), Ok(application));
            prop_assert_eq!(attempt.to_string().parse(), Ok(attempt));
            prop_assert_eq!(container.to_string().parse(), Ok(container));
        }

        #[test]
        fn no_text_panics(text in "(container_|application_|appattempt_)?[e0-9_]{0,40}") {
            let _ = (text.parse::<ContainerId>(), text.parse::<ApplicationId>(), text.parse::<AttemptId>());
        }
    }
}
