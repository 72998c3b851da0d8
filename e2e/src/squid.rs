//! A real squid, whose every request is answered on this machine.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{
    Daemon, Error,
    library::{find_program, write},
    place::Place,
    probe::Probe,
};

/// The host that the starter asks for, of whose requests squid's log tells nothing.
const READY: &str = "ready.invalid";

/// A running squid and the web server behind it, which answers every request for every host with a short page: no request
/// leaves the machine. Dropping it ends both and removes the directory, as for a [`Cluster`](crate::Cluster).
#[derive(Debug)]
pub struct Squid {
    daemon: Daemon,
    proxy: SocketAddr,
    origin: JoinHandle<()>,
    place: Place,
}

impl Squid {
    /// Starts it, in a new or empty directory (one in the temporary directory unless named), and waits until a request
    /// through it is answered. Started by root it runs as `nobody`, and all directories above a named one must let that
    /// user pass.
    ///
    /// # Errors
    /// [`Error::MissingProgram`] where Debian's package `squid` is not installed; otherwise as
    /// [`Kafka::start`](crate::Kafka::start).
    pub async fn start(dir: Option<PathBuf>) -> Result<Self, Error> {
        let squid = find_program("squid", "squid")?;
        let mut place = Place::claim(dir, false)?;
        let (proxy, origin) = (place.address()?, place.address()?);
        let conf = place.dir().join("squid.conf");
        write(&conf, &configuration(proxy, origin, place.dir()))?;
        let user = place.give_away()?;
        let listener = TcpListener::bind(origin).await.map_err(Error::Origin)?;
        let origin = tokio::spawn(answer(listener));
        let arguments = vec!["-N".into(), "-f".into(), conf.display().to_string()];
        let probe = Probe::Squid { proxy, ask: READY };
        let daemon = place.spawn("squid", &squid, arguments, user, probe)?;
        let squid = Self { daemon, proxy, origin, place };
        squid.place.keep_on_failure(squid.daemon.serves().await)?;
        Ok(squid)
    }

    /// The process, to be killed, paused and started again.
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// Where clients connect.
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// The log of requests.
    pub fn access_log(&self) -> PathBuf {
        self.place.dir().join("access.log")
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.place.dir()
    }

    /// Keeps the directory at the end.
    pub fn keep(&self) {
        self.place.keep();
    }
}

impl Drop for Squid {
    fn drop(&mut self) {
        self.origin.abort();
    }
}

fn configuration(proxy: SocketAddr, origin: SocketAddr, dir: &Path) -> String {
    let dir = dir.display();
    let (host, port) = (origin.ip(), origin.port());
    format!(
        "http_port {proxy}
visible_hostname localhost
cache_peer {host} parent {port} 0 no-query originserver name=origin
cache_peer_access origin allow all
never_direct allow all
http_access allow all
cache deny all
acl ready dstdomain {READY}
access_log stdio:{dir}/access.log logformat=squid !ready
cache_log {dir}/logs/cache.log
pid_filename {dir}/squid.pid
coredump_dir {dir}
pinger_enable off
netdb_filename none
shutdown_lifetime 1 seconds
"
    )
}

async fn answer(listener: TcpListener) {
    loop {
        // A refused connection is squid's to ask again for.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(page(stream));
        }
    }
}

async fn page(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let body = "<html><body>answered by a local origin</body></html>\n";
    let (kind, length) = ("Content-Type: text/html", body.len());
    let answer = format!("HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
