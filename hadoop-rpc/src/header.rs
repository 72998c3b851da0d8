//! The envelope messages of Hadoop RPC: RpcHeader.proto, IpcConnectionContext.proto, ProtobufRpcEngine2.proto, and the
//! SASL message. Only the fields that are used.

use prost::{DecodeError, Message};

/// `RpcKindProto.RPC_PROTOCOL_BUFFER`.
pub(crate) const KIND_PROTOBUF: i32 = 2;
/// `RpcRequestHeaderProto.OperationProto.RPC_FINAL_PACKET`.
pub(crate) const OP_FINAL: i32 = 0;
/// Call id of SASL messages (`AuthProtocol.SASL.callId`).
pub(crate) const CALL_SASL: i32 = -33;
/// Call id of the connection context (`RpcConstants.CONNECTION_CONTEXT_CALL_ID`).
pub(crate) const CALL_CONTEXT: i32 = -3;
/// `RpcConstants.INVALID_RETRY_COUNT`.
pub(crate) const NO_RETRY: i32 = -1;
/// Magic, version 9, service class 0; the authentication byte follows.
pub(crate) const PREAMBLE: [u8; 6] = *b"hrpc\x09\x00";
/// Authentication byte: what follows is SASL.
pub(crate) const AUTH_SASL: u8 = 0xdf;
/// Authentication byte: none.
pub(crate) const AUTH_NONE: u8 = 0;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RequestHeader {
    #[prost(int32, optional, tag = "1")]
    pub(crate) kind: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) op: Option<i32>,
    #[prost(sint32, required, tag = "3")]
    pub(crate) call_id: i32,
    #[prost(bytes = "bytes", required, tag = "4")]
    pub(crate) client_id: bytes::Bytes,
    #[prost(sint32, optional, tag = "5")]
    pub(crate) retry_count: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResponseHeader {
    /// Unsigned on the wire; special ids are negative numbers in disguise. Required, as is the status: prost would read
    /// what is missing as an answer to call 0, and a good one.
    #[prost(uint32, optional, tag = "1")]
    pub(crate) call_id: Option<u32>,
    #[prost(enumeration = "Status", optional, tag = "2")]
    pub(crate) status: Option<i32>,
    #[prost(string, optional, tag = "4")]
    pub(crate) exception_class: Option<String>,
    #[prost(string, optional, tag = "5")]
    pub(crate) error_message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Status {
    Success = 0,
    Error = 1,
    Fatal = 2,
}

/// `RequestHeaderProto`: which method of which protocol.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MethodHeader {
    #[prost(string, required, tag = "1")]
    pub(crate) method: String,
    #[prost(string, required, tag = "2")]
    pub(crate) protocol: String,
    #[prost(uint64, required, tag = "3")]
    pub(crate) version: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ConnectionContext {
    #[prost(message, optional, tag = "2")]
    pub(crate) user: Option<UserInfo>,
    #[prost(string, optional, tag = "3")]
    pub(crate) protocol: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct UserInfo {
    #[prost(string, optional, tag = "1")]
    pub(crate) effective_user: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SaslMessage {
    #[prost(uint32, optional, tag = "1")]
    pub(crate) version: Option<u32>,
    #[prost(enumeration = "SaslState", optional, tag = "2")]
    pub(crate) state: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(crate) token: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) auths: Vec<SaslAuth>,
}

impl SaslMessage {
    pub(crate) fn of(state: SaslState) -> Self {
        Self { state: Some(state.into()), ..Self::default() }
    }

    /// None for one that is missing or not known: `state()` would say Success.
    pub(crate) fn said(&self) -> Option<SaslState> {
        SaslState::try_from(self.state?).ok()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum SaslState {
    Success = 0,
    Negotiate = 1,
    Initiate = 2,
    Challenge = 3,
    Response = 4,
    Wrap = 5,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SaslAuth {
    #[prost(string, required, tag = "1")]
    pub(crate) method: String,
    #[prost(string, required, tag = "2")]
    pub(crate) mechanism: String,
    #[prost(string, optional, tag = "3")]
    pub(crate) protocol: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(crate) server_id: Option<String>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub(crate) challenge: Option<Vec<u8>>,
}

/// Takes one length-delimited message off the front. A length beyond the frame is an error, as is any other fault.
pub(crate) fn take<M: Message + Default>(frame: &mut bytes::Bytes) -> Result<M, DecodeError> {
    M::decode_length_delimited(frame)
}
