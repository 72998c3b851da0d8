//! Faults of ZooKeeper and of the way to it.

use std::time::{Duration, Instant};

use maas_e2e::{Request, Weather};

use super::{Step, pause, settled};
use crate::bed::Bed;

/// Session timeout, a tick of the server, and some.
const EXPIRED: f64 = 8.0;
/// ZooKeeper's operation code of a multi: what the operator and the runners write with.
const MULTI: Request = Request::ZooKeeper(14);

/// F14: sessions move, nothing expires, what is served stays.
pub(crate) async fn restart(bed: &Bed) -> anyhow::Result<Step> {
    bed.cluster.zookeeper().kill()?;
    pause(2.0).await;
    bed.cluster.zookeeper().start().await?;
    Ok(Step::Since(Instant::now()))
}

/// F15: a session expires behind a cable that was pulled. One runner of all, when it is a runner's.
pub(crate) async fn expired(bed: &Bed, whose: &str) -> anyhow::Result<Step> {
    bed.zookeeper.set(&one_of(bed, whose)?, Weather::Stall);
    pause(EXPIRED).await;
    bed.zookeeper.clear();
    Ok(Step::Since(Instant::now()))
}

/// F16: the way to ZooKeeper is away, for less than a session; an edit made meanwhile is followed.
pub(crate) async fn away(bed: &Bed, whose: &str, weather: Weather) -> anyhow::Result<Step> {
    bed.zookeeper.set(&one_of(bed, whose)?, weather);
    bed.scale("two", 3).await?;
    pause(4.0).await;
    bed.zookeeper.clear();
    let since = Instant::now();
    let took = settled(bed).await?.saturating_duration_since(since);
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

/// F17: nobody answers for 20 s (with one server: it is down). All serve on, and an edit fails in time with a clear word.
pub(crate) async fn down(bed: &Bed) -> anyhow::Result<Step> {
    bed.cluster.zookeeper().kill()?;
    let began = Instant::now();
    let (good, said) = bed.ctl(&["scale", "two", "--replicas", "3"]).await?;
    bed.judge("an edit's failure", began.elapsed(), Duration::from_secs(6));
    if good || !said.contains("ZooKeeper") {
        bed.findings.add(format!("an edit without ZooKeeper: {said}"));
    }
    pause(20.0 - began.elapsed().as_secs_f64()).await;
    bed.cluster.zookeeper().start().await?;
    Ok(Step::Since(Instant::now()))
}

/// F18: every message of operator and runners takes 100 ms longer, one behind the other; an edit is followed all the same.
pub(crate) async fn slow(bed: &Bed) -> anyhow::Result<Step> {
    for whose in ["operator:", "runner:"] {
        bed.zookeeper.set(whose, Weather::Delay(Duration::from_millis(100)));
    }
    bed.scale("two", 3).await?;
    pause(15.0).await;
    bed.zookeeper.clear();
    let since = Instant::now();
    let took = settled(bed).await?.saturating_duration_since(since);
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

/// F18: a server that is away four fifths of the time.
pub(crate) async fn stutters(bed: &Bed) -> anyhow::Result<Step> {
    bed.scale("two", 3).await?;
    for _ in 0..30 {
        bed.cluster.zookeeper().pause()?;
        pause(0.4).await;
        bed.cluster.zookeeper().resume()?;
        pause(0.1).await;
    }
    let since = Instant::now();
    let took = settled(bed).await?.saturating_duration_since(since);
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

/// F19: the answers of the operator's next writes are lost, each after it was applied.
pub(crate) async fn operator_answers_lost(bed: &Bed) -> anyhow::Result<Step> {
    bed.zookeeper.set("operator:", Weather::LoseAnswer { to: MULTI, every: 1, times: 3 });
    let since = Instant::now();
    bed.scale("two", 3).await?;
    let end = settled(bed).await;
    all_were_lost(bed, "operator:");
    let took = end?.saturating_duration_since(since);
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
}

/// F19: as a runner publishes, and as the operator takes over.
pub(crate) async fn runner_answers_lost(bed: &Bed) -> anyhow::Result<Step> {
    bed.zookeeper.set("runner:", Weather::LoseAnswer { to: MULTI, every: 1, times: 3 });
    let (model, _, _) = bed.victim("one")?;
    let since = Instant::now();
    crate::procs::send(model.pid, rustix::process::Signal::KILL)?;
    pause(0.5).await;
    let end = settled(bed).await;
    all_were_lost(bed, "runner:");
    Ok(Step::Took(end?.saturating_duration_since(since)))
}

/// F19: the answer to the take-over itself.
pub(crate) async fn take_over_answer_lost(bed: &Bed) -> anyhow::Result<Step> {
    bed.zookeeper.set("operator:", Weather::LoseAnswer { to: MULTI, every: 1, times: 1 });
    let took = super::operator::kill(bed).await;
    all_were_lost(bed, "operator:");
    pause(1.2).await;
    Ok(Step::Took(took?))
}

/// A fault that did not happen proves nothing.
fn all_were_lost(bed: &Bed, prefix: &str) {
    let left = bed.zookeeper.answers_to_lose(prefix);
    bed.zookeeper.clear();
    if left > 0 {
        bed.findings.add(format!("{left} answers were not lost"));
    }
}

/// The links' name: a runner's own, when runners are meant.
fn one_of(bed: &Bed, whose: &str) -> anyhow::Result<String> {
    if whose != "runner:" {
        return Ok(whose.to_owned());
    }
    let (model, _, _) = bed.victim("one")?;
    let runners = bed.runners("one");
    let runner = runners.iter().find(|runner| runner.container() == model.container());
    Ok(format!("runner:{}:", runner.map_or(0, |runner| runner.pid)))
}
