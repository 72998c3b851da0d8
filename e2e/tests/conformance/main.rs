//! The simulated ZooKeeper and ResourceManager and the real ones: the same random scripts must give the same answers,
//! or what the simulation shows is true of the simulation alone.
//!
//! `CONFORMANCE_SEED` plays another script, `CONFORMANCE_OPS` another number of operations. A script that fails is cut
//! down to what is needed for it and printed.
#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod shrink;
mod yarn;
mod zookeeper;

/// A number from the environment.
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

fn seed() -> u64 {
    setting("CONFORMANCE_SEED", 20_261_124)
}
