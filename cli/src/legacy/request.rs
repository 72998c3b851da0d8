//! What a command line of either verb comes to.

use super::parser::ParseError;

/// Where Metron keeps its config when `-zr` names no other znode.
pub(crate) const DEFAULT_CONFIG_PATH: &str = "/metron/maas/config";

/// A command line is either a question for help or a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked<T> {
    /// `-h`.
    Help,
    /// Anything else.
    For(T),
}

/// Why a verb's command line was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// The line could not be read, or lacks an option.
    #[error(transparent)]
    Line(#[from] ParseError),
    /// An option's value is not of its kind.
    #[error("{flag} {value:?}: expected {expected}")]
    Value {
        /// As the user writes it.
        flag: String,
        /// What stood there.
        value: String,
        /// What should stand there.
        expected: &'static str,
    },
}

impl RequestError {
    pub(super) fn bad(flag: &str, value: &str, expected: &'static str) -> Self {
        Self::Value { flag: flag.to_owned(), value: value.to_owned(), expected }
    }
}
