//! A YAML document as a tree whose every key and value knows its place. Anchors, aliases and tags are refused:
//! no manifest needs them, and without them no document is larger than its text.

use std::borrow::Cow;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::Fault;

/// Deepest nesting.
const DEPTH_LIMIT: usize = 32;

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
    /// A sequence: no field is one.
    Sequence,
}

impl Node {
    /// A fault at this place.
    pub(crate) fn fault(&self, path: &str, message: impl Into<String>) -> Fault {
        Fault { path: path.to_owned(), line: self.start.0, column: self.start.1, message: message.into(), help: None }
    }

    /// The text of a scalar.
    pub(crate) fn scalar(&self) -> Option<(&str, bool)> {
        match &self.value {
            Value::Scalar { text, plain } => Some((text, *plain)),
            Value::Map { .. } | Value::Sequence => None,
        }
    }

    /// A plain scalar that stands for nothing.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.scalar(), Some(("" | "~" | "null" | "Null" | "NULL", true)))
    }

    /// The value of a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map { entries, .. } = &self.value else { return None };
        entries.iter().find(|(k, _)| k.scalar().is_some_and(|(text, _)| text == key)).map(|(_, value)| value)
    }
}

fn place(marker: &Marker) -> (u32, u32) {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (number(marker.line()), number(marker.col()).saturating_add(1))
}

struct Builder<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    faults: Vec<Fault>,
}

/// The tree of the one document in `text`; none when it is empty.
pub(crate) fn parse(text: &str) -> Result<Option<Node>, Vec<Fault>> {
    if let Some(at) = text.find('\0') {
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        return Err(vec![Fault {
            path: String::new(),
            line,
            column: 1,
            message: "a NUL character".to_owned(),
            help: None,
        }]);
    }
    let mut builder = Builder { events: Parser::new_from_str(text), faults: Vec::new() };
    let mut root = None;
    loop {
        let (event, span) = builder.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => break,
            other => {
                if root.is_some() {
                    builder.at(&span, "a second document");
                    break;
                }
                root = Some(builder.node(other, span, 0)?);
            }
        }
    }
    if builder.faults.is_empty() { Ok(root.filter(|r| !r.is_null())) } else { Err(builder.faults) }
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Vec<Fault>> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let (line, column) = place(error.marker());
                let message = format!("not YAML: {}", error.info());
                self.faults.push(Fault { path: String::new(), line, column, message, help: None });
                Err(std::mem::take(&mut self.faults))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn at(&mut self, span: &Span, message: &str) {
        let (line, column) = place(&span.start);
        self.faults.push(Fault { path: String::new(), line, column, message: message.to_owned(), help: None });
    }

    fn plain_only(&mut self, anchor: usize, tag: Option<&Cow<'_, saphyr_parser::Tag>>, span: &Span) {
        if anchor > 0 {
            self.at(span, "anchors are not supported: write the value out");
        }
        if tag.is_some() {
            self.at(span, "tags are not supported: leave the type to the value");
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Vec<Fault>> {
        if depth > DEPTH_LIMIT {
            self.at(&span, "nested too deeply");
            return Err(std::mem::take(&mut self.faults));
        }
        let start = place(&span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_only(anchor, tag.as_ref(), &span);
                let value = Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                Ok(Node { value, start, end: place(&span.end) })
            }
            Event::Alias(_) => {
                self.at(&span, "aliases are not supported: write the value out");
                Ok(Node { value: Value::Scalar { text: String::new(), plain: true }, start, end: place(&span.end) })
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain_only(anchor, tag.as_ref(), &span);
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                        return Ok(Node { value: Value::Sequence, start, end: place(&span.end) });
                    }
                    self.node(event, span, depth + 1)?;
                }
            }
            Event::MappingStart(anchor, tag) => {
                self.plain_only(anchor, tag.as_ref(), &span);
                // A block mapping's start is empty; one in braces spans its brace.
                let flow = span.end.index() > span.start.index();
                self.mapping(start, flow, depth)
            }
            _ => {
                self.at(&span, "not YAML: an unexpected end");
                Err(std::mem::take(&mut self.faults))
            }
        }
    }

    fn mapping(&mut self, start: (u32, u32), flow: bool, depth: usize) -> Result<Node, Vec<Fault>> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
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
                Some((text, _)) => {
                    let again = entries.iter().any(|(k, _)| k.scalar().is_some_and(|(t, _)| t == text));
                    if again {
                        let message = format!("{text} stands here a second time");
                        self.faults.push(key.fault("", message));
                    }
                }
            }
            entries.push((key, value));
        }
    }
}
