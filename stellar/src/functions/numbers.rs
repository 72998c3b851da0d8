//! Numbers.

use super::{Group, given};
use crate::value::Value;

pub(super) const ALL: Group = &[
    ("TO_INTEGER", |_, arguments| Ok(whole(arguments)?.and_then(|number| i32::try_from(number).ok()).into())),
    ("TO_LONG", |_, arguments| Ok(whole(arguments)?.into())),
    ("TO_DOUBLE", |_, arguments| Ok(decimal(arguments)?.into())),
    #[expect(clippy::cast_possible_truncation, reason = "what the function is for")]
    ("TO_FLOAT", |_, arguments| Ok(decimal(arguments)?.map_or(Value::Null, |number| Value::Float(number as f32)))),
    ("ABS", |_, arguments| of(arguments, f64::abs)),
    ("CEILING", |_, arguments| of(arguments, f64::ceil)),
    ("FLOOR", |_, arguments| of(arguments, f64::floor)),
    ("SQRT", |_, arguments| of(arguments, f64::sqrt)),
    ("EXP", |_, arguments| of(arguments, f64::exp)),
    ("LN", |_, arguments| of(arguments, f64::ln)),
    ("LOG2", |_, arguments| of(arguments, f64::log2)),
    ("LOG10", |_, arguments| of(arguments, f64::log10)),
    ("SIN", |_, arguments| of(arguments, f64::sin)),
    ("COS", |_, arguments| of(arguments, f64::cos)),
    ("TAN", |_, arguments| of(arguments, f64::tan)),
    // As Math.round: a half goes up.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as Math.round")]
    ("ROUND", |_, arguments| {
        Ok(number(arguments)?.map_or(Value::Null, |number| Value::Long((number + 0.5).floor() as i64)))
    }),
    ("IS_NAN", |_, arguments| Ok(number(arguments)?.is_some_and(f64::is_nan).into())),
    ("IS_INTEGER", |_, arguments| Ok(whole(arguments)?.is_some_and(|number| i32::try_from(number).is_ok()).into())),
];

/// None for null.
fn number(arguments: &[Value]) -> Result<Option<f64>, String> {
    match given(arguments, 0, "number")? {
        Value::Null => Ok(None),
        value => value.as_double().map(Some).ok_or_else(|| format!("a number is expected, not {}", value.kind())),
    }
}

/// NaN for null, as Metron.
fn of(arguments: &[Value], function: fn(f64) -> f64) -> Result<Value, String> {
    Ok(Value::Double(number(arguments)?.map_or(f64::NAN, function)))
}

/// What cannot be one is null.
fn whole(arguments: &[Value]) -> Result<Option<i64>, String> {
    Ok(match given(arguments, 0, "input")? {
        Value::Text(text) => text.trim().parse().ok(),
        Value::Bool(truth) => Some(i64::from(*truth)),
        other => other.as_long(),
    })
}

fn decimal(arguments: &[Value]) -> Result<Option<f64>, String> {
    Ok(match given(arguments, 0, "input")? {
        Value::Text(text) => text.trim().parse().ok(),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        other => other.as_double(),
    })
}
