//! Label selectors in kubectl's grammar: `team=soc,tier in (a,b),!old`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// Longest selector, in bytes.
const LIMIT: usize = 16 * 1024;

/// What labels must be; without any requirement it selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(BTreeSet<String>),
    /// Also met by what has no such label.
    NotIn(BTreeSet<String>),
}

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unable to parse the selector, column {column}: {problem}; write team=soc, team!=soc, 'team in (soc,lab)', 'team notin (soc)', team or '!team', with a comma for \"and\""
)]
pub(crate) struct SelectorError {
    /// Counted in characters, from 1.
    column: usize,
    problem: String,
}

impl Selector {
    /// Whether it selects everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its requirements as a key, values, and whether the key's is to be one of them; none if one asks for keys alone.
    pub(crate) fn values(&self) -> Option<Vec<(&str, &BTreeSet<String>, bool)>> {
        let mut all = Vec::with_capacity(self.0.len());
        for Requirement { key, test } in &self.0 {
            all.push(match test {
                Test::In(values) => (key.as_str(), values, true),
                Test::NotIn(values) => (key.as_str(), values, false),
                Test::Exists | Test::Absent => return None,
            });
        }
        Some(all)
    }

    /// Whether these labels meet every requirement.
    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            }
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// One of `, ( ) = == != !`, and what is none of them.
    Sign(&'a str),
    End,
}

struct Tokens<'a> {
    text: &'a str,
    /// In bytes; where the last token began, and where the next one is looked for.
    began: usize,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Token<'a> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        self.began = self.at + rest.len() - trimmed.len();
        let signs = |c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')' | '=' | '!' | '<' | '>');
        let length = match trimmed.find(signs) {
            _ if trimmed.starts_with("==") || trimmed.starts_with("!=") => 2,
            Some(0) => 1,
            Some(end) => end,
            None => trimmed.len(),
        };
        let (token, _) = trimmed.split_at(length);
        self.at = self.began + length;
        match token {
            "" => Token::End,
            sign if sign.starts_with(signs) => Token::Sign(sign),
            word => Token::Word(word),
        }
    }

    fn peek(&mut self) -> Token<'a> {
        let (began, at) = (self.began, self.at);
        let token = self.next();
        (self.began, self.at) = (began, at);
        token
    }

    fn refuse(&self, found: Token<'_>, expected: &str) -> SelectorError {
        let problem = match found {
            Token::End => format!("it ends where {expected} is expected"),
            Token::Sign("<" | ">") => "comparing by size is not supported".to_owned(),
            Token::Sign(text) | Token::Word(text) => {
                let shown: String = text.chars().take(40).collect();
                format!("found {shown:?}, expected {expected}")
            }
        };
        let before = self.text.get(..self.began).unwrap_or_default();
        SelectorError { column: before.chars().count() + 1, problem }
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let (key, absent) = match self.next() {
            Token::Word(key) => (key, false),
            Token::Sign("!") => match self.next() {
                Token::Word(key) => (key, true),
                other => return Err(self.refuse(other, "a label's key")),
            },
            other => return Err(self.refuse(other, "a label's key")),
        };
        let key = key.to_owned();
        let test = match self.peek() {
            Token::End | Token::Sign(",") if absent => Test::Absent,
            Token::End | Token::Sign(",") => Test::Exists,
            Token::Sign("=" | "==") if !absent => {
                self.next();
                Test::In(BTreeSet::from([self.value()?]))
            }
            Token::Sign("!=") if !absent => {
                self.next();
                Test::NotIn(BTreeSet::from([self.value()?]))
            }
            Token::Word("in") if !absent => {
                self.next();
                Test::In(self.values()?)
            }
            Token::Word("notin") if !absent => {
                self.next();
                Test::NotIn(self.values()?)
            }
            other => {
                self.next();
                let expected = if absent { "a comma" } else { "=, ==, !=, in, notin or a comma" };
                return Err(self.refuse(other, expected));
            }
        };
        Ok(Requirement { key, test })
    }

    /// A value; one that is left out is the empty one.
    fn value(&mut self) -> Result<String, SelectorError> {
        match self.peek() {
            Token::Word(word) => {
                self.next();
                Ok(word.to_owned())
            }
            Token::End | Token::Sign(",") => Ok(String::new()),
            other => {
                self.next();
                Err(self.refuse(other, "a value"))
            }
        }
    }

    fn values(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        match self.next() {
            Token::Sign("(") => {}
            other => return Err(self.refuse(other, "(")),
        }
        let mut values = BTreeSet::new();
        loop {
            match self.next() {
                Token::Word(word) => drop(values.insert(word.to_owned())),
                other => return Err(self.refuse(other, "a value")),
            }
            match self.next() {
                Token::Sign(",") => {}
                Token::Sign(")") => return Ok(values),
                other => return Err(self.refuse(other, "a comma or )")),
            }
        }
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        if text.len() > LIMIT {
            let problem = format!("it has {} bytes, more than {LIMIT}", text.len());
            return Err(SelectorError { column: 1, problem });
        }
        let mut tokens = Tokens { text, began: 0, at: 0 };
        let mut requirements = Vec::new();
        if tokens.peek() == Token::End {
            return Ok(Self::default());
        }
        loop {
            requirements.push(tokens.requirement()?);
            match tokens.next() {
                Token::End => return Ok(Self(requirements)),
                Token::Sign(",") => {}
                other => return Err(tokens.refuse(other, "a comma")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(text: &str) -> BTreeMap<String, String> {
        let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn every_form_selects_as_kubectls_does() {
        for (selector, selected, passed_over) in [
            ("", "a=1", ""),
            ("team=soc", "team=soc", "team=lab"),
            ("team==soc", "team=soc", "other=soc"),
            ("team = soc , tier=a", "team=soc tier=a", "team=soc"),
            ("team!=soc", "team=lab", "team=soc"),
            ("team!=soc", "other=x", "team=soc"),
            ("team in (soc, lab)", "team=lab", "team=x"),
            ("team notin (soc,lab)", "other=x", "team=lab"),
            ("app.kubernetes.io/name", "app.kubernetes.io/name=", "name=x"),
            ("!team", "other=x", "team="),
            ("team=", "team=", "team=x"),
            ("in in (in)", "in=in", "in=out"),
            ("a,!b,c notin (x)", "a=1 c=y", "a=1 c=x"),
        ] {
            let read: Selector = selector.parse().unwrap();
            assert!(read.matches(&labels(selected)), "{selector} does not select {selected}");
            assert!(selector.is_empty() || !read.matches(&labels(passed_over)), "{selector} selects {passed_over}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_at_its_column() {
        for (selector, expect) in [
            (",", "column 1: found \",\", expected a label's key"),
            ("a,", "column 3: it ends where a label's key is expected"),
            ("a b", "column 3: found \"b\", expected =, ==, !=, in, notin or a comma"),
            ("a in b", "column 6: found \"b\", expected ("),
            ("a in ()", "column 7: found \")\", expected a value"),
            ("a in (b", "column 8: it ends where a comma or ) is expected"),
            ("!a=b", "column 3: found \"=\", expected a comma"),
            ("a=(", "column 3: found \"(\", expected a value"),
            ("a=b=c", "column 4: found \"=\", expected a comma"),
            ("a>1", "column 2: comparing by size is not supported"),
            ("ä=b=", "column 4: "),
        ] {
            let message = selector.parse::<Selector>().unwrap_err().to_string();
            assert!(message.contains(expect), "{selector}: {message}");
        }
        assert!("(".repeat(10_000).parse::<Selector>().is_err());
        assert!("a,".repeat(10_000).parse::<Selector>().unwrap_err().to_string().contains("more than"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-c ,()=!<>ä]{0,30}|.{0,30}") {
            if let Ok(selector) = text.parse::<Selector>() {
                selector.matches(&labels("a=b c="));
            }
        }

        #[test]
        fn a_set_is_as_many_equalities(values in prop::collection::btree_set("[a-z]{1,3}", 1..5), value in "[a-z]{1,3}") {
            let listed: Vec<&str> = values.iter().map(String::as_str).collect();
            let selects = |text: String| text.parse::<Selector>().unwrap().matches(&labels(&format!("k={value}")));
            prop_assert_eq!(selects(format!("k in ({})", listed.join(","))), values.contains(&value));
            prop_assert_eq!(selects(format!("k notin ({})", listed.join(" , "))), !values.contains(&value));
            let each: Vec<String> = listed.iter().map(|one| format!("k!={one}")).collect();
            prop_assert_eq!(selects(each.join(",")), !values.contains(&value));
        }
    }
}
