//! A directory that no repository holds: what its files say now.

use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::source::{FILE_LIMIT, FILES_LIMIT, File, Revision, Snapshot, TOTAL_LIMIT, is_manifest};

/// Deepest nesting of directories that is followed.
const DEPTH_LIMIT: usize = 64;

/// Why a directory could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    #[error("cannot read {0}")]
    Read(String, #[source] std::io::Error),
    #[error(
        "{0} has more than {FILES_LIMIT} manifests, or more than {TOTAL_LIMIT} bytes of them: narrow it with --path"
    )]
    TooMany(String),
    #[error("{0} is nested more than {DEPTH_LIMIT} deep")]
    TooDeep(String),
}

/// What tells that a file may hold something else than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<(PathBuf, Option<Written>)>);

/// Inode, length, and when it was written: seconds and nanoseconds.
type Written = (u64, u64, i64, i64);

impl Stamp {
    /// When each of these was written. Nothing is opened.
    pub(crate) fn of(paths: Vec<PathBuf>) -> Self {
        let key = |about: Metadata| -> Written { (about.ino(), about.len(), about.mtime(), about.mtime_nsec()) };
        let stamped = |path: PathBuf| {
            let about = std::fs::metadata(&path).ok().map(key);
            (path, about)
        };
        Self(paths.into_iter().map(stamped).collect())
    }
}

/// When each manifest was written, and which there are.
pub(crate) fn stamp(top: &Path) -> Result<Stamp, DirectoryError> {
    walk(top).map(Stamp::of)
}

/// Every manifest at or below a directory. A file that can't be read is told of in its place.
pub(crate) fn read(top: &Path) -> Result<Snapshot, DirectoryError> {
    let mut digest = Sha256::new();
    let mut files = Vec::new();
    let mut total = 0;
    for path in walk(top)? {
        let name = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().replace(char::is_control, "?");
        let content = read_file(top, &path);
        let length = content.as_ref().map_or(u64::MAX, |content| content.len() as u64);
        digest.update((name.len() as u64).to_be_bytes());
        digest.update(&name);
        digest.update(length.to_be_bytes());
        if let Ok(content) = &content {
            digest.update(content);
            total += length;
        }
        if total > TOTAL_LIMIT {
            return Err(DirectoryError::TooMany(top.display().to_string()));
        }
        files.push(File { name, content });
    }
    let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Snapshot { revision: Revision { branch: None, id: format!("sha256:{digest}") }, files })
}

fn read_file(top: &Path, path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    let real = std::fs::canonicalize(path).map_err(failed)?;
    if !real.starts_with(top) {
        return Err(format!("a link out of {}: put the file itself there", top.display()));
    }
    // A pipe or device would never end, or never begin.
    if !std::fs::metadata(&real).map_err(failed)?.is_file() {
        return Err("no file: a manifest must be a regular one".to_owned());
    }
    let mut content = Vec::new();
    let file = std::fs::File::open(&real).map_err(failed)?;
    file.take(FILE_LIMIT + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > FILE_LIMIT {
        return Err(format!("more than the {FILE_LIMIT} bytes of a file of manifests"));
    }
    Ok(content)
}

/// The paths of all manifests, sorted. Links to directories are not followed, so that none leads in circles.
fn walk(top: &Path) -> Result<Vec<PathBuf>, DirectoryError> {
    let mut found = Vec::new();
    let mut left = vec![(top.to_owned(), 0)];
    while let Some((directory, depth)) = left.pop() {
        if depth > DEPTH_LIMIT {
            return Err(DirectoryError::TooDeep(directory.display().to_string()));
        }
        let failed = |error| DirectoryError::Read(directory.display().to_string(), error);
        for entry in std::fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if entry.file_type().map_err(failed)?.is_dir() {
                left.push((path, depth + 1));
            } else if is_manifest(&entry.file_name().to_string_lossy()) && !path.is_dir() {
                found.push(path);
            }
            if found.len() > FILES_LIMIT {
                return Err(DirectoryError::TooMany(top.display().to_string()));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_found_below_and_nothing_leads_out() {
        let temporary = tempfile::tempdir().unwrap();
        let top = std::fs::canonicalize(temporary.path()).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::write(elsewhere.path().join("x.yaml"), "secret").unwrap();
        std::fs::create_dir_all(top.join("soc/.hidden")).unwrap();
        for name in ["b.yaml", "soc/a.yml", "soc/.hidden/h.yaml", "notes.txt"] {
            std::fs::write(top.join(name), name).unwrap();
        }
        let link = |to: &Path, at: &str| std::os::unix::fs::symlink(to, top.join(at)).unwrap();
        link(&elsewhere.path().join("x.yaml"), "c.yaml");
        link(&top.join("b.yaml"), "d.yaml");
        link(&top.join("e.yaml"), "e.yaml");
        link(&top, "soc/loop");
        let read = read(&top).unwrap();
        let names: Vec<_> = read.files.iter().map(|file| (file.name.as_str(), file.content.is_ok())).collect();
        assert_eq!(
            names,
            [("b.yaml", true), ("c.yaml", false), ("d.yaml", true), ("e.yaml", false), ("soc/a.yml", true)]
        );
        assert!(read.files[1].content.as_ref().unwrap_err().contains("a link out of"));
    }

    #[test]
    fn what_differs_has_another_revision_and_stamp() {
        let temporary = tempfile::tempdir().unwrap();
        let top = std::fs::canonicalize(temporary.path()).unwrap();
        std::fs::write(top.join("a.yaml"), "1").unwrap();
        let (first, stamped) = (read(&top).unwrap(), stamp(&top).unwrap());
        assert_eq!((read(&top).unwrap(), stamp(&top).unwrap()), (first.clone(), stamped.clone()));
        std::fs::write(top.join("a.yaml"), "22").unwrap();
        assert_ne!(read(&top).unwrap().revision, first.revision);
        assert_ne!(stamp(&top).unwrap(), stamped);
        std::fs::rename(top.join("a.yaml"), top.join("b.yaml")).unwrap();
        std::fs::write(top.join("b.yaml"), "1").unwrap();
        assert_ne!(read(&top).unwrap().revision, first.revision, "another name");
    }
}
