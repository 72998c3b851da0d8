//! A model's local directory: which files it uploads, and the digest that names the directory they are put in.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The announcement that a model leaves behind when it was tried at home; never part of a payload.
const ANNOUNCEMENT: &str = "endpoint.dat";
/// Far more than the operator links into a container; what is larger wants an archive.
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 32;

/// Why a directory cannot be a payload.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PayloadError {
    /// Not there, or a file.
    #[error("{0:?} is not a directory: -lmp names the directory that holds the model's .sh script")]
    NotADirectory(PathBuf),
    /// A directory or file cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No script to start.
    #[error("{0:?} holds no .sh script: exactly one must stand at its top")]
    NoScript(PathBuf),
    /// Nobody can say which script starts the model.
    #[error("{path:?} holds {} .sh scripts ({}): exactly one must stand at its top", names.len(), names.join(", "))]
    ManyScripts {
        /// The directory.
        path: PathBuf,
        /// The scripts.
        names: Vec<String>,
    },
    /// Neither a file nor a directory.
    #[error("{0:?} is neither a file nor a directory")]
    Special(PathBuf),
    /// A name that HDFS cannot hold.
    #[error("{0:?} has a name that HDFS cannot hold: use UTF-8 without ':'")]
    Name(PathBuf),
    /// Too many files or too deep.
    #[error("{path:?} holds more than {MAX_FILES} files, or directories deeper than {MAX_DEPTH}")]
    TooLarge {
        /// The directory.
        path: PathBuf,
    },
}

/// The files of a payload.
#[derive(Debug)]
pub(crate) struct Payload {
    /// Relative path (`/` between parts) to the local file, sorted.
    pub files: BTreeMap<String, PathBuf>,
    /// SHA-256 in hex over every path, length and content.
    pub digest: String,
}

/// Walks `directory` (links are followed) and reads every file once.
pub(crate) fn scan(directory: &Path) -> Result<Payload, PayloadError> {
    if !directory.is_dir() {
        return Err(PayloadError::NotADirectory(directory.to_owned()));
    }
    let mut files = BTreeMap::new();
    collect(directory, directory, "", 0, &mut files)?;
    let scripts: Vec<String> =
        files.keys().filter(|name| !name.contains('/') && name.ends_with(".sh")).cloned().collect();
    match scripts.len() {
        0 => return Err(PayloadError::NoScript(directory.to_owned())),
        1 => {}
        _ => return Err(PayloadError::ManyScripts { path: directory.to_owned(), names: scripts }),
    }
    let digest = digest(&files)?;
    Ok(Payload { files, digest })
}

fn collect(
    top: &Path,
    directory: &Path,
    prefix: &str,
    depth: usize,
    files: &mut BTreeMap<String, PathBuf>,
) -> Result<(), PayloadError> {
    let too_large = || PayloadError::TooLarge { path: top.to_owned() };
    if depth > MAX_DEPTH {
        return Err(too_large());
    }
    let read = |source| PayloadError::Read { path: directory.to_owned(), source };
    for entry in std::fs::read_dir(directory).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name =
            path.file_name().and_then(|name| name.to_str()).filter(|name| !name.contains([':', '\n', '\r', '\0']));
        let name = name.ok_or_else(|| PayloadError::Name(path.clone()))?;
        let relative = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let kind = std::fs::metadata(&path).map_err(|source| PayloadError::Read { path: path.clone(), source })?;
        if kind.is_dir() {
            collect(top, &path, &relative, depth + 1, files)?;
        } else if !kind.is_file() {
            return Err(PayloadError::Special(path));
        } else if name != ANNOUNCEMENT {
            if files.len() >= MAX_FILES {
                return Err(too_large());
            }
            files.insert(relative, path);
        }
    }
    Ok(())
}

fn digest(files: &BTreeMap<String, PathBuf>) -> Result<String, PayloadError> {
    let mut hash = Sha256::new();
    for (name, path) in files {
        let content = sha256_file(path).map_err(|source| PayloadError::Read { path: path.clone(), source })?;
        // A newline is no part of a name, so that no two trees hash the same text.
        hash.update(format!("{content} {name}\n"));
    }
    Ok(hex(&hash.finalize()))
}

/// SHA-256 of a file's content, in hex, read in pieces.
pub(crate) fn sha256_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 256 * 1024];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(piece.get(..read).unwrap_or_default()),
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        directory
    }

    #[test]
    fn subdirectories_are_kept_and_the_announcement_is_left_out() {
        let directory = tree(&[("rest.sh", "#!"), ("dga.py", "x"), ("data/words.txt", "y"), ("endpoint.dat", "{}")]);
        let payload = scan(directory.path()).unwrap();
        assert_eq!(payload.files.keys().collect::<Vec<_>>(), ["data/words.txt", "dga.py", "rest.sh"]);
    }

    #[test]
    fn the_digest_follows_names_and_contents_alone() {
        let digest = |files| scan(tree(files).path()).unwrap().digest;
        let base = digest(&[("rest.sh", "a"), ("b", "c")]);
        assert_eq!(base, digest(&[("b", "c"), ("rest.sh", "a"), ("endpoint.dat", "z")]));
        assert_ne!(base, digest(&[("rest.sh", "a"), ("b", "d")]));
        assert_ne!(base, digest(&[("rest.sh", "a"), ("c", "c")]));
    }

    #[test]
    fn there_must_be_one_script_at_the_top() {
        let message = |files| scan(tree(files).path()).unwrap_err().to_string();
        assert!(message(&[("a.py", "")]).contains("holds no .sh script"));
        assert!(message(&[("b.sh", ""), ("a.sh", "")]).contains("holds 2 .sh scripts (a.sh, b.sh)"));
        assert!(scan(tree(&[("a.sh", ""), ("lib/b.sh", "")]).path()).is_ok());
        assert!(scan(Path::new("/nowhere")).unwrap_err().to_string().contains("is not a directory"));
    }
}
