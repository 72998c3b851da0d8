//! Completion in the shell: commands, options, and the names that stand in the tree just now.
//!
//! The shell's code calls this program again with `COMPLETE` set; what is looked up takes a second at most and is silent
//! when it fails: nobody wants an error in the middle of typing.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell as Engine};
use maas_crd::Namespace;
use maas_store::{Node, Store};

use crate::args::{Global, Line, Shell};
use crate::commands::connection::{self, Part};
use crate::commands::explain_paths;
use crate::contexts;
use crate::output;
use crate::reference::{KINDS, Kind};
use crate::settings::Settings;

/// The variable by which the shell's code asks.
const ASKED: &str = "COMPLETE";
/// Nobody waits longer for a list of names.
const PATIENCE: Duration = Duration::from_secs(1);
/// More are no help.
const MOST: usize = 1000;

/// Prints the shell's code.
pub(crate) fn script(shell: Shell) -> anyhow::Result<ExitCode> {
    let engine = match shell {
        Shell::Bash => Engine::Bash,
        Shell::Zsh => Engine::Zsh,
        Shell::Fish => Engine::Fish,
    };
    let (name, shells) = (engine.to_string(), Shells::builtins());
    let completer = shells.completer(&name).with_context(|| format!("{name} is not completed for"))?;
    let mut text = Vec::new();
    completer.write_registration(ASKED, "maasctl", "maasctl", "maasctl", &mut text).context("cannot write the code")?;
    output::bytes(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Answers the shell's code, if it is that which asks.
pub(crate) fn answer(words: &[OsString]) -> anyhow::Result<Option<ExitCode>> {
    if std::env::var_os(ASKED).is_none_or(|value| value.is_empty()) {
        return Ok(None);
    }
    let asked = CompleteEnv::with_factory(command).try_complete(words.iter().cloned(), None);
    let answered = asked.map_err(|error| anyhow!("{ASKED} is set in the environment: {error}"))?;
    Ok(answered.then_some(ExitCode::SUCCESS))
}

/// The command line with completers where names are taken.
fn command() -> Command {
    with_names(Line::command(), &[])
        .mut_arg("namespace", |arg| arg.add(ArgValueCompleter::new(|typed: &OsStr| offer(typed, namespaces))))
        .mut_arg("context", |arg| arg.add(ArgValueCompleter::new(|typed: &OsStr| offer(typed, context_names))))
}

fn with_names(command: Command, above: &[&str]) -> Command {
    let name = command.get_name().to_owned();
    let path: Vec<&str> = above.iter().copied().chain([name.as_str()]).collect();
    command.mut_subcommands(|inner| with_names(inner, &path)).mut_args(|arg| {
        match (path.as_slice(), arg.get_id().as_str()) {
            ([_, "config", ..], "name") => names_of(arg, context_names),
            ([_, "explain"], "path") => names_of(arg, explain_paths),
            ([_, "call"], "model") => names_of(arg, live),
            ([_, "logs"], "name") => names_of(arg, models_and_instances),
            ([_, "get"], "words") => names_of(arg, kinds_or_names),
            ([_, "describe" | "wait" | "delete"], "words" | "names") => names_of(arg, names_or_kinds),
            ([_, "suspend" | "resume" | "reconcile"], "names") => names_of(arg, syncs),
            ([_, "top"], "kind") => names_of(arg, || ["models", "instances"].map(str::to_owned).to_vec()),
            ([_, _, ..], "name" | "names" | "words") => names_of(arg, models),
            _ => arg,
        }
    })
}

fn names_of(arg: Arg, names: fn() -> Vec<String>) -> Arg {
    arg.add(ArgValueCompleter::new(move |typed: &OsStr| offer(typed, names)))
}

fn offer(typed: &OsStr, names: impl FnOnce() -> Vec<String>) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str() else { return Vec::new() };
    names().into_iter().filter(|name| name.starts_with(typed)).take(MOST).map(CompletionCandidate::new).collect()
}

fn context_names() -> Vec<String> {
    let contexts = contexts::path().and_then(|file| contexts::read(&file).ok()).unwrap_or_default();
    contexts.contexts.into_iter().map(|one| one.name).collect()
}

fn namespaces() -> Vec<String> {
    children(|_| format!("specs/{}", maas_crd::KIND))
}

fn models() -> Vec<String> {
    children(|namespace| format!("specs/{}/{namespace}", maas_crd::KIND))
}

fn syncs() -> Vec<String> {
    children(|namespace| format!("syncs/{namespace}"))
}

/// Kinds, and once one is typed, the names of its resources.
fn kinds_or_names() -> Vec<String> {
    let words = typed();
    let Some((last, before)) = words.split_last() else { return Vec::new() };
    if let Some((kind, name)) = last.split_once('/').filter(|(kind, _)| Kind::parse(kind).is_ok()) {
        let names = Kind::parse(kind).map(|kind| of_kind(kind, name)).unwrap_or_default();
        return names.into_iter().map(|name| format!("{kind}/{name}")).collect();
    }
    match before.iter().find_map(|word| Kind::parse(word).ok()) {
        Some(kind) => of_kind(kind, last),
        None => KINDS.iter().flat_map(|info| info.names()).chain(["all"]).map(str::to_owned).collect(),
    }
}

/// As [`kinds_or_names`], where a word that is no kind names a deployment.
fn names_or_kinds() -> Vec<String> {
    let mut found = kinds_or_names();
    let words = typed();
    let before = words.split_last().map_or(&[][..], |(_, before)| before);
    if !before.iter().any(|word| Kind::parse(word).is_ok()) {
        found.retain(|word| word != "all");
        found.extend(models());
    }
    found
}

/// The names of a kind's resources; of instances and endpoints those of a deployment once that is typed.
fn of_kind(kind: Kind, typed: &str) -> Vec<String> {
    let folder = match kind {
        Kind::Sync => return syncs(),
        Kind::Instance => "instances",
        Kind::Endpoint => "endpoints",
        Kind::ModelDeployment | Kind::Event => return models(),
    };
    match typed.split_once('/') {
        Some((name, _)) => {
            let iids = children(|namespace| format!("{folder}/{namespace}/{name}"));
            iids.into_iter().map(|iid| format!("{name}/{iid}")).collect()
        }
        None => models(),
    }
}

/// The words of the line behind the program's name, the one that is being typed the last.
fn typed() -> Vec<String> {
    std::env::args().skip_while(|word| word != "--").skip(2).collect()
}

fn models_and_instances() -> Vec<String> {
    of_kind(Kind::Instance, &typed().pop().unwrap_or_default())
}

/// The models that have a live endpoint; once a name is typed, with their versions.
fn live() -> Vec<String> {
    let look = async |store: &Store, namespace: &Namespace| {
        let tree = connection::load(store, &[Part::Endpoints], Some(namespace)).await.ok()?;
        let words = tree.endpoints(Some(namespace)).into_iter().flat_map(|(_, _, _, endpoint)| {
            let whole = format!("{}:{}", endpoint.model, endpoint.version);
            [endpoint.model, whole]
        });
        Some(words.collect())
    };
    found(look)
}

/// The children of a folder of the tree.
fn children(folder: impl Fn(&Namespace) -> String) -> Vec<String> {
    found(async |store: &Store, namespace: &Namespace| {
        store.children(&store.path(&Node::Folder(folder(namespace)))).await.ok()?
    })
}

/// What is found in the tree that the words typed so far lead to.
fn found(look: impl AsyncFnOnce(&Store, &Namespace) -> Option<Vec<String>>) -> Vec<String> {
    let Ok(settings) = Settings::resolve(&global(&typed())) else { return Vec::new() };
    let look = async {
        let store = connection::open(&settings).await.ok()?;
        look(&store, &settings.namespace()).await
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    let found = runtime.block_on(async { tokio::time::timeout(PATIENCE, look).await.ok().flatten() });
    runtime.shutdown_background();
    let found: BTreeSet<String> = found.into_iter().flatten().collect();
    found.into_iter().collect()
}

/// The global options of a line that is still being typed, and so may be wrong in any way.
fn global(words: &[String]) -> Global {
    let mut global = Global::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (option, joined) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let mut value = || joined.clone().or_else(|| words.next().cloned());
        match option {
            "-z" | "--zookeeper" => global.zookeeper = value(),
            "--root" => global.root = value(),
            "-n" | "--namespace" => global.namespace = value(),
            "--conf-dir" => global.conf_dir = value().map(PathBuf::from),
            "--context" => global.context = value(),
            _ => {}
        }
    }
    global
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_with_completers_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn a_line_being_typed_says_where_to_look() {
        let words: Vec<String> =
            "get md -n soc --root=/x --zookeeper a:1 dg -n".split(' ').map(str::to_owned).collect();
        let global = global(&words);
        assert_eq!((global.root.as_deref(), global.zookeeper.as_deref()), (Some("/x"), Some("a:1")));
        assert_eq!(global.namespace, None, "the last one has no value yet");
    }
}
