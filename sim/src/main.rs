//! Deep runs: every single fault of every workload, then random runs until the time is up.
//!
//! `SIM_SECONDS` (480) says for how long, `SIM_SEED` (1) where the random ones begin. A run that ends badly is made as
//! short as it can be, and told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::panic::{catch_unwind, set_hook};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use maas_sim::World;
use maas_sim::fault::Fault;
use maas_sim::workload::{WORKLOADS, play, wander};

/// Most stories told.
const STORIES: usize = 3;

#[derive(Clone, Debug)]
struct Run {
    /// None: it wanders.
    workload: Option<usize>,
    faults: Vec<Fault>,
    seed: u64,
}

impl Run {
    fn play(&self) -> World {
        match self.workload {
            Some(n) => play(WORKLOADS[n], self.faults.clone(), self.seed),
            None => wander(self.seed, &self.faults),
        }
    }

    /// The story, if it ends badly.
    fn fails(&self) -> Option<String> {
        let why = catch_unwind(|| self.play().states).err()?;
        let text =
            why.downcast_ref::<String>().cloned().or_else(|| why.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Some(text.unwrap_or_default())
    }

    /// The same with as few faults as still end badly, without other waits than usual if that is enough.
    fn shrunk(mut self) -> (Self, String) {
        let mut story = self.fails().unwrap_or_default();
        for n in (0..self.faults.len()).rev() {
            let mut fewer = self.clone();
            fewer.faults.remove(n);
            if let Some(told) = fewer.fails() {
                (self, story) = (fewer, told);
            }
        }
        let plain = Self { seed: 0, ..self.clone() };
        match plain.fails().filter(|_| self.workload.is_some()) {
            Some(told) => (plain, told),
            None => (self, story),
        }
    }
}

#[derive(Default)]
struct Totals {
    runs: AtomicU64,
    states: AtomicU64,
    faults: AtomicU64,
    bad: Mutex<Vec<Run>>,
}

impl Totals {
    fn add(&self, run: Run) {
        self.runs.fetch_add(1, Relaxed);
        self.faults.fetch_add(run.faults.len() as u64, Relaxed);
        match catch_unwind(|| run.play().states) {
            Ok(states) => drop(self.states.fetch_add(states, Relaxed)),
            Err(_) => self.bad.lock().unwrap().push(run),
        }
    }
}

/// Random runs by turns: a workload with other waits and several faults, or one that wanders, with or without.
fn draw(seed: u64) -> Run {
    let n = (seed % (2 * WORKLOADS.len() as u64)) as usize;
    let workload = (n < WORKLOADS.len()).then_some(n);
    let bare = Run { workload, faults: Vec::new(), seed };
    // One that ends badly without any fault is met again, and told, as it is.
    let Ok(mut quiet) = catch_unwind(|| bare.play()) else { return bare };
    quiet.steps.heartbeats = quiet.steps.heartbeats.min(150);
    let placements = quiet.steps.placements();
    let faults = (0..seed % 4).map(|_| placements[quiet.draw(placements.len() as u64) as usize]).collect();
    Run { faults, ..bare }
}

fn main() -> ExitCode {
    let number = |name: &str, usual| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (seconds, first) = (number("SIM_SECONDS", 480), number("SIM_SEED", 1));
    set_hook(Box::new(|_| {}));
    let (began, totals) = (Instant::now(), Totals::default());
    let single: Vec<Run> = (0..WORKLOADS.len())
        .flat_map(|n| {
            let mut steps = play(WORKLOADS[n], Vec::new(), 0).steps;
            // Heartbeats after the last commit meet a settled world: one kind of them is enough.
            steps.heartbeats = steps.heartbeats.min(60);
            let run = move |fault| Run { workload: Some(n), faults: vec![fault], seed: 0 };
            steps.placements().into_iter().map(run)
        })
        .collect();
    let (next, end) = (AtomicUsize::new(0), began + Duration::from_secs(seconds));
    let work = || {
        loop {
            let n = next.fetch_add(1, Relaxed);
            match single.get(n) {
                Some(run) => totals.add(run.clone()),
                None if Instant::now() < end => totals.add(draw(first + (n - single.len()) as u64)),
                None => return,
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let again = || draw(first).play().trace;
    let same = again() == again();
    let bad = totals.bad.into_inner().unwrap();
    for run in bad.iter().take(STORIES) {
        let (run, story) = run.clone().shrunk();
        let what = run.workload.map_or("wandering", |n| WORKLOADS[n].0);
        println!("--- {what}, seed {}, faults {:?}\n{story}\n", run.seed, run.faults);
    }
    let runs = totals.runs.into_inner();
    println!(
        "sim: workloads={} single_faults={} random_runs={} seeds={first}.. states={} injected_faults={} violations={} replay={} seconds={:.0}",
        WORKLOADS.len(),
        single.len(),
        runs - single.len() as u64,
        totals.states.into_inner(),
        totals.faults.into_inner(),
        bad.len(),
        if same { "equal" } else { "DIFFERS" },
        began.elapsed().as_secs_f64()
    );
    if bad.is_empty() && same { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
