//! From log lines in Kafka by way of a model to documents in a search engine, as Metron's configs say it.
//!
//! Bytes come from a topic ([`message`]): [`grok`] makes fields of them, [`transform`] asks the model, [`triage`] judges,
//! [`document`] names; what cannot go on is a [`fault`]. All of these are pure but for what the configs' expressions call.
//! Around them stands the IO: [`follow`] has the configs from ZooKeeper, [`kafka`] and [`search`] read and write, [`model`]
//! asks, and [`flow`] keeps messages in order, bounded and safe.
//!
//! `README.md` says which of Metron's settings are known.

pub mod config;
pub mod configs;
pub mod dates;
pub mod document;
pub mod fault;
pub mod flow;
pub mod follow;
pub mod grok;
pub mod kafka;
pub mod message;
pub mod metrics;
pub mod model;
pub mod offsets;
pub mod search;
pub mod shipped;
mod sink;
pub mod transform;
pub mod tree;
pub mod triage;
