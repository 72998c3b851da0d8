//! One connection: a task owns the socket; calls reach it over a bounded queue and are matched to answers by their id.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use prost::Message;
use rand::RngCore;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{
    address::Address,
    error::{Error, HandshakeError, Remote},
    frame::{self, FrameError, FrameReader},
    handshake,
    header::{MethodHeader, ResponseHeader, Status, take},
    peer::{Auth, Protocol},
};

/// Calls that may wait to be written.
const QUEUE: usize = 256;
/// Calls that may wait for their answers.
const PENDING: usize = 1024;
/// Bytes beyond which nothing more is taken from the queue until some are written.
const OUT: usize = 256 * 1024;

/// A handle on one connection. The connection ends when the last handle is gone, or when it fails.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    address: Address,
    client_id: Bytes,
    queue: mpsc::Sender<Outgoing>,
    issued: Arc<AtomicU64>,
    heard: Arc<AtomicU64>,
}

struct Outgoing {
    id: i32,
    frame: Bytes,
    answer: oneshot::Sender<Result<Bytes, Failure>>,
}

enum Failure {
    Remote(Remote),
    Lost { why: String, left: bool },
    Busy,
}

impl Connection {
    /// Connects and authenticates, all before `until`. Dropping the future closes what was opened.
    pub(crate) async fn open(address: Address, protocol: Protocol, auth: &Auth, until: Instant) -> Result<Self, Error> {
        let late = || Arc::new(io::Error::from(io::ErrorKind::TimedOut));
        let target = (address.host.as_str(), address.port);
        let stream = match tokio::time::timeout_at(until, TcpStream::connect(target)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(source)) => return Err(Error::Connect { address, source: Arc::new(source) }),
            Err(_) => return Err(Error::Connect { address, source: late() }),
        };
        // Calls are small and answers awaited: Nagle's delay would be paid on each. Failing that, it is only slower.
        let _ = stream.set_nodelay(true);
        let mut client_id = [0_u8; 16];
        rand::rng().fill_bytes(&mut client_id);
        let client_id = Bytes::copy_from_slice(&client_id);
        let (read, mut writer) = stream.into_split();
        let mut reader = FrameReader::new(read);
        let handshake = handshake::open(&mut reader, &mut writer, protocol, auth, &client_id);
        let source = match tokio::time::timeout_at(until, handshake).await {
            Ok(Ok(())) => None,
            Ok(Err(source)) => Some(source),
            Err(_) => Some(HandshakeError::Io(late())),
        };
        if let Some(source) = source {
            return Err(Error::Handshake { address, source });
        }
        let (queue, calls) = mpsc::channel(QUEUE);
        let connection = Self { address, client_id, queue, issued: Arc::default(), heard: Arc::default() };
        let task = Task::new(reader, writer, calls, Arc::clone(&connection.issued), Arc::clone(&connection.heard));
        tokio::spawn(task.run());
        Ok(connection)
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.queue.is_closed()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.queue.same_channel(&other.queue)
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Counts answers, to tell a slow method from a dead peer.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// One call; the answer's bytes. When the future is dropped the call may still have its effect.
    pub(crate) async fn call(
        &self,
        protocol: Protocol,
        method: &'static str,
        body: &[u8],
        until: Instant,
    ) -> Result<Bytes, Error> {
        let address = self.address.clone();
        let serial = self.issued.fetch_add(1, Ordering::Relaxed);
        // Ids are positive and begin anew after 2^31 calls, as Hadoop's own client does.
        let id = i32::try_from(serial & 0x7fff_ffff).unwrap_or_default();
        let header = handshake::request_header(id, self.client_id.clone()).encode_length_delimited_to_vec();
        let name =
            MethodHeader { method: method.to_owned(), protocol: protocol.name.to_owned(), version: protocol.version }
                .encode_length_delimited_to_vec();
        let frame = frame::frame(&[&header, &name, body]).ok_or(Error::TooLarge { method, size: body.len() })?;
        let (answer, answered) = oneshot::channel();
        match self.queue.try_send(Outgoing { id, frame, answer }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(Error::Busy { address, method }),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                return Err(Error::Lost { address, method, why: "it had ended".to_owned(), left: false });
            }
        }
        match tokio::time::timeout_at(until, answered).await {
            Ok(Ok(Ok(bytes))) => Ok(bytes),
            Ok(Ok(Err(Failure::Remote(remote)))) => Err(Error::Remote { address, method, remote }),
            Ok(Ok(Err(Failure::Lost { why, left }))) => Err(Error::Lost { address, method, why, left }),
            Ok(Ok(Err(Failure::Busy))) => Err(Error::Busy { address, method }),
            // The task was ended from outside, with the runtime: what it had written is not known.
            Ok(Err(_)) => Err(Error::Lost { address, method, why: "its task ended".to_owned(), left: true }),
            Err(_) => Err(Error::Deadline { address, method, left: true }),
        }
    }
}

struct Pending {
    /// Bytes accepted for writing before this call's first one.
    start: u64,
    answer: oneshot::Sender<Result<Bytes, Failure>>,
}

struct Task<R, W> {
    reader: FrameReader<R>,
    writer: W,
    calls: mpsc::Receiver<Outgoing>,
    out: BytesMut,
    accepted: u64,
    written: u64,
    pending: BTreeMap<i32, Pending>,
    issued: Arc<AtomicU64>,
    heard: Arc<AtomicU64>,
}

/// How a connection ended.
enum End {
    Quiet,
    Broken(String),
    /// The server refused the connection as a whole.
    Refused(Remote),
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Task<R, W> {
    fn new(
        reader: FrameReader<R>,
        writer: W,
        calls: mpsc::Receiver<Outgoing>,
        issued: Arc<AtomicU64>,
        heard: Arc<AtomicU64>,
    ) -> Self {
        let (out, pending) = (BytesMut::new(), BTreeMap::new());
        Self { reader, writer, calls, out, accepted: 0, written: 0, pending, issued, heard }
    }

    async fn run(mut self) {
        // Each branch may be dropped at any await without losing bytes.
        let end = loop {
            tokio::select! {
                call = self.calls.recv(), if self.out.len() < OUT => match call {
                    Some(call) => self.accept(call),
                    None => break End::Quiet,
                },
                written = self.writer.write_buf(&mut self.out), if !self.out.is_empty() => match written {
                    Ok(count) if count > 0 => self.written += u64::try_from(count).unwrap_or_default(),
                    Ok(_) => break End::Broken("nothing more could be written".to_owned()),
                    Err(error) => break End::Broken(error.to_string()),
                },
                frame = self.reader.next() => {
                    let end = match frame {
                        Ok(frame) => self.answer(frame),
                        Err(FrameError::Io(error)) => Some(End::Broken(error.to_string())),
                        Err(error) => Some(End::Broken(error.to_string())),
                    };
                    if let Some(end) = end {
                        break end;
                    }
                }
            }
        };
        self.finish(end);
    }

    fn accept(&mut self, call: Outgoing) {
        if self.pending.len() >= PENDING {
            // Callers who stopped waiting leave their entry behind until it is answered.
            self.pending.retain(|_, pending| !pending.answer.is_closed());
        }
        if self.pending.len() >= PENDING {
            let _ = call.answer.send(Err(Failure::Busy));
            return;
        }
        if call.answer.is_closed() {
            return;
        }
        self.pending.insert(call.id, Pending { start: self.accepted, answer: call.answer });
        self.accepted += u64::try_from(call.frame.len()).unwrap_or_default();
        self.out.extend_from_slice(&call.frame);
    }

    fn answer(&mut self, mut frame: Bytes) -> Option<End> {
        let unreadable = || Some(End::Broken("the server sent an answer that cannot be read".to_owned()));
        let Ok(header) = take::<ResponseHeader>(&mut frame) else { return unreadable() };
        let (Some(call_id), Some(status)) = (header.call_id, header.status) else { return unreadable() };
        let Ok(status) = Status::try_from(status) else {
            return Some(End::Broken(format!("the server sent an answer with the unknown status {status}")));
        };
        self.heard.fetch_add(1, Ordering::Relaxed);
        let id = call_id.cast_signed();
        if status == Status::Success {
            if let Some(pending) = self.pending.remove(&id) {
                let _ = pending.answer.send(Ok(frame));
            } else if u64::from(call_id) >= self.issued.load(Ordering::Relaxed) {
                return Some(End::Broken(format!("the server answered call {id}, which was never made")));
            }
            return None;
        }
        let fatal = status == Status::Fatal;
        let text = header.error_message.unwrap_or_default();
        let remote = Remote::new(header.exception_class.unwrap_or_default(), &text, fatal);
        if let Some(pending) = self.pending.remove(&id) {
            let _ = pending.answer.send(Err(Failure::Remote(remote.clone())));
            return fatal.then(|| End::Broken(format!("the server ended it: {remote}")));
        }
        fatal.then_some(End::Refused(remote))
    }

    fn finish(mut self, end: End) {
        self.calls.close();
        let lost = |left| match &end {
            End::Refused(remote) => Failure::Remote(remote.clone()),
            End::Broken(why) => Failure::Lost { why: why.clone(), left },
            End::Quiet => Failure::Lost { why: "it was let go".to_owned(), left },
        };
        for pending in std::mem::take(&mut self.pending).into_values() {
            let _ = pending.answer.send(Err(lost(self.written > pending.start)));
        }
        while let Ok(call) = self.calls.try_recv() {
            let _ = call.answer.send(Err(lost(false)));
        }
    }
}

/// What the first calls of a connection are told when the server sends `bytes` and closes. In memory, without a runtime.
#[cfg(feature = "testing")]
pub(crate) fn told(bytes: &[u8], calls: u32) -> impl Future<Output = Vec<Result<Bytes, String>>> {
    let (queue, waiting) = mpsc::channel(1);
    let issued = Arc::new(AtomicU64::new(calls.into()));
    let mut task = Task::new(FrameReader::new(bytes), tokio::io::sink(), waiting, issued, Arc::default());
    let mut answers = Vec::new();
    for id in 0..calls {
        let (answer, answered) = oneshot::channel();
        answers.push(answered);
        task.accept(Outgoing { id: id.cast_signed(), frame: Bytes::new(), answer });
    }
    async move {
        task.run().await;
        drop(queue);
        let told = |mut answered: oneshot::Receiver<_>| match answered.try_recv() {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(Failure::Remote(remote))) => Err(remote.to_string()),
            Ok(Err(Failure::Lost { why, .. })) => Err(why),
            Ok(Err(Failure::Busy)) => Err("busy".to_owned()),
            Err(_) => Err("nothing".to_owned()),
        };
        answers.into_iter().map(told).collect()
    }
}
