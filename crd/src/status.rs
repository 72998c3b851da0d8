//! Status: what the operator says of a deployment. Conditions are observations, not a state machine.

use serde::{Deserialize, Serialize};

/// The status of one deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// czxid of the spec it speaks of; another one than the spec's means "not observed".
    pub uid: i64,
    /// The generation (spec version + 1) that was decided upon.
    pub observed_generation: i64,
    /// Live instances of any revision.
    #[serde(default)]
    pub replicas: u32,
    /// Live instances of the update revision.
    #[serde(default)]
    pub updated_replicas: u32,
    /// Instances with an endpoint.
    #[serde(default)]
    pub ready_replicas: u32,
    /// Ready instances that count for availability.
    #[serde(default)]
    pub available_replicas: u32,
    /// Wanted instances that are not available.
    #[serde(default)]
    pub unavailable_replicas: u32,
    /// The revision that serves until the update is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_revision: Option<u32>,
    /// The revision of the spec's template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_revision: Option<u32>,
    /// Available, Progressing and ReplicaFailure.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

impl Status {
    /// A condition by its type.
    #[must_use]
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.type_ == type_)
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Its name, in PascalCase.
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// When `status` last changed, in milliseconds since the epoch.
    pub last_transition_time: i64,
    /// When progress was last seen, in milliseconds since the epoch; of Progressing alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<i64>,
    /// The generation it speaks of.
    pub observed_generation: i64,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_back_and_one_of_another_binary_reads_too() {
        let ready = Condition {
            type_: "Available".to_owned(),
            status: ConditionStatus::True,
            reason: "MinimumReplicasAvailable".to_owned(),
            message: "1 of 1".to_owned(),
            last_transition_time: 1,
            last_update_time: None,
            observed_generation: 2,
        };
        let status =
            Status { uid: 7, observed_generation: 2, replicas: 1, conditions: vec![ready], ..Status::default() };
        let json = serde_json::to_string(&status).unwrap();
        assert!(json.contains(r#""observedGeneration":2"#) && json.contains(r#""type":"Available","status":"True""#));
        assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
        assert!(status.condition("Available").is_some() && status.condition("Progressing").is_none());
        let other = r#"{"uid": 7, "observedGeneration": 2, "selector": "x"}"#;
        assert_eq!(serde_json::from_str::<Status>(other).unwrap().conditions, []);
    }
}
