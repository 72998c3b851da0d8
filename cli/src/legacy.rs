//! The verbs of `maas_service.sh` and `maas_deploy.sh`: their command lines, read to the letter.

pub(crate) mod decide;
pub(crate) mod deploy;
mod parser;
pub(crate) mod root;
pub(crate) mod service;

pub(crate) use parser::ParseError;

/// Where Metron keeps its config when `-zr` names no other znode.
pub(crate) const DEFAULT_CONFIG_PATH: &str = "/metron/maas/config";

/// The two verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `maas_service.sh`.
    Service,
    /// `maas_deploy.sh`.
    Deploy,
}

impl Verb {
    /// By the program's own name, without its extension.
    pub(crate) fn of_program(stem: &str) -> Option<Self> {
        match stem {
            "maas_service" => Some(Self::Service),
            "maas_deploy" => Some(Self::Deploy),
            _ => None,
        }
    }

    /// By the word after `maasctl legacy`.
    pub(crate) fn of_entry(word: &str) -> Option<Self> {
        match word {
            "service" => Some(Self::Service),
            "deploy" => Some(Self::Deploy),
            _ => None,
        }
    }
}

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
    fn bad(flag: &str, value: &str, expected: &'static str) -> Self {
        Self::Value { flag: flag.to_owned(), value: value.to_owned(), expected }
    }
}
