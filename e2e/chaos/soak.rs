//! Faults that overlap, by chance, from a seed.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use maas_e2e::{Request, Weather};
use rustix::process::Signal;

use crate::bed::{Bed, MODELS};
use crate::faults::heal;
use crate::procs::{Role, resident_kib, send};
use crate::report::Line;

/// What is still to be undone, and when.
type Undo = (Instant, Box<dyn Fn(&Bed) -> anyhow::Result<()>>);

/// `SOAK_SECONDS`; none when a soak is not asked for.
pub(crate) fn seconds() -> anyhow::Result<Option<u64>> {
    let Some(text) = std::env::var_os("SOAK_SECONDS") else { return Ok(None) };
    let seconds: u64 = text.to_string_lossy().parse().context("SOAK_SECONDS is no number")?;
    Ok(Some(seconds).filter(|seconds| *seconds > 0))
}

/// The same numbers from the same seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % most
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let index = self.below(all.len().max(1) as u64);
        all.get(usize::try_from(index).ok()?)
    }
}

struct Soak<'a> {
    bed: &'a Bed,
    chance: Chance,
    undo: Vec<Undo>,
    /// When it may be restarted again.
    daemons: Instant,
    operator: Instant,
    faults: u32,
}

/// Runs so long; the line says what came of it, and one more the operator's growth.
pub(crate) async fn run(bed: &Bed, seconds: u64) -> anyhow::Result<Line> {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.subsec_nanos();
    let seed = match std::env::var("CHAOS_SEED") {
        Ok(text) => text.parse().context("CHAOS_SEED is no number")?,
        Err(_) => u64::from(clock),
    };
    println!("soak seed={seed} seconds={seconds}");
    let (made, failed) = (bed.calls.made(), bed.calls.failed());
    let began = Instant::now();
    bed.findings.overlapping.store(true, Ordering::Relaxed);
    let (chance, undo) = (Chance(seed), Vec::new());
    let mut soak = Soak { bed, chance, undo, daemons: began, operator: began, faults: 0 };
    let all = Duration::from_secs(seconds);
    // The operator is killed in the first third; what it grows is looked at in the rest.
    let mut line = Line::soak();
    soak.until(began + all / 3, true).await;
    if let Err(missing) = soak.end().await {
        line.words.push(format!("seed {seed}: {missing}"));
    }
    let before = bed.operator().ok().and_then(|one| Some((one.pid, resident_kib(one.pid)?)));
    soak.until(began + all, false).await;
    line.took = match soak.end().await {
        Ok(took) => Some(took.as_secs_f64()),
        Err(missing) => {
            line.words.push(format!("seed {seed}: {missing}"));
            None
        }
    };
    let after = bed.operator().ok().and_then(|one| Some((one.pid, resident_kib(one.pid)?)));
    bed.findings.overlapping.store(false, Ordering::Relaxed);
    match (before, after) {
        (Some((pid, kib)), Some((now, kib_now))) if pid == now => {
            println!("soak operator_rss_kib={kib_now} growth_kib={}", kib_now.cast_signed() - kib.cast_signed());
            if kib_now > kib + 1024 {
                bed.findings.add(format!("the operator grew from {kib} to {kib_now} KiB"));
            }
        }
        _ => println!("soak growth_kib=unknown: the operator is another one than before"),
    }
    line.violations = bed.findings.take();
    line.failed = bed.calls.failed() - failed;
    line.words.extend(bed.calls.words());
    println!("soak faults={} calls={} failed={}", soak.faults, bed.calls.made() - made, line.failed);
    line.print();
    Ok(line)
}

impl Soak<'_> {
    async fn until(&mut self, end: Instant, may_kill: bool) {
        while Instant::now() < end {
            let what = self.chance.below(15);
            match self.one(what, may_kill).await {
                Ok(true) => self.faults += 1,
                Ok(false) => {}
                // What it was meant for is not there at this moment.
                Err(error) => tracing::debug!("{error:#}"),
            }
            let pause = Duration::from_millis(200 + self.chance.below(2_500));
            tokio::time::sleep(pause).await;
            let due = |undo: &mut Undo| undo.0 <= Instant::now();
            for (_, undo) in self.undo.extract_if(.., due) {
                drop(undo(self.bed));
            }
        }
    }

    /// Ends all faults and waits for the end of their consequences.
    async fn end(&mut self) -> Result<Duration, String> {
        self.undo.clear();
        heal(self.bed).await;
        let since = Instant::now();
        let end = crate::converge::converge(self.bed, Duration::from_secs(120)).await?;
        Ok(end.saturating_duration_since(since))
    }

    fn later(&mut self, most_ms: u64, undo: impl Fn(&Bed) -> anyhow::Result<()> + 'static) {
        let after = Duration::from_millis(300 + self.chance.below(most_ms));
        self.undo.push((Instant::now() + after, Box::new(undo)));
    }

    fn weather(&mut self, whose: &'static str, weather: Weather, most_ms: u64) {
        self.bed.zookeeper.set(whose, weather);
        self.later(most_ms, move |bed| {
            bed.zookeeper.set(whose, Weather::Clear);
            Ok(())
        });
    }

    /// One fault; false when it is not its time.
    async fn one(&mut self, what: u64, may_kill: bool) -> anyhow::Result<bool> {
        let bed = self.bed;
        let now = Instant::now();
        match what {
            0 | 1 => self.kill(Role::Model)?,
            2 => self.kill(Role::Runner)?,
            3 => self.weather("operator:", Weather::Stall, 8_000),
            4 => self.weather("runner:", Weather::Stall, 4_000),
            5 => self.weather("operator:", Weather::Cut, 3_000),
            6 => {
                let lose = Weather::LoseAnswer { to: Request::ZooKeeper(14), every: 2, times: 4 };
                self.weather("operator:", lose, 5_000);
            }
            7 => {
                let lose = Weather::LoseAnswer { to: Request::ZooKeeper(14), every: 2, times: 4 };
                self.weather("runner:", lose, 5_000);
            }
            8 => self.weather("", Weather::Delay(Duration::from_millis(30)), 5_000),
            9 | 10 => {
                let (name, usual) = *self.chance.one_of(&MODELS).context("no model")?;
                let replicas = usual - 1 + u32::try_from(self.chance.below(3))?;
                bed.scale(name, replicas).await?;
            }
            11 => {
                bed.scheduler.set("", Weather::Stall);
                self.later(6_000, |bed| {
                    bed.scheduler.clear();
                    Ok(())
                });
            }
            12 => {
                let models = bed.processes(Role::Model);
                let pid = self.chance.one_of(&models).context("no model")?.pid;
                send(pid, Signal::STOP)?;
                self.later(5_000, move |_| send(pid, Signal::CONT));
            }
            13 if may_kill && now >= self.operator => {
                send(bed.operator()?.pid, Signal::KILL)?;
                self.operator = now + Duration::from_secs(5);
            }
            14 if now >= self.daemons => {
                self.daemons = now + Duration::from_secs(20);
                match self.chance.below(3) {
                    0 => bed.cluster.zookeeper().restart().await?,
                    1 => bed.cluster.resource_manager().restart().await?,
                    _ => bed.cluster.node_manager(usize::try_from(self.chance.below(3))?).restart().await?,
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn kill(&mut self, role: Role) -> anyhow::Result<()> {
        let all = self.bed.processes(role);
        send(self.chance.one_of(&all).context("none runs")?.pid, Signal::KILL)
    }
}
