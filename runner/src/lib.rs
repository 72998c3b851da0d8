//! The first process of a model's container: it starts the model's script, finds out where the model listens, keeps it
//! published while it may be called, and ends it in order.
//!
//! [`life`] decides; everything else does what it says or tells it what happened.

pub mod announce;
pub mod container;
mod diag;
pub mod guard;
pub mod life;
pub mod logs;
pub mod nodes;
pub mod payload;
pub mod ports;
pub mod probe;
pub mod process;
pub mod registration;
pub mod report;
pub mod script;
pub mod supervise;
pub mod usage;
pub mod watch;
