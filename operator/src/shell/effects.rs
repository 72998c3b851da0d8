//! Each effect as one request to one peer. All are safe to repeat, and end within their client's deadline.

use std::collections::BTreeSet;

use hadoop_yarn::{
    Container, ContainerId, FinalStatus, LaunchContext, MasterClient, MasterError, NodeId, NodeState, Nodes,
    RegisterRequest, RmClient, Signal,
};
use maas_hdfs::{Error as HdfsError, Hdfs};
use maas_store::{CommitError, Node, Op, PinnedFile, ReadError, Store};

use crate::core::event::{Event, OperatorSeen, Tag};
use crate::key::Key;
use crate::plan::launch::MAX_FILES;

/// An error and what caused it, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

pub(super) async fn read_operator(store: Option<Store>) -> Event {
    let Some(store) = store else { return Event::OperatorRead(Err("there is no session yet".to_owned())) };
    Event::OperatorRead(seen(&store).await.map_err(|error| chain(&error)))
}

async fn seen(store: &Store) -> Result<OperatorSeen, ReadError> {
    let epoch = store.get(&store.path(&Node::Epoch)).await?;
    let leader = store.get(&store.path(&Node::Leader)).await?;
    let mut highest = 0;
    if epoch.is_none() {
        let instances = store.path(&Node::Folder("instances".to_owned()));
        for (path, _, _) in store.list(&instances).await? {
            if let Some(Node::Instance { iid, .. }) = Node::parse(store.root(), &path) {
                highest = highest.max(iid.epoch());
            }
        }
    }
    Ok(OperatorSeen { epoch, leader, highest })
}

pub(super) async fn commit(store: Option<Store>, tag: Tag, ops: Vec<Op>) -> Event {
    let Some(store) = store else {
        return Event::Committed(tag, Err(CommitError::Unavailable("there is no session yet".to_owned())));
    };
    Event::Committed(tag, store.commit(&ops).await)
}

pub(super) async fn register(master: MasterClient, host: String) -> Event {
    let request = RegisterRequest { host, rpc_port: -1, tracking_url: String::new() };
    Event::Registered(master.register(request).await)
}

pub(super) async fn start(nodes: Nodes, container: Box<Container>, context: Box<LaunchContext>) -> Event {
    let result = match nodes.get(&container.node) {
        Ok(node) => node.start(&container, &context).await,
        Err(error) => Err(error),
    };
    let result = match result {
        Err(error) if !error.is_already_started() => {
            Err((chain(&error), error.may_have_happened() || error.is_retriable()))
        }
        _ => Ok(()),
    };
    Event::Started(container.id, result)
}

pub(super) async fn signal(nodes: Nodes, id: ContainerId, node: NodeId) -> Event {
    let result = match nodes.get(&node) {
        Ok(client) => client.signal(id, Signal::Terminate).await,
        Err(error) => Err(error),
    };
    told(&id, "signalled", result)
}

pub(super) async fn stop(nodes: Nodes, id: ContainerId, node: NodeId) -> Event {
    let result = match nodes.get(&node) {
        Ok(client) => client.stop(id).await,
        Err(error) => Err(error),
    };
    told(&id, "stopped", result)
}

pub(super) async fn look(nodes: Nodes, id: ContainerId, node: NodeId) -> Event {
    let result = match nodes.get(&node) {
        Ok(client) => client.status(id).await,
        Err(error) => Err(error),
    };
    Event::Looked(id, result.map_err(|error| chain(&error)))
}

pub(super) async fn look_at_nodes(manager: RmClient) -> Event {
    let nodes = manager.nodes(&[NodeState::Decommissioning]).await;
    Event::NodesSeen(nodes.map_err(|error| chain(&error)))
}

/// The core goes by what YARN says of the container, not by this answer.
fn told(id: &ContainerId, what: &str, result: Result<(), MasterError>) -> Event {
    if let Err(error) = result {
        tracing::warn!("{id} was not {what}: {}", chain(&error));
    }
    Event::Wake
}

pub(super) async fn list(hdfs: Hdfs, key: Key, number: u32, path: String) -> Event {
    let listed = match hdfs.list(&path, MAX_FILES).await {
        Ok(files) => {
            let top = format!("{}/", path_in_fs(&hdfs.url(&path)).trim_end_matches('/'));
            let pinned = files.into_iter().filter_map(|file| {
                let relative = file.path.strip_prefix(&top)?.to_owned();
                Some(PinnedFile { path: relative, url: file.url, size: file.size, mtime_ms: file.mtime_ms })
            });
            Ok(pinned.collect())
        }
        Err(error) => {
            let reason = match &error {
                HdfsError::Missing { .. } => "PayloadMissing",
                HdfsError::Denied { .. } => "PayloadUnreadable",
                HdfsError::NotADirectory { .. } | HdfsError::TooMany { .. } => "InvalidPayload",
                _ => "PayloadUnavailable",
            };
            Err((reason, format!("spec.payload.path: {}", chain(&error))))
        }
    };
    Event::Listed(key, number, listed)
}

pub(super) async fn read_queue(store: Option<Store>, path: String, except: BTreeSet<String>) -> Event {
    let Some(store) = store else { return Event::QueueRead(Err("there is no session yet".to_owned())) };
    Event::QueueRead(store.queue_items(&path, &except).await.map_err(|error| chain(&error)))
}

pub(super) async fn look_at_payload(hdfs: Hdfs, path: String) -> Event {
    let looked = match hdfs.list(&path, MAX_FILES).await {
        Err(
            error @ (HdfsError::Missing { .. }
            | HdfsError::Denied { .. }
            | HdfsError::NotADirectory { .. }
            | HdfsError::TooMany { .. }),
        ) => Err(format!("path: {}", chain(&error))),
        // What HDFS can't tell now, the deployment's status will.
        _ => Ok(()),
    };
    Event::PayloadLooked(looked)
}

pub(super) async fn delete_upload(hdfs: Hdfs, key: Key, path: String) -> Event {
    let result = hdfs.delete(&path).await.map(drop).map_err(|error| chain(&error));
    Event::UploadDeleted(key, path, result)
}

/// The path of a full URL.
fn path_in_fs(url: &str) -> &str {
    let rest = url.strip_prefix("hdfs://").unwrap_or(url);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

pub(super) async fn finish(master: MasterClient, well: bool, words: String) -> Event {
    let status = if well { FinalStatus::Succeeded } else { FinalStatus::Failed };
    Event::Finished(master.finish(status, &words, "").await)
}
