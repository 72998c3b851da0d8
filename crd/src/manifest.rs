//! Manifests: YAML as users write it, read with every fault at its place. One function for the command line
//! and the operator, so that their verdicts agree.

mod fields;
mod list;
mod tree;

use std::fmt;

use crate::deployment::ModelDeployment;
use crate::name::{Name, Namespace};

/// Longest document, in bytes: it becomes one znode.
const DOCUMENT_LIMIT: usize = 64 * 1024;
/// Most manifests of one input.
const DOCUMENTS_LIMIT: usize = 1000;
/// Most faults that are reported of one input.
const FAULTS_LIMIT: usize = 200;

/// One checked document.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// What it declares, with defaults.
    pub resource: ModelDeployment,
    /// Whether it names a number of replicas; one that does not keeps the live number when applied.
    pub replicas_given: bool,
    /// The document as written, without its `---` line.
    pub text: String,
    /// The line it starts at, from 1.
    pub line: u32,
}

/// One thing wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field, as in `spec.resources.memory`; empty for the document as a whole.
    pub path: String,
    /// Line in the input, from 1.
    pub line: u32,
    /// Column in the line, from 1.
    pub column: u32,
    /// Characters from there on that it speaks of; 1 where it can't be told.
    pub width: u32,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl Fault {
    /// Something wrong with a document as a whole, seen at this line and column.
    pub fn at((line, column): (u32, u32), message: impl Into<String>) -> Self {
        Self { path: String::new(), line, column, width: 1, message: message.into(), help: None }
    }
}

/// Everything wrong with an input; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

/// What of a user's text may stand in a message: the start of it, on one line, with nothing that a terminal obeys.
pub(crate) fn shown(text: &str) -> String {
    shown_to(text, 60)
}

fn shown_to(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for c in text.chars().take(limit) {
        if matches!(c, '"' | '\'' | '\\') { shown.push(c) } else { shown.extend(c.escape_debug()) }
    }
    if text.chars().nth(limit).is_some() {
        shown.push('…');
    }
    shown
}

impl Faults {
    fn whole(line: u32, message: impl Into<String>, help: Option<&str>) -> Self {
        let help = help.map(ToOwned::to_owned);
        Self(vec![Fault { help, ..Fault::at((line, 1), message) }])
    }
}

impl Manifest {
    /// The manifest, if it names just this resource.
    ///
    /// # Errors
    /// It names another one: then it stands in the wrong place.
    pub fn named(self, namespace: &Namespace, name: &Name) -> Result<Self, Faults> {
        let own = &self.resource.metadata;
        if own.namespace == *namespace && own.name == *name {
            return Ok(self);
        }
        let message = format!("the manifest names {}/{} and stands at {namespace}/{name}", own.namespace, own.name);
        Err(Faults::whole(self.line, message, Some("apply it under the name that it gives")))
    }
}

/// Reads every document of an input; empty ones are skipped, and of a `kind: List` its items are read.
///
/// # Errors
/// Every fault of every document, in the order of the input.
pub fn parse(bytes: &[u8]) -> Result<Vec<Manifest>, Faults> {
    read(bytes, true)
}

fn read(bytes: &[u8], lists: bool) -> Result<Vec<Manifest>, Faults> {
    let text = text(bytes)?;
    let mut manifests = Vec::new();
    let mut faults = Vec::new();
    for (line, document) in documents(text) {
        match document_of(document, line, lists) {
            Ok(more) => manifests.extend(more),
            Err(more) => faults.extend(more.0),
        }
        if manifests.len() > DOCUMENTS_LIMIT {
            let message = format!("more than {DOCUMENTS_LIMIT} manifests");
            faults.extend(Faults::whole(line, message, Some("split the file")).0);
        }
        if manifests.len() > DOCUMENTS_LIMIT || faults.len() > FAULTS_LIMIT {
            break;
        }
    }
    faults.truncate(FAULTS_LIMIT);
    if faults.is_empty() { Ok(manifests) } else { Err(Faults(faults)) }
}

/// Reads an input that must hold just one document.
///
/// # Errors
/// Every fault of it; none or several documents.
pub fn parse_one(bytes: &[u8]) -> Result<Manifest, Faults> {
    if bytes.len() > DOCUMENT_LIMIT {
        return Err(too_long(1, bytes.len()));
    }
    let mut manifests = read(bytes, false)?;
    match (manifests.pop(), manifests.len()) {
        (Some(manifest), 0) => Ok(manifest),
        (None, _) => {
            Err(Faults::whole(1, "the manifest is empty", Some("it needs apiVersion, kind, metadata and spec")))
        }
        (Some(_), more) => Err(Faults::whole(1, format!("{} documents where one is expected", more + 1), None)),
    }
}

fn too_long(line: u32, len: usize) -> Faults {
    Faults::whole(
        line,
        format!("the document has {len} bytes, more than {DOCUMENT_LIMIT}"),
        Some("put data into the payload"),
    )
}

/// A count as a line or column.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn text(bytes: &[u8]) -> Result<&str, Faults> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|b| **b == b'\n').count() + 1;
            let mut faults = Faults::whole(number(line), "the input is not UTF-8 text", Some("save it as UTF-8"));
            let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let own_line = String::from_utf8_lossy(before.get(start..).unwrap_or_default());
            if let Some(fault) = faults.0.first_mut() {
                fault.column = number(own_line.chars().count() + 1);
            }
            Err(faults)
        }
    }
}

/// Documents with the line each starts at. A line that starts with `---` separates them, in any context.
fn documents(text: &str) -> Vec<(u32, &str)> {
    let mut found = Vec::new();
    let (mut start, mut start_line, mut offset, mut line) = (0, 1, 0, 0u32);
    for whole in text.split_inclusive('\n') {
        line = line.saturating_add(1);
        let bare = whole.trim_end();
        let separator = bare == "---" || bare.starts_with("--- ") || bare.starts_with("---\t");
        if separator {
            found.push((start_line, text.get(start..offset).unwrap_or_default()));
            // What follows on the marker's own line belongs to the document.
            let own_line = bare != "---";
            start = if own_line { offset } else { offset + whole.len() };
            start_line = if own_line { line } else { line.saturating_add(1) };
        }
        offset += whole.len();
    }
    found.push((start_line, text.get(start..).unwrap_or_default()));
    found.retain(|(_, document)| !document.trim().is_empty());
    found
}

/// What one document declares: nothing when it is empty, and a list's items.
fn document_of(text: &str, line: u32, lists: bool) -> Result<Vec<Manifest>, Faults> {
    // A list may be longer than each of its items.
    if text.len() > DOCUMENT_LIMIT && !(lists && text.contains(list::KIND)) {
        return Err(too_long(line, text.len()));
    }
    let (root, mut faults) = tree::parse(text);
    let Some(root) = root else {
        return if faults.is_empty() { Ok(Vec::new()) } else { Err(moved(faults, text, line)) };
    };
    let found = if lists && list::is_list(&root) {
        list::read(&root, text, line)
    } else if text.len() > DOCUMENT_LIMIT {
        return Err(too_long(line, text.len()));
    } else {
        fields::read(&root)
            .map(|(resource, replicas_given)| vec![Manifest { resource, replicas_given, text: text.to_owned(), line }])
    };
    match found {
        Ok(manifests) if faults.is_empty() => Ok(manifests),
        Ok(_) => Err(moved(faults, text, line)),
        Err(more) => {
            faults.extend(more);
            Err(moved(faults, text, line))
        }
    }
}

/// Faults of a document at their lines in the whole input.
fn moved(mut faults: Vec<Fault>, text: &str, line: u32) -> Faults {
    // What is missing at the end is reported on a line behind the last: an editor has none there.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (lines, last) = text.lines().fold((0, ""), |(count, _), line| (count + 1, line));
    for fault in &mut faults {
        if fault.line > number(lines) {
            (fault.line, fault.column, fault.width) = (number(lines.max(1)), number(last.chars().count() + 1), 1);
        }
        fault.line = fault.line.saturating_add(line - 1);
    }
    faults.sort_by_key(|f| (f.line, f.column));
    Faults(faults)
}

pub(crate) use fields::looks_like_another_type;
pub(crate) use tree::{Node, Value, parse as parse_tree};
