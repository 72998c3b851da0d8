//! What may go wrong with a call, and what that says about its effect.

use std::{fmt, io, sync::Arc};

use crate::{address::Address, frame::FrameError, sasl::SaslError};

/// Characters of an exception's class and message that are kept.
const MAX_CLASS: usize = 256;
const MAX_MESSAGE: usize = 4096;

/// An exception that the server answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Java class, such as `org.apache.hadoop.ipc.StandbyException`.
    pub class: String,
    /// Message, without the Java stack trace.
    pub message: String,
    /// The server refused the connection or the request's envelope and ended the connection: the call was not executed.
    pub fatal: bool,
}

impl Remote {
    /// An exception as it came: bounded, without control characters but line ends. Hadoop sends message and stack trace
    /// in one text (`RpcResponseHeaderProto.errorMsg`).
    #[must_use]
    pub fn new(class: String, text: &str, fatal: bool) -> Self {
        let message = text.split("\n\tat ").next().unwrap_or_default();
        // The trace begins with the class name again.
        let message = message.strip_prefix(class.as_str()).and_then(|m| m.strip_prefix(": ")).unwrap_or(message);
        // A terminal may be shown both.
        let safe = |text: &str, limit| text.chars().filter(|c| *c == '\n' || !c.is_control()).take(limit).collect();
        Self { class: safe(&class, MAX_CLASS), message: safe(message.trim(), MAX_MESSAGE), fatal }
    }

    /// The class without its package and outer class.
    pub fn simple_class(&self) -> &str {
        self.class.rsplit(['.', '$']).next().unwrap_or_default()
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.simple_class(), self.message)
    }
}

/// Why a connection could not be set up.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection failed on the way, or took too long.
    #[error("the connection broke")]
    Io(#[source] Arc<io::Error>),
    /// The server closed the connection; it does so for a token of the wrong kind.
    #[error("the server closed the connection (a token of the wrong kind does that)")]
    Closed,
    /// A frame that cannot be read.
    #[error("the server sent a frame that cannot be read")]
    Frame(#[source] FrameError),
    /// A well-framed message that has no place there.
    #[error("the server sent {what}")]
    Unexpected {
        /// What it was.
        what: String,
    },
    /// SASL failed.
    #[error("the authentication failed")]
    Sasl(#[source] SaslError),
    /// The server refused: bad or expired token, or a method it does not take.
    #[error("refused: {0}")]
    Refused(Remote),
}

/// Why a call has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The client was given no address.
    #[error("no address is known for {protocol}")]
    NoAddress {
        /// Protocol name.
        protocol: &'static str,
    },
    /// No TCP connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: Address,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// Connected, but not admitted.
    #[error("cannot set up a connection to {address}")]
    Handshake {
        /// Where to.
        address: Address,
        /// Why.
        #[source]
        source: HandshakeError,
    },
    /// The server answered with an exception.
    #[error("{address} answered {method} with {remote}")]
    Remote {
        /// Who answered.
        address: Address,
        /// The method called.
        method: &'static str,
        /// The exception.
        remote: Remote,
    },
    /// The connection ended before the answer came.
    #[error("the connection to {address} was lost during {method}: {why}")]
    Lost {
        /// The server.
        address: Address,
        /// The method called.
        method: &'static str,
        /// What ended it.
        why: String,
        /// Some of the call left this machine.
        left: bool,
    },
    /// No answer in time.
    #[error("no answer to {method} from {address} in time")]
    Deadline {
        /// The server, or the last one tried.
        address: Address,
        /// The method called.
        method: &'static str,
        /// The call was handed to the connection.
        left: bool,
    },
    /// Too many calls wait on this connection already.
    #[error("too many calls to {address} are waiting; {method} was not sent")]
    Busy {
        /// The server.
        address: Address,
        /// The method called.
        method: &'static str,
    },
    /// The request is larger than Hadoop takes.
    #[error("the request of {method} has {size} bytes; at most 64 MiB can be sent")]
    TooLarge {
        /// The method called.
        method: &'static str,
        /// Bytes.
        size: usize,
    },
    /// The answer came, and is not the expected message.
    #[error("the answer of {address} to {method} cannot be read")]
    Answer {
        /// The server.
        address: Address,
        /// The method called.
        method: &'static str,
        /// Why.
        #[source]
        source: prost::DecodeError,
    },
}

impl Error {
    /// The exception that the server answered with, be it to the call or to the connection.
    pub fn remote(&self) -> Option<&Remote> {
        match self {
            Self::Remote { remote, .. } | Self::Handshake { source: HandshakeError::Refused(remote), .. } => {
                Some(remote)
            }
            _ => None,
        }
    }

    /// The call may have had its effect although there is no answer. `false` is certain: it had none.
    ///
    /// An exception that the server threw counts as "no effect", since that is what Hadoop's methods mean by one;
    /// those which throw half-way say so in their own documentation.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Lost { left, .. } | Self::Deadline { left, .. } => *left,
            Self::Answer { .. } => true,
            _ => false,
        }
    }

    /// Another address, or the same one later, may answer. Says nothing about effects: ask
    /// [`may_have_happened`](Self::may_have_happened) too before a call that must not happen twice is repeated.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Lost { .. } | Self::Deadline { .. } | Self::Busy { .. } => true,
            Self::Handshake { source: HandshakeError::Io(_) | HandshakeError::Closed, .. } => true,
            Self::Handshake { .. } | Self::Remote { .. } => {
                self.is_standby() || self.remote().is_some_and(|remote| remote.simple_class() == "RetriableException")
            }
            Self::NoAddress { .. } | Self::TooLarge { .. } | Self::Answer { .. } => false,
        }
    }

    /// The server is on standby; another one is active.
    pub fn is_standby(&self) -> bool {
        self.remote().is_some_and(|remote| remote.simple_class() == "StandbyException")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_java_stack_trace_is_cut() {
        let class = "org.apache.hadoop.yarn.exceptions.YarnException".to_owned();
        let text = "org.apache.hadoop.yarn.exceptions.YarnException: no such\nqueue\n\tat a.b.c(D.java:1)\n\tat e";
        let remote = Remote::new(class, text, false);
        assert_eq!(remote.message, "no such\nqueue");
        assert_eq!(remote.to_string(), "YarnException: no such\nqueue");
        let hostile = Remote::new("a.\u{1b}[2JB".repeat(1000), &"\u{7}m".repeat(10_000), false);
        assert!(!hostile.to_string().chars().any(char::is_control), "{hostile:?}");
        assert!(hostile.class.len() <= MAX_CLASS && hostile.message.len() <= MAX_MESSAGE);
    }
}
