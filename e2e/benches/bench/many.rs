//! Ten thousand models: how the operator and the command line bear a tree of that size.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt};
use maas_crd::{Name, Namespace};
use maas_store::{LeaderRecord, Node, Op, Stat, create_spec};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::bed::{Bed, kill};
use crate::figure::{Judged, Samples, ms_since};
use crate::size::vm_rss;

/// None of them wants an instance: the tree is what is measured.
const MODELS: usize = 10_000;
const TIMES: usize = 5;
const CHANGES: usize = 2_000;
/// Requests of this client that are out at one time.
const AT_ONCE: usize = 128;
const DEADLINE: Duration = Duration::from_secs(300);
const GLANCE: Duration = Duration::from_millis(100);

/// With nothing else in the tree.
pub(crate) async fn ten_thousand(bed: &Bed) -> anyhow::Result<()> {
    let began = Instant::now();
    each(MODELS, |number| async move {
        let name = format!("many{number}");
        let manifest = bed.dga(&name, 0);
        create_spec(&bed.store, &Namespace::default(), &name.parse::<Name>()?, manifest.as_bytes()).await?;
        Ok(())
    })
    .await?;
    println!("part={MODELS}_specs_written_ms median={:.1} worst={0:.1}", ms_since(began));
    until("a status of each", || async { Ok((count(bed, "status/ModelDeployment").await? == MODELS).then_some(())) })
        .await?;
    println!("part={MODELS}_specs_written_to_all_observed_ms median={:.1} worst={0:.1}", ms_since(began));
    let (mut list, mut get) = (Samples::default(), Samples::default());
    for _ in 0..TIMES {
        let began = Instant::now();
        let store = bed.another_session().await?;
        for folder in ["specs", "status"] {
            store.list(&bed.path(folder)).await?;
        }
        list.add(ms_since(began));
        store.close().await;
        let began = Instant::now();
        let said = bed.ctl(&["get", "models", "--no-headers"]).await?;
        get.add(ms_since(began));
        if said.lines().count() != MODELS {
            bail!("get shows {} of {MODELS}", said.lines().count());
        }
    }
    get.print(&format!("get_of_{MODELS}_models_ms"), Judged::Median, list.median(), 1_000.0);
    watched(bed).await?;
    let (mut led, mut seen, mut resident) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..TIMES {
        let (before, _) = leader(bed).await?.context("no leader")?;
        let operator = bed.pids("maas-operator").first().copied().context("no operator")?;
        let began = Instant::now();
        kill(operator)?;
        let (_, stat) = until("the next leader", || async {
            Ok(leader(bed).await?.filter(|(leader, _)| leader.epoch > before.epoch && leader.ready))
        })
        .await?;
        led.add(ms_since(began));
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a list")]
        seen.add((stat.mtime_ms - stat.ctime_ms) as f64);
        bed.settle().await;
        resident.add(vm_rss(bed.pids("maas-operator").first().copied().context("no operator")?)?);
    }
    seen.print(&format!("first_list_and_diff_of_{MODELS}_ms"), Judged::Median, list.median(), 2_000.0);
    led.print(&format!("operator_killed_to_reconciling_at_{MODELS}_ms"), Judged::Median, list.median(), 10_000.0);
    resident.print(&format!("operator_at_{MODELS}_models_KiB"), Judged::Worst, 145.0 * 1024.0, 128.0 * 1024.0);
    let began = Instant::now();
    each(MODELS, |number| async move {
        let node = Node::Spec { namespace: Namespace::default(), name: format!("many{number}").parse()? };
        bed.store.commit(&[Op::Delete { path: bed.store.path(&node), version: None }]).await?;
        Ok(())
    })
    .await?;
    until("nothing left", || async { Ok((count(bed, "revisions").await? == 0).then_some(())) }).await?;
    println!("part={MODELS}_deleted_to_nothing_left_ms median={:.1} worst={0:.1}", ms_since(began));
    Ok(())
}

/// `get -w` of all, while a model changes again and again: what it holds must not grow.
async fn watched(bed: &Bed) -> anyhow::Result<()> {
    let mut child = bed.command("maasctl", &["get", "models", "-w", "--no-headers"]).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
    for _ in 0..MODELS {
        lines.next_line().await?.context("get -w ended")?;
    }
    let pid = child.id().context("get -w ended")?;
    let before = vm_rss(pid)?;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    for change in 0..CHANGES {
        bed.write("many0", &(bed.dga("many0", 0) + &format!("  env: {{CHANGE: \"{change}\"}}\n"))).await?;
    }
    let mut grown = Samples::default();
    grown.add(vm_rss(pid)? - before);
    child.kill().await?;
    grown.part(&format!("get_w_of_{MODELS}_growth_over_{CHANGES}_changes_KiB"));
    let mut resident = Samples::default();
    resident.add(before);
    resident.part(&format!("get_w_of_{MODELS}_KiB"));
    Ok(())
}

/// So many acts, many at a time.
pub(crate) async fn each<F: Future<Output = anyhow::Result<()>>>(
    count: usize,
    act: impl Fn(usize) -> F,
) -> anyhow::Result<()> {
    futures::stream::iter((0..count).map(act)).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(drop)
}

/// Nodes two levels below a folder: one for each deployment.
async fn count(bed: &Bed, folder: &str) -> anyhow::Result<usize> {
    let Some(namespaces) = bed.store.children(&bed.path(folder)).await? else { return Ok(0) };
    let mut all = 0;
    for namespace in namespaces {
        all += bed.store.children(&bed.path(&format!("{folder}/{namespace}"))).await?.unwrap_or_default().len();
    }
    Ok(all)
}

async fn leader(bed: &Bed) -> anyhow::Result<Option<(LeaderRecord, Stat)>> {
    let path = bed.store.path(&Node::Leader);
    let Some((data, stat)) = bed.store.get(&path).await? else { return Ok(None) };
    Ok(Some((LeaderRecord::decode(&path, &data)?, stat)))
}

/// The watching client of the other figures would drown in this tree: this one looks.
async fn until<T, F: Future<Output = anyhow::Result<Option<T>>>>(
    what: &str,
    look: impl Fn() -> F,
) -> anyhow::Result<T> {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() > end {
            bail!("{what}: not within {DEADLINE:?}");
        }
        tokio::time::sleep(GLANCE).await;
    }
}
