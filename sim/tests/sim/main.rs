//! The real operator in the simulated world.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod outages;
mod queue;
mod scenarios;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod sweep;
