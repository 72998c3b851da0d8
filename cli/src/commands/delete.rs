//! `delete`: specs go, and the operator takes down what they stood for.

use std::process::ExitCode;

use anyhow::bail;
use maas_crd::{Name, Namespace};
use maas_store::{SpecRead, Store, get_spec};
use tokio::time::Instant;

use super::NotFound;
use super::change::{Teller, each};
use super::chosen::Chosen;
use super::connection::{open, warn_without_operator};
use super::retry::{Decided, Write, carry_out};
use super::sync;
use super::wait::{require_operator, until_gone};
use crate::args::{Cascade, Delete, DryRun, Printed};
use crate::reference;
use crate::settings::Settings;

/// Deletes all that are there; those that are not are each an error, unless they are to be ignored.
pub(crate) async fn delete(settings: &Settings, args: Delete) -> anyhow::Result<ExitCode> {
    if args.cascade == Cascade::Orphan {
        bail!(
            "--cascade=orphan is refused: instances end with their deployment, as nothing else restarts, replaces or finds them. To be rid of the manifest alone, keep the deployment and leave its set: `maasctl annotate NAME maas/applyset-`; to have a prune pass it over: `maasctl annotate NAME maas/prune=disabled`"
        );
    }
    if matches!(args.how.output, Some(Printed::Yaml | Printed::Json)) {
        bail!("--output: delete prints lines or names alone: leave it out or give -o name");
    }
    let (syncs, names) = reference::with_syncs(&args.names, args.which.all);
    if syncs.is_empty() {
        return delete_deployments(settings, &args, &names).await;
    }
    let code = sync::delete(settings, &args, &syncs).await?;
    if names.is_empty() {
        return Ok(code);
    }
    let others = delete_deployments(settings, &args, &names).await?;
    Ok(if code == ExitCode::SUCCESS { others } else { code })
}

async fn delete_deployments(settings: &Settings, args: &Delete, words: &[String]) -> anyhow::Result<ExitCode> {
    let chosen = Chosen::read(settings, words, &args.which, "delete")?;
    let store = open(settings).await?;
    let places = chosen.find(&store, "delete").await?;
    let (dry, mut teller) = (args.how.rehearsal.dry_run, Teller::new(&args.how));
    let mut deleted = Vec::new();
    each(&store, &places, &mut teller, async |teller, namespace, name| {
        if !remove(&store, namespace, name, dry).await? {
            return if args.ignore_not_found { Ok(()) } else { Err(NotFound(name.to_string()).into()) };
        }
        teller.data(&match args.how.output {
            Some(_) => format!("modeldeployment.maas/{name}\n"),
            None => format!("modeldeployment.maas \"{name}\" deleted from {namespace} namespace{}\n", dry.suffix()),
        });
        deleted.push((namespace.clone(), name.clone()));
        Ok(())
    })
    .await?;
    let told = teller.end(false);
    if dry.is_dry() || deleted.is_empty() {
        return told;
    }
    if args.waits() {
        require_operator(&store).await?;
        until_gone(&store, &deleted, Instant::now() + args.timeout).await?;
    } else {
        warn_without_operator(&store).await?;
    }
    told
}

/// Whether there was one to delete. One that is created meanwhile under the same name stays.
async fn remove(store: &Store, namespace: &Namespace, name: &Name, dry_run: DryRun) -> anyhow::Result<bool> {
    let mut first: Option<SpecRead> = None;
    carry_out(store, dry_run, &[], async || {
        let found = get_spec(store, namespace, name).await?;
        match (found, &first) {
            (None, first) => Ok(Decided::done(first.is_some())),
            (Some(found), Some(first)) if first.stat.czxid != found.stat.czxid => Ok(Decided::done(true)),
            (Some(found), _) => {
                first = Some(found.clone());
                Ok(Decided::after(Write::Delete(found), true))
            }
        }
    })
    .await
}
