//! `service start`, `status`, `upgrade` and `stop`: the operator as a YARN application.

mod start;
mod submission;
mod upgrade;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use hadoop_rpc::Conf;
use hadoop_yarn::{ApplicationId, ApplicationReport, ApplicationState, RmClient};
use maas_store::{EpochRecord, LeaderRecord, Node, Op, Refusal, StopRequest, Store};
use tokio::time::{Instant, sleep};

use super::connection::{Part, load, open};
use super::metron_queue;
use crate::output::{self, age::age, object::timestamp, waiting::Waiting};
use crate::settings::{Settings, user};

pub(crate) use start::{legacy_start, start};
pub(crate) use upgrade::upgrade;

/// How long one call to the ResourceManager may take.
const CALL: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(200);

/// A client of the cluster's ResourceManagers.
pub(super) struct Rm {
    client: RmClient,
    addresses: String,
}

impl Rm {
    pub(super) fn of(settings: &Settings) -> anyhow::Result<Self> {
        let directory = settings.conf_dir()?;
        let conf =
            Conf::load(&directory).with_context(|| format!("the Hadoop configuration in {}", directory.display()))?;
        let addresses = hadoop_yarn::config::rm_addresses(&conf)
            .with_context(|| format!("the Hadoop configuration in {}", directory.display()))?;
        let named: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        Ok(Self { client: RmClient::new(addresses, &user()?, settings.deadline(CALL)), addresses: named.join(", ") })
    }

    /// What to say when a call failed.
    fn blame(&self, what: &str) -> String {
        format!(
            "cannot {what} at the ResourceManager ({}): is YARN running, and yarn.resourcemanager.address right?",
            self.addresses
        )
    }

    /// None for an application that this cluster never had, or has forgotten.
    pub(super) async fn report(&self, id: ApplicationId) -> anyhow::Result<Option<ApplicationReport>> {
        match self.client.report(id).await {
            Ok(report) => Ok(Some(report)),
            Err(hadoop_yarn::Error::NoApplication { .. }) => Ok(None),
            Err(error) => Err(error).with_context(|| self.blame(&format!("look at {id}"))),
        }
    }

    /// Kills an application and waits until that is done.
    async fn kill(&self, id: ApplicationId, reason: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + CALL;
        while !self.client.kill(id, reason).await.with_context(|| self.blame(&format!("kill {id}")))? {
            if Instant::now() >= deadline {
                bail!(
                    "{id} is still not killed after {} s: look at it with `yarn application -status {id}`",
                    CALL.as_secs()
                );
            }
            sleep(GLANCE).await;
        }
        Ok(())
    }
}

/// A state as YARN's own tools write it.
fn state(state: ApplicationState) -> &'static str {
    match state {
        ApplicationState::New => "NEW",
        ApplicationState::NewSaving => "NEW_SAVING",
        ApplicationState::Submitted => "SUBMITTED",
        ApplicationState::Accepted => "ACCEPTED",
        ApplicationState::Running => "RUNNING",
        ApplicationState::Finished => "FINISHED",
        ApplicationState::Failed => "FAILED",
        ApplicationState::Killed => "KILLED",
    }
}

/// What the tree says of the service.
struct Known {
    leader: Option<LeaderRecord>,
    /// The application that leads, or led last and did not hand over.
    application: Option<ApplicationId>,
}

impl Known {
    async fn read(store: &Store) -> anyhow::Result<Self> {
        let (leader, epoch) = (store.path(&Node::Leader), store.path(&Node::Epoch));
        let leader = match store.get(&leader).await? {
            Some((data, _)) => Some(LeaderRecord::decode(&leader, &data)?),
            None => None,
        };
        let led = match (&leader, store.get(&epoch).await?) {
            (Some(leader), _) => leader.application.clone(),
            (None, Some((data, _))) => EpochRecord::decode(&epoch, &data)?.application,
            (None, None) => String::new(),
        };
        let application = if led.is_empty() { None } else { Some(led.parse().context("the operator's record")?) };
        Ok(Self { leader, application })
    }

    /// The application, if YARN has it as living.
    async fn living(&self, rm: &Rm) -> anyhow::Result<Option<ApplicationReport>> {
        match self.application {
            Some(id) => Ok(rm.report(id).await?.filter(|report| !report.state.is_over())),
            None => Ok(None),
        }
    }
}

/// `service status`: exit code 1 when none runs.
pub(crate) async fn status(settings: &Settings) -> anyhow::Result<ExitCode> {
    let rm = Rm::of(settings)?;
    let store = open(settings).await?;
    let known = Known::read(&store).await?;
    let Some(report) = known.living(&rm).await? else {
        output::note("no service is running: `maasctl service start` starts one");
        return Ok(ExitCode::FAILURE);
    };
    let tree = load(&store, &[Part::Specs, Part::Status], None).await?;
    let models = tree.deployments(None);
    let wanted: u32 = models.iter().filter_map(crate::tree::Deployment::replicas).sum();
    let ready: u32 = models.iter().filter_map(|model| model.status.as_ref()).map(|status| status.ready_replicas).sum();
    let attempt = report.attempt.map_or_else(|| "<none>".to_owned(), |attempt| attempt.attempt.to_string());
    // A killed operator's node stands until its session ends: what it says is not the living attempt's.
    let living = report.attempt.map(|attempt| attempt.attempt);
    let (leader, is_ready) = match &known.leader {
        Some(leader) => {
            let text = format!("{} (epoch {}, maas-operator {})", leader.host, leader.epoch, leader.version);
            (text, leader.ready && living == i32::try_from(leader.attempt).ok())
        }
        None => ("<none>".to_owned(), false),
    };
    let since = format!("{} ({} ago)", timestamp(report.started_ms), age(report.started_ms, output::now_ms()));
    let refused = known.leader.as_ref().and_then(|leader| leader.refused.as_ref());
    if let Some(refused) = refused {
        output::note(&format!("warning: the operator did not make way for {}: {}", refused.operator, refused.why));
    }
    let queue = metron_queue::look(&store, known.leader.as_ref()).await?;
    let queue = queue.words(output::now_ms()).map(|words| ("From Metron", words));
    let lines = [
        ("Application", report.id.to_string()),
        ("State", state(report.state).to_owned()),
        ("Queue", report.queue),
        ("User", report.user),
        ("Attempt", attempt),
        ("Leader", leader),
        ("Ready", is_ready.to_string()),
        ("Models", format!("{} ({ready} of {wanted} instances ready)", models.len())),
        ("Since", since),
    ];
    let text: String =
        lines.iter().chain(&queue).map(|(label, value)| format!("{:<12} {value}\n", format!("{label}:"))).collect();
    output::data(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// `service stop`: the operator drains every model and unregisters; the specs stay. Nothing to stop is no failure.
pub(crate) async fn stop(settings: &Settings, timeout: Duration) -> anyhow::Result<ExitCode> {
    let rm = Rm::of(settings)?;
    let store = open(settings).await?;
    let Some(report) = Known::read(&store).await?.living(&rm).await? else {
        output::note("no service is running");
        return Ok(ExitCode::SUCCESS);
    };
    let id = report.id;
    let stop = StopRequest { application: id.to_string(), requested_ms: output::now_ms() };
    request(&store, &Node::Stop, stop.encode()).await?;
    output::note(&format!("asked {id} to drain its models and end"));
    let begun = Instant::now();
    let mut heard = begun;
    let mut waiting = Waiting::new();
    loop {
        match rm.report(id).await {
            Ok(Some(report)) if !report.state.is_over() => heard = Instant::now(),
            Ok(_) => {
                waiting.clear();
                output::data(&format!("{id} stopped\n"))?;
                break;
            }
            // A ResourceManager that restarts is away for some seconds.
            Err(error) if heard.elapsed() > CALL * 3 => return Err(error),
            Err(_) => {}
        }
        // A tree that can't be read now is no reason to stop waiting.
        match load(&store, &[Part::Instances], None).await.map(|tree| tree.instances(None).len()) {
            Ok(0) => waiting.show(&format!("{id} to end")),
            Ok(1) => waiting.show(&format!("{id} to end: 1 instance is left")),
            Ok(left) => waiting.show(&format!("{id} to end: {left} instances are left")),
            Err(_) => waiting.show(&format!("{id} to end: the tree can't be read")),
        }
        if begun.elapsed() >= timeout {
            waiting.clear();
            rm.kill(id, "maasctl service stop: the models were not drained in time").await?;
            output::note(&format!("warning: {id} had not ended after {} s, and was killed", timeout.as_secs()));
            output::data(&format!("{id} killed\n"))?;
            break;
        }
        sleep(GLANCE).await;
    }
    // The request stays until the application is over, so that an operator which dies on the way drains on; it goes here.
    match store.commit(&[Op::Delete { path: store.path(&Node::Stop), version: None }]).await {
        Err(error) if error.refusal() != Some(Refusal::NoNode) => output::note(&format!("note: {error}")),
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Leaves a request in the tree; an earlier one is replaced.
async fn request(store: &Store, node: &Node, data: Vec<u8>) -> anyhow::Result<()> {
    let path = store.path(node);
    let create = Op::Create { path: path.clone(), data: data.clone(), ephemeral: false };
    match store.commit(&[create]).await {
        Ok(_) => Ok(()),
        Err(error) if error.refusal() == Some(Refusal::NodeExists) => {
            store.commit(&[Op::Set { path, data, version: None }]).await?;
            Ok(())
        }
        Err(error) => Err(error).context("the service could not be asked"),
    }
}
