//! `scale`: another number of instances.

use std::process::ExitCode;

use anyhow::bail;
use maas_crd::{Edit, Name, Namespace, REPLICAS_LIMIT};
use maas_store::{Store, get_spec};
use tokio::time::Instant;

use super::NotFound;
use super::change::{Changed, Teller, change, each, edited, stored};
use super::chosen::Chosen;
use super::connection::{open, warn_without_operator};
use super::retry::{Decided, Write, carry_out};
use super::wait::{require_operator, until_ready};
use crate::args::{DryRun, Scale};
use crate::edit::EditId;
use crate::settings::Settings;

/// `scale NAME... --replicas N`.
pub(crate) async fn scale(settings: &Settings, args: Scale) -> anyhow::Result<ExitCode> {
    let Some(replicas) = u32::try_from(args.replicas).ok().filter(|replicas| *replicas <= REPLICAS_LIMIT) else {
        bail!("--replicas {}: expected a whole number from 0 to {REPLICAS_LIMIT}", args.replicas);
    };
    let chosen = Chosen::read(settings, &args.names, &args.which, "scale")?;
    let store = open(settings).await?;
    let places = chosen.find(&store, "scale").await?;
    let (dry_run, mut teller) = (args.how.rehearsal.dry_run, Teller::new(&args.how));
    let scaled = each(&store, &places, &mut teller, async |teller, namespace, name| {
        let done = match args.current_replicas {
            None => set_to(&store, namespace, name, replicas, dry_run).await?,
            Some(current) => set_from(&store, namespace, name, (current, replicas), dry_run).await?,
        };
        teller.tell(Some(&store), &done, "scaled").await
    });
    let scaled = scaled.await?;
    let told = teller.end(places.len() == 1);
    if dry_run.is_dry() || scaled.is_empty() {
        return told;
    }
    if args.wait {
        require_operator(&store).await?;
        until_ready(&store, scaled, Instant::now() + args.timeout).await?;
    } else {
        warn_without_operator(&store).await?;
    }
    told
}

/// Sets one deployment's number, whatever it was.
pub(super) async fn set(store: &Store, namespace: &Namespace, name: &Name, replicas: u32) -> anyhow::Result<()> {
    set_to(store, namespace, name, replicas, DryRun::None).await.map(drop)
}

/// An absolute number may be written twice without harm, so a lost answer needs no more than reading again.
async fn set_to(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
    replicas: u32,
    dry_run: DryRun,
) -> anyhow::Result<Changed> {
    change(store, namespace, name, dry_run, |stored| edited(stored, &[Edit::Replicas(replicas)])).await
}

/// Sets the number where it is the one expected. After a lost answer the edit's id tells a number of ours from that of
/// somebody else.
async fn set_from(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
    (expected, replicas): (u32, u32),
    dry_run: DryRun,
) -> anyhow::Result<Changed> {
    let edit = EditId::random();
    let decide = async || {
        let read = get_spec(store, namespace, name).await?.ok_or_else(|| NotFound(name.to_string()))?;
        let stored = stored(name, &read.text)?;
        let outcome =
            |manifest, differs| Changed { namespace: namespace.clone(), name: name.clone(), manifest, differs };
        if edit.is_in(&stored.resource) {
            return Ok(Decided::done(outcome(stored, true)));
        }
        let now = stored.resource.spec.replicas;
        if now != expected {
            bail!("Expected replicas to be {expected}, was {now}: {name} was not scaled");
        }
        let text = edited(&stored, &[Edit::Replicas(replicas)])?;
        if text == stored.text {
            return Ok(Decided::done(outcome(stored, false)));
        }
        let text = edit.note(&text, &stored.resource)?;
        let manifest = maas_crd::parse_one(text.as_bytes())?;
        Ok(Decided::after_once(Write::Update(read, text), outcome(manifest, true)))
    };
    carry_out(store, dry_run, &[], decide).await
}
