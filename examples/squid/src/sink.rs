//! Finished messages to the search engine, and to the output topic; then they are done.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::document::{Entry, Verdict};
use crate::fault::{Fault, Step};
use crate::flow::{Flow, Item};
use crate::metrics::Metrics;
use crate::search::{Failed, Search};

/// Documents of one bulk request at most, and their bytes.
const MOST: usize = 1000;
const LARGEST: usize = 5 * 1024 * 1024;
/// Waits between tries.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often trouble that lasts is said again.
const SAY: Duration = Duration::from_secs(30);

pub(crate) struct Sink {
    flow: Arc<Flow>,
    search: Search,
    /// When trouble was said last.
    said: Option<Instant>,
}

impl Sink {
    pub(crate) fn new(flow: Arc<Flow>, search: Search) -> Self {
        Self { flow, search, said: None }
    }

    /// Stores what comes, as it comes: while one request is under way, the next batch gathers.
    pub(crate) async fn run(mut self, mut items: mpsc::Receiver<Item>) {
        while let Some(first) = items.recv().await {
            let index = &first.plan.index;
            // Longer than for one that waits already only where the config says so.
            let (wanted, until) = (index.batch_size, Instant::now() + Duration::from_millis(index.batch_timeout_ms));
            let mut size = first.finished.entry.source.len();
            let mut batch = vec![first];
            while batch.len() < MOST && size < LARGEST {
                let next = match items.try_recv() {
                    Ok(item) => item,
                    Err(_) if batch.len() >= wanted => break,
                    Err(_) => match timeout_at(until, items.recv()).await {
                        Ok(Some(item)) => item,
                        _ => break,
                    },
                };
                size += next.finished.entry.source.len();
                batch.push(next);
            }
            self.store(batch).await;
        }
    }

    /// Stores a batch, trying until each document of it has its verdict.
    async fn store(&mut self, mut batch: Vec<Item>) {
        let mut wait = FIRST_WAIT;
        // How many go together: one by one once all together were refused.
        let mut together = batch.len();
        while !batch.is_empty() {
            let rest = batch.split_off(together.min(batch.len()));
            let entries: Vec<&Entry> = batch.iter().map(|item| &item.finished.entry).collect();
            // Where the configs of now say: they may have been mended since these messages began.
            let Some(plan) = self.flow.plan() else { return };
            let answer = self.search.index(&plan.global, &entries).await;
            let (mut indexed, mut later, mut trouble) = (Vec::new(), Vec::new(), None);
            match answer {
                Ok(verdicts) => {
                    for (item, verdict) in batch.into_iter().zip(verdicts) {
                        match verdict {
                            Verdict::Indexed => indexed.push(item),
                            Verdict::Refused(reason) => self.refuse(item, reason),
                            Verdict::Later(reason) => {
                                trouble = Some(reason);
                                later.push(item);
                            }
                        }
                    }
                }
                Err(Failed::Refused(reason)) if batch.len() == 1 => {
                    batch.into_iter().for_each(|item| self.refuse(item, reason.clone()));
                }
                Err(Failed::Refused(_)) => {
                    together = 1;
                    later = batch;
                }
                Err(Failed::Later(reason)) => {
                    trouble = Some(reason);
                    later = batch;
                }
            }
            if !indexed.is_empty() {
                tokio::spawn(finish(self.flow.clone(), indexed));
            }
            later.extend(rest);
            batch = later;
            match trouble {
                None => {
                    wait = FIRST_WAIT;
                    self.said = None;
                }
                Some(reason) => {
                    self.say(&reason);
                    Metrics::count(&self.flow.metrics.index_retries);
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    fn say(&mut self, reason: &str) {
        if self.said.is_none_or(|said| said.elapsed() > SAY) {
            tracing::warn!("documents wait for the search engine: {reason}");
            self.said = Some(Instant::now());
        }
    }

    fn refuse(&self, item: Item, reason: String) {
        let flow = self.flow.clone();
        tokio::spawn(async move {
            flow.set_aside(item.held, &Fault { step: Step::Index, reason }, &item.plan).await;
        });
    }
}

/// What remains once the search engine has documents: the output topic.
async fn finish(flow: Arc<Flow>, items: Vec<Item>) {
    let write = |item: Item| {
        let flow = &flow;
        async move {
            if let (Some(topic), Some(message)) = (&item.plan.output_topic, &item.finished.message)
                && flow.writer.write(topic, &item.finished.entry.id, message.as_bytes()).await.is_err()
            {
                let reason = format!("topic {topic} does not take a record of {} bytes", message.len());
                return flow.set_aside(item.held, &Fault { step: Step::Index, reason }, &item.plan).await;
            }
            Metrics::count(&flow.metrics.indexed);
            item.held.done();
        }
    };
    join_all(items.into_iter().map(write)).await;
}
