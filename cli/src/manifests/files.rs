//! Where manifests come from: files, directories and stdin.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::Source;

/// One file may hold many documents; beyond this it is no manifest.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Why an input could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// Not there, no permission.
    #[error("cannot read {name}")]
    Read {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Beyond all measure.
    #[error("{0} is larger than {MAX_BYTES} bytes: that is no manifest")]
    TooLarge(String),
    /// A directory without manifests.
    #[error("{0} holds no .yaml, .yml or .json file")]
    EmptyDirectory(String),
}

/// Reads every input, in order; a directory's files by name, its subdirectories not.
pub(crate) fn read_all(inputs: &[PathBuf]) -> Result<Vec<Source>, SourceError> {
    let mut sources = Vec::new();
    for input in inputs {
        if input.as_os_str() == "-" {
            sources.push(read("stdin".to_owned(), std::io::stdin().lock())?);
        } else if input.is_dir() {
            sources.extend(read_directory(input)?);
        } else {
            sources.push(read_file(input)?);
        }
    }
    Ok(sources)
}

fn read_directory(directory: &Path) -> Result<Vec<Source>, SourceError> {
    let failed = |source| SourceError::Read { name: directory.display().to_string(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let manifest = path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| ["yaml", "yml", "json"].contains(&extension));
        if manifest && path.is_file() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(SourceError::EmptyDirectory(directory.display().to_string()));
    }
    paths.sort();
    paths.iter().map(|path| read_file(path)).collect()
}

fn read_file(path: &Path) -> Result<Source, SourceError> {
    let name = path.display().to_string();
    match std::fs::File::open(path) {
        Ok(file) => read(name, file),
        Err(source) => Err(SourceError::Read { name, source }),
    }
}

fn read(name: String, from: impl Read) -> Result<Source, SourceError> {
    let mut bytes = Vec::new();
    match from.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
        Err(source) => Err(SourceError::Read { name, source }),
        Ok(length) if length as u64 > MAX_BYTES => Err(SourceError::TooLarge(name)),
        Ok(_) => Ok(Source { name, bytes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_gives_its_manifests_by_name() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yaml", "c.json", "notes.txt"] {
            std::fs::write(directory.path().join(name), name).unwrap();
        }
        std::fs::create_dir(directory.path().join("sub.yaml")).unwrap();
        let texts: Vec<_> = read_all(&[directory.path().to_owned()])
            .unwrap()
            .into_iter()
            .map(|source| String::from_utf8(source.bytes).unwrap())
            .collect();
        assert_eq!(texts, ["a.yaml", "b.yml", "c.json"]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let message = |input: &Path| read_all(&[input.to_owned()]).unwrap_err().to_string();
        assert!(message(Path::new("/nowhere.yaml")).contains("/nowhere.yaml"));
        assert!(message(tempfile::tempdir().unwrap().path()).contains("holds no .yaml"));
    }
}
