//! The shell around the core: every effect is a future that ends in an event, the tree is a stream of them, and time
//! is the third source. Nothing is decided here, nothing is spawned, and at most one effect of a kind per key is out.

mod effects;
#[cfg(feature = "fail-points")]
mod fail_point;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use hadoop_yarn::{MasterClient, Nodes, RmClient};
use maas_hdfs::Hdfs;
use maas_store::{Config, Mirror, Node, QueueWatch, Store, mirror, watch_queue};

use crate::core::Core;
use crate::core::event::{Effect, Event, Level};
use crate::plan::Time;
use crate::settings::Settings;

/// Wait between two tries to open the first session.
const REOPEN_AFTER: Duration = Duration::from_millis(200);
/// The folders that the core sees.
const FOLLOWED: [&str; 8] = ["specs", "status", "revisions", "instances", "endpoints", "events", "operator", "service"];

/// What the shell talks to.
#[derive(Debug)]
pub struct Peers {
    /// The ResourceManager, as the application's master.
    pub master: MasterClient,
    /// The ResourceManager, as anybody.
    pub manager: RmClient,
    /// The NodeManagers.
    pub nodes: Nodes,
    /// The payloads' file system.
    pub hdfs: Hdfs,
}

struct Shell {
    core: Core,
    peers: Peers,
    settings: Settings,
    store: Option<Store>,
    mirror: Option<Mirror>,
    queue: Option<QueueWatch>,
    /// The first session; later ones are the store's own business.
    opening: Option<BoxFuture<'static, Store>>,
    in_flight: FuturesUnordered<BoxFuture<'static, Event>>,
    began: Instant,
    exit: Option<i32>,
    #[cfg(feature = "fail-points")]
    fail_point: fail_point::FailPoint,
}

/// Runs an operator until the core says that it is over. Returns the process's exit code.
pub async fn run(settings: Settings, peers: Peers) -> i32 {
    let shell = Shell {
        core: Core::new(settings.clone()),
        peers,
        settings: settings.clone(),
        store: None,
        mirror: None,
        queue: None,
        opening: Some(Box::pin(async move { open(&settings).await })),
        in_flight: FuturesUnordered::new(),
        began: Instant::now(),
        exit: None,
        #[cfg(feature = "fail-points")]
        fail_point: fail_point::FailPoint::default(),
    };
    shell.drive().await
}

/// Opens the first session, however long that takes: the master heartbeats meanwhile.
async fn open(settings: &Settings) -> Store {
    let mut tries: u32 = 0;
    loop {
        let mut config = Config::new(settings.quorum.clone());
        config.root = settings.root.clone();
        config.session_timeout = Duration::from_millis(settings.session_timeout_ms);
        match Store::open(config).await {
            Ok(store) => return store,
            Err(error) => {
                // Said at first and then each minute or so.
                if tries.is_multiple_of(12) {
                    tracing::warn!("{:#}; trying again", anyhow::Error::from(error));
                }
                tries = tries.wrapping_add(1);
                tokio::time::sleep(REOPEN_AFTER).await;
            }
        }
    }
}

impl Shell {
    fn now(&self) -> Time {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time {
            mono: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            wall: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
        }
    }

    async fn drive(mut self) -> i32 {
        self.step(Event::Wake);
        while self.exit.is_none() {
            let wait = self.core.wake().map(|at| Duration::from_millis(at.saturating_sub(self.now().mono)));
            let event = tokio::select! {
                // What was done is told before what is new, so that our own writes are known first.
                biased;
                Some(event) = self.in_flight.next(), if !self.in_flight.is_empty() => event,
                store = opened(&mut self.opening) => {
                    self.store = Some(store);
                    Event::Session
                }
                change = next(&mut self.mirror) => Event::Tree(change),
                () = moved(self.queue.as_ref()) => Event::QueueMoved,
                () = sleep(wait) => Event::Wake,
            };
            self.step(event);
        }
        self.exit.unwrap_or(0)
    }

    fn step(&mut self, event: Event) {
        let now = self.now();
        for effect in self.core.step(now, event) {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        let (master, nodes, hdfs) = (self.peers.master.clone(), self.peers.nodes.clone(), self.peers.hdfs.clone());
        let store = self.store.clone();
        #[cfg(feature = "fail-points")]
        let ends = self.fail_point.meets(&effect);
        let future: BoxFuture<'static, Event> = match effect {
            Effect::Say(Level::Info, text) => return tracing::info!("{text}"),
            Effect::Say(Level::Warn, text) => return tracing::warn!("{text}"),
            Effect::Exit(code) => {
                self.exit = Some(code);
                return;
            }
            Effect::Tokens(tokens) => return nodes.remember(&tokens),
            Effect::Follow => {
                if let Some(store) = &self.store {
                    let folders = FOLLOWED.iter().map(|f| store.path(&Node::Folder((*f).to_owned())));
                    self.mirror = Some(mirror(store, folders.collect()));
                    let queue = self.settings.metron_queue.as_ref();
                    self.queue = queue.map(|queue| watch_queue(store, queue.path.clone()));
                }
                return;
            }
            Effect::ReadOperator => Box::pin(effects::read_operator(store)),
            Effect::Commit(tag, ops) => Box::pin(effects::commit(store, tag, ops)),
            Effect::Register => Box::pin(effects::register(master, self.settings.host.clone())),
            Effect::Allocate(request) => Box::pin(async move { Event::Allocated(master.allocate(request).await) }),
            Effect::Start(container, context) => Box::pin(effects::start(nodes, container, context)),
            Effect::Signal(id, node) => Box::pin(effects::signal(nodes, id, node)),
            Effect::Stop(id, node) => Box::pin(effects::stop(nodes, id, node)),
            Effect::Look(id, node) => Box::pin(effects::look(nodes, id, node)),
            Effect::LookAtNodes => Box::pin(effects::look_at_nodes(self.peers.manager.clone())),
            Effect::List(key, number, path) => Box::pin(effects::list(hdfs, key, number, path)),
            Effect::DeleteUpload(key, path) => Box::pin(effects::delete_upload(hdfs, key, path)),
            Effect::ReadQueue(except) => {
                let path = self.settings.metron_queue.as_ref().map(|queue| queue.path.clone());
                Box::pin(effects::read_queue(store, path.unwrap_or_default(), except))
            }
            Effect::LookAtPayload(path) => Box::pin(effects::look_at_payload(hdfs, path)),
            Effect::Finish(well, words) => Box::pin(effects::finish(master, well, words)),
        };
        #[cfg(feature = "fail-points")]
        let future = if ends { fail_point::then_end(future) } else { future };
        self.in_flight.push(future);
    }
}

async fn opened(opening: &mut Option<BoxFuture<'static, Store>>) -> Store {
    let store = match opening {
        Some(opening) => opening.await,
        None => std::future::pending().await,
    };
    *opening = None;
    store
}

async fn next(mirror: &mut Option<Mirror>) -> maas_store::Change {
    match mirror {
        Some(mirror) => mirror.next().await,
        None => std::future::pending().await,
    }
}

async fn moved(queue: Option<&QueueWatch>) {
    match queue {
        Some(queue) => queue.moved().await,
        None => std::future::pending().await,
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
