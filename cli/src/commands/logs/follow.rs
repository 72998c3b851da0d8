//! `logs -f`: what is added, over restarts in place, rotated files, and moves to other containers.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use maas_crd::{Iid, Namespace};
use maas_store::Store;
use tokio::time::sleep;

use super::containers::{Container, Containers};
use super::lines::Lines;
use super::source::{Sources, from_node};
use super::{Reading, Wanted, select};
use crate::node_http::{File, LogDirectory, MAX_PIECE};
use crate::node_logs::{Cursor, tail, unwrap};
use crate::output;

/// A file is looked at this often.
pub(crate) const POLL: Duration = Duration::from_millis(500);
/// Asked for beyond what is new, as a file grows between its listing and its reading.
const SLACK: u64 = 64 * 1024;

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

/// Prints what is added, of instances that come later too, until the reader goes away, the deployment is deleted, or
/// the one instance that was asked for has ended.
pub(super) async fn follow(
    store: &Store,
    namespace: &Namespace,
    wanted: &Wanted,
    sources: &Sources<'_>,
    mut found: Containers,
) -> anyhow::Result<ExitCode> {
    let mut followed: BTreeMap<Iid, Followed> = BTreeMap::new();
    let mut begun: BTreeSet<Iid> = BTreeSet::new();
    if let Some(only) = wanted.only {
        // One that has ended is printed whole, as it will not change.
        if found.running.iter().all(|one| one.iid != only) {
            return super::once(namespace, wanted, sources, &found).await;
        }
    } else if found.running.is_empty() {
        output::note(&format!("note: no instance of {} is running yet", wanted.name));
    }
    let mut first = true;
    let mut away: Option<String> = None;
    loop {
        let running: BTreeMap<Iid, Container> = found
            .running
            .into_iter()
            .filter(|one| wanted.only.is_none_or(|only| only == one.iid))
            .map(|one| (one.iid, one))
            .collect();
        // Each is looked at once more after its end: for its last words.
        let over: Vec<Iid> = followed.keys().filter(|iid| !running.contains_key(iid)).copied().collect();
        for (iid, container) in running {
            if begun.insert(iid) {
                if !first {
                    output::note(&format!("note: following {}/{iid} in {}", wanted.name, container.id));
                }
                // What was there at the start is tailed, what comes later is printed from its start.
                let cursor = (!first).then(Cursor::default);
                let (directory, lines) = (sources.node(&container)?, wanted.lines(false, iid));
                followed.insert(iid, Followed { cursor, lines, ..Followed::new(directory) });
            }
        }
        if begun.len() > 1 {
            followed.iter_mut().for_each(|(iid, one)| one.lines.be_marked(&wanted.name, *iid));
        }
        for (iid, one) in &mut followed {
            match one.step(&wanted.reading).await {
                Ok(text) => {
                    one.complaint = None;
                    output::bytes(&text)?;
                }
                Err(error) => one.complain(&format!("note: {}/{iid}: {error:#}", wanted.name)),
            }
        }
        for iid in over {
            if let Some(mut one) = followed.remove(&iid) {
                output::bytes(&one.lines.rest())?;
                output::note(&format!("note: {}/{iid} has ended", wanted.name));
            }
            if wanted.only == Some(iid) {
                return Ok(ExitCode::SUCCESS);
            }
        }
        first = false;
        sleep(POLL).await;
        found = loop {
            match Containers::find(store, namespace, &wanted.name).await {
                Ok(found) => break found,
                // ZooKeeper may be away for a while; who is followed goes on as before.
                Err(error) => {
                    let complaint = format!("note: {error:#}");
                    if away.as_ref() != Some(&complaint) {
                        output::note(&complaint);
                    }
                    away = Some(complaint);
                    sleep(POLL).await;
                }
            }
        };
        if !found.is_known() {
            output::note(&format!("note: {} is deleted", wanted.name));
            return Ok(ExitCode::SUCCESS);
        }
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
                text.extend(self.take(&one.name, one.length).await?);
                self.cursor = Some(Cursor::default());
            }
            self.aside = newest_aside;
        }
        text.extend(self.take(&reading.file, file.length).await?);
        Ok(text)
    }

    async fn begin(&mut self, reading: &Reading, aside: Option<File>) -> anyhow::Result<Vec<u8>> {
        let written = from_node(&self.directory, reading).await?;
        let after = self.directory.files().await?.into_iter().find(|one| one.name == format!("{}.1", reading.file));
        if after != aside {
            // A file was put aside just now: which one was read is not known, and the next look tells.
            return Ok(Vec::new());
        }
        let text = select(&written, reading)?;
        self.cursor = Some(Cursor::new(written.length));
        self.aside = aside;
        Ok(self.lines.push(tail(&text, reading.tail)))
    }

    async fn take(&mut self, file: &str, length: u64) -> anyhow::Result<Vec<u8>> {
        let Some(new) = self.cursor.as_mut().and_then(|cursor| cursor.ask(length)) else { return Ok(Vec::new()) };
        let asked = new.saturating_add(SLACK).min(MAX_PIECE);
        let answer = self.directory.last(file, asked).await?;
        let piece = unwrap(&answer, asked).context("the NodeManager's answer has another shape than Hadoop 3's")?;
        let bytes = self.cursor.as_mut().map_or(&[][..], |cursor| cursor.take(&piece));
        Ok(self.lines.push(bytes))
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
