//! Callers of models: who answers now, which of them to ask, and a call that survives an instance's end.
//!
//! ```no_run
//! # async fn story() -> Result<(), Box<dyn std::error::Error>> {
//! use maas_client::{Client, Options, Wanted};
//! use maas_store::Config;
//!
//! let client = Client::open(Config::new("node1:2181"), Options::default()).await?;
//! let verdict = client.apply(Wanted::newest("dga"), "apply", &[("host", Some("yahoo.com"))]).await?;
//! println!("{}", verdict["is_malicious"]);
//! # Ok(())
//! # }
//! ```
//!
//! - **Pushed.** One session follows the tree; a call reads nothing of ZooKeeper. While ZooKeeper is away the last known
//!   endpoints stay, and [`Client::is_stale`] says so.
//! - **The newest version that lives**: versions are ordered as people count (10.0 is newer than 9.0), and one without a live
//!   endpoint is passed over, unless a version is named.
//! - **Safe to repeat, repeated once.** What failed on one instance is tried on another where that can do no harm: a GET, or any
//!   call that was never sent.

mod call;
mod choose;
mod directory;
mod http;

pub use call::{Answer, Client, Metrics, Options};
pub use choose::{Choice, Target, View, Wanted};
pub use directory::Directory;
pub use http::{CallError, Question};
