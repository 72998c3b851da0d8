//! `rollout restart` and `rollout status`.

mod status;

use std::process::ExitCode;

use maas_crd::Edit;

use super::change::{Teller, change, edited, targets};
use super::connection::{open, warn_without_operator};
use crate::args::Restart;
use crate::settings::Settings;

pub(crate) use status::status;

/// `rollout restart NAME...`: a template that says another time is another revision.
pub(crate) async fn restart(settings: &Settings, args: Restart) -> anyhow::Result<ExitCode> {
    let (store, namespace) = (open(settings).await?, settings.namespace());
    let names = targets(&store, settings, &args.names, &args.which, "restart").await?;
    // One time for all tries: a write whose answer was lost is not made twice.
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let mut teller = Teller::new(&args.how);
    for name in &names {
        let done =
            change(&store, &namespace, name, args.how.dry_run, |stored| edited(stored, &[Edit::RestartedAt(&now)]))
                .await?;
        teller.tell(Some(&store), &done, "restarted").await?;
    }
    teller.end(names.len() == 1)?;
    if !args.how.dry_run.is_dry() {
        warn_without_operator(&store).await?;
    }
    Ok(ExitCode::SUCCESS)
}
