//! Commands that change specs.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::duration;

/// `apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// A file, a directory of .yaml, .yml and .json files, or - for stdin; may be repeated
    #[arg(short, long = "filename", required = true, value_name = "FILE")]
    pub(crate) filename: Vec<PathBuf>,
    /// Check everything, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Wait until every deployment is ready
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "10m", value_name = "DURATION")]
    pub(crate) timeout: Duration,
}

/// `delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// [KIND] NAME..., or KIND/NAME
    #[arg(required_unless_present = "filename", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Delete what these files name
    #[arg(short, long, value_name = "FILE")]
    pub(crate) filename: Vec<PathBuf>,
    /// Wait until instances, endpoints and status are gone
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "10m", value_name = "DURATION")]
    pub(crate) timeout: Duration,
    /// What is not there is no error
    #[arg(long)]
    pub(crate) ignore_not_found: bool,
}

/// `scale`.
#[derive(Debug, Args)]
pub(crate) struct Scale {
    /// [KIND] NAME..., or KIND/NAME
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// The number of instances
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) replicas: i64,
    /// Wait until it is so
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "10m", value_name = "DURATION")]
    pub(crate) timeout: Duration,
}
