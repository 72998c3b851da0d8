//! A scripted peer, for tests of this crate and of those above it: a listener on the loopback that plays one script
//! for each connection it gets, in order, and refuses none. Only with the feature `testing`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use hadoop_rpc::{Auth, Client, Protocol, testing::{Peer, Step}};
//!
//! #[derive(Clone, PartialEq, prost::Message)]
//! struct Text { #[prost(string, tag = "1")] text: String }
//!
//! let peer = Peer::start(vec![vec![Step::Simple, Step::answer("echo", &Text { text: "you".into() })]]).await.unwrap();
//! let protocol = Protocol { name: "example", version: 1 };
//! let client = Client::new(protocol, vec![peer.address()], Auth::Simple { user: "ann".into() });
//! let answer: Text = client.call("echo", &Text { text: "me".into() }, std::time::Duration::from_secs(5)).await.unwrap();
//! assert_eq!(answer.text, "you");
//! assert_eq!(peer.calls()[0].decode::<Text>().unwrap().text, "me");
//! # }
//! ```

mod memory;

pub use memory::{answers, handshake};

use std::{
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

use crate::{
    address::Address,
    frame::{self, FrameReader},
    header::{
        AUTH_NONE, AUTH_SASL, CALL_SASL, ConnectionContext, MethodHeader, PREAMBLE, RequestHeader, ResponseHeader,
        SaslAuth, SaslMessage, SaslState, Status, take,
    },
    sasl::{self, DigestMd5},
    token::Token,
};

/// The challenge of [`Step::Token`], as Hadoop words it.
pub const CHALLENGE: &str = r#"realm="default",nonce="bm9uY2U=",qop="auth",charset=utf-8,algorithm=md5-sess"#;

/// What the peer does next on a connection. After the last step it closes the connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads preamble and context of a client without authentication.
    Simple,
    /// Authenticates a client with this token, as Hadoop does, and reads its context.
    Token(Token),
    /// As [`Step::Token`], but with this challenge, and this instead of the proof when it is given.
    Sasl {
        /// Known to both.
        token: Token,
        /// The only method and mechanism offered, such as `TOKEN`, `DIGEST-MD5`.
        method: (&'static str, &'static str),
        /// Sent with the offer.
        challenge: String,
        /// Sent at the end.
        proof: Option<String>,
    },
    /// Reads one call, whose method must be this, and answers it.
    Call {
        /// The expected method.
        method: &'static str,
        /// The answer.
        answer: Answer,
    },
    /// Sends these bytes as they are.
    Send(Vec<u8>),
    /// Reads one frame and does nothing with it.
    Skip,
    /// Waits for ever, reading nothing.
    Stall,
}

/// How a call is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Well, with a length-delimited message.
    Message(Vec<u8>),
    /// With an exception.
    Exception {
        /// Java class.
        class: &'static str,
        /// Message, perhaps with a stack trace.
        text: &'static str,
        /// Whether that ends the connection.
        fatal: bool,
    },
    /// Well, but under this other call id.
    Wrong(u32),
    /// Not at all.
    None,
}

impl Step {
    /// A call that is answered well.
    pub fn answer(method: &'static str, message: &impl Message) -> Self {
        Self::Call { method, answer: Answer::Message(message.encode_length_delimited_to_vec()) }
    }

    /// A call that is answered with an exception, after which the connection goes on.
    pub fn exception(method: &'static str, class: &'static str, text: &'static str) -> Self {
        Self::Call { method, answer: Answer::Exception { class, text, fatal: false } }
    }
}

/// A call that a peer has read.
#[derive(Clone, Debug)]
pub struct Call {
    /// Method.
    pub method: String,
    /// Name of the protocol.
    pub protocol: String,
    body: Bytes,
}

impl Call {
    /// The request.
    pub fn decode<M: Message + Default>(&self) -> Result<M, prost::DecodeError> {
        M::decode_length_delimited(self.body.clone())
    }
}

#[derive(Debug, Default)]
struct Seen {
    calls: Vec<Call>,
    users: Vec<Option<String>>,
    connections: usize,
    faults: Vec<String>,
}

/// A running peer; it ends when dropped.
#[derive(Debug)]
pub struct Peer {
    address: Address,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// Listens on a free port and plays `scripts`, one for each connection; connections beyond them are closed at once.
    pub async fn start(scripts: Vec<Vec<Step>>) -> io::Result<Self> {
        Self::cut(scripts, usize::MAX).await
    }

    /// As [`start`](Self::start), but every connection is closed after `limit` bytes were sent on it.
    pub async fn cut(scripts: Vec<Vec<Step>>, limit: usize) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = Address { host: Ipv4Addr::LOCALHOST.to_string(), port: listener.local_addr()?.port() };
        let seen = Arc::<Mutex<Seen>>::default();
        let task = tokio::spawn(accept(listener, scripts, limit, Arc::clone(&seen)));
        Ok(Self { address, seen, task })
    }

    /// An address at which nobody listens (any more).
    pub async fn nobody() -> io::Result<Address> {
        Ok(Self::start(Vec::new()).await?.address.clone())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Where it listens.
    pub fn address(&self) -> Address {
        self.address.clone()
    }

    /// The calls read so far, on all connections.
    pub fn calls(&self) -> Vec<Call> {
        self.seen().calls.clone()
    }

    /// The users named in the contexts read so far; `None` where a context names none.
    pub fn users(&self) -> Vec<Option<String>> {
        self.seen().users.clone()
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.seen().connections
    }

    /// Where clients did not follow the scripts.
    pub fn faults(&self) -> Vec<String> {
        self.seen().faults.clone()
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, scripts: Vec<Vec<Step>>, limit: usize, seen: Arc<Mutex<Seen>>) {
    let mut scripts = scripts.into_iter();
    // Dropped with this task, and so are the connections.
    let mut playing = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        lock(&seen).connections += 1;
        let Some(script) = scripts.next() else { continue };
        let seen = Arc::clone(&seen);
        playing.spawn(async move {
            if let Err(fault) = Conversation::new(stream, limit, Arc::clone(&seen)).play(script).await {
                lock(&seen).faults.push(fault.to_string());
            }
        });
    }
}

struct Conversation {
    reader: FrameReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    left: usize,
    seen: Arc<Mutex<Seen>>,
}

type Played = Result<(), Box<dyn std::error::Error + Send + Sync>>;

impl Conversation {
    fn new(stream: TcpStream, limit: usize, seen: Arc<Mutex<Seen>>) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: FrameReader::new(reader), writer, left: limit, seen }
    }

    async fn play(mut self, script: Vec<Step>) -> Played {
        for step in script {
            match step {
                Step::Simple => {
                    self.preamble(AUTH_NONE).await?;
                    self.context().await?;
                }
                Step::Token(token) => {
                    self.sasl(&token, ("TOKEN", "DIGEST-MD5"), CHALLENGE.to_owned(), None).await?;
                    self.context().await?;
                }
                Step::Sasl { token, method, challenge, proof } => {
                    self.sasl(&token, method, challenge, proof).await?;
                    self.context().await?;
                }
                Step::Call { method, answer } => self.call(method, answer).await?,
                Step::Send(bytes) => self.send(&bytes).await?,
                Step::Skip => drop(self.reader.next().await?),
                Step::Stall => std::future::pending::<()>().await,
            }
        }
        Ok(())
    }

    async fn preamble(&mut self, auth: u8) -> Played {
        let mut bytes = [0; PREAMBLE.len() + 1];
        self.reader.raw().read_exact(&mut bytes).await?;
        if bytes.as_slice() == [&PREAMBLE[..], &[auth]].concat() { Ok(()) } else { Err("another preamble".into()) }
    }

    async fn context(&mut self) -> Played {
        let mut frame = self.reader.next().await?;
        let _: RequestHeader = take(&mut frame)?;
        let context: ConnectionContext = take(&mut frame)?;
        lock(&self.seen).users.push(context.user.and_then(|user| user.effective_user));
        Ok(())
    }

    async fn sasl(
        &mut self,
        token: &Token,
        (method, mechanism): (&str, &str),
        challenge: String,
        proof: Option<String>,
    ) -> Played {
        self.preamble(AUTH_SASL).await?;
        self.sasl_message(SaslState::Negotiate).await?;
        let auth = SaslAuth {
            method: method.to_owned(),
            mechanism: mechanism.to_owned(),
            protocol: Some(String::new()),
            server_id: Some("default".to_owned()),
            challenge: Some(challenge.clone().into_bytes()),
        };
        self.send_sasl(SaslMessage { auths: vec![auth], ..SaslMessage::of(SaslState::Negotiate) }).await?;
        let response = self.sasl_message(SaslState::Initiate).await?.token.unwrap_or_default();
        let fields = sasl::parse(&response)?;
        let cnonce = fields.get("cnonce").cloned().unwrap_or_default();
        let digest = DigestMd5::answer(challenge.as_bytes(), token, "/default", &cnonce)?;
        if digest.response().as_bytes() != response {
            return Err("the client's response does not come from the token".into());
        }
        let token = Some(proof.unwrap_or_else(|| digest.proof()).into_bytes());
        self.send_sasl(SaslMessage { token, ..SaslMessage::of(SaslState::Success) }).await
    }

    async fn sasl_message(
        &mut self,
        state: SaslState,
    ) -> Result<SaslMessage, Box<dyn std::error::Error + Send + Sync>> {
        let mut frame = self.reader.next().await?;
        let header: RequestHeader = take(&mut frame)?;
        let message: SaslMessage = take(&mut frame)?;
        let right = header.call_id == CALL_SASL && message.said() == Some(state);
        if right { Ok(message) } else { Err(format!("{:?} instead of {state:?}", message.said()).into()) }
    }

    async fn send_sasl(&mut self, message: SaslMessage) -> Played {
        self.respond(CALL_SASL.cast_unsigned(), Status::Success, None, &message.encode_length_delimited_to_vec()).await
    }

    async fn call(&mut self, method: &'static str, answer: Answer) -> Played {
        let mut frame = self.reader.next().await?;
        let header: RequestHeader = take(&mut frame)?;
        let name: MethodHeader = take(&mut frame)?;
        let right = name.method == method;
        let fault = format!("{} instead of {method}", name.method);
        lock(&self.seen).calls.push(Call { method: name.method, protocol: name.protocol, body: frame });
        if !right {
            return Err(fault.into());
        }
        let id = header.call_id.cast_unsigned();
        match answer {
            Answer::Message(message) => self.respond(id, Status::Success, None, &message).await,
            Answer::Exception { class, text, fatal } => {
                let status = if fatal { Status::Fatal } else { Status::Error };
                self.respond(id, status, Some((class, text)), &[]).await
            }
            Answer::Wrong(id) => self.respond(id, Status::Success, None, &[0]).await,
            Answer::None => Ok(()),
        }
    }

    async fn respond(&mut self, call_id: u32, status: Status, exception: Option<(&str, &str)>, body: &[u8]) -> Played {
        let header = ResponseHeader {
            call_id: Some(call_id),
            status: Some(status.into()),
            exception_class: exception.map(|(class, _)| class.to_owned()),
            error_message: exception.map(|(_, text)| text.to_owned()),
        };
        let frame =
            frame::frame(&[&header.encode_length_delimited_to_vec(), body]).ok_or("an answer too large to send")?;
        self.send(&frame).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Played {
        let now = bytes.get(..self.left).unwrap_or(bytes);
        self.writer.write_all(now).await?;
        self.left -= now.len();
        if now.len() < bytes.len() { Err("cut here".into()) } else { Ok(()) }
    }
}
