//! One function per command: settings in, data on stdout, an exit code out.

mod api_resources;
mod apply;
mod call;
mod change;
mod chosen;
mod config;
pub(crate) mod connection;
mod create;
mod delete;
mod deploy;
mod describe;
mod diff;
mod doctor;
mod edit;
mod events;
mod explain;
mod follow;
mod get;
mod logs;
mod manual;
mod mark;
mod metron_queue;
mod missing;
mod payload_path;
mod retry;
mod rollout;
mod scale;
mod service;
mod set;
mod stellar;
mod sync;
mod top;
mod version;
mod wait;
mod watch;
mod watch_rows;

use std::process::ExitCode;

use anyhow::Context;

pub(crate) use apply::Faulty;

use crate::args::{Command, Line, Rollout, Service};
use crate::legacy::{self, Asked, RequestError, Verb};
use crate::output;
use crate::settings::Settings;
use crate::trace;

pub(crate) use explain::paths as explain_paths;
pub(crate) use missing::nearest;

/// A deployment that is not there, in kubectl's words.
#[derive(Debug, thiserror::Error)]
#[error("Error from server (NotFound): modeldeployments.maas {0:?} not found")]
pub(crate) struct NotFound(pub(crate) String);

/// A deployment that is there, and should not be.
#[derive(Debug, thiserror::Error)]
#[error("Error from server (AlreadyExists): modeldeployments.maas {0:?} already exists")]
pub(crate) struct AlreadyExists(pub(crate) String);

/// A deployment that somebody else changed meanwhile.
#[derive(Debug, thiserror::Error)]
#[error(
    "Error from server (Conflict): Operation cannot be fulfilled on modeldeployments.maas {0:?}: the object has been modified; please apply your changes to the latest version and try again"
)]
pub(crate) struct Conflict(pub(crate) String);

/// Says what went wrong, with its causes.
pub(crate) fn tell(error: &anyhow::Error) {
    let text = format!("{error:#}");
    // What the tree itself refuses says so in kubectl's words.
    let whole = text.starts_with("Error from server") || error.is::<Faulty>();
    let prefix = if whole { "" } else { "error: " };
    output::note(&format!("{prefix}{text}"));
}

/// Whether the exit code of this command says if something differs.
pub(crate) fn compares(line: &Line) -> bool {
    matches!(line.command, Command::Diff(_))
}

/// Runs one of `maasctl`'s own commands.
pub(crate) fn run(line: Line) -> anyhow::Result<ExitCode> {
    let global = line.global;
    output::color::ask(global.color);
    trace::begin(global.verbose);
    match line.command {
        Command::Manual(command) => return manual::manual(command),
        Command::Config(command) => return config::config(&global, command),
        Command::Schema => {
            let schema = serde_json::to_value(maas_crd::schema()).context("cannot write the schema")?;
            return output::data(&output::object::json(&schema)?).map(|()| ExitCode::SUCCESS);
        }
        Command::Explain(args) => return explain::explain(&args),
        Command::Completion(args) => return crate::completion::script(args.shell),
        Command::Version(args) => return version::version(&global, &args),
        Command::ApiResources(args) => return api_resources::api_resources(&args),
        Command::Stellar(args) => return stellar::stellar(&global, &args),
        _ => {}
    }
    let settings = Settings::resolve(&global)?;
    block_on(async {
        match line.command {
            Command::Apply(args) => apply::apply(&settings, args).await,
            Command::Diff(args) => diff::diff(&settings, args).await,
            Command::Create(args) => create::create(&settings, args).await,
            Command::Edit(args) => edit::edit(&settings, args).await,
            Command::Set(args) => set::set(&settings, args).await,
            Command::Label(args) => mark::mark(&settings, args, mark::Notes::Labels).await,
            Command::Annotate(args) => mark::mark(&settings, args, mark::Notes::Annotations).await,
            Command::Rollout(Rollout::Status(args)) => rollout::status(&settings, args).await,
            Command::Rollout(Rollout::Restart(args)) => rollout::restart(&settings, args).await,
            Command::Get(args) => get::get(&settings, args).await,
            Command::Describe(args) => describe::describe(&settings, args).await,
            Command::Delete(args) => delete::delete(&settings, args).await,
            Command::Scale(args) => scale::scale(&settings, args).await,
            Command::Wait(args) => wait::wait(&settings, args).await,
            Command::Call(args) => call::call(&settings, args).await,
            Command::Logs(args) => logs::logs(&settings, args).await,
            Command::Top(args) => top::top(&settings, args).await,
            Command::Events(args) => events::events(&settings, args).await,
            Command::Sync(args) => sync::sync(&settings, args).await,
            Command::Suspend(args) => sync::suspend(&settings, args).await,
            Command::Resume(args) => sync::resume(&settings, args).await,
            Command::Reconcile(args) => sync::reconcile(&settings, args).await,
            Command::Watch(args) => watch::watch(&settings, args).await,
            Command::Doctor(args) => doctor::doctor(&settings, args).await,
            Command::Service(Service::Start(args)) => service::start(&settings, args).await,
            Command::Service(Service::Status) => service::status(&settings).await,
            Command::Service(Service::Upgrade { libexec, timeout }) => {
                service::upgrade(&settings, libexec, timeout).await
            }
            Command::Service(Service::Stop { timeout }) => service::stop(&settings, timeout).await,
            Command::Config(_)
            | Command::Explain(_)
            | Command::Manual(_)
            | Command::Schema
            | Command::Version(_)
            | Command::Stellar(_)
            | Command::Completion(_)
            | Command::ApiResources(_) => Ok(ExitCode::SUCCESS),
        }
    })
}

/// Runs one of Metron's verbs.
pub(crate) fn legacy(verb: Verb, words: &[String]) -> anyhow::Result<ExitCode> {
    trace::begin(0);
    match verb {
        Verb::Service => match legacy::service::read(words) {
            Ok(Asked::Help) => output::data(legacy::service::USAGE).map(|()| ExitCode::SUCCESS),
            Ok(Asked::For(request)) => block_on(service::legacy_start(request)),
            Err(error) => Ok(refuse(&error, legacy::service::USAGE)),
        },
        Verb::Deploy => match legacy::deploy::read(words) {
            Ok(Asked::Help) => output::data(legacy::deploy::USAGE).map(|()| ExitCode::SUCCESS),
            Ok(Asked::For(request)) => block_on(deploy::deploy(request)),
            Err(error) => Ok(refuse(&error, legacy::deploy::USAGE)),
        },
    }
}

/// A line that could not be read is answered with the usage text, as the originals do.
fn refuse(error: &RequestError, usage: &str) -> ExitCode {
    output::note(&format!("error: {error}\n{}", usage.trim_end()));
    ExitCode::FAILURE
}

fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let outcome = runtime.block_on(command);
    // A name lookup or a read that hangs must not hold up the end.
    runtime.shutdown_background();
    outcome
}
