//! The znodes of one instance, as the runner reads and writes them.

use std::time::Duration;

use maas_crd::Launch;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use zookeeper_client as zk;

use crate::container::Container;
use crate::life::{Address, Ending, Exit, Phase, Report};

/// Every request has so long; after that its outcome is unknown.
const WITHIN: Duration = Duration::from_secs(5);

/// Where and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    launch: Launch,
    container: String,
    node: String,
    http_port: Option<u16>,
}

impl Container {
    /// How this container's nodes are kept.
    pub fn settings(&self) -> Settings {
        Settings {
            launch: self.launch.clone(),
            container: self.id.clone(),
            node: self.node.clone(),
            http_port: self.http_port,
        }
    }
}

/// Why ZooKeeper refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The record is not at version 0.
    Record,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// For good.
    #[error("refused: {0:?}")]
    Refused(Refused),
    /// Another container's.
    #[error("{0} is another container's")]
    Foreign(String),
    /// ZooKeeper.
    #[error("{0}: {1}")]
    ZooKeeper(&'static str, #[source] zk::Error),
    /// Time.
    #[error("{0}: no answer within 5 s")]
    TooSlow(&'static str),
}

impl Error {
    /// A new session is needed.
    pub fn session_ended(&self) -> bool {
        matches!(self, Self::ZooKeeper(_, zk::Error::SessionExpired | zk::Error::ClientClosed | zk::Error::AuthFailed))
    }
}

/// What the record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// May serve.
    Serving,
    /// Is to end.
    Stopping {
        /// Why.
        reason: String,
        /// How long.
        grace: Option<Duration>,
    },
    /// Not there.
    Gone,
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The record may have changed.
    RecordChanged,
    /// The session is over.
    SessionEnded,
}

#[derive(Deserialize, Default)]
struct Stopping {
    #[serde(default)]
    reason: String,
    grace_ms: Option<u64>,
}

#[derive(Serialize)]
struct ReportNode<'a> {
    container: &'a str,
    node: &'a str,
    http_port: Option<u16>,
    phase: String,
    restarts: u32,
    waiting: Option<serde_json::Value>,
    last_exit: Option<serde_json::Value>,
}

/// One session.
pub struct Nodes {
    client: zk::Client,
    state: zk::StateWatcher,
    watcher: Option<std::pin::Pin<Box<dyn Future<Output = zk::WatchedEvent> + Send>>>,
    settings: Settings,
}

impl Nodes {
    /// Connects.
    ///
    /// # Errors
    /// Not reachable.
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let connect = zk::Client::connector()
            .with_session_timeout(Duration::from_millis(settings.launch.session_timeout_ms))
            .connect(&settings.launch.quorum);
        let client = timeout(Duration::from_secs(15), connect)
            .await
            .map_err(|_| Error::TooSlow("connect"))?
            .map_err(|error| Error::ZooKeeper("connect", error))?;
        let state = client.state_watcher();
        Ok(Self { client, state, watcher: None, settings: settings.clone() })
    }

    fn at(&self, what: &str) -> String {
        let launch = &self.settings.launch;
        format!("{}/{what}/{}/{}/{}", launch.root, launch.namespace.as_str(), launch.name.as_str(), launch.iid)
    }

    fn own(&self) -> [String; 3] {
        [self.at("endpoints"), format!("{}/runner", self.at("instances")), self.metron()]
    }

    fn metron(&self) -> String {
        let launch = &self.settings.launch;
        format!("{}/service/{}/{}", launch.root, launch.model.name.as_str(), self.settings.container)
    }

    /// Removes what an earlier session has left.
    ///
    /// # Errors
    /// ZooKeeper.
    pub async fn remove_old(&mut self) -> Result<(), Error> {
        for path in self.own() {
            delete(&self.client, &path).await?;
        }
        Ok(())
    }

    /// Reads the record.
    ///
    /// # Errors
    /// ZooKeeper.
    pub async fn record(&mut self) -> Result<Standing, Error> {
        let path = self.at("instances");
        within("sync", self.client.sync(&path)).await?;
        match within("read the record", self.client.get_and_watch_data(&path)).await {
            Ok((data, stat, watcher)) => {
                self.watcher = Some(Box::pin(watcher.changed()));
                if stat.version == 0 {
                    return Ok(Standing::Serving);
                }
                let stopping: Stopping = serde_json::from_slice(&data).unwrap_or_default();
                Ok(Standing::Stopping { reason: stopping.reason, grace: stopping.grace_ms.map(Duration::from_millis) })
            }
            Err(Error::ZooKeeper(_, zk::Error::NoNode)) => Ok(Standing::Gone),
            Err(error) => Err(error),
        }
    }

    /// Publishes.
    ///
    /// # Errors
    /// ZooKeeper.
    pub async fn publish(&mut self, address: &Address) -> Result<(), Error> {
        let options = zk::CreateMode::Ephemeral.with_acls(zk::Acls::anyone_all());
        let [endpoint, _, metron] = self.own();
        let mut writer = self.client.new_multi_writer();
        let bad = |error| Error::ZooKeeper("publish", error);
        writer.add_check_version(&self.at("instances"), 0).map_err(bad)?;
        let data = serde_json::json!({"url": address.url, "functions": address.functions}).to_string();
        writer.add_create(&endpoint, data.as_bytes(), &options).map_err(bad)?;
        if self.settings.launch.metron {
            writer.add_create(&metron, b"{}", &options).map_err(bad)?;
        }
        match timeout(WITHIN, writer.commit()).await {
            Err(_) => Err(Error::TooSlow("publish")),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(zk::MultiWriteError::OperationFailed {
                index: 0,
                source: zk::Error::BadVersion | zk::Error::NoNode,
            })) => Err(Error::Refused(Refused::Record)),
            Ok(Err(zk::MultiWriteError::OperationFailed { source, .. })) => Err(bad(source)),
            Ok(Err(zk::MultiWriteError::RequestFailed { source })) => Err(bad(source)),
        }
    }

    /// Takes away.
    ///
    /// # Errors
    /// ZooKeeper.
    pub async fn withdraw(&mut self) -> Result<(), Error> {
        let [endpoint, _, metron] = self.own();
        delete(&self.client, &endpoint).await?;
        delete(&self.client, &metron).await
    }

    /// Writes the report.
    ///
    /// # Errors
    /// ZooKeeper.
    pub async fn report(&mut self, report: &Report, tail: String) -> Result<(), Error> {
        let [_, runner, _] = self.own();
        let node = ReportNode {
            container: &self.settings.container,
            node: &self.settings.node,
            http_port: self.settings.http_port,
            phase: match report.phase {
                Phase::Starting => "Starting",
                Phase::Ready => "Ready",
                Phase::Unready => "Unready",
                Phase::BackingOff => "BackingOff",
                Phase::Stopping => "Stopping",
            }
            .to_owned(),
            restarts: report.restarts,
            waiting: report
                .missing
                .as_ref()
                .map(|(reason, message)| serde_json::json!({"reason": reason, "message": message})),
            last_exit: report.last.as_ref().map(|last| exit(last, &tail)),
        };
        let data = serde_json::to_vec(&node).unwrap_or_default();
        match within("report", self.client.set_data(&runner, &data, None)).await {
            Err(Error::ZooKeeper(_, zk::Error::NoNode)) => {}
            other => return other.map(drop),
        }
        let options = zk::CreateMode::Ephemeral.with_acls(zk::Acls::anyone_all());
        within("report", self.client.create(&runner, &data, &options)).await.map(drop)
    }

    /// Last words.
    ///
    /// # Errors
    /// ZooKeeper.
    pub async fn leave(&mut self, ending: &Ending, tail: String) -> Result<(), Error> {
        let data = exit(ending, &tail);
        let options = zk::CreateMode::Persistent.with_acls(zk::Acls::anyone_all());
        let path = format!("{}/exit", self.at("instances"));
        match within("exit", self.client.create(&path, data.to_string().as_bytes(), &options)).await {
            Ok(_) | Err(Error::ZooKeeper(_, zk::Error::NodeExists | zk::Error::NoNode)) => {}
            Err(error) => return Err(error),
        }
        self.remove_old().await
    }

    /// Waits.
    pub async fn changed(&mut self) -> Seen {
        let record = async {
            match &mut self.watcher {
                Some(watcher) => drop(watcher.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = record => {
                self.watcher = None;
                Seen::RecordChanged
            }
            state = self.state.changed() => if state.is_terminated() { Seen::SessionEnded } else { Seen::RecordChanged },
        }
    }
}

async fn within<T>(what: &'static str, request: impl Future<Output = Result<T, zk::Error>>) -> Result<T, Error> {
    timeout(WITHIN, request).await.map_err(|_| Error::TooSlow(what))?.map_err(|error| Error::ZooKeeper(what, error))
}

async fn delete(client: &zk::Client, path: &str) -> Result<(), Error> {
    match within("delete", client.delete(path, None)).await {
        Ok(()) | Err(Error::ZooKeeper(_, zk::Error::NoNode)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn exit(ending: &Ending, tail: &str) -> serde_json::Value {
    let (code, signal) = match ending.exit {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal(signal)) => (None, Some(signal)),
        None => (None, None),
    };
    serde_json::json!({"reason": ending.reason, "message": ending.message, "code": code, "signal": signal, "stderr": tail})
}
