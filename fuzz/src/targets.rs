//! The targets, one a file.

pub mod announcement;
pub mod conf;
pub mod edits;
pub mod launch;
pub mod legacy;
pub mod manifest;
pub mod paths;
pub mod quantities;
pub mod records;
pub mod rpc;
pub mod tokens;
pub mod yarn;
