//! Waiting for the end of a fault's consequences.

use std::time::{Duration, Instant};

use crate::bed::Bed;
use crate::procs::Role;

/// How long nothing may change before it counts as the end.
const QUIET: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(50);

/// Waits until all is as wanted and nothing changes any more. Returns when that began to be so, or what is missing.
pub(crate) async fn converge(bed: &Bed, within: Duration) -> Result<Instant, String> {
    let end = Instant::now() + within;
    let mut since: Option<(Instant, Vec<(String, i64)>)> = None;
    loop {
        let now = Instant::now();
        let missing = match as_wanted(bed) {
            Ok(()) => allocated(bed).await.err(),
            Err(missing) => Some(missing),
        };
        let print = bed.view.borrow().fingerprint();
        match (&missing, &since) {
            (Some(_), _) => since = None,
            (None, Some((began, known))) if *known == print => {
                if began.elapsed() >= QUIET {
                    bed.findings.quiet();
                    return Ok(*began);
                }
            }
            (None, _) => since = Some((now, print)),
        }
        if now > end {
            return Err(missing.unwrap_or_else(|| "it does not come to rest".to_owned()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Every model has exactly what it wants, and says so.
fn as_wanted(bed: &Bed) -> Result<(), String> {
    let mut all = 0;
    let mut urls = Vec::new();
    {
        let view = bed.view.borrow();
        if !view.whole {
            return Err("no connection to ZooKeeper".to_owned());
        }
        view.epoch().ok_or("no operator is ready")?;
        let (statuses, records, endpoints) = (view.statuses(), view.records(), view.endpoints());
        for (name, wanted) in view.specs() {
            let replicas = wanted.replicas.ok_or_else(|| format!("{name} can't be read"))?;
            let status = statuses.get(&name).ok_or_else(|| format!("{name} has no status"))?;
            let seen = (status.uid, status.observed_generation);
            if seen != (wanted.uid, wanted.generation) {
                return Err(format!("{name}: observed {seen:?} of {wanted:?}"));
            }
            let count = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
            let records = count(records.keys().filter(|(of, _)| *of == name).count());
            let live: Vec<_> = endpoints.iter().filter(|(of, _)| of.0 == name).map(|(_, one)| one).collect();
            let runners = count(bed.runners(&name).len());
            let have = [status.ready_replicas, status.replicas, records, count(live.len()), runners];
            if have.iter().any(|have| *have != replicas) {
                return Err(format!(
                    "{name} wants {replicas}: ready, replicas, records, endpoints, runners are {have:?}"
                ));
            }
            all += replicas;
            urls.extend(live.iter().map(|endpoint| endpoint.url.clone()));
        }
    }
    let runners = bed.processes(Role::Runner).len();
    if u32::try_from(runners) != Ok(all) {
        return Err(format!("{runners} runners run, {all} are wanted"));
    }
    if bed.processes(Role::Operator).len() != 1 {
        return Err("more than one operator runs".to_owned());
    }
    let mut served = bed.calls.urls();
    served.sort();
    urls.sort();
    if served != urls {
        return Err(format!("the client has {served:?} of {urls:?}"));
    }
    if let Some(url) = urls.iter().find(|url| bed.calls.failing_since(url).is_some()) {
        return Err(format!("{url} does not answer"));
    }
    Ok(())
}

/// The ResourceManager counts no container but those.
async fn allocated(bed: &Bed) -> Result<(), String> {
    let wanted = bed.processes(Role::Runner).len() + 1;
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build();
    let http = http.map_err(|error| error.to_string())?;
    let mut said = Err("no ResourceManager".to_owned());
    for rm in bed.cluster.rm_https() {
        let asked = async {
            let answer = http.get(format!("{rm}/ws/v1/cluster/apps?states=RUNNING")).send().await?;
            answer.json::<serde_json::Value>().await
        };
        said = asked.await.map_err(|error| format!("the ResourceManager: {error}"));
        if said.is_ok() {
            break;
        }
    }
    let said = said?;
    let apps = said.pointer("/apps/app").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
    let count = |app: &serde_json::Value| app.get("runningContainers").and_then(serde_json::Value::as_u64);
    let counts: Vec<u64> = apps.iter().filter_map(count).collect();
    if counts == [wanted as u64] { Ok(()) } else { Err(format!("containers {counts:?}, processes {wanted}")) }
}
