//! Commands that look and change nothing.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use maas_store::EventKind;

use super::duration;
use super::edit::Named;
use crate::awaited::Awaited;
use crate::field_selector::FieldSelector;
use crate::jsonpath::Path;
use crate::output::format::Format;
use crate::selector::Selector;

/// `get`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maasctl get models                                    every deployment of the namespace
  maasctl get models,instances -l team=soc -o wide      two kinds, by label, with more columns
  maasctl get instances dga-1.0 -w                      the instances of one deployment, as they change
  maasctl get -f models/                                how what the files declare stands in the tree
  maasctl get models -o jsonpath='{range .items[*]}{.metadata.name}{\"\\n\"}{end}'
  maasctl get models --sort-by=.status.readyReplicas -o custom-columns=NAME:.metadata.name,READY:.status.readyReplicas")]
pub(crate) struct Get {
    /// KIND[,KIND...] [NAME...] or KIND/NAME...; kinds: modeldeployments (models, md), instances, endpoints (ep),
    /// events (ev), or all; of instances and endpoints NAME is a deployment's, or DEPLOYMENT/INSTANCE
    #[arg(value_name = "KIND|NAME")]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) files: Named,
    /// Only what has these labels: team=soc, team!=soc, 'team in (soc,lab)', 'team notin (soc)', team, '!team', with a
    /// comma for "and"; of other kinds, the labels of their deployment
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector, default_value = "", hide_default_value = true)]
    pub(crate) selector: Selector,
    /// Only what has these fields: type=Warning,involvedObject.name!=dga-1.0, any that -o json shows
    #[arg(
        long,
        value_name = "SELECTOR",
        value_parser = FieldSelector::from_str,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) field_selector: FieldSelector,
    /// wide, name, yaml, json, jsonpath=TEMPLATE, jsonpath-file=FILE, jsonpath-as-json=TEMPLATE,
    /// custom-columns=HEADER:PATH,... or custom-columns-file=FILE [default: a table]
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parse)]
    pub(crate) output: Option<Format>,
    /// Print the rows in the order of this field: .metadata.creationTimestamp [default: by name; events the oldest first]
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub(crate) sort_by: Option<Path>,
    /// Keep printing what changes, as it changes
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// As --watch, without what is there at the start
    #[arg(long)]
    pub(crate) watch_only: bool,
    /// While watching, say of each line whether it was ADDED, MODIFIED or DELETED
    #[arg(long)]
    pub(crate) output_watch_events: bool,
    /// In every namespace
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Add a column of all labels
    #[arg(long)]
    pub(crate) show_labels: bool,
    /// Add a column of this label; may be repeated
    #[arg(short = 'L', long, value_name = "KEY", value_delimiter = ',')]
    pub(crate) label_columns: Vec<String>,
    /// Leave the table's first line out
    #[arg(long)]
    pub(crate) no_headers: bool,
    /// What is not there is no error
    #[arg(long)]
    pub(crate) ignore_not_found: bool,
}

fn selector(text: &str) -> Result<Selector, String> {
    text.parse().map_err(|error: crate::selector::SelectorError| error.to_string())
}

fn path(text: &str) -> Result<Path, String> {
    Path::parse(text).map_err(|error| error.to_string())
}

/// `describe`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maasctl describe model dga-1.0              one deployment, its conditions, instances and events
  maasctl describe models -l team=soc         every deployment with the label
  maasctl describe instance dga-1.0/3-17      one instance: where it runs, how it ended last")]
pub(crate) struct Describe {
    /// [KIND] NAME..., KIND/NAME..., or KIND for all; kinds: modeldeployments (models, md) and instances, whose names
    /// are a deployment's, or DEPLOYMENT/INSTANCE; a name's beginning will do
    #[arg(required_unless_present = "filename", value_name = "KIND|NAME")]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) files: Named,
    /// Only what has these labels, as in get
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector, default_value = "", hide_default_value = true)]
    pub(crate) selector: Selector,
    /// In every namespace
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
}

/// `api-resources`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maasctl api-resources               the kinds that get, describe and wait take
  maasctl api-resources -o name       their names alone")]
pub(crate) struct ApiResources {
    /// wide or name [default: a table]
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<KindFormat>,
    /// Leave the table's first line out
    #[arg(long)]
    pub(crate) no_headers: bool,
}

/// Output formats of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindFormat {
    /// A table with more columns
    Wide,
    /// Names alone
    Name,
}

/// `wait`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maasctl wait dga-1.0 --timeout 5m                                  until every instance of the newest spec is ready
  maasctl wait models -l team=soc --for=condition=Available          each that has the label
  maasctl wait dga-1.0 --for=jsonpath='{.status.readyReplicas}'=3    until a field has a value
  maasctl wait models --all -A --for=delete                          until nothing of any is left
  maasctl wait -f models/ --timeout 10m                              until all that the files declare are ready

It waits for what is not there yet. Exit code: 1 when the time is up.")]
pub(crate) struct Wait {
    /// [KIND] NAME..., or KIND/NAME...; it need not exist yet. KIND alone with --selector or --all
    #[arg(required_unless_present = "filename", value_name = "KIND|NAME")]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) files: Named,
    /// What to wait for: ready, create, delete, condition=TYPE[=STATUS], or jsonpath={PATH}[=VALUE]
    #[arg(long = "for", value_name = "CONDITION", default_value = "ready", value_parser = Awaited::parse)]
    pub(crate) condition: Awaited,
    /// All that have these labels, as in get
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector, default_value = "", hide_default_value = true)]
    pub(crate) selector: Selector,
    /// All of the kind in the namespace
    #[arg(long)]
    pub(crate) all: bool,
    /// In every namespace, with --selector or --all
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// How long to wait, for all of them together; 0 looks once
    #[arg(long, value_parser = duration, default_value = "30s", value_name = "DURATION")]
    pub(crate) timeout: Duration,
}

/// `logs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maasctl logs dga-1.0                       what every instance of a deployment wrote
  maasctl logs -f dga-1.0 --tail 20          and what they write, over restarts and moves to other containers
  maasctl logs dga-1.0/3-17 --stderr         one instance, also one that ended
  maasctl logs -f -l team=soc --timestamps   what all deployments with a label write, and when
  maasctl logs -p dga-1.0                    what ran before: the run before a crash, or the container before this one")]
pub(crate) struct Logs {
    /// NAME, or NAME/INSTANCE; a kind may stand before it: model/NAME
    #[arg(required_unless_present = "selector", conflicts_with = "selector")]
    pub(crate) name: Option<String>,
    /// Of all deployments that have these labels, as in get
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector)]
    pub(crate) selector: Option<Selector>,
    /// Keep printing what is added
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Print the run before the last one: before a restart in place, else in the container before
    #[arg(short, long, conflicts_with_all = ["follow", "since", "since_time", "file"])]
    pub(crate) previous: bool,
    /// Only the last lines of each instance; -1 is all [default: all, with --selector 10]
    #[arg(long, value_name = "LINES", value_parser = lines, allow_hyphen_values = true)]
    pub(crate) tail: Option<usize>,
    /// Only what was written since then, such as 10s, 5m or 1h30m [default: all]
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "file")]
    pub(crate) since: Option<Duration>,
    /// Only what was written since this time of RFC 3339, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with_all = ["file", "since"])]
    pub(crate) since_time: Option<jiff::Timestamp>,
    /// Put before each line when it was written, to the second
    #[arg(long, conflicts_with = "file")]
    pub(crate) timestamps: bool,
    /// Follow no more instances than this at the start [default: with --selector 5]
    #[arg(long, value_name = "NUMBER", requires = "follow")]
    pub(crate) max_log_requests: Option<usize>,
    /// Put [NAME/INSTANCE] before each line also when there is one instance
    #[arg(long)]
    pub(crate) prefix: bool,
    /// The model's standard error instead of its output
    #[arg(long, conflicts_with = "file")]
    pub(crate) stderr: bool,
    /// Another file of the container's log directory, such as runner.out
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<String>,
}

fn time(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| "expected a time of RFC 3339, such as 2026-01-31T12:00:00Z".to_owned())
}

/// A number of lines; -1 is all, as kubectl has it.
fn lines(text: &str) -> Result<usize, String> {
    match text {
        "-1" => Ok(usize::MAX),
        _ => text.parse().map_err(|_| "expected a number of lines, or -1 for all".to_owned()),
    }
}

/// `top`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maasctl top models                        what the instances of each deployment use together
  maasctl top instances dga-1.0             what each instance of one deployment uses
  maasctl top instances -A --sort-by memory the largest of all first

Each runner samples its container every 10 s; CPU is the mean between the last two samples. MEMORY% is of the limit.")]
pub(crate) struct Top {
    /// models or instances
    #[arg(value_name = "KIND")]
    pub(crate) kind: String,
    /// Only of these deployments
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Of deployments with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector, default_value = "", hide_default_value = true)]
    pub(crate) selector: Selector,
    /// In every namespace
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// The largest first [default: by name]
    #[arg(long, value_enum, value_name = "COLUMN")]
    pub(crate) sort_by: Option<TopColumn>,
    /// Leave the table's first line out
    #[arg(long)]
    pub(crate) no_headers: bool,
}

/// What `top` can sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TopColumn {
    /// CPU
    Cpu,
    /// Memory
    Memory,
}

/// `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maasctl explain models                    the fields of a ModelDeployment
  maasctl explain models.spec.resources     one field and what is in it
  maasctl explain models --recursive        all fields, names and types alone")]
pub(crate) struct Explain {
    /// A kind, and the path of a field: models.spec.resources
    #[arg(value_name = "KIND[.FIELD...]")]
    pub(crate) path: String,
    /// All fields below, without their descriptions
    #[arg(long)]
    pub(crate) recursive: bool,
}

/// `version`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maasctl version             this program's version, and the operator's
  maasctl version --client    asks nobody")]
pub(crate) struct Version {
    /// Only this program's; nothing is connected to
    #[arg(long)]
    pub(crate) client: bool,
}

/// `completion`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(maasctl completion bash)                                     for this shell
  maasctl completion bash > /etc/bash_completion.d/maasctl              for every one
  maasctl completion zsh > ~/.zfunc/_maasctl                            with fpath+=~/.zfunc before compinit
  maasctl completion fish > ~/.config/fish/completions/maasctl.fish")]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Shells that are completed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// bash 4.4 or later
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// `events`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maasctl events                                every event of the namespace, the oldest first
  maasctl events --for model/dga-1.0 -w         those of one deployment and its instances, as they come
  maasctl events -A --types Warning             what went wrong anywhere")]
pub(crate) struct Events {
    /// Only of these deployments
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Only of this: model/NAME, or instance/NAME/INSTANCE
    #[arg(long = "for", value_name = "KIND/NAME", conflicts_with = "names")]
    pub(crate) about: Option<String>,
    /// Only of these types: Normal, Warning
    #[arg(long, value_name = "TYPE", value_delimiter = ',', value_parser = event_type)]
    pub(crate) types: Vec<EventKind>,
    /// As in get
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parse)]
    pub(crate) output: Option<Format>,
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

fn event_type(text: &str) -> Result<EventKind, String> {
    match text.to_ascii_lowercase().as_str() {
        "normal" => Ok(EventKind::Normal),
        "warning" => Ok(EventKind::Warning),
        _ => Err("valid --types are Normal and Warning".to_owned()),
    }
}

/// `watch`.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// In every namespace
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
}
