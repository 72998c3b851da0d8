//! The client: follows the tree, chooses, asks, and asks another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use maas_store::{Config, Node, OpenError, Store, mirror};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::choose::{Choice, Target, View, Wanted};
use crate::directory::Directory;
use crate::http::{CallError, Pool, Question, address, ask, pool};

/// Instances that one call may try, where the request never reached the others.
const TRIES: usize = 4;

/// How calls are made.
#[derive(Clone, Debug)]
pub struct Options {
    /// How one of several endpoints is chosen.
    pub choice: Choice,
    /// Bound of a whole call, every try of it included.
    pub deadline: Duration,
    /// Bound of one connection's set-up.
    pub connect_timeout: Duration,
    /// Longest answer that is read, in bytes.
    pub longest_answer: usize,
}

impl Default for Options {
    /// At random, 10 s, 1 s, 8 MiB.
    fn default() -> Self {
        Self {
            choice: Choice::Random,
            deadline: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(1),
            longest_answer: 8 * 1024 * 1024,
        }
    }
}

/// What a client did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Calls that were made.
    pub calls: u64,
    /// Calls without an answer.
    pub failed: u64,
    /// Second and later tries.
    pub repeated: u64,
    /// Instances that were left out for a while.
    pub ejected: u64,
}

/// What a model said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Who said it.
    pub target: Arc<Target>,
    /// As it came.
    pub raw: Bytes,
    /// What that is.
    pub fields: Map<String, Value>,
}

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    failed: AtomicU64,
    repeated: AtomicU64,
    ejected: AtomicU64,
}

/// Follows what is live and calls it. Cheap to clone; the last clone's end ends the session.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
    /// The views that this clone was told of.
    views: watch::Receiver<u64>,
}

#[derive(Debug)]
struct Inner {
    view: Arc<ArcSwap<View>>,
    pool: Pool,
    options: Options,
    counters: Counters,
    began: Instant,
    follower: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Client {
    /// Opens a session and waits until all live endpoints were listed.
    ///
    /// # Errors
    /// No ZooKeeper answers, or refuses; within seconds.
    pub async fn open(config: Config, options: Options) -> Result<Self, OpenError> {
        let store = Store::open(config).await?;
        let (sender, mut views) = watch::channel(0);
        let view = Arc::new(ArcSwap::from_pointee(View::default()));
        let follower = tokio::spawn(follow(store, view.clone(), sender));
        // It ends only with this client.
        let _ = views.wait_for(|views| *views > 0).await;
        let pool = pool(options.connect_timeout);
        let (counters, began) = (Counters::default(), Instant::now());
        Ok(Self { inner: Arc::new(Inner { view, pool, options, counters, began, follower }), views })
    }

    /// What is live now.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.inner.view.load_full()
    }

    /// Whether ZooKeeper is away, so that endpoints may have come and gone unseen.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.inner.view.load().is_stale()
    }

    /// Waits until something about the endpoints has changed since this clone was told last, or opened. Cancel-safe.
    pub async fn changed(&mut self) {
        let _ = self.views.changed().await;
    }

    /// One endpoint, as [`Options::choice`] says; none when none is live.
    #[must_use]
    pub fn endpoint(&self, wanted: Wanted<'_>) -> Option<Arc<Target>> {
        self.inner.view.load().choose(wanted, self.inner.options.choice, self.now_ms(), &[]).cloned()
    }

    /// The error of a call that finds nothing live.
    #[must_use]
    pub fn no_endpoint(&self, wanted: Wanted<'_>) -> CallError {
        let version = wanted.version.map(|version| format!(" {version}")).unwrap_or_default();
        let wanted = format!("{}{version} in {}", wanted.model, wanted.namespace);
        CallError::NoEndpoint { wanted, stale: self.is_stale() }
    }

    /// How calls are made.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// What this client did so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let Counters { calls, failed, repeated, ejected } = &self.inner.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Metrics { calls: read(calls), failed: read(failed), repeated: read(repeated), ejected: read(ejected) }
    }

    /// Asks a model by GET, with the query exactly as Metron's `MAAS_MODEL_APPLY` sends it. An argument without a value is
    /// sent by its name alone. `function` is a published one, or a path; with a slash at its start it is always a path.
    ///
    /// A try that fails on one instance is repeated once on another. Dropped, the call is given up.
    ///
    /// # Errors
    /// Nothing is live, or nothing usable came back in time: 200 and a JSON object.
    pub async fn apply(
        &self,
        wanted: Wanted<'_>,
        function: &str,
        arguments: &[(&str, Option<&str>)],
    ) -> Result<Map<String, Value>, CallError> {
        self.ask(wanted, function, &Question::get(arguments)).await.map(|answer| answer.fields)
    }

    /// Asks a model by POST of JSON. It is repeated only where the request cannot have reached the first instance.
    ///
    /// # Errors
    /// As [`Client::apply`].
    pub async fn post(
        &self,
        wanted: Wanted<'_>,
        function: &str,
        body: &Value,
    ) -> Result<Map<String, Value>, CallError> {
        self.ask(wanted, function, &Question::post(body)).await.map(|answer| answer.fields)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.inner.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Asks a model, as [`Client::apply`] and [`Client::post`] do, and gives with the answer who gave it.
    ///
    /// # Errors
    /// As [`Client::apply`].
    pub async fn ask(&self, wanted: Wanted<'_>, function: &str, question: &Question) -> Result<Answer, CallError> {
        let inner = &self.inner;
        inner.counters.calls.fetch_add(1, Ordering::Relaxed);
        let end = tokio::time::Instant::now() + inner.options.deadline;
        let answer = self.tries(wanted, function, question, end).await;
        inner.counters.failed.fetch_add(u64::from(answer.is_err()), Ordering::Relaxed);
        answer
    }

    async fn tries(
        &self,
        wanted: Wanted<'_>,
        function: &str,
        question: &Question,
        end: tokio::time::Instant,
    ) -> Result<Answer, CallError> {
        let options = &self.inner.options;
        let mut tried: Vec<Arc<Target>> = Vec::new();
        let (mut reached, mut last) = (0, None);
        while tried.len() < TRIES {
            // Each try by what is known then: what the first failed at may be gone from the view by now.
            let target = self.inner.view.load().choose(wanted, options.choice, self.now_ms(), &tried).cloned();
            let Some(target) = target else { break };
            let url = address(target.endpoint(), function, question);
            let (under_way, begun) = (UnderWay::at(&target), Instant::now());
            let asked =
                tokio::time::timeout_at(end, ask(&self.inner.pool, &url, question, options.longest_answer)).await;
            drop(under_way);
            let asked =
                asked.unwrap_or_else(|_| Err(CallError::Deadline { url: url.clone(), after: options.deadline }));
            tracing::debug!(
                target: "call",
                to = format!("{} {} {}", target.endpoint().model, target.endpoint().version, target.instance()),
                what = format!("{} {url}", question.verb()),
                answer = match &asked {
                    Ok((raw, _)) => format!("{} bytes", raw.len()),
                    Err(error) => error.to_string(),
                },
                took = ?begun.elapsed(),
            );
            let error = match asked {
                Ok((raw, fields)) => {
                    target.answered();
                    return Ok(Answer { target, raw, fields });
                }
                Err(error) => error,
            };
            if error.is_the_instances() && target.failed(self.now_ms()) {
                self.inner.counters.ejected.fetch_add(1, Ordering::Relaxed);
            }
            reached += usize::from(!matches!(error, CallError::Transport { unsent: true, .. } | CallError::Url { .. }));
            if !error.may_repeat(question.is_idempotent()) || reached > 1 {
                return Err(error);
            }
            tracing::debug!("{error}; asking another instance");
            self.inner.counters.repeated.fetch_add(1, Ordering::Relaxed);
            last = Some(error);
            tried.push(target);
        }
        Err(last.unwrap_or_else(|| self.no_endpoint(wanted)))
    }
}

/// A call that is under way, until it is dropped.
struct UnderWay<'a>(&'a Target);

impl<'a> UnderWay<'a> {
    fn at(target: &'a Target) -> Self {
        target.under_way.fetch_add(1, Ordering::Relaxed);
        Self(target)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Puts a new view in the place of the last one whenever something changed. What comes together becomes one view.
async fn follow(store: Store, view: Arc<ArcSwap<View>>, changed: watch::Sender<u64>) {
    let mut changes = mirror(&store, vec![store.path(&Node::Folder("endpoints".to_owned()))]);
    let mut directory = Directory::new(store.root().clone());
    loop {
        let mut differs = directory.take(changes.next().await);
        while let Some(change) = futures::FutureExt::now_or_never(changes.next()) {
            differs |= directory.take(change);
        }
        if differs && directory.is_whole() {
            view.store(Arc::new(directory.view()));
            changed.send_modify(|views| *views += 1);
        }
    }
}
