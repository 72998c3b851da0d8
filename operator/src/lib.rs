//! The YARN application master that reconciles models: one pure [`core`] that decides, and a shell that does.

pub mod allot;
pub mod core;
pub mod key;
pub mod plan;
pub mod seeded;
pub mod settings;
pub mod shell;
pub mod upgrade;
