//! Commands for the service itself.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{duration, pair};

/// `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  maasctl doctor                          # before the first start, or while the service runs
  maasctl doctor --queue models --strict  # as a check in CI: warnings fail too
  maasctl doctor -o json                  # for a monitor")]
pub(crate) struct Doctor {
    /// Output format
    #[arg(short, long, value_enum)]
    pub(crate) output: Option<Report>,
    /// Let warnings fail too, with exit code 3
    #[arg(long)]
    pub(crate) strict: bool,
    /// The YARN queue that the operator is, or shall be, in
    #[arg(long, default_value = "default")]
    pub(crate) queue: String,
}

/// Output formats of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Report {
    /// An array of objects with the fields id, group, severity, seen, change and why
    Json,
}

/// `service`.
#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// Start the operator as a YARN application
    Start(Start),
    /// Show the operator's application; exit code 1 when none runs
    #[command(after_help = "Examples:
  maasctl service status                  # application, attempt, leader, models
  maasctl service status || maasctl service start")]
    Status,
    /// Replace the operator of a running service; models serve on
    #[command(after_help = "Examples:
  maasctl service upgrade                        # to the programs beside maasctl
  maasctl service upgrade --libexec /opt/maas-1  # to others, or back

Containers that run keep their runner; new ones get the new one. A program that cannot run on the operator's node is
refused there, and the present one goes on.")]
    Upgrade {
        /// Directory of maas-operator and maas-runner, if not maasctl's own
        #[arg(long, value_name = "DIR", env = "MAAS_LIBEXEC")]
        libexec: Option<PathBuf>,
        /// How long to wait until the new operator works
        #[arg(long, value_parser = duration, default_value = "60s", value_name = "DURATION")]
        timeout: Duration,
    },
    /// Drain every model and end the application; specs stay
    #[command(after_help = "Examples:
  maasctl service stop                    # waits until every model is drained
  maasctl service stop --timeout 30s      # killed after that")]
    Stop {
        /// How long to wait before the application is killed
        #[arg(long, value_parser = duration, default_value = "5m", value_name = "DURATION")]
        timeout: Duration,
    },
}

/// `service start`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  maasctl service start                             # in the queue default
  maasctl service start --queue models --memory 512 # more room, for many models
  maasctl service start --model-env TZ=UTC          # for every model's environment
  maasctl service start --metron-queue              # take requests of Metron's own clients")]
pub(crate) struct Start {
    /// YARN queue
    #[arg(long, default_value = "default")]
    pub(crate) queue: String,
    /// The operator's memory in MiB
    #[arg(long, default_value_t = 256, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) memory: u64,
    /// The operator's vcores
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) vcores: u32,
    /// Node label expression
    #[arg(long, value_name = "LABEL")]
    pub(crate) node_label: Option<String>,
    /// The application's name
    #[arg(long, default_value = "MaaS")]
    pub(crate) name: String,
    /// How long to wait until the operator works, before it is killed
    #[arg(long, value_parser = duration, default_value = "60s", value_name = "DURATION")]
    pub(crate) timeout: Duration,
    /// Environment of the operator, KEY=VALUE; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) env: Vec<(String, String)>,
    /// Environment of every model, KEY=VALUE; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) model_env: Vec<(String, String)>,
    /// Take requests that Metron's own clients put on its ZooKeeper queue, where the config at /metron/maas/config has it
    /// (/maas/queue by default)
    #[arg(long)]
    pub(crate) metron_queue: bool,
    /// Refuse a tree that anyone may write
    #[arg(long)]
    pub(crate) secure: bool,
    /// Directory of maas-operator and maas-runner, if not maasctl's own
    #[arg(long, value_name = "DIR", env = "MAAS_LIBEXEC")]
    pub(crate) libexec: Option<PathBuf>,
}
