//! What an expression is made of.

use std::sync::Arc;

use crate::java::Arithmetic;
use crate::value::Value;

/// A part of an expression, and the character at which it starts, from 1.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) column: usize,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Literal(Value),
    Variable(Arc<str>),
    Exists(Arc<str>),
    Not(Box<Node>),
    /// Each operand with what joins it to all that follow it; then the last. The operators are right-associative, and
    /// neither binds tighter.
    Logic(Vec<(Node, Joint)>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    In {
        negated: bool,
        needle: Box<Node>,
        haystack: Box<Node>,
    },
    /// The first, and what follows, from left to right.
    Compute(Box<Node>, Vec<(Arithmetic, Node)>),
    /// Condition and value, tried one after another; then what else.
    Choose(Vec<(Node, Node)>, Box<Node>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Call(Arc<str>, Vec<Node>),
    Lambda(Vec<Arc<str>>, Arc<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joint {
    And,
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Node {
    /// Adds the names of the variables below this part that are not in `scope`.
    pub(crate) fn variables(&self, scope: &mut Vec<Arc<str>>, found: &mut Vec<String>) {
        let mut note = |name: &Arc<str>, scope: &[Arc<str>]| {
            if !scope.contains(name) && !found.iter().any(|known| **known == **name) {
                found.push(name.to_string());
            }
        };
        match &self.what {
            What::Literal(_) => {}
            What::Variable(name) | What::Exists(name) => note(name, scope),
            What::Not(inner) => inner.variables(scope, found),
            What::Logic(joined, last) => {
                joined.iter().for_each(|(node, _)| node.variables(scope, found));
                last.variables(scope, found);
            }
            What::Compare(_, left, right) => [left, right].iter().for_each(|node| node.variables(scope, found)),
            What::In { needle, haystack, .. } => {
                [needle, haystack].iter().for_each(|node| node.variables(scope, found));
            }
            What::Compute(first, others) => {
                first.variables(scope, found);
                others.iter().for_each(|(_, node)| node.variables(scope, found));
            }
            What::Choose(cases, other) => {
                for (condition, value) in cases {
                    condition.variables(scope, found);
                    value.variables(scope, found);
                }
                other.variables(scope, found);
            }
            What::List(nodes) | What::Call(_, nodes) => nodes.iter().for_each(|node| node.variables(scope, found)),
            What::Map(entries) => {
                for (key, value) in entries {
                    key.variables(scope, found);
                    value.variables(scope, found);
                }
            }
            What::Lambda(parameters, body) => {
                let outer = scope.len();
                scope.extend(parameters.iter().cloned());
                body.variables(scope, found);
                scope.truncate(outer);
            }
        }
    }

    /// The first call of a function below this part whose name is of the kind, and its column.
    pub(crate) fn first_call(&self, wanted: &dyn Fn(&str) -> bool) -> Option<(usize, &str)> {
        match &self.what {
            What::Literal(_) | What::Variable(_) | What::Exists(_) => None,
            What::Call(name, _) if wanted(name) => Some((self.column, name)),
            What::Not(inner) => inner.first_call(wanted),
            What::Logic(joined, last) => {
                joined.iter().find_map(|(node, _)| node.first_call(wanted)).or_else(|| last.first_call(wanted))
            }
            What::Compare(_, left, right) | What::In { needle: left, haystack: right, .. } => {
                left.first_call(wanted).or_else(|| right.first_call(wanted))
            }
            What::Compute(first, others) => {
                first.first_call(wanted).or_else(|| others.iter().find_map(|(_, node)| node.first_call(wanted)))
            }
            What::Choose(cases, other) => {
                let cases = cases.iter().flat_map(|(condition, value)| [condition, value]);
                cases.chain([&**other]).find_map(|node| node.first_call(wanted))
            }
            What::List(nodes) | What::Call(_, nodes) => nodes.iter().find_map(|node| node.first_call(wanted)),
            What::Map(entries) => {
                entries.iter().find_map(|(key, value)| key.first_call(wanted).or_else(|| value.first_call(wanted)))
            }
            What::Lambda(_, body) => body.first_call(wanted),
        }
    }
}
