//! One request to one instance, and what can go wrong with it.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use maas_store::Endpoint;
use serde_json::{Map, Value};

/// Longest part of an answer that stands in an error.
const SHOWN: usize = 200;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nothing of that name and version is live.
    #[error("no live endpoint of {wanted}{}", if *.stale { ", as far as was known when the connection to ZooKeeper was lost" } else { "" })]
    NoEndpoint {
        /// What was wanted.
        wanted: String,
        /// Whether ZooKeeper is away.
        stale: bool,
    },
    /// The deadline passed.
    #[error("{url} did not answer within {} ms", .after.as_millis())]
    Deadline {
        /// What was asked last.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// No connection, or one that broke.
    #[error("{url} could not be asked: {reason}")]
    Transport {
        /// What was asked.
        url: String,
        /// Why.
        reason: String,
        /// Whether the request cannot have reached the model.
        unsent: bool,
    },
    /// Another status than 200.
    #[error("{url} answered {status}: {body}")]
    Status {
        /// What was asked.
        url: String,
        /// The status.
        status: u16,
        /// The start of what it said.
        body: String,
    },
    /// The answer is no JSON object, or is too long.
    #[error("{url} gave no usable answer: {reason}")]
    Answer {
        /// What was asked.
        url: String,
        /// Why.
        reason: String,
    },
    /// The endpoint is published with a URL that cannot be called.
    #[error("{url} cannot be called: {reason}")]
    Url {
        /// Which.
        url: String,
        /// Why.
        reason: String,
    },
}

impl CallError {
    /// Whether another instance may do better, and asking it can do no harm.
    pub(crate) fn may_repeat(&self, idempotent: bool) -> bool {
        match self {
            Self::Transport { unsent, .. } => *unsent || idempotent,
            Self::Status { status, .. } => idempotent && *status >= 500,
            Self::Answer { .. } => idempotent,
            Self::Url { .. } => true,
            Self::NoEndpoint { .. } | Self::Deadline { .. } => false,
        }
    }

    /// Whether it tells against the instance, or against there being none, so that it may pass. A 4xx tells against the caller.
    #[must_use]
    pub fn is_the_instances(&self) -> bool {
        !matches!(self, Self::Status { status, .. } if *status < 500)
    }
}

pub(crate) type Pool = Client<HttpConnector, Full<Bytes>>;

/// A pool of kept connections. Redirects are not followed: an answer that names another place is no answer.
pub(crate) fn pool(connect_timeout: Duration) -> Pool {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(connect_timeout));
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(64)
        .build(connector)
}

/// What is asked of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// By GET, with this query, encoded. It may be repeated.
    Get(String),
    /// By POST of this JSON. It may be repeated only where it cannot have arrived.
    Post(Bytes),
}

impl Question {
    /// A query exactly as Metron's `MAAS_MODEL_APPLY` sends it. An argument without a value is sent by its name alone.
    #[must_use]
    pub fn get(arguments: &[(&str, Option<&str>)]) -> Self {
        Self::Get(query(arguments))
    }

    /// JSON.
    #[must_use]
    pub fn post(body: &Value) -> Self {
        Self::Post(Bytes::from(body.to_string()))
    }

    pub(crate) fn is_idempotent(&self) -> bool {
        matches!(self, Self::Get(_))
    }

    pub(crate) fn verb(&self) -> &'static str {
        if self.is_idempotent() { "GET" } else { "POST" }
    }
}

/// The query as Metron's MAAS_MODEL_APPLY sends it: form encoding; without a value, without `=`.
fn query(arguments: &[(&str, Option<&str>)]) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pairs: Vec<String> = arguments
        .iter()
        .map(|(name, value)| match value {
            Some(value) => format!("{}={}", encode(name), encode(value)),
            None => encode(name),
        })
        .collect();
    pairs.join("&")
}

/// The address of a function: the URL without a slash at its end, and the function's path, or its own name where it is
/// published under none, without one at its start.
pub(crate) fn address(endpoint: &Endpoint, function: &str, question: &Question) -> String {
    let path = endpoint.functions.get(function).map_or(function, String::as_str);
    // Of "http://" nothing is stripped: the path would become the host.
    let url = endpoint.url.strip_suffix('/').filter(|url| !url.ends_with(":/")).unwrap_or(&endpoint.url);
    let path = path.strip_prefix('/').unwrap_or(path);
    match question {
        Question::Get(query) => format!("{url}/{path}?{query}"),
        Question::Post(_) => format!("{url}/{path}"),
    }
}

/// Asks once.
pub(crate) async fn ask(
    pool: &Pool,
    url: &str,
    question: &Question,
    longest: usize,
) -> Result<(Bytes, Map<String, Value>), CallError> {
    let bad = |reason: String| CallError::Url { url: url.to_owned(), reason };
    let uri: Uri = url.parse().map_err(|error| bad(format!("{error}")))?;
    if uri.scheme_str() != Some("http") {
        return Err(bad("only http is supported".to_owned()));
    }
    let request = match question {
        Question::Get(_) => Request::builder().method(Method::GET).uri(uri).body(Full::default()),
        Question::Post(body) => Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body.clone())),
    };
    let mut request = request.map_err(|error| bad(error.to_string()))?;
    request.headers_mut().insert(ACCEPT, hyper::header::HeaderValue::from_static("application/json"));
    let answer = pool.request(request).await.map_err(|error| CallError::Transport {
        url: url.to_owned(),
        unsent: error.is_connect(),
        reason: chain(&error),
    })?;
    let (status, body) = (answer.status(), Limited::new(answer.into_body(), longest));
    let unusable = |reason: String| CallError::Answer { url: url.to_owned(), reason };
    let bytes = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(unusable(format!("it is longer than {longest} bytes")));
        }
        Err(error) => {
            return Err(CallError::Transport { url: url.to_owned(), reason: chain(&*error), unsent: false });
        }
    };
    if status != StatusCode::OK {
        return Err(CallError::Status { url: url.to_owned(), status: status.as_u16(), body: start(&bytes) });
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok((bytes, fields)),
        Ok(_) => Err(unusable(format!("it is no JSON object: {}", start(&bytes)))),
        Err(error) => Err(unusable(format!("it is no JSON, {error}: {}", start(&bytes)))),
    }
}

/// The start of what a model said, fit for a terminal.
fn start(bytes: &[u8]) -> String {
    let start = bytes.get(..SHOWN.min(bytes.len())).unwrap_or_default();
    String::from_utf8_lossy(start).chars().flat_map(char::escape_debug).collect()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        said = format!("{said}: {next}");
        cause = next.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_encoded_as_metron_encodes_it() {
        assert_eq!(query(&[("host", Some("a b&c=ü/é+%")), ("k", Some(""))]), "host=a+b%26c%3D%C3%BC%2F%C3%A9%2B%25&k=");
        assert_eq!(query(&[("host", None)]), "host");
        assert_eq!(query(&[]), "");
    }

    #[test]
    fn a_function_is_its_published_path_or_its_own_name() {
        let endpoint = |url: &str| Endpoint {
            url: url.to_owned(),
            functions: std::collections::BTreeMap::from([("apply".to_owned(), "/echo/it".to_owned())]),
            model: "m".to_owned(),
            version: "1".to_owned(),
            revision: 1,
            container: String::new(),
            since_ms: 0,
        };
        let get = Question::Get("a=b".to_owned());
        assert_eq!(address(&endpoint("http://h:1/"), "apply", &get), "http://h:1/echo/it?a=b");
        assert_eq!(address(&endpoint("http://h:1"), "/deep/er", &get), "http://h:1/deep/er?a=b");
        assert_eq!(address(&endpoint("http://h:1"), "apply", &Question::Post(Bytes::new())), "http://h:1/echo/it");
    }
}
