//! JSONPath in kubectl's dialect, which no crate speaks (those that are kept speak RFC 9535): templates of text and
//! `{...}`, `{range}...{end}`, quoted literals, keys with `\.`, `[?(@.type=="Ready")]`, a path with or without its
//! braces and its leading dot.
//!
//! As kubectl's, but that `$` is the whole also within a range, and a template without braces is a path.

mod eval;
mod parse;

use serde_json::Value;

pub(crate) use eval::EvalError;
pub(crate) use parse::PathError;

/// What `-o jsonpath=` prints.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Path(Path),
    Range(Path, Vec<Piece>),
}

/// A way into a value, to none, one or many places.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    /// From the whole, not from where the range or the filter is.
    whole: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    /// Every member of a mapping or a list.
    Every,
    /// The value itself and everything in it.
    Descend,
    /// Some members.
    Pick(Vec<Pick>),
    Filter(Filter),
}

#[derive(Debug, Clone, PartialEq)]
enum Pick {
    Key(String),
    /// Negative ones count from the end.
    Index(i64),
    Slice {
        from: Option<i64>,
        to: Option<i64>,
        step: i64,
    },
}

/// Which members of a list are kept.
#[derive(Debug, Clone, PartialEq)]
struct Filter {
    left: Operand,
    /// None asks whether `left` is there.
    right: Option<(Comparison, Operand)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Path(Path),
    Literal(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// With the column and what is expected there.
    pub(crate) fn parse(text: &str) -> Result<Self, PathError> {
        parse::template(text).map(Self)
    }

    /// The text that it makes of a value. What is not there is empty.
    ///
    /// # Errors
    /// A list's member that is not there; more results than can be meant.
    pub(crate) fn render(&self, value: &Value) -> Result<String, EvalError> {
        eval::Evaluation::new(value).render(&self.0)
    }

    /// Every value that its paths lead to.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub(crate) fn values<'v>(&self, value: &'v Value) -> Result<Vec<&'v Value>, EvalError> {
        eval::Evaluation::new(value).values(&self.0)
    }
}

impl Path {
    /// Reads a path as columns and orders name it: `.a.b`, `a.b`, `{.a.b}` or `$.a.b`.
    ///
    /// # Errors
    /// With the column and what is expected there.
    pub(crate) fn parse(text: &str) -> Result<Self, PathError> {
        parse::lone_path(text)
    }

    /// Reads a path in braces, or up to the first `=` outside of brackets, and what follows it.
    ///
    /// # Errors
    /// With the column and what is expected there.
    pub(crate) fn parse_prefix(text: &str) -> Result<(Self, &str), PathError> {
        parse::prefix(text)
    }

    /// Every value that it leads to.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub(crate) fn values<'v>(&self, value: &'v Value) -> Result<Vec<&'v Value>, EvalError> {
        eval::Evaluation::new(value).path(self, value)
    }
}

/// A value as text: a scalar bare, anything else as JSON, nothing for null.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
