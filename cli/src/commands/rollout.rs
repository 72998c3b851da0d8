//! `rollout restart` and `rollout status`.

mod status;

use std::process::ExitCode;

use maas_crd::{Edit, Name, Namespace};
use maas_store::Store;

use super::change::{Changed, Teller, change, edited, targets};
use super::connection::{open, warn_without_operator};
use crate::args::{DryRun, Restart};
use crate::settings::Settings;

pub(crate) use status::status;

/// One time for all tries: a write whose answer was lost is not made twice.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Restarts one deployment.
pub(super) async fn restart_now(store: &Store, namespace: &Namespace, name: &Name) -> anyhow::Result<()> {
    restart_at(store, namespace, name, &now(), DryRun::None).await.map(drop)
}

async fn restart_at(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
    now: &str,
    dry_run: DryRun,
) -> anyhow::Result<Changed> {
    change(store, namespace, name, dry_run, |stored| edited(stored, &[Edit::RestartedAt(now)])).await
}

/// `rollout restart NAME...`: a template that says another time is another revision.
pub(crate) async fn restart(settings: &Settings, args: Restart) -> anyhow::Result<ExitCode> {
    let (store, namespace) = (open(settings).await?, settings.namespace());
    let names = targets(&store, settings, &args.names, &args.which, "restart").await?;
    let now = now();
    let mut teller = Teller::new(&args.how);
    for name in &names {
        let done = restart_at(&store, &namespace, name, &now, args.how.rehearsal.dry_run).await?;
        teller.tell(Some(&store), &done, "restarted").await?;
    }
    teller.end(names.len() == 1)?;
    if !args.how.rehearsal.dry_run.is_dry() {
        warn_without_operator(&store).await?;
    }
    Ok(ExitCode::SUCCESS)
}
