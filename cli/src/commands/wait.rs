//! Waiting until the operator has made it so.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use maas_crd::{ConditionStatus, Name, Namespace};
use maas_store::Store;
use tokio::time::{Instant, sleep};

use super::connection::{has_leader, load_one, open};
use crate::args::{Awaited, Wait};
use crate::output;
use crate::reference;
use crate::settings::Settings;
use crate::tree::Tree;

const GLANCE: Duration = Duration::from_millis(100);

/// `wait NAME --for=ready`.
pub(crate) async fn wait(settings: &Settings, args: Wait) -> anyhow::Result<ExitCode> {
    let names = names(&args.names)?;
    let store = open(settings).await?;
    let deadline = Instant::now() + args.timeout;
    for name in names {
        match args.condition {
            Awaited::Ready => until_ready(&store, &settings.namespace(), &name, deadline).await?,
            Awaited::Delete => until_gone(&store, &settings.namespace(), &name, deadline).await?,
        }
        output::data(&format!("modeldeployment.maas/{name} condition met\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Deployments named on the command line, checked.
pub(crate) fn names(words: &[String]) -> anyhow::Result<Vec<Name>> {
    reference::deployments(words)?.iter().map(|name| Ok(name.parse()?)).collect()
}

/// With `--wait` nobody should wait for an operator that is not there.
pub(crate) async fn require_operator(store: &Store) -> anyhow::Result<()> {
    if has_leader(store).await? {
        return Ok(());
    }
    bail!("no operator is running, so there is nothing to wait for: the edit is kept; run `maasctl service start`")
}

/// Until every instance of the newest spec is ready. The deployment need not exist yet.
pub(crate) async fn until_ready(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
    deadline: Instant,
) -> anyhow::Result<()> {
    until(store, namespace, name, deadline, |tree| {
        let deployment = tree.deployment(namespace, name);
        if deployment.as_ref().is_some_and(crate::tree::Deployment::is_complete) {
            return None;
        }
        let Some(deployment) = deployment else { return Some("it does not exist".to_owned()) };
        let Some(status) = deployment.status else { return Some("no operator has seen it".to_owned()) };
        let wrong = status.conditions.iter().find(|condition| match condition.type_.as_str() {
            "ReplicaFailure" => condition.status == ConditionStatus::True,
            _ => condition.status == ConditionStatus::False,
        });
        let ready = format!(
            "{} of {} ready",
            status.ready_replicas,
            deployment.spec.map_or(0, |spec| spec.resource.spec.replicas)
        );
        Some(wrong.map_or(ready.clone(), |condition| format!("{ready}; {}: {}", condition.reason, condition.message)))
    })
    .await
}

/// Until neither spec nor status nor instances nor endpoints are left.
pub(crate) async fn until_gone(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
    deadline: Instant,
) -> anyhow::Result<()> {
    until(store, namespace, name, deadline, |tree| {
        if tree.deployment(namespace, name).is_some() {
            return Some("its spec is still there".to_owned());
        }
        let left = tree.remains(namespace, name);
        (!left.is_empty()).then(|| format!("its {} are still there", left.join(" and ")))
    })
    .await
}

/// Looks again and again until `missing` finds nothing to name. A glance that fails is taken again.
async fn until(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
    deadline: Instant,
    missing: impl Fn(&Tree) -> Option<String>,
) -> anyhow::Result<()> {
    loop {
        let why = match load_one(store, namespace, name).await {
            Ok(tree) => match missing(&tree) {
                None => return Ok(()),
                Some(why) if tree.leader().is_none() => format!("{why}; no operator is running"),
                Some(why) => why,
            },
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() >= deadline {
            return Err(anyhow!("timed out waiting for the condition on modeldeployments/{name}: {why}"));
        }
        sleep(GLANCE).await;
    }
}
