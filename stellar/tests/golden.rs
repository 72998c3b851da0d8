//! Expressions and what the stock evaluator gives for each (golden.tsv: Metron 0.7.2).

use maas_stellar::{Expression, Functions, Value};

/// Where ours differs, and what it gives; docs/stellar.md says why.
const DIFFERENT: [(&str, &str); 1] = [("not(true) or true", "Boolean true")];

#[test]
fn every_expression_gives_what_the_stock_evaluator_gives() {
    let text = include_str!("golden.tsv");
    let variables = text.lines().find_map(|line| line.strip_prefix("# Variables (JSON): ")).unwrap();
    let variables: serde_json::Value = serde_json::from_str(variables).unwrap();
    let variables = |name: &str| variables.get(name).map(Value::from);
    let functions = Functions::standard();
    let (mut tried, mut wrong) = (0, Vec::new());
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let (expression, wanted) = line.split_once('\t').unwrap();
        let wanted = DIFFERENT.iter().find(|(text, _)| *text == expression).map_or(wanted, |(_, ours)| ours);
        let value = Expression::parse(expression)
            .map_err(|error| error.to_string())
            .and_then(|parsed| parsed.evaluate(&variables, &functions).map_err(|error| error.to_string()));
        let got = match &value {
            Ok(Value::Null) => "null".to_owned(),
            Ok(value) => format!("{} {value}", value.kind()),
            Err(_) => "ERROR".to_owned(),
        };
        let wanted = wanted.replace("LinkedList", "List").replace("ArrayList", "List").replace("HashMap", "Map");
        tried += 1;
        if got.trim_end() != wanted.trim_end() {
            wrong.push(format!("{expression}: {got}, not {wanted} ({value:?})"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried >= 160, "{tried}");
}
