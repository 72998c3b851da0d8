//! One line of the list of models: derived once when a node of it changes, not at each redraw.

use maas_crd::{ConditionStatus, Name, Namespace, Status};

use crate::tree::Deployment;

/// A deployment's name and where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) namespace: Namespace,
    pub(crate) name: Name,
}

/// What the list shows of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Model {
    /// None when the manifest cannot be read.
    pub(crate) wanted: Option<u32>,
    pub(crate) ready: u32,
    pub(crate) updated: u32,
    pub(crate) available: u32,
    pub(crate) created_ms: i64,
    pub(crate) health: Health,
}

/// Whether a deployment is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// It is.
    Good,
    /// Not yet, and nothing is known to be wrong.
    Moving(String),
    /// The operator has not said anything of the newest spec.
    Unseen,
    /// Someone should look.
    Bad(String),
}

impl Model {
    pub(crate) fn of(deployment: &Deployment) -> Self {
        let status = deployment.status.clone().unwrap_or_default();
        Self {
            wanted: deployment.replicas(),
            ready: status.ready_replicas,
            updated: status.updated_replicas,
            available: status.available_replicas,
            created_ms: deployment.stat.ctime_ms,
            health: health(deployment),
        }
    }
}

fn health(deployment: &Deployment) -> Health {
    if let Err(faults) = &deployment.spec {
        return Health::Bad(format!("InvalidManifest: {faults}"));
    }
    let Some(status) = deployment.status.as_ref().filter(|it| it.observed_generation == deployment.generation()) else {
        return Health::Unseen;
    };
    let says = |type_: &str, status_is: ConditionStatus| {
        let condition = status.condition(type_).filter(|condition| condition.status == status_is)?;
        Some(format!("{}: {}", condition.reason, condition.message))
    };
    let wrong = says("ReplicaFailure", ConditionStatus::True).or_else(|| says("Progressing", ConditionStatus::False));
    match wrong {
        Some(why) => Health::Bad(why),
        None if deployment.is_complete() => Health::Good,
        None => {
            let counted = |status: &Status| format!("{} instances are ready", status.ready_replicas);
            let moving = says("Progressing", ConditionStatus::True);
            Health::Moving(moving.unwrap_or_else(|| counted(status)))
        }
    }
}
