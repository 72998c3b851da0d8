//! Requests to web servers, told to who listens with `-v`.

use tokio::time::Instant;

/// Sends a request; its answer's head.
pub(crate) async fn send(request: reqwest::RequestBuilder, url: &str) -> reqwest::Result<reqwest::Response> {
    let begun = Instant::now();
    let answer = request.send().await;
    tracing::debug!(
        target: "call",
        to = "http",
        what = format!("GET {url}"),
        answer = match &answer {
            Ok(response) => response.status().to_string(),
            Err(error) => error.to_string(),
        },
        took = ?begun.elapsed(),
    );
    answer
}
