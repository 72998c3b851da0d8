//! `MAAS_GET_ENDPOINT` and `MAAS_MODEL_APPLY`: the client library as functions of Stellar, with Metron's results.
//!
//! ```no_run
//! # async fn story() -> Result<(), Box<dyn std::error::Error>> {
//! use maas_client::{Client, Options};
//! use maas_functions::{Maas, failures_of};
//! use maas_stellar::{Expression, Functions};
//! use maas_store::Config;
//!
//! let client = Client::open(Config::new("node1:2181"), Options::default()).await?;
//! let functions = Maas::new(client, "default", tokio::runtime::Handle::current()).functions(Functions::standard());
//! let verdict = Expression::parse("MAAS_MODEL_APPLY(MAAS_GET_ENDPOINT('dga'), {'host': host})")?;
//! let work = move || failures_of(|| verdict.evaluate(&|name| (name == "host").then(|| "yahoo.com".into()), &functions));
//! let (value, failures) = tokio::task::spawn_blocking(work).await?;
//! println!("{} {failures:?}", value?);
//! # Ok(())
//! # }
//! ```
//!
//! - **They wait in place.** An evaluation is plain, and so as fast as ever where it calls no model; one that does blocks its thread
//!   until the answer is there, or the client's deadline has passed. So evaluate on threads that may block, as
//!   `spawn_blocking`'s: as many calls are under way at once as there are such threads. The calls themselves run on the runtime
//!   that [`Maas::new`] is given.
//! - **Null, but never in silence.** As in Metron, a failure is null, so that an expression goes on. [`failures_of`] gives what
//!   failed beside the value; nobody asking, it is a warning in the log. [`Maas::failed`] counts both.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use maas_client::{CallError, Client, Wanted};
use maas_stellar::{Functions, Value};
use tokio::runtime::Handle;

/// Each function's name and what it is for, in a line.
pub const HELP: [(&str, &str); 2] = [
    (
        "MAAS_GET_ENDPOINT",
        "MAAS_GET_ENDPOINT(name[, version]): a live endpoint of a model, of the newest version that has one; null when none has",
    ),
    (
        "MAAS_MODEL_APPLY",
        "MAAS_MODEL_APPLY(endpoint[, function], arguments): a model's answer, a map; null when there is none. The endpoint is what MAAS_GET_ENDPOINT gives, the arguments are a map",
    ),
];

/// What the client's deadline may be overstepped by before a call is given up: only by a runtime that does not run.
const GRACE: Duration = Duration::from_secs(5);

/// A function that gave null, and why.
#[derive(Debug, thiserror::Error)]
#[error("{function}: {reason}")]
pub struct Failure {
    /// The function's name.
    pub function: &'static str,
    /// Why it gave null.
    pub reason: Reason,
}

/// Why a function gave null.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing is live, or nothing usable came back.
    #[error("{0}")]
    Call(#[from] CallError),
    /// It was called with arguments that it cannot use.
    #[error("{0}")]
    Arguments(String),
    /// The runtime that makes the calls has ended or does not run.
    #[error("the call was not made: its runtime does not run")]
    NotRun,
}

impl Failure {
    /// Whether the same call may do better later: nothing lives now, or an instance failed. Not so when the arguments are wrong
    /// or the model refuses them (4xx).
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match &self.reason {
            Reason::Call(error) => error.is_the_instances(),
            Reason::Arguments(_) | Reason::NotRun => false,
        }
    }
}

thread_local! {
    static FAILURES: RefCell<Option<Vec<Failure>>> = const { RefCell::new(None) };
}

/// Does something that evaluates expressions on this thread, and gives beside its value what failed meanwhile, in order.
pub fn failures_of<T>(work: impl FnOnce() -> T) -> (T, Vec<Failure>) {
    let outer = FAILURES.replace(Some(Vec::new()));
    let value = work();
    (value, FAILURES.replace(outer).unwrap_or_default())
}

/// The functions of one namespace's models. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Maas {
    client: Client,
    namespace: Arc<str>,
    runtime: Handle,
    failed: Arc<AtomicU64>,
}

impl Maas {
    /// Those that find models by this client; their calls are made on this runtime.
    #[must_use]
    pub fn new(client: Client, namespace: &str, runtime: Handle) -> Self {
        Self { client, namespace: namespace.into(), runtime, failed: Arc::default() }
    }

    /// These functions and ours.
    #[must_use]
    pub fn functions(&self, base: Functions) -> Functions {
        let (get, apply) = (self.clone(), self.clone());
        base.with(
            "MAAS_GET_ENDPOINT",
            move |_, arguments| Ok(get.or_null("MAAS_GET_ENDPOINT", get.endpoint(arguments))),
        )
        .with("MAAS_MODEL_APPLY", move |_, arguments| Ok(apply.or_null("MAAS_MODEL_APPLY", apply.apply(arguments))))
    }

    /// How many of their calls gave null so far.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    fn or_null(&self, function: &'static str, result: Result<Value, Reason>) -> Value {
        result.unwrap_or_else(|reason| {
            self.failed.fetch_add(1, Ordering::Relaxed);
            let failure = Failure { function, reason };
            FAILURES.with_borrow_mut(|failures| match failures {
                Some(failures) => failures.push(failure),
                None => tracing::warn!("{failure}"),
            });
            Value::Null
        })
    }

    /// `MAAS_GET_ENDPOINT(name[, version])`.
    fn endpoint(&self, arguments: &[Value]) -> Result<Value, Reason> {
        let wanted = match arguments {
            [Value::Text(name)] => self.wanted(name),
            [Value::Text(name), Value::Text(version)] => self.wanted(name).version(version),
            _ => {
                return Err(wrong(
                    "a model's name and, if need be, a version are expected: MAAS_GET_ENDPOINT('dga', '1.0')",
                ));
            }
        };
        let Some(target) = self.client.endpoint(wanted) else {
            return Err(self.client.no_endpoint(wanted).into());
        };
        let published = target.endpoint();
        let plain = [("url", &published.url), ("name", &published.model), ("version", &published.version)];
        let plain = plain.map(|(key, value)| (key.into(), value.as_str().into()));
        let functions =
            published.functions.iter().map(|(alias, path)| (format!("endpoint:{alias}").into(), path.as_str().into()));
        Ok(Value::Map(Arc::new(plain.into_iter().chain(functions).collect())))
    }

    /// `MAAS_MODEL_APPLY(endpoint[, function], arguments)`.
    fn apply(&self, arguments: &[Value]) -> Result<Value, Reason> {
        const USAGE: &str = "an endpoint, a function if need be, and a map of arguments are expected: MAAS_MODEL_APPLY(MAAS_GET_ENDPOINT('dga'), 'apply', {'host': host})";
        let (endpoint, function, given) = match arguments {
            [endpoint, Value::Map(given)] => (endpoint, "apply", given),
            [endpoint, Value::Text(function), Value::Map(given)] => (endpoint, &**function, given),
            _ => return Err(wrong(USAGE)),
        };
        let endpoint = match endpoint {
            Value::Map(endpoint) => endpoint,
            Value::Null => return Err(wrong("there is no endpoint to ask: the first argument is null")),
            _ => return Err(wrong(USAGE)),
        };
        let part = |key: &str| match endpoint.get(key) {
            Some(Value::Text(text)) => Ok(text.to_string()),
            _ => Err(wrong(&format!("the endpoint has no {key}: give it as MAAS_GET_ENDPOINT gives it"))),
        };
        let (url, name, version) = (part("url")?, part("name")?, part("version")?);
        // A path as the endpoint has it, or the function itself; the slash says that it is looked up nowhere else.
        let path = endpoint.get(format!("endpoint:{function}").as_str()).and_then(Value::as_text).unwrap_or(function);
        let path = format!("/{}", path.strip_prefix('/').unwrap_or(path));
        let given = texts(given)?;

        let (client, namespace) = (self.client.clone(), Arc::clone(&self.namespace));
        let (answered, answer) = mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            let wanted = Wanted::newest(&name).of(&namespace).version(&version).first(&url);
            let given: Vec<_> = given.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
            // Nobody listens to one that is late.
            let _ = answered.send(client.apply(wanted, &path, &given).await);
        });
        match answer.recv_timeout(self.client.options().deadline + GRACE) {
            Ok(Ok(fields)) => Ok(Value::from(&serde_json::Value::Object(fields))),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Reason::NotRun),
        }
    }

    fn wanted<'a>(&'a self, name: &'a str) -> Wanted<'a> {
        Wanted::newest(name).of(&self.namespace)
    }
}

fn wrong(what: &str) -> Reason {
    Reason::Arguments(what.to_owned())
}

/// Arguments as a query can hold them.
fn texts(given: &BTreeMap<Arc<str>, Value>) -> Result<Vec<(String, Option<String>)>, Reason> {
    let text = |(key, value): (&Arc<str>, &Value)| match value {
        Value::Null => Ok((key.to_string(), None)),
        Value::List(_) | Value::Map(_) | Value::Lambda(_) => {
            Err(wrong(&format!("argument {key} is a {}: a query holds texts, numbers and truth values", value.kind())))
        }
        plain => Ok((key.to_string(), Some(plain.to_string()))),
    };
    given.iter().map(text).collect()
}
