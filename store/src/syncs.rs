//! Syncs, by compare-and-set, and who runs them. Whoever takes one over writes its record in the same multi, so that
//! of two who try only one does.

use maas_crd::{Name, Namespace};

use crate::op::{CommitError, Op, Refusal, Stat};
use crate::path::Node;
use crate::read::ReadError;
use crate::record::{RecordError, SyncOwner, SyncRecord};
use crate::session::Store;
use crate::specs::{EditError, classify};

/// A sync as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRead {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: Name,
    /// What its znode holds.
    pub record: SyncRecord,
    /// The znode's stat.
    pub stat: Stat,
}

/// Why a sync could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SyncReadError {
    /// ZooKeeper refused or did not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The znode holds something else.
    #[error(transparent)]
    Record(#[from] RecordError),
}

fn node(namespace: &Namespace, name: &Name) -> Node {
    Node::Sync { namespace: namespace.clone(), name: name.clone() }
}

fn owner_path(store: &Store, read: &SyncRead) -> String {
    store.path(&Node::SyncOwner { namespace: read.namespace.clone(), name: read.name.clone() })
}

fn what(namespace: &Namespace, name: &Name) -> String {
    format!("sync {namespace}/{name}")
}

/// One sync; none when it does not exist.
///
/// # Errors
/// ZooKeeper refused or did not answer; the znode holds something else.
pub async fn get_sync(store: &Store, namespace: &Namespace, name: &Name) -> Result<Option<SyncRead>, SyncReadError> {
    let path = store.path(&node(namespace, name));
    let Some((data, stat)) = store.get(&path).await? else { return Ok(None) };
    let record = SyncRecord::decode(&path, &data)?;
    Ok(Some(SyncRead { namespace: namespace.clone(), name: name.clone(), record, stat }))
}

/// Who runs a sync, as the session that it goes with; none when nobody does.
///
/// # Errors
/// As [`get_sync`].
pub async fn get_sync_owner(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
) -> Result<Option<(SyncOwner, Stat)>, SyncReadError> {
    let path = store.path(&Node::SyncOwner { namespace: namespace.clone(), name: name.clone() });
    let Some((data, stat)) = store.get(&path).await? else { return Ok(None) };
    Ok(Some((SyncOwner::decode(&path, &data)?, stat)))
}

/// Creates a sync, and the folders above it where they are missing.
///
/// # Errors
/// It exists already (a conflict), or it was not written.
pub async fn create_sync(
    store: &Store,
    namespace: &Namespace,
    name: &Name,
    record: &SyncRecord,
) -> Result<(), EditError> {
    let node = node(namespace, name);
    for parent in node.parents() {
        let folder = Op::Create { path: store.path(&parent), data: Vec::new(), ephemeral: false };
        match store.commit(&[folder]).await {
            Err(error) if error.refusal() != Some(Refusal::NodeExists) => {
                return Err(EditError::Commit { what: what(namespace, name), source: error });
            }
            _ => {}
        }
    }
    let create = Op::Create { path: store.path(&node), data: record.encode(), ephemeral: false };
    commit(store, namespace, name, &[create]).await
}

/// Replaces a sync's record at the version that was read.
///
/// # Errors
/// A conflict, or it was not written.
pub async fn update_sync(store: &Store, read: &SyncRead, record: &SyncRecord) -> Result<(), EditError> {
    let set = set(store, read, record);
    commit(store, &read.namespace, &read.name, &[set]).await
}

/// Makes this session the sync's owner, in the place of `before` if that is given, and replaces the record at the
/// version that was read.
///
/// # Errors
/// A conflict: someone else owns it, or wrote its record; or it was not written.
pub async fn own_sync(
    store: &Store,
    read: &SyncRead,
    record: &SyncRecord,
    owner: &SyncOwner,
    before: Option<&Stat>,
) -> Result<(), EditError> {
    let path = owner_path(store, read);
    let mut ops = vec![set(store, read, record)];
    ops.extend(before.map(|before| Op::Delete { path: path.clone(), version: Some(before.version) }));
    ops.push(Op::Create { path, data: owner.encode(), ephemeral: true });
    commit(store, &read.namespace, &read.name, &ops).await
}

/// Deletes a sync at the version that was read, its owner's node with it: the syncer then ends. What it applied stays.
///
/// # Errors
/// A conflict, or it was not deleted.
pub async fn delete_sync(store: &Store, read: &SyncRead) -> Result<(), EditError> {
    let (all, alone) = deletes(store, read);
    match store.commit(&all).await {
        // Nobody runs it.
        Err(CommitError::Refused { index: 0, why: Refusal::NoNode, .. }) => {
            commit(store, &read.namespace, &read.name, &alone).await
        }
        other => other.map(drop).map_err(|error| classify(what(&read.namespace, &read.name), error)),
    }
}

/// What [`delete_sync`] would be answered; nothing is written.
///
/// # Errors
/// As [`delete_sync`].
pub async fn rehearse_delete_sync(store: &Store, read: &SyncRead) -> Result<(), EditError> {
    let (all, alone) = deletes(store, read);
    let answer = match store.rehearse(&all).await {
        Err(CommitError::Refused { index: 0, why: Refusal::NoNode, .. }) => store.rehearse(&alone).await,
        other => other,
    };
    answer.map_err(|error| classify(what(&read.namespace, &read.name), error))
}

/// The deletes of a sync that is run, and of one that nobody runs.
fn deletes(store: &Store, read: &SyncRead) -> ([Op; 2], [Op; 1]) {
    let node = node(&read.namespace, &read.name);
    let delete = Op::Delete { path: store.path(&node), version: Some(read.stat.version) };
    let owner = Op::Delete { path: owner_path(store, read), version: None };
    ([owner, delete.clone()], [delete])
}

fn set(store: &Store, read: &SyncRead, record: &SyncRecord) -> Op {
    let path = store.path(&node(&read.namespace, &read.name));
    Op::Set { path, data: record.encode(), version: Some(read.stat.version) }
}

async fn commit(store: &Store, namespace: &Namespace, name: &Name, ops: &[Op]) -> Result<(), EditError> {
    store.commit(ops).await.map(drop).map_err(|error| classify(what(namespace, name), error))
}
