//! F12 and F20: one of several ResourceManagers and ZooKeeper servers goes, or falls behind.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use maas_e2e::Daemon;
use maas_store::{Node, Stat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::specs::Edits;
use super::{Step, pause, settled};
use crate::bed::{Bed, STEP};
use crate::procs::Role;

/// Longer than a session, shorter than a leader's patience with its followers: one that runs on afterwards is still a follower,
/// and shows what was before until it has caught up.
const AWAY: f64 = 8.0;
/// One that meets the paused server first takes some seconds.
const EDITS: u32 = 4;
const ANSWER: Duration = Duration::from_secs(2);

/// F12: the active ResourceManager dies. Operator and command line go on with the other, and an edit that is made meanwhile is
/// followed. The dead one comes back on standby.
pub(crate) async fn active_killed(bed: &Bed) -> anyhow::Result<Step> {
    let runners = |bed: &Bed| bed.processes(Role::Runner).into_iter().map(|one| one.pid).collect::<Vec<_>>();
    let before = runners(bed);
    let active = bed.cluster.active_resource_manager().await?;
    println!("  {} is active", active.name());
    let since = Instant::now();
    active.kill()?;
    bed.scale("two", 3).await?;
    let end = settled(bed).await;
    let (good, said) = bed.ctl(&["service", "status"]).await?;
    active.start().await?;
    bed.cluster.await_ready().await?;
    let took = end?.saturating_duration_since(since);
    if !good {
        bed.findings.add(format!("service status after the failover: {said}"));
    }
    let now = runners(bed);
    if let Some(gone) = before.iter().find(|pid| !now.contains(pid)) {
        bed.findings.add(format!("runner {gone} was ended: {before:?} became {now:?}"));
    }
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

/// Whose ZooKeeper server it is.
#[derive(Clone, Copy)]
pub(crate) enum Whose {
    Operator,
    Runner,
    Client,
}

/// F20: the follower that serves one of our sessions stands still, and runs on with what it had.
pub(crate) async fn server_lags(bed: &Bed, whose: Whose) -> anyhow::Result<Step> {
    let server = follower_of(bed, whose).await?;
    println!("  {} is paused", server.name());
    server.pause()?;
    let paused = Instant::now();
    bed.scale("two", 3).await?;
    let edits = Edits::make(bed, EDITS).await;
    pause((AWAY - paused.elapsed().as_secs_f64()).max(0.0)).await;
    server.resume()?;
    let since = Instant::now();
    edits?.judge(bed).await?;
    let took = settled(bed).await?.saturating_duration_since(since);
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

/// F20: the leader dies, and the others choose another one.
pub(crate) async fn leader_killed(bed: &Bed) -> anyhow::Result<Step> {
    let leader = leader(bed).await?;
    println!("  {} leads", leader.name());
    let since = Instant::now();
    leader.kill()?;
    bed.scale("two", 3).await?;
    let followed = bed.until("an edit is followed", STEP, |bed| bed.view.borrow().served("two") == 3).await;
    let took = since.elapsed();
    let edits = Edits::make(bed, EDITS).await;
    leader.start().await?;
    followed?;
    edits?.judge(bed).await?;
    settled(bed).await?;
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

async fn leader(bed: &Bed) -> anyhow::Result<&Daemon> {
    let end = Instant::now() + STEP;
    while Instant::now() < end {
        for (daemon, address) in bed.cluster.zookeepers() {
            if ask(address, "srvr").await.is_ok_and(|said| said.contains("Mode: leader")) {
                return Ok(daemon);
            }
        }
        pause(0.1).await;
    }
    bail!("no ZooKeeper server leads")
}

/// The server that holds the session, once that is a follower: another leader is chosen until then.
async fn follower_of(bed: &Bed, whose: Whose) -> anyhow::Result<&Daemon> {
    for _ in 0..6 {
        let server = server_of(bed, whose).await?;
        let leader = leader(bed).await?;
        if server.name() != leader.name() {
            return Ok(server);
        }
        leader.restart().await?;
        settled(bed).await?;
    }
    bail!("the session is with the leader again and again")
}

/// The server that holds the session, by its own list of connections.
async fn server_of(bed: &Bed, whose: Whose) -> anyhow::Result<&Daemon> {
    let end = Instant::now() + STEP;
    while Instant::now() < end {
        let session = session(bed, whose).await?;
        let sought = format!("sid={:#x},", session.cast_unsigned());
        for (daemon, address) in bed.cluster.zookeepers() {
            if ask(address, "cons").await.is_ok_and(|said| said.contains(&sought)) {
                return Ok(daemon);
            }
        }
        pause(0.1).await;
    }
    bail!("no ZooKeeper server has the session")
}

async fn session(bed: &Bed, whose: Whose) -> anyhow::Result<i64> {
    let path = match whose {
        Whose::Client => return Ok(bed.client.session_id()),
        Whose::Operator => bed.store.path(&Node::Leader),
        Whose::Runner => {
            let (_, (name, iid), _) = bed.victim("one")?;
            let (namespace, name) = (maas_crd::Namespace::default(), name.parse()?);
            bed.store.path(&Node::Runner { namespace, name, iid: iid.parse()? })
        }
    };
    let (_, Stat { ephemeral_owner, .. }) = bed.store.get(&path).await?.with_context(|| format!("no {path}"))?;
    Ok(ephemeral_owner)
}

/// Asks a server by one of its four-letter words.
async fn ask(server: SocketAddr, word: &str) -> anyhow::Result<String> {
    let asked = async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(word.as_bytes()).await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        Ok::<_, std::io::Error>(said)
    };
    Ok(timeout(ANSWER, asked).await??)
}
