//! `rollout restart` and `rollout status`.

mod status;

use std::process::ExitCode;

use maas_crd::{Edit, Name, Namespace};
use maas_store::Store;

use super::change::{Changed, Teller, change, each, edited};
use super::chosen::Chosen;
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
    let chosen = Chosen::read(settings, &args.names, &args.which, "restart")?;
    let store = open(settings).await?;
    let places = chosen.find(&store, "restart").await?;
    let (now, dry_run, mut teller) = (now(), args.how.rehearsal.dry_run, Teller::new(&args.how));
    let restarted = each(&store, &places, &mut teller, async |teller, namespace, name| {
        let done = restart_at(&store, namespace, name, &now, dry_run).await?;
        teller.tell(Some(&store), &done, "restarted").await
    });
    let restarted = !restarted.await?.is_empty();
    let told = teller.end(places.len() == 1);
    if restarted && !dry_run.is_dry() {
        warn_without_operator(&store).await?;
    }
    told
}
