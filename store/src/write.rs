//! Conditional commits to a real ZooKeeper, each with a deadline.

use tokio::time::{Instant, timeout};
use zookeeper_client as zk;

use crate::acl::Above;
use crate::op::{CommitError, Done, Op, Refusal, Stat, check_size};
use crate::path::{Node, is_path};
use crate::read::{ReadError, stat_of, told};
use crate::session::Store;

/// A version that no node has.
const NO_VERSION: i32 = -2;

/// Each of these lets one change what stands at a node or below.
const CHANGES: [zk::Permission; 4] =
    [zk::Permission::WRITE, zk::Permission::CREATE, zk::Permission::DELETE, zk::Permission::ADMIN];

impl Store {
    /// Commits one multi; a create takes its parent's access control list. Not cancel-safe in effect: a request whose
    /// future was dropped may still be applied, which is why every write should name a version.
    ///
    /// # Errors
    /// The operation that was refused; or nobody knows whether it happened.
    pub async fn commit(&self, ops: &[Op]) -> Result<Vec<Done>, CommitError> {
        check_size(ops)?;
        let (deadline, begun) = (self.deadline(), Instant::now());
        let client = self.client().map_err(|error| CommitError::Unavailable(error.to_string()))?;
        let answer = match timeout(deadline, self.commit_with(&client, ops)).await {
            Ok(result) => result,
            Err(_) => Err(CommitError::Unknown(format!("no answer within {:.0} s", deadline.as_secs_f64()))),
        };
        let first = ops.first().map_or("nothing", Op::path);
        told("commit", first, begun, answer.as_ref().err().map(ToString::to_string));
        answer
    }

    /// What [`Store::commit`] would be answered; nothing is written. The server checks every operation in its order, rights and
    /// versions included, and a last one fails in any case.
    ///
    /// # Errors
    /// As [`Store::commit`], but for `Unknown`: nothing happened then either.
    pub async fn rehearse(&self, ops: &[Op]) -> Result<(), CommitError> {
        let mut all = ops.to_vec();
        all.push(Op::Check { path: self.root().to_string(), version: NO_VERSION });
        match self.commit(&all).await {
            Err(error) if error.refused_at() == Some(ops.len()) => Ok(()),
            Err(CommitError::Unknown(why)) => Err(CommitError::Unavailable(why)),
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    /// What is missing of the root and its folders, as creates; none in a tree that was made.
    ///
    /// # Errors
    /// As [`Store::get`]; what is above the root and closed to this identity counts as there.
    pub async fn missing_folders(&self) -> Result<Vec<Op>, ReadError> {
        let folders = Node::folders();
        let mut missing = Vec::new();
        for path in self.root().with_ancestors().into_iter().chain(folders.iter().map(|f| self.path(f))) {
            match self.get(&path).await {
                Ok(None) => missing.push(Op::Create { path, data: Vec::new(), ephemeral: false }),
                Ok(Some(_)) => {}
                Err(error) if error.is_denied() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }

    async fn commit_with(&self, client: &zk::Client, ops: &[Op]) -> Result<Vec<Done>, CommitError> {
        loop {
            let aboves = self.shared.acls.above(client, ops).await?;
            let mut writer = client.new_multi_writer();
            for (index, (op, above)) in ops.iter().zip(&aboves).enumerate() {
                let refused = |_| CommitError::Refused { index, path: op.path().to_owned(), why: Refusal::Other };
                add(&mut writer, op, above).map_err(refused)?;
            }
            let error = match writer.commit().await {
                Ok(results) => return Ok(results.into_iter().map(done).collect()),
                Err(error) => error,
            };
            let came_to_be = matches!(&error, zk::MultiWriteError::OperationFailed { index, source: zk::Error::BadVersion }
                if matches!(aboves.get(*index), Some(Above::Missing(_))));
            if !came_to_be {
                return Err(classify(ops, error));
            }
        }
    }

    /// Makes the root and its folders where they are missing. Safe to repeat and to run side by side. Returns
    /// whether anyone may write the tree: an open ZooKeeper is used as Metron did, and deserves a warning.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn init(&self) -> Result<bool, CommitError> {
        let folders = Node::folders();
        for path in self.root().with_ancestors().into_iter().chain(folders.iter().map(|f| self.path(f))) {
            // Looked at first: what is above the root may be closed to this identity, and need not be touched.
            if matches!(self.get(&path).await, Ok(Some(_))) {
                continue;
            }
            match self.commit(&[Op::Create { path, data: Vec::new(), ephemeral: false }]).await {
                Err(error) if error.refusal() == Some(Refusal::NodeExists) => {}
                other => drop(other?),
            }
        }
        match self.is_open(&self.root().to_string()).await {
            Ok(open) => Ok(open),
            Err(error) if error.is_denied() => Ok(false),
            Err(error) => Err(CommitError::Unavailable(error.to_string())),
        }
    }

    /// Whether anyone at all may change a node, or what stands below it.
    ///
    /// # Errors
    /// ZooKeeper did not answer, or refused.
    pub async fn is_open(&self, path: &str) -> Result<bool, ReadError> {
        let list = self.within("getacl", path, async { self.shared.acls.of(&self.client()?, path).await }).await?;
        let anyone = list.iter().filter(|acl| acl.scheme() == "world").map(zk::Acl::permission);
        Ok(anyone.into_iter().any(|given| CHANGES.into_iter().any(|one| given.has(one))))
    }
}

fn add(writer: &mut zk::MultiWriter<'_>, op: &Op, above: &Above<'_>) -> Result<(), zk::Error> {
    match (op, above) {
        (Op::Create { path, data, ephemeral }, Above::List(list)) => {
            let mode = if *ephemeral { zk::CreateMode::Ephemeral } else { zk::CreateMode::Persistent };
            writer.add_create(path, data, &mode.with_acls(zk::Acls::new(list)))
        }
        // The server says of what is no path that it is none, before it looks for a parent.
        (Op::Create { path, .. }, Above::Missing(_)) if !is_path(path) => writer.add_check_version(path, NO_VERSION),
        // In place of the create, which would be refused for this: its answer comes in its place among the operations'.
        // The parent that someone makes just now is another's answer, since the node must have that parent's list.
        (Op::Create { .. }, Above::Missing(parent)) => writer.add_check_version(parent, NO_VERSION),
        (Op::Create { .. }, Above::Nothing) => Err(zk::Error::InvalidAcl),
        (Op::Set { path, data, version }, _) => writer.add_set_data(path, data, *version),
        (Op::Delete { path, version }, _) => writer.add_delete(path, *version),
        (Op::Check { path, version }, _) => writer.add_check_version(path, *version),
    }
}

fn done(result: zk::MultiWriteResult) -> Done {
    match result {
        zk::MultiWriteResult::Delete => Done::Deleted,
        // ZOOKEEPER-4026: a created node's stat may be missing.
        zk::MultiWriteResult::Create { stat, .. } if stat.czxid <= 0 => Done::Created(Stat::default()),
        zk::MultiWriteResult::Create { stat, .. } => Done::Created(stat_of(&stat)),
        zk::MultiWriteResult::SetData { stat } => Done::Set(stat_of(&stat)),
        _ => Done::Checked,
    }
}

fn classify(ops: &[Op], error: zk::MultiWriteError) -> CommitError {
    match error {
        zk::MultiWriteError::OperationFailed { index, source } => {
            let path = ops.get(index).map_or("", Op::path).to_owned();
            let why = match source {
                zk::Error::NodeExists => Refusal::NodeExists,
                zk::Error::NoNode => Refusal::NoNode,
                zk::Error::BadVersion => Refusal::BadVersion,
                zk::Error::NotEmpty => Refusal::NotEmpty,
                zk::Error::NoChildrenForEphemerals => Refusal::NoChildrenForEphemerals,
                zk::Error::NoAuth | zk::Error::InvalidAcl => Refusal::NoAuth,
                _ => Refusal::Other,
            };
            CommitError::Refused { index, path, why }
        }
        zk::MultiWriteError::RequestFailed { source } => match source {
            zk::Error::NoHosts | zk::Error::AuthFailed => CommitError::Unavailable(source.to_string()),
            // An expired session too: the request may have been applied before.
            _ => CommitError::Unknown(source.to_string()),
        },
    }
}
