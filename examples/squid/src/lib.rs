//! From log lines in Kafka by way of a model to documents in a search engine, as Metron's configs say it.
//!
//! Bytes come from a topic ([`message`]): [`grok`] makes fields of them, [`transform`] asks the model, [`triage`] judges,
//! [`document`] names; what cannot go on is a [`fault`]. All of these are pure but for what the configs' expressions call.
//! `README.md` says which of Metron's settings are known.

pub mod config;
pub mod dates;
pub mod document;
pub mod fault;
pub mod grok;
pub mod message;
pub mod offsets;
pub mod shipped;
pub mod transform;
pub mod triage;
