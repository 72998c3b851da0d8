//! The variables by which processes of ours are told what to do: `MAAS_LAUNCH` and `MAAS_OPERATOR`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maas_crd::{Launch, OperatorLaunch};

use crate::{Target, accepted, refused};

/// The input is the variable's value, or the JSON within it.
///
/// What is read can be written in letters that no shell obeys, reads back the same, and does not grow.
pub const TARGET: Target = Target { name: "launch", check, verdict };

fn value(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.trim_start().starts_with('{') => text.to_owned(),
        _ => STANDARD.encode(bytes),
    }
}

fn check(bytes: &[u8]) {
    let value = value(bytes);
    if let Ok(launch) = Launch::decode(&value) {
        let written = written(launch.encode(), &value);
        assert!(Launch::decode(&written).is_ok_and(|again| again == launch), "{launch:?}");
    }
    if let Ok(launch) = OperatorLaunch::decode(&value) {
        let written = written(launch.encode(), &value);
        assert!(OperatorLaunch::decode(&written).is_ok_and(|again| again == launch), "{launch:?}");
    }
}

fn written(written: String, value: &str) -> String {
    assert!(written.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)), "{written}");
    assert!(written.len() <= value.len() + 1024, "{} bytes of {}", written.len(), value.len());
    written
}

fn verdict(bytes: &[u8]) -> String {
    let value = value(bytes);
    match (Launch::decode(&value), OperatorLaunch::decode(&value)) {
        (Ok(launch), _) => accepted(format!("{} of {}/{}", launch.iid, launch.namespace, launch.name)),
        (_, Ok(operator)) => accepted(format!("an operator of {}", operator.root)),
        (Err(error), Err(_)) => refused(&error),
    }
}
