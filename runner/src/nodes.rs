//! The znodes of one instance, as the runner reads and writes them.

use std::time::Duration;

use maas_store::{
    Change, CommitError, Config, Endpoint, InstanceRecord, Mirror, Node, Op, OpenError, ReadError, RecordError,
    Refusal, Root, RootError, RunnerReport, Store, mirror,
};

use tracing::warn;

use crate::life::{Address, Ending};
use crate::report::{Author, Dated, exit, now_ms};

/// Opening a session, and any single request, may take so long.
const DEADLINE: Duration = Duration::from_secs(5);

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The launch names no tree that can be.
    #[error("the launch names a tree that can't be")]
    Root(#[from] RootError),
    /// No session.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A read failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A write failed.
    #[error(transparent)]
    Write(#[from] CommitError),
    /// An instance may be published only while its record is at version 0.
    #[error("{0} is stopping or gone")]
    Revoked(String),
}

/// What the instance's record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It may serve.
    Serving,
    /// It is to end.
    Stopping {
        /// Why.
        reason: String,
        /// From the order to SIGKILL.
        grace: Option<Duration>,
    },
    /// There is no record.
    Gone,
}

/// What was seen of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The record may be another.
    Record,
    /// The connection is back, on the same session.
    Reconnected,
    /// A session other than the one before: its ephemerals are not ours.
    NewSession,
}

/// One instance's nodes.
#[derive(Debug)]
pub struct Nodes {
    store: Store,
    mirror: Mirror,
    session: i64,
    author: Author,
    record: String,
    runner: String,
    exit: String,
    endpoint: String,
    metron_model: String,
    metron: String,
}

impl Nodes {
    /// Opens a session.
    ///
    /// # Errors
    /// ZooKeeper does not answer within 5 s; or the launch is wrong, which [`Error::is_final`] tells.
    pub async fn open(author: &Author) -> Result<Self, Error> {
        let launch = &author.launch;
        let root: Root = launch.root.parse()?;
        let (namespace, name, iid) = (launch.namespace.clone(), launch.name.clone(), launch.iid);
        let model = launch.model.name.clone();
        let instance = Node::Instance { namespace: namespace.clone(), name: name.clone(), iid };
        let record = instance.path(&root);
        let config = Config {
            quorum: launch.quorum.clone(),
            // The mirror watches all of a store's root: this one's is the record, else every runner would hear of
            // every change of every model.
            root: record.parse()?,
            session_timeout: Duration::from_millis(launch.session_timeout_ms),
            deadline: DEADLINE,
        };
        let store = Store::open(config).await?;
        let session = store.session_id();
        let mirror = mirror(&store, vec![record.clone()]);
        Ok(Self {
            runner: Node::Runner { namespace: namespace.clone(), name: name.clone(), iid }.path(&root),
            exit: Node::Exit { namespace: namespace.clone(), name: name.clone(), iid }.path(&root),
            endpoint: Node::Endpoint { namespace, name, iid }.path(&root),
            metron_model: Node::MetronModel { model: model.clone() }.path(&root),
            metron: Node::MetronInstance { model, container: author.container.clone() }.path(&root),
            author: author.clone(),
            store,
            mirror,
            session,
            record,
        })
    }

    /// Waits until something of the tree may call for action. Cancel safe.
    pub async fn changed(&mut self) -> Seen {
        loop {
            match self.mirror.next().await {
                Change::Session { id } if id == self.session => return Seen::Reconnected,
                Change::Session { id } => {
                    self.session = id;
                    return Seen::NewSession;
                }
                Change::Put { path, .. } | Change::Gone { path } if path == self.record => return Seen::Record,
                Change::Put { .. } | Change::Gone { .. } | Change::Lost | Change::Listing | Change::Listed => {}
            }
        }
    }

    /// Reads the record. [`Standing::Gone`] is confirmed by the leader: a lagging server may not know a fresh record.
    ///
    /// # Errors
    /// ZooKeeper did not answer, or refused.
    pub async fn record(&self) -> Result<Standing, Error> {
        let Some((data, stat)) = self.store.get(&self.record).await? else {
            let check = Op::Check { path: self.record.clone(), version: 0 };
            return match self.store.commit(&[check]).await {
                Ok(_) => Ok(Standing::Serving),
                Err(error) if error.refusal() == Some(Refusal::NoNode) => Ok(Standing::Gone),
                Err(error) => Err(error.into()),
            };
        };
        if stat.version == 0 {
            return Ok(Standing::Serving);
        }
        // Any later version means stopping, whatever it holds.
        let stopping = InstanceRecord::decode(&self.record, &data).ok().and_then(|record| record.stopping);
        Ok(match stopping {
            Some(stopping) => {
                Standing::Stopping { reason: stopping.reason, grace: Some(Duration::from_millis(stopping.grace_ms)) }
            }
            None => Standing::Stopping { reason: "the instance's record was changed".to_owned(), grace: None },
        })
    }

    /// Publishes, in one step with the check that the record still allows it.
    ///
    /// # Errors
    /// [`Error::Revoked`]: it does not, or no longer. Otherwise ZooKeeper refused (another container may stand there),
    /// or it may have happened.
    pub async fn publish(&self, address: &Address) -> Result<(), Error> {
        let since_ms = now_ms();
        let create = |path: &String, data| Op::Create { path: path.clone(), data, ephemeral: true };
        let mut ops = vec![
            Op::Check { path: self.record.clone(), version: 0 },
            create(&self.endpoint, self.author.endpoint(address, since_ms).encode()),
        ];
        if self.author.launch.metron {
            ops.push(create(&self.metron, self.author.metron(address, since_ms).encode()));
        }
        let mut refused = self.store.commit(&ops).await;
        // The operator makes the parents, but Metron's may be removed by others. It is made behind the same check: an empty one
        // that nobody serves below would stay for good.
        if matches!(&refused, Err(CommitError::Refused { index: 2, why: Refusal::NoNode, .. })) {
            let parent = Op::Create { path: self.metron_model.clone(), data: Vec::new(), ephemeral: false };
            let mut with_parent = ops.clone();
            with_parent.insert(2, parent);
            refused = self.store.commit(&with_parent).await;
            if matches!(&refused, Err(CommitError::Refused { index: 2, why: Refusal::NodeExists, .. })) {
                refused = self.store.commit(&ops).await;
            }
        }
        match refused {
            Ok(_) => Ok(()),
            Err(CommitError::Refused { index: 0, why: Refusal::BadVersion | Refusal::NoNode, .. }) => {
                Err(Error::Revoked(self.record.clone()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether all that [`Nodes::publish`] wrote still stands. Whose it is was seen then: only this session's end or a hand
    /// takes it away.
    ///
    /// # Errors
    /// ZooKeeper did not answer, or refused.
    pub async fn is_published(&self) -> Result<bool, Error> {
        let stands = self.store.get(&self.endpoint).await?.is_some();
        Ok(stands && (!self.author.launch.metron || self.store.get(&self.metron).await?.is_some()))
    }

    /// Whether the report stands.
    ///
    /// # Errors
    /// As [`Nodes::is_published`].
    pub async fn is_reported(&self) -> Result<bool, Error> {
        Ok(self.store.get(&self.runner).await?.is_some())
    }

    /// Takes the endpoint away. `certain`: it is this container's and there, which saves looking.
    ///
    /// # Errors
    /// ZooKeeper did not answer, or refused: it may still be there.
    pub async fn withdraw(&self, certain: bool) -> Result<(), Error> {
        if certain {
            let mut ops = vec![delete(&self.endpoint)];
            if self.author.launch.metron {
                ops.push(delete(&self.metron));
            }
            match self.store.commit(&ops).await {
                Ok(_) => return Ok(()),
                // The operator has deleted one of them.
                Err(error) if error.refusal() == Some(Refusal::NoNode) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.remove_own(&self.endpoint, |path, data| Endpoint::decode(path, data).map(|found| found.container)).await?;
        // Looked at first: a refused delete costs the servers as much as a write.
        if self.author.launch.metron && self.store.get(&self.metron).await?.is_some() {
            self.remove(&self.metron).await?;
        }
        Ok(())
    }

    /// Removes all ephemeral nodes of this container, of whatever session: what stands under a new session was written
    /// by an older one. Another container's stay.
    ///
    /// # Errors
    /// ZooKeeper did not answer, or refused.
    pub async fn remove_old(&self) -> Result<(), Error> {
        self.withdraw(false).await?;
        self.remove_own(&self.runner, |path, data| RunnerReport::decode(path, data).map(|found| found.container)).await
    }

    async fn remove_own(
        &self,
        path: &str,
        container: impl FnOnce(&str, &[u8]) -> Result<String, RecordError>,
    ) -> Result<(), Error> {
        let Some((data, _)) = self.store.get(path).await? else { return Ok(()) };
        match container(path, &data) {
            Ok(container) if container != self.author.container => {
                warn!("{path} is of {container} and stays");
                Ok(())
            }
            // What can't be read at the place of this instance is no other container's.
            Ok(_) | Err(_) => self.remove(path).await,
        }
    }

    async fn remove(&self, path: &str) -> Result<(), Error> {
        match self.store.commit(&[delete(path)]).await {
            Ok(_) => Ok(()),
            Err(error) if error.refusal() == Some(Refusal::NoNode) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Brings the report up to date. `first` of this session: it is created rather than set, and either way tried
    /// the other way round where that is refused.
    ///
    /// # Errors
    /// ZooKeeper did not answer, or refused; also when the record is gone, and the report's place with it.
    pub async fn report(&self, dated: &Dated, tail: &str, first: bool) -> Result<(), Error> {
        let (path, data) = (self.runner.clone(), self.author.report(dated, tail).encode());
        let create = Op::Create { path: path.clone(), data: data.clone(), ephemeral: true };
        let set = Op::Set { path, data, version: None };
        let (one, other) = if first { (create, set) } else { (set, create) };
        match self.store.commit(&[one]).await {
            Err(error) if matches!(error.refusal(), Some(Refusal::NodeExists | Refusal::NoNode)) => {
                self.store.commit(&[other]).await?;
                Ok(())
            }
            done => done.map(drop).map_err(Into::into),
        }
    }

    /// Leaves the last words and removes everything else. The first last words stand; without a record there is no
    /// place for any.
    ///
    /// # Errors
    /// ZooKeeper did not answer, or refused.
    pub async fn leave(&self, ending: &Ending, tail: &str) -> Result<(), Error> {
        let data = exit(ending, tail, now_ms()).encode();
        match self.store.commit(&[Op::Create { path: self.exit.clone(), data, ephemeral: false }]).await {
            Ok(_) => {}
            Err(error) if matches!(error.refusal(), Some(Refusal::NodeExists | Refusal::NoNode)) => {}
            Err(error) => return Err(error.into()),
        }
        self.remove_old().await
    }
}

fn delete(path: &str) -> Op {
    Op::Delete { path: path.to_owned(), version: None }
}

impl Error {
    /// Trying again can't help.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Root(_) | Self::Open(OpenError::Quorum(_)))
    }
}
