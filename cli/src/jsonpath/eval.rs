//! From values to what paths find in them.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Comparison, Filter, Operand, Path, Pick, Piece, Step, text};

/// Most values that one evaluation looks at: what needs more is a mistake.
const BUDGET: usize = 10_000_000;

/// Why a path cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvalError {
    /// In kubectl's words.
    #[error("array index out of bounds: index {index}, length {length}")]
    OutOfBounds {
        /// As asked for.
        index: i64,
        /// Of the list.
        length: usize,
    },
    /// The template multiplies.
    #[error("the jsonpath finds more than {BUDGET} values: name fewer")]
    TooMany,
}

/// One evaluation over one whole value.
pub(super) struct Evaluation<'v> {
    whole: &'v Value,
    budget: usize,
}

impl<'v> Evaluation<'v> {
    pub(super) fn new(whole: &'v Value) -> Self {
        Self { whole, budget: BUDGET }
    }

    pub(super) fn render(&mut self, pieces: &[Piece]) -> Result<String, EvalError> {
        let mut out = String::new();
        self.render_at(pieces, self.whole, &mut out)?;
        Ok(out)
    }

    fn render_at(&mut self, pieces: &[Piece], at: &'v Value, out: &mut String) -> Result<(), EvalError> {
        for piece in pieces {
            self.spend(1)?;
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Path(path) => {
                    let found: Vec<String> = self.path(path, at)?.into_iter().map(text).collect();
                    out.push_str(&found.join(" "));
                }
                Piece::Range(path, body) => {
                    for each in self.path(path, at)? {
                        self.render_at(body, each, out)?;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn values(&mut self, pieces: &[Piece]) -> Result<Vec<&'v Value>, EvalError> {
        let mut found = Vec::new();
        self.values_at(pieces, self.whole, &mut found)?;
        Ok(found)
    }

    fn values_at(&mut self, pieces: &[Piece], at: &'v Value, found: &mut Vec<&'v Value>) -> Result<(), EvalError> {
        for piece in pieces {
            self.spend(1)?;
            match piece {
                Piece::Text(_) => {}
                Piece::Path(path) => found.extend(self.path(path, at)?),
                Piece::Range(path, body) => {
                    for each in self.path(path, at)? {
                        self.values_at(body, each, found)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn spend(&mut self, values: usize) -> Result<(), EvalError> {
        self.budget = self.budget.checked_sub(values).ok_or(EvalError::TooMany)?;
        Ok(())
    }

    pub(super) fn path(&mut self, path: &Path, at: &'v Value) -> Result<Vec<&'v Value>, EvalError> {
        let mut found = vec![if path.whole { self.whole } else { at }];
        for step in &path.steps {
            let mut next = Vec::new();
            for value in found {
                self.step(step, value, &mut next)?;
            }
            found = next;
        }
        Ok(found)
    }

    fn step(&mut self, step: &Step, value: &'v Value, next: &mut Vec<&'v Value>) -> Result<(), EvalError> {
        let before = next.len();
        match step {
            Step::Field(name) => next.extend(value.as_object().and_then(|map| map.get(name))),
            Step::Every => next.extend(members(value)),
            Step::Descend => {
                let mut open = vec![value];
                while let Some(value) = open.pop() {
                    self.spend(1)?;
                    next.push(value);
                    // In their order, one after another.
                    let first = open.len();
                    open.extend(members(value));
                    open.get_mut(first..).unwrap_or_default().reverse();
                }
            }
            Step::Pick(picks) => {
                for pick in picks {
                    choose(pick, value, next)?;
                }
            }
            Step::Filter(filter) => {
                for member in members(value) {
                    self.spend(1)?;
                    if self.keeps(filter, member)? {
                        next.push(member);
                    }
                }
            }
        }
        self.spend(next.len() - before)
    }

    fn keeps(&mut self, filter: &Filter, member: &'v Value) -> Result<bool, EvalError> {
        let left = self.operand(&filter.left, member)?;
        let Some((comparison, right)) = &filter.right else { return Ok(!left.is_empty()) };
        let right = self.operand(right, member)?;
        // As kubectl has it: what is not there compares as nothing.
        let (Some(left), Some(right)) = (left.first(), right.first()) else { return Ok(false) };
        let order = compare(left, right);
        Ok(match comparison {
            Comparison::Equal => left == right || order == Some(Ordering::Equal),
            Comparison::NotEqual => left != right && order != Some(Ordering::Equal),
            Comparison::Less => order.is_some_and(Ordering::is_lt),
            Comparison::AtMost => order.is_some_and(Ordering::is_le),
            Comparison::Greater => order.is_some_and(Ordering::is_gt),
            Comparison::AtLeast => order.is_some_and(Ordering::is_ge),
        })
    }

    fn operand(&mut self, operand: &Operand, member: &'v Value) -> Result<Vec<Value>, EvalError> {
        Ok(match operand {
            Operand::Literal(value) => vec![value.clone()],
            Operand::Path(path) => self.path(path, member)?.into_iter().cloned().collect(),
        })
    }
}

fn members(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn choose<'v>(pick: &Pick, value: &'v Value, next: &mut Vec<&'v Value>) -> Result<(), EvalError> {
    match pick {
        Pick::Key(key) => next.extend(value.as_object().and_then(|map| map.get(key))),
        Pick::Index(index) => {
            if let Some(items) = value.as_array() {
                let place = usize::try_from(from_end(*index, items.len())).ok();
                let item = place.and_then(|place| items.get(place));
                next.push(item.ok_or(EvalError::OutOfBounds { index: *index, length: items.len() })?);
            }
        }
        Pick::Slice { from, to, step } => {
            let Some(items) = value.as_array() else { return Ok(()) };
            let place = |index: Option<i64>, missing: usize| match index {
                Some(index) => usize::try_from(from_end(index, items.len())).unwrap_or(0).min(items.len()),
                None => missing,
            };
            let (from, to) = (place(*from, 0), place(*to, items.len()));
            let step = usize::try_from(*step).unwrap_or(1).max(1);
            next.extend(items.get(from..to).unwrap_or_default().iter().step_by(step));
        }
    }
    Ok(())
}

fn from_end(index: i64, length: usize) -> i64 {
    if index < 0 { index.saturating_add(i64::try_from(length).unwrap_or(i64::MAX)) } else { index }
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
