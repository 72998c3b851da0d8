//! `service start`: submits the operator and waits until it works.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use hadoop_yarn::{ApplicationId, ApplicationReport};
use maas_store::Store;
use tokio::time::{Instant, sleep};

use super::submission::{Binaries, Wanted, check_env, upload};
use super::{GLANCE, Known, Rm, state};
use crate::args::Start;
use crate::commands::connection::open;
use crate::commands::deploy::open_tree;
use crate::commands::metron_queue::of_config;
use crate::commands::payload_path::open_hdfs;
use crate::legacy::DEFAULT_CONFIG_PATH;
use crate::legacy::service::ServiceRequest;
use crate::output::{self, waiting::Waiting};
use crate::settings::{Settings, user};

/// `service start`.
pub(crate) async fn start(settings: &Settings, args: Start) -> anyhow::Result<ExitCode> {
    let mut wanted = Wanted {
        queue: args.queue,
        memory_mib: args.memory,
        vcores: args.vcores,
        node_label: args.node_label,
        name: args.name,
        env: args.env.into_iter().collect(),
        model_env: args.model_env.into_iter().collect(),
        metron_queue: None,
    };
    check_env(&wanted)?;
    let binaries = Binaries::find(args.libexec)?;
    let store = open(settings).await?;
    if args.metron_queue {
        wanted.metron_queue = Some(of_config(&store, DEFAULT_CONFIG_PATH).await?);
    }
    launch(settings, &store, wanted, &binaries, args.secure, args.timeout).await
}

/// `maas_service.sh`.
pub(crate) async fn legacy_start(request: ServiceRequest) -> anyhow::Result<ExitCode> {
    for note in &request.notes {
        output::note(note);
    }
    let mut wanted = Wanted {
        queue: request.queue,
        memory_mib: request.memory_mib,
        vcores: request.vcores,
        node_label: request.node_label,
        name: "MaaS".to_owned(),
        env: BTreeMap::new(),
        model_env: request.env,
        metron_queue: None,
    };
    check_env(&wanted)?;
    let binaries = Binaries::find(std::env::var_os("MAAS_LIBEXEC").map(Into::into))?;
    let (settings, store) = open_tree(request.quorum, &request.config_path).await?;
    // Who starts it by Metron's script has Metron's clients: what they offer was always read.
    wanted.metron_queue = Some(of_config(&store, &request.config_path).await?);
    launch(&settings, &store, wanted, &binaries, false, request.timeout).await
}

async fn launch(
    settings: &Settings,
    store: &Store,
    wanted: Wanted,
    binaries: &Binaries,
    secure: bool,
    timeout: Duration,
) -> anyhow::Result<ExitCode> {
    let (user, rm) = (user()?, Rm::of(settings)?);
    let hdfs = open_hdfs(settings)?;
    if let Some(running) = Known::read(store).await?.living(&rm).await? {
        bail!("{} runs the service of {} already: `maasctl service stop` ends it", running.id, store.root());
    }
    let (id, most) = rm.client.new_application().await.with_context(|| rm.blame("begin an application"))?;
    if i64::try_from(wanted.memory_mib).map_or(true, |memory| memory > most.memory_mb) {
        bail!(
            "{} MiB for the operator are more than the cluster's largest container, {} MiB",
            wanted.memory_mib,
            most.memory_mb
        );
    }
    // Before the tree is made: what fails leaves nothing behind but files that the next start uses.
    let files = upload(&hdfs, settings, binaries, &user).await?;
    let is_open = store.init().await.context("the tree cannot be made")?;
    match (is_open, secure) {
        (true, true) => bail!("anyone may write {}: set ACLs on it, or leave --secure out", store.root()),
        (true, false) => output::note(&format!("warning: anyone who reaches ZooKeeper may write {}", store.root())),
        (false, _) => {}
    }
    let submission = wanted.submission(id, settings, &user, files)?;
    rm.client.submit(&submission).await.with_context(|| rm.blame(&format!("submit {id}")))?;
    output::note(&format!("submitted {id} to queue {}", wanted.queue));
    await_ready(store, &rm, id, timeout).await
}

/// Until this application's operator leads and is ready. One that is not in time is killed.
async fn await_ready(store: &Store, rm: &Rm, id: ApplicationId, timeout: Duration) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let mut waiting = Waiting::new();
    let mut last = ApplicationReport::default();
    loop {
        let leader = Known::read(store).await.ok().and_then(|known| known.leader);
        if let Some(leader) = leader.filter(|leader| leader.ready && leader.application == id.to_string()) {
            waiting.clear();
            output::data(&format!(
                "{id} serves {} from {} after {:.1} s\n",
                store.root(),
                leader.host,
                begun.elapsed().as_secs_f64()
            ))?;
            return Ok(ExitCode::SUCCESS);
        }
        // A look that fails is taken again; time is limited anyway.
        if let Ok(Some(report)) = rm.report(id).await {
            last = report;
        }
        if last.state.is_over() {
            waiting.clear();
            bail!("{id} ended as {}: {}", state(last.state), one_line(&last.diagnostics));
        }
        if begun.elapsed() >= timeout {
            waiting.clear();
            let killed = rm.kill(id, "maasctl service start: the operator was not ready in time").await;
            let told = one_line(&last.diagnostics);
            let fate = killed
                .map_or_else(|error| format!("it could not be killed: {error:#}"), |()| "it was killed".to_owned());
            bail!(
                "the operator of {id} was not ready within {} s (state {}: {told}); {fate}",
                timeout.as_secs(),
                state(last.state)
            );
        }
        waiting.show(&format!("the operator of {id}: the application is {}", state(last.state)));
        sleep(GLANCE).await;
    }
}

pub(super) fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { "no diagnostics".to_owned() } else { lines.join(" ").chars().take(2000).collect() }
}
