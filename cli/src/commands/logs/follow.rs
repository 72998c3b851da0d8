//! `logs -f`: what is added, over restarts in place, rotated files, and moves to other containers.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use maas_crd::{Iid, Name, Namespace};
use maas_store::Store;
use tokio::time::{MissedTickBehavior, interval};

use super::containers::{self, Container, Containers};
use super::lines::Lines;
use super::source::{Sources, from_node};
use super::written::{stamp, times};
use super::{Of, Reading, Wanted, no_times};
use crate::commands::follow::Followed as Pushed;
use crate::commands::watch_rows::tell_lost;
use crate::node_http::{File, LogDirectory, MAX_PIECE};
use crate::node_logs::{Cursor, tail, unwrap};
use crate::output;

/// A file is looked at this often.
pub(crate) const POLL: Duration = Duration::from_millis(500);
/// Asked for beyond what is new, as a file grows between its listing and its reading.
const SLACK: u64 = 64 * 1024;
/// How much of the end of a file of times is read: those of hours.
const TIMES: u64 = 256 * 1024;

const SHAPE: &str = "the NodeManager's answer has another shape than Hadoop 3's";

/// One instance being followed.
pub(crate) struct Followed {
    directory: LogDirectory,
    /// None until the first look.
    cursor: Option<Cursor>,
    /// The newest file that was put aside, when it was looked at last; it tells whether another was since.
    aside: Option<File>,
    lines: Lines,
    /// The complaint that was made last, so that it is made once.
    complaint: Option<String>,
}

/// An instance, and whose it is.
type Whose = (Name, Iid);

/// Prints what is added, of instances that come later too, until the reader goes away, the deployment is deleted, or
/// the one instance that was asked for has ended. Which instances there are is pushed by the tree; their files are looked
/// at, as a NodeManager pushes nothing.
pub(super) async fn follow(
    store: &Store,
    namespace: &Namespace,
    wanted: &Wanted,
    sources: &Sources<'_>,
    at_first: &[Containers],
) -> anyhow::Result<ExitCode> {
    let running = at_first.iter().map(|found| found.running.len()).sum::<usize>();
    match &wanted.of {
        // One that has ended is printed whole, as it will not change.
        Of::One { only: Some(only), .. } if !is_running(at_first, *only) => {
            return super::once(namespace, wanted, sources, at_first).await;
        }
        Of::One { only: None, name } if running == 0 => {
            output::note(&format!("note: no instance of {name} is running yet"));
        }
        Of::Selected(_) if running == 0 => output::note("note: no instance of what is selected is running yet"),
        _ => {}
    }
    if running > wanted.most && wanted.of.only().is_none() {
        bail!(
            "you are attempting to follow {running} log streams, but maximum allowed concurrency is {}, use --max-log-requests to increase the limit",
            wanted.most
        );
    }
    let mut tree = Pushed::new(store, containers::paths(store, namespace, &wanted.of));
    let mut look = interval(POLL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut streams = Streams::default();
    // A step that is given up for a look has perhaps taken changes in already.
    let changed = Cell::new(false);
    let mut known = (tree.whole, tree.connected);
    loop {
        let is_look = tokio::select! {
            step = tree.step(|_, _, _| changed.set(true)) => {
                step?;
                false
            }
            _ = look.tick() => true,
        };
        tell_lost(known.1, &tree);
        let now = (tree.whole, tree.connected);
        let is_new = changed.replace(false) || now != known;
        known = now;
        let mut over = Vec::new();
        let mut is_gone = false;
        // Half of a list, or nobody to tell: who is followed goes on as before.
        if is_new && known == (true, true) {
            let found = containers::find(&tree.tree, namespace, &wanted.of);
            over = streams.meet(wanted, sources, &found)?;
            is_gone = !found.iter().any(Containers::is_known);
        }
        // Those that have ended are looked at once more: for their last words.
        if is_look || !over.is_empty() {
            streams.print(wanted).await?;
        }
        let has_ended = !over.is_empty();
        streams.end(over)?;
        if has_ended && wanted.of.only().is_some() {
            return Ok(ExitCode::SUCCESS);
        }
        if let (Of::One { name, .. }, true) = (&wanted.of, is_gone) {
            output::note(&format!("note: {name} is deleted"));
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn is_running(found: &[Containers], iid: Iid) -> bool {
    found.iter().flat_map(|found| &found.running).any(|one| one.iid == iid)
}

/// All that are followed.
#[derive(Default)]
struct Streams {
    followed: BTreeMap<Whose, Followed>,
    /// Whoever was followed.
    begun: BTreeSet<Whose>,
    /// Those that were there at the start are known.
    has_begun: bool,
}

impl Streams {
    /// Begins to follow those that have come. Gives those that have ended.
    fn meet(&mut self, wanted: &Wanted, sources: &Sources<'_>, found: &[Containers]) -> anyhow::Result<Vec<Whose>> {
        let all = found.iter().flat_map(|found| found.running.iter().map(move |one| (&found.name, one)));
        let running: BTreeMap<Whose, &Container> = all
            .filter(|(_, one)| wanted.of.only().is_none_or(|only| only == one.iid))
            .map(|(name, one)| ((name.clone(), one.iid), one))
            .collect();
        let over = self.followed.keys().filter(|whose| !running.contains_key(whose)).cloned().collect();
        for (whose, container) in running {
            if self.begun.insert(whose.clone()) {
                let (name, iid) = &whose;
                if self.has_begun {
                    output::note(&format!("note: following {name}/{iid} in {}", container.id));
                }
                // What was there at the start is tailed, what comes later is printed from its start.
                let cursor = self.has_begun.then(Cursor::default);
                let (directory, lines) = (sources.node(container)?, wanted.lines(false, name, *iid));
                self.followed.insert(whose, Followed { cursor, lines, ..Followed::new(directory) });
            }
        }
        self.has_begun = true;
        if self.begun.len() > 1 {
            self.followed.iter_mut().for_each(|((name, iid), one)| one.lines.be_marked(name, *iid));
        }
        Ok(over)
    }

    /// Prints what each has written since the last look.
    async fn print(&mut self, wanted: &Wanted) -> anyhow::Result<()> {
        for ((name, iid), one) in &mut self.followed {
            match one.step(&wanted.reading).await {
                Ok(text) => {
                    one.complaint = None;
                    output::bytes(&text)?;
                }
                Err(error) => one.complain(&format!("note: {name}/{iid}: {error:#}")),
            }
        }
        Ok(())
    }

    fn end(&mut self, over: Vec<Whose>) -> anyhow::Result<()> {
        for (name, iid) in over {
            if let Some(mut one) = self.followed.remove(&(name.clone(), iid)) {
                output::bytes(&one.lines.rest())?;
                output::note(&format!("note: {name}/{iid} has ended"));
            }
        }
        Ok(())
    }
}

/// What to read, in this order, now that another file stands where one was put aside: files whole, the first from where
/// it was left; and whether output was put aside and thrown away unseen.
fn put_aside<'a>(before: Option<&File>, file: &str, files: &'a [File]) -> (Vec<&'a File>, bool) {
    let numbered = |number: u32| files.iter().find(|one| one.name == format!("{file}.{number}"));
    let aside: Vec<&File> = (1..).map_while(numbered).collect();
    let same =
        |one: &File| before.is_some_and(|before| (before.length, &before.modified) == (one.length, &one.modified));
    match aside.iter().position(|one| same(one)) {
        Some(known) => (aside.into_iter().take(known).rev().collect(), false),
        // Before, nothing had been put aside: these are all that were. Otherwise what was known is gone, and perhaps more.
        None => (aside.into_iter().rev().collect(), before.is_some()),
    }
}

impl Followed {
    /// From the file's last lines on.
    pub(crate) fn new(directory: LogDirectory) -> Self {
        Self { directory, cursor: None, aside: None, lines: Lines::plain(), complaint: None }
    }

    fn complain(&mut self, complaint: &str) {
        if self.complaint.as_deref() != Some(complaint) {
            output::note(complaint);
        }
        self.complaint = Some(complaint.to_owned());
    }

    /// The whole lines that were added; the first time, the last ones of those that were there.
    pub(crate) async fn step(&mut self, reading: &Reading) -> anyhow::Result<Vec<u8>> {
        let files = self.directory.files().await?;
        let newest_aside = files.iter().find(|one| one.name == format!("{}.1", reading.file)).cloned();
        // The file is made with the model's first words, and anew at each rotation.
        let Some(file) = files.iter().find(|one| one.name == reading.file) else { return Ok(Vec::new()) };
        if self.cursor.is_none() {
            return self.begin(reading, newest_aside).await;
        }
        let mut text = Vec::new();
        if reading.is_output() {
            let (unread, lost) = put_aside(self.aside.as_ref(), &reading.file, &files);
            if lost {
                self.complain("note: some output is lost: it was put aside and deleted before it could be read");
            }
            for one in unread {
                text.extend(self.take(reading, &one.name, one.length).await?);
                self.cursor = Some(Cursor::default());
            }
            self.aside = newest_aside;
        }
        text.extend(self.take(reading, &reading.file, file.length).await?);
        Ok(text)
    }

    async fn begin(&mut self, reading: &Reading, aside: Option<File>) -> anyhow::Result<Vec<u8>> {
        let written = from_node(&self.directory, reading).await?;
        let after = self.directory.files().await?.into_iter().find(|one| one.name == format!("{}.1", reading.file));
        if after != aside {
            // A file was put aside just now: which one was read is not known, and the next look tells.
            return Ok(Vec::new());
        }
        let text = reading.select(&written)?;
        self.cursor = Some(Cursor::new(written.length));
        self.aside = aside;
        Ok(self.lines.push(tail(&text, reading.tail)))
    }

    async fn take(&mut self, reading: &Reading, file: &str, length: u64) -> anyhow::Result<Vec<u8>> {
        let Some(cursor) = self.cursor.as_mut() else { return Ok(Vec::new()) };
        let Some(new) = cursor.ask(length) else { return Ok(Vec::new()) };
        let asked = new.saturating_add(SLACK).min(MAX_PIECE);
        let answer = self.directory.last(file, asked).await?;
        let piece = unwrap(&answer, asked).context(SHAPE)?;
        if !reading.stamped {
            return Ok(self.lines.push(cursor.take(&piece)));
        }
        // A line's time is written before the line, so that of each of these is there.
        let file = format!("{file}.times");
        let answer = self.directory.last(&file, TIMES).await.with_context(|| no_times("--timestamps"))?;
        let times = times(unwrap(&answer, TIMES).context(SHAPE)?.bytes);
        let at = usize::try_from(cursor.seen()).unwrap_or(usize::MAX);
        let text = stamp(cursor.take(&piece), at, self.lines.is_at_start(), &times);
        Ok(self.lines.push(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, length: u64) -> File {
        File { name: name.to_owned(), length, modified: "Tue".to_owned() }
    }

    #[test]
    fn files_put_aside_are_read_in_the_order_in_which_they_were_written() {
        let files = [file("m", 1), file("m.1", 30), file("m.2", 20), file("m.3", 10), file("m.1.times", 5)];
        let names = |before: Option<&File>| {
            let (unread, lost) = put_aside(before, "m", &files);
            (unread.into_iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), lost)
        };
        assert_eq!(names(Some(&file("m.1", 30))), (vec![], false), "nothing is new");
        assert_eq!(names(Some(&file("m.1", 20))), (vec!["m.1"], false));
        assert_eq!(names(Some(&file("m.1", 10))), (vec!["m.2", "m.1"], false));
        assert_eq!(names(Some(&file("m.1", 7))), (vec!["m.3", "m.2", "m.1"], true));
        assert_eq!(names(None), (vec!["m.3", "m.2", "m.1"], false));
    }
}
