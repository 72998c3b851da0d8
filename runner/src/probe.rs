//! Asking the model whether it is ready: a TCP connection, and a GET of one path.
//!
//! No redirect is followed, no proxy used, and the address is the one that was checked: an answer can't send the probe
//! anywhere else.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Most that is read of an answer; the verdict stands in its first line.
const MAX_ANSWER: u64 = 64 * 1024;

/// How long the rest of an answer is waited for, after its first line.
const REST_PATIENCE: Duration = Duration::from_millis(50);

/// Why a probe failed.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// No connection.
    #[error("can't connect to {0}")]
    Connect(SocketAddr, #[source] std::io::Error),
    /// The connection broke.
    #[error("GET {path} broke off")]
    Broken {
        /// The path asked for.
        path: String,
        /// How.
        #[source]
        source: std::io::Error,
    },
    /// Not in time.
    #[error("no answer within {0:?}")]
    TooSlow(Duration),
    /// Something that is not HTTP/1.
    #[error("GET {0} was not answered in HTTP")]
    NotHttp(String),
    /// A status other than 200 to 399.
    #[error("GET {path} answered {status}")]
    Status {
        /// The path asked for.
        path: String,
        /// The status given.
        status: u16,
    },
}

/// Connects to `address`, within `deadline`.
///
/// # Errors
/// Refused, unreachable or too slow.
pub async fn connect(address: SocketAddr, deadline: Duration) -> Result<TcpStream, Failed> {
    timeout(deadline, TcpStream::connect(address))
        .await
        .map_err(|_| Failed::TooSlow(deadline))?
        .map_err(|error| Failed::Connect(address, error))
}

/// Asks for `path` over `stream`; ready is any status from 200 to 399, as in Kubernetes' HTTP probe.
///
/// # Errors
/// Any other answer, or none within `deadline`.
pub async fn get(stream: TcpStream, host: &str, path: &str, deadline: Duration) -> Result<(), Failed> {
    let status = timeout(deadline, exchange(stream, host, path)).await.map_err(|_| Failed::TooSlow(deadline))??;
    if (200..400).contains(&status) { Ok(()) } else { Err(Failed::Status { path: path.to_owned(), status }) }
}

async fn exchange(mut stream: TcpStream, host: &str, path: &str) -> Result<u16, Failed> {
    let broken = |source| Failed::Broken { path: path.to_owned(), source };
    let port = stream.peer_addr().map_err(broken)?.port();
    let host = match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        Ok(IpAddr::V4(_)) | Err(_) => host.to_owned(),
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: maas-runner\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut answer = Vec::with_capacity(1024);
    let mut answered = (&mut stream).take(MAX_ANSWER);
    while status(&answer).is_none() {
        if answered.read_buf(&mut answer).await.map_err(broken)? == 0 {
            return Err(Failed::NotHttp(path.to_owned()));
        }
    }
    // The rest is read where it is near: closing early makes some servers log an error at each probe.
    let _ = timeout(REST_PATIENCE, answered.read_to_end(&mut answer)).await;
    status(&answer).ok_or_else(|| Failed::NotHttp(path.to_owned()))
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.get(..answer.iter().position(|byte| *byte == b'\n')?)?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    if !words.next()?.starts_with("HTTP/1.") {
        return None;
    }
    words.next()?.parse().ok().filter(|status| (100..600).contains(status))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::net::TcpListener;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(5);

    async fn ask(answer: &'static [u8], deadline: Duration) -> Result<(), Failed> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 512];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8(request[..read].to_vec()).unwrap();
            assert!(request.starts_with("GET /health HTTP/1.1\r\nHost: localhost:"), "{request}");
            stream.write_all(answer).await.unwrap();
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
        });
        let stream = connect(address, DEADLINE).await.unwrap();
        let result = get(stream, "localhost", "/health", deadline).await;
        server.abort();
        result
    }

    #[tokio::test]
    async fn from_200_to_399_is_ready() {
        ask(b"HTTP/1.1 200 OK\r\n\r\nfine", DEADLINE).await.unwrap();
        ask(b"HTTP/1.0 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n", DEADLINE).await.unwrap();
    }

    #[tokio::test]
    async fn anything_else_is_not() {
        assert!(matches!(ask(b"HTTP/1.1 503 No\r\n\r\n", DEADLINE).await, Err(Failed::Status { status: 503, .. })));
        assert!(matches!(ask(b"SSH-2.0-x\r\n", DEADLINE).await, Err(Failed::NotHttp(_))));
        assert!(matches!(ask(b"", Duration::from_millis(50)).await, Err(Failed::TooSlow(_))));
    }

    #[tokio::test]
    async fn a_closed_port_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(matches!(connect(address, DEADLINE).await, Err(Failed::Connect(..))));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(answer in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = status(&answer);
        }
    }
}
