//! Texts.

use super::{Group, count, given, printed, text};
use crate::evaluate::Call;
use crate::value::Value;

/// A text that functions make longer may have so many characters.
const LONGEST: usize = 1 << 20;

pub(super) const ALL: Group = &[
    ("TO_UPPER", |_, arguments| Ok(printed(arguments, 0, "input")?.map(|text| text.to_uppercase()).into())),
    ("TO_LOWER", |_, arguments| Ok(printed(arguments, 0, "input")?.map(|text| text.to_lowercase()).into())),
    ("TO_STRING", |_, arguments| Ok(printed(arguments, 0, "input")?.into())),
    ("TRIM", |_, arguments| {
        // As Java's trim: all up to and including the blank.
        Ok(printed(arguments, 0, "input")?.map(|text| text.trim_matches(|c| c <= ' ').to_owned()).into())
    }),
    ("STARTS_WITH", |_, arguments| {
        Ok(both(arguments, "prefix")?.is_some_and(|(input, prefix)| input.starts_with(prefix)).into())
    }),
    ("ENDS_WITH", |_, arguments| {
        Ok(both(arguments, "suffix")?.is_some_and(|(input, suffix)| input.ends_with(suffix)).into())
    }),
    ("SPLIT", |_, arguments| {
        let Some(input) = printed(arguments, 0, "input")? else { return Ok(Value::list(Vec::new())) };
        match text(arguments, 1, "delimiter")? {
            None | Some("") => Err("the delimiter must not be empty".to_owned()),
            Some(delimiter) => Ok(Value::list(input.split(delimiter).map(Value::from).collect())),
        }
    }),
    ("JOIN", |_, arguments| {
        let Value::List(values) = given(arguments, 0, "list")? else { return Err("a list is expected".to_owned()) };
        let delimiter = text(arguments, 1, "delimiter")?.ok_or("the delimiter must not be null")?;
        let words: Vec<String> = values.iter().filter(|value| !value.is_null()).map(ToString::to_string).collect();
        Ok(words.join(delimiter).into())
    }),
    ("SUBSTRING", substring),
    ("FORMAT", format),
    ("CHOMP", |_, arguments| {
        let chomped = |text: &str| {
            let shorter = text.strip_suffix("\r\n").or(text.strip_suffix('\n')).or(text.strip_suffix('\r'));
            shorter.unwrap_or(text).to_owned()
        };
        Ok(text(arguments, 0, "input")?.map(chomped).into())
    }),
    ("CHOP", |_, arguments| {
        let chopped = |text: &str| {
            let last = text.char_indices().next_back().map_or(0, |(at, _)| at);
            let end = if text.ends_with("\r\n") { last - 1 } else { last };
            text.get(..end).unwrap_or_default().to_owned()
        };
        Ok(text(arguments, 0, "input")?.map(chopped).into())
    }),
    ("PREPEND_IF_MISSING", |_, arguments| {
        let Some((input, prefix)) = both(arguments, "prefix")? else {
            return Ok(given(arguments, 0, "input")?.clone());
        };
        Ok(if input.starts_with(prefix) { input.into() } else { format!("{prefix}{input}").into() })
    }),
    ("APPEND_IF_MISSING", |_, arguments| {
        let Some((input, suffix)) = both(arguments, "suffix")? else {
            return Ok(given(arguments, 0, "input")?.clone());
        };
        Ok(if input.ends_with(suffix) { input.into() } else { format!("{input}{suffix}").into() })
    }),
    ("COUNT_MATCHES", |_, arguments| {
        let matches = match both(arguments, "substring")? {
            Some((input, part)) if !part.is_empty() => input.matches(part).count(),
            _ => 0,
        };
        Ok(Value::Int(i32::try_from(matches).unwrap_or(i32::MAX)))
    }),
    ("FILL_LEFT", |_, arguments| fill(arguments, |fill, input| fill + input)),
    ("FILL_RIGHT", |_, arguments| fill(arguments, |fill, input| input.to_owned() + &fill)),
    ("STRING_ENTROPY", entropy),
    ("TO_JSON_OBJECT", |_, arguments| json(arguments, "a JSON value", |_| true)),
    ("TO_JSON_MAP", |_, arguments| json(arguments, "a JSON map", |value| matches!(value, Value::Map(_)))),
    ("TO_JSON_LIST", |_, arguments| json(arguments, "a JSON list", |value| matches!(value, Value::List(_)))),
];

/// The input and a second text; none when one is null.
fn both<'a>(arguments: &'a [Value], second: &str) -> Result<Option<(&'a str, &'a str)>, String> {
    Ok(text(arguments, 0, "input")?.zip(text(arguments, 1, second)?))
}

/// Places are counted in UTF-16 code units, as in Java; one within a character of two is an error.
fn substring(_: &Call<'_>, arguments: &[Value]) -> Result<Value, String> {
    let (input, start) = (text(arguments, 0, "input")?, count(arguments, 1, "start")?);
    let end = if arguments.len() > 2 { count(arguments, 2, "end")? } else { None };
    let (Some(input), Some(start)) = (input, start) else { return Ok(Value::Null) };
    if input.is_empty() {
        return Ok(input.into());
    }
    let units: Vec<u16> = input.encode_utf16().collect();
    let end = end.unwrap_or(units.len());
    let part =
        units.get(start..end).ok_or_else(|| format!("{start} to {end} is not within {} characters", units.len()))?;
    String::from_utf16(part).map(Value::from).map_err(|_| "a place is within a character of two units".to_owned())
}

fn fill(arguments: &[Value], put: fn(String, &str) -> String) -> Result<Value, String> {
    let Some(input) = printed(arguments, 0, "input")? else { return Ok(Value::Null) };
    let fill = printed(arguments, 1, "fill")?.ok_or("the fill must not be null")?;
    let fill = fill.chars().next().ok_or("the fill must not be empty")?;
    let length = count(arguments, 2, "length")?.ok_or("the length must not be null")?;
    if length > LONGEST {
        return Err(format!("a length of {length} is more than {LONGEST}"));
    }
    let missing = length.saturating_sub(input.chars().count());
    Ok(put(fill.to_string().repeat(missing), &input).into())
}

/// Shannon's, in bits a character.
#[expect(clippy::cast_precision_loss, reason = "counts of characters")]
fn entropy(_: &Call<'_>, arguments: &[Value]) -> Result<Value, String> {
    let Some(input) = printed(arguments, 0, "input")? else { return Ok(Value::Double(0.0)) };
    let mut frequency = std::collections::BTreeMap::<u16, u32>::new();
    for unit in input.encode_utf16() {
        *frequency.entry(unit).or_default() += 1;
    }
    let total = input.encode_utf16().count() as f64;
    let part = |count: u32| f64::from(count) / total;
    // 0 rather than -0 for one character.
    Ok(Value::Double(frequency.into_values().map(|count| -part(count) * part(count).log2()).sum::<f64>() + 0.0))
}

fn json(arguments: &[Value], what: &str, is: fn(&Value) -> bool) -> Result<Value, String> {
    match text(arguments, 0, "input")? {
        None => Ok(Value::Null),
        Some("") => Ok("".into()),
        Some(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) => Some(Value::from(&json)).filter(is).ok_or_else(|| format!("the text is not {what}")),
            Err(error) => Err(format!("the text is not {what}: {error}")),
        },
    }
}

/// `%s`, `%d`, `%x`, `%X`, `%f`, `%e`, `%b`, `%c`, `%n`, `%%` of Java's format, with width, precision, `-` and `0`.
fn format(_: &Call<'_>, arguments: &[Value]) -> Result<Value, String> {
    let pattern = printed(arguments, 0, "format")?.ok_or("the format must not be null")?;
    let mut values = arguments.iter().skip(1);
    let mut out = String::new();
    let mut rest = pattern.as_str();
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let flags_end = after.find(|c| !matches!(c, '-' | '0')).unwrap_or(after.len());
        let (flags, tail) = after.split_at_checked(flags_end).unwrap_or_default();
        let size_end = tail.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(tail.len());
        let (size, tail) = tail.split_at_checked(size_end).unwrap_or_default();
        let Some(letter) = tail.chars().next() else { return Err("the format ends within a %".to_owned()) };
        rest = tail.get(letter.len_utf8()..).unwrap_or_default();
        let (width, precision) =
            size.split_once('.').map_or((size, None), |(width, precision)| (width, Some(precision)));
        let number = |text: &str| text.parse::<usize>().map_err(|_| format!("%{size} is no size"));
        let width = if width.is_empty() { 0 } else { number(width)? };
        let precision = precision.map(number).transpose()?;
        if width.max(precision.unwrap_or(0)) > 1000 {
            return Err(format!("%{size} is more than 1000"));
        }
        let word = match letter {
            'n' => "\n".to_owned(),
            '%' => "%".to_owned(),
            _ => {
                let value = values.next().ok_or_else(|| format!("there is no value for %{letter}"))?;
                formatted(letter, precision, value)?
            }
        };
        let missing = width.saturating_sub(word.chars().count());
        match (flags.contains('-'), flags.contains('0'), word.strip_prefix('-')) {
            (true, ..) => out.push_str(&(word + &" ".repeat(missing))),
            (_, true, Some(digits)) => out.push_str(&format!("-{}{digits}", "0".repeat(missing))),
            (_, true, None) => out.push_str(&("0".repeat(missing) + &word)),
            _ => out.push_str(&(" ".repeat(missing) + &word)),
        }
        if out.len() > LONGEST {
            return Err(format!("the text is longer than {LONGEST}"));
        }
    }
    Ok((out + rest).into())
}

fn formatted(letter: char, precision: Option<usize>, value: &Value) -> Result<String, String> {
    let refuse = || Err(format!("%{letter} does not take {}", value.kind()));
    Ok(match (letter, value) {
        ('s', value) => {
            let text = value.to_string();
            precision.map_or(text.clone(), |most| text.chars().take(most).collect())
        }
        ('b', value) => (!matches!(value, Value::Null | Value::Bool(false))).to_string(),
        (_, Value::Null) => "null".to_owned(),
        ('d', Value::Int(_) | Value::Long(_)) => value.to_string(),
        ('x', Value::Int(number)) => format!("{number:x}"),
        ('x', Value::Long(number)) => format!("{number:x}"),
        ('X', Value::Int(number)) => format!("{number:X}"),
        ('X', Value::Long(number)) => format!("{number:X}"),
        ('f', Value::Float(_) | Value::Double(_)) => {
            format!("{:.*}", precision.unwrap_or(6), value.as_double().unwrap_or_default())
        }
        ('e', Value::Float(_) | Value::Double(_)) => {
            let shown = format!("{:.*e}", precision.unwrap_or(6), value.as_double().unwrap_or_default());
            let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        ('c', Value::Text(text)) if text.chars().count() == 1 => text.to_string(),
        ('c', Value::Int(number)) => match u32::try_from(*number).ok().and_then(char::from_u32) {
            Some(c) => c.to_string(),
            None => return refuse(),
        },
        ('d' | 'x' | 'X' | 'f' | 'e' | 'c', _) => return refuse(),
        _ => return Err(format!("%{letter} is not supported: use %s, %d, %x, %f, %e, %b, %c, %n or %%")),
    })
}
