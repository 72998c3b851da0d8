//! `plan`: what to do about one deployment, from the whole of what is seen of it. Pure and level-triggered:
//! it never looks at "what just happened", so that a crash between any two instructions loses nothing.
//!
//! Order within one deployment: the multi (`ops`, which the core puts behind a check of the epoch) is
//! written first and YARN is spoken to (`acts`) only when it was accepted; status comes when nothing is left to do.

mod instances;
pub(crate) mod launch;
pub(crate) mod observed;
mod rollout;
mod status;
pub(crate) mod tree;

use maas_crd::{Iid, Status, Template};
use maas_store::{Event, EventKind, Op, Phase};

use crate::allot::Shape;
use crate::seeded::{Bug, seeded};
use crate::settings::Settings;
use observed::{Container, Deletion, Eviction, Instance, Memory, Observed, Payload};
use rollout::Live;
use tree::Paths;

/// Most writes of one multi that create or remove instances; the rest follows with the next plan.
const MAX_OPS: usize = 200;
/// Restarts in place after which a crashing instance gets another container.
const CRASHES_BEFORE_MOVE: u32 = 5;
/// What an instance lacks to be ready is said once it has lacked it this long, in milliseconds.
const LACKING_AFTER: u64 = 3_000;
/// Status and events are written at most this often, in milliseconds, unless a condition changed.
const STATUS_PERIOD: u64 = 1_000;

/// One reading of the clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Monotonic milliseconds: all that waits and backs off.
    pub mono: u64,
    /// Milliseconds since the epoch: written down, and decided upon only where the time was an earlier operator's.
    pub wall: i64,
}

/// What a plan needs to know beside the deployment itself.
#[derive(Debug)]
pub struct Context<'a> {
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The epoch held.
    pub epoch: u32,
    /// Counter of the last instance id given in this epoch.
    pub counter: &'a mut u32,
    /// The largest container the cluster grants.
    pub maximum: Shape,
    /// The whole service is being stopped: every instance goes, specs stay.
    pub draining: bool,
}

/// Something to ask of YARN, once the multi before it was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Delete an upload of ours that nothing uses any more.
    DeleteUpload(String),
    /// Start the granted container of this instance.
    Start(Iid),
    /// Ask the NodeManager to signal it to end.
    Signal(Iid),
    /// Have the NodeManager stop it.
    Stop(Iid),
    /// Give the container back to the ResourceManager.
    Release(Iid),
    /// Ask the NodeManager what it has of it.
    Look(Iid),
}

/// What follows from one look at a deployment.
#[derive(Debug, Default)]
pub struct Plan {
    /// One multi; nothing in it happens unless all of it does.
    pub ops: Vec<Op>,
    /// What to ask of YARN after it.
    pub acts: Vec<Act>,
    /// Instances that want a container.
    pub want: Vec<(Iid, Shape)>,
    /// A payload to list, for this revision.
    pub list: Option<(u32, String)>,
    /// Look again at this time at the latest.
    pub wake: Option<u64>,
    /// The ops write status and events.
    pub writes_status: bool,
    /// Nothing at all is left of this deployment.
    pub gone: bool,
}

impl Plan {
    fn wake_at(&mut self, at: u64) {
        self.wake = Some(self.wake.map_or(at, |w| w.min(at)));
    }

    fn is_full(&self) -> bool {
        self.ops.len() >= MAX_OPS
    }
}

/// What the spec asks for, or what stands when it can't be read.
#[derive(Debug)]
pub(crate) struct Desired {
    pub(crate) uid: i64,
    pub(crate) generation: i64,
    pub(crate) replicas: u32,
    /// How long it may go without progress, in milliseconds.
    pub(crate) deadline: u64,
    pub(crate) template: Option<Template>,
    /// The revision of that template, when it is in the tree.
    pub(crate) revision: Option<u32>,
    /// Why the newest spec is not followed.
    pub(crate) invalid: Option<String>,
}

/// A record at version 0, of the deployment that stands now, whose container has not ended.
fn is_live(instance: &Instance, uid: i64) -> bool {
    instance.version == 0
        && instance.record.as_ref().is_some_and(|r| r.uid == uid && r.stopping.is_none())
        && !matches!(instance.container, Container::Ended(_))
}

fn is_ready(instance: &Instance) -> bool {
    instance.endpoint.is_some() || seeded(Bug::ReadyTooEarly) && instance.container == Container::Running
}

/// Plans one deployment.
pub fn plan(context: &mut Context<'_>, observed: &Observed<'_>, memory: &mut Memory, now: Time) -> Plan {
    let mut plan = Plan::default();
    let paths = Paths::new(&context.settings.root, observed.key);
    memory.forget(observed, now);
    let desired = desired(observed, memory, context.draining);
    let uid = desired.as_ref().map_or(-1, |d| d.uid);
    instances::settle(&mut plan, context, &paths, observed, memory, uid, now);
    let Some(desired) = desired else {
        finish_removal(&mut plan, &paths, observed, memory, now);
        return plan;
    };
    let number = ensure_revision(&mut plan, &paths, observed, &desired);
    if let Some(template) = desired.template.as_ref().filter(|_| desired.revision.is_some())
        && observed.instances.values().any(|instance| is_live(instance, uid))
    {
        // They may have gone with an earlier life of this name while its successor was planned.
        paths.create_directories(observed, &template.model, &mut plan.ops);
    }
    if let Some(number) = number {
        scale(&mut plan, context, &paths, observed, memory, &desired, number, now);
    }
    payloads(&mut plan, &paths, observed, memory, &desired, now);
    start(&mut plan, &paths, observed, uid);
    want(&mut plan, context, observed, uid);
    prune(&mut plan, &paths, observed, memory, now);
    notice(&mut plan, observed, memory, &desired, now);
    if plan.ops.is_empty() && plan.acts.is_empty() && !context.draining {
        write_status(&mut plan, context, &paths, observed, memory, &desired, now);
    }
    plan
}

fn desired(observed: &Observed<'_>, memory: &mut Memory, draining: bool) -> Option<Desired> {
    let spec = observed.spec.as_ref()?;
    let uid = spec.stat.czxid;
    if spec.manifest.is_ok() {
        memory.last_good = Some((uid, spec.manifest.clone()));
    }
    let good = memory.last_good.as_ref().filter(|(of, _)| *of == uid).map(|(_, m)| m.clone());
    let newest = observed.revisions.iter().rev().find(|(_, r)| r.record.as_ref().is_some_and(|r| r.uid == uid));
    let invalid = spec.manifest.as_ref().as_ref().err().map(ToString::to_string);
    let template = match good.as_deref() {
        Some(Ok(manifest)) => Some(manifest.resource.spec.template.clone()),
        // Taken over while the spec can't be read: what runs is kept as the newest revision has it.
        _ => newest.and_then(|(_, r)| r.record.as_ref()).map(|r| r.template.clone()),
    };
    let replicas = match good.as_deref() {
        _ if draining || invalid.is_some() && seeded(Bug::InvalidSpecStops) => 0,
        Some(Ok(manifest)) => manifest.resource.spec.replicas,
        // The last status tells how many were wanted; those that live now may be fewer.
        _ => match observed.status.as_ref().and_then(|(status, _)| status.as_ref()).filter(|s| s.uid == uid) {
            Some(status) => status.available_replicas.saturating_add(status.unavailable_replicas),
            None => u32::try_from(observed.instances.values().filter(|i| is_live(i, uid)).count()).unwrap_or(u32::MAX),
        },
    };
    let deadline = match good.as_deref() {
        Some(Ok(manifest)) => launch::millis(manifest.resource.spec.progress_deadline),
        // It says InvalidSpec meanwhile.
        _ => u64::MAX,
    };
    let revision = newest
        .filter(|(_, r)| {
            r.record
                .as_ref()
                .zip(template.as_ref())
                .is_some_and(|(r, t)| r.template == *t || seeded(Bug::TemplateIgnored))
        })
        .map(|(number, _)| *number);
    let generation = i64::from(spec.stat.version) + 1;
    Some(Desired { uid, generation, replicas, deadline, template, revision, invalid })
}

/// The number of the template's revision, which is created when the newest one differs.
fn ensure_revision(plan: &mut Plan, paths: &Paths<'_>, observed: &Observed<'_>, desired: &Desired) -> Option<u32> {
    let template = desired.template.as_ref()?;
    if let Some(number) = desired.revision {
        return Some(number);
    }
    if desired.replicas == 0 && observed.instances.is_empty() {
        // Nothing runs and nothing shall: the revision is made when the first instance is.
        return None;
    }
    let number = observed.revisions.keys().max().map_or(1, |n| n + 1);
    paths.create_directories(observed, &template.model, &mut plan.ops);
    plan.ops.push(paths.create_revision(number, desired.uid, template));
    Some(number)
}

#[allow(clippy::too_many_arguments)]
fn scale(
    plan: &mut Plan,
    context: &mut Context<'_>,
    paths: &Paths<'_>,
    observed: &Observed<'_>,
    memory: &mut Memory,
    desired: &Desired,
    number: u32,
    now: Time,
) {
    let moving = crashing(observed, desired.uid, number).filter(|_| now.mono >= memory.backoff.until);
    if let Some((iid, instance)) = moving {
        memory.backoff.failed(number, now.mono);
        instances::stop(plan, paths, observed, memory, iid, instance, "CrashesHere", now);
    }
    // They end soon, whatever is done: so without a call to them that fails.
    let preempted = |iid: Iid, i: &Instance| {
        let stays = moving.is_none_or(|(moved, _)| moved != iid);
        stays && is_live(i, desired.uid) && i.eviction == Some(Eviction::Preempted)
    };
    for (iid, instance) in observed.instances.iter().filter(|(iid, i)| preempted(**iid, i)) {
        if plan.is_full() {
            plan.wake_at(now.mono);
            break;
        }
        let message = format!("YARN will take the container of instance {iid} for another queue: it is drained first.");
        memory.tell_step(instances::PREEMPTED, message, iid.to_string(), now);
        instances::stop(plan, paths, observed, memory, *iid, instance, instances::PREEMPTED, now);
    }
    let live: Vec<Live> = observed
        .instances
        .iter()
        .filter(|(iid, i)| moving.is_none_or(|(moved, _)| moved != **iid) && !preempted(**iid, i))
        .filter(|(iid, i)| is_live(i, desired.uid) && !instances::is_abandoned(i, **iid, context.epoch))
        .map(|(iid, i)| Live {
            iid: *iid,
            // One on a node that leaves is replaced as one of an older revision is: another comes first.
            updated: i.eviction.is_none() && i.record.as_ref().is_some_and(|r| r.revision == number),
            ready: is_ready(i),
            placed: !matches!(i.container, Container::None(_)),
        })
        .collect();
    let decision = rollout::decide(desired.replicas as usize, &live);
    for iid in &decision.stop {
        if let Some(instance) = observed.instances.get(iid) {
            let reason = match instance.eviction {
                Some(_) => "NodeDecommissioning",
                None if instance.record.as_ref().is_some_and(|r| r.revision == number) => "ScaledDown",
                None => "Replaced",
            };
            instances::stop(plan, paths, observed, memory, *iid, instance, reason, now);
        }
    }
    if decision.create == 0 || desired.invalid.is_some() && desired.revision.is_none() {
        return;
    }
    // Creations are the one write that a stale view does not make fail: while some may have happened unseen, none is made.
    if let Some(until) = memory.unsure.values().map(|unsure| unsure.until).max() {
        plan.wake_at(until);
        return;
    }
    if memory.backoff.revision == number && now.mono < memory.backoff.until {
        plan.wake_at(memory.backoff.until);
        return;
    }
    let Some(template) = &desired.template else { return };
    if !plan.ops.iter().any(|op| matches!(op, Op::Create { .. })) {
        paths.create_directories(observed, &template.model, &mut plan.ops);
    }
    for _ in 0..decision.create {
        if plan.is_full() {
            plan.wake_at(now.mono);
            break;
        }
        *context.counter = context.counter.saturating_add(1);
        let epoch = if seeded(Bug::IdsGivenAgain) { 1 } else { context.epoch };
        let iid = Iid::new(epoch, *context.counter);
        plan.ops.push(paths.create_instance(iid, desired.uid, number, &context.settings.application));
        memory.tell_step(
            "SuccessfulCreate",
            format!("Created instance {iid} of revision {number}."),
            iid.to_string(),
            now,
        );
    }
}

/// An instance that keeps crashing where it is, while another of its revision shows that the model can run: it gets
/// another container. The runner starts it again in place until then, since a container given up may not come back.
fn crashing<'a>(observed: &'a Observed<'_>, uid: i64, number: u32) -> Option<(Iid, &'a Instance)> {
    let of_revision = |i: &Instance| is_live(i, uid) && i.record.as_ref().is_some_and(|r| r.revision == number);
    let crashes = |i: &Instance| {
        i.runner.as_ref().is_some_and(|r| r.phase == Phase::BackingOff && r.restarts >= CRASHES_BEFORE_MOVE)
    };
    observed.instances.values().find(|i| of_revision(i) && is_ready(i))?;
    observed.instances.iter().find(|(_, i)| of_revision(i) && crashes(i)).map(|(iid, i)| (*iid, i))
}

/// Lists the payload of the newest revision, and pins what was listed for every revision in use.
fn payloads(
    plan: &mut Plan,
    paths: &Paths<'_>,
    observed: &Observed<'_>,
    memory: &mut Memory,
    desired: &Desired,
    now: Time,
) {
    for (number, seen) in &observed.revisions {
        let Some(record) = seen.record.as_ref().filter(|r| r.uid == desired.uid && r.payload.is_none()) else {
            continue;
        };
        let in_use = (Some(*number) == desired.revision && desired.replicas > 0)
            || observed
                .instances
                .values()
                .any(|i| is_live(i, desired.uid) && i.record.as_ref().is_some_and(|r| r.revision == *number));
        if !in_use {
            continue;
        }
        match memory.payloads.get(number) {
            Some(Payload::Listed(files)) => plan.ops.push(paths.pin_payload(*number, record, files, seen.version)),
            Some(Payload::Listing) => {}
            Some(Payload::Failed { until, .. }) if now.mono < *until => plan.wake_at(*until),
            Some(Payload::Failed { .. }) | None => plan.list = Some((*number, record.template.payload.path.clone())),
        }
    }
}

/// Starts what was granted, behind a check of its record: the mirror may show one that is gone by now.
fn start(plan: &mut Plan, paths: &Paths<'_>, observed: &Observed<'_>, uid: i64) {
    for (iid, instance) in &observed.instances {
        let pinned = instance
            .record
            .as_ref()
            .and_then(|r| observed.revisions.get(&r.revision))
            .and_then(|r| r.record.as_ref())
            .is_some_and(|r| r.payload.is_some());
        if (pinned || seeded(Bug::StartWithoutPayload))
            && instance.container == Container::Granted
            && is_live(instance, uid)
        {
            let check = paths.check_instance(*iid);
            // Not one that this very plan ends.
            if plan.ops.iter().all(|op| op.path() != check.path()) {
                plan.ops.push(check);
                plan.acts.push(Act::Start(*iid));
            }
        }
    }
}

fn want(plan: &mut Plan, context: &Context<'_>, observed: &Observed<'_>, uid: i64) {
    for (iid, instance) in &observed.instances {
        let asked = iid.epoch() == context.epoch
            && is_live(instance, uid)
            && instance.runner.is_none()
            && matches!(instance.container, Container::None(_));
        let template = instance
            .record
            .as_ref()
            .and_then(|r| observed.revisions.get(&r.revision))
            .and_then(|r| r.record.as_ref())
            .map(|r| &r.template);
        if let Some(template) = template.filter(|_| asked) {
            plan.want.push((*iid, launch::shape(template)));
        }
    }
}

/// Past revisions go when no instance is of them any more.
fn prune(plan: &mut Plan, paths: &Paths<'_>, observed: &Observed<'_>, memory: &Memory, now: Time) {
    let used =
        |number: u32| observed.instances.values().any(|i| i.record.as_ref().is_some_and(|r| r.revision == number));
    for (number, seen) in observed.past_revisions() {
        if !used(number)
            && !plan.is_full()
            && !seeded(Bug::RevisionsKept)
            && upload_is_gone(plan, observed, memory, number, now)
        {
            plan.ops.push(paths.delete_revision(number, seen.version));
        }
    }
}

/// An upload goes before the revision that names it, so that a crash in between forgets nothing.
fn upload_is_gone(plan: &mut Plan, observed: &Observed<'_>, memory: &Memory, number: u32, now: Time) -> bool {
    let Some(path) = observed.idle_uploads.get(&number) else { return true };
    match memory.uploads.get(path) {
        Some(Deletion::Over) => true,
        Some(Deletion::Asked(_)) => false,
        Some(Deletion::Failed(_, until)) if now.mono < *until => {
            plan.wake_at(*until);
            false
        }
        Some(Deletion::Failed(..)) | None => {
            let act = Act::DeleteUpload(path.clone());
            if !plan.acts.contains(&act) {
                plan.acts.push(act);
            }
            false
        }
    }
}

/// Turns what changed since the last look into events. The first look of an operator at a deployment tells nothing:
/// what it finds was told by the one before.
fn notice(plan: &mut Plan, observed: &Observed<'_>, memory: &mut Memory, desired: &Desired, now: Time) {
    let uid = desired.uid;
    let ready = observed.instances.values().filter(|i| is_live(i, uid) && is_ready(i)).count();
    if ready >= desired.replicas as usize {
        memory.last_failure = None;
    }
    let first = !std::mem::replace(&mut memory.looked, true);
    for (iid, instance) in observed.instances.iter().filter(|(_, i)| is_live(i, uid)) {
        let name = iid.to_string();
        if !is_ready(instance) && instance.runner.as_ref().is_some_and(|r| r.waiting.is_some()) {
            let due = memory.lacking.entry(*iid).or_insert(now.mono).saturating_add(LACKING_AFTER);
            if now.mono < due {
                plan.wake_at(due);
            }
        } else {
            memory.lacking.remove(iid);
        }
        if let Some(runner) = &instance.runner
            && memory.started.insert(*iid)
            && !first
        {
            // Its output is found by this once the instance is gone.
            let node = runner.node_http.as_deref().unwrap_or(&runner.node);
            let message = Event::started(*iid, &runner.container, node);
            memory.tell(EventKind::Normal, Event::STARTED, message, name.clone(), now);
        }
        let restarts = instance.runner.as_ref().map_or(0, |r| r.restarts);
        if restarts > memory.restarts.get(iid).copied().unwrap_or(0) {
            memory.restarts.insert(*iid, restarts);
            memory.ready.remove(iid);
            if !first {
                let exit = instance.runner.as_ref().and_then(|r| r.last_exit.as_ref());
                let reason = exit.map_or("ModelExited", |e| e.reason.as_str());
                // Without the count, so that the same end again counts the event up.
                let message = format!("Instance {iid}: {}", status::crashed(None, exit));
                memory.tell(EventKind::Warning, reason, message, name.clone(), now);
            }
        }
        if is_ready(instance) && memory.ready.insert(*iid) && !first {
            let url = instance.endpoint.as_ref().map_or("", |e| e.url.as_str()).to_owned();
            memory.tell(EventKind::Normal, "Ready", format!("Instance {iid} answers at {url}."), name, now);
        }
    }
}

/// The spec is gone: once no instance is left, the rest goes in one multi, status last.
fn finish_removal(plan: &mut Plan, paths: &Paths<'_>, observed: &Observed<'_>, memory: &mut Memory, now: Time) {
    if !observed.instances.is_empty() || !observed.strays.is_empty() || !plan.ops.is_empty() {
        return;
    }
    let mut uploads_are_gone = true;
    for number in observed.idle_uploads.keys() {
        uploads_are_gone &= upload_is_gone(plan, observed, memory, *number, now);
    }
    if !uploads_are_gone {
        return;
    }
    paths.delete_rest(observed, &mut plan.ops);
    memory.unwritten.clear();
    memory.steps.clear();
    plan.gone = plan.ops.is_empty();
}

fn write_status(
    plan: &mut Plan,
    context: &Context<'_>,
    paths: &Paths<'_>,
    observed: &Observed<'_>,
    memory: &mut Memory,
    desired: &Desired,
    now: Time,
) {
    let (previous, version) = match &observed.status {
        Some((status, version)) => (status.as_ref(), Some(*version)),
        None => (None, None),
    };
    let next = status::status(desired, observed, memory, context.maximum, previous, now);
    memory.tell_failure(&next, now);
    if let Some((_, due)) = memory.progress.filter(|(_, due)| now.mono < *due) {
        plan.wake_at(due);
    }
    let urgent = previous.is_none_or(|p| conditions_differ(p, &next));
    let differs = previous != Some(&next);
    if !differs && memory.unwritten.is_empty() {
        return;
    }
    let due = memory.status_at.map_or(0, |at| at + STATUS_PERIOD);
    if !urgent && now.mono < due {
        plan.wake_at(due);
        return;
    }
    paths.create_status_directories(observed, &mut plan.ops);
    if differs {
        plan.ops.push(paths.write_status(&next, version));
    }
    if !memory.unwritten.is_empty() {
        plan.ops.push(paths.write_events(observed, &memory.unwritten));
    }
    plan.writes_status = true;
}

fn conditions_differ(a: &Status, b: &Status) -> bool {
    let short = |s: &Status| -> Vec<(String, maas_crd::ConditionStatus, String)> {
        s.conditions.iter().map(|c| (c.type_.clone(), c.status, c.reason.clone())).collect()
    };
    a.uid != b.uid || a.observed_generation != b.observed_generation || short(a) != short(b)
}

fn event(kind: EventKind, reason: &str, message: String, object: String, now: Time) -> Event {
    Event { kind, reason: reason.to_owned(), message, object, count: 1, first_ms: now.wall, last_ms: now.wall }
}

impl Memory {
    /// Drops what is remembered of instances and revisions that are no more.
    fn forget(&mut self, observed: &Observed<'_>, now: Time) {
        self.unsure.retain(|iid, unsure| now.mono < unsure.until && !observed.instances.contains_key(iid));
        self.silent.retain(|iid, _| observed.instances.contains_key(iid));
        self.stopping.retain(|iid, _| observed.instances.contains_key(iid));
        self.restarts.retain(|iid, _| observed.instances.contains_key(iid));
        self.ready.retain(|iid| observed.instances.contains_key(iid));
        self.started.retain(|iid| observed.instances.contains_key(iid));
        self.lacking.retain(|iid, _| observed.instances.contains_key(iid));
        self.counted.retain(|iid| observed.instances.contains_key(iid));
        self.payloads.retain(|number, _| observed.revisions.contains_key(number));
        self.payload_tries.retain(|number, _| observed.revisions.contains_key(number));
    }

    /// The multi before these acts was not accepted: they are due again.
    pub(crate) fn forget_acts(&mut self, acts: &[Act]) {
        for act in acts {
            match act {
                Act::Signal(iid) => self.stopping.entry(*iid).and_modify(|s| s.signalled = false),
                Act::Stop(iid) => self.stopping.entry(*iid).and_modify(|s| s.stopped = false),
                Act::Start(_) | Act::Release(_) | Act::Look(_) | Act::DeleteUpload(_) => continue,
            };
        }
    }

    /// Notes one event, of something seen and seen once; written with the next status.
    pub(crate) fn tell(&mut self, kind: EventKind, reason: &str, message: String, object: String, now: Time) {
        // More than a ring holds would be cut on writing anyway.
        if self.unwritten.len() < 50 {
            self.unwritten.push(event(kind, reason, message, object, now));
        }
    }

    /// Notes one event of what the plan itself does: it has not happened until the plan is accepted.
    pub(crate) fn tell_step(&mut self, reason: &str, message: String, object: String, now: Time) {
        if self.steps.len() < 50 {
            self.steps.push(event(EventKind::Normal, reason, message, object, now));
        }
    }

    /// The plan was accepted.
    pub(crate) fn steps_were_taken(&mut self) {
        self.unwritten.append(&mut self.steps);
    }

    fn tell_failure(&mut self, next: &Status, now: Time) {
        let failing = next
            .conditions
            .iter()
            .find(|c| c.type_ == "ReplicaFailure" && c.status == maas_crd::ConditionStatus::True)
            .or_else(|| next.conditions.iter().find(|c| status::is_trouble(c)));
        let told = failing.map(|c| c.reason.clone());
        if told != self.told {
            if let Some(c) = failing {
                self.tell(EventKind::Warning, &c.reason, c.message.clone(), String::new(), now);
            }
            self.told = told;
        }
    }
}
