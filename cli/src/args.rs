//! The command line of `maasctl`, raw.

mod call;
mod change;
mod config;
mod diff;
mod edit;
mod look;
mod service;
mod sync;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::output::color::Color;

pub(crate) use call::{Call, CallOutput, Stellar, Verb};
pub(crate) use change::{Apply, DryRun};
pub(crate) use config::{Config, Output as ContextOutput};
pub(crate) use diff::Diff;
pub(crate) use edit::{
    Cascade, Create, Delete, EditText, How, Mark, Named, Printed, Restart, Rollout, RolloutStatus, Scale, Set, SetEnv,
    Which,
};
pub(crate) use look::{
    ApiResources, Completion, Describe, Events, Explain, Get, KindFormat, Logs, Shell, Top, TopColumn, Version, Wait,
    Watch,
};
pub(crate) use service::{Doctor, Report, Service, Start};
pub(crate) use sync::{Reconcile, Sync, Syncs};

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

/// What holds for every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// ZooKeeper's servers, host:port[,host:port] [env: MAAS_ZOOKEEPER] [default: the context's, else the one that
    /// Hadoop's configuration names]
    #[arg(short = 'z', long, global = true, value_name = "QUORUM")]
    pub(crate) zookeeper: Option<String>,
    /// Root of the tree in ZooKeeper [env: MAAS_ROOT] [default: the context's, else /maas]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) root: Option<String>,
    /// Namespace to act in [env: MAAS_NAMESPACE] [default: the context's, else default]
    #[arg(short, long, global = true)]
    pub(crate) namespace: Option<String>,
    /// Directory of core-site.xml, hdfs-site.xml and yarn-site.xml [default: the context's, else HADOOP_CONF_DIR, else
    /// HADOOP_HOME/etc/hadoop]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) conf_dir: Option<PathBuf>,
    /// The context to use [default: the current one of ~/.maas/config, or of the file that MAASCONFIG names]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// How long any one request to ZooKeeper, YARN or HDFS may take, such as 30s [default: 5s for ZooKeeper, 10s for the
    /// others; doctor has bounds of its own]
    #[arg(long, global = true, value_parser = request_timeout, value_name = "DURATION")]
    pub(crate) request_timeout: Option<Duration>,
    /// When to colour; NO_COLOR in the environment is never, for auto
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Tell each call made to a daemon, its answer and its time on stderr; -vv tells more, -vvv everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

const WATCH_EXAMPLES: &str = "\
Examples:
  maasctl watch                # the models of the default namespace
  maasctl watch -n soc         # of another one; n changes it
  maasctl watch -A             # of all
  NO_COLOR=1 maasctl watch     # bold and reversed letters instead of colours";

/// What the manual is written as.
#[derive(Debug, Subcommand)]
pub(crate) enum Manual {
    /// docs/cli.md, to stdout
    Markdown,
    /// A man page for each command, into a directory
    Man {
        /// The directory, made if it is not there
        directory: PathBuf,
    },
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create or change model deployments from YAML
    Apply(Apply),
    /// Show what an apply would change
    Diff(Diff),
    /// Create model deployments from YAML; those that are there already are an error
    Create(Create),
    /// Change a model deployment's own text in an editor
    Edit(EditText),
    /// Set one field of model deployments
    #[command(subcommand)]
    Set(Set),
    /// List resources
    Get(Get),
    /// Show model deployments or instances in full
    Describe(Describe),
    /// Delete model deployments
    Delete(Delete),
    /// Set the number of instances
    Scale(Scale),
    /// Set and take out labels, which select deployments
    #[command(after_help = "Examples:
  maasctl label dga-1.0 team=soc
  maasctl label dga-1.0 team=noc tier- --overwrite
  maasctl label --all team=soc --dry-run=server
  maasctl label dga-1.0 --list")]
    Label(Mark),
    /// Set and take out annotations: notes of tools and people
    #[command(after_help = "Examples:
  maasctl annotate dga-1.0 note='retrained in May'
  maasctl annotate dga-1.0 maas/applyset-")]
    Annotate(Mark),
    /// Watch or start the replacement of a model's instances
    #[command(subcommand)]
    Rollout(Rollout),
    /// Wait until resources are as they should be
    Wait(Wait),
    /// Ask a model, and print its answer
    ///
    /// Asks one live instance of the newest version, as callers with the client library do: by GET with a query, as Metron does, or
    /// by POST of JSON. What fails there is asked once of another instance, where that can do no harm.
    /// Exit code: 0 when a model answered with 200 and a JSON object, else 1.
    #[command(verbatim_doc_comment)]
    Call(Call),
    /// Evaluate Stellar, the language of Metron's configs: a shell
    ///
    /// Expressions are evaluated as in Metron's configs; NAME := EXPRESSION keeps a value. Lines end with the expression: what is open
    /// (a bracket, a quote) goes on in the next line. Where ZooKeeper answers, MAAS_GET_ENDPOINT and MAAS_MODEL_APPLY ask models.
    /// %functions [TEXT], %vars, ?FUNCTION, quit. Without a terminal, each line of stdin is evaluated.
    /// Exit code: 1 when an expression of -e or of stdin failed, else 0.
    #[command(verbatim_doc_comment)]
    Stellar(Stellar),
    /// Print the output of a model's instances
    Logs(Logs),
    /// List events, oldest first
    Events(Events),
    /// List the kinds of resources
    ApiResources(ApiResources),
    /// Apply a directory or a git repository continuously
    Sync(Sync),
    /// Let a sync do nothing until it is resumed
    #[command(after_help = "Examples:
  maasctl suspend sync models             # before an edit by hand that is to stay for a while
  maasctl get syncs                       # says which are suspended")]
    Suspend(Syncs),
    /// Let a suspended sync go on
    #[command(after_help = "Examples:
  maasctl resume sync models              # what was changed by hand meanwhile is healed")]
    Resume(Syncs),
    /// Let a sync look at its source now
    Reconcile(Reconcile),
    /// Look at models, instances, endpoints and events on a full screen, as they change
    ///
    /// Drawn anew on every change that ZooKeeper tells of. ? lists the keys, among them describe, logs, scale and restart.
    /// Needs a terminal; `get -w` prints changes as lines.
    #[command(verbatim_doc_comment, after_help = WATCH_EXAMPLES)]
    Watch(Watch),
    /// Look at the cluster: what would keep the service from working, or take it down
    ///
    /// Looks at ZooKeeper, YARN, HDFS and the tree, side by side, each within seconds; leaves nothing behind.
    /// Exit code: 1 when anything is an error; 3 with --strict when anything is a warning; else 0.
    #[command(verbatim_doc_comment)]
    Doctor(Doctor),
    /// Start, stop or look at the operator on YARN
    #[command(subcommand)]
    Service(Service),
    /// Keep and choose contexts: where ZooKeeper, the tree and Hadoop's configuration are
    #[command(subcommand)]
    Config(Config),
    /// Show what instances use: CPU and memory
    Top(Top),
    /// Say what a field of a manifest means
    Explain(Explain),
    /// Print the JSON Schema of ModelDeployment, for editors and CI
    Schema,
    /// Write the manual from the commands' own definition
    #[command(subcommand, hide = true)]
    Manual(Manual),
    /// Print the versions of this program and of the operator
    Version(Version),
    /// Print the shell's code that completes commands, options and names
    Completion(Completion),
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

fn request_timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("nothing would be waited for; leave the option out for the defaults".to_owned()),
        other => Ok(other),
    }
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
