//! `delete`: specs go, and the operator takes down what they stood for.

use std::process::ExitCode;

use maas_crd::{Name, Namespace};
use maas_store::{SpecRead, Store, get_spec};
use tokio::time::Instant;

use super::NotFound;
use super::apply::read_declarations;
use super::connection::{open, warn_without_operator};
use super::retry::{Decided, Write, settle};
use super::sync;
use super::wait::{names, require_operator, until_gone};
use crate::args::Delete;
use crate::output;
use crate::reference;
use crate::settings::Settings;

/// Deletes all that are there; those that are not are each an error, unless they are to be ignored.
pub(crate) async fn delete(settings: &Settings, args: Delete) -> anyhow::Result<ExitCode> {
    if reference::names_syncs(&args.names) {
        return sync::delete(settings, &args.names, args.ignore_not_found).await;
    }
    let mut wanted: Vec<(Namespace, Name)> = Vec::new();
    if !args.names.is_empty() {
        wanted.extend(names(&args.names)?.into_iter().map(|name| (settings.namespace(), name)));
    }
    if !args.filename.is_empty() {
        let declared = read_declarations(&args.filename, settings.namespace.as_ref())?;
        wanted.extend(declared.good.into_iter().map(|declared| {
            let metadata = declared.manifest.resource.metadata;
            (metadata.namespace, metadata.name)
        }));
    }
    let store = open(settings).await?;
    let (mut deleted, mut code) = (Vec::new(), ExitCode::SUCCESS);
    for (namespace, name) in wanted {
        if remove(&store, &namespace, &name).await? {
            output::data(&format!("modeldeployment.maas \"{name}\" deleted from {namespace} namespace\n"))?;
            deleted.push((namespace, name));
        } else if !args.ignore_not_found {
            output::note(&NotFound(name.to_string()).to_string());
            code = ExitCode::FAILURE;
        }
    }
    if args.wait && !deleted.is_empty() {
        require_operator(&store).await?;
        let deadline = Instant::now() + args.timeout;
        for (namespace, name) in &deleted {
            until_gone(&store, namespace, name, deadline).await?;
        }
    } else if !deleted.is_empty() {
        warn_without_operator(&store).await?;
    }
    Ok(code)
}

/// Whether there was one to delete. One that is created meanwhile under the same name stays.
async fn remove(store: &Store, namespace: &Namespace, name: &Name) -> anyhow::Result<bool> {
    let mut first: Option<SpecRead> = None;
    settle(store, async || {
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
