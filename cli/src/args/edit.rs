//! Commands that change one deployment after another, and what they share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::change::{DryRun, Files, Rehearsal};
use super::duration;

/// Output formats of what was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Printed {
    /// Names alone
    Name,
    /// The whole, as YAML
    Yaml,
    /// The whole, as JSON
    Json,
}

/// How a change is made and told.
#[derive(Debug, Args)]
pub(crate) struct How {
    #[command(flatten)]
    pub(crate) rehearsal: Rehearsal,
    /// Output format [default: a line for each]
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Printed>,
}

impl How {
    /// In earnest.
    pub(crate) fn done(output: Option<Printed>) -> Self {
        Self { rehearsal: Rehearsal { dry_run: DryRun::None }, output }
    }
}

/// Deployments that files name.
#[derive(Debug, Default, Args)]
pub(crate) struct Named {
    /// Those that these files declare: a file, a directory, or - for stdin; may be repeated
    #[arg(short, long, value_name = "FILE")]
    pub(crate) filename: Vec<PathBuf>,
    /// Read the subdirectories of directories too
    #[arg(short = 'R', long, requires = "filename")]
    pub(crate) recursive: bool,
}

/// Which deployments, where none is named.
#[derive(Debug, Default, Args)]
pub(crate) struct Which {
    #[command(flatten)]
    pub(crate) files: Named,
    /// All with these labels: KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY, !KEY; a comma means and
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with_all = ["all", "filename"])]
    pub(crate) selector: Option<String>,
    /// All of the namespace
    #[arg(long, conflicts_with = "filename")]
    pub(crate) all: bool,
}

/// `create`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  maasctl create -f dga.yaml
  maasctl create -f models/ --dry-run=server
  maasctl get md dga-1.0 -o yaml | sed s/1.0/2.0/ | maasctl create -f -")]
pub(crate) struct Create {
    #[command(flatten)]
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) how: How,
}

/// `edit`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  maasctl edit dga-1.0
  MAAS_EDITOR=nano maasctl edit md dga-1.0 dga-2.0

The editor is MAAS_EDITOR, else EDITOR, else vi. What is saved is checked as `apply` checks it; the file is opened again
with every fault noted until it is good. An empty file, or one that was not changed, cancels the edit.")]
pub(crate) struct EditText {
    /// [KIND] NAME..., or KIND/NAME
    #[arg(required_unless_present = "filename", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) files: Named,
    /// Output format [default: a line for each]
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Printed>,
}

/// `set`.
#[derive(Debug, Subcommand)]
pub(crate) enum Set {
    /// The number of instances
    #[command(after_help = "Examples:
  maasctl set replicas dga-1.0 3
  maasctl set replicas -l team=soc 2")]
    Replicas(SetValue),
    /// The memory of one instance; instances are replaced one after another
    #[command(after_help = "Examples:
  maasctl set memory dga-1.0 1Gi
  maasctl set memory --all 512Mi --dry-run=client -o yaml")]
    Memory(SetValue),
    /// The virtual cores of one instance; instances are replaced one after another
    #[command(after_help = "Examples:
  maasctl set vcores dga-1.0 2")]
    Vcores(SetValue),
    /// Environment variables of the model; instances are replaced one after another
    #[command(after_help = "Examples:
  maasctl set env dga-1.0 THRESHOLD=0.8 LOG_LEVEL-
  maasctl set env -l team=soc PROXY=http://proxy:3128
  maasctl set env dga-1.0 --list")]
    Env(SetEnv),
    /// The directory of the model's files in HDFS; instances are replaced one after another
    #[command(after_help = "Examples:
  maasctl set payload dga-1.0 hdfs:///models/dga/1.0.1")]
    Payload(SetValue),
    /// The script that starts the model; instances are replaced one after another
    #[command(after_help = "Examples:
  maasctl set script dga-1.0 bin/rest.sh
  maasctl set script dga-1.0 --unset")]
    Script(SetScript),
}

/// One value for some deployments.
#[derive(Debug, Args)]
pub(crate) struct SetValue {
    /// [KIND] NAME..., or KIND/NAME, and the value last
    #[arg(required = true, value_name = "NAME... VALUE", allow_negative_numbers = true)]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) how: How,
}

/// `set script`.
#[derive(Debug, Args)]
pub(crate) struct SetScript {
    /// [KIND] NAME..., or KIND/NAME, and the script's path within the payload last
    #[arg(required = true, value_name = "NAME... SCRIPT")]
    pub(crate) words: Vec<String>,
    /// Name none: the payload's only .sh is started
    #[arg(long)]
    pub(crate) unset: bool,
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) how: How,
}

/// `set env`.
#[derive(Debug, Args)]
pub(crate) struct SetEnv {
    /// [KIND] NAME..., or KIND/NAME; then KEY=VALUE to set and KEY- to take out
    #[arg(required = true, value_name = "NAME... KEY=VALUE|KEY-")]
    pub(crate) words: Vec<String>,
    /// Print the variables, after the changes if there are any; write nothing
    #[arg(long)]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) how: How,
}

/// `label` and `annotate`.
#[derive(Debug, Args)]
pub(crate) struct Mark {
    /// [KIND] NAME..., or KIND/NAME; then KEY=VALUE to set and KEY- to take out
    #[arg(required = true, value_name = "NAME... KEY=VALUE|KEY-")]
    pub(crate) words: Vec<String>,
    /// Replace values that are there
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Print what there is, after the changes if there are any
    #[arg(long)]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) how: How,
}

/// `scale`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  maasctl scale dga-1.0 --replicas 3
  maasctl scale dga-1.0 --current-replicas 2 --replicas 3
  maasctl scale -l team=soc --replicas 0")]
pub(crate) struct Scale {
    /// [KIND] NAME..., or KIND/NAME
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// The number of instances
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) replicas: i64,
    /// Change only deployments that have just this number now
    #[arg(long, value_name = "N")]
    pub(crate) current_replicas: Option<u32>,
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) how: How,
    /// Wait until it is so
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "10m", value_name = "DURATION")]
    pub(crate) timeout: Duration,
}

/// How what stood behind a deleted deployment goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cascade {
    /// The spec goes at once; the operator drains and removes the rest
    #[default]
    Background,
    /// Come back when the rest is gone, as --wait
    Foreground,
    /// kubectl's third one, refused with the reason
    #[value(hide = true)]
    Orphan,
}

/// `delete`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  maasctl delete dga-1.0 dga-2.0 --wait
  maasctl delete -f models/ --ignore-not-found
  maasctl delete -l team=soc --dry-run=server")]
pub(crate) struct Delete {
    /// [KIND] NAME..., or KIND/NAME...; kinds: modeldeployments (models, md) and syncs, which go by name alone
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) how: How,
    /// How instances go: background comes back at once, foreground when they are gone; none stays behind, so orphan is
    /// refused
    #[arg(long, value_enum, default_value = "background")]
    pub(crate) cascade: Cascade,
    /// Wait until instances, endpoints and status are gone; a sync is gone at once
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "10m", value_name = "DURATION")]
    pub(crate) timeout: Duration,
    /// What is not there is no error
    #[arg(long)]
    pub(crate) ignore_not_found: bool,
}

impl Delete {
    /// Whether to come back only when all is gone.
    pub(crate) fn waits(&self) -> bool {
        self.wait || self.cascade == Cascade::Foreground
    }
}

/// `rollout`.
#[derive(Debug, Subcommand)]
pub(crate) enum Rollout {
    /// Watch a rollout until it is done
    #[command(after_help = "Examples:
  maasctl rollout status dga-1.0
  maasctl rollout status md/dga-1.0 --timeout 5m
  maasctl rollout status dga-1.0 --watch=false")]
    Status(RolloutStatus),
    /// Replace all instances one after another
    ///
    /// Writes the time into spec.restartedAt, which is part of the template: never fewer than are wanted serve meanwhile.
    #[command(after_help = "Examples:
  maasctl rollout restart dga-1.0
  maasctl rollout restart -l team=soc && maasctl rollout status -l team=soc")]
    Restart(Restart),
}

/// `rollout status`.
#[derive(Debug, Args)]
pub(crate) struct RolloutStatus {
    /// [KIND] NAME..., or KIND/NAME
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) which: Which,
    /// Watch until the rollout is done
    #[arg(short, long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) watch: bool,
    /// Fail when the newest revision is, or becomes, another one
    #[arg(long, value_name = "N")]
    pub(crate) revision: Option<u32>,
    /// How long to watch [default: without end]
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    pub(crate) timeout: Option<Duration>,
}

/// `rollout restart`.
#[derive(Debug, Args)]
pub(crate) struct Restart {
    /// [KIND] NAME..., or KIND/NAME
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) how: How,
}
