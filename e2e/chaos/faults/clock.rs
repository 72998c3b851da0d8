//! Faults of the clock.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::bail;

use super::{Step, pause, settled};
use crate::bed::Bed;
use crate::procs::Role;

/// Longer than a session's timeout: whatever measures spans by the calendar acts within it.
const WATCHED: f64 = 8.0;

/// F26: the calendar of operator and runners jumps, there and back, while they run; theirs alone, so that everybody else's
/// disagrees with it. They are upgraded to themselves under libfaketime, which leaves the monotonic clock alone.
pub(crate) async fn jumps(bed: &Bed) -> anyhow::Result<Step> {
    let Some(library) = library() else { return Ok(Step::Skipped("needs-libfaketime")) };
    if !bed.bin.join("dynamic/maas-runner").exists() {
        return Ok(Step::Skipped("needs-make-failpoints"));
    }
    let (programs, offset) = (bed.scratch.path().join("clock"), bed.scratch.path().join("offset"));
    std::fs::create_dir_all(&programs)?;
    set(&offset, "+0")?;
    for (name, real) in [("maas-operator", "maas-operator"), ("maas-runner", "dynamic/maas-runner")] {
        let script = format!(
            "#!/bin/sh\nexport LD_PRELOAD={} FAKETIME_TIMESTAMP_FILE={} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1\n\
             exec {} \"$@\"\n",
            library.display(),
            offset.display(),
            bed.bin.join(real).canonicalize()?.display()
        );
        std::fs::write(programs.join(name), script)?;
    }
    upgrade(bed, &programs).await?;
    for name in ["one", "two"] {
        told(bed, &["rollout", "restart", "model", name]).await?;
        told(bed, &["rollout", "status", "model", name]).await?;
    }
    settled(bed).await?;
    let epoch = bed.epoch();
    let mut worst = Duration::ZERO;
    for jump in ["+1h", "-1h", "+1d", "-1d", "+0"] {
        let before = state(bed);
        set(&offset, jump)?;
        pause(WATCHED).await;
        if state(bed) != before {
            bed.findings.add(format!("after a jump by {jump} {before:?} became {:?}", state(bed)));
        }
        let since = Instant::now();
        bed.scale("two", 3).await?;
        let end = settled(bed).await?;
        worst = worst.max(end.saturating_duration_since(since));
        bed.scale("two", 2).await?;
        settled(bed).await?;
        if bed.epoch() != epoch {
            bed.findings.add(format!("another operator came after a jump by {jump}"));
        }
    }
    upgrade(bed, &bed.bin).await?;
    Ok(Step::Took(worst))
}

fn library() -> Option<PathBuf> {
    let machines = std::fs::read_dir("/usr/lib").ok()?;
    let of = |machine: std::fs::DirEntry| machine.path().join("faketime/libfaketime.so.1");
    machines.flatten().map(of).find(|path| path.exists())
}

/// In one step: it is read at any moment.
fn set(file: &Path, offset: &str) -> std::io::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, format!("{offset}\n"))?;
    std::fs::rename(new, file)
}

async fn upgrade(bed: &Bed, programs: &Path) -> anyhow::Result<()> {
    told(bed, &["service", "upgrade", "--libexec", &programs.to_string_lossy()]).await
}

async fn told(bed: &Bed, words: &[&str]) -> anyhow::Result<()> {
    let (good, said) = bed.ctl(words).await?;
    if !good {
        bail!("maasctl {words:?}: {said}");
    }
    Ok(())
}

/// Who leads, what is served, and which processes run.
fn state(bed: &Bed) -> (Option<u32>, Vec<String>, Vec<u32>) {
    let mut served: Vec<String> = bed.calls.urls().into_iter().collect();
    served.sort();
    let mut pids: Vec<u32> = [Role::Operator, Role::Runner, Role::Model]
        .into_iter()
        .flat_map(|role| bed.processes(role))
        .map(|process| process.pid)
        .collect();
    pids.sort_unstable();
    (bed.epoch(), served, pids)
}
