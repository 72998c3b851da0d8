//! Reads a container's log files from its NodeManager.

use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::http;
use crate::settings::Settings;

/// A NodeManager that does not answer within this time is named as such.
const DEADLINE: Duration = Duration::from_secs(10);
/// More than this of one file is never held at once.
pub(crate) const MAX_PIECE: u64 = 16 * 1024 * 1024;
/// Room for the header and trailer around a piece.
const WRAPPING: u64 = 4096;
const MAX_LISTING: u64 = 1024 * 1024;

/// One container's log directory.
#[derive(Debug)]
pub(crate) struct LogDirectory {
    client: reqwest::Client,
    node: String,
    container: String,
}

/// Source: `NMWebServices.getContainerLogsInfo`; one entry a place that holds logs, of which the local one counts.
#[derive(Deserialize)]
struct Listing {
    #[serde(rename = "containerLogsInfo")]
    places: OneOrMany<Place>,
}

#[derive(Deserialize)]
struct Place {
    #[serde(rename = "containerLogInfo", default)]
    files: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "fileName")]
    name: String,
    /// A JSON string or number, by the release.
    #[serde(rename = "fileSize")]
    size: serde_json::Value,
    #[serde(rename = "lastModifiedTime", default)]
    modified: String,
}

/// A file of a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// Its name.
    pub(crate) name: String,
    /// In bytes.
    pub(crate) length: u64,
    /// When it was written last, to the second, in the NodeManager's words.
    pub(crate) modified: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl LogDirectory {
    /// `node` is the NodeManager's HTTP address, host:port.
    pub(crate) fn new(node: &str, container: &str, settings: &Settings) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(settings.deadline(DEADLINE)).no_proxy();
        let client = client.build().context("cannot make an HTTP client")?;
        Ok(Self { client, node: node.to_owned(), container: container.to_owned() })
    }

    /// The files.
    pub(crate) async fn files(&self) -> anyhow::Result<Vec<File>> {
        let url = format!("http://{}/ws/v1/node/containers/{}/logs", self.node, self.container);
        let body = self.fetch(&url, MAX_LISTING).await?;
        let listing: Listing = serde_json::from_slice(&body)
            .with_context(|| format!("{url} answered with something else than a list of logs"))?;
        let places = match listing.places {
            OneOrMany::Many(places) => places,
            OneOrMany::One(place) => vec![place],
        };
        let size = |size: &serde_json::Value| size.as_u64().or_else(|| size.as_str()?.trim().parse().ok()).unwrap_or(0);
        let file = |entry: Entry| File { length: size(&entry.size), name: entry.name, modified: entry.modified };
        Ok(places.into_iter().flat_map(|place| place.files).map(file).collect())
    }

    /// The answer that holds the last `bytes` bytes of a file, `node_logs::unwrap` opens it.
    pub(crate) async fn last(&self, file: &str, bytes: u64) -> anyhow::Result<Vec<u8>> {
        let url = format!("http://{}/ws/v1/node/containers/{}/logs/{file}?size=-{bytes}", self.node, self.container);
        self.fetch(&url, bytes + WRAPPING).await
    }

    async fn fetch(&self, url: &str, limit: u64) -> anyhow::Result<Vec<u8>> {
        let unreachable = || format!("cannot read {url}: the NodeManager must be reachable from here");
        let request = self.client.get(url).header("Accept", "application/json, text/plain");
        let mut response = http::send(request, url).await.with_context(unreachable)?;
        if !response.status().is_success() {
            bail!(
                "{url} answered {}: the container may have ended and its logs been removed or aggregated",
                response.status()
            );
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.with_context(unreachable)? {
            if body.len() as u64 + piece.len() as u64 > limit {
                bail!("{url} answered more than {limit} bytes");
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }
}
