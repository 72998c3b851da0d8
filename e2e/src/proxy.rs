//! A TCP proxy between one of our processes and a daemon, which makes the network's bad weather without privileges.

mod frames;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustix::net::sockopt::set_socket_linger;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

use crate::Error;
use frames::Frames;
pub use frames::Protocol;

/// What happens to the bytes of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weather {
    /// They pass at once.
    Clear,
    /// Each message waits that long, either way.
    Delay(Duration),
    /// Connections are taken, and nothing passes either way until the weather changes: a cable that was pulled.
    Stall,
    /// Connections are reset, those that stand and those that come.
    Cut,
    /// The server's end is shown to the client, whose own bytes still pass.
    HalfClose,
    /// The server's bytes come one at a time, so far apart.
    Drip(Duration),
    /// The next message of the server is cut off in its middle and the link is reset; clear from then on.
    Tear,
    /// The next message of the server arrives as noise of the same length; clear from then on.
    Garble,
    /// Answers are lost after the server acted: the request passes, and the link is reset in place of the answer.
    LoseAnswer {
        /// Which requests.
        to: Request,
        /// Every so many-th of them, from the first on when 1.
        every: u32,
        /// How many answers are lost; clear from then on.
        times: u32,
    },
}

/// Requests by what they ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Any.
    Any,
    /// ZooKeeper's, by operation code: 1 create, 2 delete, 5 setData, 14 multi.
    ZooKeeper(i32),
    /// A Hadoop call, by its method's name.
    Hadoop(&'static str),
}

/// Rules by the beginning of a link's name, the last that fits holds; and requests counted for each.
type Rules = Vec<Rule>;

#[derive(Debug, Clone)]
struct Rule {
    prefix: String,
    weather: Weather,
    counted: u32,
}

/// Gives a link its name, from the client's address, while that client waits.
type Namer = dyn Fn(SocketAddr) -> String + Send + Sync;

/// A proxy with its listening port. Dropping it ends it and all its links.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    rules: Arc<watch::Sender<Rules>>,
    accepts: tokio::task::AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepts.abort();
        self.set("", Weather::Cut);
    }
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and connects each client to `server`, which need not be there yet. `name` tells
    /// who a client is; it may block for some milliseconds.
    ///
    /// # Errors
    /// [`Error::Proxy`] when no port can be opened.
    pub async fn start(
        server: SocketAddr,
        protocol: Protocol,
        name: impl Fn(SocketAddr) -> String + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Error::Proxy)?;
        let address = listener.local_addr().map_err(Error::Proxy)?;
        let rules = Arc::new(watch::channel(Rules::new()).0);
        let name: Arc<Namer> = Arc::new(name);
        // Ended by the proxy's drop; each link ends with its connections, or with the `Cut` of that drop.
        let accepts = tokio::spawn(accept(listener, server, protocol, name, Arc::clone(&rules))).abort_handle();
        Ok(Self { address, rules, accepts })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the weather of all links, also of later ones, whose name begins with `prefix`; it stands before earlier rules.
    pub fn set(&self, prefix: &str, weather: Weather) {
        self.rules.send_modify(|rules| {
            rules.retain(|rule| rule.prefix != prefix);
            rules.push(Rule { prefix: prefix.to_owned(), weather, counted: 0 });
        });
    }

    /// Clear weather for everybody.
    pub fn clear(&self) {
        self.rules.send_modify(Rules::clear);
    }

    /// How many answers the rule of that prefix may still lose.
    #[must_use]
    pub fn answers_to_lose(&self, prefix: &str) -> u32 {
        let rules = self.rules.borrow();
        let rule = rules.iter().find(|rule| rule.prefix == prefix);
        rule.map_or(0, |rule| if let Weather::LoseAnswer { times, .. } = rule.weather { times } else { 0 })
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    protocol: Protocol,
    name: Arc<Namer>,
    rules: Arc<watch::Sender<Rules>>,
) {
    loop {
        // A client that is gone already, or no file handle left: the next one.
        let Ok((client, peer)) = listener.accept().await else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (name, rules) = (Arc::clone(&name), Arc::clone(&rules));
        tokio::spawn(async move {
            let named = tokio::task::spawn_blocking(move || name(peer)).await.unwrap_or_default();
            Link { name: named, rules }.run(client, server, protocol).await;
        });
    }
}

struct Link {
    name: String,
    rules: Arc<watch::Sender<Rules>>,
}

/// Why a direction of a link ends.
enum End {
    /// The sender has said all.
    Closed,
    /// The whole link is to be reset.
    Reset,
}

impl Link {
    async fn run(&self, mut client: TcpStream, server: SocketAddr, protocol: Protocol) {
        let mut watching = self.rules.subscribe();
        if self.until(&mut watching, |weather| *weather != Weather::Stall).await == Weather::Cut {
            return reset(&client);
        }
        let Ok(mut upstream) = TcpStream::connect(server).await else { return reset(&client) };
        // Small messages must not wait for each other.
        drop((client.set_nodelay(true), upstream.set_nodelay(true)));
        // xid or number of the request whose answer is lost.
        let lost = watch::channel(None).0;
        let resets = {
            let (client_in, client_out) = client.split();
            let (server_in, server_out) = upstream.split();
            let requests = self.requests(Frames::new(client_in, protocol), server_out, &lost);
            let answers = self.answers(Frames::new(server_in, protocol.answers()), client_out, &lost);
            tokio::select! {
                biased;
                _ = self.until(&mut watching, |weather| *weather == Weather::Cut) => true,
                ended = either_reset(requests, answers) => ended,
            }
        };
        if resets {
            reset(&client);
            reset(&upstream);
        }
    }

    fn weather(&self, rules: &Rules) -> Weather {
        let fits = rules.iter().rev().find(|rule| self.name.starts_with(&rule.prefix));
        fits.map_or(Weather::Clear, |rule| rule.weather.clone())
    }

    /// Waits for weather of this link that is `good`.
    async fn until(&self, watching: &mut watch::Receiver<Rules>, good: impl Fn(&Weather) -> bool) -> Weather {
        match watching.wait_for(|rules| good(&self.weather(rules))).await {
            Ok(rules) => self.weather(&rules),
            Err(_) => Weather::Cut,
        }
    }

    /// Client to server.
    async fn requests(
        &self,
        mut from: Frames<impl AsyncRead + Unpin>,
        mut to: impl AsyncWrite + Unpin,
        lost: &watch::Sender<Option<i32>>,
    ) -> End {
        let mut watching = self.rules.subscribe();
        while let Some(frame) = from.next().await {
            if let Weather::Delay(by) = self.until(&mut watching, |weather| *weather != Weather::Stall).await {
                sleep(by).await;
            }
            if self.is_lost(&frame, from.protocol()) {
                lost.send_replace(Some(frame.xid()));
            }
            if to.write_all(frame.bytes()).await.is_err() {
                return End::Reset;
            }
        }
        drop(to.shutdown().await);
        End::Closed
    }

    /// Whether this request's answer is to be lost; counts it.
    fn is_lost(&self, frame: &frames::Frame, protocol: Protocol) -> bool {
        let mut is_lost = false;
        self.rules.send_if_modified(|rules| {
            let Some(rule) = rules.iter_mut().rev().find(|rule| self.name.starts_with(&rule.prefix)) else {
                return false;
            };
            let Weather::LoseAnswer { to, every, times } = &mut rule.weather else { return false };
            if !frame.asks(to, protocol) {
                return false;
            }
            rule.counted += 1;
            is_lost = *times > 0 && rule.counted.is_multiple_of((*every).max(1));
            *times -= u32::from(is_lost);
            is_lost
        });
        is_lost
    }

    /// Server to client.
    async fn answers(
        &self,
        mut from: Frames<impl AsyncRead + Unpin>,
        mut to: impl AsyncWrite + Unpin,
        lost: &watch::Sender<Option<i32>>,
    ) -> End {
        let mut watching = self.rules.subscribe();
        let end_is_shown = self.rules.subscribe();
        loop {
            let frame = tokio::select! {
                frame = from.next() => frame,
                _ = half_closed(self, end_is_shown.clone()) => {
                    drop(to.shutdown().await);
                    // What the server says now is read and goes nowhere.
                    while from.next().await.is_some() {}
                    return End::Closed;
                }
            };
            let Some(mut frame) = frame else { break };
            let is_answer = |xid: &Option<i32>| xid.is_some_and(|xid| frame.answers(xid, from.protocol()));
            if is_answer(&lost.borrow()) {
                return End::Reset;
            }
            let sent = match self.until(&mut watching, |weather| *weather != Weather::Stall).await {
                Weather::Delay(by) => {
                    sleep(by).await;
                    to.write_all(frame.bytes()).await
                }
                Weather::Drip(pause) => drip(&mut to, frame.bytes(), pause).await,
                Weather::Tear if self.once(&Weather::Tear) => {
                    let half = frame.bytes().split_at(frame.bytes().len() / 2).0;
                    drop((to.write_all(half).await, to.flush().await));
                    return End::Reset;
                }
                Weather::Garble if self.once(&Weather::Garble) => {
                    frame.garble();
                    to.write_all(frame.bytes()).await
                }
                _ => to.write_all(frame.bytes()).await,
            };
            if sent.is_err() {
                return End::Reset;
            }
        }
        drop(to.shutdown().await);
        End::Closed
    }

    /// Takes weather that comes down once; false when another link had it.
    fn once(&self, which: &Weather) -> bool {
        self.rules.send_if_modified(|rules| {
            let rule = rules.iter_mut().rev().find(|rule| self.name.starts_with(&rule.prefix));
            let Some(rule) = rule.filter(|rule| rule.weather == *which) else { return false };
            rule.weather = Weather::Clear;
            true
        })
    }
}

async fn half_closed(link: &Link, mut watching: watch::Receiver<Rules>) {
    link.until(&mut watching, |weather| *weather == Weather::HalfClose).await;
}

async fn drip(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8], pause: Duration) -> std::io::Result<()> {
    for byte in bytes {
        to.write_all(&[*byte]).await?;
        sleep(pause).await;
    }
    Ok(())
}

/// Waits for the end of both directions, or for the first that wants the link reset; whether one did.
async fn either_reset(one: impl Future<Output = End>, other: impl Future<Output = End>) -> bool {
    tokio::pin!(one, other);
    tokio::select! {
        end = &mut one => matches!(end, End::Reset) || matches!(other.await, End::Reset),
        end = &mut other => matches!(end, End::Reset) || matches!(one.await, End::Reset),
    }
}

/// The close that follows is a reset and no orderly end.
fn reset(stream: &TcpStream) {
    let _gone_already = set_socket_linger(stream, Some(Duration::ZERO));
}
