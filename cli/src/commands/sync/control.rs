//! What users do to a sync: suspend, resume, "now", delete.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use maas_crd::{ConditionStatus, Name, Namespace};
use maas_store::{Store, SyncRecord, get_sync, get_sync_owner};
use tokio::time::{Duration, Instant, sleep};

use super::super::connection::open;
use super::super::missing::{no_sync, sync_names};
use super::super::retry::{Decided, Write, carry_out, is_unanswered};
use super::super::tell;
use super::record::change;
use crate::args::{Delete, DryRun, Reconcile, Syncs};
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
    each(&names, async |name| {
        let record = change(&store, &namespace, name, |record| record.spec.suspended = suspended).await?;
        if record.is_none() {
            return Err(absent(&store, &namespace, name).await);
        }
        output::data(&format!("sync.maas/{name} {word}\n"))
    })
    .await
}

/// `reconcile sync NAME...`: a round now, and its outcome. All are asked before any is waited for.
pub(crate) async fn reconcile(settings: &Settings, args: Reconcile) -> anyhow::Result<ExitCode> {
    let (names, store, namespace) = (names(&args.names)?, open(settings).await?, settings.namespace());
    let deadline = Instant::now() + args.timeout;
    let mut asked = Vec::new();
    let all_asked = each(&names, async |name| {
        asked.push((name.clone(), ask(&store, &namespace, name).await?));
        Ok(())
    });
    let all_asked = all_asked.await?;
    let all_done = each(&asked, async |(name, at)| {
        let record = until_handled(&store, &namespace, name, *at, deadline).await?;
        let ready = record.status.condition("Ready");
        let message = ready.map_or("", |ready| ready.message.as_str());
        if ready.is_some_and(|ready| ready.status == ConditionStatus::False) {
            bail!("sync {namespace}/{name}: {message}");
        }
        output::data(&format!("sync.maas/{name} reconciled: {message}\n"))
    });
    let all_done = all_done.await?;
    Ok(if all_asked == ExitCode::SUCCESS { all_done } else { all_asked })
}

/// Asks for a round now. Gives the time that the request bears.
async fn ask(store: &Store, namespace: &Namespace, name: &Name) -> anyhow::Result<i64> {
    let Some(read) = get_sync(store, namespace, name).await? else {
        return Err(absent(store, namespace, name).await);
    };
    if read.record.spec.suspended {
        bail!("sync {namespace}/{name} is suspended: `maasctl resume sync {name} -n {namespace}` first");
    }
    require_owner(store, namespace, name).await?;
    // Later than any request before it, also when clocks differ.
    let mut at = output::now_ms();
    let request = |record: &mut SyncRecord| {
        at = at.max(record.spec.requested_at.map_or(0, |before| before + 1));
        record.spec.requested_at = Some(at);
    };
    if change(store, namespace, name, request).await?.is_none() {
        return Err(absent(store, namespace, name).await);
    }
    Ok(at)
}

async fn until_handled(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
    at: i64,
    deadline: Instant,
) -> anyhow::Result<SyncRecord> {
    loop {
        let Some(read) = get_sync(store, namespace, name).await? else {
            return Err(absent(store, namespace, name).await);
        };
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

/// `delete sync NAME...`: the records go, and with them who runs them; what they applied stays. Nothing of a sync is left
/// in the tree when it comes back, with or without `--wait`.
pub(crate) async fn delete(settings: &Settings, args: &Delete, words: &[String]) -> anyhow::Result<ExitCode> {
    if args.which.selector.is_some() || !args.which.files.filename.is_empty() {
        bail!("syncs have no labels and stand in no file: name them, or give --all");
    }
    let (store, namespace) = (open(settings).await?, settings.namespace());
    let names = match args.which.all {
        false => names(words)?,
        true => sync_names(&store, &namespace).await?.iter().filter_map(|name| name.parse().ok()).collect(),
    };
    if names.is_empty() {
        bail!("no syncs in {namespace} namespace to delete");
    }
    let dry = args.how.rehearsal.dry_run;
    each(&names, async |name| {
        if remove(&store, &namespace, name, dry).await? {
            return output::data(&match args.how.output {
                Some(_) => format!("sync.maas/{name}\n"),
                None => format!("sync.maas \"{name}\" deleted from {namespace} namespace{}\n", dry.suffix()),
            });
        }
        if args.ignore_not_found { Ok(()) } else { Err(absent(&store, &namespace, name).await) }
    })
    .await
}

/// Whether there was one to delete.
async fn remove(store: &Store, namespace: &Namespace, name: &Name, dry_run: DryRun) -> anyhow::Result<bool> {
    let mut seen = false;
    carry_out(store, dry_run, &[], async || {
        let Some(read) = get_sync(store, namespace, name).await? else { return Ok(Decided::done(seen)) };
        seen = true;
        Ok(Decided::after(Write::DeleteSync(read), true))
    })
    .await
}

/// One after another; one that fails is told, and the others are done all the same, unless nobody answers or reads.
async fn each<T>(all: &[T], mut one: impl AsyncFnMut(&T) -> anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for of in all {
        match one(of).await {
            Ok(()) => {}
            Err(error) if is_unanswered(&error) || error.is::<output::StdoutClosed>() => return Err(error),
            Err(error) => {
                tell(&error);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

async fn absent(store: &Store, namespace: &Namespace, name: &Name) -> anyhow::Error {
    anyhow!(no_sync(store, namespace, name.as_str()).await)
}

fn names(words: &[String]) -> anyhow::Result<Vec<Name>> {
    reference::syncs(words)?.iter().map(|name| Ok(name.parse()?)).collect()
}
