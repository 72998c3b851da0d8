//! A client of both models: 200 requests a second whatever comes of them, through published endpoints alone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use maas_store::{Change, Endpoint, Node, Store, mirror};
use tokio::task::AbortHandle;

use crate::sampler::Findings;

/// 200 a second.
const EVERY: Duration = Duration::from_millis(5);
/// A request that takes longer has failed, and is tried once more elsewhere.
const PATIENCE: Duration = Duration::from_secs(2);
/// Requests under way; open-loop means that more are failures and not waited for.
const MOST: usize = 1_000;
/// Failures that are kept word for word.
const KEPT: usize = 5;

/// What the caller has seen.
#[derive(Default)]
pub(crate) struct Calls {
    made: AtomicU64,
    failed: AtomicU64,
    under_way: AtomicUsize,
    words: Mutex<Vec<String>>,
    /// Endpoints by path, as the client was told.
    served: Mutex<BTreeMap<String, (String, String)>>,
    /// Since when each URL answers to nobody.
    failing: Mutex<BTreeMap<String, Instant>>,
}

impl Calls {
    /// Requests made.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Requests that failed also at the second try.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// The last failures in words, once.
    pub(crate) fn words(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.words))
    }

    /// URLs that the client would call now.
    pub(crate) fn urls(&self) -> Vec<String> {
        lock(&self.served).values().map(|(_, url)| url.clone()).collect()
    }

    /// Since when a URL has given no answer.
    pub(crate) fn failing_since(&self, url: &str) -> Option<Instant> {
        lock(&self.failing).get(url).copied()
    }

    fn pick(&self, model: &str, turn: usize, not: Option<&str>) -> Option<String> {
        let served = lock(&self.served);
        let of = served.values().filter(|(name, url)| name == model && Some(url.as_str()) != not);
        let urls: Vec<&String> = of.map(|(_, url)| url).collect();
        urls.get(turn % urls.len().max(1)).map(|url| (*url).clone())
    }

    fn saw(&self, url: &str, good: bool) {
        let mut failing = lock(&self.failing);
        if good {
            failing.remove(url);
        } else {
            failing.entry(url.to_owned()).or_insert_with(Instant::now);
        }
    }

    fn fails(&self, words: String) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut kept = lock(&self.words);
        if kept.len() < KEPT {
            kept.push(words);
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts calling; it ends with the runtime.
pub(crate) fn start(
    store: &Store,
    models: &'static [&'static str],
    findings: Arc<Findings>,
) -> anyhow::Result<(Arc<Calls>, Vec<AbortHandle>)> {
    let calls = Arc::new(Calls::default());
    let follows = tokio::spawn(follow(store.clone(), Arc::clone(&calls), findings));
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).connect_timeout(PATIENCE / 2).build()?;
    let caller = Arc::clone(&calls);
    let asks = tokio::spawn(async move {
        let mut tick = tokio::time::interval(EVERY);
        for (turn, model) in models.iter().cycle().enumerate() {
            tick.tick().await;
            caller.made.fetch_add(1, Ordering::Relaxed);
            if caller.under_way.load(Ordering::Relaxed) >= MOST {
                caller.fails(format!("{MOST} requests are under way"));
                continue;
            }
            caller.under_way.fetch_add(1, Ordering::Relaxed);
            let (caller, http) = (Arc::clone(&caller), http.clone());
            tokio::spawn(async move {
                call(&caller, &http, model, turn / models.len()).await;
                caller.under_way.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    Ok((calls, vec![follows.abort_handle(), asks.abort_handle()]))
}

/// The set as it was when the connection was lost stays. It never goes back to what it was before.
async fn follow(store: Store, calls: Arc<Calls>, findings: Arc<Findings>) {
    let mut changes = mirror(&store, vec![store.path(&Node::Folder("endpoints".to_owned()))]);
    // When the last state of each path that was told was written, and whether it was told to be gone since.
    let mut told: BTreeMap<String, (i64, bool)> = BTreeMap::new();
    loop {
        match changes.next().await {
            Change::Put { path, data, stat } => {
                let before = told.insert(path.clone(), (stat.mzxid, false));
                if before.is_some_and(|(at, gone)| stat.mzxid < at || (gone && stat.mzxid == at)) {
                    findings.add(format!("endpoint {path} goes back to its state of zxid {:#x}", stat.mzxid));
                }
                if let Ok(endpoint) = Endpoint::decode(&path, &data) {
                    lock(&calls.served).insert(path, (endpoint.model, endpoint.url));
                }
            }
            Change::Gone { path } => {
                if let Some((_, gone)) = told.get_mut(&path) {
                    *gone = true;
                }
                lock(&calls.served).remove(&path);
            }
            _ => {}
        }
    }
}

async fn call(calls: &Calls, http: &reqwest::Client, model: &str, turn: usize) {
    let Some(url) = calls.pick(model, turn, None) else { return calls.fails(format!("{model} has no endpoint")) };
    let Err(first) = ask(calls, http, &url).await else { return };
    // The same one when there is no other.
    let other = calls.pick(model, turn + 1, Some(&url)).unwrap_or_else(|| url.clone());
    if let Err(second) = ask(calls, http, &other).await {
        calls.fails(format!("{model}: {url}: {first}; then {other}: {second}"));
    }
}

async fn ask(calls: &Calls, http: &reqwest::Client, url: &str) -> Result<(), String> {
    let asked = async {
        let answer = http.get(format!("{url}/apply?host=yahoo.com")).send().await?.error_for_status()?;
        answer.text().await
    };
    let good = match asked.await {
        Ok(text) if text.contains("legit") => Ok(()),
        Ok(text) => Err(format!("answered {text:?}")),
        Err(error) => Err(format!("{error:?}").chars().take(300).collect()),
    };
    calls.saw(url, good.is_ok());
    good
}
