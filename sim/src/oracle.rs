//! What must hold in every state, and what at the end.

use std::collections::{BTreeMap, BTreeSet};

use maas_operator::core::event::Effect;
use maas_store::{Endpoint, EpochRecord, InstanceRecord, Node, Op};

use crate::{SESSION, World, root};

/// Most effects of one kind that an operator may have in one virtual second.
const BUSY: u32 = 400;
/// Without word from the ResourceManager for so long, nothing is decided.
const DEAF_FOR: u64 = 31_000;

/// What is remembered of the past to judge the present.
#[derive(Debug, Default)]
pub struct Watch {
    pub last_commit: u64,
    /// Who wrote the epoch last, and everyone who ever did.
    holder: Option<usize>,
    /// The highest epoch ever taken, and the attempts that took one.
    epoch: u32,
    attempts: BTreeMap<String, u32>,
    /// Commits of operators that were refused.
    pub refused: usize,
    held: BTreeSet<usize>,
    /// Most replicas a deployment was ever wanted with.
    most: BTreeMap<String, usize>,
    /// Endpoints whose record is not at version 0, and since when.
    foul: BTreeMap<String, u64>,
    /// Model and URL of every endpoint, by path.
    published: BTreeMap<String, (String, String)>,
    /// When each URL was published no more, the last time.
    pub(crate) unpublished: BTreeMap<String, u64>,
    /// Generation last observed, by deployment's uid.
    observed: BTreeMap<i64, i64>,
    /// Items that clients put on the queue, those that ended, in that order, and how many of these with an edit or an event.
    pub offered: usize,
    pub ended: Vec<String>,
    pub edits: usize,
    /// Items that can't be taken away.
    pub stuck: BTreeSet<String>,
    /// Effects other than heartbeats.
    effects: u64,
    heartbeats: u64,
    readings: u64,
    /// Lowest number of endpoints of a deployment since it was first complete, and how many that is.
    pub fewest: BTreeMap<String, usize>,
    pub complete: BTreeMap<String, usize>,
    pub most_live: BTreeMap<String, usize>,
}

impl Watch {
    pub(crate) fn wanted(&mut self, name: &str, text: &str) {
        if let Ok(manifest) = maas_crd::parse_one(text.as_bytes()) {
            self.allow(name, manifest.resource.spec.replicas as usize);
        }
    }

    pub(crate) fn allow(&mut self, name: &str, replicas: usize) {
        let most = self.most.entry(name.to_owned()).or_default();
        *most = (*most).max(replicas);
    }
}

impl World {
    /// The last of what happened.
    pub fn tail(&self) -> String {
        let from = self.trace.len().saturating_sub(150);
        format!("faults {:?}, seed state {}\n{}", self.faults, self.random, self.trace[from..].join("\n"))
    }

    /// A commit of an operator was accepted.
    pub(crate) fn judge_commit(&mut self, n: usize, ops: &[Op]) {
        let epoch = Node::Epoch.path(&root());
        let takes = matches!(ops.first(), Some(Op::Set { path, .. } | Op::Create { path, .. }) if *path == epoch);
        if let Some(Op::Set { data, .. } | Op::Create { data, .. }) = ops.first().filter(|_| takes) {
            let taken = EpochRecord::decode(&epoch, data).unwrap();
            let before = self.watch.attempts.insert(taken.application.clone(), taken.attempt).unwrap_or(0);
            let rises = taken.epoch > self.watch.epoch && taken.attempt >= before;
            assert!(rises, "{taken:?} after epoch {} and attempt {before}\n{}", self.watch.epoch, self.tail());
            self.watch.epoch = taken.epoch;
            self.watch.holder = Some(n);
            self.watch.held.insert(n);
        }
        let holder = self.watch.holder;
        assert!(holder == Some(n), "a write of operator {n} while {holder:?} has the epoch: {ops:?}\n{}", self.tail());
    }

    /// An operator wants something done.
    pub(crate) fn judge_effect(&mut self, n: usize, effect: &Effect) {
        let kind = match effect {
            Effect::Commit(..) => "commit",
            Effect::Allocate(_) => "allocate",
            Effect::ReadOperator => "read",
            Effect::Register => "register",
            Effect::List(..) => "list",
            Effect::ReadQueue(_) => "queue",
            Effect::Say(..) => "say",
            _ => "other",
        };
        match effect {
            Effect::Allocate(_) => self.watch.heartbeats += 1,
            // It is looked at every 30 s.
            Effect::ReadQueue(_) => self.watch.readings += 1,
            _ => self.watch.effects += 1,
        }
        let second = self.now / 1_000;
        let slot = &mut self.slots[n];
        if slot.busy.0 != second {
            slot.busy = (second, BTreeMap::new());
        }
        let often = slot.busy.1.entry(kind).or_default();
        *often += 1;
        let hot = *often > BUSY;
        let (view, answered) = (slot.view, slot.answered);
        let heard = slot.heard.is_some_and(|at| self.now <= at + DEAF_FOR);
        assert!(!hot, "operator {n} runs hot: {kind}\n{}", self.tail());
        let ousted = self.watch.held.contains(&n) && self.watch.holder != Some(n);
        if ousted {
            // The answer of a write that was accepted before may still come.
            let harm = matches!(effect, Effect::Start(..) | Effect::Stop(..) | Effect::Signal(..)) && !answered;
            assert!(!harm && !matches!(effect, Effect::Finish(..)), "ousted operator {n}: {effect:?}\n{}", self.tail());
        }
        if let Effect::Commit(_, ops) = effect {
            let harm = ops.iter().any(|op| !op.path().starts_with("/maas/operator/"));
            assert!(view || !harm, "operator {n} writes without a view: {ops:?}\n{}", self.tail());
            assert!(heard || !harm, "operator {n} writes without word of YARN: {ops:?}\n{}", self.tail());
        }
        if let Effect::Start(container, context) = effect {
            let files = context.resources.len();
            assert!(files > 1, "operator {n} starts {} without a payload\n{}", container.id, self.tail());
        }
    }

    pub(crate) fn judge_tree(&mut self) {
        let mut live: BTreeMap<(String, i64), usize> = BTreeMap::new();
        let mut complete: BTreeMap<String, usize> = BTreeMap::new();
        let mut foul = BTreeMap::new();
        let mut lives: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        for (path, data, stat) in self.tree.list("/maas/instances") {
            if let Some(Node::Instance { name, .. }) = Node::parse(&root(), path)
                && stat.version == 0
                && let Ok(record) = InstanceRecord::decode(path, data)
            {
                *live.entry((name.to_string(), record.uid)).or_default() += 1;
            }
        }
        for (path, ..) in self.tree.list("/maas/endpoints") {
            let Some(Node::Endpoint { namespace, name, iid }) = Node::parse(&root(), path) else { continue };
            *complete.entry(name.to_string()).or_default() += 1;
            let record = Node::Instance { namespace, name: name.clone(), iid }.path(&root());
            let uid =
                self.tree.get(&record).and_then(|(data, _)| InstanceRecord::decode(&record, data).ok()).map(|r| r.uid);
            lives.entry(name.to_string()).or_default().extend(uid);
            if self.tree.get(&record).is_none_or(|(_, s)| s.version != 0) {
                foul.insert(path.to_owned(), self.watch.foul.get(path).copied().unwrap_or(self.now));
            }
        }
        let oldest = foul.values().map(|since| self.now - since).max().unwrap_or(0);
        assert!(oldest <= 2 * SESSION, "an endpoint beside no record at version 0: {foul:?}\n{}", self.tail());
        self.watch.foul = foul;
        for (name, uids) in lives {
            assert!(
                uids.len() < 2,
                "{name} is served of two lives at once: {uids:?}\n{}\n{}",
                self.tail(),
                self.show()
            );
        }
        for ((name, _), n) in live {
            let wanted = self.watch.most.get(&name).copied().unwrap_or(0);
            assert!(
                n <= wanted + 1,
                "{n} live of {name}, of which {wanted} were wanted\n{}\n{}",
                self.tail(),
                self.show()
            );
            let most = self.watch.most_live.entry(name).or_default();
            *most = (*most).max(n);
        }
        self.judge_published();
        for (name, wanted) in &self.watch.complete {
            let n = complete.get(name).copied().unwrap_or(0);
            match self.watch.fewest.get_mut(name) {
                Some(fewest) => *fewest = (*fewest).min(n),
                None if n >= *wanted => drop(self.watch.fewest.insert(name.clone(), n)),
                None => {}
            }
        }
    }

    /// What was published and is no more is soon named by no client.
    fn judge_published(&mut self) {
        let all = self.tree.list("/maas/endpoints");
        let all = all.filter_map(|(path, data, _)| Some((path.to_owned(), Endpoint::decode(path, data).ok()?)));
        let now: BTreeMap<String, (String, String)> = all.map(|(path, e)| (path, (e.model, e.url))).collect();
        let before = std::mem::replace(&mut self.watch.published, now);
        for (path, (model, url)) in before {
            if self.watch.published.get(&path).is_none_or(|(_, new)| *new != url) {
                self.judge_clients_later(&model, &url);
            }
        }
    }

    pub(crate) fn judge_status(&mut self, path: &str) {
        let Some(Node::Status { namespace, name }) = Node::parse(&root(), path) else { return };
        let Some(status) = self.status(name.as_str()) else { return };
        let spec = Node::Spec { namespace, name }.path(&root());
        let Some((_, stat)) = self.tree.get(&spec).filter(|(_, s)| s.czxid == status.uid) else { return };
        let before = self.watch.observed.insert(status.uid, status.observed_generation).unwrap_or(0);
        let (now, generation) = (status.observed_generation, i64::from(stat.version) + 1);
        assert!(before <= now && now <= generation, "observed {now} after {before} of {generation}\n{}", self.tail());
    }

    /// Desired is so, and stays so without another word: no write, no ask, nothing but idle heartbeats for a minute.
    #[track_caller]
    pub fn settled(&mut self, wanted: &[(&str, usize)]) {
        let good = |w: &Self| wanted.iter().all(|(name, n)| w.is_as_wanted(name, *n));
        let converged = self.run_until(120_000, good);
        assert!(converged, "never came to {wanted:?}\n{}\n{}", self.tail(), self.show());
        // An end that nobody tells is noticed by a session that times out and half a minute of silence.
        self.run_for(50_000);
        self.faults.clear();
        let all_run_on = self.run_until(60_000, |w| w.slots.iter().all(|slot| !slot.alive || !slot.is_paused()));
        assert!(all_run_on, "an operator is frozen for good\n{}", self.tail());
        self.run_for(5_000);
        (self.watch.effects, self.watch.heartbeats, self.watch.readings) = (0, 0, 0);
        self.run_for(60_000);
        let total: usize = wanted.iter().map(|(_, n)| n).sum();
        assert!(good(self), "it did not stay so\n{}\n{}", self.tail(), self.show());
        assert!(self.watch.effects == 0, "{} effects when quiet\n{}\n{}", self.watch.effects, self.tail(), self.show());
        assert!(self.watch.heartbeats <= 130, "{} heartbeats when quiet\n{}", self.watch.heartbeats, self.tail());
        assert!(
            self.watch.readings <= 6,
            "the queue was read {} times when quiet\n{}",
            self.watch.readings,
            self.tail()
        );
        assert!(self.tree.children(crate::QUEUE).is_empty(), "items are left\n{}\n{}", self.tail(), self.show());
        assert_eq!(self.yarn.containers.len(), total, "containers\n{}\n{}", self.tail(), self.show());
        self.judge_clients_at_the_end(wanted.iter().map(|(name, _)| (*name).to_owned()));
        assert_eq!(self.runners.len(), total, "runners\n{}", self.tail());
        assert!(self.yarn.asks.is_empty(), "asks {:?}\n{}", self.yarn.asks, self.tail());
    }

    /// So many instances are served, no other is there, and status says so.
    fn is_as_wanted(&self, name: &str, n: usize) -> bool {
        if self.endpoints(name) != n || self.count("instances", name) != n {
            return false;
        }
        let Some((data, stat)) = self.tree.get(&Self::spec_path(name)) else { return true };
        if maas_crd::parse_one(data).is_err() {
            return true;
        }
        let told = |s: maas_crd::Status| (s.uid, s.observed_generation, s.ready_replicas, s.updated_replicas);
        let n = u32::try_from(n).unwrap();
        self.status(name).map(told) == Some((stat.czxid, i64::from(stat.version) + 1, n, n))
    }

    /// Nothing of a deployment is left in the tree.
    #[track_caller]
    pub fn without_trace(&mut self, name: &str) {
        let left = |w: &Self| -> BTreeSet<String> {
            let all = w.tree.list("/maas").map(|(p, _, _)| p.to_owned());
            all.filter(|p| p.split('/').any(|part| part == name)).collect()
        };
        let gone = self.run_until(60_000, |w| left(w).is_empty());
        assert!(gone, "left: {:?}\n{}", left(self), self.tail());
    }
}
