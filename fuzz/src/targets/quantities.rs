//! Amounts of memory, durations, numbers of instances and addresses, as texts.

use std::time::Duration;

use hadoop_rpc::Address;
use maas_crd::quantity::{MEMORY_LIMIT_MIB, PERIOD_LIMIT, period};
use maas_crd::{Iid, Memory};

use crate::{Target, accepted, line};

/// What is printed of an amount reads as the same one; no amount is beyond its limit; a thousandfold unit is a
/// thousandfold amount; a duration is the sum of its parts.
pub const TARGET: Target = Target { name: "quantities", check, verdict };

fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    memory(text);
    duration(text);
    if let Ok(iid) = text.parse::<Iid>() {
        assert_eq!(iid.to_string(), text, "an instance id has one spelling");
    }
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse(), Ok(address), "an address reads back");
    }
}

fn memory(text: &str) {
    let memory = match text.parse::<Memory>() {
        Ok(memory) => memory,
        Err(error) => return told(&error.to_string()),
    };
    assert!((1..=MEMORY_LIMIT_MIB).contains(&memory.mib()), "{text}: {memory}");
    assert_eq!(memory.to_string().parse(), Ok(memory), "an amount reads back");
    let smaller = [("Ti", "Gi"), ("Gi", "Mi"), ("Mi", "Ki"), ("T", "G"), ("G", "M")];
    for (unit, below) in smaller {
        if let Some(number) = text.strip_suffix(unit).and_then(|number| number.parse::<u64>().ok()) {
            let each = if unit.ends_with('i') { 1024 } else { 1000 };
            assert_eq!(format!("{}{below}", number * each).parse(), Ok(memory), "{text} in {below}");
        }
    }
}

fn duration(text: &str) {
    let duration = match period::parse(text) {
        Ok(duration) => duration,
        Err(error) => return told(&error.to_string()),
    };
    assert!(duration <= PERIOD_LIMIT, "{text}");
    assert_eq!(period::parse(&period::print(duration)), Ok(duration), "a duration reads back");
    let mut sum = Duration::ZERO;
    let (mut number, mut unit) = (0, String::new());
    for c in text.chars().chain(['0']) {
        match c.to_digit(10) {
            Some(digit) => {
                sum += each(&unit) * number * u32::from(!unit.is_empty());
                number = if unit.is_empty() { number * 10 + digit } else { digit };
                unit.clear();
            }
            None => unit.push(c),
        }
    }
    assert_eq!(sum, duration, "{text}");
}

fn each(unit: &str) -> Duration {
    match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        _ => Duration::from_secs(3600),
    }
}

/// What is said of a bad amount is short, and safe to print.
fn told(message: &str) {
    assert!(message.len() < 600, "{message}");
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

fn verdict(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else { return "refused: not UTF-8".to_owned() };
    match (text.parse::<Memory>(), period::parse(text)) {
        (Ok(memory), _) => accepted(format!("{} MiB", memory.mib())),
        (_, Ok(duration)) => accepted(format!("{} ms", duration.as_millis())),
        (Err(memory), Err(duration)) => line(&format!("refused: {memory}; {duration}")),
    }
}
