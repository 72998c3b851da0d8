//! The functions that ask models, and what is known when none answers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use maas_client::{CallError, Client, Wanted};
use maas_stellar::{Functions, Value};
use tokio::runtime::Handle;

/// How an evaluation fared with its models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// It asked none.
    #[default]
    None,
    /// All that were asked answered.
    Answered,
    /// One could not be asked, and why; its answer was null.
    Down(String),
}

thread_local! {
    /// How the evaluation that this thread is at fares.
    static ASKED: RefCell<Asked> = const { RefCell::new(Asked::None) };
}

/// Runs an evaluation, and says how it fared with its models.
pub fn watched<T>(evaluation: impl FnOnce() -> T) -> (T, Asked) {
    ASKED.take();
    let value = evaluation();
    (value, ASKED.take())
}

fn down(reason: String) -> Value {
    ASKED.set(Asked::Down(reason));
    Value::Null
}

fn answered() {
    ASKED.with_borrow_mut(|asked| {
        if *asked == Asked::None {
            *asked = Asked::Answered;
        }
    });
}

/// The functions of configs, to check them by: the models are not asked.
#[must_use]
pub fn unasked() -> Functions {
    let none = || Err("no model can be asked here".to_owned());
    Functions::standard().with("MAAS_GET_ENDPOINT", move |_, _| none()).with("MAAS_MODEL_APPLY", move |_, _| none())
}

/// The functions of configs. They block: evaluate on a thread that may, and within [`watched`].
#[must_use]
pub fn functions(client: Client, handle: Handle) -> Functions {
    let other = client.clone();
    Functions::standard()
        .with("MAAS_GET_ENDPOINT", move |_, arguments| endpoint(&other, arguments))
        .with("MAAS_MODEL_APPLY", move |_, arguments| apply(&client, &handle, arguments))
}

fn text<'a>(arguments: &'a [Value], place: usize, what: &str) -> Result<Option<&'a str>, String> {
    match arguments.get(place) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(other) => Err(format!("{what} must be a String, not {}", other.kind())),
    }
}

/// `MAAS_GET_ENDPOINT(model, version?)`: a map with `name`, `version` and `url`; null when nothing is live.
fn endpoint(client: &Client, arguments: &[Value]) -> Result<Value, String> {
    let model = text(arguments, 0, "the model's name")?.ok_or("the model's name is missing")?;
    let version = text(arguments, 1, "the model's version")?;
    let wanted = Wanted { version, ..Wanted::newest(model) };
    let Some(target) = client.endpoint(wanted) else {
        let version = version.map(|version| format!(" {version}")).unwrap_or_default();
        return Ok(down(format!("no instance of {model}{version} is live")));
    };
    let endpoint = target.endpoint();
    let map: BTreeMap<Arc<str>, Value> =
        [("name", endpoint.model.as_str()), ("version", endpoint.version.as_str()), ("url", endpoint.url.as_str())]
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
    Ok(Value::Map(Arc::new(map)))
}

/// `MAAS_MODEL_APPLY(endpoint, function?, arguments)`: the model's answer.
fn apply(client: &Client, handle: &Handle, arguments: &[Value]) -> Result<Value, String> {
    let (endpoint, function, given) = match arguments {
        [endpoint, given] => (endpoint, None, given),
        [endpoint, _, given] => (endpoint, text(arguments, 1, "the function")?, given),
        _ => return Err("an endpoint, a function (or none) and arguments are expected".to_owned()),
    };
    let (endpoint, given) = match (endpoint, given) {
        // Without an endpoint there is no answer, as said when none was found.
        (Value::Null, _) => return Ok(Value::Null),
        (Value::Map(endpoint), Value::Map(given)) => (endpoint, given),
        (other, Value::Map(_)) => {
            return Err(format!("the endpoint must be what MAAS_GET_ENDPOINT gives, not {}", other.kind()));
        }
        (_, other) => return Err(format!("the arguments must be a map, not {}", other.kind())),
    };
    let field = |name: &str| endpoint.get(name).and_then(Value::as_text);
    let (Some(model), version) = (field("name"), field("version")) else {
        return Err("the endpoint has no name: use what MAAS_GET_ENDPOINT gives".to_owned());
    };
    let texts: Vec<(&str, Option<String>)> =
        given.iter().map(|(key, value)| (&**key, (!value.is_null()).then(|| value.to_string()))).collect();
    let texts: Vec<(&str, Option<&str>)> = texts.iter().map(|(key, value)| (*key, value.as_deref())).collect();
    let wanted = Wanted { version, ..Wanted::newest(model) };
    match handle.block_on(client.apply(wanted, function.unwrap_or("apply"), &texts)) {
        Ok(answer) => {
            answered();
            Ok(Value::from(&serde_json::Value::Object(answer)))
        }
        Err(error) if may_pass(&error) => Ok(down(error.to_string())),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether the same call may succeed later: the model is away, not at odds with the message.
fn may_pass(error: &CallError) -> bool {
    match error {
        CallError::Status { status, .. } => *status >= 500 || *status == 429,
        CallError::NoEndpoint { .. } | CallError::Deadline { .. } | CallError::Transport { .. } => true,
        _ => false,
    }
}
