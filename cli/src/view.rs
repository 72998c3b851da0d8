//! `maasctl watch`: a full-screen view of the tree. What is known and chosen ([`state`]), what a key does ([`keys`]) and
//! what is shown ([`draw`]) are pure; `commands/watch.rs` feeds them and does what they ask for.

pub(crate) mod draw;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod model;
pub(crate) mod state;
pub(crate) mod text;

#[cfg(test)]
mod tests;
