//! Threat triage: whether a message is an alert, and how bad. Pure but for what its expressions call.

use std::collections::{BTreeMap, BTreeSet};

use maas_stellar::{Expression, Functions, Value};
use serde::Deserialize;

use crate::document::Fields;

/// How scores become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Aggregator {
    /// The greatest, and 0 at least.
    #[default]
    Max,
    /// The least.
    Min,
    /// All together.
    Sum,
    /// Their mean.
    Mean,
    /// The mean of those above 0.
    PositiveMean,
}

/// A score that is below all others: Metron's negative infinity, which neither JSON nor a search engine has.
pub const LOWEST: f64 = f32::MIN as f64;

/// Metron's aggregation. `trump`: one score below 0 is the last word.
#[must_use]
pub fn aggregate(aggregator: Aggregator, scores: &[f64], trump: bool) -> f64 {
    if trump && scores.iter().any(|score| *score < 0.0) {
        return LOWEST;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of rules")]
    let mean = |sum: f64, count: usize| if count == 0 { 0.0 } else { sum / count as f64 };
    let positive = || scores.iter().copied().filter(|score| *score > 0.0);
    match aggregator {
        _ if scores.is_empty() => 0.0,
        Aggregator::Max => scores.iter().copied().fold(0.0, f64::max),
        Aggregator::Min => scores.iter().copied().fold(f64::MAX, f64::min),
        Aggregator::Sum => scores.iter().sum(),
        Aggregator::Mean => mean(scores.iter().sum(), scores.len()),
        Aggregator::PositiveMean => mean(positive().sum(), positive().count()),
    }
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub comment: Option<String>,
    /// When it fires.
    pub rule: Expression,
    /// The score as the config has it.
    pub score_text: String,
    /// What it scores.
    pub score: Expression,
    /// Why it fired.
    pub reason: Option<Expression>,
}

/// A sensor's triage.
#[derive(Clone, Debug, Default)]
pub struct Triage {
    /// In order, each condition once.
    pub rules: Vec<Rule>,
    /// How their scores become one.
    pub aggregator: Aggregator,
    /// Whether one score below 0 is the last word.
    pub trump: bool,
    /// Variables of the rules beside the message's fields, which come first.
    pub variables: BTreeMap<String, Value>,
}

/// Metron's conversion of texts to truth values; none for what is none.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        other => match other.to_string().to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "on" | "1" => Some(true),
            "false" | "no" | "n" | "off" | "0" => Some(false),
            _ => None,
        },
    }
}

/// Whether the message is an alert.
///
/// # Errors
/// `is_alert` is neither true nor false.
fn is_alert(fields: &Fields) -> Result<bool, String> {
    match fields.get("is_alert") {
        Some(value) => truth(value).ok_or_else(|| format!("is_alert is {value}, neither true nor false")),
        None => Ok(fields.keys().any(|name| name.starts_with("threatintels") && !name.ends_with(".ts"))),
    }
}

impl Triage {
    /// Judges a message and writes what came out into it.
    ///
    /// # Errors
    /// An expression that has no value, or not of the type that it must have; `is_alert` is no truth value.
    pub fn judge(&self, fields: &mut Fields, functions: &Functions) -> Result<(), String> {
        if !is_alert(fields)? {
            fields.remove("is_alert");
            return Ok(());
        }
        fields.insert("is_alert".to_owned(), "true".into());
        let mut fired = Vec::new();
        for (number, rule) in self.rules.iter().enumerate() {
            let name = || rule.name.clone().unwrap_or_else(|| format!("riskLevelRules[{number}]"));
            let variables = |name: &str| {
                fields.get(name).filter(|value| !value.is_null()).or_else(|| self.variables.get(name)).cloned()
            };
            let evaluate = |what: &str, expression: &Expression| {
                expression.evaluate(&variables, functions).map_err(|error| format!("the {what} of {}: {error}", name()))
            };
            match evaluate("rule", &rule.rule)? {
                Value::Bool(true) => {}
                Value::Bool(false) | Value::Null => continue,
                other => return Err(format!("the rule of {}: {other} is neither true nor false", name())),
            }
            let reason = rule.reason.as_ref().map(|reason| evaluate("reason", reason)).transpose()?;
            let score = evaluate("score", &rule.score)?;
            let number = match &score {
                Value::Text(text) => text.trim().parse().ok(),
                other => other.as_double(),
            };
            let number = number.filter(|number: &f64| !number.is_nan());
            fired.push((rule, number.ok_or_else(|| format!("the score of {}: {score} is no number", name()))?, reason));
        }
        if fired.is_empty() {
            return Ok(());
        }
        let scores: Vec<f64> = fired.iter().map(|(_, score, _)| *score).collect();
        let level = aggregate(self.aggregator, &scores, self.trump).clamp(LOWEST, f64::from(f32::MAX));
        // The name of the seed's time, and Metron's of today.
        for name in ["threat.triage.level", "threat.triage.score"] {
            fields.insert(name.to_owned(), level.into());
        }
        for (number, (rule, _, reason)) in fired.into_iter().enumerate() {
            let mut add = |name: &str, value: Value| {
                if !value.is_null() {
                    fields.insert(format!("threat.triage.rules.{number}.{name}"), value);
                }
            };
            add("name", rule.name.clone().into());
            add("comment", rule.comment.clone().into());
            add("score", rule.score_text.clone().into());
            let reason = reason.filter(|reason| !reason.is_null());
            add("reason", reason.map(|reason| reason.to_string()).into());
        }
        Ok(())
    }

    /// The rules, each condition once: of two with the same, the first, as Metron has it.
    pub(crate) fn without_twins(rules: Vec<(String, Rule)>) -> Vec<Rule> {
        let mut known = BTreeSet::new();
        rules.into_iter().filter(|(condition, _)| known.insert(condition.clone())).map(|(_, rule)| rule).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: Option<&str>, rule: &str, score: &str, reason: Option<&str>) -> Rule {
        Rule {
            name: name.map(ToOwned::to_owned),
            comment: None,
            rule: Expression::parse(rule).unwrap(),
            score_text: score.to_owned(),
            score: Expression::parse(score).unwrap(),
            reason: reason.map(|reason| Expression::parse(reason).unwrap()),
        }
    }

    fn judged(triage: &Triage, fields: &[(&str, Value)]) -> Result<String, String> {
        let mut fields: Fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        triage.judge(&mut fields, &Functions::standard())?;
        Ok(fields.iter().map(|(name, value)| format!("{name}={value} ")).collect())
    }

    #[test]
    fn scores_are_put_together_as_metron_does() {
        use Aggregator::*;
        let of = |aggregator, scores: &[f64], trump| aggregate(aggregator, scores, trump);
        for (aggregator, expected) in [(Max, 30.0), (Min, 0.0), (Sum, 40.0), (Mean, 40.0 / 3.0), (PositiveMean, 20.0)] {
            assert_eq!(of(aggregator, &[10.0, 0.0, 30.0], true), expected, "{aggregator:?}");
            assert_eq!(of(aggregator, &[], true), 0.0, "{aggregator:?}");
            assert_eq!(of(aggregator, &[10.0, -1.0], true), LOWEST, "{aggregator:?}");
        }
        assert_eq!(of(Max, &[-5.0, -1.0], false), 0.0);
        assert_eq!(of(Min, &[-5.0, 1.0], false), -5.0);
        assert_eq!(of(Sum, &[-5.0, 1.0], false), -4.0);
        assert_eq!(of(PositiveMean, &[-5.0, 0.0], false), 0.0);
    }

    #[test]
    fn only_alerts_are_judged() {
        let triage = Triage { rules: vec![rule(None, "x == 1", "100", None)], ..Triage::default() };
        let x = ("x", Value::from(1));
        assert_eq!(judged(&triage, std::slice::from_ref(&x)).unwrap(), "x=1 ");
        assert_eq!(judged(&triage, &[x.clone(), ("is_alert", "false".into())]).unwrap(), "x=1 ");
        let alert =
            "is_alert=true threat.triage.level=100.0 threat.triage.rules.0.score=100 threat.triage.score=100.0 x=1 ";
        for yes in [Value::from("true"), Value::from(true), Value::from("TRUE")] {
            assert_eq!(judged(&triage, &[x.clone(), ("is_alert", yes)]).unwrap(), alert);
        }
        assert!(
            judged(&triage, &[x.clone(), ("threatintels.hbase.ip", "a".into())]).unwrap().starts_with("is_alert=true")
        );
        assert_eq!(
            judged(&triage, &[x.clone(), ("threatintels.joinbolt.ts", 5.into())]).unwrap(),
            "threatintels.joinbolt.ts=5 x=1 "
        );
        assert!(judged(&triage, &[("is_alert", "maybe".into())]).unwrap_err().contains("maybe"));
        assert_eq!(judged(&triage, &[("is_alert", "true".into())]).unwrap(), "is_alert=true ");
    }

    #[test]
    fn rules_that_fired_say_their_names_and_reasons_in_order() {
        let triage = Triage {
            rules: vec![
                rule(Some("no"), "x > 5", "7", None),
                rule(Some("one"), "x > 0", "x * 10", Some("JOIN(['x is', TO_STRING(x)], ' ')")),
                rule(Some("two"), "threshold < 3", "5.5", Some("null")),
            ],
            aggregator: Aggregator::Sum,
            trump: true,
            variables: BTreeMap::from([("threshold".to_owned(), 1.into())]),
        };
        assert_eq!(
            judged(&triage, &[("is_alert", "true".into()), ("x", 2.into())]).unwrap(),
            "is_alert=true threat.triage.level=25.5 threat.triage.rules.0.name=one threat.triage.rules.0.reason=x is 2 \
             threat.triage.rules.0.score=x * 10 threat.triage.rules.1.name=two threat.triage.rules.1.score=5.5 \
             threat.triage.score=25.5 x=2 "
        );
    }

    #[test]
    fn an_expression_without_a_fitting_value_is_said_by_its_rules_name() {
        let judge = |rule| judged(&Triage { rules: vec![rule], ..Triage::default() }, &[("is_alert", "true".into())]);
        assert_eq!(judge(rule(Some("r"), "1", "1", None)).unwrap_err(), "the rule of r: 1 is neither true nor false");
        assert_eq!(
            judge(rule(None, "true", "'x'", None)).unwrap_err(),
            "the score of riskLevelRules[0]: x is no number"
        );
        assert!(
            judge(rule(None, "true", "1", Some("1 / 0")))
                .unwrap_err()
                .starts_with("the reason of riskLevelRules[0]: column")
        );
    }
}
