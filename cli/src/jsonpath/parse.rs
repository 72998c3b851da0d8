//! From text to templates and paths. Everything that a user can type is read or refused with its column.

use serde_json::Value;

use super::{Comparison, Filter, Operand, Path, Pick, Piece, Step};

/// Longest template, in bytes.
const LIMIT: usize = 16 * 1024;
/// Most ranges, or filters, within one another.
const DEPTH: usize = 16;

/// Why a text is no JSONPath.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing jsonpath {given}, column {column}: {problem}")]
pub(crate) struct PathError {
    given: String,
    column: usize,
    problem: String,
}

/// A cursor over the text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

type Read<T> = Result<T, PathError>;

pub(super) fn template(text: &str) -> Read<Vec<Piece>> {
    let mut cursor = Cursor::new(text)?;
    if !text.contains(['{', '}']) {
        return Ok(vec![Piece::Path(lone_path(text)?)]);
    }
    // Each range that is open: its path, and what stood before it.
    let mut open: Vec<(Path, Vec<Piece>)> = Vec::new();
    let mut pieces = Vec::new();
    while let Some(next) = cursor.peek() {
        if next != '{' {
            let literal = cursor.take_until(|c| c == '{');
            pieces.push(Piece::Text(literal.to_owned()));
            continue;
        }
        cursor.next();
        cursor.skip_space();
        match cursor.peek() {
            Some('"' | '\'') => pieces.push(Piece::Text(cursor.quoted()?)),
            Some('}') | None => return Err(cursor.refuse("a path, a text in quotes, range or end is expected")),
            Some('.' | '[' | '$' | '@') => pieces.push(Piece::Path(cursor.path(0)?)),
            Some(_) => {
                let began = cursor.at;
                let word = cursor.take_until(|c| c.is_whitespace() || matches!(c, '}' | '{' | '[' | '.'));
                match word {
                    "range" => {
                        cursor.skip_space();
                        if open.len() == DEPTH {
                            return Err(cursor.refuse(&format!("more than {DEPTH} ranges within one another")));
                        }
                        let path = cursor.path(0)?;
                        open.push((path, std::mem::take(&mut pieces)));
                    }
                    "end" => {
                        let Some((path, before)) = open.pop() else {
                            return Err(cursor.refuse("not in range, nothing to end"));
                        };
                        let body = std::mem::replace(&mut pieces, before);
                        pieces.push(Piece::Range(path, body));
                    }
                    _ => {
                        cursor.at = began;
                        return Err(cursor.refuse("a path begins with . [ $ or @, and a text stands in quotes"));
                    }
                }
            }
        }
        cursor.skip_space();
        cursor.expect('}')?;
    }
    if open.is_empty() { Ok(pieces) } else { Err(cursor.refuse("{end} is missing")) }
}

pub(super) fn lone_path(text: &str) -> Read<Path> {
    let (path, rest) = prefix(text)?;
    if rest.is_empty() {
        return Ok(path);
    }
    let cursor = Cursor { text, at: text.len() - rest.len() };
    Err(cursor.refuse("the path ends here, and more follows"))
}

pub(super) fn prefix(text: &str) -> Read<(Path, &str)> {
    let mut cursor = Cursor::new(text)?;
    cursor.skip_space();
    let braced = cursor.peek() == Some('{');
    if braced {
        cursor.next();
        cursor.skip_space();
    }
    let path = match cursor.peek() {
        Some('.' | '[' | '$' | '@') => cursor.path(0)?,
        // The leading dot may be left out.
        Some(c) if is_name(c) => {
            let first = cursor.name()?;
            let mut path = cursor.steps(0)?;
            path.insert(0, Step::Field(first));
            Path { whole: false, steps: path }
        }
        _ => return Err(cursor.refuse("a path such as .metadata.name is expected")),
    };
    cursor.skip_space();
    if braced {
        cursor.expect('}')?;
    }
    Ok((path, cursor.rest()))
}

/// Whether a name goes on with `c`; any other character needs a `\` before it, or `['...']` around the name.
fn is_name(c: char) -> bool {
    !c.is_whitespace() && !".,[]{}()$@*\"'=!<>&|~".contains(c)
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Read<Self> {
        let cursor = Self { text, at: 0 };
        if text.len() > LIMIT {
            return Err(cursor.refuse(&format!("it has {} bytes, more than {LIMIT}", text.len())));
        }
        Ok(cursor)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take_until(&mut self, end: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let (taken, _) = rest.split_at(rest.find(end).unwrap_or(rest.len()));
        self.at += taken.len();
        taken
    }

    fn skip_space(&mut self) {
        self.take_until(|c| !c.is_whitespace());
    }

    fn take(&mut self, sign: &str) -> bool {
        let there = self.rest().starts_with(sign);
        if there {
            self.at += sign.len();
        }
        there
    }

    fn expect(&mut self, sign: char) -> Read<()> {
        if self.peek() == Some(sign) {
            self.next();
            return Ok(());
        }
        Err(self.refuse(&format!("{sign} is expected")))
    }

    fn refuse(&self, problem: &str) -> PathError {
        let column = self.text.get(..self.at).unwrap_or_default().chars().count() + 1;
        let mut given: String = self.text.chars().take(60).flat_map(char::escape_debug).collect();
        if self.text.chars().nth(60).is_some() {
            given.push('…');
        }
        PathError { given, column, problem: problem.to_owned() }
    }

    /// From where the cursor is to the path's end; `depth` filters are around it.
    fn path(&mut self, depth: usize) -> Read<Path> {
        let whole = self.peek() == Some('$');
        if whole || self.peek() == Some('@') {
            self.next();
        }
        Ok(Path { whole, steps: self.steps(depth)? })
    }

    fn steps(&mut self, depth: usize) -> Read<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            match self.peek() {
                Some('.') => {
                    self.next();
                    if self.peek() == Some('.') {
                        self.next();
                        steps.push(Step::Descend);
                    }
                    match self.peek() {
                        Some('*') => {
                            self.next();
                            steps.push(Step::Every);
                        }
                        Some('[') => steps.push(self.bracket(depth)?),
                        Some(c) if is_name(c) => steps.push(Step::Field(self.name()?)),
                        // `{.}` is the value itself.
                        _ if steps.is_empty() => {}
                        _ => return Err(self.refuse("a field's name is expected after the dot")),
                    }
                }
                Some('[') => steps.push(self.bracket(depth)?),
                _ => return Ok(steps),
            }
        }
    }

    /// A field's name; `\` takes the next character as it is.
    fn name(&mut self) -> Read<String> {
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|c| is_name(*c)) {
            self.next();
            if c != '\\' {
                name.push(c);
                continue;
            }
            match self.next() {
                Some(escaped) => name.push(escaped),
                None => return Err(self.refuse("a character is expected after \\")),
            }
        }
        Ok(name)
    }

    /// `[...]`, the cursor on its `[`.
    fn bracket(&mut self, depth: usize) -> Read<Step> {
        self.next();
        self.skip_space();
        let step = match self.peek() {
            Some('*') => {
                self.next();
                Step::Every
            }
            Some('?') => {
                self.next();
                if depth == DEPTH {
                    return Err(self.refuse(&format!("more than {DEPTH} filters within one another")));
                }
                self.skip_space();
                self.expect('(')?;
                let filter = self.filter(depth + 1)?;
                self.expect(')')?;
                Step::Filter(filter)
            }
            _ => Step::Pick(self.picks()?),
        };
        self.skip_space();
        self.expect(']')?;
        Ok(step)
    }

    fn picks(&mut self) -> Read<Vec<Pick>> {
        let mut picks = Vec::new();
        loop {
            self.skip_space();
            picks.push(match self.peek() {
                Some('"' | '\'') => Pick::Key(self.quoted()?),
                _ => self.index()?,
            });
            self.skip_space();
            if self.peek() != Some(',') {
                return Ok(picks);
            }
            self.next();
        }
    }

    fn index(&mut self) -> Read<Pick> {
        let first = self.whole_number()?;
        if self.peek() != Some(':') {
            return match first {
                Some(index) => Ok(Pick::Index(index)),
                None => Err(self.refuse("an index, a slice, a key in quotes, * or ?( is expected")),
            };
        }
        self.next();
        let to = self.whole_number()?;
        let step = if self.take(":") { self.whole_number()?.unwrap_or(1) } else { 1 };
        if step < 1 {
            return Err(self.refuse("the step of a slice must be at least 1"));
        }
        Ok(Pick::Slice { from: first, to, step })
    }

    fn whole_number(&mut self) -> Read<Option<i64>> {
        let rest = self.rest();
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        let digits = digits.len() - digits.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return Ok(None);
        }
        let (number, _) = rest.split_at(digits + usize::from(rest.starts_with('-')));
        let value = number.parse().map_err(|_| self.refuse("the number is too large"))?;
        self.at += number.len();
        Ok(Some(value))
    }

    fn filter(&mut self, depth: usize) -> Read<Filter> {
        let left = self.operand(depth)?;
        self.skip_space();
        let comparison = match () {
            () if self.take("==") => Comparison::Equal,
            () if self.take("!=") => Comparison::NotEqual,
            () if self.take("<=") => Comparison::AtMost,
            () if self.take(">=") => Comparison::AtLeast,
            () if self.take("<") => Comparison::Less,
            () if self.take(">") => Comparison::Greater,
            () if self.rest().starts_with("=~") => {
                return Err(self.refuse("regular expressions are not supported, as in kubectl"));
            }
            () if self.take("=") => Comparison::Equal,
            () if self.peek() == Some(')') => return Ok(Filter { left, right: None }),
            () if self.rest().starts_with("&&") || self.rest().starts_with("||") => {
                return Err(self.refuse("&& and || are not supported, as in kubectl: chain filters for \"and\""));
            }
            () => return Err(self.refuse("a comparison (==, !=, <, <=, >, >=) or ) is expected")),
        };
        let right = self.operand(depth)?;
        self.skip_space();
        if self.rest().starts_with("&&") || self.rest().starts_with("||") {
            return Err(self.refuse("&& and || are not supported, as in kubectl: chain filters for \"and\""));
        }
        Ok(Filter { left, right: Some((comparison, right)) })
    }

    fn operand(&mut self, depth: usize) -> Read<Operand> {
        self.skip_space();
        match self.peek() {
            Some('@' | '$' | '.' | '[') => Ok(Operand::Path(self.path(depth)?)),
            Some('"' | '\'') => Ok(Operand::Literal(Value::String(self.quoted()?))),
            _ => {
                let began = self.at;
                let word =
                    self.take_until(|c| c.is_whitespace() || matches!(c, ')' | '=' | '!' | '<' | '>' | '&' | '|'));
                match (word, serde_json::from_str::<Value>(word)) {
                    (_, Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Null))) => Ok(Operand::Literal(value)),
                    _ => {
                        self.at = began;
                        Err(self.refuse("a path such as @.type, a number, true, false or a text in quotes is expected"))
                    }
                }
            }
        }
    }

    /// A text in either kind of quotes, with the escapes of both.
    fn quoted(&mut self) -> Read<String> {
        let began = self.at;
        let quote = self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => {
                    self.at = began;
                    return Err(self.refuse("the text has no closing quote"));
                }
                c if c == quote => return Ok(text),
                Some('\\') => text.push(match self.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(c @ ('\\' | '"' | '\'' | '.' | '/')) => c,
                    _ => return Err(self.refuse("only \\n, \\t, \\r, \\\\, \\\" and \\' are escapes")),
                }),
                Some(c) => text.push(c),
            }
        }
    }
}
