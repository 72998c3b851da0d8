//! Real faults on real daemons, one after another on one cluster, under a caller of 200 requests a second.
//!
//! `make chaos` tries all, `make chaos-quick` the most telling; `cargo test -p maas-e2e --test chaos -- F11 zk-restart` some, by
//! number or name. A line a fault: `fault=F11 name=rm-restart bound=15.0 took=6.2 failed=0 violations=0`, times in seconds from
//! the fault's end (or from a kill) until all is as wanted and stays so. `SOAK_SECONDS` adds overlapping random faults from
//! `CHAOS_SEED`. The exit code is not 0 when a bound, the allowed failures or an invariant did not hold.

mod bed;
mod caller;
mod converge;
mod faults;
mod procs;
mod report;
mod sampler;
mod soak;
mod view;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use bed::{Bed, Shape};
use faults::{FAULTS, Fault, Step};
use report::{Line, Totals};

fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "--quick");
    let wanted: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let chosen = |fault: &&Fault| {
        let named = |word: &&&String| word.eq_ignore_ascii_case(fault.number) || word.as_str() == fault.name;
        if wanted.is_empty() { !quick || fault.quick } else { wanted.iter().any(|word| named(&word)) }
    };
    // A soak alone, when no fault is named.
    let soak_alone = wanted.is_empty() && !quick && soak::seconds()?.is_some();
    let chosen: Vec<&Fault> = FAULTS.iter().filter(chosen).filter(|_| !soak_alone).collect();
    let code = runtime.block_on(try_all(&chosen));
    runtime.shutdown_background();
    code
}

async fn try_all(faults: &[&Fault]) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let soak = soak::seconds()?;
    let mut bed: Option<Bed> = None;
    let mut totals = Totals::default();
    for fault in faults {
        if let Some(reason) = fault.skipped {
            totals.add(&Line::skipped(fault, reason));
            continue;
        }
        let mut stands = match bed.take() {
            Some(bed) if bed.shape == fault.shape => bed,
            other => {
                other.iter().filter(|_| !totals.is_good()).for_each(|bed| bed.cluster.keep());
                drop(other);
                begin(fault.shape).await?
            }
        };
        totals.add(&attempt(&mut stands, fault).await);
        if totals.is_hopeless() {
            eprintln!("the cluster did not come back: another one is made for the faults after this one");
            stands.cluster.keep();
        } else {
            bed = Some(stands);
        }
    }
    if let Some(seconds) = soak {
        let usual = match bed.take() {
            Some(bed) if bed.shape == Shape::Usual => bed,
            other => {
                drop(other);
                begin(Shape::Usual).await?
            }
        };
        totals.add(&soak::run(bed.insert(usual), seconds).await?);
    }
    println!("{totals} seconds={} load={}", began.elapsed().as_secs(), report::load());
    if let Some(bed) = bed.filter(|_| !totals.is_good()) {
        bed.cluster.keep();
    }
    Ok(if totals.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A cluster with two models that are ready.
async fn begin(shape: Shape) -> anyhow::Result<Bed> {
    let began = Instant::now();
    let bed = Bed::make(shape).await?;
    converge::converge(&bed, Duration::from_secs(90)).await.map_err(anyhow::Error::msg).context("at the start")?;
    faults::warm_up(&bed).await?;
    println!("two models are ready after {:.1} s; load {}", began.elapsed().as_secs_f64(), report::load());
    drop((bed.findings.take(), bed.calls.words()));
    Ok(bed)
}

/// Tries one fault and prints its line.
async fn attempt(bed: &mut Bed, fault: &Fault) -> Line {
    let failed = bed.calls.failed();
    let began = Instant::now();
    let outcome = (fault.inject)(bed).await;
    let mut line = Line::new(fault);
    match outcome {
        Ok(Step::Skipped(reason)) => line.skipped = Some(reason),
        Ok(step) => {
            let bound = Duration::from_secs_f64(fault.bound);
            let since = if let Step::Since(since) = step { since } else { began };
            let end = converge::converge(bed, bound * 2 + Duration::from_secs(60)).await;
            line.took = match (&end, step) {
                (Ok(_), Step::Took(took)) => Some(took.as_secs_f64()),
                (Ok(end), _) => Some(end.saturating_duration_since(since).as_secs_f64()),
                (Err(missing), _) => {
                    line.words.push(format!("not converged: {missing}"));
                    None
                }
            };
        }
        Err(error) => {
            line.words.push(format!("{error:#}"));
            // What was begun is ended, so that the next fault finds what it needs.
            faults::heal(bed).await;
            if let Err(missing) = converge::converge(bed, Duration::from_secs(90)).await {
                line.words.push(format!("not converged: {missing}"));
            } else {
                line.recovered = true;
            }
        }
    }
    line.failed = bed.calls.failed() - failed;
    line.violations = bed.findings.take();
    if line.failed > fault.allowed {
        line.words.extend(bed.calls.words());
    }
    drop(bed.calls.words());
    line.print();
    line
}
