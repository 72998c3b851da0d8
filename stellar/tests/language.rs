//! What must hold whatever the expression and the message are.

#![allow(clippy::unwrap_used)]

use maas_stellar::{Expression, Functions, Value};
use proptest::prelude::*;

fn evaluate(text: &str, functions: &Functions) -> Result<Value, String> {
    let message = |name: &str| match name {
        "host" => Some(Value::from("a.b.com")),
        "n" => Some(Value::from(7)),
        _ => None,
    };
    let parsed = Expression::parse(text).map_err(|error| error.to_string())?;
    parsed.evaluate(&message, functions).map_err(|error| error.to_string())
}

fn value(text: &str) -> Value {
    evaluate(text, &Functions::standard()).unwrap()
}

fn error(text: &str) -> String {
    evaluate(text, &Functions::standard()).unwrap_err()
}

#[test]
fn a_call_of_what_is_not_there_is_found_wherever_it_stands() {
    for (text, column) in [
        ("NOPE()", 1),
        ("true or NOPE()", 9),
        ("if NOPE() then 1 else 2", 4),
        ("n > 5 ? 1 : NOPE()", 13),
        ("MAP([1], x -> NOPE(x))", 15),
        ("TO_UPPER(NOPE())", 10),
        ("{NOPE(): 1}", 2),
        ("1 + 2 * NOPE()", 9),
        ("not(NOPE())", 5),
        ("match { n > 5 => NOPE(), default => 1 }", 18),
        ("1 in [NOPE()]", 7),
    ] {
        let error = Expression::parse(text).unwrap().check(&Functions::standard()).unwrap_err();
        assert_eq!((error.column, error.reason.as_str()), (column, "there is no function NOPE"), "{text}");
    }
    let good = Expression::parse("MAP([n, 1], x -> TO_STRING(x))").unwrap();
    assert_eq!(good.check(&Functions::standard()), Ok(()));
    assert!(good.check(&Functions::none()).is_err());
}

#[test]
fn an_error_names_the_place_and_the_reason() {
    for (text, expected) in [
        ("", "column 1: expected a value, found the end"),
        ("1 +", "column 4: expected a value, found the end"),
        ("a = 1", "column 3: `=` is no operator: write `==`"),
        ("'open", "column 1: the text that starts here has no closing '"),
        ("f('x' + 1)", "column 7: a text cannot stand beside `+`"),
        ("if a then 1", "column 12: expected `else`, found the end"),
        ("2147483648", "column 1: 2147483648 does not fit into 32 bits: write 2147483648L"),
        ("n + host", "column 5: String is no number"),
        ("1 + 4 / 0", "column 9: a whole number cannot be divided by zero"),
        ("TO_UPER(host)", "column 1: there is no function TO_UPER: did you mean TO_UPPER?"),
        ("1 < host", "column 1: Integer and String cannot be compared"),
        ("if host then 1 else 2", "column 4: String is no condition: compare it with something"),
        ("SUBSTRING(host, 9)", "column 1: SUBSTRING: 9 to 7 is not within 7 characters"),
        ("REGEXP_MATCH(host, '(')", "column 1: REGEXP_MATCH: the pattern cannot be used: error: unclosed group"),
        ("é", "column 1: unexpected 'é'"),
        ("-n", "column 1: expected a value (a minus stands before a number only; write 0 - x), found `-`"),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn what_is_kept_of_the_original_although_it_surprises() {
    // `*` before `/`; and, or from the right.
    assert_eq!(value("8 / 4 * 2"), Value::from(1));
    assert_eq!(value("false and true or true"), Value::from(false));
    assert_eq!(value("unset + 1"), Value::from(1));
    assert_eq!(value("a.b:c == null"), Value::from(true));
}

#[test]
fn what_the_original_refuses_and_is_plain() {
    assert_eq!(value("n-2"), Value::from(5));
    assert_eq!(value("(n) -2"), Value::from(5));
    assert_eq!(value("GET([true and false], 0)"), Value::from(false));
    assert_eq!(value("IN_SUBNET('10.0.0.1', '10.0.0.1/32')"), Value::from(true));
    assert_eq!(value("IN_SUBNET('10.0.0.0', '10.0.0.0/8')"), Value::from(false));
}

#[test]
fn a_lambda_sees_the_parameters_around_it_and_no_variable_of_its_own() {
    assert_eq!(value("MAP([1, 2], x -> REDUCE([x, x], (a, b) -> a + b + x, 0))").to_string(), "[4, 8]");
    let parsed = Expression::parse("MAP(list, x -> x + y) == z or exists(list)").unwrap();
    assert_eq!(parsed.variables(), ["list", "y", "z"]);
}

#[test]
fn functions_of_the_caller_are_called_with_their_arguments() {
    let functions = Functions::standard().with("TWICE", |_, arguments| match arguments {
        [Value::Int(number)] => Ok(Value::Int(number.wrapping_mul(2))),
        _ => Err("one Integer is expected".to_owned()),
    });
    assert_eq!(evaluate("TWICE(n) + 1", &functions).unwrap(), Value::from(15));
    assert_eq!(evaluate("TWICE(host)", &functions).unwrap_err(), "column 1: TWICE: one Integer is expected");
}

#[test]
fn what_stands_too_deep_is_refused_and_what_is_long_is_not() {
    let nested = |open: &str, close: &str| error(&format!("{}1{}", open.repeat(10_000), close.repeat(10_000)));
    for (open, close) in [("(", ")"), ("[", "]"), ("ABS(", ")"), ("not(", ")"), ("x -> ", ""), ("{'a': ", "}")] {
        assert!(nested(open, close).contains("deep within each other"), "{open}");
    }
    assert!(nested("1 in ", "").contains("follow each other") || nested("1 in ", "").contains("deep"));
    assert_eq!(value(&format!("1{}", " + 1".repeat(10_000))), Value::from(10_001));
    assert_eq!(value(&format!("true{}", " and true".repeat(10_000))), Value::from(true));
    assert_eq!(value(&format!("{}7", "if n == 0 then 1 else ".repeat(10_000))), Value::from(7));
    assert!(error(&format!("1{}", " == 1".repeat(10_000))).contains("in a row"));
}

#[test]
fn formats_as_java_does() {
    for (text, expected) in [
        ("FORMAT('%5d|%-5s|%05d', n, 'a', 0 - n)", "    7|a    |-0007"),
        ("FORMAT('%.2f %e %x %b %c%n%%', 1.005, 12345.678, 255, true, 'z')", "1.00 1.234568e+04 ff true z\n%"),
        ("FORMAT('%s %.2s', null, 'abc')", "null ab"),
    ] {
        assert_eq!(value(text).to_string(), expected, "{text}");
    }
    assert!(error("FORMAT('%d', host)").contains("%d does not take String"));
    assert!(error("FORMAT('%s')").contains("there is no value for %s"));
    assert!(error("FORMAT('%999999999s', 1)").contains("more than 1000"));
}

const PIECES: [&str; 46] = [
    "1",
    "2.5",
    "0L",
    "'a'",
    "\"b\"",
    "n",
    "host",
    "x",
    "null",
    "true",
    "NaN",
    "+",
    "-",
    "*",
    "/",
    "==",
    "<",
    ">=",
    "and",
    "or",
    "not(",
    "in",
    "not in",
    "if",
    "then",
    "else",
    "?",
    ":",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "->",
    "=>",
    "match {",
    "default",
    "MAP(",
    "GET(",
    "FORMAT(",
    "SUBSTRING(",
    "REGEXP_MATCH(",
    "//",
    "exists(",
];

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}") {
        let _ = evaluate(&text, &Functions::standard());
    }

    #[test]
    fn no_words_make_it_panic(words in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..40)) {
        let _ = evaluate(&words.join(" "), &Functions::standard());
    }

    #[test]
    fn no_arguments_make_a_function_panic(
        name in prop::sample::select(Functions::standard().names().into_iter().map(str::to_owned).collect::<Vec<_>>()),
        arguments in prop::collection::vec(prop::sample::select(vec![
            "null", "0", "1", "2147483647", "9223372036854775807L", "1.5", "NaN", "''", "'a.b.com'", "'é€𝄞'", "'%s %5.3f'",
            "'(a)(b'", "[]", "[1, 'a', null]", "{}", "{'a': 1}", "x -> x", "(a, b) -> a", "true", "'10.0.0.0/33'",
        ]), 0..4),
    ) {
        let _ = evaluate(&format!("{name}({})", arguments.join(", ")), &Functions::standard());
    }

    #[test]
    fn a_text_literal_is_what_it_says(text in "\\PC{0,30}") {
        let escaped = text.replace('\\', "\\\\").replace('\'', "\\'");
        let parsed = Expression::parse(&format!("'{escaped}'")).unwrap();
        prop_assert_eq!(parsed.evaluate(&|_| None, &Functions::none()).unwrap(), Value::from(text));
    }
}
