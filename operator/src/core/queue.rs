//! Metron's queue: what its clients offer becomes edits of specs, in order. One item, one multi of the epoch's check, the
//! edit and the item's end: so each is applied exactly once, whatever answer is lost and whoever dies. An item that can't be
//! applied ends with an event that holds what it said.
//!
//! One write is under way at a time and some items are held: however many come, deployments are planned in between.

use std::collections::{BTreeSet, VecDeque};

use maas_crd::metron::{self, Known, Removal, Request};
use maas_crd::{Manifest, ModelRef, Name, Namespace};
use maas_store::{CommitError, Done, Event, EventKind, Node, Op, QueueItem, QueueSeen};

use super::event::{Effect, Level};
use super::{Core, Drain, Purpose, RETRY, RETRY_MAX, fence};
use crate::key::Key;
use crate::plan::Time;
use crate::plan::tree::add_events;
use crate::seeded::{Bug, seeded};
use crate::settings::MetronQueue;

/// Writes of one item that may be refused before it is set aside; and as many again, before it is passed over.
const PATIENCE: u32 = 12;
/// Bytes of an item that its event shows.
const SHOWN: usize = 1024;
/// Most items that are passed over; at more the queue stands still.
const STUCK: usize = 100;
/// Where its edits go: Metron knows no namespaces.
fn namespace() -> Namespace {
    Namespace::default()
}

/// What is known of the queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Something may have come since it was read.
    moved: bool,
    /// A reading, a look at a payload or a write is under way.
    busy: bool,
    /// Items as they were read last, the next one first.
    items: VecDeque<QueueItem>,
    /// Behind those there are more.
    more: bool,
    /// What is known of the next one's payload.
    looked: Option<Result<(), String>>,
    /// The item whose writes were refused, how often and why.
    refused: (String, u32, String),
    /// Readings and writes in a row that came to nothing.
    failed: u32,
    /// Nothing is done before; 0 for no wait.
    not_before: u64,
    /// Items that can't be taken away.
    stuck: BTreeSet<String>,
}

/// An item on its way out of the queue.
#[derive(Debug)]
pub(super) struct Taking {
    item: String,
    ops: Vec<Op>,
    /// The deployment that it edits.
    key: Option<Key>,
    /// What to say of it.
    words: (Level, String),
    /// A second write, which only a seeded bug makes.
    then: Vec<Op>,
}

/// What an item comes to.
enum Outcome {
    /// It asks for nothing.
    Nothing,
    /// It changes nothing, which is told.
    Told(EventKind, &'static str, String),
    /// HDFS is asked for its payload first.
    Look(String),
    /// An edit, and what it does in words.
    Edit(Key, Op, String),
}

impl Queue {
    pub(super) fn moved(&mut self) {
        self.moved = true;
    }

    pub(super) fn read(&mut self, now: Time, result: Result<QueueSeen, String>, out: &mut Vec<Effect>) {
        self.busy = false;
        match result {
            Ok(seen) => {
                (self.items, self.more) = (seen.items.into(), seen.more);
                self.looked = None;
            }
            Err(error) => {
                self.again(now);
                if self.failed == 1 {
                    let message = format!("Metron's queue could not be read: {error}; trying again");
                    out.push(Effect::Say(Level::Warn, message));
                }
            }
        }
    }

    pub(super) fn looked(&mut self, result: Result<(), String>) {
        self.busy = false;
        self.looked = Some(result);
    }

    /// When something is to be done although nothing happens.
    pub(super) fn wake(&self) -> Option<u64> {
        (self.not_before > 0).then_some(self.not_before)
    }

    pub(super) fn tick(&mut self, now: Time) {
        if now.mono >= self.not_before {
            self.not_before = 0;
        }
    }

    /// What is known may be wrong: it is read again, after a while.
    fn again(&mut self, now: Time) {
        self.items.clear();
        self.looked = None;
        self.moved = true;
        self.failed = self.failed.saturating_add(1);
        self.not_before = now.mono + RETRY.saturating_mul(1 << self.failed.min(10)).min(RETRY_MAX);
    }

    /// The next item is out of the queue.
    fn pop(&mut self) {
        self.items.pop_front();
        self.looked = None;
        self.failed = 0;
        self.moved |= self.items.is_empty() && std::mem::take(&mut self.more);
    }

    fn refusals(&self, item: &str) -> u32 {
        if self.refused.0 == item { self.refused.1 } else { 0 }
    }
}

impl Core {
    /// Takes the next step with the queue, if there is one to take.
    pub(super) fn take_from_queue(&mut self, now: Time, version: i32, out: &mut Vec<Effect>) {
        let Some(settings) = self.settings.metron_queue.clone() else { return };
        // A service that ends leaves what comes to the next one.
        if self.drain != Drain::No || self.queue.busy || self.queue.not_before > 0 {
            return;
        }
        if seeded(Bug::QueueOutOfOrder) && self.queue.looked.is_none() && !self.queue.items.is_empty() {
            self.queue.items.rotate_right(1);
        }
        let Some(item) = self.queue.items.front().cloned() else {
            if std::mem::take(&mut self.queue.moved) {
                self.queue.busy = true;
                out.push(Effect::ReadQueue(self.queue.stuck.clone()));
            }
            return;
        };
        let refusals = self.queue.refusals(&item.name);
        if refusals >= 2 * PATIENCE && self.queue.stuck.len() < STUCK {
            let why = &self.queue.refused.2;
            let message = format!("item {} of Metron's queue can't be taken away and is passed over: {why}", item.name);
            out.push(Effect::Say(Level::Warn, message));
            self.queue.stuck.insert(item.name);
            return self.queue.again(now);
        }
        let aside = |why: String| Outcome::Told(EventKind::Warning, Event::SET_ASIDE, why);
        let outcome = match self.outcome(&settings, &item) {
            _ if refusals >= PATIENCE => aside(format!("its write was refused: {}", self.queue.refused.2)),
            Err(_) if seeded(Bug::QueueStopsAtBadItem) => return,
            Err(why) => aside(why),
            Ok(outcome) => outcome,
        };
        let mut ops = Vec::new();
        let (key, words) = match outcome {
            Outcome::Look(path) => {
                self.queue.busy = true;
                return out.push(Effect::LookAtPayload(path));
            }
            Outcome::Nothing => (None, (Level::Info, "asks for nothing".to_owned())),
            Outcome::Told(kind, reason, why) => {
                self.tell(now, kind, reason, &item, &why, &mut ops);
                (None, (if kind == EventKind::Warning { Level::Warn } else { Level::Info }, why))
            }
            Outcome::Edit(key, op, words) => {
                let spec = Node::Spec { namespace: key.namespace.clone(), name: key.name.clone() };
                self.create_missing(&spec, &mut ops);
                ops.push(op);
                (Some(key), (Level::Info, words))
            }
        };
        let gone = Op::Delete { path: format!("{}/{}", settings.path, item.name), version: Some(item.version) };
        let mut then = Vec::new();
        if seeded(Bug::QueueItemGoesFirst) {
            then = std::mem::replace(&mut ops, vec![gone]);
        } else if seeded(Bug::QueueItemGoesLast) {
            then.push(gone);
        } else {
            ops.push(gone);
        }
        self.queue.busy = true;
        self.take_item(Taking { item: item.name, ops, key, words, then }, version, out);
    }

    fn take_item(&mut self, mut taking: Taking, version: i32, out: &mut Vec<Effect>) {
        taking.ops.insert(0, fence::check(&self.settings, version));
        let ops = taking.ops.clone();
        self.commit(Purpose::Queue(Box::new(taking)), ops, out);
    }

    pub(super) fn queue_taken(
        &mut self,
        now: Time,
        taking: Taking,
        result: Result<Vec<Done>, CommitError>,
        out: &mut Vec<Effect>,
    ) {
        self.queue.busy = false;
        let done = match result {
            Ok(done) => done,
            Err(error) => {
                // The epoch's check is the first: that it was refused says nothing of the item.
                if error.refused_at().is_some_and(|at| at > 0) {
                    let count = self.queue.refusals(&taking.item).saturating_add(1);
                    self.queue.refused = (taking.item, count, error.to_string());
                }
                // If the write happened after all, the item is gone when the queue is read.
                return self.queue.again(now);
            }
        };
        self.cache.applied(&self.settings.root, &taking.ops, &done, self.lists);
        if let Some(key) = &taking.key {
            self.turns.dirty(key);
        }
        if let (false, fence::Fence::Held { version, .. }) = (taking.then.is_empty(), &self.fence) {
            let (version, ops) = (*version, taking.then);
            self.queue.busy = true;
            return self.take_item(Taking { ops, then: Vec::new(), ..taking }, version, out);
        }
        let (level, words) = taking.words;
        out.push(Effect::Say(level, format!("item {} of Metron's queue: {words}", taking.item)));
        self.queue.pop();
    }

    /// What an item comes to as the tree now stands; an error says why it can't be applied.
    fn outcome(&self, settings: &MetronQueue, item: &QueueItem) -> Result<Outcome, String> {
        let Some(request) = Request::read(&item.data).map_err(|error| error.to_string())? else {
            return Ok(Outcome::Nothing);
        };
        let specs = self.cache.specs(&self.settings.root, &namespace());
        let found = specs
            .into_iter()
            .filter(|(manifest, _)| manifest.resource.spec.template.model == *request.model())
            .map(|(manifest, version)| (manifest.resource.metadata.name.clone(), (manifest, version)));
        let found = metron::only(request.model(), found.collect()).map_err(|error| error.to_string())?;
        match (request, found) {
            (Request::Add { model, asked }, Some((name, there))) => add(self, settings, &model, asked, name, there),
            (Request::Add { model, asked }, None) => self.first(settings, &model, asked),
            (Request::Remove { model, .. }, None) => {
                let why = format!("no model {} {} is deployed: nothing to remove", model.name, model.version);
                Ok(Outcome::Told(EventKind::Normal, "NothingToRemove", why))
            }
            (Request::Remove { instances, .. }, Some((name, (manifest, version)))) => {
                let had = manifest.resource.spec.replicas;
                let path = self.spec(&name);
                let (op, words) = match metron::remove(had, instances) {
                    Removal::Delete => (
                        Op::Delete { path, version: Some(version) },
                        format!("{name} deleted, which had {had} instances"),
                    ),
                    Removal::Lower(left) => {
                        let text = metron::counted(manifest, left).map_err(|error| error.to_string())?;
                        let op = Op::Set { path, data: text.into_bytes(), version: Some(version) };
                        (op, format!("{instances} instances of {name} removed, {left} left"))
                    }
                };
                Ok(Outcome::Edit(Key { namespace: namespace(), name }, op, words))
            }
        }
    }

    /// The first instances of a model.
    fn first(&self, settings: &MetronQueue, model: &ModelRef, asked: Known) -> Result<Outcome, String> {
        let asked = resolved(settings, asked);
        let manifest = metron::manifest(model, &asked).map_err(|error| error.to_string())?;
        let name = Name::of_model(&model.name, &model.version);
        let path = self.spec(&name);
        if self.cache.has(&path) {
            return Err(format!(
                "the name {name} is taken by a deployment of another model, or one that can't be read"
            ));
        }
        match &self.queue.looked {
            None => return Ok(Outcome::Look(asked.payload)),
            Some(Err(why)) => return Err(why.clone()),
            Some(Ok(())) => {}
        }
        let words = format!("{name} created with {} instances", asked.replicas);
        let op = Op::Create { path, data: manifest.text.into_bytes(), ephemeral: false };
        Ok(Outcome::Edit(Key { namespace: namespace(), name }, op, words))
    }

    fn spec(&self, name: &Name) -> String {
        Node::Spec { namespace: namespace(), name: name.clone() }.path(&self.settings.root)
    }

    /// The folders above a place that do not stand.
    fn create_missing(&self, node: &Node, ops: &mut Vec<Op>) {
        let paths = node.parents().into_iter().map(|parent| parent.path(&self.settings.root));
        let missing = paths.filter(|path| !self.cache.has(path));
        ops.extend(missing.map(|path| Op::Create { path, data: Vec::new(), ephemeral: false }));
    }

    /// The event of an item that changes nothing, with what it holds.
    fn tell(&self, now: Time, kind: EventKind, reason: &str, item: &QueueItem, why: &str, ops: &mut Vec<Op>) {
        let path = Node::QueueEvents.path(&self.settings.root);
        let before = self.cache.ring(&path);
        if before.is_none() {
            self.create_missing(&Node::QueueEvents, ops);
        }
        let event = Event {
            kind,
            reason: reason.to_owned(),
            message: format!("{why}; {}", shown(&item.data)),
            object: item.name.clone(),
            count: 1,
            first_ms: now.wall,
            last_ms: now.wall,
        };
        ops.push(add_events(path, before, [event]));
    }
}

fn resolved(settings: &MetronQueue, asked: Known) -> Known {
    let Ok(payload) = metron::hdfs_path(&asked.payload, || Ok::<_, std::convert::Infallible>(settings.user.clone()));
    Known { payload, ..asked }
}

/// More instances of a model that is there.
fn add(
    core: &Core,
    settings: &MetronQueue,
    model: &ModelRef,
    asked: Known,
    name: Name,
    (manifest, version): (&Manifest, i32),
) -> Result<Outcome, String> {
    let asked = resolved(settings, asked);
    let more = asked.replicas;
    let total = metron::add(model.name.as_str(), model.version.as_str(), &Known::of(manifest), &asked);
    let total = total.map_err(|error| error.to_string())?;
    let text = metron::counted(manifest, total).map_err(|error| error.to_string())?;
    let op = Op::Set { path: core.spec(&name), data: text.into_bytes(), version: Some(version) };
    Ok(Outcome::Edit(
        Key { namespace: namespace(), name: name.clone() },
        op,
        format!("{more} instances of {name} added, {total} in all"),
    ))
}

/// What an item holds, for people: the start of it, on one line, with nothing that a terminal obeys.
fn shown(data: &[u8]) -> String {
    let text = match std::str::from_utf8(data) {
        Ok(text) => {
            let start = text.get(..text.floor_char_boundary(SHOWN)).unwrap_or_default();
            start.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
        }
        Err(_) => data.get(..SHOWN).unwrap_or(data).escape_ascii().to_string(),
    };
    match data.len() {
        0 => "it was empty".to_owned(),
        all if all > SHOWN => format!("of {all} bytes it held first: {text}"),
        _ => format!("it held: {text}"),
    }
}
