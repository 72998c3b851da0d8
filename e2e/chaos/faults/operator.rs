//! Faults of the operator.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::Signal;

use super::{Step, pause, settled};
use crate::bed::{Bed, STEP};
use crate::procs::{Role, send};

/// Two ends within a second end an application, by the failure window that the service is submitted with.
const APART: f64 = 1.2;

/// F1: the next attempt takes over what runs.
pub(crate) async fn killed(bed: &Bed) -> anyhow::Result<Step> {
    let runners = pids(bed, Role::Runner);
    let took = kill(bed).await?;
    pause(APART).await;
    kept(bed, &runners);
    Ok(Step::Took(took))
}

/// Kills the operator, and says when the next one was ready.
pub(crate) async fn kill(bed: &Bed) -> anyhow::Result<Duration> {
    let epoch = bed.epoch().context("no operator is ready")?;
    send(bed.operator()?.pid, Signal::KILL)?;
    bed.next_operator(epoch).await
}

/// F2: killed right before and right after an effect, while an instance comes and while one goes.
pub(crate) async fn killed_at_effects(bed: &Bed) -> anyhow::Result<Step> {
    if !bed.has_fail_points {
        return Ok(Step::Skipped("needs-make-failpoints"));
    }
    let coming = ["commit 1", "commit 2", "allocate 1", "start 1"];
    let going = ["commit 1", "commit 2"];
    let points = coming.iter().map(|point| (3, point)).chain(going.iter().map(|point| (2, point)));
    let mut worst = Duration::ZERO;
    for when in ["before", "after"] {
        for (replicas, point) in points.clone() {
            // Each point of one kind starts from the same place.
            if bed.view.borrow().served("two") == replicas as usize {
                bed.scale("two", 5 - replicas).await?;
                settled(bed).await?;
            }
            let epoch = bed.epoch().context("no operator is ready")?;
            let file = bed.operator()?.cwd.join("../fail-point");
            std::fs::write(&file, format!("{when} {point}"))?;
            let since = Instant::now();
            bed.scale("two", replicas).await?;
            let end = settled(bed).await.with_context(|| format!("{when} {point}"))?;
            let took = end.saturating_duration_since(since);
            worst = worst.max(took);
            bed.judge(&format!("killed {when} {point}"), took, Duration::from_secs(8));
            if bed.epoch() == Some(epoch) {
                bed.findings.add(format!("no operator met {when} {point}"));
                // It was read and not met, or never read.
                drop(std::fs::remove_file(&file));
            }
        }
    }
    bed.scale("two", 2).await?;
    Ok(Step::Took(worst))
}

/// F3: a hung operator is superseded; when it runs on, it changes nothing and leaves.
pub(crate) async fn hung(bed: &Bed) -> anyhow::Result<Step> {
    let epoch = bed.epoch().context("no operator is ready")?;
    let runners = pids(bed, Role::Runner);
    let hung = bed.operator()?.pid;
    send(hung, Signal::STOP)?;
    let took = bed.next_operator(epoch).await?;
    // The NodeManager may have ended it already.
    drop(send(hung, Signal::CONT));
    let left = |bed: &Bed| !pids(bed, Role::Operator).contains(&hung);
    bed.until("the old operator has left", STEP, left).await?;
    kept(bed, &runners);
    Ok(Step::Took(took))
}

/// F4: three ends, as fast as the failure window forgives.
pub(crate) async fn killed_thrice(bed: &Bed) -> anyhow::Result<Step> {
    let runners = pids(bed, Role::Runner);
    let mut last = Duration::ZERO;
    for _ in 0..3 {
        last = kill(bed).await?;
        pause(APART).await;
    }
    kept(bed, &runners);
    Ok(Step::Took(last))
}

/// F4: YARN gives up; whoever asks is told, and the service can be started again on the same specs.
pub(crate) async fn given_up(bed: &Bed) -> anyhow::Result<Step> {
    let end = Instant::now() + STEP;
    let mut calm = Instant::now();
    // Until nobody has come for three seconds.
    while calm.elapsed() < Duration::from_secs(3) {
        if Instant::now() > end {
            bail!("operators come without end");
        }
        for operator in bed.processes(Role::Operator) {
            calm = Instant::now();
            // It may have ended by itself.
            drop(send(operator.pid, Signal::KILL));
        }
        pause(0.05).await;
    }
    let since = Instant::now();
    let (good, said) = bed.ctl(&["service", "status"]).await?;
    let took = since.elapsed();
    if good {
        bed.findings.add(format!("service status says of a service that has ended: {said}"));
    }
    bed.start_service().await?;
    Ok(Step::Took(took))
}

/// F36: a second service on a tree is refused; of two that are started at one moment one leads.
pub(crate) async fn two_services(bed: &Bed) -> anyhow::Result<Step> {
    let since = Instant::now();
    let (good, said) = bed.ctl(&["service", "start"]).await?;
    if good || !said.contains("already") {
        bed.findings.add(format!("a second service: {said}"));
    }
    let start = ["--root", "/maas-two", "service", "start", "--timeout", "20s"];
    let (one, other) = tokio::try_join!(bed.ctl(&start), bed.ctl(&start))?;
    if !one.0 && !other.0 {
        bed.findings.add(format!("neither leads: {} | {}", one.1, other.1));
    }
    if one.0 && other.0 && one.1.split("application_").nth(1) != other.1.split("application_").nth(1) {
        bed.findings.add(format!("both lead: {} | {}", one.1, other.1));
    }
    let (good, said) = bed.ctl(&["--root", "/maas-two", "service", "stop"]).await?;
    if !good {
        bail!("the one that leads does not stop: {said}");
    }
    Ok(Step::Since(since))
}

/// F37: another build and back, each reading what the other wrote; killed as it is asked for, and once it runs.
pub(crate) async fn upgraded(bed: &Bed) -> anyhow::Result<Step> {
    let next = bed.bin.join("next");
    if !next.join("maas-operator").exists() {
        return Ok(Step::Skipped("needs-make-failpoints"));
    }
    let runners = pids(bed, Role::Runner);
    let mut worst = Duration::ZERO;
    for programs in [&next, &bed.bin] {
        for again in [false, true] {
            let since = Instant::now();
            let directory = programs.to_string_lossy();
            let args = ["service", "upgrade", "--libexec", &directory];
            let (good, said) = if again {
                // The next attempt becomes the same program by itself.
                kill(bed).await?;
                bed.ctl(&args).await?
            } else {
                // Asked while none is there, or one that is too young to leave.
                send(bed.operator()?.pid, Signal::KILL)?;
                bed.ctl(&args).await?
            };
            if !good || again != said.contains("already") {
                bed.findings.add(format!("service upgrade --libexec {directory}: {said}"));
            }
            worst = worst.max(since.elapsed());
            kept(bed, &runners);
            pause(APART).await;
        }
        // What the other wrote is worked with.
        for replicas in [3, 2] {
            bed.scale("two", replicas).await?;
            settled(bed).await?;
        }
    }
    Ok(Step::Took(worst))
}

/// Runners that an operator's end must not touch.
fn kept(bed: &Bed, before: &[u32]) {
    let now = pids(bed, Role::Runner);
    if before != now {
        bed.findings.add(format!("runners {before:?} became {now:?}"));
    }
}

fn pids(bed: &Bed, role: Role) -> Vec<u32> {
    let mut pids: Vec<u32> = bed.processes(role).into_iter().map(|process| process.pid).collect();
    pids.sort_unstable();
    pids
}
