//! GitOps.

use std::time::Duration;

use clap::Args;
use maas_crd::Name;

use super::duration;

/// `sync`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  maasctl sync https://git.example.com/soc/models.git --branch main --path prod --prune
  maasctl sync ./models --once            # one round, as a CI job does it
  maasctl get syncs                       # how far each is
  maasctl reconcile sync models           # now, not at the next interval")]
pub(crate) struct Sync {
    /// A directory, a git work tree (what is committed there), or a repository's URL
    pub(crate) source: String,
    /// What to call it [default: the last part of the source]
    #[arg(long)]
    pub(crate) name: Option<Name>,
    /// The branch to follow [default: what the repository's HEAD names]
    #[arg(long)]
    pub(crate) branch: Option<String>,
    /// Apply only what stands at or below this path of the source [default: all]
    #[arg(long)]
    pub(crate) path: Option<String>,
    /// Time between two looks at the source, 1s at least; what changes on this machine is noticed at once
    #[arg(long, value_parser = interval, default_value = "30s", value_name = "DURATION")]
    pub(crate) interval: Duration,
    /// Delete what this sync has applied and its source no longer declares, but for what is annotated maas/prune: disabled
    #[arg(long)]
    pub(crate) prune: bool,
    /// Only show what others changed, and leave it so until the source changes
    #[arg(long)]
    pub(crate) no_heal: bool,
    /// One round, then end: with exit code 1 when anything could not be applied
    #[arg(long)]
    pub(crate) once: bool,
}

/// `suspend` and `resume`.
#[derive(Debug, Args)]
pub(crate) struct Syncs {
    /// [sync] NAME..., or sync/NAME
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

/// `reconcile`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  maasctl reconcile sync models           # look at the source now, and wait until that is done
  git push && maasctl reconcile sync models --timeout 2m")]
pub(crate) struct Reconcile {
    /// [sync] NAME..., or sync/NAME
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// How long to wait until it is done
    #[arg(long, value_parser = duration, default_value = "5m", value_name = "DURATION")]
    pub(crate) timeout: Duration,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&interval) {
        Ok(interval)
    } else {
        Err("expected 1s to 24h".to_owned())
    }
}
