//! The verbs of `maas_service.sh` and `maas_deploy.sh`: their command lines, read to the letter.

pub(crate) mod deploy;
mod parser;
mod request;
pub(crate) mod root;
pub(crate) mod service;

pub(crate) use request::{Asked, DEFAULT_CONFIG_PATH, RequestError};

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
