//! Tokens, and the files and texts that carry them (`org.apache.hadoop.security.Credentials`, `token.Token`).

use std::{collections::BTreeMap, fmt, io, path::Path, sync::Arc};

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use prost::Message;

use crate::varint::{Short, put_bytes, put_vlong, take_bytes, take_vlong};

/// Token files are a few hundred bytes; with many file systems a few thousand.
const MAX_FILE: u64 = 4 * 1024 * 1024;
const MAX_ENTRIES: i64 = 10_000;
const MAGIC: &[u8] = b"HDTS";
/// Java writes no padding, and reads both.
const URL_BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A token: what is known (`identifier`), what proves it (`password`), and what it is for. `Debug` hides the password.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// Opaque to its bearer.
    pub identifier: Vec<u8>,
    /// The secret.
    pub password: Vec<u8>,
    /// What sort of token, such as `YARN_AM_RM_TOKEN`.
    pub kind: String,
    /// For which service, often `ip:port`; may be empty.
    pub service: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} for {:?}, {} bytes)", self.kind, self.service, self.identifier.len())
    }
}

/// A token or token file that cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the token file {path}")]
    File {
        /// Its path.
        path: String,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// It has no `HDTS` at its start.
    #[error("not a token file: it does not begin with HDTS")]
    Magic,
    /// Another version than 0 or 1.
    #[error("the token file has format version {version}; 0 and 1 can be read")]
    Version {
        /// Its version.
        version: u8,
    },
    /// It ends too early or says impossible lengths.
    #[error("the token or token file is damaged")]
    Damaged,
    /// The text is not url-safe base64.
    #[error("the token text is not url-safe base64")]
    Base64,
}

impl From<Short> for TokenError {
    fn from(_: Short) -> Self {
        Self::Damaged
    }
}

impl Token {
    /// Reads the text form (`Token.decodeFromUrlString`).
    pub fn from_url_string(text: &str) -> Result<Self, TokenError> {
        let bytes = URL_BASE64.decode(text.trim()).map_err(|_| TokenError::Base64)?;
        Self::take(&mut bytes.as_slice())
    }

    /// Writes the text form (`Token.encodeToUrlString`). It holds the password.
    pub fn to_url_string(&self) -> String {
        let mut out = Vec::new();
        self.put(&mut out);
        URL_BASE64.encode(out)
    }

    fn take(input: &mut &[u8]) -> Result<Self, TokenError> {
        let identifier = take_bytes(input)?.to_vec();
        let password = take_bytes(input)?.to_vec();
        Ok(Self { identifier, password, kind: take_text(input)?, service: take_text(input)? })
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.identifier);
        put_bytes(out, &self.password);
        put_bytes(out, self.kind.as_bytes());
        put_bytes(out, self.service.as_bytes());
    }
}

fn take_text(input: &mut &[u8]) -> Result<String, TokenError> {
    String::from_utf8(take_bytes(input)?.to_vec()).map_err(|_| TokenError::Damaged)
}

fn take_count(input: &mut &[u8]) -> Result<i64, TokenError> {
    Some(take_vlong(input)?).filter(|count| (0..=MAX_ENTRIES).contains(count)).ok_or(TokenError::Damaged)
}

/// The tokens and secrets of a process, by alias. `Debug` hides the secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Tokens by alias; a token's alias may be the empty text.
    pub tokens: BTreeMap<String, Token>,
    /// Other secrets by alias.
    pub secrets: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("tokens", &self.tokens)
            .field("secrets", &self.secrets.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl Credentials {
    /// Reads a token file, such as the one `HADOOP_TOKEN_FILE_LOCATION` names. Blocks for the time of one small read.
    pub fn load(path: &Path) -> Result<Self, TokenError> {
        let fault = |e| TokenError::File { path: path.display().to_string(), source: Arc::new(e) };
        let file = std::fs::File::open(path).map_err(fault)?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, MAX_FILE), &mut bytes).map_err(fault)?;
        Self::from_bytes(&bytes)
    }

    /// Reads the content of a token file, version 0 (Writable) or 1 (protobuf).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(TokenError::Magic)?;
        match rest.split_first() {
            Some((0, rest)) => Self::from_writable(rest),
            Some((1, rest)) => Self::from_protobuf(rest),
            Some((version, _)) => Err(TokenError::Version { version: *version }),
            None => Err(TokenError::Damaged),
        }
    }

    fn from_writable(mut input: &[u8]) -> Result<Self, TokenError> {
        let mut credentials = Self::default();
        for _ in 0..take_count(&mut input)? {
            let alias = take_text(&mut input)?;
            credentials.tokens.insert(alias, Token::take(&mut input)?);
        }
        for _ in 0..take_count(&mut input)? {
            let alias = take_text(&mut input)?;
            credentials.secrets.insert(alias, take_bytes(&mut input)?.to_vec());
        }
        Ok(credentials)
    }

    fn from_protobuf(input: &[u8]) -> Result<Self, TokenError> {
        let message = CredentialsMessage::decode_length_delimited(input).map_err(|_| TokenError::Damaged)?;
        let mut credentials = Self::default();
        for entry in message.tokens {
            credentials.tokens.insert(entry.alias, entry.token.ok_or(TokenError::Damaged)?.into());
        }
        for entry in message.secrets {
            credentials.secrets.insert(entry.alias, entry.secret.ok_or(TokenError::Damaged)?);
        }
        Ok(credentials)
    }

    /// The content of a token file, version 0: what every Hadoop reads, and what a container's launch takes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = [MAGIC, &[0]].concat();
        put_vlong(&mut out, i64::try_from(self.tokens.len()).unwrap_or(i64::MAX));
        for (alias, token) in &self.tokens {
            put_bytes(&mut out, alias.as_bytes());
            token.put(&mut out);
        }
        put_vlong(&mut out, i64::try_from(self.secrets.len()).unwrap_or(i64::MAX));
        for (alias, secret) in &self.secrets {
            put_bytes(&mut out, alias.as_bytes());
            put_bytes(&mut out, secret);
        }
        out
    }

    /// The first token of a kind.
    pub fn of_kind(&self, kind: &str) -> Option<&Token> {
        self.tokens.values().find(|token| token.kind == kind)
    }
}

/// `TokenProto`, for protocols that carry tokens in their messages.
#[derive(Clone, PartialEq, Message)]
pub struct TokenMessage {
    /// [`Token::identifier`].
    #[prost(bytes = "vec", required, tag = "1")]
    pub identifier: Vec<u8>,
    /// [`Token::password`].
    #[prost(bytes = "vec", required, tag = "2")]
    pub password: Vec<u8>,
    /// [`Token::kind`].
    #[prost(string, required, tag = "3")]
    pub kind: String,
    /// [`Token::service`].
    #[prost(string, required, tag = "4")]
    pub service: String,
}

impl From<TokenMessage> for Token {
    fn from(message: TokenMessage) -> Self {
        let TokenMessage { identifier, password, kind, service } = message;
        Self { identifier, password, kind, service }
    }
}

impl From<Token> for TokenMessage {
    fn from(token: Token) -> Self {
        let Token { identifier, password, kind, service } = token;
        Self { identifier, password, kind, service }
    }
}

#[derive(Clone, PartialEq, Message)]
struct CredentialsMessage {
    #[prost(message, repeated, tag = "1")]
    tokens: Vec<CredentialsEntry>,
    #[prost(message, repeated, tag = "2")]
    secrets: Vec<CredentialsEntry>,
}

#[derive(Clone, PartialEq, Message)]
struct CredentialsEntry {
    #[prost(string, required, tag = "1")]
    alias: String,
    #[prost(message, optional, tag = "2")]
    token: Option<TokenMessage>,
    #[prost(bytes = "vec", optional, tag = "3")]
    secret: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(kind: &str) -> Token {
        Token { identifier: vec![7; 300], password: b"secret".to_vec(), kind: kind.into(), service: "1.2.3.4:5".into() }
    }

    #[test]
    fn a_token_text_reads_and_writes() {
        let read = Token::from_url_string("AmlkAnB3AUsBcw").unwrap();
        assert_eq!((read.identifier.as_slice(), read.password.as_slice()), (&b"id"[..], &b"pw"[..]));
        assert_eq!((read.kind.as_str(), read.service.as_str()), ("K", "s"));
        assert_eq!(read.to_url_string(), "AmlkAnB3AUsBcw");
    }

    #[test]
    fn both_file_versions_read_back() {
        let mut credentials = Credentials::default();
        credentials.tokens.insert(String::new(), token("YARN_AM_RM_TOKEN"));
        credentials.tokens.insert("b".into(), token("other"));
        credentials.secrets.insert("s".into(), vec![0, 255]);
        assert_eq!(Credentials::from_bytes(&credentials.to_bytes()).unwrap(), credentials);
        assert_eq!(credentials.of_kind("other"), Some(&token("other")));

        let entry = |alias: &str, token: Option<Token>, secret| CredentialsEntry {
            alias: alias.into(),
            token: token.map(Into::into),
            secret,
        };
        let message = CredentialsMessage {
            tokens: credentials.tokens.iter().map(|(a, t)| entry(a, Some(t.clone()), None)).collect(),
            secrets: vec![entry("s", None, Some(vec![0, 255]))],
        };
        let bytes = [b"HDTS\x01".to_vec(), message.encode_length_delimited_to_vec()].concat();
        assert_eq!(Credentials::from_bytes(&bytes).unwrap(), credentials);
    }

    #[test]
    fn damage_is_an_error_at_every_byte() {
        let mut credentials = Credentials::default();
        credentials.tokens.insert("a".into(), token("k"));
        let bytes = credentials.to_bytes();
        for cut in 0..bytes.len() {
            assert!(Credentials::from_bytes(&bytes[..cut]).is_err(), "{cut}");
        }
        assert!(matches!(Credentials::from_bytes(b"HDTS\x02"), Err(TokenError::Version { version: 2 })));
    }

    #[test]
    fn debug_hides_the_password() {
        let shown = format!("{:?}", token("k"));
        assert_eq!(shown, r#"Token(k for "1.2.3.4:5", 300 bytes)"#);
    }

    proptest! {
        #[test]
        fn no_file_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), version in 0_u8..3) {
            let _ = Credentials::from_bytes(&[b"HDTS".to_vec(), vec![version], bytes.clone()].concat());
            let _ = Token::from_url_string(&URL_BASE64.encode(bytes));
        }
    }
}
