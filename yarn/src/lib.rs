//! YARN's three protocols, typed, and the pure parts of an application master.
//!
//! - [`RmClient`]: submit an application, look at it, kill it.
//! - [`MasterClient`]: register an application master, heartbeat, unregister.
//! - [`Nodes`], [`NodeClient`]: start, signal and stop containers.
//! - [`Ledger`]: what was asked of the ResourceManager and what came of it; pure, and at the heart of any master.
//! - [`config`]: where the ResourceManagers are.
//!
//! Containers come from one loop:
//!
//! ```no_run
//! use std::{path::Path, time::Duration};
//! use hadoop_rpc::{Conf, Credentials};
//! use hadoop_yarn::*;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let conf = Conf::load(Path::new("/etc/hadoop/conf"))?;
//! let tokens = Credentials::load(Path::new(&std::env::var("HADOOP_TOKEN_FILE_LOCATION")?))?;
//! let token = tokens.of_kind(AM_RM_TOKEN).ok_or("not started by YARN")?;
//! let second = Duration::from_secs(1);
//! let master = MasterClient::new(config::scheduler_addresses(&conf)?, token.clone(), second);
//! let nodes = Nodes::new(second);
//! master.register(RegisterRequest::default()).await?;
//! let mut ledger = Ledger::default();
//! ledger.ask(1, Ask { priority: 10, capability: Resource::new(256, 1) });
//! while ledger.has_open() {
//!     let response = match master.allocate(ledger.request()).await {
//!         Ok(response) => response,
//!         Err(error) => {
//!             ledger.failed(&error);
//!             if error.is_not_registered() {
//!                 master.register(RegisterRequest::default()).await?;
//!             }
//!             continue;
//!         }
//!     };
//!     nodes.remember(&response.nm_tokens);
//!     for container in ledger.answer(&response).granted {
//!         let context = LaunchContext { command: "exec sleep 60".into(), ..LaunchContext::default() };
//!         nodes.get(&container.node)?.start(&container, &context).await?;
//!     }
//!     tokio::time::sleep(Duration::from_millis(20)).await;
//! }
//! # Ok(()) }
//! ```
//!
//! Clusters without Kerberos only; see `hadoop_rpc` for what is refused.

mod asks;
mod client;
pub mod config;
mod convert;
mod error;
pub mod exit;
mod ids;
mod master;
mod messages;
mod node;
mod protocol;
mod reports;
#[cfg(feature = "testing")]
pub mod testing;
mod types;

pub use asks::{Ask, Grants, Ledger};
pub use client::{LogPatterns, RmClient, Submission};
pub use error::Error;
/// The name under which an application master meets [`Error`].
pub use error::Error as MasterError;
pub use ids::{ApplicationId, AttemptId, ContainerId, IdError, NodeId};
pub use master::{AM_RM_TOKEN, MasterClient};
pub use node::{NodeClient, Nodes, Signal};
pub use protocol::{AllocateRequest, AllocateResponse, AmCommand, AskFault, AskRow, RegisterRequest, RegisterResponse};
pub use reports::{ApplicationReport, ApplicationState, AttemptReport, AttemptState, ContainerReport};
pub use types::{
    Container, ContainerState, ContainerStatus, FinalStatus, LaunchContext, LocalResource, NmToken, NodeReport,
    NodeState, Resource, ResourceKind, Visibility,
};
