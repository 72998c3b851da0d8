//! From words to an expression (Stellar.g4's rules).
//!
//! Kept of the original, since configs may depend on it: `and` and `or` are right-associative and neither binds tighter, `*`
//! binds tighter than `/`, a text, list, map, truth value or the word `null` is no operand of `+ - * /`.

use std::sync::Arc;

use crate::ast::{Comparison, Joint, Node, What};
use crate::error::ParseError;
use crate::java::Arithmetic;
use crate::lexer::{Token, Word, words};
use crate::value::Value;

/// How deep parts may stand within each other. Evaluation goes as deep as the text does.
const DEPTH: usize = 100;

pub(crate) fn parse(text: &str) -> Result<Node, ParseError> {
    let tokens = words(text)?;
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    let root = parser.expression()?;
    if parser.peek() != &Word::End {
        return parser.unexpected("the end or an operator");
    }
    Ok(root)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

type Parsed<T = Node> = Result<T, ParseError>;

impl Parser {
    fn peek_at(&self, ahead: usize) -> &Word {
        self.tokens.get(self.at + ahead).map_or(&Word::End, |token| &token.word)
    }

    fn peek(&self) -> &Word {
        self.peek_at(0)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |token| token.column)
    }

    fn is(&self, word: &'static str) -> bool {
        matches!(self.peek(), Word::Sign(it) | Word::Key(it) if *it == word)
    }

    /// Takes this word if it is the next.
    fn took(&mut self, word: &'static str) -> bool {
        let is = self.is(word);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, word: &'static str) -> Parsed<()> {
        if self.took(word) { Ok(()) } else { self.unexpected(&format!("`{word}`")) }
    }

    fn unexpected<T>(&self, expected: &str) -> Parsed<T> {
        let found = match self.peek() {
            Word::End => "the end".to_owned(),
            Word::Literal(Value::Text(_)) => "a text".to_owned(),
            Word::Literal(value) => format!("{value}"),
            Word::Name(name) => format!("`{name}`"),
            Word::Key(word) | Word::Sign(word) => format!("`{word}`"),
        };
        Err(ParseError { column: self.column(), reason: format!("expected {expected}, found {found}") })
    }

    fn node(column: usize, what: What) -> Node {
        Node { column, what }
    }

    /// transformation_expr.
    fn expression(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > DEPTH {
            let reason = format!("parts stand more than {DEPTH} deep within each other");
            return Err(ParseError { column: self.column(), reason });
        }
        let parsed = self.shallow();
        self.depth -= 1;
        parsed
    }

    fn shallow(&mut self) -> Parsed {
        let column = self.column();
        if self.is("if") {
            return self.conditional();
        }
        if self.took("match") {
            return self.matching(column);
        }
        let condition = self.logic()?;
        if !self.took("?") {
            return Ok(condition);
        }
        let yes = self.expression()?;
        self.expect(":")?;
        let no = self.expression()?;
        Ok(Self::node(column, What::Choose(vec![(condition, yes)], Box::new(no))))
    }

    /// `if a then b else if c then d else e` is one choice of several cases, however long.
    fn conditional(&mut self) -> Parsed {
        let column = self.column();
        let mut cases = Vec::new();
        while self.took("if") {
            let condition = self.logic()?;
            self.expect("then")?;
            let value = self.expression()?;
            self.expect("else")?;
            cases.push((condition, value));
        }
        let other = self.expression()?;
        Ok(Self::node(column, What::Choose(cases, Box::new(other))))
    }

    fn matching(&mut self, column: usize) -> Parsed {
        self.expect("{")?;
        let mut cases = Vec::new();
        while !self.is("default") {
            let condition = if self.is("if") { self.conditional()? } else { self.logic()? };
            self.expect("=>")?;
            cases.push((condition, self.expression()?));
            self.expect(",")?;
        }
        if cases.is_empty() {
            return self.unexpected("a condition before the default");
        }
        self.expect("default")?;
        self.expect("=>")?;
        let other = self.expression()?;
        self.expect("}")?;
        Ok(Self::node(column, What::Choose(cases, Box::new(other))))
    }

    /// logical_expr.
    fn logic(&mut self) -> Parsed {
        let column = self.column();
        let mut joined = Vec::new();
        loop {
            let operand = self.comparison()?;
            let joint = if self.took("and") {
                Joint::And
            } else if self.took("or") {
                Joint::Or
            } else if joined.is_empty() {
                return Ok(operand);
            } else {
                return Ok(Self::node(column, What::Logic(joined, Box::new(operand))));
            };
            joined.push((operand, joint));
        }
    }

    /// b_expr: comparison_expr or in_expr.
    fn comparison(&mut self) -> Parsed {
        let column = self.column();
        let mut left = self.operand()?;
        let negated = self.is("not") && self.peek_at(1) == &Word::Key("in");
        if negated || self.is("in") {
            self.at += 1 + usize::from(negated);
            self.depth += 1;
            if self.depth > DEPTH {
                return Err(ParseError { column, reason: format!("more than {DEPTH} `in` follow each other") });
            }
            let haystack = self.comparison()?;
            self.depth -= 1;
            let what = What::In { negated, needle: Box::new(left), haystack: Box::new(haystack) };
            return Ok(Self::node(column, what));
        }
        let mut length = 0;
        loop {
            let comparison = match self.peek() {
                Word::Sign("==") => Comparison::Equal,
                Word::Sign("!=") => Comparison::NotEqual,
                Word::Sign("<") => Comparison::Less,
                Word::Sign("<=") => Comparison::LessOrEqual,
                Word::Sign(">") => Comparison::Greater,
                Word::Sign(">=") => Comparison::GreaterOrEqual,
                _ => return Ok(left),
            };
            length += 1;
            if length > DEPTH {
                return Err(ParseError { column, reason: format!("more than {DEPTH} comparisons in a row") });
            }
            self.at += 1;
            let right = self.operand()?;
            left = Self::node(column, What::Compare(comparison, Box::new(left), Box::new(right)));
        }
    }

    /// identifier_operand, and `not(...)`.
    fn operand(&mut self) -> Parsed {
        let column = self.column();
        if self.is("not") {
            self.at += 1;
            self.expect("(")?;
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(Self::node(column, What::Not(Box::new(inner))));
        }
        if let Some(parameters) = self.parameters() {
            let body = self.expression()?;
            return Ok(Self::node(column, What::Lambda(parameters, Arc::new(body))));
        }
        self.sum()
    }

    /// The parameters of a lambda, if one starts here.
    fn parameters(&mut self) -> Option<Vec<Arc<str>>> {
        let mut parameters = Vec::new();
        let mut ahead = 0;
        if let Word::Name(name) = self.peek() {
            parameters.push(name.clone());
            ahead = 1;
        } else if self.is("(") {
            ahead = 1;
            while let Word::Name(name) = self.peek_at(ahead) {
                parameters.push(name.clone());
                ahead += 1;
                if self.peek_at(ahead) != &Word::Sign(",") {
                    break;
                }
                ahead += 1;
            }
            if self.peek_at(ahead) != &Word::Sign(")") {
                return None;
            }
            ahead += 1;
        }
        if ahead == 0 || self.peek_at(ahead) != &Word::Sign("->") {
            return None;
        }
        self.at += ahead + 1;
        Some(parameters)
    }

    fn sum(&mut self) -> Parsed {
        self.chain(&[("+", Arithmetic::Plus), ("-", Arithmetic::Minus)], Self::quotient)
    }

    fn quotient(&mut self) -> Parsed {
        self.chain(&[("/", Arithmetic::Over)], Self::product)
    }

    fn product(&mut self) -> Parsed {
        self.chain(&[("*", Arithmetic::Times)], Self::atom)
    }

    fn chain(&mut self, signs: &[(&'static str, Arithmetic)], part: fn(&mut Self) -> Parsed) -> Parsed {
        let column = self.column();
        let first = part(self)?;
        let mut others = Vec::new();
        loop {
            let sign_at = self.column();
            let Some((sign, operation)) = signs.iter().find(|(sign, _)| self.is(sign)) else { break };
            self.at += 1;
            let next = part(self)?;
            for operand in others.is_empty().then_some(&first).into_iter().chain([&next]) {
                if let Some(kind) = never_a_number(operand) {
                    let reason = format!("{kind} cannot stand beside `{sign}`");
                    return Err(ParseError { column: sign_at, reason });
                }
            }
            others.push((*operation, next));
        }
        if others.is_empty() {
            return Ok(first);
        }
        Ok(Self::node(column, What::Compute(Box::new(first), others)))
    }

    fn atom(&mut self) -> Parsed {
        let column = self.column();
        let what = match self.peek().clone() {
            Word::Literal(value) => {
                self.at += 1;
                What::Literal(value)
            }
            Word::Name(name) => {
                self.at += 1;
                if self.took("(") { What::Call(name, self.list(")")?) } else { What::Variable(name) }
            }
            Word::Key(key @ ("true" | "false")) => {
                self.at += 1;
                What::Literal(Value::Bool(key == "true"))
            }
            Word::Key("null") => {
                self.at += 1;
                What::Literal(Value::Null)
            }
            Word::Key("exists") => {
                self.at += 1;
                self.expect("(")?;
                let Word::Name(name) = self.peek().clone() else { return self.unexpected("a variable's name") };
                self.at += 1;
                self.expect(")")?;
                What::Exists(name)
            }
            Word::Sign("(") => {
                self.at += 1;
                let inner = self.expression()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Word::Sign("[") => {
                self.at += 1;
                What::List(self.list("]")?)
            }
            Word::Sign("{") => {
                self.at += 1;
                What::Map(self.entries()?)
            }
            Word::Sign("-") => return self.unexpected("a value (a minus stands before a number only; write 0 - x)"),
            _ => return self.unexpected("a value"),
        };
        Ok(Self::node(column, what))
    }

    /// Values up to a bracket.
    fn list(&mut self, end: &'static str) -> Parsed<Vec<Node>> {
        let mut nodes = Vec::new();
        if self.took(end) {
            return Ok(nodes);
        }
        loop {
            nodes.push(self.expression()?);
            if self.took(end) {
                return Ok(nodes);
            }
            if !self.took(",") {
                return self.unexpected(&format!("`,` or `{end}`"));
            }
        }
    }

    fn entries(&mut self) -> Parsed<Vec<(Node, Node)>> {
        let mut entries = Vec::new();
        if self.took("}") {
            return Ok(entries);
        }
        loop {
            let key = self.logic()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
            if self.took("}") {
                return Ok(entries);
            }
            if !self.took(",") {
                return self.unexpected("`,` or `}`");
            }
        }
    }
}

/// What a part is that can be no number, whatever the variables are.
fn never_a_number(node: &Node) -> Option<&'static str> {
    match &node.what {
        What::Literal(Value::Text(_)) => Some("a text"),
        What::Literal(Value::Bool(_)) | What::Not(_) | What::Exists(_) => Some("a truth value"),
        What::Literal(Value::Null) => Some("null"),
        What::List(_) => Some("a list"),
        What::Map(_) => Some("a map"),
        _ => None,
    }
}
