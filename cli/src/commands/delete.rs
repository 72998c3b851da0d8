//! `delete`: specs go, and the operator takes down what they stood for.

use std::process::ExitCode;

use anyhow::bail;
use maas_crd::{Name, Namespace};
use maas_store::{SpecRead, Store, get_spec};
use tokio::time::Instant;

use super::apply::read_declarations;
use super::change::{Teller, absent, targets};
use super::connection::{open, warn_without_operator};
use super::retry::{Decided, Write, carry_out};
use super::sync;
use super::wait::{names, require_operator, until_gone};
use crate::args::{Cascade, Delete, DryRun, Printed};
use crate::output;
use crate::reference;
use crate::settings::Settings;

/// Deletes all that are there; those that are not are each an error, unless they are to be ignored.
pub(crate) async fn delete(settings: &Settings, args: Delete) -> anyhow::Result<ExitCode> {
    if reference::names_syncs(&args.names) {
        let plain = args.filename.is_empty() && !args.which.all && args.which.selector.is_none();
        if !plain || args.how.rehearsal.dry_run.is_dry() || args.how.output.is_some() {
            bail!("a sync is deleted by name alone: leave the options but --ignore-not-found out");
        }
        return sync::delete(settings, &args.names, args.ignore_not_found).await;
    }
    if matches!(args.how.output, Some(Printed::Yaml | Printed::Json)) {
        bail!("--output: delete prints lines or names alone: leave it out or give -o name");
    }
    let selects = args.which.all || args.which.selector.is_some();
    if selects && !args.filename.is_empty() {
        bail!("--filename names deployments itself: leave --selector and --all out");
    }
    if args.names.is_empty() && args.filename.is_empty() && !selects {
        bail!("name the deployments to delete, or give --filename, --selector or --all");
    }
    let mut wanted: Vec<(Namespace, Name)> = Vec::new();
    if !args.filename.is_empty() {
        let declared = read_declarations(&args.filename, args.recursive, settings.namespace.as_ref())?;
        wanted.extend(declared.good.into_iter().map(|declared| {
            let metadata = declared.manifest.resource.metadata;
            (metadata.namespace, metadata.name)
        }));
    }
    if !selects && !args.names.is_empty() {
        wanted.extend(names(&args.names)?.into_iter().map(|name| (settings.namespace(), name)));
    }
    let store = open(settings).await?;
    if selects {
        let found = targets(&store, settings, &args.names, &args.which, "delete").await?;
        wanted.extend(found.into_iter().map(|name| (settings.namespace(), name)));
    }
    let dry = args.how.rehearsal.dry_run;
    let (mut deleted, mut code, mut teller) = (Vec::new(), ExitCode::SUCCESS, Teller::new(&args.how));
    for (namespace, name) in wanted {
        let was_there = remove(&store, &namespace, &name, dry).await?;
        if was_there {
            teller.data(&match args.how.output {
                Some(_) => format!("modeldeployment.maas/{name}\n"),
                None => {
                    format!("modeldeployment.maas \"{name}\" deleted from {namespace} namespace{}\n", dry.suffix())
                }
            });
            deleted.push((namespace, name));
        } else if !args.ignore_not_found {
            output::note(&absent(&store, &namespace, &name).await);
            code = ExitCode::FAILURE;
        }
    }
    let told = teller.end(false);
    if dry.is_dry() || deleted.is_empty() {
        return told.map(|()| code);
    }
    if args.wait || args.cascade == Cascade::Foreground {
        require_operator(&store).await?;
        let deadline = Instant::now() + args.timeout;
        for (namespace, name) in &deleted {
            until_gone(&store, namespace, name, deadline).await?;
        }
    } else {
        warn_without_operator(&store).await?;
    }
    told.map(|()| code)
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
