//! `rollout status`: kubectl's lines, told as the tree changes.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use maas_crd::{Condition, ConditionStatus, Name, Namespace};
use maas_store::{Node, Store};
use tokio::time::{Instant, timeout_at};

use crate::args::{How, RolloutStatus};
use crate::commands::NotFound;
use crate::commands::change::{Teller, each};
use crate::commands::chosen::Chosen;
use crate::commands::connection::open;
use crate::commands::follow::Followed;
use crate::output;
use crate::settings::Settings;
use crate::tree::Deployment;

/// How far a rollout is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Waiting(String),
    Done(String),
    Failed(String),
}

/// `rollout status NAME...`, one after another.
pub(crate) async fn status(settings: &Settings, args: RolloutStatus) -> anyhow::Result<ExitCode> {
    let chosen = Chosen::read(settings, &args.names, &args.which, "watch")?;
    let store = open(settings).await?;
    let (places, how) = (chosen.find(&store, "watch").await?, How::done(None));
    let deadline = args.timeout.map(|timeout| Instant::now() + timeout);
    let mut teller = Teller::new(&how);
    each(&store, &places, &mut teller, async |_, namespace, name| {
        let followed = follow(&store, namespace, name, &args);
        match deadline {
            None => followed.await,
            Some(deadline) => {
                timeout_at(deadline, followed).await.map_err(|_| anyhow!("timed out waiting for the condition"))?
            }
        }
    })
    .await?;
    teller.end(false)
}

/// Prints each step once, until the rollout is done or can't be.
async fn follow(store: &Store, namespace: &Namespace, name: &Name, args: &RolloutStatus) -> anyhow::Result<()> {
    let (spec, status) = (
        Node::Spec { namespace: namespace.clone(), name: name.clone() },
        Node::Status { namespace: namespace.clone(), name: name.clone() },
    );
    let subtrees = [spec, status, Node::Leader].iter().map(|node| store.path(node)).collect();
    let mut followed = Followed::new(store, subtrees);
    let mut life = None;
    let (mut said, mut noted) = (None, None);
    loop {
        followed.step(|_, _, _| ()).await?;
        // What is known may be old, or half of a list.
        if !(followed.whole && followed.connected) {
            continue;
        }
        let tree = &followed.tree;
        let deployment = match (tree.deployment(namespace, name), life) {
            (Some(deployment), None) => {
                life = Some(deployment.stat.czxid);
                deployment
            }
            (Some(deployment), Some(life)) if deployment.stat.czxid == life => deployment,
            (None, None) => return Err(NotFound(name.to_string()).into()),
            _ => bail!("object has been deleted"),
        };
        let (step, trouble) = (step(&deployment, args.revision), trouble(&deployment));
        let line = match &step {
            Step::Waiting(line) | Step::Done(line) => line.clone(),
            Step::Failed(error) => bail!("{error}"),
        };
        if said.as_ref() != Some(&line) {
            output::data(&format!("{line}\n"))?;
            said = Some(line);
        }
        if !args.watch || matches!(step, Step::Done(_)) {
            return Ok(());
        }
        let trouble = match tree.leader() {
            None => Some("no operator is running: nothing moves until `maasctl service start`".to_owned()),
            Some(_) => trouble,
        };
        if let Some(trouble) = trouble.filter(|trouble| noted.as_ref() != Some(trouble)) {
            output::note(&format!("warning: {trouble}"));
            noted = Some(trouble);
        }
    }
}

/// kubectl's decision, in kubectl's words (`DeploymentStatusViewer.Status`).
fn step(of: &Deployment, revision: Option<u32>) -> Step {
    let (name, unobserved) =
        (&of.name, Step::Waiting("Waiting for deployment spec update to be observed...".to_owned()));
    let Some(status) = of.status.as_ref().filter(|status| status.observed_generation >= of.generation()) else {
        return unobserved;
    };
    if let Some(progressing) = status.condition("Progressing") {
        match (progressing.reason.as_str(), progressing.status) {
            ("ProgressDeadlineExceeded", _) => {
                return Step::Failed(format!(
                    "deployment {name:?} exceeded its progress deadline",
                    name = name.as_str()
                ));
            }
            // It stays so until somebody mends the spec.
            ("InvalidSpec", ConditionStatus::False) => {
                let message = progressing.message.trim_end_matches('.');
                return Step::Failed(format!(
                    "deployment \"{name}\" is not followed, as its manifest is invalid: {message}"
                ));
            }
            _ => {}
        }
    }
    if let (Some(wanted), Some(running)) = (revision, status.update_revision)
        && wanted != running
    {
        return Step::Failed(format!("desired revision ({wanted}) is different from the running revision ({running})"));
    }
    // A status of a spec that can't be read says InvalidSpec, above.
    let Some(wanted) = of.replicas() else { return unobserved };
    let waiting =
        |what: String| Step::Waiting(format!("Waiting for deployment \"{name}\" rollout to finish: {what}..."));
    if status.updated_replicas < wanted {
        return waiting(format!("{} out of {wanted} new replicas have been updated", status.updated_replicas));
    }
    if status.replicas > status.updated_replicas {
        let old = status.replicas - status.updated_replicas;
        return waiting(format!("{old} old replicas are pending termination"));
    }
    if status.available_replicas < status.updated_replicas {
        let (available, updated) = (status.available_replicas, status.updated_replicas);
        return waiting(format!("{available} of {updated} updated replicas are available"));
    }
    Step::Done(format!("deployment \"{name}\" successfully rolled out"))
}

/// What keeps a rollout from going on, where the operator knows it.
fn trouble(of: &Deployment) -> Option<String> {
    let failing =
        |condition: &&Condition| condition.type_ == "ReplicaFailure" && condition.status == ConditionStatus::True;
    let condition = of.status.as_ref()?.conditions.iter().find(failing)?;
    Some(format!("{}: {}", condition.reason, condition.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use maas_crd::Status;
    use maas_store::Stat;

    fn deployment(status: Option<Status>) -> Deployment {
        let text = "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata: {name: dga}\nspec:\n  model: {name: dga, version: \"1\"}\n  replicas: 3\n  payload: {path: /m}\n";
        Deployment {
            namespace: Namespace::default(),
            name: "dga".parse().unwrap(),
            stat: Stat { version: 4, ..Stat::default() },
            spec: maas_crd::parse_one(text.as_bytes()),
            status,
        }
    }

    fn of(replicas: u32, updated: u32, available: u32) -> Status {
        Status {
            observed_generation: 5,
            replicas,
            updated_replicas: updated,
            available_replicas: available,
            update_revision: Some(2),
            ..Status::default()
        }
    }

    #[test]
    fn each_step_is_told_in_kubectls_words() {
        let waiting = |text: &str| Step::Waiting(text.to_owned());
        let observed = waiting("Waiting for deployment spec update to be observed...");
        assert_eq!(step(&deployment(None), None), observed);
        let old = Status { observed_generation: 4, ..of(3, 3, 3) };
        assert_eq!(step(&deployment(Some(old)), None), observed);
        for (status, text) in [
            (of(4, 1, 3), "1 out of 3 new replicas have been updated..."),
            (of(4, 3, 3), "1 old replicas are pending termination..."),
            (of(3, 3, 2), "2 of 3 updated replicas are available..."),
        ] {
            let line = format!("Waiting for deployment \"dga\" rollout to finish: {text}");
            assert_eq!(step(&deployment(Some(status)), None), waiting(&line));
        }
        let done = Step::Done("deployment \"dga\" successfully rolled out".to_owned());
        assert_eq!(step(&deployment(Some(of(3, 3, 3))), Some(2)), done);
    }

    #[test]
    fn what_can_not_succeed_fails() {
        let other = Step::Failed("desired revision (1) is different from the running revision (2)".to_owned());
        assert_eq!(step(&deployment(Some(of(3, 3, 3))), Some(1)), other);
        let because = |reason: &str, status| {
            let progressing = Condition {
                type_: "Progressing".to_owned(),
                status,
                reason: reason.to_owned(),
                message: "spec.x: unknown field.".to_owned(),
                last_transition_time: 0,
                last_update_time: None,
                observed_generation: 5,
            };
            Status { conditions: vec![progressing], ..of(4, 1, 3) }
        };
        let exceeded = Step::Failed("deployment \"dga\" exceeded its progress deadline".to_owned());
        let status = because("ProgressDeadlineExceeded", ConditionStatus::False);
        assert_eq!(step(&deployment(Some(status)), None), exceeded);
        match step(&deployment(Some(because("InvalidSpec", ConditionStatus::False))), None) {
            Step::Failed(error) => assert!(error.ends_with("invalid: spec.x: unknown field"), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}
