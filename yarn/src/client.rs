//! What a user of the cluster asks the ResourceManager: submit, look, kill (`ApplicationClientProtocol`).

use std::{collections::BTreeSet, time::Duration};

use hadoop_rpc::{Address, Auth, Client, Protocol};

use crate::{
    convert,
    error::Error,
    ids::{ApplicationId, AttemptId},
    messages as m,
    reports::{ApplicationReport, ApplicationState, AttemptReport, ContainerReport},
    types::{LaunchContext, NodeReport, NodeState, Resource},
};

const PROTOCOL: Protocol = Protocol { name: "org.apache.hadoop.yarn.api.ApplicationClientProtocolPB", version: 1 };

/// Which of a container's log files are collected (`LogAggregationContextProto`); regular expressions of Java.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPatterns {
    /// Files collected when the application ends.
    pub include: Option<String>,
    /// Of those, files left out.
    pub exclude: Option<String>,
    /// Files collected while it runs.
    pub rolled_include: Option<String>,
    /// Of those, files left out.
    pub rolled_exclude: Option<String>,
}

/// An application to submit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Submission {
    /// From [`RmClient::new_application`].
    pub id: ApplicationId,
    /// Name for people.
    pub name: String,
    /// Type, by which applications are listed.
    pub kind: String,
    /// Queue; `default` when empty.
    pub queue: String,
    /// Priority; capped by the cluster, to 0 by default.
    pub priority: Option<i32>,
    /// Size of the master's container.
    pub resource: Resource,
    /// How the master is started. In a cluster without Kerberos it must bring no HDFS token.
    pub launch: LaunchContext,
    /// Attempts before the application fails; capped by the cluster, to 2 by default.
    pub max_attempts: Option<i32>,
    /// Containers outlive an attempt of the master.
    pub keep_containers: bool,
    /// Only failed attempts of this long count; `None`: all.
    pub failures_validity: Option<Duration>,
    /// Label of the nodes that all containers go to.
    pub node_label: Option<String>,
    /// Tags.
    pub tags: BTreeSet<String>,
    /// Which logs are collected.
    pub logs: Option<LogPatterns>,
    /// Who may look: `user1,user2 group1`. Matters only with `yarn.acl.enable`.
    pub view_acl: Option<String>,
    /// Who may kill and change it.
    pub modify_acl: Option<String>,
}

impl Submission {
    fn message(&self) -> Result<m::SubmissionContext, Error> {
        let mut am = self.launch.message()?;
        let acl = |access, acl: &Option<String>| acl.clone().map(|acl| m::Acl { access: Some(access), acl: Some(acl) });
        am.acls = [acl(1, &self.view_acl), acl(2, &self.modify_acl)].into_iter().flatten().collect();
        Ok(m::SubmissionContext {
            id: Some(self.id.into()),
            name: Some(self.name.clone()),
            queue: Some(self.queue.clone()).filter(|queue| !queue.is_empty()),
            priority: self.priority.map(|priority| m::Priority { priority: Some(priority) }),
            am: Some(am),
            max_attempts: self.max_attempts,
            resource: Some(self.resource.clone().into()),
            kind: Some(self.kind.clone()),
            keep_containers: Some(self.keep_containers),
            tags: self.tags.iter().cloned().collect(),
            failures_validity_ms: self.failures_validity.map(|t| i64::try_from(t.as_millis()).unwrap_or(i64::MAX)),
            logs: self.logs.clone().map(|logs| m::LogContext {
                include: logs.include,
                exclude: logs.exclude,
                rolled_include: logs.rolled_include,
                rolled_exclude: logs.rolled_exclude,
            }),
            node_label: self.node_label.clone(),
        })
    }
}

/// A client of the ResourceManager for users, who are believed by name: clusters without Kerberos. Every method ends
/// within the deadline given to [`new`](Self::new); clones share one connection.
#[derive(Clone, Debug)]
pub struct RmClient {
    client: Client,
    deadline: Duration,
}

impl RmClient {
    /// A client for `yarn.resourcemanager.address` of each ResourceManager
    /// ([`config::rm_addresses`](crate::config::rm_addresses)).
    pub fn new(addresses: Vec<Address>, user: &str, deadline: Duration) -> Self {
        Self { client: Client::new(PROTOCOL, addresses, Auth::Simple { user: user.to_owned() }), deadline }
    }

    async fn call<Q, A>(&self, method: &'static str, request: &Q) -> Result<A, Error>
    where
        Q: prost::Message,
        A: prost::Message + Default,
    {
        Ok(self.client.call(method, request, self.deadline).await?)
    }

    /// An id for a new application, and the largest container that may be asked for. Repeatable; an id not used is lost.
    pub async fn new_application(&self) -> Result<(ApplicationId, Resource), Error> {
        let answer: m::NewApplication = self.call("getNewApplication", &m::Empty {}).await?;
        answer.read()
    }

    /// Submits. Repeatable: a second submission of one id is ignored. Success is not acceptance: a missing queue, say,
    /// is told by [`report`](Self::report), as state `Failed` with the reason in the diagnostics.
    pub async fn submit(&self, submission: &Submission) -> Result<(), Error> {
        let request = m::SubmitRequest { context: Some(submission.message()?) };
        let _: m::Empty = self.call("submitApplication", &request).await?;
        Ok(())
    }

    /// What is said of an application.
    pub async fn report(&self, id: ApplicationId) -> Result<ApplicationReport, Error> {
        let request = m::OfApplication { id: Some(id.into()) };
        let answer: m::ReportResponse = self.call("getApplicationReport", &request).await?;
        answer.read()
    }

    /// The applications of a type in any of these states; of all types, in any state, when they are empty.
    pub async fn applications(&self, kind: &str, states: &[ApplicationState]) -> Result<Vec<ApplicationReport>, Error> {
        let request = m::ApplicationsRequest {
            kinds: Some(kind.to_owned()).filter(|kind| !kind.is_empty()).into_iter().collect(),
            states: states.iter().map(|state| convert::application_state_number(*state)).collect(),
        };
        let answer: m::ApplicationsResponse = self.call("getApplications", &request).await?;
        Ok(answer.applications.into_iter().filter_map(m::ApplicationReport::read).collect())
    }

    /// Kills an application; `true` once that is done, so repeat. `reason` stands in its diagnostics.
    pub async fn kill(&self, id: ApplicationId, reason: &str) -> Result<bool, Error> {
        let request = m::KillRequest { id: Some(id.into()), diagnostics: Some(reason.to_owned()) };
        let answer: m::KillResponse = self.call("forceKillApplication", &request).await?;
        Ok(answer.done())
    }

    /// The attempts of an application.
    pub async fn attempts(&self, id: ApplicationId) -> Result<Vec<AttemptReport>, Error> {
        let request = m::OfApplication { id: Some(id.into()) };
        let answer: m::AttemptsResponse = self.call("getApplicationAttempts", &request).await?;
        Ok(answer.attempts.into_iter().filter_map(m::AttemptReport::read).collect())
    }

    /// The living containers of an attempt, its master's included.
    pub async fn containers(&self, attempt: AttemptId) -> Result<Vec<ContainerReport>, Error> {
        let request = m::OfAttempt { id: Some(attempt.into()) };
        let answer: m::ContainersResponse = self.call("getContainers", &request).await?;
        Ok(answer.containers.into_iter().filter_map(m::ContainerReport::read).collect())
    }

    /// The cluster's nodes in any of these states; in any state when empty.
    pub async fn nodes(&self, states: &[NodeState]) -> Result<Vec<NodeReport>, Error> {
        let request = m::NodesRequest { states: states.iter().map(|s| convert::node_state_number(*s)).collect() };
        let answer: m::NodesResponse = self.call("getClusterNodes", &request).await?;
        Ok(answer.nodes.into_iter().filter_map(m::NodeReport::read).collect())
    }
}
