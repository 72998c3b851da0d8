//! STELLAR field transformations. Pure but for what their expressions call.

use std::collections::{BTreeMap, BTreeSet};

use maas_stellar::{Expression, Functions, Value};

use crate::document::Fields;

/// One transformation: expressions that are evaluated in their written order.
#[derive(Clone, Debug)]
pub struct Transformation {
    /// The fields that the expressions see; none: all.
    pub input: Option<BTreeSet<String>>,
    /// The names that go into the message; others only serve those behind them.
    pub output: BTreeSet<String>,
    /// Names and expressions.
    pub steps: Vec<(String, Expression)>,
    /// The parser's settings, which are variables too, behind all others.
    pub settings: BTreeMap<String, Value>,
}

impl Transformation {
    /// Changes a message. A null takes the field out of it; until then, and as Metron has it, later expressions still see
    /// what the message had there before.
    ///
    /// # Errors
    /// An expression has no value; the message is as it was.
    pub fn apply(&self, fields: &mut Fields, functions: &Functions) -> Result<(), String> {
        let mut results: BTreeMap<&str, Value> = BTreeMap::new();
        for (name, expression) in &self.steps {
            let variables = |wanted: &str| {
                let visible = self.input.as_ref().is_none_or(|input| input.contains(wanted));
                let message = || if visible { fields.get(wanted) } else { None };
                let given = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
                given(results.get(wanted)).or_else(|| given(message())).or_else(|| given(self.settings.get(wanted)))
            };
            let value = expression.evaluate(&variables, functions).map_err(|error| format!("{name}: {error}"))?;
            results.insert(name, value);
        }
        for (name, value) in results {
            if !self.output.contains(name) {
                continue;
            }
            if value.is_null() {
                fields.remove(name);
            } else {
                fields.insert(name.to_owned(), value);
            }
        }
        Ok(())
    }

    /// Expressions that need each other, from a name to the same name. `known`: what a message has before.
    #[must_use]
    pub fn cycle(&self, known: &BTreeSet<String>) -> Option<Vec<String>> {
        let names: BTreeMap<&str, &Expression> =
            self.steps.iter().map(|(name, expression)| (name.as_str(), expression)).collect();
        let reads = |name: &str| -> Vec<String> {
            let all = names.get(name).map(|expression| expression.variables()).unwrap_or_default();
            all.iter().filter(|read| names.contains_key(read.as_str()) && !known.contains(*read)).cloned().collect()
        };
        // Depth first; what was found to lead into no cycle is not looked at again.
        let mut clean: BTreeSet<String> = BTreeSet::new();
        for start in names.keys() {
            let mut chain: Vec<(String, Vec<String>)> = vec![((*start).to_owned(), reads(start))];
            while let Some((name, rest)) = chain.last_mut() {
                let Some(next) = rest.pop() else {
                    clean.insert(std::mem::take(name));
                    chain.pop();
                    continue;
                };
                if let Some(from) = chain.iter().position(|(name, _)| *name == next) {
                    return Some(chain.into_iter().skip(from).map(|(name, _)| name).chain([next]).collect());
                }
                if !clean.contains(&next) {
                    let below = reads(&next);
                    chain.push((next, below));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transformation(output: &[&str], steps: &[(&str, &str)]) -> Transformation {
        Transformation {
            input: None,
            output: output.iter().map(|name| (*name).to_owned()).collect(),
            steps: steps.iter().map(|(name, text)| ((*name).to_owned(), Expression::parse(text).unwrap())).collect(),
            settings: BTreeMap::from([("limit".to_owned(), Value::from(3))]),
        }
    }

    fn applied(transformation: &Transformation, fields: &[(&str, Value)]) -> Result<String, String> {
        let mut fields: Fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let done = transformation.apply(&mut fields, &Functions::standard());
        let shown = fields.iter().map(|(name, value)| format!("{name}={value} ")).collect();
        done.map(|()| shown)
    }

    #[test]
    fn later_expressions_see_earlier_results_and_only_outputs_stay() {
        let steps = [("c", "x + 1"), ("b", "c * limit"), ("a", "TO_STRING(b)")];
        assert_eq!(applied(&transformation(&["b", "a"], &steps), &[("x", 1.into())]).unwrap(), "a=6 b=6 x=1 ");
    }

    #[test]
    fn a_null_takes_the_field_away_and_a_failure_changes_nothing() {
        let away = transformation(&["x", "y"], &[("x", "null"), ("y", "x")]);
        assert_eq!(applied(&away, &[("x", 1.into())]).unwrap(), "y=1 ", "as Metron: y sees what the message had");
        let fails = transformation(&["x", "y"], &[("x", "5"), ("y", "1 / 0")]);
        assert!(applied(&fails, &[]).unwrap_err().starts_with("y: column 5"));
    }

    #[test]
    fn inputs_hide_the_rest_of_the_message() {
        let mut some = transformation(&["z"], &[("z", "[x, y]")]);
        some.input = Some(BTreeSet::from(["y".to_owned()]));
        assert_eq!(applied(&some, &[("x", 1.into()), ("y", 2.into())]).unwrap(), "x=1 y=2 z=[null, 2] ");
    }

    #[test]
    fn expressions_that_need_each_other_are_found() {
        let known = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        let none = BTreeSet::new();
        let swap = transformation(&[], &[("t", "a"), ("a", "b"), ("b", "t")]);
        assert_eq!(swap.cycle(&known), None);
        assert_eq!(swap.cycle(&none).unwrap(), ["a", "b", "t", "a"]);
        assert_eq!(transformation(&[], &[("x", "x + 1")]).cycle(&none).unwrap(), ["x", "x"]);
        let wide: Vec<(String, String)> = (0..200)
            .map(|n| (format!("v{n:03}"), (n + 1..200).map(|m| format!("v{m:03}")).collect::<Vec<_>>().join(" + ")))
            .collect();
        let wide: Vec<(&str, &str)> =
            wide.iter().map(|(n, t)| (n.as_str(), if t.is_empty() { "1" } else { t })).collect();
        assert_eq!(transformation(&[], &wide).cycle(&none), None);
        let mut wide = wide;
        wide[199].1 = "v000";
        assert!(transformation(&[], &wide).cycle(&none).is_some());
    }
}
