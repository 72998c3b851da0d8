//! Java's arithmetic and its way to print numbers, which results of configs show.

use std::cmp::Ordering;

use crate::value::Value;

/// The four operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Plus,
    Minus,
    Times,
    Over,
}

/// Two numbers, brought to the wider type of both: Double, Float, Long, Integer (JLS 5.6.2).
enum Pair {
    Int(i32, i32),
    Long(i64, i64),
    Float(f32, f32),
    Double(f64, f64),
}

fn pair(left: &Value, right: &Value) -> Option<Pair> {
    use Value::{Double, Float, Int, Long};
    Some(match (left, right) {
        (Double(_), _) | (_, Double(_)) => Pair::Double(left.as_double()?, right.as_double()?),
        (Float(_), _) | (_, Float(_)) => Pair::Float(float(left)?, float(right)?),
        (Long(_), _) | (_, Long(_)) => Pair::Long(left.as_long()?, right.as_long()?),
        (Int(left), Int(right)) => Pair::Int(*left, *right),
        _ => return None,
    })
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "as Java's floatValue")]
fn float(value: &Value) -> Option<f32> {
    match value {
        Value::Int(number) => Some(*number as f32),
        Value::Long(number) => Some(*number as f32),
        other => other.as_double().map(|number| number as f32),
    }
}

/// The result; none when one is no number, or for a whole number over zero.
pub(crate) fn compute(operation: Arithmetic, left: &Value, right: &Value) -> Option<Value> {
    use Arithmetic::{Minus, Over, Plus, Times};
    Some(match (pair(left, right)?, operation) {
        (Pair::Int(a, b), Plus) => Value::Int(a.wrapping_add(b)),
        (Pair::Int(a, b), Minus) => Value::Int(a.wrapping_sub(b)),
        (Pair::Int(a, b), Times) => Value::Int(a.wrapping_mul(b)),
        (Pair::Int(_, 0), Over) | (Pair::Long(_, 0), Over) => return None,
        (Pair::Int(a, b), Over) => Value::Int(a.wrapping_div(b)),
        (Pair::Long(a, b), Plus) => Value::Long(a.wrapping_add(b)),
        (Pair::Long(a, b), Minus) => Value::Long(a.wrapping_sub(b)),
        (Pair::Long(a, b), Times) => Value::Long(a.wrapping_mul(b)),
        (Pair::Long(a, b), Over) => Value::Long(a.wrapping_div(b)),
        (Pair::Float(a, b), Plus) => Value::Float(a + b),
        (Pair::Float(a, b), Minus) => Value::Float(a - b),
        (Pair::Float(a, b), Times) => Value::Float(a * b),
        (Pair::Float(a, b), Over) => Value::Float(a / b),
        (Pair::Double(a, b), Plus) => Value::Double(a + b),
        (Pair::Double(a, b), Minus) => Value::Double(a - b),
        (Pair::Double(a, b), Times) => Value::Double(a * b),
        (Pair::Double(a, b), Over) => Value::Double(a / b),
    })
}

/// How two values stand to each other: none when they cannot be compared, `Some(None)` for `NaN`.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Option<Ordering>> {
    match (left, right) {
        // By UTF-16 code units.
        (Value::Text(a), Value::Text(b)) => Some(Some(a.encode_utf16().cmp(b.encode_utf16()))),
        (Value::Bool(a), Value::Bool(b)) => Some(Some(a.cmp(b))),
        _ => Some(match pair(left, right)? {
            Pair::Int(a, b) => Some(a.cmp(&b)),
            Pair::Long(a, b) => Some(a.cmp(&b)),
            Pair::Float(a, b) => a.partial_cmp(&b),
            Pair::Double(a, b) => a.partial_cmp(&b),
        }),
    }
}

/// `Double.toString` and `Float.toString`, of Rust's shortest form `1.5e3`.
pub(crate) fn decimal(shortest: String) -> String {
    let (sign, rest) = match shortest.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", shortest.as_str()),
    };
    let Some((mantissa, exponent)) = rest.split_once('e') else {
        return match rest {
            "inf" => format!("{sign}Infinity"),
            other => other.to_owned(),
        };
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let digits = mantissa.replace('.', "");
    // From 10^-3 to 10^7 without an exponent.
    if (-3..7).contains(&exponent) {
        let (whole, fraction) = if exponent < 0 {
            let zeros = usize::try_from(-exponent - 1).unwrap_or_default();
            ("0".to_owned(), format!("{}{digits}", "0".repeat(zeros)))
        } else {
            let at = usize::try_from(exponent + 1).unwrap_or_default();
            let padded = format!("{digits:0<at$}");
            let (whole, fraction) = padded.split_at_checked(at).unwrap_or((&padded, ""));
            (whole.to_owned(), fraction.to_owned())
        };
        let fraction = if fraction.is_empty() { "0" } else { &fraction };
        return if digits == "0" { format!("{sign}0.0") } else { format!("{sign}{whole}.{fraction}") };
    }
    let (first, others) = digits.split_at_checked(1).unwrap_or((&digits, ""));
    format!("{sign}{first}.{}E{exponent}", if others.is_empty() { "0" } else { others })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_java_prints_them() {
        for (number, printed) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.5, "1.5"),
            (100.0, "100.0"),
            (1_234_567.0, "1234567.0"),
            (12_345_678.0, "1.2345678E7"),
            (0.001, "0.001"),
            (0.000_1, "1.0E-4"),
            (-2.5e-7, "-2.5E-7"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
            (0.012_5, "0.0125"),
        ] {
            assert_eq!(Value::Double(number).to_string(), printed);
        }
    }
}
