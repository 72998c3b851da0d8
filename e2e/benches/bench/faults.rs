//! Models and operators killed with -9.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use maas_store::{LeaderRecord, Node};

use crate::bed::{Bed, View, kill};
use crate::figure::{Judged, Samples, TIMES, ms_since};
use crate::floor::Floor;
use crate::hand::side_by_side;

/// Models that are killed, once each: the second restart within ten minutes would wait a second, by design.
pub(crate) const MODELS: usize = 10;

/// Model killed → its endpoint gone from a watching client; → ready again.
pub(crate) async fn model_killed(bed: &Bed) -> anyhow::Result<()> {
    let (mut own, mut gone, mut again) = (Samples::default(), Samples::default(), Samples::default());
    for number in 0..MODELS {
        own.add(side_by_side(bed, 1).await?);
        let name = format!("m{number}");
        let live = bed.live(&name, 1).await?;
        let (path, endpoint) = live.first().context("no endpoint")?;
        let process =
            bed.processes("dga.py").into_iter().find(|(_, cwd)| cwd.to_string_lossy().contains(&endpoint.container));
        let (pid, _) = process.with_context(|| format!("no process in {}", endpoint.container))?;
        let began = Instant::now();
        kill(pid)?;
        bed.until("the endpoint gone", |view| (!view.contains_key(path)).then_some(())).await?;
        gone.add(ms_since(began));
        if let Some((_, found)) = bed.live(&name, 1).await?.first() {
            bed.answers(&found.url).await?;
            again.add(ms_since(began));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    gone.print("model_killed_to_endpoint_gone_ms", Judged::Worst, 3_000.0, 300.0);
    again.print("model_killed_to_ready_again_ms", Judged::Median, 3_000.0, own.median() + 500.0);
    Ok(())
}

/// Operator killed → the next one leads and has acted upon a scale that was written right after the kill.
pub(crate) async fn operator_killed(bed: &Bed) -> anyhow::Result<()> {
    let mut floor = Floor::submit(bed).await?;
    bed.write("kept", &bed.dga("kept", 2)).await?;
    bed.live("kept", 2).await?;
    let (mut attempt, mut led) = (Samples::default(), Samples::default());
    let (mut acted, mut live, mut lost) = (Samples::default(), Samples::default(), 0);
    let below = bed.path("instances/default/kept/");
    let records = |view: &View| view.keys().filter(|path| is_record(path, &below)).count();
    for turn in 0..TIMES {
        attempt.add(floor.restart().await?);
        bed.settle().await;
        let epoch = bed.until("a leader", |view| leader(bed, view)).await?.epoch;
        let runners = bed.pids("maas-runner\0supervise");
        let operator = bed.pids("maas-operator").first().copied().context("no operator")?;
        let replicas = turn + 3;
        let began = Instant::now();
        kill(operator)?;
        bed.write("kept", &bed.dga("kept", u32::try_from(replicas)?)).await?;
        let next = |view: &View| leader(bed, view).filter(|leader| leader.epoch > epoch && leader.ready).map(drop);
        bed.until("the next leader", next).await?;
        led.add(ms_since(began));
        bed.until("the scale", |view| (records(view) >= replicas).then_some(())).await?;
        acted.add(ms_since(began));
        bed.live("kept", replicas).await?;
        live.add(ms_since(began));
        let now = bed.pids("maas-runner\0supervise");
        lost += runners.iter().filter(|pid| !now.contains(pid)).count();
    }
    floor.end().await?;
    bed.clear().await?;
    attempt.part("floor_bare_master_killed_to_next_attempt_ms");
    led.part("operator_killed_to_next_leader_ms");
    live.part("operator_killed_to_scale_live_ms");
    acted.print("operator_killed_to_reconciling_ms", Judged::Median, attempt.median(), 1_000.0);
    println!("part=containers_lost_in_{TIMES}_operator_kills count={lost}");
    if lost > 0 {
        bail!("{lost} containers were not kept");
    }
    Ok(())
}

fn is_record(path: &str, below: &str) -> bool {
    path.strip_prefix(below).is_some_and(|iid| !iid.contains('/'))
}

fn leader(bed: &Bed, view: &View) -> Option<LeaderRecord> {
    let path = bed.store.path(&Node::Leader);
    LeaderRecord::decode(&path, view.get(&path)?).ok()
}
