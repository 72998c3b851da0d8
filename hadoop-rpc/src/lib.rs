//! Hadoop RPC version 9: framing, SASL, tokens, deadlines, failover.
//!
//! The crate carries any protobuf protocol of Hadoop and knows none. A [`Client`] belongs to one protocol and a list of
//! addresses that serve it; it connects when first used, tries the next address when one is away or on standby, and ends
//! every call at its deadline. An [`Error`] says whether the call may have had its effect, which decides what may be
//! repeated.
//!
//! ```no_run
//! use std::time::Duration;
//! use hadoop_rpc::{Address, Auth, Client, Error, Protocol};
//!
//! #[derive(Clone, PartialEq, prost::Message)]
//! struct NewApplication {}
//!
//! # async fn example() -> Result<(), Error> {
//! let protocol = Protocol { name: "org.apache.hadoop.yarn.api.ApplicationClientProtocolPB", version: 1 };
//! let addresses = vec![Address { host: "rm1".into(), port: 8032 }, Address { host: "rm2".into(), port: 8032 }];
//! let client = Client::new(protocol, addresses, Auth::Simple { user: "ann".into() });
//! let answer: NewApplication = client.call("getNewApplication", &NewApplication {}, Duration::from_secs(5)).await?;
//! # Ok(()) }
//! ```
//!
//! Authentication is SIMPLE or by token (SASL DIGEST-MD5, quality of protection `auth`). Kerberos, and clusters that
//! allow only wrapped traffic (`hadoop.rpc.protection` without `authentication`), are refused by name.

mod address;
mod client;
pub mod conf;
mod connection;
mod error;
mod frame;
mod handshake;
mod header;
mod peer;
mod sasl;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
mod varint;

pub use address::{Address, AddressError};
pub use client::Client;
pub use conf::Conf;
pub use error::{Error, HandshakeError, Remote};
pub use frame::FrameError;
pub use peer::{Auth, Protocol};
pub use token::{Credentials, Token};
