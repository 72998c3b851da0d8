//! Real ZooKeeper, HDFS and YARN daemons, and what stands beside them, for tests, demo and benchmarks.
//!
//! [`Cluster`] starts each daemon as a process of its own, on free ports and in a directory of its own, so that several
//! clusters run side by side and a test can kill, pause or restart one [`Daemon`] alone. When the cluster is dropped, and
//! also when the process that started it is killed, every process and file of it goes. Beside it stand, each by itself,
//! [`Kafka`], [`Search`] (OpenSearch or Elasticsearch) and [`Squid`], which are fetched when first started.
//!
//! ```no_run
//! # async fn story() -> Result<(), maas_e2e::Error> {
//! let cluster = maas_e2e::Cluster::builder().node_managers(2).start().await?;
//! cluster.resource_manager().kill()?;
//! cluster.resource_manager().start().await?;
//! cluster.await_ready().await?;
//! # Ok(())
//! # }
//! ```

mod cluster;
mod config;
mod daemon;
mod error;
mod guard;
mod install;
mod kafka;
mod library;
mod place;
mod ports;
mod probe;
mod proxy;
mod search;
mod squid;
mod stock;

pub use cluster::{Cluster, ClusterBuilder};
pub use daemon::Daemon;
pub use error::Error;
pub use install::fetch;
pub use kafka::Kafka;
pub use proxy::{Protocol, Proxy, Request, Weather};
pub use search::Search;
pub use squid::Squid;
pub use stock::fetch_metron_clients;
