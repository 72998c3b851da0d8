//! Host and port of a daemon.

use std::{fmt, str::FromStr};

/// Where a daemon listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Host name or IP address; an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// A text that is not `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address: write host:port")]
pub struct AddressError {
    /// The text.
    pub text: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let fault = || AddressError { text: text.to_owned() };
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(fault)?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let odd = |c: char| c.is_whitespace() || "/$[]{}".contains(c) || (c == ':' && bare.is_none());
        if host.is_empty() || host.contains(odd) {
            return Err(fault());
        }
        Ok(Self { host: host.to_owned(), port: port.parse().map_err(|_| fault())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_print_back() {
        for text in ["rm1:8032", "127.0.0.1:8030", "[::1]:1"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in ["rm1", ":1", "a b:1", "a:99999", "${host}:1", "::1:80", "http://x:1"] {
            assert_eq!(text.parse::<Address>().unwrap_err().text, text);
        }
    }
}
