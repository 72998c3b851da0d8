//! `create -f`: what must not be there yet.

use std::process::ExitCode;

use anyhow::bail;
use maas_crd::Manifest;
use maas_store::{Op, Store, get_spec};

use super::AlreadyExists;
use super::apply::decide::key;
use super::apply::read_declarations;
use super::change::{Changed, Teller};
use super::connection::{ensure_tree, open, warn_without_operator};
use super::retry::{Decided, Write, carry_out, is_unanswered};
use crate::args::{Create, DryRun};
use crate::manifests::Declared;
use crate::settings::Settings;

/// Checks every file whole, then creates one after another; what is there already is told, and the rest goes on.
pub(crate) async fn create(settings: &Settings, args: Create) -> anyhow::Result<ExitCode> {
    let manifests = read_declarations(&args.files.filename, args.files.recursive, settings.namespace.as_ref())?.good;
    // A client's dry run asks nobody.
    let store = if args.how.rehearsal.dry_run == DryRun::Client { None } else { Some(open(settings).await?) };
    let mut teller = Teller::new(&args.how);
    let (alone, mut created_any) = (manifests.len() == 1, false);
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
        let place = key(&manifest.resource);
        match made {
            Ok(()) => {
                let (namespace, name) = place;
                let created = Changed { namespace, name, manifest, differs: true };
                teller.tell(store.as_ref(), &created, "created").await?;
                created_any = true;
            }
            Err(error) if is_unanswered(&error) => {
                teller.print(false)?;
                let (namespace, name) = place;
                return Err(error.context(format!(
                    "nobody knows of {namespace}/{name}, and what comes after it was not tried; give the command again when ZooKeeper answers"
                )));
            }
            Err(error) => teller.failed(store.as_ref(), &place, error, !alone).await,
        }
    }
    let told = teller.end(alone);
    if let Some(store) = store.filter(|_| created_any && !args.how.rehearsal.dry_run.is_dry()) {
        warn_without_operator(&store).await?;
    }
    told
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
