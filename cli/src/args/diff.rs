//! `diff`.

use clap::Args;
use maas_crd::Name;

use super::change::Files;

/// `diff`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0 when nothing differs, 1 when something does, 2 on any error.

MAAS_EXTERNAL_DIFF names a program, with its options, that is given two directories in place of the own output.

Examples:
  maasctl diff -f models/ -R                        # what an apply would change
  git diff --name-only | xargs -n1 maasctl diff -f  # of what was edited
  maasctl diff -f models/ --applyset soc --prune    # and what a prune would delete")]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) files: Files,
    /// Compare with an apply for this set: an object of another set is an error, as there
    #[arg(long, value_name = "NAME")]
    pub(crate) applyset: Option<Name>,
    /// Show the set's members that the files do not declare as deleted
    #[arg(long, requires = "applyset")]
    pub(crate) prune: bool,
}
