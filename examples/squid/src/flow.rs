//! Messages in flight: read, worked on side by side, stored, and only then committed.
//!
//! Memory is bounded by slots: a message holds one, and room for its bytes, from the moment it is read until it is done. When
//! none is free, nothing more is fetched.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Error, Result};
use maas_client::Client;
use maas_stellar::Functions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::config::{ModelDown, Plan};
use crate::fault::{Fault, record};
use crate::follow::Plans;
use crate::kafka::{Done, Raw, Reader, Writer};
use crate::message::{Finished, process};
use crate::metrics::Metrics;
use crate::model::{Asked, watched};
use crate::search::Search;
use crate::sink::Sink;

/// Messages in flight at most.
const SLOTS: usize = 4096;
/// Their bytes at most, in KiB.
const ROOM: u32 = 64 * 1024;
/// How long nothing is read before Kafka is told to stop sending; the group's membership needs to be kept.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often offsets are committed.
const COMMIT: Duration = Duration::from_millis(500);
/// How long messages in flight may take to end, once the end is asked for.
const DRAIN: Duration = Duration::from_secs(30);
/// Waits between the tries of a message whose model is down.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// So often may the model fail a message while it answers others, until the message is set aside.
const STRIKES: usize = 10;

/// What a flow is made of.
#[derive(Debug)]
pub struct Parts {
    /// The plans in force.
    pub plans: Plans,
    /// The functions of the configs' expressions.
    pub functions: Functions,
    /// What they ask models by.
    pub client: Client,
    /// The search engine.
    pub search: Search,
    /// Kafka's addresses.
    pub brokers: String,
    /// The group; none: by the sensor's name, as Metron's.
    pub group: Option<String>,
    /// A name of this process within its group, for a quick return.
    pub instance: Option<String>,
    /// How many messages are worked on at a time.
    pub concurrency: usize,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// True: finish what is in flight, then end.
    pub stop: watch::Receiver<bool>,
}

/// What a message in flight holds until it is done.
#[derive(Debug)]
pub(crate) struct Held {
    raw: Raw,
    done: Done,
    _slot: OwnedSemaphorePermit,
    _room: OwnedSemaphorePermit,
}

impl Held {
    /// It is where it belongs.
    pub(crate) fn done(self) {
        self.done.done(&self.raw.origin);
    }
}

/// A message that is to be stored.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) finished: Finished,
    pub(crate) plan: Arc<Plan>,
    pub(crate) held: Held,
}

pub(crate) struct Flow {
    plans: Plans,
    functions: Functions,
    client: Client,
    pub(crate) writer: Writer,
    pub(crate) metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
    slots: Arc<Semaphore>,
    room: Arc<Semaphore>,
    turns: Semaphore,
    sink: mpsc::Sender<Item>,
    host: String,
    /// That the model is down was said last.
    said: AtomicBool,
}

/// Runs until it is asked to stop.
///
/// # Errors
/// Kafka's addresses are none, or it closed the group to this process.
pub async fn run(parts: Parts) -> Result<()> {
    let Parts { mut plans, functions, client, search, brokers, group, instance, concurrency, metrics, mut stop } =
        parts;
    let (sink, items) = mpsc::channel(SLOTS);
    let flow = Arc::new(Flow {
        plans: plans.clone(),
        functions,
        client,
        writer: Writer::open(&brokers)?,
        metrics,
        stop: stop.clone(),
        slots: Arc::new(Semaphore::new(SLOTS)),
        room: Arc::new(Semaphore::new(ROOM as usize)),
        turns: Semaphore::new(concurrency),
        sink,
        host: host(),
        said: AtomicBool::new(false),
    });
    let storing = tokio::spawn(Sink::new(flow.clone(), search).run(items));
    loop {
        let plan = tokio::select! {
            plan = plans.wait_for(Option::is_some) => match plan.map(|plan| plan.clone()) {
                Ok(Some(plan)) => plan,
                _ => break,
            },
            _ = stop.wait_for(|stop| *stop) => break,
        };
        for topic in [Some(&plan.error_topic), plan.output_topic.as_ref()].into_iter().flatten() {
            tokio::select! {
                () = flow.writer.make(topic) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
        let group = group.clone().unwrap_or_else(|| format!("{}_parser", plan.sensor));
        let reader = Reader::join(&brokers, &group, &plan.topic, instance.as_deref())?;
        tracing::info!("reading topic {} as group {group}", plan.topic);
        let other_topic = |now: &Option<Arc<Plan>>| now.as_ref().is_some_and(|now| now.topic != plan.topic);
        let mut ended = Ok(());
        tokio::select! {
            error = flow.read(&reader) => ended = Err(error),
            () = commit(&reader) => {}
            _ = plans.wait_for(other_topic) => tracing::info!("another topic is to be read"),
            _ = stop.wait_for(|stop| *stop) => tracing::info!("finishing what is in flight"),
        }
        flow.drain(&reader).await;
        reader.leave().await;
        ended?;
        if *stop.borrow() {
            break;
        }
    }
    storing.abort();
    Ok(())
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

async fn commit(reader: &Reader) {
    loop {
        tokio::time::sleep(COMMIT).await;
        reader.commit();
    }
}

impl Flow {
    /// The plan in force.
    pub(crate) fn plan(&self) -> Option<Arc<Plan>> {
        self.plans.borrow().clone()
    }

    /// Reads for ever, unless the group is closed to it: gives why. Dropped, what was read and not begun is read again by who
    /// comes next.
    async fn read(self: &Arc<Self>, reader: &Reader) -> Error {
        let mut ahead = VecDeque::new();
        loop {
            let slot = match patiently(reader, &mut ahead, self.slots.clone().acquire_owned()).await {
                Ok(Ok(slot)) => slot,
                Ok(Err(closed)) => return closed.into(),
                Err(error) => return error,
            };
            let raw = match ahead.pop_front() {
                Some(raw) => raw,
                None => match reader.next().await {
                    Ok(raw) => raw,
                    Err(error) => return error,
                },
            };
            Metrics::count(&self.metrics.read);
            if !reader.begin(&raw.origin) {
                continue;
            }
            let size = u32::try_from(raw.bytes.len() / 1024 + 1).unwrap_or(ROOM).min(ROOM);
            let room = match patiently(reader, &mut ahead, self.room.clone().acquire_many_owned(size)).await {
                Ok(Ok(room)) => room,
                Ok(Err(closed)) => return closed.into(),
                Err(error) => return error,
            };
            let held = Held { raw, done: reader.done(), _slot: slot, _room: room };
            tokio::spawn(self.clone().work(held));
        }
    }

    /// Waits until nothing is in flight, and commits meanwhile.
    async fn drain(&self, reader: &Reader) {
        let all = u32::try_from(SLOTS).unwrap_or(u32::MAX);
        let ended = tokio::time::timeout(DRAIN, self.slots.acquire_many(all));
        tokio::select! {
            ended = ended => if ended.is_err() {
                tracing::warn!("some messages did not end within {} s; they are read again", DRAIN.as_secs());
            },
            () = commit(reader) => {}
        }
    }

    async fn work(self: Arc<Self>, held: Held) {
        match self.think(&held.raw).await {
            Some((Ok(finished), plan)) => {
                // Without a sink the program ends, and the message is read again.
                let _ = self.sink.send(Item { finished, plan, held }).await;
            }
            Some((Err(fault), plan)) => self.set_aside(held, &fault, &plan).await,
            None => {}
        }
    }

    /// What becomes of a message, by the plan that is in force at its last try; none when the end is asked for first.
    async fn think(&self, raw: &Raw) -> Option<(Result<Finished, Fault>, Arc<Plan>)> {
        let raw = Arc::new(raw.clone());
        let mut stop = self.stop.clone();
        let (mut wait, mut strikes, mut answered) = (FIRST_WAIT, 0, None);
        loop {
            let plan = self.plan()?;
            let (outcome, asked) = {
                let _turn = self.turns.acquire().await.ok()?;
                let (plan, raw, functions) = (plan.clone(), raw.clone(), self.functions.clone());
                let evaluation = move || watched(|| process(&plan, &raw.origin, &raw.bytes, now_ms(), &functions));
                tokio::task::spawn_blocking(evaluation).await.unwrap_or_else(|error| {
                    (Err(Fault::parse(format!("the program failed on it: {error}"))), Asked::Well)
                })
            };
            let reason = match asked {
                Asked::Well => {
                    if self.said.swap(false, Ordering::Relaxed) {
                        tracing::info!("the model answers again");
                    }
                    return Some((outcome, plan));
                }
                Asked::Refused(reason) => return Some((Err(Fault::parse(reason)), plan)),
                Asked::Down(reason) => reason,
            };
            Metrics::count(&self.metrics.model_down);
            let goes_on = plan.model_down == ModelDown::Skip;
            if !self.said.swap(true, Ordering::Relaxed) {
                let what = if goes_on { "go on without it" } else { "wait" };
                tracing::warn!("the model cannot be asked: {reason}; messages {what}");
            }
            if goes_on {
                Metrics::count(&self.metrics.model_skipped);
                return Some((outcome, plan));
            }
            // A model that answers others is not down: it is this message that it cannot take.
            let counted = self.client.metrics();
            let now = Some(counted.calls.saturating_sub(counted.failed));
            strikes += usize::from(answered.is_some() && now > answered);
            answered = now;
            if strikes >= STRIKES {
                let reason = format!("the model answers other messages, but failed this one {STRIKES} times: {reason}");
                return Some((Err(Fault::parse(reason)), plan));
            }
            tokio::select! {
                () = tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64() / 2.0)) => {}
                _ = stop.wait_for(|stop| *stop) => return None,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Writes a message to the error topic; then it is done.
    pub(crate) async fn set_aside(&self, held: Held, fault: &Fault, plan: &Plan) {
        let Raw { origin, bytes } = &held.raw;
        tracing::debug!("message {} of partition {} is set aside: {}", origin.offset, origin.partition, fault.reason);
        for whole in [true, false] {
            let record = record(&plan.sensor, origin, bytes, fault, now_ms(), &self.host, whole);
            let key = origin.guid(bytes);
            match self.writer.write(&plan.error_topic, &key, record.to_string().as_bytes()).await {
                Ok(()) => break,
                Err(_) if whole => {}
                Err(_) => {
                    tracing::error!(
                        "topic {} does not take the beginning of message {} of partition {} either; it stays in {}",
                        plan.error_topic,
                        origin.offset,
                        origin.partition,
                        origin.topic
                    );
                }
            }
        }
        Metrics::count(&self.metrics.set_aside);
        held.done();
    }
}

/// Waits for something; when it takes long, Kafka is told to send nothing, and is listened to. What had been sent before is put
/// ahead.
async fn patiently<T>(reader: &Reader, ahead: &mut VecDeque<Raw>, wanted: impl Future<Output = T>) -> Result<T> {
    tokio::pin!(wanted);
    if let Ok(got) = tokio::time::timeout(PATIENCE, &mut wanted).await {
        return Ok(got);
    }
    loop {
        // Again after each: a rebalance brings partitions that are not paused.
        reader.pause(true);
        tokio::select! {
            got = &mut wanted => {
                reader.pause(false);
                return Ok(got);
            }
            raw = reader.next() => ahead.push_back(raw?),
        }
    }
}
