//! Looking at one run of the model: is it announced, does it listen, is it ready, does it still listen.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use futures::future::select_all;
use rustix::process::{PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::announce::{self, Refused, Scheme};
use crate::life::{Address, Event};
use crate::ports::{self, Holder, Holding};
use crate::probe;

/// Between two looks until the first success: this is what a start costs beyond the model's own time. A look for a file
/// that is not there costs microseconds, yet not for ever.
const EAGER_LOOK: Duration = Duration::from_millis(2);
const EAGER_FOR: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What a model lacks in its first moments is no news: to tell it would cost the tree a write for each start.
const QUIET_FOR: Duration = Duration::from_millis(200);
/// Looks that reach the model (a connection, a request) come less and less often, down to this, unless the probe's
/// period is shorter: a model that loads for minutes is left in peace.
const SLOWEST_LOOK: Duration = Duration::from_secs(1);
/// A local connection is made within this or not at all.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// The node's name is asked for again after this, when it did not resolve or did not lead to the model.
const RESOLVE_EVERY: Duration = Duration::from_secs(1);
/// So many findings are told as they come, further ones no more often than this.
const NEWS_AT_ONCE: u32 = 20;
const NEWS_EVERY: Duration = Duration::from_secs(1);
/// Why a port can't be connected to is found out again after this.
const DIAGNOSE_EVERY: Duration = Duration::from_secs(1);
/// The resolver's answer is waited for no longer.
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);

/// What is looked at, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The announcement's place.
    pub announcement: PathBuf,
    /// The node's name as clients know it (NM_HOST).
    pub node: String,
    /// The path of the readiness probe, if the manifest has one.
    pub readiness_path: Option<String>,
    /// Between two probes of a ready model.
    pub period: Duration,
    /// For one answer.
    pub probe_timeout: Duration,
}

#[derive(Clone)]
struct Missing {
    reason: &'static str,
    message: String,
    /// The look got as far as the model itself.
    reached: bool,
}

fn missing(reason: &'static str, message: impl ToString) -> Missing {
    Missing { reason, message: message.to_string(), reached: false }
}

impl From<Refused> for Missing {
    fn from(refused: Refused) -> Self {
        let reason = match refused {
            Refused::Missing => "AnnouncementMissing",
            Refused::Unreadable(_) | Refused::Invalid(_) => "AnnouncementInvalid",
            Refused::OtherHost(_) => "AnnouncesOtherHost",
        };
        missing(reason, refused)
    }
}

/// Everything that one good look has established.
struct Serving {
    address: Address,
    target: Target,
    holders: Vec<Holder>,
}

#[derive(Clone, Copy)]
struct Target {
    at: SocketAddr,
    scheme: Scheme,
}

/// Looks at run `run` until dropped; says what it finds to `events`. Cancel safe: it holds no state but its own.
pub async fn watch(run: u32, settings: Settings, events: mpsc::Sender<Event>) {
    let mut watch = Watch { run, settings, events, node: Vec::new(), resolved_at: None, unconnected: None };
    loop {
        let Some(serving) = watch.until_serving().await else { return };
        let answered = Event::Answered { run, address: serving.address.clone() };
        if watch.events.send(answered).await.is_err() || !watch.while_listening(&serving).await {
            return;
        }
        if watch.events.send(Event::PortLost { run }).await.is_err() {
            return;
        }
    }
}

struct Watch {
    run: u32,
    settings: Settings,
    events: mpsc::Sender<Event>,
    node: Vec<IpAddr>,
    resolved_at: Option<Instant>,
    /// Why a connection failed, and when that was found out: it takes a look at all sockets of the node.
    unconnected: Option<(Instant, u16, Missing)>,
}

impl Watch {
    /// None: nobody listens to the events any more.
    async fn until_serving(&mut self) -> Option<Serving> {
        let (mut said, mut times) = (None, 0);
        let began = Instant::now();
        let mut pause = LOOK_EVERY;
        loop {
            let found = match self.look().await {
                Ok(serving) => return Some(serving),
                Err(found) => found,
            };
            let idle = if began.elapsed() < EAGER_FOR { EAGER_LOOK } else { LOOK_EVERY };
            pause = if found.reached { (pause * 2).min(SLOWEST_LOOK.min(self.settings.period)) } else { idle };
            let news = (found.reason, found.message.clone());
            let new = said.as_ref().is_none_or(|(_, before)| *before != news);
            // A model that writes now this, now that, must not fill the log.
            let often =
                times > NEWS_AT_ONCE && said.as_ref().is_some_and(|(at, _): &(Instant, _)| at.elapsed() < NEWS_EVERY);
            if new && !often && began.elapsed() >= QUIET_FOR {
                said = Some((Instant::now(), news));
                times += 1;
                let event = Event::Unanswered { run: self.run, reason: found.reason, message: found.message };
                self.events.send(event).await.ok()?;
            }
            sleep(pause).await;
        }
    }

    /// The file's name is the manifest's to choose, and may be what is wrong.
    fn refused(&self, refused: Refused) -> Missing {
        match (&refused, self.settings.announcement.file_name()) {
            (Refused::Missing, Some(name)) => {
                let name = name.to_string_lossy();
                missing("AnnouncementMissing", format!("{refused}: {name} is not there, or empty"))
            }
            _ => refused.into(),
        }
    }

    async fn look(&mut self) -> Result<Serving, Missing> {
        let announcement = announce::read(&self.settings.announcement).map_err(|refused| self.refused(refused))?;
        announcement.belongs_to(&self.settings.node)?;
        let port = announcement.port();
        self.resolve(port).await?;
        let (stream, at) = self.connect(port).await?;
        let target = Target { at, scheme: announcement.scheme };
        let held = match ports::holding(at.ip(), port) {
            Holding::Ours(holders) => Ok(holders),
            // It was there a moment ago.
            Holding::Nobody => Err(missing("PortNotListening", format!("nothing listens on port {port}"))),
            Holding::ElsewhereBound(bound) => Err(Missing { reached: true, ..bound_elsewhere(bound, at) }),
            Holding::Foreign => Err(Missing {
                reached: true,
                ..missing(
                    "PortHeldByAnother",
                    format!(
                        "port {port} is held by a process that is not the model's; bind a free port and announce it"
                    ),
                )
            }),
        };
        let holders = held?;
        self.ask(target, Some(stream)).await.map_err(|found| Missing { reached: true, ..found })?;
        let address = Address { url: announcement.url_on(&self.settings.node), functions: announcement.functions };
        Ok(Serving { address, target, holders })
    }

    async fn resolve(&mut self, port: u16) -> Result<(), Missing> {
        let due = self.resolved_at.is_none_or(|at| at.elapsed() >= RESOLVE_EVERY);
        if !self.node.is_empty() || !due {
            return if self.node.is_empty() { Err(self.unresolved("no address yet")) } else { Ok(()) };
        }
        self.resolved_at = Some(Instant::now());
        let name = self.settings.node.as_str();
        match timeout(RESOLVE_WITHIN, lookup_host((name, port))).await {
            Ok(Ok(found)) => {
                self.node = found.map(|address| address.ip()).collect();
                // Most models bind IPv4 only.
                self.node.sort_by_key(IpAddr::is_ipv6);
                self.node.dedup();
                Ok(())
            }
            Ok(Err(error)) => Err(self.unresolved(error)),
            Err(_) => Err(self.unresolved("the resolver does not answer")),
        }
    }

    fn unresolved(&self, why: impl std::fmt::Display) -> Missing {
        missing("AddressNotReachable", format!("the node's name {:?} does not resolve: {why}", self.settings.node))
    }

    async fn connect(&mut self, port: u16) -> Result<(tokio::net::TcpStream, SocketAddr), Missing> {
        for ip in &self.node {
            let at = SocketAddr::new(*ip, port);
            if let Ok(stream) = probe::connect(at, CONNECT_WITHIN).await {
                return Ok((stream, at));
            }
        }
        let Some(first) = self.node.first().copied() else { return Err(self.unresolved("no address")) };
        if let Some((at, of, found)) = &self.unconnected
            && *of == port
            && at.elapsed() < DIAGNOSE_EVERY
        {
            return Err(found.clone());
        }
        let found = match ports::holding(first, port) {
            Holding::ElsewhereBound(bound) => bound_elsewhere(bound, SocketAddr::new(first, port)),
            Holding::Ours(_) => missing("AddressNotReachable", format!("{first} port {port} can't be connected to")),
            Holding::Nobody | Holding::Foreign => {
                missing("PortNotListening", format!("nothing of the model listens on port {port}"))
            }
        };
        // A name that led nowhere may lead elsewhere by now.
        if self.resolved_at.is_some_and(|at| at.elapsed() >= RESOLVE_EVERY) {
            self.node.clear();
        }
        self.unconnected = Some((Instant::now(), port, found.clone()));
        Err(found)
    }

    /// The readiness probe. A model that speaks TLS is ready when it accepts connections: the runner has no TLS.
    async fn ask(&self, target: Target, stream: Option<tokio::net::TcpStream>) -> Result<(), Missing> {
        let (Some(path), Scheme::Http) = (&self.settings.readiness_path, target.scheme) else { return Ok(()) };
        let within = self.settings.probe_timeout;
        let asked = async {
            let stream = match stream {
                Some(stream) => stream,
                None => probe::connect(target.at, within).await?,
            };
            probe::get(stream, &self.settings.node, path, within).await
        };
        asked.await.map_err(|failed| {
            let source = std::error::Error::source(&failed).map(|source| format!(": {source}")).unwrap_or_default();
            missing("NotReady", format!("{failed}{source}"))
        })
    }

    /// True: the port is lost. False: nobody listens to the events any more.
    async fn while_listening(&self, serving: &Serving) -> bool {
        let mut holders = serving.holders.clone();
        let mut handles = watched(&holders);
        let mut due = Instant::now() + self.settings.period;
        loop {
            tokio::select! {
                biased;
                () = any_ended(&handles) => {
                    // With the last one gone there is nothing to look for: the endpoint must go at once.
                    if !holders.iter().any(Holder::holds) {
                        return true;
                    }
                    match ports::holding(serving.target.at.ip(), serving.target.at.port()) {
                        Holding::Ours(found) => holders = found,
                        Holding::Nobody | Holding::ElsewhereBound(_) | Holding::Foreign => return true,
                    }
                    handles = watched(&holders);
                }
                () = tokio::time::sleep_until(due) => {
                    due = Instant::now() + self.settings.period;
                    if !holders.iter().any(Holder::holds) {
                        return true;
                    }
                    let event = match self.ask(serving.target, None).await {
                        Ok(()) => Event::Answered { run: self.run, address: serving.address.clone() },
                        Err(found) => {
                            Event::Unanswered { run: self.run, reason: found.reason, message: found.message }
                        }
                    };
                    if self.events.send(event).await.is_err() {
                        return false;
                    }
                }
            }
        }
    }
}

fn bound_elsewhere(bound: IpAddr, wanted: SocketAddr) -> Missing {
    let message =
        format!("the model listens on {bound} only, which callers of {wanted} can't reach; bind 0.0.0.0 instead");
    missing("AddressNotReachable", message)
}

/// Handles that become readable when the process ends. One that can't be had is of a process that has ended.
#[expect(deprecated, reason = "its successor is unsafe; an OwnedFd keeps what that asks for")]
fn watched(holders: &[Holder]) -> Vec<Option<AsyncFd<OwnedFd>>> {
    holders
        .iter()
        .map(|holder| {
            let handle = pidfd_open(holder.pid, PidfdFlags::NONBLOCK).ok()?;
            AsyncFd::with_interest(handle, Interest::READABLE).ok()
        })
        .collect()
}

async fn any_ended(holders: &[Option<AsyncFd<OwnedFd>>]) {
    if holders.is_empty() {
        return std::future::pending().await;
    }
    let ends = holders.iter().map(|holder| {
        Box::pin(async move {
            if let Some(holder) = holder {
                let _ = holder.readable().await;
            }
        })
    });
    select_all(ends).await;
}
