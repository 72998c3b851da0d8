//! What users do to a sync: suspend, resume, "now", delete.

use std::process::ExitCode;

use anyhow::bail;
use maas_crd::{ConditionStatus, Name, Namespace};
use maas_store::{Store, SyncRecord, get_sync, get_sync_owner};
use tokio::time::{Duration, Instant, sleep};

use super::super::SyncNotFound;
use super::super::connection::open;
use super::super::retry::{Decided, Write, settle};
use super::record::change;
use crate::args::{Reconcile, Syncs};
use crate::output;
use crate::reference;
use crate::settings::Settings;

const GLANCE: Duration = Duration::from_millis(100);

/// `suspend sync NAME...`: its syncer does nothing until it is resumed.
pub(crate) async fn suspend(settings: &Settings, args: Syncs) -> anyhow::Result<ExitCode> {
    set_suspended(settings, &args.names, true).await
}

/// `resume sync NAME...`: its syncer goes on, with a round at once.
pub(crate) async fn resume(settings: &Settings, args: Syncs) -> anyhow::Result<ExitCode> {
    set_suspended(settings, &args.names, false).await
}

async fn set_suspended(settings: &Settings, words: &[String], suspended: bool) -> anyhow::Result<ExitCode> {
    let (names, store, namespace) = (names(words)?, open(settings).await?, settings.namespace());
    let word = if suspended { "suspended" } else { "resumed" };
    for name in names {
        let record = change(&store, &namespace, &name, |record| record.spec.suspended = suspended).await?;
        record.ok_or_else(|| not_found(&name))?;
        output::data(&format!("sync.maas/{name} {word}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `reconcile sync NAME...`: a round now, and its outcome.
pub(crate) async fn reconcile(settings: &Settings, args: Reconcile) -> anyhow::Result<ExitCode> {
    let (names, store, namespace) = (names(&args.names)?, open(settings).await?, settings.namespace());
    let deadline = Instant::now() + args.timeout;
    let mut asked = Vec::new();
    for name in names {
        let read = get_sync(&store, &namespace, &name).await?.ok_or_else(|| not_found(&name))?;
        if read.record.spec.suspended {
            bail!("sync {namespace}/{name} is suspended: `maasctl resume sync {name} -n {namespace}` first");
        }
        require_owner(&store, &namespace, &name).await?;
        // Later than any request before it, also when clocks differ.
        let mut at = output::now_ms();
        let request = |record: &mut SyncRecord| {
            at = at.max(record.spec.requested_at.map_or(0, |before| before + 1));
            record.spec.requested_at = Some(at);
        };
        change(&store, &namespace, &name, request).await?.ok_or_else(|| not_found(&name))?;
        asked.push((name, at));
    }
    let mut code = ExitCode::SUCCESS;
    for (name, at) in asked {
        let record = until_handled(&store, &namespace, &name, at, deadline).await?;
        let ready = record.status.condition("Ready");
        let message = ready.map_or("", |ready| ready.message.as_str());
        if ready.is_some_and(|ready| ready.status == ConditionStatus::False) {
            output::note(&format!("error: sync {namespace}/{name}: {message}"));
            code = ExitCode::FAILURE;
        } else {
            output::data(&format!("sync.maas/{name} reconciled: {message}\n"))?;
        }
    }
    Ok(code)
}

async fn until_handled(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
    at: i64,
    deadline: Instant,
) -> anyhow::Result<SyncRecord> {
    loop {
        let read = get_sync(store, namespace, name).await?.ok_or_else(|| not_found(name))?;
        if read.record.status.handled_at.is_some_and(|handled| handled >= at) {
            return Ok(read.record);
        }
        if Instant::now() >= deadline {
            require_owner(store, namespace, name).await?;
            bail!("timed out waiting for a round of sync {namespace}/{name}: its syncer is still at the one before");
        }
        sleep(GLANCE).await;
    }
}

async fn require_owner(store: &Store, namespace: &Namespace, name: &Name) -> anyhow::Result<()> {
    if get_sync_owner(store, namespace, name).await?.is_some() {
        return Ok(());
    }
    bail!(
        "nothing runs sync {namespace}/{name}: start it with `maasctl sync`, or with `systemctl start maas-sync@{name}`"
    )
}

/// `delete sync NAME...`: the records go, and with them who runs them; what they applied stays.
pub(crate) async fn delete(settings: &Settings, words: &[String], ignore_not_found: bool) -> anyhow::Result<ExitCode> {
    let (names, store, namespace) = (names(words)?, open(settings).await?, settings.namespace());
    let mut code = ExitCode::SUCCESS;
    for name in names {
        if remove(&store, &namespace, &name).await? {
            output::data(&format!("sync.maas \"{name}\" deleted from {namespace} namespace\n"))?;
        } else if !ignore_not_found {
            output::note(&not_found(&name).to_string());
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// Whether there was one to delete.
async fn remove(store: &Store, namespace: &Namespace, name: &Name) -> anyhow::Result<bool> {
    let mut seen = false;
    settle(store, async || {
        let Some(read) = get_sync(store, namespace, name).await? else { return Ok(Decided::done(seen)) };
        seen = true;
        Ok(Decided::after(Write::DeleteSync(read), true))
    })
    .await
}

fn not_found(name: &Name) -> SyncNotFound {
    SyncNotFound(name.to_string())
}

fn names(words: &[String]) -> anyhow::Result<Vec<Name>> {
    reference::syncs(words)?.iter().map(|name| Ok(name.parse()?)).collect()
}
