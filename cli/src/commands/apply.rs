//! `apply`: makes the tree say what the files say.

pub(crate) mod decide;
pub(crate) mod engine;
mod others;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use maas_crd::{Manifest, Namespace};
use maas_store::Store;
use tokio::time::Instant;

use self::decide::{Change, Marks};
use self::engine::{Applied, Fate, Outcome, Pruned, apply_all, prune};
use super::chosen::Place;
use super::connection::{open, warn_without_operator};
use super::wait::{require_operator, until_ready};
use crate::args::{Apply, DryRun};
use crate::manifests::files::read_all;
use crate::manifests::{Declarations, declarations, excerpt};
use crate::output;
use crate::settings::Settings;

/// Checks every file whole before anything is written.
pub(crate) async fn apply(settings: &Settings, args: Apply) -> anyhow::Result<ExitCode> {
    let declared = read_declarations(&args.files.filename, args.files.recursive, settings.namespace.as_ref())?;
    let manifests: Vec<&Manifest> = declared.good.iter().map(|declared| &declared.manifest).collect();
    let store = open(settings).await?;
    let marks =
        Marks { applyset: args.applyset.as_ref().map(ToString::to_string), revision: None, keeps_others: false };
    let dry_run = args.rehearsal.dry_run;
    let mut teller = Teller { suffix: dry_run.suffix(), closed: None };
    let applied = apply_all(&store, &manifests, &marks, dry_run, |applied| teller.applied(applied)).await?;
    let mut failed = summary(&applied);
    if let Some(applyset) = marks.applyset.as_deref().filter(|_| args.prune || args.prune_dry_run) {
        if failed.is_some() {
            output::note("nothing was pruned, as not everything was applied");
        } else {
            let dry_run = match dry_run {
                DryRun::None if args.prune_dry_run => DryRun::Client,
                asked => asked,
            };
            teller.suffix = dry_run.suffix();
            let pruned = prune(&store, applyset, &declared.named, dry_run, |pruned| teller.pruned(pruned)).await?;
            let kept = pruned.iter().filter(|pruned| !matches!(pruned.outcome, Outcome::Done(_))).count();
            failed = (kept > 0).then(|| format!("{kept} of the applyset {applyset} could not be pruned: apply again"));
        }
    }
    if let Some(failed) = failed {
        bail!(failed);
    }
    if !dry_run.is_dry() {
        after(&store, &args, &applied).await?;
    }
    teller.closed.map_or(Ok(ExitCode::SUCCESS), Err)
}

async fn after(store: &Store, args: &Apply, applied: &[Applied]) -> anyhow::Result<()> {
    if args.wait {
        require_operator(store).await?;
        let places: Vec<Place> = applied.iter().map(|one| (one.namespace.clone(), one.name.clone())).collect();
        until_ready(store, &places, Instant::now() + args.timeout).await?;
    } else if applied.iter().any(|applied| !matches!(applied.outcome, Outcome::Done(Change::Unchanged))) {
        warn_without_operator(store).await?;
    }
    Ok(())
}

/// Tells what becomes of each object.
struct Teller {
    suffix: &'static str,
    /// Why stdout takes no more: what is under way is finished all the same.
    closed: Option<anyhow::Error>,
}

impl Teller {
    fn data(&mut self, text: &str) {
        if self.closed.is_none() {
            self.closed = output::data(text).err();
        }
    }

    fn applied(&mut self, Applied { namespace, name, outcome }: &Applied) {
        match outcome {
            Outcome::Done(change) => self.data(&format!("modeldeployment.maas/{name} {change}{}\n", self.suffix)),
            Outcome::Failed(error) => {
                output::note(&format!("error: modeldeployment.maas/{name} in {namespace}: {error:#}"));
            }
            // Many are lost at a time, for one reason: it is told once, at the end.
            Outcome::Lost(_) | Outcome::Untried => {}
        }
    }

    fn pruned(&mut self, Pruned { namespace, name, outcome }: &Pruned) {
        let kept = |why: &str| output::note(&format!("modeldeployment.maas/{name} in {namespace} is kept: {why}"));
        match outcome {
            Outcome::Done(Fate::Pruned) => self.data(&format!("modeldeployment.maas/{name} pruned{}\n", self.suffix)),
            Outcome::Done(Fate::OptedOut) => kept("it is annotated maas/prune: disabled"),
            Outcome::Done(Fate::Left) => kept("it was taken out of the applyset meanwhile"),
            Outcome::Done(Fate::Unreadable) => {
                kept("its manifest can't be read, nor whether it is in the applyset: look with `maasctl describe`");
            }
            Outcome::Failed(error) | Outcome::Lost(error) => {
                output::note(&format!("error: modeldeployment.maas/{name} in {namespace}: {error:#}"));
            }
            Outcome::Untried => {}
        }
    }
}

/// What is to be said when not everything was applied.
fn summary(applied: &[Applied]) -> Option<String> {
    let count = |is: fn(&Outcome<Change>) -> bool| applied.iter().filter(|one| is(&one.outcome)).count();
    let all = applied.len();
    let done = count(|outcome| matches!(outcome, Outcome::Done(_)));
    if done == all {
        return None;
    }
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let lost: Vec<String> = applied
        .iter()
        .filter(|one| matches!(one.outcome, Outcome::Lost(_)))
        .map(|one| format!("{}/{}", one.namespace, one.name))
        .collect();
    let untried = count(|outcome| matches!(outcome, Outcome::Untried));
    let why = applied.iter().find_map(|one| match &one.outcome {
        Outcome::Lost(error) => Some(format!("{error:#}")),
        _ => None,
    });
    let mut said = format!("{done} of {all} were applied");
    if failed > 0 {
        said.push_str(&format!(", {failed} failed, as said above"));
    }
    if let Some(why) = why {
        said.push_str(&format!(
            ", {untried} were not tried, as ZooKeeper was lost ({why}); of these nobody knows: {}. What was applied stays; give the command again when ZooKeeper answers, and it does what is left",
            lost.join(", ")
        ));
    }
    Some(said)
}

/// Manifests with faults, each with an excerpt: printed as it is.
#[derive(Debug, thiserror::Error)]
#[error("{excerpts}\n\nerror: {summary}")]
pub(crate) struct Faulty {
    excerpts: String,
    summary: String,
}

/// What the files declare; every fault of every file at once.
pub(crate) fn read_declarations(
    files: &[PathBuf],
    recursive: bool,
    namespace: Option<&Namespace>,
) -> anyhow::Result<Declarations> {
    let sources = read_all(files, recursive);
    let found = declarations(&sources, namespace);
    if found.wrong.is_empty() {
        return Ok(found);
    }
    let wrong: BTreeSet<&str> = found.wrong.iter().map(|wrong| wrong.source.as_str()).collect();
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    Err(Faulty {
        excerpts: excerpt::render(&found.wrong, &sources, output::color::stderr()),
        summary: format!(
            "nothing was changed: {} in {} of {}; mend what is said above and give the command again",
            count(found.wrong.len(), "fault"),
            wrong.len(),
            count(sources.len(), "file"),
        ),
    }
    .into())
}
