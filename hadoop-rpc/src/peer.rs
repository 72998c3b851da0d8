//! Which protocol is spoken, and as whom.

use std::fmt;

use crate::token::Token;

/// A protocol as Hadoop names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Name, such as `org.apache.hadoop.yarn.api.ApplicationClientProtocolPB`.
    pub name: &'static str,
    /// Version.
    pub version: u64,
}

/// How the client says who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// A name that is believed: clusters without Kerberos.
    Simple {
        /// The user's name.
        user: String,
    },
    /// A token (SASL DIGEST-MD5). The connection's user is the token's.
    Token(Token),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple { user } => write!(f, "Simple({user})"),
            Self::Token(token) => token.fmt(f),
        }
    }
}
