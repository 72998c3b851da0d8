//! Commands that change specs.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use maas_crd::Name;

use super::duration;

/// What a command does that is only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    /// Nothing is tried only: it is done
    None,
    /// Read and decide, write nothing
    Client,
    /// Let the server check all but the write: rights, versions
    Server,
}

impl DryRun {
    /// Whether nothing shall be written.
    pub(crate) fn is_dry(self) -> bool {
        self != Self::None
    }

    /// kubectl's mark of what was not done.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Client => " (dry run)",
            Self::Server => " (server dry run)",
        }
    }
}

/// Whether a command is only tried.
#[derive(Debug, Args)]
pub(crate) struct Rehearsal {
    /// Write nothing: `client` reads and decides, `server` has ZooKeeper check rights and versions too
    #[arg(
        long,
        value_enum,
        default_value = "none",
        default_missing_value = "client",
        num_args = 0..=1,
        require_equals = true,
        hide_possible_values = true,
        value_name = "none|client|server"
    )]
    pub(crate) dry_run: DryRun,
}

/// The manifests that a command takes.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// A file, a directory of .yaml, .yml and .json files, or - for stdin; may be repeated
    #[arg(short, long = "filename", required = true, value_name = "FILE")]
    pub(crate) filename: Vec<PathBuf>,
    /// Read the subdirectories of directories too
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
}

/// `apply`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  maasctl apply -f dga.yaml                       # one file
  maasctl apply -f models/ --dry-run=server       # a directory, everything checked and nothing written
  kustomize build . | maasctl apply -f - --wait   # from another tool, until all are ready
  maasctl apply -f models/ --applyset soc --prune # and delete what soc no longer declares")]
pub(crate) struct Apply {
    #[command(flatten)]
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) rehearsal: Rehearsal,
    /// Make the objects members of this set, and only of this [default: keep what each is]
    #[arg(long, value_name = "NAME")]
    pub(crate) applyset: Option<Name>,
    /// Delete the set's members that the files do not declare, in all namespaces, but those annotated maas/prune: disabled
    #[arg(long, requires = "applyset")]
    pub(crate) prune: bool,
    /// Show what --prune would delete, and delete nothing
    #[arg(long, requires = "applyset", conflicts_with = "prune")]
    pub(crate) prune_dry_run: bool,
    /// Wait until every deployment is ready
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "10m", value_name = "DURATION")]
    pub(crate) timeout: Duration,
}
