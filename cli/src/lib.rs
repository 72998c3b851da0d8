//! `maasctl`, and the verbs of `maas_service.sh` and `maas_deploy.sh`.
//!
//! A command line is read raw (`args`, `legacy`), checked into settings, and given to one function per command
//! (`commands`). Data goes to stdout, everything else to stderr.

#![allow(dead_code)]
pub mod args;
mod edit;
mod legacy;
mod manifest_files;
mod node_logs;
mod output;
mod payload;
mod reference;
mod settings;
