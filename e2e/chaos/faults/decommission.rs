//! F25: a node is taken out of the cluster by its people, at once or in time.

use std::time::{Duration, Instant};

use hadoop_rpc::{Auth, Client, Protocol};

use super::{Step, settled};
use crate::bed::{Bed, STEP};

/// What `yarn rmadmin` speaks; no client jar has that program.
const ADMIN: Protocol =
    Protocol { name: "org.apache.hadoop.yarn.server.api.ResourceManagerAdministrationProtocolPB", version: 1 };
const DEADLINE: Duration = Duration::from_secs(20);

/// `DecommissionTypeProto`.
#[derive(Clone, Copy)]
enum How {
    AtOnce = 1,
    InTime = 2,
}

/// `RefreshNodesRequestProto` of Hadoop 3.5.0.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct RefreshNodes {
    #[prost(int32, optional, tag = "1")]
    how: Option<i32>,
    /// How long a node may be on its way out.
    #[prost(int32, optional, tag = "2")]
    timeout_seconds: Option<i32>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Nothing {}

/// In time: what runs there runs on until it has moved, instance by instance, and no call fails.
pub(crate) async fn in_time(bed: &Bed) -> anyhow::Result<Step> {
    let node = bed.node_to_harm().await?;
    let since = Instant::now();
    exclude(bed, Some(node), How::InTime).await?;
    let moved = super::yarn::elsewhere(bed, node).await;
    // The node stays on its way out for as long as the service runs, since that is an application which has used it.
    exclude(bed, None, How::InTime).await?;
    bed.cluster.await_node_running(node).await?;
    moved?;
    Ok(Step::Since(since))
}

/// At once: its containers end with it, and are replaced elsewhere.
pub(crate) async fn at_once(bed: &Bed) -> anyhow::Result<Step> {
    let node = bed.node_to_harm().await?;
    exclude(bed, Some(node), How::AtOnce).await?;
    let took = super::yarn::elsewhere(bed, node).await;
    let left = |bed: &Bed| bed.cluster.node_manager(node).pid().is_none();
    let left = bed.until("the NodeManager has left", STEP, left).await;
    exclude(bed, None, How::AtOnce).await?;
    left?;
    bed.cluster.node_manager(node).start().await?;
    bed.cluster.await_node_running(node).await?;
    settled(bed).await?;
    Ok(Step::Took(took?))
}

/// Writes who is excluded, nobody or one, and has the ResourceManager read it.
async fn exclude(bed: &Bed, node: Option<usize>, how: How) -> anyhow::Result<()> {
    let text = node.map(|node| format!("{}\n", bed.host(node))).unwrap_or_default();
    std::fs::write(bed.scratch.path().join("excluded"), text)?;
    let auth = Auth::Simple { user: "root".to_owned() };
    let client = Client::new(ADMIN, vec![bed.cluster.rm_admin().parse()?], auth);
    let request = RefreshNodes { how: Some(how as i32), timeout_seconds: Some(600) };
    let _: Nothing = client.call("refreshNodes", &request, DEADLINE).await?;
    Ok(())
}
