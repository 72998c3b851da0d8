//! From an expression to its value.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Comparison, Joint, Node, What};
use crate::error::EvaluateError;
use crate::functions::Functions;
use crate::java;
use crate::value::{Lambda, Value};

/// How deep lambdas may call each other.
const DEPTH: usize = 32;

/// What a function may use beside its arguments.
pub struct Call<'a> {
    variables: &'a dyn Fn(&str) -> Option<Value>,
    functions: &'a Functions,
    depth: usize,
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("depth", &self.depth).finish_non_exhaustive()
    }
}

impl Call<'_> {
    /// The value of a lambda for these arguments. Parameters without one are null.
    ///
    /// # Errors
    /// Its body has none, or lambdas call each other too deep.
    pub fn lambda(&self, lambda: &Lambda, arguments: &[Value]) -> Result<Value, String> {
        if self.depth >= DEPTH {
            return Err(format!("lambdas call each other more than {DEPTH} deep"));
        }
        let mut scope = lambda.scope.clone();
        for (number, name) in lambda.parameters.iter().enumerate() {
            scope.push((name.clone(), arguments.get(number).cloned().unwrap_or_default()));
        }
        let inner = Call { depth: self.depth + 1, ..*self };
        inner.value(&lambda.body, &scope).map_err(|error| format!("in the lambda, {error}"))
    }
}

type Scope = [(Arc<str>, Value)];

pub(crate) fn evaluate(
    root: &Node,
    variables: &dyn Fn(&str) -> Option<Value>,
    functions: &Functions,
) -> Result<Value, EvaluateError> {
    Call { variables, functions, depth: 0 }.value(root, &[])
}

fn fail<T>(node: &Node, reason: impl Into<String>) -> Result<T, EvaluateError> {
    Err(EvaluateError { column: node.column, reason: reason.into() })
}

impl Call<'_> {
    fn value(&self, node: &Node, scope: &Scope) -> Result<Value, EvaluateError> {
        Ok(match &node.what {
            What::Literal(value) => value.clone(),
            What::Variable(name) => self.variable(name, scope),
            What::Exists(name) => Value::Bool(!self.variable(name, scope).is_null()),
            What::Not(inner) => Value::Bool(!truth(&self.value(inner, scope)?)),
            What::Logic(joined, last) => Value::Bool(self.logic(joined, last, scope)?),
            What::Compare(comparison, left, right) => {
                let (left, right) = (self.value(left, scope)?, self.value(right, scope)?);
                Value::Bool(compare(node, *comparison, &left, &right)?)
            }
            What::In { negated, needle, haystack } => {
                let (needle, haystack) = (self.value(needle, scope)?, self.value(haystack, scope)?);
                Value::Bool(is_in(&needle, &haystack) != *negated)
            }
            What::Compute(first, others) => {
                let mut total = self.value(first, scope)?;
                for (operation, operand) in others {
                    let right = self.value(operand, scope)?;
                    // A variable without a value counts as zero.
                    let [left, right] =
                        [&total, &right].map(|value| if value.is_null() { &Value::Int(0) } else { value });
                    total = match java::compute(*operation, left, right) {
                        Some(value) => value,
                        None => return fail(operand, not_computed(left, right)),
                    };
                }
                total
            }
            What::Choose(cases, other) => {
                for (condition, value) in cases {
                    if condition_holds(condition, &self.value(condition, scope)?)? {
                        return self.value(value, scope);
                    }
                }
                self.value(other, scope)?
            }
            What::List(nodes) => Value::list(self.values(nodes, scope)?),
            What::Map(entries) => {
                let mut map = BTreeMap::new();
                for (key, value) in entries {
                    let name: Arc<str> = match self.value(key, scope)? {
                        Value::Text(text) => text,
                        scalar @ (Value::Bool(_)
                        | Value::Int(_)
                        | Value::Long(_)
                        | Value::Float(_)
                        | Value::Double(_)) => scalar.to_string().into(),
                        other => return fail(key, format!("{} cannot be a map's key", other.kind())),
                    };
                    map.insert(name, self.value(value, scope)?);
                }
                Value::Map(Arc::new(map))
            }
            What::Lambda(parameters, body) => Value::Lambda(Arc::new(Lambda {
                parameters: parameters.clone(),
                body: body.clone(),
                scope: scope.to_vec(),
            })),
            What::Call(name, nodes) => {
                let Some(function) = self.functions.get(name) else {
                    return fail(node, self.functions.unknown(name));
                };
                let arguments = self.values(nodes, scope)?;
                match function(self, &arguments) {
                    Ok(value) => value,
                    Err(reason) => return fail(node, format!("{name}: {reason}")),
                }
            }
        })
    }

    fn values(&self, nodes: &[Node], scope: &Scope) -> Result<Vec<Value>, EvaluateError> {
        nodes.iter().map(|node| self.value(node, scope)).collect()
    }

    fn variable(&self, name: &str, scope: &Scope) -> Value {
        match scope.iter().rev().find(|(known, _)| **known == *name) {
            Some((_, value)) => value.clone(),
            None => (self.variables)(name).unwrap_or_default(),
        }
    }

    /// `a and (b or (c and ...))`, from the left, up to where the rest makes no difference.
    fn logic(&self, joined: &[(Node, Joint)], last: &Node, scope: &Scope) -> Result<bool, EvaluateError> {
        for (node, joint) in joined {
            match (truth(&self.value(node, scope)?), joint) {
                (true, Joint::Or) => return Ok(true),
                (false, Joint::And) => return Ok(false),
                _ => {}
            }
        }
        Ok(truth(&self.value(last, scope)?))
    }
}

/// As Metron converts for `and`, `or` and `not`: a list is its first element, the usual words and 1 and 0 are understood,
/// and all else is false.
fn truth(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => *truth,
        Value::List(values) => values.first().is_some_and(truth),
        other => matches!(other.to_string().to_ascii_lowercase().as_str(), "true" | "yes" | "y" | "on" | "1"),
    }
}

/// The condition of `if` and `match`, which must be a truth value, null or an empty collection.
fn condition_holds(node: &Node, value: &Value) -> Result<bool, EvaluateError> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::Null => Ok(false),
        Value::List(values) if values.is_empty() => Ok(false),
        Value::Map(entries) if entries.is_empty() => Ok(false),
        other => fail(node, format!("{} is no condition: compare it with something", other.kind())),
    }
}

fn compare(node: &Node, comparison: Comparison, left: &Value, right: &Value) -> Result<bool, EvaluateError> {
    match comparison {
        Comparison::Equal => return Ok(left == right),
        Comparison::NotEqual => return Ok(left != right),
        _ if left.is_null() || right.is_null() => return Ok(false),
        _ => {}
    }
    let Some(order) = java::compare(left, right) else {
        return fail(node, format!("{} and {} cannot be compared", left.kind(), right.kind()));
    };
    // NaN is neither less nor greater nor equal.
    let Some(order) = order else { return Ok(false) };
    Ok(match comparison {
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
        Comparison::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

/// A text within a text, an element of a list (of its very type), a key of a map; else whether both are the same.
fn is_in(needle: &Value, haystack: &Value) -> bool {
    let same = |value: &Value| value.kind() == needle.kind() && value == needle;
    match (needle, haystack) {
        (_, Value::Null) => false,
        (Value::Text(needle), Value::Text(haystack)) => haystack.contains(&**needle),
        (_, Value::List(values)) => values.iter().any(same),
        (Value::Text(key), Value::Map(entries)) => entries.contains_key(key),
        (_, Value::Map(entries)) => entries.contains_key(needle.to_string().as_str()),
        (_, other) => same(other),
    }
}

fn not_computed(left: &Value, right: &Value) -> String {
    match [left, right].into_iter().find(|value| value.as_double().is_none()) {
        Some(value) => format!("{} is no number", value.kind()),
        None => "a whole number cannot be divided by zero".to_owned(),
    }
}
