//! Faults of ZooKeeper and of the way to it.

use std::time::Instant;

use maas_e2e::Weather;

use super::{Step, pause};
use crate::bed::Bed;

/// Session timeout, a tick of the server, and some.
const EXPIRED: f64 = 8.0;

/// F14: sessions move, nothing expires, what is served stays.
pub(crate) async fn restart(bed: &Bed) -> anyhow::Result<Step> {
    bed.cluster.zookeeper().kill()?;
    pause(2.0).await;
    bed.cluster.zookeeper().start().await?;
    Ok(Step::Since(Instant::now()))
}

/// F15: a session expires behind a cable that was pulled. One runner of all, when it is a runner's.
pub(crate) async fn expired(bed: &Bed, whose: &str) -> anyhow::Result<Step> {
    let prefix = one_of(bed, whose)?;
    bed.zookeeper.set(&prefix, Weather::Stall);
    pause(EXPIRED).await;
    bed.zookeeper.clear();
    Ok(Step::Since(Instant::now()))
}

/// F16: the way to ZooKeeper is cut, for less than a session; an edit made meanwhile is followed.
pub(crate) async fn cut(bed: &Bed, whose: &str) -> anyhow::Result<Step> {
    bed.zookeeper.set(&one_of(bed, whose)?, Weather::Cut);
    bed.scale("two", 3).await?;
    pause(4.0).await;
    bed.zookeeper.clear();
    let since = Instant::now();
    let took = super::settled(bed).await?.saturating_duration_since(since);
    bed.scale("two", 2).await?;
    Ok(Step::Took(took))
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
