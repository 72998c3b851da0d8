//! What was done so far, as Prometheus reads it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Messages that were read from Kafka, those that are read again counted again.
    pub read: AtomicU64,
    /// Documents that the search engine has.
    pub indexed: AtomicU64,
    /// Messages in the error topic.
    pub set_aside: AtomicU64,
    /// Tries of messages that found no model.
    pub model_down: AtomicU64,
    /// Messages that went on without the model's answer.
    pub model_skipped: AtomicU64,
    /// Bulk requests, or documents of them, that had to be sent again.
    pub index_retries: AtomicU64,
    /// Configs in ZooKeeper that were not taken.
    pub configs_refused: AtomicU64,
    /// Configs that were taken.
    pub configs_taken: AtomicU64,
}

impl Metrics {
    /// Counts one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// In Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, help, counter) in [
            ("messages_read", "Messages read from Kafka.", &self.read),
            ("documents_indexed", "Documents that the search engine has.", &self.indexed),
            ("messages_set_aside", "Messages in the error topic.", &self.set_aside),
            ("model_down", "Tries of messages that found no model.", &self.model_down),
            ("model_skipped", "Messages that went on without the model's answer.", &self.model_skipped),
            ("index_retries", "Documents that had to be sent to the search engine again.", &self.index_retries),
            ("configs_refused", "Configs in ZooKeeper that were not taken.", &self.configs_refused),
            ("configs_taken", "Configs in ZooKeeper that were taken.", &self.configs_taken),
        ] {
            let name = format!("maas_pipeline_{name}_total");
            let value = counter.load(Ordering::Relaxed);
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}");
        }
        text
    }
}

/// Answers every request with the metrics, until the program ends. Gives the address that it listens on.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(address: SocketAddr, metrics: Arc<Metrics>) -> Result<SocketAddr> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))?;
    let bound = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let metrics = metrics.clone();
                    tokio::spawn(tokio::time::timeout(Duration::from_secs(5), async move {
                        let _ = answer(stream, &metrics).await;
                    }));
                }
                Err(error) => {
                    tracing::warn!(%error, "nobody can ask for metrics just now");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    });
    Ok(bound)
}

async fn answer(mut stream: TcpStream, metrics: &Metrics) -> std::io::Result<()> {
    // The request is of no interest, but must have come before the connection may be closed.
    let (mut request, mut piece) = (Vec::new(), [0; 1024]);
    while !request.ends_with(b"\r\n\r\n") && request.len() < 16 * 1024 {
        match stream.read(&mut piece).await? {
            0 => return Ok(()),
            length => request.extend_from_slice(piece.get(..length).unwrap_or_default()),
        }
    }
    let text = metrics.text();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
    let answer = format!("{head}Content-Length: {}\r\n\r\n{text}", text.len());
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
