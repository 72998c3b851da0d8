//! Words of the language (Stellar.g4's lexical rules).

use std::sync::Arc;

use crate::error::ParseError;
use crate::value::Value;

/// A word and the character at which it starts, from 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) column: usize,
    pub(crate) word: Word,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Word {
    /// A number or a text.
    Literal(Value),
    Name(Arc<str>),
    /// A keyword, in lower case.
    Key(&'static str),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// Keywords are written all in lower or all in upper case; `NaN` just so. Anything else is a name.
const KEYS: [&str; 15] =
    ["in", "and", "or", "not", "true", "false", "if", "then", "else", "null", "match", "default", "exists", "&&", "||"];
/// Longest first.
const SIGNS: [&str; 25] = [
    "->", "=>", "==", "!=", "<=", ">=", "&&", "||", "<", ">", "?", ":", "-", "+", "/", "*", "{", "}", "[", "]", "(",
    ")", ",", "=", "!",
];

/// Every word of a text, an [`Word::End`] last.
pub(crate) fn words(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer { rest: text, column: 1, tokens: Vec::new() };
    while lexer.next()? {}
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    rest: &'a str,
    column: usize,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.column += taken.chars().count();
        self.rest = rest;
        taken
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError { column: self.column, reason: reason.into() })
    }

    /// Reads one word. Whether there may be more.
    fn next(&mut self) -> Result<bool, ParseError> {
        let blank = self.rest.len() - self.rest.trim_start_matches([' ', '\r', '\t', '\u{c}', '\n']).len();
        self.take(blank);
        if self.rest.starts_with("//") {
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            return Ok(true);
        }
        let column = self.column;
        let Some(first) = self.rest.chars().next() else {
            self.tokens.push(Token { column, word: Word::End });
            return Ok(false);
        };
        let word = match first {
            '\'' | '"' => self.text(first)?,
            '0'..='9' => self.number()?,
            '.' if self.digit_at(1) => self.number()?,
            '-' if (self.digit_at(1) || (self.rest.starts_with("-.") && self.digit_at(2))) && !self.after_operand() => {
                self.number()?
            }
            'a'..='z' | 'A'..='Z' | '_' | '$' => self.name(),
            _ => match SIGNS.into_iter().find(|sign| self.rest.starts_with(sign)) {
                Some(sign @ ("&&" | "||")) => {
                    self.take(sign.len());
                    Word::Key(if sign == "&&" { "and" } else { "or" })
                }
                Some("=") => return self.fail("`=` is no operator: write `==`"),
                Some("!") => return self.fail("`!` is no operator: write `not(...)`"),
                Some(sign) => {
                    self.take(sign.len());
                    Word::Sign(sign)
                }
                None => return self.fail(format!("unexpected {first:?}")),
            },
        };
        self.tokens.push(Token { column, word });
        Ok(true)
    }

    fn digit_at(&self, byte: usize) -> bool {
        self.rest.as_bytes().get(byte).is_some_and(u8::is_ascii_digit)
    }

    /// Then a `-` takes away; else it is a number's sign.
    fn after_operand(&self) -> bool {
        matches!(
            self.tokens.last().map(|token| &token.word),
            Some(Word::Literal(_) | Word::Name(_) | Word::Sign(")" | "]" | "}"))
        )
    }

    fn text(&mut self, quote: char) -> Result<Word, ParseError> {
        let mut value = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.take(at + 1);
                    return Ok(Word::Literal(value.into()));
                }
                '\\' => value.push(match chars.next() {
                    Some((_, c @ ('\'' | '"' | '\\'))) => c,
                    Some((_, 'r')) => '\r',
                    Some((_, 'n')) => '\n',
                    Some((_, 't')) => '\t',
                    _ => {
                        self.take(at);
                        return self.fail(r#"a backslash stands before one of ' " \ r n t only"#);
                    }
                }),
                c => value.push(c),
            }
        }
        self.fail(format!("the text that starts here has no closing {quote}"))
    }

    fn number(&mut self) -> Result<Word, ParseError> {
        let bytes = self.rest.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let start = usize::from(bytes.first() == Some(&b'-'));
        let mut end = digits(start);
        let whole = end;
        if end > start + 1 && bytes.get(start) == Some(&b'0') {
            return self.fail("a number has no leading zero");
        }
        if bytes.get(end) == Some(&b'.') {
            end = digits(end + 1);
        }
        if let Some(b'e' | b'E') = bytes.get(end) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            if exponent > end + 1 + sign {
                end = exponent;
            }
        }
        let is_whole = end == whole;
        let suffix = bytes.get(end).map_or(0, u8::to_ascii_lowercase);
        let column = self.column;
        let digits = self.take(end);
        let fail = |reason: String| Err(ParseError { column, reason });
        let value = match suffix {
            b'l' if is_whole => match digits.parse() {
                Ok(number) => Value::Long(number),
                Err(_) => return fail(format!("{digits}L does not fit into 64 bits")),
            },
            b'f' => Value::Float(digits.parse().unwrap_or(f32::NAN)),
            b'd' => Value::Double(digits.parse().unwrap_or(f64::NAN)),
            _ if !is_whole => Value::Double(digits.parse().unwrap_or(f64::NAN)),
            _ => match digits.parse() {
                Ok(number) => Value::Int(number),
                Err(_) => return fail(format!("{digits} does not fit into 32 bits: write {digits}L")),
            },
        };
        if matches!(suffix, b'f' | b'd') || (suffix == b'l' && is_whole) {
            self.take(1);
        }
        if self.rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return self.fail("a name must not start right behind a number");
        }
        Ok(Word::Literal(value))
    }

    fn name(&mut self) -> Word {
        let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':');
        let end = self.rest.char_indices().skip(1).find(|(_, c)| !inside(*c)).map_or(self.rest.len(), |(at, _)| at);
        let name = self.rest.get(..end).unwrap_or_default();
        // A map's or a conditional's colon is none of it.
        let name = self.take(name.trim_end_matches(':').len());
        if name == "NaN" {
            return Word::Literal(Value::Double(f64::NAN));
        }
        let is_key = |key: &&&str| name == **key || name == key.to_ascii_uppercase();
        match KEYS.iter().find(is_key) {
            Some(key) => Word::Key(key),
            None => Word::Name(name.into()),
        }
    }
}
