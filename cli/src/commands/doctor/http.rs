//! Reads from the daemons' web servers.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use hadoop_rpc::Conf;
use serde_json::Value;

use super::clock::Reading;
use crate::output::now_ms;

/// A daemon that does not answer within this time is taken as away.
const DEADLINE: Duration = Duration::from_secs(5);
/// A list of some thousand nodes is about 4 MiB.
const MOST: usize = 16 * 1024 * 1024;

/// A client of web servers without TLS.
#[derive(Debug, Clone)]
pub(super) struct Http(reqwest::Client);

/// An answer, and what its `Date` header says of the clock.
#[derive(Debug)]
pub(super) struct Answer<T> {
    pub(super) body: T,
    pub(super) clock: Option<Reading>,
}

impl Http {
    pub(super) fn new() -> anyhow::Result<Self> {
        // A standby ResourceManager redirects to the active one, whose answer would be taken as its own.
        let client =
            reqwest::Client::builder().timeout(DEADLINE).no_proxy().redirect(reqwest::redirect::Policy::none());
        Ok(Self(client.build().context("cannot make an HTTP client")?))
    }

    /// A REST answer.
    pub(super) async fn json(&self, authority: &str, path: &str) -> anyhow::Result<Answer<Value>> {
        let Answer { body, clock } = self.get(authority, path, "application/json").await?;
        let body = serde_json::from_slice(&body).with_context(|| format!("http://{authority}{path} is no JSON"))?;
        Ok(Answer { body, clock })
    }

    /// The configuration that a daemon runs with, defaults included (`ConfServlet`).
    pub(super) async fn conf(&self, authority: &str) -> anyhow::Result<Answer<Conf>> {
        let Answer { body, clock } = self.get(authority, "/conf", "application/xml, text/xml").await?;
        let url = format!("http://{authority}/conf");
        let text = String::from_utf8(body).with_context(|| format!("{url} is not UTF-8"))?;
        let mut conf = Conf::default();
        conf.add(Path::new(&url), &text)?;
        Ok(Answer { body: conf, clock })
    }

    async fn get(&self, authority: &str, path: &str, accept: &str) -> anyhow::Result<Answer<Vec<u8>>> {
        let url = format!("http://{authority}{path}");
        let unreachable = || format!("cannot read {url}");
        let before = now_ms();
        let sent = crate::http::send(self.0.get(&url).header("Accept", accept), &url).await;
        let mut response = sent.with_context(unreachable)?;
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        let clock = date.and_then(|date| Reading::http(before, date));
        if !response.status().is_success() {
            bail!("{url} answered {}", response.status());
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.with_context(unreachable)? {
            if body.len() + piece.len() > MOST {
                bail!("{url} answered more than {MOST} bytes");
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { body, clock })
    }
}

/// Where a daemon that listens on all addresses is to be asked: at the host by which clients know it.
pub(super) fn authority(address: &str, host: &str) -> String {
    match address.rsplit_once(':') {
        Some(("0.0.0.0" | "[::]" | "::", port)) => format!("{host}:{port}"),
        _ => address.to_owned(),
    }
}

/// The numbers of a version's beginning: `3.9.5-293c…` is (3, 9, 5).
pub(super) fn version(text: &str) -> Option<(u32, u32, u32)> {
    let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let mut parts = numbers.split('.').map(|part| part.parse::<u32>().ok());
    Some((parts.next()??, parts.next().flatten().unwrap_or(0), parts.next().flatten().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        assert_eq!(version("3.9.5-293c895a, built on 2026"), Some((3, 9, 5)));
        assert_eq!(version("3.10"), Some((3, 10, 0)));
        assert_eq!(version("3.4.0-SNAPSHOT"), Some((3, 4, 0)));
        assert_eq!(version("unknown"), None);
        assert_eq!(version(""), None);
    }

    #[test]
    fn a_daemon_on_all_addresses_is_asked_at_its_host() {
        assert_eq!(authority("0.0.0.0:9870", "nn1"), "nn1:9870");
        assert_eq!(authority("nn2:9870", "nn1"), "nn2:9870");
    }
}
