//! A client of one protocol: which address, which connection, what may be tried again.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prost::Message;
use tokio::time::Instant;

use crate::{
    address::Address,
    connection::Connection,
    error::Error,
    peer::{Auth, Protocol},
    token::Token,
};

/// A client of one protocol at one or several addresses of which one serves at a time. Clones share the connection.
/// Needs a tokio runtime with IO and time.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    protocol: Protocol,
    addresses: Vec<Address>,
    state: Mutex<State>,
    /// Held while connecting, so that many calls wait for one connection.
    gate: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    auth: Auth,
    connection: Option<Connection>,
    /// The address that is used, modulo their number.
    at: usize,
}

impl Client {
    /// A client; it connects when first used.
    pub fn new(protocol: Protocol, addresses: Vec<Address>, auth: Auth) -> Self {
        let state = Mutex::new(State { auth, connection: None, at: 0 });
        Self { inner: Arc::new(Inner { protocol, addresses, state, gate: tokio::sync::Mutex::new(()) }) }
    }

    /// Uses another token from the next call on, over a new connection. Calls under way end on the old one.
    pub fn replace_token(&self, token: Token) {
        let mut state = self.inner.state();
        state.auth = Auth::Token(token);
        state.connection = None;
    }

    /// How the client says who it is, now.
    pub fn auth(&self) -> Auth {
        self.inner.state().auth.clone()
    }

    /// One call of `method`, answered or failed within `deadline`, connecting included.
    ///
    /// Each address is tried once when it is away or on standby, and a kept connection that turns out to have ended is
    /// made anew; a call of which any byte left is never sent again. When the future is dropped, the call may still
    /// have its effect.
    pub async fn call<Q, A>(&self, method: &'static str, request: &Q, deadline: Duration) -> Result<A, Error>
    where
        Q: Message,
        A: Message + Default,
    {
        let begun = Instant::now();
        let answer = self.answer::<Q, A>(method, request, deadline).await;
        tracing::debug!(
            target: "call",
            to = self.inner.current().map_or_else(|_| String::new(), |(address, _)| address.to_string()),
            what = method,
            answer = match &answer {
                Ok(answer) => format!("{} bytes", answer.encoded_len()),
                Err(error) => error.to_string(),
            },
            took = ?begun.elapsed(),
        );
        answer
    }

    async fn answer<Q, A>(&self, method: &'static str, request: &Q, deadline: Duration) -> Result<A, Error>
    where
        Q: Message,
        A: Message + Default,
    {
        let until = Instant::now() + deadline;
        let body = request.encode_length_delimited_to_vec();
        let mut untried = self.inner.addresses.len();
        let mut stale = 1;
        loop {
            let connection = match self.inner.connection(method, until, untried).await {
                Ok(connection) => connection,
                Err(error) => {
                    untried = untried.saturating_sub(1);
                    if untried == 0 || !error.is_retriable() || matches!(error, Error::Deadline { .. }) {
                        return Err(error);
                    }
                    continue;
                }
            };
            let heard = connection.heard();
            let error = match connection.call(self.inner.protocol, method, &body, until).await {
                Ok(mut bytes) => {
                    let address = connection.address().clone();
                    return A::decode_length_delimited(&mut bytes).map_err(|source| Error::Answer {
                        address,
                        method,
                        source,
                    });
                }
                Err(error) => error,
            };
            match &error {
                Error::Lost { left: false, .. } if stale > 0 => {
                    stale -= 1;
                    self.inner.let_go(&connection, false);
                }
                Error::Remote { .. } if error.is_standby() => {
                    self.inner.let_go(&connection, true);
                    untried = untried.saturating_sub(1);
                    if untried == 0 {
                        return Err(error);
                    }
                }
                Error::Deadline { .. } => {
                    // Nothing at all came: the peer hangs or is cut off, and the next call had better go elsewhere.
                    if connection.heard() == heard {
                        self.inner.let_go(&connection, true);
                    }
                    return Err(error);
                }
                _ => return Err(error),
            }
            tracing::debug!(%error, method, "trying again");
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> Option<Connection> {
        self.state().connection.clone().filter(Connection::is_open)
    }

    /// The kept connection, or a new one to the current address. Of the time left, one share of `untried` is used.
    async fn connection(&self, method: &'static str, until: Instant, untried: usize) -> Result<Connection, Error> {
        if let Some(connection) = self.kept() {
            return Ok(connection);
        }
        let (address, _) = self.current()?;
        let Ok(_gate) = tokio::time::timeout_at(until, self.gate.lock()).await else {
            return Err(Error::Deadline { address, method, left: false });
        };
        if let Some(connection) = self.kept() {
            return Ok(connection);
        }
        let (address, auth) = self.current()?;
        let now = Instant::now();
        let share = until.saturating_duration_since(now) / u32::try_from(untried.max(1)).unwrap_or(1);
        let opened = Connection::open(address, self.protocol, &auth, now + share).await;
        let mut state = self.state();
        match opened {
            Ok(connection) => {
                // A token replaced meanwhile: this connection serves this call alone.
                if state.auth == auth {
                    state.connection = Some(connection.clone());
                }
                Ok(connection)
            }
            Err(error) => {
                if error.is_retriable() {
                    state.at = state.at.wrapping_add(1);
                }
                Err(error)
            }
        }
    }

    fn current(&self) -> Result<(Address, Auth), Error> {
        let state = self.state();
        let at = state.at.checked_rem(self.addresses.len()).unwrap_or_default();
        let address = self.addresses.get(at).ok_or(Error::NoAddress { protocol: self.protocol.name })?;
        Ok((address.clone(), state.auth.clone()))
    }

    fn let_go(&self, connection: &Connection, next_address: bool) {
        let mut state = self.state();
        if state.connection.as_ref().is_some_and(|kept| kept.is_same(connection)) {
            state.connection = None;
            if next_address {
                state.at = state.at.wrapping_add(1);
            }
        }
    }
}
