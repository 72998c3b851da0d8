//! Commands that look and change nothing.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::duration;

/// `get`.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// What to list: modeldeployments (models, md), instances, endpoints or events
    pub(crate) kind: String,
    /// Only these
    pub(crate) names: Vec<String>,
    /// Output format
    #[arg(short, long, value_enum)]
    pub(crate) output: Option<Format>,
    /// Keep printing what changes, as it changes
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// In every namespace
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Leave the table's first line out
    #[arg(long)]
    pub(crate) no_headers: bool,
}

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table with more columns
    Wide,
    /// The whole, as YAML
    Yaml,
    /// The whole, as JSON
    Json,
    /// Names alone
    Name,
}

/// Commands that take names alone.
#[derive(Debug, Args)]
pub(crate) struct Names {
    /// [KIND] NAME..., or KIND/NAME
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

/// `wait`.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// [KIND] NAME..., or KIND/NAME; it need not exist yet
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// What to wait for
    #[arg(long = "for", value_enum, default_value = "ready", value_name = "CONDITION")]
    pub(crate) condition: Awaited,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "30s", value_name = "DURATION")]
    pub(crate) timeout: Duration,
}

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Awaited {
    /// Every instance of the newest spec is ready
    Ready,
    /// Nothing of it is left
    Delete,
}

/// `logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// NAME, or NAME/INSTANCE
    pub(crate) name: String,
    /// Keep printing what is added
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only the last lines
    #[arg(long, value_name = "LINES")]
    pub(crate) tail: Option<usize>,
    /// The model's standard error instead of its output
    #[arg(long, conflicts_with = "file")]
    pub(crate) stderr: bool,
    /// Another file of the container's log directory
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<String>,
}

/// `events`.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Only of these deployments
    pub(crate) names: Vec<String>,
    /// Keep printing new ones
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// In every namespace
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Leave the table's first line out
    #[arg(long)]
    pub(crate) no_headers: bool,
}
