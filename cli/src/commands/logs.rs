//! `logs`: the output of a model's instances, from the NodeManagers that run them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use maas_crd::{Iid, Name, Namespace};
use maas_store::Store;
use tokio::time::sleep;

use super::NotFound;
use super::connection::{load_one, open};
use crate::args::Logs;
use crate::node_http::{LogDirectory, MAX_PIECE};
use crate::node_logs::{Cursor, tail, unwrap};
use crate::output;
use crate::settings::Settings;

/// A file is looked at this often.
pub(super) const POLL: Duration = Duration::from_millis(500);
/// Asked for beyond what is new, as a file grows between its listing and its reading.
const SLACK: u64 = 64 * 1024;

/// What to print of which instances.
struct Wanted {
    name: Name,
    only: Option<Iid>,
    file: String,
    tail: Option<usize>,
}

/// `logs NAME[/INSTANCE]`.
pub(crate) async fn logs(settings: &Settings, args: Logs) -> anyhow::Result<ExitCode> {
    let (name, only) = match args.name.split_once('/') {
        Some((name, iid)) => (name, Some(iid.parse().with_context(|| format!("{iid:?}"))?)),
        None => (args.name.as_str(), None),
    };
    let file = args.file.unwrap_or_else(|| if args.stderr { "model.err" } else { "model.out" }.to_owned());
    if file.is_empty() || !file.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        bail!("--file {file:?}: expected the name of a file, such as model.out.1");
    }
    let wanted = Wanted { name: name.parse()?, only, file, tail: args.tail };
    let (store, namespace) = (open(settings).await?, settings.namespace());
    let running = running(&store, &namespace, &wanted).await?;
    if running.is_empty() && !args.follow {
        bail!("no instance of {} is running: `maasctl describe {}` says why", args.name, wanted.name);
    }
    if args.follow { follow(&store, &namespace, &wanted).await } else { once(&running, &wanted).await }
}

/// The log directories of the instances that have a runner.
async fn running(store: &Store, namespace: &Namespace, wanted: &Wanted) -> anyhow::Result<BTreeMap<Iid, LogDirectory>> {
    let tree = load_one(store, namespace, &wanted.name).await?;
    let instances = tree.instances(Some(namespace));
    if instances.is_empty() && tree.deployment(namespace, &wanted.name).is_none() {
        return Err(NotFound(wanted.name.to_string()).into());
    }
    if let Some(only) = wanted.only.filter(|only| instances.iter().all(|instance| instance.iid != *only)) {
        bail!("{} has no instance {only}: `maasctl get instances {}` lists them", wanted.name, wanted.name);
    }
    let mut running = BTreeMap::new();
    for instance in instances.into_iter().filter(|instance| wanted.only.is_none_or(|only| only == instance.iid)) {
        let Some(runner) = instance.runner else { continue };
        let node = runner
            .node_http
            .with_context(|| format!("instance {} does not say where its NodeManager answers", instance.iid))?;
        running.insert(instance.iid, LogDirectory::new(&node, &runner.container)?);
    }
    Ok(running)
}

/// One file whole, its lines marked with the instance when there are several. An instance that cannot be read is named,
/// and the others are printed all the same.
async fn once(running: &BTreeMap<Iid, LogDirectory>, wanted: &Wanted) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for (iid, directory) in running {
        match whole(directory, &wanted.file).await {
            Ok(text) => {
                let text = tail(&text, wanted.tail.unwrap_or(usize::MAX));
                let marked = if running.len() > 1 { Lines::marked(*iid) } else { Lines::plain() };
                output::bytes(&marked.whole(text))?;
            }
            Err(error) => {
                output::note(&format!("error: {iid}: {error:#}"));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

async fn whole(directory: &LogDirectory, file: &str) -> anyhow::Result<Vec<u8>> {
    let files = directory.files().await?;
    if !files.iter().any(|(name, _)| name == file) {
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        bail!("there is no file {file}, only {}", names.join(", "));
    }
    let answer = directory.last(file, MAX_PIECE).await?;
    let piece = unwrap(&answer, MAX_PIECE).context("the NodeManager's answer has another shape than Hadoop 3's")?;
    Ok(piece.bytes.to_vec())
}

/// Lines on their way to stdout; a line is printed once it is whole, so that those of several instances do not mix.
struct Lines {
    mark: String,
    partial: Vec<u8>,
}

impl Lines {
    fn plain() -> Self {
        Self { mark: String::new(), partial: Vec::new() }
    }

    fn marked(iid: Iid) -> Self {
        Self { mark: format!("[{iid}] "), partial: Vec::new() }
    }

    fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.partial.extend_from_slice(bytes);
        let end = self.partial.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.partial.split_off(end);
        let whole = std::mem::replace(&mut self.partial, rest);
        self.mark(&whole)
    }

    fn whole(mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = self.push(bytes);
        if !self.partial.is_empty() {
            text.extend(self.mark(&self.partial));
            text.push(b'\n');
        }
        text
    }

    fn mark(&self, text: &[u8]) -> Vec<u8> {
        if self.mark.is_empty() {
            return text.to_vec();
        }
        text.split_inclusive(|byte| *byte == b'\n').flat_map(|line| [self.mark.as_bytes(), line].concat()).collect()
    }
}

/// One instance being followed.
pub(super) struct Followed {
    directory: LogDirectory,
    cursor: Option<Cursor>,
    lines: Lines,
    /// The complaint that was made last, so that it is made once.
    complaint: Option<String>,
}

/// Prints what is added, of instances that come later too, until the reader goes away.
async fn follow(store: &Store, namespace: &Namespace, wanted: &Wanted) -> anyhow::Result<ExitCode> {
    let mut followed: BTreeMap<Iid, Followed> = BTreeMap::new();
    let mut begun = BTreeSet::new();
    let mut first = true;
    loop {
        let running = match running(store, namespace, wanted).await {
            Ok(running) => running,
            // Its last instance may end, or ZooKeeper be away, for a while.
            Err(error) if !first => {
                output::note(&format!("note: {error:#}"));
                if error.is::<NotFound>() {
                    return Ok(ExitCode::SUCCESS);
                }
                BTreeMap::new()
            }
            Err(error) => return Err(error),
        };
        followed.retain(|iid, _| running.contains_key(iid));
        let several = running.len() > 1;
        for (iid, directory) in running {
            // One that was there at the start is tailed, a later one is printed from its start.
            let cursor = (begun.contains(&iid) || !first).then(Cursor::default);
            let lines = if several || begun.len() > 1 { Lines::marked(iid) } else { Lines::plain() };
            followed.entry(iid).or_insert_with(|| Followed { cursor, lines, ..Followed::new(directory) });
            begun.insert(iid);
        }
        if several {
            followed.iter_mut().for_each(|(iid, one)| one.lines.mark = format!("[{iid}] "));
        }
        for (iid, one) in &mut followed {
            match one.step(&wanted.file, wanted.tail.unwrap_or(usize::MAX)).await {
                Ok(text) => {
                    one.complaint = None;
                    output::bytes(&text)?;
                }
                Err(error) => {
                    let complaint = format!("note: {iid}: {error:#}");
                    if one.complaint.as_ref() != Some(&complaint) {
                        output::note(&complaint);
                    }
                    one.complaint = Some(complaint);
                }
            }
        }
        first = false;
        sleep(POLL).await;
    }
}

impl Followed {
    /// From the file's last lines on.
    pub(super) fn new(directory: LogDirectory) -> Self {
        Self { directory, cursor: None, lines: Lines::plain(), complaint: None }
    }

    /// The whole lines that were added; the first time, the last `lines` of those that were there.
    pub(super) async fn step(&mut self, file: &str, lines: usize) -> anyhow::Result<Vec<u8>> {
        let files = self.directory.files().await?;
        // The file is made with the model's first words.
        let Some((_, length)) = files.into_iter().find(|(name, _)| name == file) else { return Ok(Vec::new()) };
        let Some(cursor) = &mut self.cursor else {
            let text = whole(&self.directory, file).await?;
            self.cursor = Some(Cursor::new(text.len() as u64));
            return Ok(self.lines.push(tail(&text, lines)));
        };
        let Some(new) = cursor.ask(length) else { return Ok(Vec::new()) };
        let asked = new.saturating_add(SLACK).min(MAX_PIECE);
        let answer = self.directory.last(file, asked).await?;
        let piece = unwrap(&answer, asked).context("the NodeManager's answer has another shape than Hadoop 3's")?;
        Ok(self.lines.push(cursor.take(&piece)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_printed_whole_and_marked() {
        let mut lines = Lines::marked(Iid::new(3, 17));
        assert_eq!(lines.push(b"one\ntw"), b"[3-17] one\n");
        assert_eq!(lines.push(b"o\n\n"), b"[3-17] two\n[3-17] \n");
        assert_eq!(Lines::plain().whole(b"a\nb"), b"a\nb\n");
    }
}
