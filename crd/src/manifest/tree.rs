//! A YAML document as a tree whose every key and value knows its place. Anchors, aliases and tags are refused:
//! no manifest needs them, and without them no document is larger than its text.

use std::borrow::Cow;
use std::collections::HashSet;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::{FAULTS_LIMIT, Fault, number, shown, shown_to};

/// Deepest nesting.
const DEPTH_LIMIT: usize = 32;
/// Most values of one document; a list of manifests has many.
const NODES_LIMIT: usize = 250_000;
const DIRECTIVE: &str = "directives such as %YAML are not supported: leave the line out";
const ALIAS: &str = "aliases are not supported: write the value out";

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// Line and column, from 1.
    pub(crate) start: (u32, u32),
    /// Where it ends: line and column of what follows, from 1.
    pub(crate) end: (u32, u32),
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A scalar; `plain` when it stands without quotes, so that its look decides on its type.
    Scalar { text: String, plain: bool },
    /// A mapping in its order; `flow` when written with braces.
    Map { entries: Vec<(Node, Node)>, flow: bool },
    /// A sequence: no field is one, only the items of a list of manifests.
    Sequence(Vec<Node>),
}

impl Node {
    /// A fault at this place.
    pub(crate) fn fault(&self, path: &str, message: impl Into<String>) -> Fault {
        let own_line = self.start.0 == self.end.0;
        let width = if own_line { self.end.1.saturating_sub(self.start.1).max(1) } else { 1 };
        Fault { path: path.to_owned(), width, ..Fault::at(self.start, message) }
    }

    /// The text of a scalar.
    pub(crate) fn scalar(&self) -> Option<(&str, bool)> {
        match &self.value {
            Value::Scalar { text, plain } => Some((text, *plain)),
            Value::Map { .. } | Value::Sequence(_) => None,
        }
    }

    /// A plain scalar that stands for nothing.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.scalar(), Some(("" | "~" | "null" | "Null" | "NULL", true)))
    }

    /// An entry of a mapping, by its key.
    pub(crate) fn entry(&self, key: &str) -> Option<&(Self, Self)> {
        let Value::Map { entries, .. } = &self.value else { return None };
        entries.iter().find(|(k, _)| k.scalar().is_some_and(|(text, _)| text == key))
    }

    /// The value of a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|(_, value)| value)
    }
}

fn place(marker: &Marker) -> (u32, u32) {
    (number(marker.line()), number(marker.col()).saturating_add(1))
}

struct Builder<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    faults: Vec<Fault>,
    nodes: usize,
}

/// The tree of the one document in `text`, none when it is empty or no YAML, and what is wrong with it as YAML.
pub(crate) fn parse(text: &str) -> (Option<Node>, Vec<Fault>) {
    if let Some(at) = text.find('\0') {
        let before = text.get(..at).unwrap_or_default();
        let own_line = before.rsplit('\n').next().unwrap_or_default();
        let place = (number(before.matches('\n').count() + 1), number(own_line.chars().count() + 1));
        let fault = Fault { help: Some("take it out".to_owned()), ..Fault::at(place, "a NUL character") };
        return (None, vec![fault]);
    }
    let mut builder = Builder { events: Parser::new_from_str(text), faults: Vec::new(), nodes: 0 };
    let root = builder.document().unwrap_or_default();
    (root, builder.faults)
}

/// Reading ends here; the fault that says why stands with the others.
struct Stop;

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => return Ok(root.filter(|r: &Node| !r.is_null())),
                _ if root.is_some() => return Err(self.stop(&span, "a second document: begin it with a line ---")),
                first => root = Some(self.node(first, span, 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let message = match error.info() {
                    info if info.contains("unknown anchor") => ALIAS.to_owned(),
                    info if info.contains("expected <document start>") => DIRECTIVE.to_owned(),
                    info => format!("not YAML: {}", shown_to(info, 200)),
                };
                self.faults.push(Fault::at(place(error.marker()), message));
                Err(Stop)
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn stop(&mut self, span: &Span, message: &str) -> Stop {
        self.at(span, message);
        Stop
    }

    fn at(&mut self, span: &Span, message: &str) {
        self.faults.push(Fault::at(place(&span.start), message));
    }

    fn plain_only(&mut self, anchor: usize, tag: Option<&Cow<'_, saphyr_parser::Tag>>, span: &Span) {
        if anchor > 0 {
            self.at(span, "anchors are not supported: write the value out");
        }
        if tag.is_some() {
            self.at(span, "tags are not supported: leave the type to the value");
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Stop> {
        self.nodes += 1;
        if self.nodes > NODES_LIMIT {
            return Err(self.stop(&span, &format!("more than {NODES_LIMIT} values: put them into several files")));
        }
        // What reads on gathers more than anyone is told.
        if self.faults.len() > FAULTS_LIMIT {
            return Err(Stop);
        }
        if depth > DEPTH_LIMIT {
            return Err(self.stop(&span, &format!("nested more than {DEPTH_LIMIT} deep")));
        }
        let start = place(&span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_only(anchor, tag.as_ref(), &span);
                let value = Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                Ok(Node { value, start, end: place(&span.end) })
            }
            Event::Alias(_) => Err(self.stop(&span, ALIAS)),
            Event::SequenceStart(anchor, tag) => {
                self.plain_only(anchor, tag.as_ref(), &span);
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                        return Ok(Node { value: Value::Sequence(items), start, end: place(&span.end) });
                    }
                    items.push(self.node(event, span, depth + 1)?);
                }
            }
            Event::MappingStart(anchor, tag) => {
                self.plain_only(anchor, tag.as_ref(), &span);
                // A block mapping's start is empty; one in braces spans its brace.
                let flow = span.end.index() > span.start.index();
                self.mapping(start, flow, depth)
            }
            _ => Err(self.stop(&span, "not YAML: an unexpected end")),
        }
    }

    fn mapping(&mut self, start: (u32, u32), flow: bool, depth: usize) -> Result<Node, Stop> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                return Ok(Node { value: Value::Map { entries, flow }, start, end: place(&span.end) });
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            match key.scalar() {
                None => self.faults.push(key.fault("", "a key must be a word")),
                Some(("<<", true)) => {
                    self.faults.push(key.fault("", "merge keys are not supported: write the values out"));
                }
                Some((text, _)) if !seen.insert(text.to_owned()) => {
                    self.faults.push(key.fault("", format!("{} stands here a second time", shown(text))));
                }
                Some(_) => entries.push((key, value)),
            }
        }
    }
}
