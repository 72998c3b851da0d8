//! `--sort-by`: the order of values as people count. Numbers by size, memory by what it is, texts with their digits by
//! number, so that dga-10.0 comes after dga-9.0; what is not there comes first.

use maas_crd::Memory;
use serde_json::Value;

/// Where a value stands in the order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Missing,
    Number(Number),
    Text(Vec<Run>),
}

/// A number with a total order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number(f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// A run of digits (how many without leading zeros, then which), or of other characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Run {
    Digits(usize, String),
    Other(String),
}

/// The place of what a path found first.
pub(crate) fn place(value: Option<&Value>) -> Place {
    match value {
        None | Some(Value::Null) => Place::Missing,
        Some(Value::Number(number)) => Place::Number(Number(number.as_f64().unwrap_or_default())),
        Some(Value::String(text)) => match text.parse::<Memory>() {
            // Texts of digits alone are no amounts of memory.
            #[allow(clippy::cast_precision_loss, reason = "memory in MiB is far below 2^53")]
            Ok(memory) if text.ends_with(|c: char| c.is_ascii_alphabetic()) => {
                Place::Number(Number(memory.mib() as f64))
            }
            _ => Place::Text(runs(text)),
        },
        Some(other) => Place::Text(runs(&other.to_string())),
    }
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let (run, tail) = rest.split_at(rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len()));
        rest = tail;
        runs.push(if digits {
            let run = run.trim_start_matches('0');
            Run::Digits(run.len(), run.to_owned())
        } else {
            Run::Other(run.to_owned())
        });
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_ordered_as_people_count() {
        for (less, more) in [
            (json!(null), json!(0)),
            (json!(-1), json!(0)),
            (json!(9), json!(10)),
            (json!("dga-9.0"), json!("dga-10.0")),
            (json!("512Mi"), json!("1Gi")),
            (json!("2026-11-24T09:00:00Z"), json!("2026-11-24T10:00:00Z")),
            (json!(false), json!(true)),
        ] {
            assert!(place(Some(&less)) < place(Some(&more)), "{less} {more}");
        }
        assert!(place(None) < place(Some(&json!(""))));
    }
}
