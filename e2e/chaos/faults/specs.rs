//! What people and other programs write into the tree.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use maas_crd::{Namespace, parse_one};
use maas_e2e::{Request, Weather};
use maas_store::{Node, Op, get_spec};

use super::{Step, pause, settled};
use crate::bed::{Bed, STEP, patiently};

const WRITERS: u32 = 16;
const EDITS: u32 = 50;
/// Deployments that `-mo ADD` makes are named by model and version.
const EDITED: &str = "edits-1";

/// F28: a spec that can't be read says so on itself, and what served serves on.
pub(crate) async fn unreadable(bed: &Bed) -> anyhow::Result<Step> {
    let good = bed.dga("two", 2);
    let bad = [
        good.chars().take(60).collect::<String>(),
        good.replace("replicas: 2", "replicas: [2"),
        good.replace("replicas: 2", "replcas: 2"),
        good.replace("maas/v1", "maas/v9"),
        "\u{0}\u{1}\u{2}".to_owned(),
    ];
    let before = bed.view.borrow().endpoints();
    let mut worst = Duration::ZERO;
    for text in bad {
        bed.raw(bed.spec_path("two")?, text.clone().into_bytes()).await?;
        let generation = |bed: &Bed| bed.view.borrow().specs().get("two").map(|spec| spec.generation);
        let written = generation(bed);
        let said = |bed: &Bed| {
            let view = bed.view.borrow();
            let now = view.statuses().get("two").map(|status| status.observed_generation);
            view.says("two", "InvalidSpec") && now >= written && now == generation(bed)
        };
        pause(0.05).await;
        worst = worst.max(bed.until(&format!("a word on {text:?}"), STEP, said).await?);
    }
    pause(1.0).await;
    if bed.view.borrow().endpoints() != before {
        bed.findings.add("endpoints changed under specs that can't be read".to_owned());
    }
    bed.scale("two", 2).await?;
    Ok(Step::Took(worst))
}

/// F29: 16 writers with 50 edits each add one instance an edit, and every seventh answer is lost after it was applied.
/// What each was told is so: no edit that succeeded is missing, none was applied twice.
pub(crate) async fn many_writers(bed: &Bed) -> anyhow::Result<Step> {
    first(bed).await?;
    let seldom = Weather::LoseAnswer { to: Request::ZooKeeper(14), every: 7, times: u32::MAX };
    bed.zookeeper.set("other:", seldom);
    let since = Instant::now();
    let writers = (0..WRITERS).map(|_| async {
        let mut done = 0;
        for _ in 0..EDITS {
            done += u32::from(add(bed).output().await.is_ok_and(|output| output.status.success()));
        }
        done
    });
    let done: u32 = futures_of(writers).await.into_iter().sum();
    let took = since.elapsed();
    let lost = u32::MAX - bed.zookeeper.answers_to_lose("other:");
    bed.zookeeper.clear();
    println!("answers_lost={lost}");
    if lost == 0 {
        bed.findings.add("no answer was lost".to_owned());
    }
    Edits { made: WRITERS * EDITS, done }.judge(bed).await?;
    Ok(Step::Took(took))
}

/// An edit of one more instance, each larger than any node, so that nothing starts.
fn add(bed: &Bed) -> tokio::process::Command {
    let words =
        ["-zq", bed.quorum(), "-mo", "ADD", "-n", "edits", "-v", "1", "-m", "100000", "-ni", "1", "-hmp", &bed.payload];
    bed.command("maas_deploy.sh", &words)
}

/// The edit that makes the deployment, which is not counted.
async fn first(bed: &Bed) -> anyhow::Result<()> {
    let first = add(bed).output().await?;
    if !first.status.success() {
        bail!("the first ADD: {}", String::from_utf8_lossy(&first.stderr));
    }
    Ok(())
}

/// Edits that were made, and of how many it was said that they were done.
pub(super) struct Edits {
    made: u32,
    done: u32,
}

impl Edits {
    /// Makes one after another.
    pub(super) async fn make(bed: &Bed, made: u32) -> anyhow::Result<Self> {
        first(bed).await?;
        let mut done = 0;
        for _ in 0..made {
            done += u32::from(add(bed).output().await?.status.success());
        }
        Ok(Self { made, done })
    }

    /// What was said to be done stands, and nothing twice. The deployment is deleted.
    pub(super) async fn judge(self, bed: &Bed) -> anyhow::Result<()> {
        let Self { made, done } = self;
        let get = async || Ok(get_spec(&bed.store, &Namespace::default(), &EDITED.parse()?).await?);
        let read = patiently(get).await?.context("no spec")?;
        let stands = parse_one(&read.text).map_err(|error| anyhow::anyhow!("{error:?}"))?.resource.spec.replicas - 1;
        let unknown = made - done;
        println!("edits={made} acknowledged={done} unknown={unknown} stand={stands}");
        if stands < done {
            bed.findings.add(format!("{} acknowledged edits are lost", done - stands));
        }
        if stands > done + unknown {
            bed.findings.add(format!("{} edits were applied twice", stands - done - unknown));
        }
        bed.delete(EDITED).await
    }
}

/// All at once, on this task.
async fn futures_of<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    use std::task::Poll;
    let mut running: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        let mut is_pending = false;
        for (one, result) in running.iter_mut().filter(|(_, result)| result.is_none()) {
            match one.as_mut().poll(context) {
                Poll::Ready(value) => *result = Some(value),
                Poll::Pending => is_pending = true,
            }
        }
        if is_pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, result)| result).collect()
}

/// F30: a status of noise, an endpoint taken away, nodes that are nobody's.
pub(crate) async fn foreign_nodes(bed: &Bed) -> anyhow::Result<Step> {
    let since = Instant::now();
    let (namespace, name) = (Namespace::default(), "one".parse::<maas_crd::Name>()?);
    let path = |node: Node| bed.store.path(&node);
    bed.raw(path(Node::Status { namespace: namespace.clone(), name: name.clone() }), vec![0xff; 300]).await?;
    bed.raw(path(Node::Events { namespace: namespace.clone(), name: name.clone() }), b"{".to_vec()).await?;
    let (_, (_, iid), _) = bed.victim("one")?;
    let endpoint = path(Node::Endpoint { namespace: namespace.clone(), name: name.clone(), iid: iid.parse()? });
    bed.store.commit(&[Op::Delete { path: endpoint, version: None }]).await?;
    let foreign =
        ["instances/default/one/not-an-id", "endpoints/default/nobody", "specs/ModelDeployment/default/Bad_Name"];
    for below in foreign {
        let node = path(Node::Folder(below.to_owned()));
        bed.store.commit(&[Op::Create { path: node, data: b"?".to_vec(), ephemeral: false }]).await?;
    }
    pause(0.2).await;
    let end = settled(bed).await;
    for below in foreign {
        // Some are taken for garbage and gone already.
        drop(bed.store.commit(&[Op::Delete { path: path(Node::Folder(below.to_owned())), version: None }]).await);
    }
    Ok(Step::Took(end?.saturating_duration_since(since)))
}

/// F30: the fence itself is gone.
pub(crate) async fn epoch_deleted(bed: &Bed) -> anyhow::Result<Step> {
    let before = bed.processes(crate::procs::Role::Runner).len();
    let since = Instant::now();
    bed.store.commit(&[Op::Delete { path: bed.store.path(&Node::Epoch), version: None }]).await?;
    bed.scale("two", 3).await?;
    pause(0.5).await;
    let took = settled(bed).await?.saturating_duration_since(since);
    if bed.processes(crate::procs::Role::Runner).len() < before {
        bed.findings.add("runners were ended".to_owned());
    }
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

/// F31: too long a manifest is refused; a znode that others wrote so is told and harms nobody else.
pub(crate) async fn oversized(bed: &Bed) -> anyhow::Result<Step> {
    let long = format!("{}  env: {{A: \"{}\"}}\n", bed.dga("huge", 1), "x".repeat(70_000));
    let file = bed.scratch.path().join("huge.yaml");
    std::fs::write(&file, &long)?;
    let (good, said) = bed.ctl(&["apply", "-f", &file.display().to_string()]).await?;
    if good {
        bed.findings.add(format!("a manifest of {} bytes was taken: {said}", long.len()));
    }
    let create = Op::Create { path: bed.spec_path("huge")?, data: vec![b'x'; 900_000], ephemeral: false };
    bed.store.commit(&[create]).await?;
    let since = Instant::now();
    bed.scale("two", 3).await?;
    bed.until("another is followed", STEP, |bed| bed.view.borrow().served("two") == 3).await?;
    let took = since.elapsed();
    bed.delete("huge").await?;
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}
