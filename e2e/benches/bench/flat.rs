//! `get -w` of ten thousand models for minutes, beside a ZooKeeper alone. Only when asked for: `BENCH_MINUTES=10`.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use maas_crd::{Name, Namespace};
use maas_e2e::Cluster;
use maas_store::{Config, Node, Op, Store, create_spec};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::bed::manifest;
use crate::figure::{Judged, Samples};
use crate::many::each;
use crate::size::vm_rss;

const MODELS: usize = 10_000;
/// Between two changes: some twenty in a second, each of another model.
const BETWEEN: Duration = Duration::from_millis(50);
const SAMPLED: Duration = Duration::from_secs(5);
/// How much more it may hold at the end than after its first minute, in KiB.
const GROWTH: f64 = 4.0 * 1024.0;

/// How long, if at all.
pub(crate) fn minutes() -> anyhow::Result<Option<u64>> {
    let asked = std::env::var("BENCH_MINUTES").ok();
    asked.map(|text| text.parse().with_context(|| format!("BENCH_MINUTES={text}: not a number"))).transpose()
}

/// What it holds must be the same from the first minute to the last.
pub(crate) async fn watched(minutes: u64) -> anyhow::Result<()> {
    let cluster = Cluster::builder().zookeeper_only().start().await?;
    let store = Store::open(Config::new(cluster.quorum())).await?;
    store.init().await?;
    let text = |name: &str, mark: usize| manifest(name, 0, "/m", &format!("  env: {{MARK: \"{mark}\"}}\n"));
    let named = |number: usize| format!("many{number}").parse::<Name>();
    each(MODELS, |number| {
        let store = &store;
        async move {
            let name = named(number)?;
            Ok(create_spec(store, &Namespace::default(), &name, text(name.as_str(), 0).as_bytes()).await.map(drop)?)
        }
    })
    .await?;
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/dist");
    let bin = std::env::var_os("MAAS_BIN").map_or(default, Into::into);
    let mut child = Command::new(bin.join("maasctl"))
        .args(["get", "models", "-w", "--no-headers"])
        .env("MAAS_ZOOKEEPER", cluster.quorum())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let pid = child.id().context("get -w ended")?;
    let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
    for _ in 0..MODELS {
        lines.next_line().await?.context("get -w ended")?;
    }
    let shown = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&shown);
    tokio::spawn(async move {
        while let Ok(Some(_)) = lines.next_line().await {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (began, mut written) = (Instant::now(), 0_usize);
    let (mut early, mut late) = (Samples::default(), Samples::default());
    let (end, mut sampled) = (Duration::from_secs(60 * minutes), Instant::now());
    while began.elapsed() < end {
        written += 1;
        // A prime, so that the changes go through all of them in no order.
        let name = named(written.wrapping_mul(7919) % MODELS)?;
        let path = store.path(&Node::Spec { namespace: Namespace::default(), name: name.clone() });
        let data = text(name.as_str(), written).into_bytes();
        store.commit(&[Op::Set { path, data, version: None }]).await?;
        if sampled.elapsed() >= SAMPLED {
            sampled = Instant::now();
            let of = if began.elapsed() < Duration::from_secs(60) { &mut early } else { &mut late };
            of.add(vm_rss(pid)?);
        }
        tokio::time::sleep(BETWEEN).await;
    }
    let all_shown = async {
        while shown.load(Ordering::Relaxed) < written as u64 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(60), all_shown).await.is_err() {
        bail!("get -w has shown {} of {written} changes", shown.load(Ordering::Relaxed));
    }
    child.kill().await?;
    println!("part=get_w_for_{minutes}_minutes_changes median={written}.0 worst={written}.0");
    late.part(&format!("get_w_for_{minutes}_minutes_KiB"));
    let mut growth = Samples::default();
    growth.add(late.worst() - early.worst());
    growth.print(&format!("get_w_for_{minutes}_minutes_growth_KiB"), Judged::Worst, early.worst(), GROWTH);
    Ok(())
}
