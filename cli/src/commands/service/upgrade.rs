//! `service upgrade`: another build of the operator in the running application.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use maas_store::{LeaderRecord, Node, Programs, Store, UpgradeRequest};
use tokio::time::{Instant, sleep};

use super::start::one_line;
use super::submission::{Binaries, remote, upload_programs};
use super::{GLANCE, Known, Rm, request};
use crate::commands::connection::open;
use crate::commands::payload_path::open_hdfs;
use crate::output::{self, waiting::Waiting};
use crate::settings::{Settings, user};

/// `service upgrade`: uploads the programs and asks for them; the operator leaves, and its next attempt runs them. To do it
/// again is harmless.
pub(crate) async fn upgrade(
    settings: &Settings,
    libexec: Option<PathBuf>,
    timeout: Duration,
) -> anyhow::Result<ExitCode> {
    let binaries = Binaries::find(libexec)?;
    let (user, rm) = (user()?, Rm::of(settings)?);
    let store = open(settings).await?;
    let known = Known::read(&store).await?;
    let Some(report) = known.living(&rm).await? else {
        bail!("no service is running: `maasctl service start` starts one, with the programs beside maasctl");
    };
    let id = report.id;
    let epoch = known.leader.as_ref().map_or(0, |leader| leader.epoch);
    let (operator, runner) = upload_programs(&open_hdfs(settings)?, &binaries, &user).await?;
    let asked = UpgradeRequest {
        application: id.to_string(),
        programs: Programs { operator: remote(operator), runner: remote(runner) },
        before: before(&store, &id.to_string(), known.leader).await?,
        requested_ms: output::now_ms(),
    };
    request(&store, &Node::Upgrade, asked.encode()).await?;
    output::note(&format!("asked {id} to run {}", asked.programs.operator.url));
    let begun = Instant::now();
    let mut waiting = Waiting::new();
    loop {
        let leader = Known::read(&store).await.ok().and_then(|known| known.leader);
        let leader = leader.filter(|leader| leader.ready && leader.application == id.to_string());
        match leader.and_then(|leader| outcome(leader, &asked, epoch)) {
            Some(Ok(text)) => {
                waiting.clear();
                output::data(&format!("{id} {text} after {:.1} s\n", begun.elapsed().as_secs_f64()))?;
                return Ok(ExitCode::SUCCESS);
            }
            Some(Err(why)) => {
                bail!("{id} did not make way for {}: {why}; the operator that ran goes on", asked.programs.operator.url)
            }
            None => {}
        }
        if let Ok(Some(report)) = rm.report(id).await
            && report.state.is_over()
        {
            bail!(
                "{id} has ended instead: {}; `maasctl service start` starts the service anew",
                one_line(&report.diagnostics)
            );
        }
        if begun.elapsed() >= timeout {
            bail!(
                "{id} does not run {} after {} s; it is asked to still: look at `maasctl service status`",
                asked.programs.operator.url,
                timeout.as_secs()
            );
        }
        waiting.show(&format!("{id} to run {}", asked.programs.operator.url));
        sleep(GLANCE).await;
    }
}

/// The programs that run now, if a request asked for them.
async fn before(store: &Store, application: &str, leader: Option<LeaderRecord>) -> anyhow::Result<Option<Programs>> {
    let path = store.path(&Node::Upgrade);
    let Some((data, _)) = store.get(&path).await? else { return Ok(None) };
    // What can't be read is replaced.
    let earlier = UpgradeRequest::decode(&path, &data).ok().filter(|earlier| earlier.application == application);
    let known = earlier.into_iter().flat_map(|earlier| [Some(earlier.programs), earlier.before]).flatten();
    Ok(known.into_iter().find(|programs| leader.as_ref().is_some_and(|leader| leader.build == programs.build())))
}

/// What a ready operator says of the request; nothing if it was not heard yet. `epoch` is the one at that time.
fn outcome(leader: LeaderRecord, asked: &UpgradeRequest, epoch: u32) -> Option<Result<String, String>> {
    if leader.build == asked.programs.build() {
        let text = if leader.epoch == epoch { "runs these programs already" } else { "runs them" };
        return Some(Ok(format!("{text} (maas-operator {}, epoch {})", leader.version, leader.epoch)));
    }
    leader.refused.filter(|refused| refused.requested_ms == asked.requested_ms).map(|refused| Err(refused.why))
}

#[cfg(test)]
mod tests {
    use maas_crd::RemoteFile;
    use maas_store::{Build, RefusedUpgrade};

    use super::*;

    fn file(name: &str) -> RemoteFile {
        RemoteFile { url: format!("hdfs://n/{name}"), size: 1, mtime_ms: 1 }
    }

    fn leader(epoch: u32, build: Build, refused: Option<i64>) -> LeaderRecord {
        let refused = refused.map(|requested_ms| RefusedUpgrade {
            operator: "hdfs://n/new".to_owned(),
            requested_ms,
            why: "no".to_owned(),
        });
        let (application, host, version) = ("application_1_0001".to_owned(), "h".to_owned(), "9".to_owned());
        LeaderRecord { epoch, application, attempt: 1, host, ready: true, version, build, refused, metron_queue: None }
    }

    #[test]
    fn an_upgrade_is_done_refused_or_not_heard_yet() {
        let application = "application_1_0001".to_owned();
        let programs = Programs { operator: file("new"), runner: file("r") };
        let (new, other) = (programs.build(), Build { runner: "hdfs://n/other".to_owned(), ..programs.build() });
        let asked = UpgradeRequest { application, programs, before: None, requested_ms: 7 };
        assert_eq!(outcome(leader(4, other.clone(), None), &asked, 4), None);
        assert_eq!(outcome(leader(5, other.clone(), None), &asked, 4), None, "no word of it yet");
        assert_eq!(outcome(leader(5, other.clone(), Some(6)), &asked, 4), None, "of an earlier request");
        assert_eq!(outcome(leader(5, other, Some(7)), &asked, 4), Some(Err("no".to_owned())));
        assert!(outcome(leader(5, new.clone(), None), &asked, 4).unwrap().unwrap().starts_with("runs them"));
        assert!(outcome(leader(4, new, None), &asked, 4).unwrap().unwrap().contains("already"));
    }
}
