//! `logs`: the output of a model's instances, from the NodeManagers that ran them, or as YARN has collected it.

mod containers;
mod follow;
mod lines;
mod source;
mod written;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use maas_crd::{Iid, Name, Namespace};

use super::NotFound;
use super::connection::open;
use super::missing::hint;
use crate::args::Logs;
use crate::node_logs::tail;
use crate::output;
use crate::reference::Kind;
use crate::settings::Settings;
use containers::{Container, Containers};
use lines::Lines;
use source::Sources;
use written::Written;

pub(super) use follow::{Followed, POLL};

/// What to print of which instances.
struct Wanted {
    name: Name,
    only: Option<Iid>,
    reading: Reading,
    previous: bool,
    prefix: bool,
}

/// What to read of a container.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// `model.out`, `model.err`, or another file.
    file: String,
    /// Only so many last lines of what is there at first.
    tail: usize,
    /// Only what is not older than this.
    since: Option<Duration>,
}

impl Reading {
    /// A file from its last lines on.
    pub(crate) fn tail(file: &str, lines: usize) -> Self {
        Self { file: file.to_owned(), tail: lines, since: None }
    }

    /// Whether the file is the model's output, which the runner rotates and keeps times of.
    fn is_output(&self) -> bool {
        self.file == "model.out" || self.file == "model.err"
    }
}

impl Wanted {
    fn check(args: Logs) -> anyhow::Result<Self> {
        let (name, only) = target(&args.name)?;
        let file = args.file.unwrap_or_else(|| if args.stderr { "model.err" } else { "model.out" }.to_owned());
        if file.is_empty() || !file.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            bail!("--file {file:?}: expected the name of a file, such as model.out.1");
        }
        let reading = Reading { file, tail: args.tail.unwrap_or(usize::MAX), since: args.since };
        Ok(Self { name, only, reading, previous: args.previous, prefix: args.prefix })
    }

    /// The mark of an instance's lines.
    fn lines(&self, several: bool, iid: Iid) -> Lines {
        if several || self.prefix { Lines::marked(&self.name, iid) } else { Lines::plain() }
    }
}

/// `NAME`, `NAME/INSTANCE`, `model/NAME`, `instance/NAME/INSTANCE`.
fn target(word: &str) -> anyhow::Result<(Name, Option<Iid>)> {
    let parts: Vec<&str> = word.split('/').collect();
    Ok(match parts.as_slice() {
        [name] => (name.parse()?, None),
        [kind, name] if name.parse::<Iid>().is_err() => match Kind::parse(kind) {
            Ok(Kind::ModelDeployment) => (name.parse()?, None),
            Ok(other) => bail!("{} have no logs: name a model, or an instance as NAME/INSTANCE", other.plural()),
            Err(_) => {
                let iid = name.parse::<Iid>().with_context(|| format!("{name:?}"));
                (kind.parse()?, Some(iid?))
            }
        },
        [name, iid] => (name.parse()?, Some(iid.parse()?)),
        [kind, name, iid] if Kind::parse(kind) == Ok(Kind::Instance) => {
            (name.parse()?, Some(iid.parse().with_context(|| format!("{iid:?}"))?))
        }
        _ => bail!("{word:?}: expected NAME, NAME/INSTANCE or model/NAME"),
    })
}

/// `logs NAME[/INSTANCE]`.
pub(crate) async fn logs(settings: &Settings, args: Logs) -> anyhow::Result<ExitCode> {
    let follow = args.follow;
    let wanted = Wanted::check(args)?;
    let (store, namespace) = (open(settings).await?, settings.namespace());
    let found = Containers::find(&store, &namespace, &wanted.name).await?;
    if !found.is_known() {
        output::note(&NotFound(wanted.name.to_string()).to_string());
        output::note(&hint(&store, &namespace, wanted.name.as_str()).await);
        return Ok(ExitCode::FAILURE);
    }
    let sources = Sources::new(settings);
    if follow {
        return follow::follow(&store, &namespace, &wanted, &sources, found).await;
    }
    once(&namespace, &wanted, &sources, &found).await
}

/// What is to be read, and of which run.
fn chosen<'a>(wanted: &Wanted, found: &'a Containers) -> anyhow::Result<Vec<&'a Container>> {
    if let Some(only) = wanted.only {
        let one = found.running.iter().chain(&found.ended).find(|container| container.iid == only);
        let one = one.with_context(|| {
            let ended: Vec<String> = found.ended.iter().map(|one| one.iid.to_string()).collect();
            let ended = if ended.is_empty() { String::new() } else { format!("; ended: {}", ended.join(", ")) };
            format!(
                "{0} has no instance {only} that has started: `maasctl get instances {0}` lists them{ended}",
                wanted.name
            )
        })?;
        return Ok(vec![one]);
    }
    if !found.running.is_empty() {
        return Ok(found.running.iter().collect());
    }
    if wanted.previous {
        // What ran last is what ran before.
        return Ok(Vec::new());
    }
    let last = found.ended.first().with_context(|| {
        format!("no instance of {0} is running, and none has: `maasctl describe model {0}` says why", wanted.name)
    })?;
    output::note(&format!(
        "note: no instance of {} is running; this is what {} wrote, the last that ran",
        wanted.name, last.iid
    ));
    Ok(vec![last])
}

/// Each instance's output whole, its lines marked when there are several. An instance that cannot be read is named, and
/// the others are printed all the same.
async fn once(
    namespace: &Namespace,
    wanted: &Wanted,
    sources: &Sources<'_>,
    found: &Containers,
) -> anyhow::Result<ExitCode> {
    let containers = chosen(wanted, found)?;
    if wanted.previous {
        return previous(namespace, wanted, sources, found, &containers).await;
    }
    let mut code = ExitCode::SUCCESS;
    for container in &containers {
        match read(&wanted.reading, sources, container).await {
            Ok(text) => {
                let text = tail(&text, wanted.reading.tail);
                output::bytes(&wanted.lines(containers.len() > 1, container.iid).whole(text))?;
            }
            Err(error) if containers.len() == 1 => return Err(error),
            Err(error) => {
                output::note(&format!("error: {}/{}: {error:#}", wanted.name, container.iid));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

async fn read(reading: &Reading, sources: &Sources<'_>, container: &Container) -> anyhow::Result<Vec<u8>> {
    select(&sources.read(container, reading).await?, reading)
}

/// What is new enough.
fn select(written: &Written, reading: &Reading) -> anyhow::Result<Vec<u8>> {
    match reading.since {
        Some(since) => {
            let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
            written.since(output::now_ms().saturating_sub(since)).with_context(|| no_times("--since"))
        }
        None => Ok(written.whole()),
    }
}

fn no_times(option: &str) -> String {
    format!(
        "{option} needs the times that the runner keeps beside the output, and this container's has kept none: leave {option} out"
    )
}

/// The run before the last one in each container; where no container has had one, the container before.
async fn previous(
    namespace: &Namespace,
    wanted: &Wanted,
    sources: &Sources<'_>,
    found: &Containers,
    containers: &[&Container],
) -> anyhow::Result<ExitCode> {
    let mut runs = Vec::new();
    for container in containers {
        let written = sources.read(container, &wanted.reading).await?;
        runs.extend(written.run_before().map(|text| (container.iid, text)));
    }
    if runs.is_empty() {
        let before = found.ended.iter().find(|ended| wanted.only.is_none_or(|only| ended.iid < only));
        let before = before.with_context(|| {
            format!(
                "{0} has no previous run: `maasctl events --for model/{0} -n {namespace}` says what happened",
                wanted.name
            )
        })?;
        let written = sources.read(before, &wanted.reading).await?;
        output::note(&format!("note: this is what {} wrote, which ended before", before.iid));
        runs.push((before.iid, written.last_run().unwrap_or_else(|| written.whole())));
    }
    let several = runs.len() > 1;
    for (iid, text) in runs {
        output::bytes(&wanted.lines(several, iid).whole(tail(&text, wanted.reading.tail)))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_named_with_or_without_a_kind() {
        let target = |word: &str| target(word).map(|(name, iid)| (name.to_string(), iid)).ok();
        let (plain, one) = (Some(("a".to_owned(), None)), Some(("a".to_owned(), Some(Iid::new(3, 1)))));
        assert_eq!((target("a"), target("md/a"), target("a/3-1")), (plain.clone(), plain, one.clone()));
        assert_eq!((target("instance/a/3-1"), target("md/3-1")), (one, Some(("md".to_owned(), Some(Iid::new(3, 1))))));
        for wrong in ["a/b", "events/a", "a/b/c", "A", "pod/a/3-1"] {
            assert_eq!(target(wrong), None, "{wrong}");
        }
    }
}
