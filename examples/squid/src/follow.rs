//! The configs in ZooKeeper, pushed: each change becomes a plan, or is refused and the old one stays.

use std::sync::Arc;
use std::time::Duration;

use maas_stellar::Functions;
use maas_store::{Change, Mirror, Store, mirror};
use tokio::sync::watch;

use crate::config::{self, Files, Place, Plan};
use crate::metrics::Metrics;
use crate::tree::Patterns;

/// Changes that come together, as those of one push, make one plan: so long is waited for the next.
const TOGETHER: Duration = Duration::from_millis(100);
/// Wait after pattern files could not be asked for.
const RETRY: Duration = Duration::from_secs(5);

/// The plan in force; none before there is one.
pub type Plans = watch::Receiver<Option<Arc<Plan>>>;

/// Follows a sensor's configs as long as anyone has the plans.
#[must_use]
pub fn follow(store: &Store, sensor: String, patterns: Patterns, functions: Functions, metrics: Arc<Metrics>) -> Plans {
    let (sender, plans) = watch::channel(None);
    let changes = mirror(store, vec![Place::root().to_owned()]);
    tokio::spawn(
        Follower { sensor, patterns, functions, metrics, files: Files::new(), whole: false }.run(changes, sender),
    );
    plans
}

struct Follower {
    sensor: String,
    patterns: Patterns,
    functions: Functions,
    metrics: Arc<Metrics>,
    files: Files,
    /// Whether all was listed once.
    whole: bool,
}

impl Follower {
    async fn run(mut self, mut changes: Mirror, plans: watch::Sender<Option<Arc<Plan>>>) {
        let (mut taken, mut again) = (None, false);
        loop {
            let first = tokio::select! {
                change = changes.next() => Some(change),
                () = plans.closed() => return,
                () = tokio::time::sleep(RETRY), if again => None,
            };
            if let Some(change) = first {
                self.take(change);
                while let Ok(change) = tokio::time::timeout(TOGETHER, changes.next()).await {
                    self.take(change);
                }
            }
            if self.whole && (again || taken.as_ref() != Some(&self.files)) {
                again = self.plan(&plans).await.is_err();
                taken = Some(self.files.clone());
            }
        }
    }

    fn take(&mut self, change: Change) {
        let place = |path: &str| {
            Place::of_node(path).filter(|place| place.sensor().is_empty() || place.sensor() == self.sensor)
        };
        match change {
            Change::Put { path, data, .. } => {
                if let Some(place) = place(&path) {
                    self.files.insert(place, data);
                }
            }
            Change::Gone { path } => {
                if let Some(place) = place(&path) {
                    self.files.remove(&place);
                }
            }
            Change::Listed => self.whole = true,
            Change::Lost | Change::Listing | Change::Session { .. } => {}
        }
    }

    /// Puts a new plan in force, if the configs give one. Err: try again, as nobody could say.
    async fn plan(&self, plans: &watch::Sender<Option<Arc<Plan>>>) -> Result<(), ()> {
        let kept = if plans.borrow().is_some() {
            "the ones before stay in force"
        } else {
            "nothing is read until they are good"
        };
        let files = match self.patterns.load(config::pattern_paths(&self.files)).await {
            Ok(files) => files,
            Err(error) => {
                tracing::error!("the pattern files could not be read: {error:#}; {kept}");
                return Err(());
            }
        };
        match config::plan(&self.sensor, &self.files, &files, &self.functions) {
            Ok(Some(plan)) => {
                Metrics::count(&self.metrics.configs_taken);
                tracing::info!("the configs of {} are in force", self.sensor);
                plans.send_replace(Some(Arc::new(plan)));
            }
            Ok(None) => tracing::warn!("there is no parser config of {} in ZooKeeper: push one; {kept}", self.sensor),
            Err(bad) => {
                Metrics::count(&self.metrics.configs_refused);
                tracing::error!("the configs in ZooKeeper are refused: {bad}; {kept}");
            }
        }
        Ok(())
    }
}
