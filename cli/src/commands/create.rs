//! `create -f`: what must not be there yet.

use std::process::ExitCode;

use anyhow::bail;
use maas_crd::Manifest;
use maas_store::{Op, Store, get_spec};

use super::AlreadyExists;
use super::apply::read_declarations;
use super::change::{Changed, Teller};
use super::connection::{ensure_tree, open, warn_without_operator};
use super::retry::{Decided, Write, carry_out};
use crate::args::{Create, DryRun};
use crate::manifests::Declared;
use crate::output;
use crate::settings::Settings;

/// Checks every file whole, then creates one after another; what is there already is told, and the rest goes on.
pub(crate) async fn create(settings: &Settings, args: Create) -> anyhow::Result<ExitCode> {
    let manifests = read_declarations(&args.files.filename, args.files.recursive, settings.namespace.as_ref())?.good;
    // A client's dry run asks nobody.
    let store = if args.how.rehearsal.dry_run == DryRun::Client { None } else { Some(open(settings).await?) };
    let mut teller = Teller::new(&args.how);
    let (alone, mut code, mut changed) = (manifests.len() == 1, ExitCode::SUCCESS, false);
    let folders = match &store {
        Some(store) if args.how.rehearsal.dry_run.is_dry() => store.missing_folders().await?,
        Some(store) => ensure_tree(store).await.map(|()| Vec::new())?,
        None => Vec::new(),
    };
    for Declared { manifest, .. } in manifests {
        let made = match &store {
            None => Ok(()),
            Some(store) => create_one(store, &manifest, args.how.rehearsal.dry_run, &folders).await,
        };
        match made {
            Ok(()) => {
                let metadata = &manifest.resource.metadata;
                let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
                let created = Changed { namespace, name, manifest, differs: true };
                teller.tell(store.as_ref(), &created, "created").await?;
                changed = true;
            }
            Err(error) if error.is::<AlreadyExists>() => {
                output::note(&error.to_string());
                code = ExitCode::FAILURE;
            }
            Err(error) => return Err(error),
        }
    }
    teller.end(alone)?;
    if let Some(store) = store.filter(|_| changed && !args.how.rehearsal.dry_run.is_dry()) {
        warn_without_operator(&store).await?;
    }
    Ok(code)
}

async fn create_one(store: &Store, manifest: &Manifest, dry_run: DryRun, folders: &[Op]) -> anyhow::Result<()> {
    let metadata = &manifest.resource.metadata;
    let mut tried = false;
    carry_out(store, dry_run, folders, async || match get_spec(store, &metadata.namespace, &metadata.name).await? {
        None => {
            tried = true;
            let write = Write::Create(metadata.namespace.clone(), metadata.name.clone(), manifest.text.clone());
            Ok(Decided::after(write, ()))
        }
        // Found after a try of our own whose answer was lost: that try did it.
        Some(read) if tried && read.text == manifest.text.as_bytes() => Ok(Decided::done(())),
        Some(_) => bail!(AlreadyExists(metadata.name.to_string())),
    })
    .await
}
