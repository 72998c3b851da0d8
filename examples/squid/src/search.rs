//! The search engine's HTTP, each request with a deadline.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;

use crate::config::Global;
use crate::document::{Entry, Verdict, bulk, verdicts, wants_types};

/// Bound of a bulk request.
const DEADLINE: Duration = Duration::from_secs(60);
/// Longest answer that is read, in bytes.
const LONGEST: usize = 32 * 1024 * 1024;

/// A search engine that greeted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Greeted {
    url: String,
    typed: bool,
}

/// The search engine that configs name.
#[derive(Debug)]
pub struct Search {
    http: reqwest::Client,
    /// Given at the command line, in the place of the configs'.
    given: Vec<String>,
    greeted: Option<Greeted>,
    /// Which URL is asked next.
    turn: usize,
}

/// Why a bulk request has no verdicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It may pass.
    Later(String),
    /// This request is too much at once, or cannot be read; one document alone may do.
    Refused(String),
}

impl Search {
    /// One that asks the given URLs, or those of the configs if none is given.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(given: Vec<String>) -> Result<Self> {
        let redirect = reqwest::redirect::Policy::none();
        let http =
            reqwest::Client::builder().timeout(DEADLINE).connect_timeout(Duration::from_secs(5)).redirect(redirect);
        Ok(Self { http: http.build().context("no HTTP client")?, given, greeted: None, turn: 0 })
    }

    /// Indexes documents: their verdicts in their order. Safe to repeat.
    ///
    /// # Errors
    /// There are none.
    pub async fn index(&mut self, global: &Global, entries: &[&Entry]) -> Result<Vec<Verdict>, Failed> {
        let Greeted { url, typed } = self.greet(global).await.map_err(Failed::Later)?;
        let body = bulk(entries.iter().copied(), typed);
        let request = self.http.post(format!("{url}/_bulk")).header(CONTENT_TYPE, "application/x-ndjson").body(body);
        let answer = async {
            let response = request.send().await.map_err(|error| chain(&error))?;
            let status = response.status();
            Ok::<_, String>((status, limited(response).await?))
        };
        let failed = match answer.await {
            Ok((StatusCode::OK, body)) => match verdicts(&body, entries.len()) {
                Ok(verdicts) => return Ok(verdicts),
                Err(reason) => Failed::Later(format!("{url}: {reason}")),
            },
            Ok((status, body)) => {
                let text: String = String::from_utf8_lossy(&body).chars().take(500).collect();
                let text = format!("{url} answered {status}: {text}");
                match status.as_u16() {
                    400 | 413 => Failed::Refused(text),
                    _ => Failed::Later(text),
                }
            }
            Err(reason) => Failed::Later(reason),
        };
        // It may be another one that comes back.
        self.greeted = None;
        Err(failed)
    }

    /// The search engine that answers: the one before, or the next of the list.
    async fn greet(&mut self, global: &Global) -> Result<Greeted, String> {
        let urls = if self.given.is_empty() { &global.search } else { &self.given };
        if let Some(greeted) = self.greeted.as_ref().filter(|greeted| urls.contains(&greeted.url)) {
            return Ok(greeted.clone());
        }
        let Some(url) = urls.iter().cycle().nth(self.turn % urls.len().max(1)) else {
            return Err("no search engine is named: push a global.json with es.ip, or give --search-url".to_owned());
        };
        self.turn = self.turn.wrapping_add(1);
        let response =
            self.http.get(url).timeout(Duration::from_secs(10)).send().await.map_err(|error| chain(&error))?;
        let status = response.status();
        let body = limited(response).await?;
        let typed = wants_types(&body).filter(|_| status.is_success()).ok_or_else(|| {
            let text: String = String::from_utf8_lossy(&body).chars().take(200).collect();
            format!("{url} is no search engine: it answered {status}: {text}")
        })?;
        if let Some(wanted) = &global.cluster {
            let greeting: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            let name = greeting.get("cluster_name").and_then(serde_json::Value::as_str).unwrap_or_default();
            if name != wanted {
                return Err(format!(
                    "{url} is of the cluster {name:?}, and es.clustername in global.json says {wanted:?}"
                ));
            }
        }
        let greeted = Greeted { url: url.clone(), typed };
        self.greeted = Some(greeted.clone());
        Ok(greeted)
    }
}

async fn limited(mut response: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| chain(&error))? {
        if body.len() + chunk.len() > LONGEST {
            return Err(format!("{} answered more than {LONGEST} bytes", response.url()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
