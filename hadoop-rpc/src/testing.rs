//! A scripted peer, for tests of this crate and of those above it.
