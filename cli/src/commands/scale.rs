//! `scale`: another number of instances.

use std::process::ExitCode;

use anyhow::{Context, bail};
use maas_crd::{Name, Namespace, REPLICAS_LIMIT};
use maas_store::{Store, get_spec};
use tokio::time::Instant;

use super::NotFound;
use super::connection::{open, warn_without_operator};
use super::retry::{Decided, Write, settle};
use super::wait::{names, require_operator, until_ready};
use crate::args::Scale;
use crate::output;
use crate::settings::Settings;

/// Every name is tried for existence before any is changed.
pub(crate) async fn scale(settings: &Settings, args: Scale) -> anyhow::Result<ExitCode> {
    let Some(replicas) = u32::try_from(args.replicas).ok().filter(|replicas| *replicas <= REPLICAS_LIMIT) else {
        bail!("--replicas {}: expected a whole number from 0 to {REPLICAS_LIMIT}", args.replicas);
    };
    let names = names(&args.names)?;
    let (store, namespace) = (open(settings).await?, settings.namespace());
    for name in &names {
        if get_spec(&store, &namespace, name).await?.is_none() {
            return Err(NotFound(name.to_string()).into());
        }
    }
    for name in &names {
        set(&store, &namespace, name, replicas).await?;
        output::data(&format!("modeldeployment.maas/{name} scaled\n"))?;
    }
    if args.wait {
        require_operator(&store).await?;
        let deadline = Instant::now() + args.timeout;
        for name in &names {
            until_ready(&store, &namespace, name, deadline).await?;
        }
    } else {
        warn_without_operator(&store).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// An absolute number may be written twice without harm, so a lost answer needs no more than reading again.
pub(super) async fn set(store: &Store, namespace: &Namespace, name: &Name, replicas: u32) -> anyhow::Result<()> {
    settle(store, async || {
        let read = get_spec(store, namespace, name).await?.ok_or_else(|| NotFound(name.to_string()))?;
        let stored = maas_crd::parse_one(&read.text)
            .with_context(|| format!("the manifest of {name} cannot be read: apply a good one"))?;
        if stored.resource.spec.replicas == replicas {
            return Ok(Decided::done(()));
        }
        let text = maas_crd::set_replicas(&stored.text, replicas)?;
        Ok(Decided::after(Write::Update(read, text), ()))
    })
    .await
}
