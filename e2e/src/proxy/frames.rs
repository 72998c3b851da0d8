//! Messages within a stream of bytes, as far as the proxy must tell them apart.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::Request;

/// A longer length is taken as none: the bytes pass as they come from then on.
const LONGEST: usize = 64 * 1024 * 1024;
const CHUNK: usize = 16 * 1024;

/// What the bytes of a link mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Nothing: what is read at a time is one message.
    Plain,
    /// ZooKeeper's: length and body, from the first byte on.
    ZooKeeper,
    /// Hadoop's RPC, client to server: seven bytes first.
    Hadoop,
    /// Hadoop's RPC, server to client.
    HadoopAnswers,
}

impl Protocol {
    /// That of the other direction.
    pub(super) fn answers(self) -> Self {
        if self == Self::Hadoop { Self::HadoopAnswers } else { self }
    }
}

/// Cuts a stream into messages.
pub(super) struct Frames<R> {
    from: R,
    protocol: Protocol,
    is_first: bool,
}

/// One message, with its length in front where there is one.
pub(super) struct Frame(Vec<u8>);

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) fn new(from: R, protocol: Protocol) -> Self {
        Self { from, protocol, is_first: true }
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The next message; none at the end of the stream. Not cancel-safe within a message.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        if self.protocol == Protocol::Hadoop && is_first {
            return self.exactly(Vec::new(), 7).await;
        }
        if self.protocol == Protocol::Plain {
            let mut bytes = vec![0; CHUNK];
            let read = self.from.read(&mut bytes).await.ok().filter(|read| *read > 0)?;
            bytes.truncate(read);
            return Some(Frame(bytes));
        }
        let mut head = [0; 4];
        let mut filled = 0;
        while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.from.read(rest).await {
                Ok(read) if read > 0 => filled += read,
                // What is left of a head is passed on as it is.
                _ => return head.get(..filled).filter(|part| !part.is_empty()).map(|part| Frame(part.to_vec())),
            }
        }
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        if length > LONGEST {
            // ZooKeeper's four-letter words look like this.
            self.protocol = Protocol::Plain;
            return Some(Frame(head.to_vec()));
        }
        self.exactly(head.to_vec(), length).await
    }

    async fn exactly(&mut self, mut bytes: Vec<u8>, more: usize) -> Option<Frame> {
        let whole = (&mut self.from).take(more as u64).read_to_end(&mut bytes).await.is_ok();
        // A stream that ends within a message passes on what came.
        (whole && !bytes.is_empty()).then_some(Frame(bytes))
    }
}

impl Frame {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn word(&self, at: usize) -> Option<i32> {
        let four = self.0.get(at..at + 4)?;
        Some(i32::from_be_bytes(four.try_into().ok()?))
    }

    /// ZooKeeper's number of the request.
    pub(super) fn xid(&self) -> i32 {
        self.word(4).unwrap_or(0)
    }

    /// Whether this request is one of those meant.
    pub(super) fn asks(&self, which: &Request, protocol: Protocol) -> bool {
        match which {
            Request::Any => true,
            // A connect request has another form, and a body that says 0 here.
            Request::ZooKeeper(code) => protocol == Protocol::ZooKeeper && self.word(8) == Some(*code),
            Request::Hadoop(method) => self.0.windows(method.len()).any(|part| part == method.as_bytes()),
        }
    }

    /// Whether this is the answer to the request of that number: ZooKeeper's bears it, elsewhere it is the next message.
    pub(super) fn answers(&self, xid: i32, protocol: Protocol) -> bool {
        protocol != Protocol::ZooKeeper || self.word(4) == Some(xid)
    }

    /// Makes noise of the body, always the same.
    pub(super) fn garble(&mut self) {
        for (at, byte) in self.0.iter_mut().enumerate().skip(4) {
            *byte ^= u8::try_from(at * 31 % 255).unwrap_or(0) | 1;
        }
    }
}
