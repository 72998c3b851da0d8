//! Resident memory, of the operator with ten models and of their runners.

use std::time::Duration;

use anyhow::Context;

use crate::bed::Bed;
use crate::faults::MODELS;
use crate::figure::{Judged, Samples};

const LOOKS: usize = 10;
/// KiB: the leanest Java master, and Metron's runner.
const JVM_MASTER: f64 = 145.0 * 1024.0;
const METRON_RUNNER: f64 = 83.0 * 1024.0;

/// With [`MODELS`] models live.
pub(crate) async fn resident(bed: &Bed) -> anyhow::Result<()> {
    let (mut operator, mut runner) = (Samples::default(), Samples::default());
    for _ in 0..LOOKS {
        for pid in bed.pids("maas-operator") {
            operator.add(vm_rss(pid)?);
        }
        // The container's first process guards the runner proper: a model costs both.
        let (all, runners) = (bed.pids("maas-runner"), bed.pids("maas-runner\0supervise"));
        let sum = all.iter().map(|pid| vm_rss(*pid)).sum::<anyhow::Result<f64>>()?;
        runner.add(sum / runners.len() as f64);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    operator.print(&format!("operator_at_{MODELS}_models_KiB"), Judged::Worst, JVM_MASTER, 16.0 * 1024.0);
    runner.print("runner_KiB", Judged::Worst, METRON_RUNNER, 4.0 * 1024.0);
    Ok(())
}

/// KiB.
pub(crate) fn vm_rss(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
