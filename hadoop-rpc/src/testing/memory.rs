//! The client's own reading of a conversation whose other side is a byte string: no sockets, no runtime, no waiting.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use crate::{
    connection,
    error::HandshakeError,
    frame::FrameReader,
    handshake,
    peer::{Auth, Protocol},
};

/// What the first `calls` calls of a connection come to when the server sends `bytes` and closes: the answer's message,
/// or why there is none.
pub fn answers(bytes: &[u8], calls: u32) -> Vec<Result<Bytes, String>> {
    now(connection::told(bytes, calls))
}

/// How a connection is opened when the server sends `bytes` and closes, and what was written to it.
pub fn handshake(bytes: &[u8], auth: &Auth) -> (Result<(), HandshakeError>, Vec<u8>) {
    let (mut reader, mut written) = (FrameReader::new(bytes), Vec::new());
    let protocol = Protocol { name: "example", version: 1 };
    let outcome =
        now(handshake::open(&mut reader, &mut written, protocol, auth, &Bytes::from_static(b"0123456789abcdef")));
    (outcome, written)
}

/// The outcome of what never has to wait.
fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut context) {
            return outcome;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{frame::frame, token::Token};

    #[test]
    fn calls_are_answered_by_their_ids_and_the_rest_is_told_why_not() {
        let header = |id: u8| vec![4, 8, id, 16, 0];
        let bytes = [frame(&[&header(1), b"one"]), frame(&[&header(0), b"nil"])].map(Option::unwrap).concat();
        let told = answers(&bytes, 3);
        assert_eq!((told[0].as_deref(), told[1].as_deref()), (Ok(&b"nil"[..]), Ok(&b"one"[..])));
        assert_eq!(told[2], Err("the peer closed the connection".to_owned()));
        let never = answers(&frame(&[&header(7)]).unwrap(), 1);
        assert!(never[0].as_ref().unwrap_err().contains("call 7, which was never made"));
    }

    #[test]
    fn what_an_answer_must_have_is_not_made_up() {
        for header in [&[0][..], &[2, 8, 0], &[2, 16, 0]] {
            let told = answers(&frame(&[header]).unwrap(), 1);
            assert!(told[0].as_ref().unwrap_err().contains("cannot be read"), "{header:?}: {told:?}");
        }
    }

    #[test]
    fn a_server_that_says_nothing_is_no_server() {
        let (outcome, written) = handshake(b"", &Auth::Token(Token::default()));
        assert!(matches!(outcome, Err(HandshakeError::Closed)));
        assert!(written.starts_with(b"hrpc"));
    }
}
