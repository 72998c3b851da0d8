//! `logs`: the output of a model's instances, from the NodeManagers that ran them, or as YARN has collected it.

mod containers;
mod follow;
mod lines;
mod source;
mod written;

use std::ops::Range;
use std::process::ExitCode;

use anyhow::{Context, bail};
use maas_crd::{Iid, Name, Namespace};

use super::NotFound;
use super::connection::open;
use super::missing::hint;
use crate::args::Logs;
use crate::node_logs::tail;
use crate::output;
use crate::reference::Kind;
use crate::selector::Selector;
use crate::settings::Settings;
use containers::{Container, Containers};
use lines::Lines;
use source::Sources;
use written::Written;

pub(super) use follow::{Followed, POLL};

/// Lines of each instance of what labels select, as kubectl has it.
const SELECTED_TAIL: usize = 10;
/// Instances of what labels select that are followed, as kubectl has it.
const SELECTED_STREAMS: usize = 5;

/// Whose output.
enum Of {
    /// A deployment's, or one instance's of it.
    One { name: Name, only: Option<Iid> },
    /// Of every deployment that has these labels.
    Selected(Selector),
}

impl Of {
    fn only(&self) -> Option<Iid> {
        match self {
            Self::One { only, .. } => *only,
            Self::Selected(_) => None,
        }
    }

    fn is_selected(&self) -> bool {
        matches!(self, Self::Selected(_))
    }
}

/// What to print of which instances.
struct Wanted {
    of: Of,
    reading: Reading,
    previous: bool,
    prefix: bool,
    /// Most instances that are followed at the start.
    most: usize,
}

/// What to read of a container.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// `model.out`, `model.err`, or another file.
    file: String,
    /// Only so many last lines of what is there at first.
    tail: usize,
    /// Only what is not older than this, in milliseconds since the epoch; with the option that asks for it.
    since: Option<(i64, &'static str)>,
    /// Each line behind its time.
    stamped: bool,
}

impl Reading {
    /// A file from its last lines on.
    pub(crate) fn tail(file: &str, lines: usize) -> Self {
        Self { file: file.to_owned(), tail: lines, since: None, stamped: false }
    }

    /// Whether the file is the model's output, which the runner rotates and keeps times of.
    fn is_output(&self) -> bool {
        self.file == "model.out" || self.file == "model.err"
    }

    /// The bytes as they are to be printed.
    fn text(&self, written: &Written, range: Range<usize>) -> anyhow::Result<Vec<u8>> {
        if self.stamped {
            return written.stamped(range).with_context(|| no_times("--timestamps"));
        }
        Ok(written.text(range))
    }

    /// What is new enough.
    fn select(&self, written: &Written) -> anyhow::Result<Vec<u8>> {
        let range = match self.since {
            Some((ms, option)) => written.since(ms).with_context(|| no_times(option))?,
            None => written.whole(),
        };
        self.text(written, range)
    }
}

impl Wanted {
    fn check(args: Logs) -> anyhow::Result<Self> {
        let of = match (args.name, args.selector) {
            (_, Some(selector)) => Of::Selected(selector),
            (name, None) => {
                let (name, only) = target(&name.unwrap_or_default())?;
                Of::One { name, only }
            }
        };
        let file = args.file.unwrap_or_else(|| if args.stderr { "model.err" } else { "model.out" }.to_owned());
        if file.is_empty() || !file.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            bail!("--file {file:?}: expected the name of a file, such as model.out.1");
        }
        let ago = |since: std::time::Duration| {
            output::now_ms().saturating_sub(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        };
        let since = args.since.map(|since| (ago(since), "--since"));
        let since = since.or(args.since_time.map(|time| (time.as_millisecond(), "--since-time")));
        let usual = |selected: usize| if of.is_selected() { selected } else { usize::MAX };
        let tail = args.tail.unwrap_or(usual(SELECTED_TAIL));
        let most = args.max_log_requests.unwrap_or(usual(SELECTED_STREAMS));
        let reading = Reading { file, tail, since, stamped: args.timestamps };
        Ok(Self { of, reading, previous: args.previous, prefix: args.prefix, most })
    }

    /// The mark of an instance's lines.
    fn lines(&self, several: bool, name: &Name, iid: Iid) -> Lines {
        if several || self.prefix { Lines::marked(name, iid) } else { Lines::plain() }
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

/// `logs NAME[/INSTANCE]`, `logs -l SELECTOR`.
pub(crate) async fn logs(settings: &Settings, args: Logs) -> anyhow::Result<ExitCode> {
    let follow = args.follow;
    let wanted = Wanted::check(args)?;
    let (store, namespace) = (open(settings).await?, settings.namespace());
    let found = containers::load(&store, &namespace, &wanted.of).await?;
    if let (Of::One { name, .. }, false) = (&wanted.of, found.iter().any(Containers::is_known)) {
        output::note(&NotFound(name.to_string()).to_string());
        output::note(&hint(&store, &namespace, name.as_str()).await);
        return Ok(ExitCode::FAILURE);
    }
    let sources = Sources::new(settings);
    if follow {
        return follow::follow(&store, &namespace, &wanted, &sources, &found).await;
    }
    if found.is_empty() {
        output::note(&format!("No resources found in {namespace} namespace."));
    }
    once(&namespace, &wanted, &sources, &found).await
}

/// What is to be read of a deployment, and of which run.
fn chosen<'a>(wanted: &Wanted, found: &'a Containers) -> anyhow::Result<Vec<&'a Container>> {
    let name = &found.name;
    if let Some(only) = wanted.of.only() {
        let one = found.running.iter().chain(&found.ended).find(|container| container.iid == only);
        let one = one.with_context(|| {
            let ended: Vec<String> = found.ended.iter().map(|one| one.iid.to_string()).collect();
            let ended = if ended.is_empty() { String::new() } else { format!("; ended: {}", ended.join(", ")) };
            format!(
                "{name} has no instance {only} that has started and whose start its events still tell: \
                 `maasctl get instances {name}` lists them{ended}"
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
        format!("no instance of {name} is running, and none has: `maasctl describe model {name}` says why")
    })?;
    output::note(&format!(
        "note: no instance of {name} is running; this is what {} wrote, the last that ran",
        last.iid
    ));
    Ok(vec![last])
}

/// Each instance's output whole, its lines marked when there are several. What cannot be read is named, and the rest is
/// printed all the same.
async fn once(
    namespace: &Namespace,
    wanted: &Wanted,
    sources: &Sources<'_>,
    found: &[Containers],
) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let mut failed = |what: &str, error: &anyhow::Error| {
        output::note(&format!("error: {what}: {error:#}"));
        code = ExitCode::FAILURE;
    };
    let mut all: Vec<(&Containers, &Container)> = Vec::new();
    for found in found {
        match chosen(wanted, found) {
            Ok(containers) if wanted.previous => {
                let several = wanted.of.is_selected();
                match previous(namespace, wanted, sources, found, &containers, several).await {
                    Err(error) if several => failed(found.name.as_str(), &error),
                    other => other?,
                }
            }
            Ok(containers) => all.extend(containers.into_iter().map(|container| (found, container))),
            Err(error) if wanted.of.is_selected() => failed(found.name.as_str(), &error),
            Err(error) => return Err(error),
        }
    }
    let several = all.len() > 1;
    for (found, container) in all {
        match read(&wanted.reading, sources, container).await {
            Ok(text) => {
                let text = tail(&text, wanted.reading.tail);
                output::bytes(&wanted.lines(several, &found.name, container.iid).whole(text))?;
            }
            Err(error) if !several => return Err(error),
            Err(error) => failed(&format!("{}/{}", found.name, container.iid), &error),
        }
    }
    Ok(code)
}

async fn read(reading: &Reading, sources: &Sources<'_>, container: &Container) -> anyhow::Result<Vec<u8>> {
    reading.select(&sources.read(container, reading).await?)
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
    several: bool,
) -> anyhow::Result<()> {
    let (name, reading) = (&found.name, &wanted.reading);
    let mut runs = Vec::new();
    for container in containers {
        let written = sources.read(container, reading).await?;
        if let Some(range) = written.run_before() {
            runs.push((container.iid, reading.text(&written, range)?));
        }
    }
    if runs.is_empty() {
        let before = found.ended.iter().find(|ended| wanted.of.only().is_none_or(|only| ended.iid < only));
        let before = before.with_context(|| {
            format!("{name} has no previous run: `maasctl events --for model/{name} -n {namespace}` says what happened")
        })?;
        let written = sources.read(before, reading).await?;
        output::note(&format!("note: this is what {} wrote, which ended before", before.iid));
        let range = written.last_run().unwrap_or_else(|| written.whole());
        runs.push((before.iid, reading.text(&written, range)?));
    }
    let several = several || runs.len() > 1;
    for (iid, text) in runs {
        output::bytes(&wanted.lines(several, name, iid).whole(tail(&text, reading.tail)))?;
    }
    Ok(())
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
