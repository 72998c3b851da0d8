//! What YARN answers instead of an answer.

use hadoop_rpc::{Error as RpcError, Remote};

/// Why a call to YARN failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The ResourceManager does not know this master as registered: it restarted, or another one took over. Register,
    /// then say everything anew ([`Ledger::failed`](crate::Ledger::failed) sees to that).
    #[error("the ResourceManager does not have this application master as registered")]
    NotRegistered,
    /// The attempt is over or was never known: exit.
    #[error("the ResourceManager does not know this attempt (any more): {message}")]
    AttemptGone {
        /// The ResourceManager's words.
        message: String,
    },
    /// A second registration. After a lost answer to a first one this is its success.
    #[error("this application master is registered already")]
    AlreadyRegistered,
    /// The response id was neither the last nor the one before.
    #[error("the ResourceManager expected response id {expected}, which was not sent")]
    ResponseId {
        /// What it expects.
        expected: i32,
    },
    /// The request as a whole was refused for one ask, release or host in it; nothing of it was taken.
    #[error("the ResourceManager refused the request: {remote}")]
    Refused {
        /// The ResourceManager's words.
        remote: Remote,
    },
    /// No such application.
    #[error("the ResourceManager knows no such application: {message}")]
    NoApplication {
        /// The ResourceManager's words.
        message: String,
    },
    /// A NodeManager refused one container of a call.
    #[error("the NodeManager refused: {remote}")]
    Container {
        /// Its words.
        remote: Remote,
    },
    /// The answer lacks what it must have.
    #[error("the answer to {method} has no {field}")]
    Incomplete {
        /// The method.
        method: &'static str,
        /// What is missing or odd.
        field: &'static str,
    },
    /// Nothing is known that would let the caller talk to this node.
    #[error("no token for the NodeManager {node} is known")]
    NoToken {
        /// The node.
        node: crate::NodeId,
    },
    /// The URL of a file to localise is not one.
    #[error("{url:?} is not a full URL such as hdfs://namenode:8020/path")]
    Url {
        /// The text.
        url: String,
    },
    /// Everything else: connection, deadline, other exceptions.
    #[error(transparent)]
    Rpc(RpcError),
}

impl Error {
    /// See [`Error::NotRegistered`].
    pub fn is_not_registered(&self) -> bool {
        matches!(self, Self::NotRegistered)
    }

    /// See [`Error::AlreadyRegistered`].
    pub fn is_already_registered(&self) -> bool {
        matches!(self, Self::AlreadyRegistered)
    }

    /// The attempt is over, or its token is no longer taken: no later call of this process can succeed.
    pub fn is_attempt_gone(&self) -> bool {
        match self {
            Self::AttemptGone { .. } => true,
            Self::Rpc(error) => error.remote().is_some_and(|remote| remote.simple_class() == "InvalidToken"),
            _ => false,
        }
    }

    /// A NodeManager refused to start a container since it has or had it: a repeated start whose first answer was lost.
    /// (`ContainerManagerImpl` says so in words alone.)
    pub fn is_already_started(&self) -> bool {
        let said = |remote: &Remote| {
            ["relaunch the same container", "already is running"].iter().any(|words| remote.message.contains(words))
        };
        matches!(self, Self::Container { remote } if said(remote))
    }

    /// The NodeManager does not know the container, or not any more (`ContainerManagerImpl.getContainerStatusInternal`).
    pub(crate) fn is_unknown_container(&self) -> bool {
        let Self::Container { remote } = self else { return false };
        let said = |words: &str| remote.message.contains(words);
        said("is not handled by this NodeManager") || said("was recently stopped on node manager")
    }

    /// The call may have had its effect although there is no answer. `false` is certain.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Rpc(error) => error.may_have_happened(),
            Self::Incomplete { .. } => true,
            _ => false,
        }
    }

    /// Worth the same call again, later.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Rpc(error) if error.is_retriable())
    }
}

impl From<RpcError> for Error {
    fn from(error: RpcError) -> Self {
        let Some(remote) = error.remote() else { return Self::Rpc(error) };
        let message = remote.message.clone();
        match remote.simple_class() {
            "ApplicationMasterNotRegisteredException" => Self::NotRegistered,
            "ApplicationAttemptNotFoundException" => Self::AttemptGone { message },
            "ApplicationNotFoundException" => Self::NoApplication { message },
            "InvalidApplicationMasterRequestException" => match expected_response_id(&message) {
                Some(expected) => Self::ResponseId { expected },
                None if message.contains("already registered") => Self::AlreadyRegistered,
                None => Self::Refused { remote: remote.clone() },
            },
            "InvalidResourceRequestException"
            | "InvalidLabelResourceRequestException"
            | "InvalidResourceBlacklistRequestException"
            | "InvalidContainerReleaseException" => Self::Refused { remote: remote.clone() },
            _ => Self::Rpc(error),
        }
    }
}

/// "…expect responseId to be 7 but get 3"
fn expected_response_id(message: &str) -> Option<i32> {
    let rest = message.split("expect responseId to be ").nth(1)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use hadoop_rpc::Address;

    use super::*;

    fn remote(class: &str, message: &str) -> Error {
        let address = Address { host: "rm".into(), port: 1 };
        let remote = Remote { class: class.into(), message: message.into(), fatal: false };
        RpcError::Remote { address, method: "allocate", remote }.into()
    }

    #[test]
    fn what_a_node_manager_says_of_one_container_is_understood() {
        let said = |message: &str| Error::Container {
            remote: Remote { class: "YarnException".into(), message: message.into(), fatal: false },
        };
        let again = "Unauthorized request to start container.\n Attempt to relaunch the same container with id c.";
        assert!(said(again).is_already_started());
        assert!(!said("Unauthorized request to start container.\nThis token is expired.").is_already_started());
        assert!(said("Container c is not handled by this NodeManager").is_unknown_container());
        assert!(said("Container c was recently stopped on node manager.").is_unknown_container());
    }

    #[test]
    fn exceptions_become_variants() {
        let yarn = "org.apache.hadoop.yarn.exceptions.";
        let class = |name: &str| format!("{yarn}{name}");
        assert!(remote(&class("ApplicationMasterNotRegisteredException"), "").is_not_registered());
        assert!(remote(&class("ApplicationAttemptNotFoundException"), "x").is_attempt_gone());
        assert!(remote("org.apache.hadoop.security.token.SecretManager$InvalidToken", "x").is_attempt_gone());
        let invalid = class("InvalidApplicationMasterRequestException");
        assert!(
            remote(&invalid, "Application Master is already registered : application_1_0001").is_already_registered()
        );
        let text =
            "Invalid responseId in AllocateRequest from application attempt: a, expect responseId to be 7 but get 3";
        assert!(matches!(remote(&invalid, text), Error::ResponseId { expected: 7 }));
        assert!(matches!(remote(&class("InvalidResourceRequestException"), ""), Error::Refused { .. }));
    }
}
