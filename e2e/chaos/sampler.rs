//! Looks ten times a second whether what must always hold does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::caller::{Calls, lock};
use crate::procs::{Process, Role, scan};
use crate::view::View;

const EVERY: Duration = Duration::from_millis(100);
/// maxSurge of the models.
const SURGE: u32 = 1;
/// Two looks at the tree and at the processes are never of one instant.
const GLANCE: Duration = Duration::from_millis(400);
/// From the record's end to the endpoint's.
const UNPUBLISHED: Duration = Duration::from_millis(1_200);
/// Session timeout (6 s), a tick of the server (0.5 s), and a second.
const SILENT: Duration = Duration::from_millis(7_500);
/// Grace of the models (5 s), and 10 s; and the operator's own attempts may change meanwhile.
const LEAVES: Duration = Duration::from_secs(20);

/// What was found, and what may be.
#[derive(Default)]
pub(crate) struct Findings {
    /// Most replicas that were wanted since the last time of quiet, by deployment.
    allowed: Mutex<BTreeMap<String, u32>>,
    violations: Mutex<Vec<String>>,
    /// Faults overlap: what one of them may take, two may take twice.
    pub(crate) overlapping: AtomicBool,
}

impl Findings {
    /// Something that must not be.
    pub(crate) fn add(&self, what: String) {
        lock(&self.violations).push(what);
    }

    /// What was found since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.violations))
    }

    /// All is quiet: what was wanted before counts no longer.
    pub(crate) fn quiet(&self) {
        lock(&self.allowed).clear();
    }
}

/// A state that is a fault when it lasts.
struct Suspect {
    since: Instant,
    told: bool,
}

struct Sampler {
    dir: PathBuf,
    view: watch::Receiver<View>,
    calls: Arc<Calls>,
    findings: Arc<Findings>,
    suspects: BTreeMap<String, Suspect>,
    observed: BTreeMap<(String, i64), i64>,
}

/// Starts sampling.
pub(crate) fn start(
    dir: PathBuf,
    view: watch::Receiver<View>,
    calls: Arc<Calls>,
    findings: Arc<Findings>,
) -> AbortHandle {
    let (suspects, observed) = (BTreeMap::new(), BTreeMap::new());
    let mut sampler = Sampler { dir, view, calls, findings, suspects, observed };
    let samples = tokio::spawn(async move {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            sampler.look();
        }
    });
    samples.abort_handle()
}

impl Sampler {
    fn look(&mut self) {
        let processes = scan(&self.dir);
        let mut seen = BTreeMap::new();
        {
            let view = self.view.borrow();
            // With no view of its own the sampler can't tell.
            if view.whole {
                instances(&view, &processes, &self.findings, &mut seen);
                endpoints(&view, &processes, &self.calls, &mut seen);
                statuses(&view, &mut self.observed, &self.findings, &mut seen);
            }
        }
        self.suspects.retain(|what, _| seen.contains_key(what));
        let times = if self.findings.overlapping.load(Ordering::Relaxed) { 2 } else { 1 };
        for (what, grace) in seen {
            let grace = grace * times;
            let suspect = self.suspects.entry(what.clone()).or_insert(Suspect { since: Instant::now(), told: false });
            if suspect.since.elapsed() > grace && !suspect.told {
                suspect.told = true;
                self.findings.add(format!("for more than {grace:?}: {what}"));
            }
        }
    }
}

/// What is seen now, and how long it may last.
type Seen = BTreeMap<String, Duration>;

fn instances(view: &View, processes: &[Process], findings: &Findings, seen: &mut Seen) {
    let records = view.records();
    let mut allowed = lock(&findings.allowed);
    for (name, wanted) in view.specs() {
        // One that can't be read keeps what it had, which nobody here knows.
        let most = allowed.entry(name).or_default();
        *most = wanted.replicas.map_or(u32::MAX - SURGE, |replicas| (*most).max(replicas));
    }
    let mut running: BTreeMap<&str, u32> = BTreeMap::new();
    for process in processes.iter().filter(|process| process.role == Role::Runner) {
        let Some(instance) = &process.instance else { continue };
        if records.get(instance) == Some(&true) {
            *running.entry(&instance.0).or_default() += 1;
        } else {
            let what = format!("runner {} of {}/{} runs without a record", process.pid, instance.0, instance.1);
            seen.insert(what, LEAVES);
        }
    }
    for (name, count) in running {
        if let Some(most) = allowed.get(name).filter(|most| count > **most + SURGE) {
            seen.insert(format!("{count} runners of {name}, which wants {most}"), GLANCE);
        }
    }
}

fn endpoints(view: &View, processes: &[Process], calls: &Calls, seen: &mut Seen) {
    let records = view.records();
    let live: BTreeSet<_> = processes.iter().filter_map(|process| process.instance.as_ref()).collect();
    for (instance, endpoint) in view.endpoints() {
        let what = format!("endpoint {}/{} ({})", instance.0, instance.1, endpoint.url);
        if records.get(&instance) != Some(&true) {
            seen.insert(format!("{what} is served and its record is gone or stopping"), UNPUBLISHED);
        }
        if !live.contains(&instance) {
            seen.insert(format!("{what} is served and its runner is dead"), SILENT);
        }
        if calls.failing_since(&endpoint.url).is_some() {
            seen.insert(format!("{what} is served and does not answer"), SILENT);
        }
    }
}

fn statuses(view: &View, observed: &mut BTreeMap<(String, i64), i64>, findings: &Findings, seen: &mut Seen) {
    let (specs, endpoints) = (view.specs(), view.endpoints());
    for (name, status) in view.statuses() {
        let now = status.observed_generation;
        let last = observed.insert((name.clone(), status.uid), now);
        if let Some(last) = last.filter(|last| *last > now) {
            findings.add(format!("observedGeneration of {name} went back from {last} to {now}"));
        }
        let Some(spec) = specs.get(&name).filter(|spec| spec.uid == status.uid) else { continue };
        if now > spec.generation {
            seen.insert(format!("observedGeneration of {name} is {now} of {}", spec.generation), GLANCE);
        }
        let live = endpoints.keys().filter(|(of, _)| *of == name).count();
        let is_led = view.leader().is_some_and(|leader| leader.ready);
        if is_led && usize::try_from(status.ready_replicas).is_ok_and(|ready| ready > live) {
            seen.insert(format!("{name} claims {} ready, {live} are served", status.ready_replicas), SILENT);
        }
    }
}
