//! The command line of `maasctl`, raw.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Models as a service on YARN, declared in YAML.
#[derive(Debug, Parser)]
#[command(name = "maasctl", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Line {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the tree and Hadoop are.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// ZooKeeper's servers, host:port[,host:port]
    #[arg(
        short = 'z',
        long,
        global = true,
        env = "MAAS_ZOOKEEPER",
        value_name = "QUORUM",
        help_heading = "Global options"
    )]
    pub(crate) zookeeper: Option<String>,
    /// Root of the tree in ZooKeeper
    #[arg(
        long,
        global = true,
        env = "MAAS_ROOT",
        default_value = "/maas",
        value_name = "PATH",
        help_heading = "Global options"
    )]
    pub(crate) root: String,
    /// Namespace to act in [default: default]
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(crate) namespace: Option<String>,
    /// Directory of core-site.xml, hdfs-site.xml and yarn-site.xml
    #[arg(long, global = true, env = "HADOOP_CONF_DIR", value_name = "DIR", help_heading = "Global options")]
    pub(crate) conf_dir: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create or change model deployments from YAML
    Apply(Apply),
    /// List resources
    Get(Get),
    /// Show one model deployment in full
    Describe(Names),
    /// Delete model deployments
    Delete(Delete),
    /// Set the number of instances
    Scale(Scale),
    /// Wait until a model deployment is ready
    Wait(Wait),
    /// Print the output of a model's instances
    Logs(Logs),
    /// List events, oldest first
    Events(Events),
    /// Look at the cluster: what would keep the service from working, or take it down
    ///
    /// Looks at ZooKeeper, YARN, HDFS and the tree, side by side, each within seconds; leaves nothing behind.
    /// Exit code: 1 when anything is an error; 3 with --strict when anything is a warning; else 0.
    #[command(verbatim_doc_comment)]
    Doctor(Doctor),
    /// Start, stop or look at the operator on YARN
    #[command(subcommand)]
    Service(Service),
    /// Print the JSON Schema of ModelDeployment
    Schema,
    /// Print the version
    Version,
}

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

/// `doctor`.
#[derive(Debug, Args)]
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
    Status,
    /// Drain every model and end the application; specs stay
    Stop {
        /// How long to wait before the application is killed
        #[arg(long, value_parser = duration, default_value = "5m", value_name = "DURATION")]
        timeout: Duration,
    },
}

/// `service start`.
#[derive(Debug, Args)]
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
    /// Refuse a tree that anyone may write
    #[arg(long)]
    pub(crate) secure: bool,
    /// Directory of maas-operator and maas-runner, if not maasctl's own
    #[arg(long, value_name = "DIR", env = "MAAS_LIBEXEC")]
    pub(crate) libexec: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// `90s`, `5m`, `1h30m`, or whole seconds.
fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let span = text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| "expected a duration such as 90s, 5m or 1h30m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Line::command().debug_assert();
    }

    #[test]
    fn durations_take_units_or_seconds() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert!(duration("soon").is_err() && duration("-5s").is_err());
    }

    #[test]
    fn global_options_may_stand_after_the_command() {
        let line = Line::try_parse_from(["maasctl", "get", "md", "-z", "a:1", "-n", "soc", "-o", "wide"]).unwrap();
        assert_eq!((line.global.zookeeper.as_deref(), line.global.namespace.as_deref()), (Some("a:1"), Some("soc")));
    }
}
