//! The start of a connection: preamble, authentication, context.

use std::{io, sync::Arc};

use bytes::Bytes;
use prost::Message;
use rand::RngCore;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::{
    error::{HandshakeError, Remote},
    frame::{self, FrameError, FrameReader},
    header::{
        AUTH_NONE, AUTH_SASL, CALL_CONTEXT, CALL_SASL, ConnectionContext, KIND_PROTOBUF, NO_RETRY, OP_FINAL, PREAMBLE,
        RequestHeader, ResponseHeader, SaslAuth, SaslMessage, SaslState, Status, UserInfo, take,
    },
    peer::{Auth, Protocol},
    sasl::{DigestMd5, SaslError},
    token::Token,
};

/// Opens the conversation. When it returns, calls may be sent; with [`Auth::Simple`] a refusal arrives only as the
/// answer of the first call, since the server does not answer the context.
pub(crate) async fn open<R, W>(
    reader: &mut FrameReader<R>,
    writer: &mut W,
    protocol: Protocol,
    auth: &Auth,
    client_id: &Bytes,
) -> Result<(), HandshakeError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let user = match auth {
        Auth::Simple { user } => {
            send(writer, &[&PREAMBLE[..], &[AUTH_NONE]].concat()).await?;
            Some(UserInfo { effective_user: Some(user.clone()) })
        }
        Auth::Token(token) => {
            send(writer, &[&PREAMBLE[..], &[AUTH_SASL]].concat()).await?;
            authenticate(reader, writer, token).await?;
            None
        }
    };
    let context = ConnectionContext { user, protocol: Some(protocol.name.to_owned()) };
    send_message(writer, CALL_CONTEXT, client_id.clone(), &context).await
}

async fn authenticate<R, W>(reader: &mut FrameReader<R>, writer: &mut W, token: &Token) -> Result<(), HandshakeError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    send_message(writer, CALL_SASL, Bytes::new(), &SaslMessage::of(SaslState::Negotiate)).await?;
    let offer = receive(reader).await?;
    if offer.said() != Some(SaslState::Negotiate) {
        return Err(unexpected(&offer, "its offer of methods"));
    }
    let auth = choose(offer.auths)?;
    let challenge = auth.challenge.clone().unwrap_or_default();
    let uri = format!("{}/{}", auth.protocol.as_deref().unwrap_or(""), auth.server_id.as_deref().unwrap_or(""));
    let mut nonce = [0_u8; 16];
    rand::rng().fill_bytes(&mut nonce);
    let cnonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
    let digest = DigestMd5::answer(&challenge, token, &uri, &cnonce).map_err(HandshakeError::Sasl)?;
    let initiate = SaslMessage {
        token: Some(digest.response().as_bytes().to_vec()),
        auths: vec![SaslAuth { challenge: None, ..auth }],
        ..SaslMessage::of(SaslState::Initiate)
    };
    send_message(writer, CALL_SASL, Bytes::new(), &initiate).await?;
    let answer = receive(reader).await?;
    if answer.said() != Some(SaslState::Success) {
        return Err(unexpected(&answer, "the end of the authentication"));
    }
    digest.verify(answer.token.as_deref().unwrap_or_default()).map_err(HandshakeError::Sasl)
}

fn choose(auths: Vec<SaslAuth>) -> Result<SaslAuth, HandshakeError> {
    let names = || auths.iter().map(|a| format!("{}/{}", a.method, a.mechanism)).collect::<Vec<_>>().join(", ");
    let offered: String = names().chars().take(400).collect();
    auths
        .into_iter()
        .find(|auth| auth.method == "TOKEN" && auth.mechanism == "DIGEST-MD5")
        .ok_or(HandshakeError::Sasl(SaslError::NoMethod { offered, wanted: "TOKEN/DIGEST-MD5" }))
}

fn unexpected(message: &SaslMessage, instead_of: &str) -> HandshakeError {
    let said = message.said().map_or("of no known state".to_owned(), |state| format!("{state:?}"));
    HandshakeError::Unexpected { what: format!("a SASL message {said} instead of {instead_of}") }
}

async fn receive<R: AsyncRead + Unpin>(reader: &mut FrameReader<R>) -> Result<SaslMessage, HandshakeError> {
    let mut frame = reader.next().await.map_err(|error| match error {
        FrameError::Io(source) => HandshakeError::Io(source),
        FrameError::Closed => HandshakeError::Closed,
        other => HandshakeError::Frame(other),
    })?;
    let garbled = || HandshakeError::Unexpected { what: "a message that cannot be read".to_owned() };
    let header: ResponseHeader = take(&mut frame).map_err(|_| garbled())?;
    let status = header.status.and_then(|status| Status::try_from(status).ok()).ok_or_else(garbled)?;
    if status != Status::Success {
        let text = header.error_message.unwrap_or_default();
        return Err(HandshakeError::Refused(Remote::new(header.exception_class.unwrap_or_default(), &text, true)));
    }
    let id = header.call_id.ok_or_else(garbled)?.cast_signed();
    if id != CALL_SASL {
        return Err(HandshakeError::Unexpected { what: format!("an answer to call {id} during SASL") });
    }
    take(&mut frame).map_err(|_| garbled())
}

/// The header of a request; `id` may be one of the special ids.
pub(crate) fn request_header(id: i32, client_id: Bytes) -> RequestHeader {
    RequestHeader {
        kind: Some(KIND_PROTOBUF),
        op: Some(OP_FINAL),
        call_id: id,
        client_id,
        retry_count: Some(if id < 0 { NO_RETRY } else { 0 }),
    }
}

async fn send_message<W, M>(writer: &mut W, id: i32, client_id: Bytes, message: &M) -> Result<(), HandshakeError>
where
    W: AsyncWrite + Unpin,
    M: Message,
{
    let header = request_header(id, client_id).encode_length_delimited_to_vec();
    let body = message.encode_length_delimited_to_vec();
    let frame = frame::frame(&[&header, &body])
        .ok_or_else(|| HandshakeError::Unexpected { what: "a challenge too large to answer".to_owned() })?;
    send(writer, &frame).await
}

async fn send<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8]) -> Result<(), HandshakeError> {
    let fault = |e: io::Error| HandshakeError::Io(Arc::new(e));
    writer.write_all(bytes).await.map_err(fault)?;
    writer.flush().await.map_err(fault)
}
