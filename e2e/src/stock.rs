//! The libraries of Metron's own clients.

use crate::Error;
use crate::library::{self, Fetch};

const POM: &str = include_str!("../poms/metron.xml");

/// Downloads the libraries that Metron's own clients use, unless that was done before. Returns their class path.
///
/// # Errors
/// Names the missing system package, or shows what the download said.
pub async fn fetch_metron_clients() -> Result<String, Error> {
    let library = library::once("metron-lib", POM, async |library| {
        library::download(library, POM, Fetch::Jars, "jars", "the libraries of Metron's clients (about 7 MB)")
    });
    library::class_path(&library.await?.join("jars"))
}
