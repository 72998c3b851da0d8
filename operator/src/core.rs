//! The operator's whole judgement: `step(now, event) -> effects`. Pure and total: no clock, no socket, no
//! randomness. Production drives it from futures and streams, simulation from a heap of events on virtual time.
//!
//! Two rules hold everywhere:
//! - **Fence.** Nothing is asked of YARN but after a commit that checked the epoch.
//! - **No view, no harm.** Without a whole list of the tree since the last reconnect, a registration and a fresh
//!   heartbeat, nothing is planned.

mod cache;
pub mod event;
mod fence;
mod queue;
mod rm;
mod turns;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use maas_crd::ModelName;
use maas_store::{Change, CommitError, Done, Node, Op};

use crate::allot::{Allotment, Shape};
use crate::key::Key;
use crate::plan::observed::{Deletion, Payload, Unsure};
use crate::plan::{self, Act, Context, Time, launch};
use crate::seeded::{Bug, seeded};
use crate::settings::Settings;
use cache::Cache;
use event::{Effect, Event, Level, OperatorSeen, Tag};
use fence::{Fence, Verdict};
use queue::{Queue, Taking};
use rm::Rm;
use turns::Turns;

/// A plan whose commit was refused is made again after this, doubling to [`RETRY_MAX`].
const RETRY: u64 = 20;
const RETRY_MAX: u64 = 5_000;
/// How long a creation whose answer was lost may be under way to the mirror, when nothing settles it sooner.
const UNSURE_FOR: u64 = 10_000;
/// Wait before containers are given back whose commit failed.
const GIVE_BACK_AGAIN: u64 = 200;
/// Directories of Metron's that may be idle are looked at so much later: what is just being made or removed has its place by
/// then.
const TIDY_AFTER: u64 = 2_000;
/// Times the deletion of an upload is tried before it is left behind.
const UPLOAD_TRIES: u32 = 6;
/// No operator leaves earlier than this after its start for another build: two that end within a second end the whole
/// application, by the failure window that it is submitted with.
const LEAVE_AFTER: u64 = 2_000;
/// The exit code then.
const EXIT_FOR_UPGRADE: i32 = 3;

/// What a commit was for.
#[derive(Debug)]
enum Purpose {
    Take { epoch: u32 },
    Leader { version: i32, epoch: u32 },
    Ready,
    Deployment(Box<Planned>),
    Unknown(Vec<hadoop_yarn::ContainerId>),
    Tidy(Vec<ModelName>),
    Queue(Box<Taking>),
    HandOver,
}

/// A plan on its way to the tree.
#[derive(Debug)]
struct Planned {
    key: Key,
    ops: Vec<Op>,
    acts: Vec<Act>,
    status: bool,
}

/// Whether the tree is seen whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    None,
    Listing,
    Whole,
}

/// The state of one operator process.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    fence: Fence,
    reading: bool,
    read_at: Option<u64>,
    /// Take-overs in a row that were not accepted.
    not_taken: u32,
    session: Option<i64>,
    view: View,
    cache: Cache,
    /// Lists of the tree that have begun.
    lists: u64,
    turns: Turns,
    /// Listings of payloads that are out: by revision, the uid that they are for.
    listings: BTreeMap<(Key, u32), i64>,
    allotment: Allotment,
    rm: Rm,
    queue: Queue,
    pending: BTreeMap<Tag, Purpose>,
    last_tag: u64,
    counter: u32,
    announced: bool,
    /// Unknown containers are not given back before.
    give_back_at: u64,
    /// When to look at directories of Metron's that may be idle.
    tidy_at: Option<u64>,
    drain: Drain,
    /// When this process began.
    began: Option<u64>,
    /// When to make way for another build.
    leave_at: Option<u64>,
    ended: bool,
}

/// How far the end of the whole service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drain {
    No,
    Asked,
    HandingOver,
    Finishing,
}

impl Core {
    /// An operator that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            fence: Fence::Unread,
            reading: false,
            read_at: None,
            not_taken: 0,
            session: None,
            view: View::None,
            cache: Cache::default(),
            lists: 0,
            turns: Turns::default(),
            listings: BTreeMap::new(),
            allotment: Allotment::default(),
            rm: Rm::default(),
            queue: Queue::default(),
            pending: BTreeMap::new(),
            last_tag: 0,
            counter: 0,
            announced: false,
            give_back_at: 0,
            tidy_at: None,
            drain: Drain::No,
            began: None,
            leave_at: None,
            ended: false,
        }
    }

    /// Takes one event in and says what is to be done.
    pub fn step(&mut self, now: Time, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.ended {
            return out;
        }
        self.began.get_or_insert(now.mono);
        self.take_in(now, event, &mut out);
        if !self.ended && self.leave_at.is_some_and(|at| at <= now.mono) {
            out.push(Effect::Say(
                Level::Info,
                "leaving, so that the next attempt runs the build that is asked for".to_owned(),
            ));
            self.exit(EXIT_FOR_UPGRADE, &mut out);
        }
        if !self.ended {
            self.drive(now, &mut out);
        }
        out
    }

    /// When to send [`Event::Wake`] at the latest.
    #[must_use]
    pub fn wake(&self) -> Option<u64> {
        let all =
            [self.turns.wake(), self.allotment.wake(), self.rm.wake(), self.queue.wake(), self.read_at, self.leave_at];
        all.into_iter().flatten().min()
    }

    fn take_in(&mut self, now: Time, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::Wake => {}
            Event::Session => self.read_operator(out),
            Event::OperatorRead(answer) => self.operator_read(now, answer, out),
            Event::Tree(change) => self.tree_moved(change),
            Event::Committed(tag, result) => self.committed(now, tag, result, out),
            Event::Registered(answer) => {
                let released = self.rm.registered(now, answer, out);
                self.rm_moved(released);
            }
            Event::Allocated(answer) => {
                let moved = self.rm.allocated(now, answer, out);
                self.rm_moved(moved);
            }
            Event::Started(id, result) => {
                if let Some(iid) = self.rm.started(&id, result, out) {
                    self.rm_moved(vec![iid]);
                }
            }
            Event::Looked(id, result) => {
                let moved = self.rm.looked(now, &id, result, out);
                self.rm_moved(moved.into_iter().collect());
            }
            Event::NodesSeen(answer) => {
                let moved = self.rm.nodes_seen(now, answer, out);
                self.rm_moved(moved);
            }
            Event::Listed(key, number, result) => self.listed(now, &key, number, result),
            Event::UploadDeleted(key, path, result) => self.upload_deleted(now, &key, path, result, out),
            Event::QueueMoved => self.queue.moved(),
            Event::QueueRead(result) => self.queue.read(now, result, out),
            Event::PayloadLooked(result) => self.queue.looked(result),
            Event::Finished(result) => {
                if let Err(error) = result {
                    out.push(Effect::Say(Level::Warn, format!("could not unregister from YARN: {error}")));
                }
                self.exit(0, out);
            }
        }
        if self.rm.over && !self.ended {
            self.exit(1, out);
        }
    }

    fn exit(&mut self, code: i32, out: &mut Vec<Effect>) {
        self.ended = true;
        out.push(Effect::Exit(code));
    }

    fn read_operator(&mut self, out: &mut Vec<Effect>) {
        self.read_at = None;
        if !self.reading && self.fence != Fence::Lost {
            self.reading = true;
            out.push(Effect::ReadOperator);
        }
    }

    fn operator_read(&mut self, now: Time, answer: Result<OperatorSeen, String>, out: &mut Vec<Effect>) {
        self.reading = false;
        let seen = match answer {
            Ok(seen) => seen,
            Err(error) => {
                out.push(Effect::Say(Level::Warn, format!("could not read the operator's places: {error}")));
                self.read_at = Some(now.mono + fence::LOOK_AGAIN);
                return;
            }
        };
        if self.drain == Drain::HandingOver {
            if let Fence::Held { epoch, .. } = self.fence
                && fence::is_handed_over(&self.settings, epoch, &seen)
            {
                self.handed_over();
                return;
            }
            // It did not happen, or did not yet.
            self.drain = Drain::Asked;
        }
        let verdict = fence::judge(&self.settings, &self.fence, &seen, now);
        match (verdict, &self.fence) {
            (Verdict::Take { .. }, Fence::Held { .. }) => {
                // Ours no longer, or the whole tree was taken away: the next attempt judges that afresh.
                out.push(Effect::Say(Level::Warn, "the epoch is gone or another's; leaving".to_owned()));
                self.fence = Fence::Lost;
                self.exit(1, out);
            }
            (Verdict::Take { epoch, ops }, _) => {
                self.fence = Fence::Taking { epoch };
                self.commit(Purpose::Take { epoch }, ops, out);
            }
            (Verdict::Ours { epoch, version, mut ops }, _) => {
                ops.insert(0, fence::check(&self.settings, version));
                self.commit(Purpose::Leader { version, epoch }, ops, out);
            }
            (Verdict::Wait(fence), _) => {
                self.fence = fence;
                self.read_at = Some(now.mono + fence::LOOK_AGAIN);
            }
            (Verdict::Superseded(why), _) => {
                out.push(Effect::Say(Level::Warn, format!("superseded: {why}")));
                self.fence = Fence::Lost;
                if seeded(Bug::SupersededUnregisters) {
                    return self.rm.finish(true, why);
                }
                self.exit(1, out);
            }
            (Verdict::Refused(why), _) => {
                self.fence = Fence::Lost;
                out.push(Effect::Say(Level::Warn, why.clone()));
                self.drain = Drain::Finishing;
                self.rm.finish(false, why);
            }
        }
    }

    fn handed_over(&mut self) {
        self.drain = Drain::Finishing;
        self.rm.finish(true, "stopped by request".to_owned());
    }

    fn held(&mut self, epoch: u32, version: i32, out: &mut Vec<Effect>) {
        let first = !matches!(self.fence, Fence::Held { .. });
        self.fence = Fence::Held { epoch, version };
        self.not_taken = 0;
        self.announced = false;
        if first {
            out.push(Effect::Say(Level::Info, format!("holding epoch {epoch}")));
            out.push(Effect::Follow);
        }
    }

    fn tree_moved(&mut self, change: Change) {
        let root = &self.settings.root;
        let key = match change {
            Change::Lost => {
                self.view = View::None;
                None
            }
            Change::Session { id } => {
                // Another session than before: the leader's node went with the old one.
                if self.session.replace(id).is_some_and(|before| before != id) && !seeded(Bug::LeaderNotMadeAgain) {
                    self.read_at = Some(0);
                }
                None
            }
            Change::Listing => {
                self.view = View::Listing;
                self.lists += 1;
                None
            }
            Change::Put { .. } if seeded(Bug::NoRelist) && self.view == View::Listing && self.lists > 1 => None,
            Change::Put { path, data, stat } => {
                self.drain_asked(&path, &data);
                self.upgrade_asked(&path, &data);
                self.cache.put(&self.settings.root, &path, &data, stat)
            }
            Change::Gone { .. } if seeded(Bug::GoneNotHeard) => None,
            Change::Gone { path } => self.cache.gone(root, &path),
            Change::Listed => {
                if self.view != View::Whole {
                    self.view = View::Whole;
                    for key in self.cache.keys(root) {
                        self.turns.dirty(&key);
                    }
                    // What may have been written before this list began is in it, or was not written.
                    for memory in self.turns.memories() {
                        memory.unsure.retain(|_, unsure| unsure.lists >= self.lists);
                    }
                }
                for key in self.cache.listed(&self.settings.root, self.lists) {
                    self.turns.dirty(&key);
                }
                None
            }
        };
        if let Some(key) = key {
            self.turns.dirty(&key);
        }
    }

    fn drain_asked(&mut self, path: &str, data: &[u8]) {
        if path == Node::Stop.path(&self.settings.root)
            && self.drain == Drain::No
            && maas_store::StopRequest::decode(path, data).is_ok_and(|s| s.application == self.settings.application)
        {
            self.drain = Drain::Asked;
            self.leave_at = None;
            self.turns.all_dirty();
        }
    }

    /// The next attempt starts the build that is asked for: see `crate::upgrade`.
    fn upgrade_asked(&mut self, path: &str, data: &[u8]) {
        if path != Node::Upgrade.path(&self.settings.root) || self.drain != Drain::No {
            return;
        }
        let Ok(request) = maas_store::UpgradeRequest::decode(path, data) else { return };
        let refused = self.settings.refused.as_ref();
        let is_refused = refused.is_some_and(|refused| refused.requested_ms == request.requested_ms);
        let is_other =
            request.application == self.settings.application && request.programs.build() != self.settings.build();
        self.leave_at = (is_other && !is_refused).then(|| self.began.unwrap_or_default() + LEAVE_AFTER);
    }

    fn rm_moved(&mut self, iids: Vec<maas_crd::Iid>) {
        for iid in iids {
            if let Some(key) = self.cache.owner(iid) {
                self.turns.dirty(key);
            }
        }
    }

    fn listed(
        &mut self,
        now: Time,
        key: &Key,
        number: u32,
        result: Result<Vec<maas_store::PinnedFile>, (&'static str, String)>,
    ) {
        let asked_for = self.listings.remove(&(key.clone(), number));
        let revision = self.cache.revision(&self.settings.root, key, number);
        let template = revision
            .filter(|r| Some(r.uid) == asked_for || seeded(Bug::ListingOfAnotherLife))
            .map(|r| r.template.clone());
        self.turns.change_known(key, |turn| {
            turn.dirty = true;
            let memory = &mut turn.memory;
            let tries = memory.payload_tries.get(&number).copied().unwrap_or(0);
            let payload = match (result, template) {
                (Ok(files), Some(template)) => launch::listed(&template, files, tries, now.mono),
                (Err((reason, message)), Some(_)) => launch::payload_failed(reason, message, tries, now.mono),
                // For a deployment of that name which is no more.
                (_, None) => return,
            };
            if matches!(payload, Payload::Failed { .. }) {
                memory.payload_tries.insert(number, tries.saturating_add(1));
            }
            memory.payloads.insert(number, payload);
        });
    }

    fn delete_upload(&mut self, key: &Key, path: &str, out: &mut Vec<Effect>) {
        self.turns.change(key, |turn| {
            let failures = match turn.memory.uploads.get(path) {
                Some(Deletion::Failed(failures, _)) => *failures,
                _ => 0,
            };
            turn.memory.uploads.insert(path.to_owned(), Deletion::Asked(failures));
        });
        out.push(Effect::DeleteUpload(key.clone(), path.to_owned()));
    }

    fn upload_deleted(
        &mut self,
        now: Time,
        key: &Key,
        path: String,
        result: Result<(), String>,
        out: &mut Vec<Effect>,
    ) {
        self.turns.change_known(key, |turn| {
            let failures = match turn.memory.uploads.get(&path) {
                Some(Deletion::Asked(failures)) => failures + 1,
                _ => 1,
            };
            let next = match result {
                Ok(()) => Deletion::Over,
                // The rest of the removal does not wait for HDFS for ever.
                Err(error) if failures >= UPLOAD_TRIES => {
                    out.push(Effect::Say(Level::Warn, format!("{path} is left behind: {error}; delete it by hand")));
                    Deletion::Over
                }
                Err(_) => Deletion::Failed(failures, now.mono + RETRY_MAX),
            };
            turn.memory.uploads.insert(path, next);
            turn.dirty = true;
        });
    }

    fn commit(&mut self, purpose: Purpose, ops: Vec<Op>, out: &mut Vec<Effect>) {
        self.last_tag += 1;
        let tag = Tag(self.last_tag);
        self.pending.insert(tag, purpose);
        out.push(Effect::Commit(tag, ops));
    }

    fn committed(&mut self, now: Time, tag: Tag, result: Result<Vec<Done>, CommitError>, out: &mut Vec<Effect>) {
        let Some(purpose) = self.pending.remove(&tag) else { return };
        // In every multi but the one that takes it, the epoch's check stands first.
        let takes = matches!(purpose, Purpose::Take { .. } | Purpose::Leader { .. });
        if let Err(error) = &result
            && error.refused_at() == Some(0)
            && !takes
        {
            out.push(Effect::Say(Level::Warn, format!("the epoch is held no longer: {error}; reading again")));
            self.read_operator(out);
        }
        match (purpose, result) {
            (Purpose::Take { epoch }, Ok(done)) => {
                let version = done.first().and_then(Done::stat).map_or(0, |s| s.version);
                self.held(epoch, version, out);
            }
            (Purpose::Leader { version, epoch }, Ok(_)) => self.held(epoch, version, out),
            (Purpose::Take { .. } | Purpose::Leader { .. }, Err(error)) => {
                out.push(Effect::Say(Level::Warn, format!("taking over is not settled: {error}; reading again")));
                self.not_taken = self.not_taken.saturating_add(1);
                self.read_at = Some(now.mono + RETRY.saturating_mul(1 << self.not_taken.min(10)).min(RETRY_MAX));
            }
            (Purpose::Deployment(planned), result) => self.planned(now, &planned, result, out),
            (Purpose::Unknown(ids), Ok(_)) => self.rm.give_back(now, &ids, out),
            (Purpose::Queue(taking), result) => self.queue_taken(now, *taking, result, out),
            (Purpose::HandOver, Ok(_)) => self.handed_over(),
            (Purpose::HandOver, Err(error)) => {
                out.push(Effect::Say(Level::Warn, format!("handing over is not settled: {error}; reading again")));
                self.read_at = Some(now.mono + RETRY);
            }
            // The leader's node may be gone: read, and made again where it is.
            (Purpose::Ready, Err(_)) => self.read_at = Some(now.mono + RETRY),
            (Purpose::Unknown(ids), Err(_)) => {
                self.rm.keep(&ids);
                self.give_back_at = now.mono + GIVE_BACK_AGAIN;
            }
            // The mirror tells of what went; of what did not, or not surely, it may tell nothing more.
            (Purpose::Tidy(models), Err(_)) => self.cache.doubt(models),
            (Purpose::Ready | Purpose::Tidy(_), Ok(_)) => {}
        }
    }

    fn planned(&mut self, now: Time, plan: &Planned, result: Result<Vec<Done>, CommitError>, out: &mut Vec<Effect>) {
        let done = match result {
            Ok(done) => done,
            Err(error) => return self.not_planned(now, plan, &error, out),
        };
        self.turns.change(&plan.key, |turn| {
            (turn.in_flight, turn.refused, turn.dirty) = (false, 0, true);
            if plan.status {
                turn.memory.unwritten.clear();
                turn.memory.status_at = Some(now.mono);
            }
            turn.memory.steps_were_taken();
        });
        if !seeded(Bug::OwnWritesForgotten) {
            self.cache.applied(&self.settings.root, &plan.ops, &done, self.lists);
        }
        self.act(now, &plan.key, &plan.acts, out);
    }

    fn not_planned(&mut self, now: Time, plan: &Planned, error: &CommitError, out: &mut Vec<Effect>) {
        let (root, lists) = (&self.settings.root, self.lists);
        self.turns.change(&plan.key, |turn| {
            turn.in_flight = false;
            turn.refused = turn.refused.saturating_add(1);
            turn.wake = Some(now.mono + RETRY.saturating_mul(1 << turn.refused.min(10)).min(RETRY_MAX));
            if seeded(Bug::EdgeTriggered) {
                turn.wake = None;
            }
            if turn.refused > 3 {
                let message = format!("{}: a write was not accepted: {error}; trying again", plan.key);
                out.push(Effect::Say(Level::Warn, message));
            }
            if error.may_have_happened() && !seeded(Bug::BlindRetryOfCreate) {
                let unsure = Unsure { lists, until: now.mono + UNSURE_FOR };
                let created = plan.ops.iter().filter_map(|op| match op {
                    Op::Create { path, .. } => match Node::parse(root, path)? {
                        Node::Instance { iid, .. } => Some((iid, unsure)),
                        _ => None,
                    },
                    _ => None,
                });
                turn.memory.unsure.extend(created);
            }
            // What was to follow from it, in YARN and as events, is derived again from what stands.
            turn.memory.forget_acts(&plan.acts);
            turn.memory.steps.clear();
        });
    }

    fn act(&mut self, now: Time, key: &Key, acts: &[Act], out: &mut Vec<Effect>) {
        for act in acts {
            match act {
                Act::Start(iid) => {
                    let Some(record) = self.cache.record(&self.settings.root, key, *iid) else { continue };
                    let number = record.revision;
                    let Some(revision) = self.cache.revision(&self.settings.root, key, number) else { continue };
                    let context = launch::context(&self.settings, key, *iid, number, &revision);
                    self.rm.start(now, *iid, context, out);
                }
                Act::DeleteUpload(path) => self.delete_upload(key, path, out),
                Act::Signal(iid) => self.rm.signal(*iid, out),
                Act::Stop(iid) => self.rm.stop(now, *iid, out),
                Act::Release(iid) => self.rm.release(now, *iid, out),
                Act::Look(iid) => self.rm.look(*iid, out),
            }
        }
    }

    /// Everything that follows from the state as it now is.
    fn drive(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.read_at.is_some_and(|at| now.mono >= at) {
            self.read_operator(out);
        }
        self.queue.tick(now);
        self.rm.register(now, out);
        self.rm.look_at_nodes(now, out);
        let unheard = self.rm.stop_awaiting(now);
        self.rm_moved(unheard);
        if let Fence::Held { epoch, version } = self.fence
            && (self.view == View::Whole || seeded(Bug::HarmWithoutView))
            && (self.rm.is_fresh(now) || seeded(Bug::HarmWithoutHeartbeat))
            && !self.tree_is_lost(out)
        {
            self.release_unknown(now, version, out);
            self.plan_due(now, epoch, version, out);
            self.allot(now);
            self.tidy(now, version, out);
            self.take_from_queue(now, version, out);
            self.announce(epoch, version, out);
            self.finish_drain(epoch, version, out);
        }
        self.rm.heartbeat(now, out);
    }

    /// A tree without specs, revisions and instances while YARN has containers of ours was taken away as a whole.
    fn tree_is_lost(&mut self, out: &mut Vec<Effect>) -> bool {
        let lost = self.cache.is_bare() && self.rm.has_adopted() && !seeded(Bug::TreeLostIsObeyed);
        if lost && self.rm.say_lost() {
            let message =
                "the tree is empty while containers of ours run: they are kept; restore the tree or stop the service";
            out.push(Effect::Say(Level::Warn, message.to_owned()));
        }
        lost
    }

    fn release_unknown(&mut self, now: Time, version: i32, out: &mut Vec<Effect>) {
        let due = now.mono >= self.give_back_at && !seeded(Bug::UnknownContainersKept);
        let unknown = if due { self.rm.unknown(|iid| self.cache.owner(iid).is_some()) } else { Vec::new() };
        if !unknown.is_empty() {
            out.push(Effect::Say(Level::Info, format!("giving back {} containers without a record", unknown.len())));
            let ops = vec![fence::check(&self.settings, version)];
            self.commit(Purpose::Unknown(unknown), ops, out);
        }
        self.rm.forget_ended(|iid| self.cache.owner(iid).is_some());
    }

    /// Removes Metron's directories that are empty and that no deployment needs. A removed deployment takes its own along,
    /// unless something stands there still: what a runner that was killed had published goes only with its session.
    fn tidy(&mut self, now: Time, version: i32, out: &mut Vec<Effect>) {
        if !self.cache.has_doubtful() || seeded(Bug::EmptyDirectoriesKept) {
            return;
        }
        let at = *self.tidy_at.get_or_insert(now.mono + TIDY_AFTER);
        if now.mono < at {
            return;
        }
        self.tidy_at = None;
        let idle = self.cache.take_idle(&self.settings.root);
        if !idle.is_empty() {
            let mut ops = vec![fence::check(&self.settings, version)];
            let paths = idle.iter().map(|model| Node::MetronModel { model: model.clone() }.path(&self.settings.root));
            ops.extend(paths.map(|path| Op::Delete { path, version: None }));
            self.commit(Purpose::Tidy(idle), ops, out);
        }
    }

    fn plan_due(&mut self, now: Time, epoch: u32, version: i32, out: &mut Vec<Effect>) {
        for key in self.turns.due(now.mono) {
            self.plan_one(now, epoch, version, &key, out);
        }
    }

    fn plan_one(&mut self, now: Time, epoch: u32, version: i32, key: &Key, out: &mut Vec<Effect>) {
        let Some(mut turn) = self.turns.take(key) else { return };
        let container = |iid| (self.rm.container(iid, &self.allotment), self.rm.eviction(iid));
        let observed = self.cache.observe(&self.settings.root, key, container);
        let mut context = Context {
            settings: &self.settings,
            epoch,
            counter: &mut self.counter,
            maximum: self.rm.room.maximum,
            draining: self.drain != Drain::No,
        };
        let plan = plan::plan(&mut context, &observed, &mut turn.memory, now);
        turn.dirty = false;
        turn.wake = plan.wake;
        turn.want = plan.want;
        if let Some((number, path)) = plan.list {
            // One at a time: their answers could not be told apart.
            if let Some(revision) = self.cache.revision(&self.settings.root, key, number)
                && let Entry::Vacant(listing) = self.listings.entry((key.clone(), number))
            {
                listing.insert(revision.uid);
                turn.memory.payloads.insert(number, Payload::Listing);
                out.push(Effect::List(key.clone(), number, path));
            }
        }
        if plan.gone {
            return;
        }
        if !plan.ops.is_empty() || !plan.acts.is_empty() {
            turn.in_flight = true;
            if seeded(Bug::ActsBeforeCommit) {
                self.act(now, key, &plan.acts, out);
            }
            let mut ops = vec![fence::check(&self.settings, version)];
            ops.extend(plan.ops);
            let planned = Planned { key: key.clone(), ops: ops.clone(), acts: plan.acts, status: plan.writes_status };
            self.commit(Purpose::Deployment(Box::new(planned)), ops, out);
        }
        self.turns.put(key.clone(), turn);
    }

    fn allot(&mut self, now: Time) {
        let mut want = BTreeMap::new();
        for (key, wanted) in self.turns.wanting() {
            want.extend(wanted.iter().map(|(iid, shape)| (*iid, (key.clone(), *shape))));
        }
        let before: BTreeSet<Key> = self.waiting_keys(&want);
        let changes = self.allotment.allot(&want, self.rm.room, now.mono);
        self.rm.ask(now, &changes);
        // A deployment whose asks were parked or taken up says so in its status.
        let after = self.waiting_keys(&want);
        for key in before.symmetric_difference(&after) {
            self.turns.dirty(key);
        }
    }

    fn waiting_keys(&self, want: &BTreeMap<maas_crd::Iid, (Key, Shape)>) -> BTreeSet<Key> {
        use crate::allot::Waiting;
        want.iter()
            .filter(|(iid, _)| matches!(self.allotment.waiting(**iid), Some(Waiting::NoRoom | Waiting::TooLarge)))
            .map(|(_, (key, _))| key.clone())
            .collect()
    }

    fn announce(&mut self, epoch: u32, version: i32, out: &mut Vec<Effect>) {
        if !self.announced {
            self.announced = true;
            let ops = vec![fence::check(&self.settings, version), fence::announce_ready(&self.settings, epoch)];
            self.commit(Purpose::Ready, ops, out);
        }
    }

    fn finish_drain(&mut self, epoch: u32, version: i32, out: &mut Vec<Effect>) {
        if self.drain == Drain::Asked && self.cache.has_no_instances() && self.pending.is_empty() {
            self.drain = Drain::HandingOver;
            // The request stays: an attempt that comes after one which died here has to end too.
            let mut ops = vec![fence::check(&self.settings, version)];
            ops.extend(fence::hand_over(&self.settings, epoch));
            self.commit(Purpose::HandOver, ops, out);
        }
    }
}
