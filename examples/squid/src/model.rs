//! How an evaluation fared with the models that it asked.

use maas_client::CallError;
use maas_functions::{Failure, Reason, failures_of};
use maas_stellar::{Functions, Value};

/// How an evaluation fared with its models. The answer of one that failed is null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// None was asked, or all answered.
    Well,
    /// One is away, and why: the same may go well later.
    Down(String),
    /// One cannot take this message, and why.
    Refused(String),
}

/// Runs an evaluation on this thread, and says how it fared with its models.
pub fn watched<T>(evaluation: impl FnOnce() -> T) -> (T, Asked) {
    let (value, failures) = failures_of(evaluation);
    // Where no endpoint was found, the call without one fails behind it.
    let asked = match (failures.iter().find(|failure| may_pass(failure)), failures.first()) {
        (Some(failure), _) => Asked::Down(failure.to_string()),
        (None, Some(failure)) => Asked::Refused(failure.to_string()),
        (None, None) => Asked::Well,
    };
    (value, asked)
}

/// Whether the model is away or has too much to do, not at odds with the message.
fn may_pass(failure: &Failure) -> bool {
    let busy = matches!(failure.reason, Reason::Call(CallError::Status { status: 408 | 429, .. }) | Reason::NotRun);
    busy || failure.may_pass()
}

/// The functions of configs, to check them by; the models are not asked.
#[must_use]
pub fn unasked() -> Functions {
    let none = || Ok(Value::Null);
    Functions::standard().with("MAAS_GET_ENDPOINT", move |_, _| none()).with("MAAS_MODEL_APPLY", move |_, _| none())
}
