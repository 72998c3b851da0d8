//! Where manifests come from: files, directories and stdin. Nothing is read whole that is larger than manifests are.

use std::collections::BTreeSet;
use std::fs::{File, FileType};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Source;
use crate::output::printable;

/// One input may hold many documents; beyond this it is no manifest.
const FILE_LIMIT: u64 = 8 * 1024 * 1024;
/// Most bytes of all inputs together.
const TOTAL_LIMIT: usize = 256 * 1024 * 1024;
/// Deepest nesting of directories that is followed.
const DEPTH_LIMIT: usize = 64;

/// Reads every input, in order, each file once; a directory's files by name, its subdirectories only if `recursive`. What
/// can't be read is told of in its place.
///
/// What a user names is read, whatever it is. In a directory, a link that leads out of it, and what is no file, is
/// refused; names that begin with a dot are passed over.
pub(crate) fn read_all(inputs: &[PathBuf], recursive: bool) -> Vec<Source> {
    let mut reading = Reading { recursive, sources: Vec::new(), seen: BTreeSet::new(), total: 0 };
    for input in inputs {
        if input.as_os_str() == "-" {
            reading.push("stdin".to_owned(), content(std::io::stdin().lock()));
        } else if input.is_dir() {
            reading.directory(input);
        } else {
            reading.file(input);
        }
    }
    reading.sources
}

struct Reading {
    recursive: bool,
    sources: Vec<Source>,
    /// Files that were read, by the path without links.
    seen: BTreeSet<PathBuf>,
    total: usize,
}

impl Reading {
    fn push(&mut self, name: String, content: Result<Vec<u8>, String>) {
        self.total += content.as_ref().map_or(0, Vec::len);
        let content = match content {
            Ok(_) if self.total > TOTAL_LIMIT => {
                Err(format!("with it, the files hold more than {} MiB: apply them in several steps", TOTAL_LIMIT >> 20))
            }
            content => content,
        };
        self.sources.push(Source { name, content });
    }

    fn refuse(&mut self, path: &Path, why: impl Into<String>) {
        self.push(shown(path), Err(why.into()));
    }

    /// Pipes and devices have no path without links that would tell them apart.
    fn file(&mut self, path: &Path) {
        let is_file = path.metadata().is_ok_and(|about| about.is_file());
        if let Some(path) = is_file.then(|| path.canonicalize().ok()).flatten()
            && !self.seen.insert(path)
        {
            return;
        }
        self.push(shown(path), read_file(path));
    }

    fn directory(&mut self, top: &Path) {
        let before = self.sources.len();
        let mut found = Found::default();
        match top.canonicalize() {
            Ok(real) => found.walk(top, &real, self.recursive, 0),
            Err(error) => found.refused.push((top.to_owned(), unread(&error))),
        }
        // A link to a file that is read as well is that file.
        let files: BTreeSet<PathBuf> = found.files.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let links = found.links.into_iter().filter(|(_, target)| !files.contains(target)).map(|(link, _)| link);
        let mut all: Vec<(PathBuf, Option<String>)> =
            found.files.into_iter().chain(links).map(|path| (path, None)).collect();
        all.extend(found.refused.into_iter().map(|(path, why)| (path, Some(why))));
        all.sort();
        let empty = all.is_empty();
        for (path, why) in all {
            match why {
                None => self.file(&path),
                Some(why) => self.refuse(&path, why),
            }
        }
        if empty && self.sources.len() == before {
            let deeper = if self.recursive || !found.deeper { "" } else { ": its subdirectories are read with -R" };
            self.refuse(top, format!("no .yaml, .yml or .json file in it{deeper}"));
        }
    }
}

/// What a directory holds.
#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    /// Links to files within the directory, and these.
    links: Vec<(PathBuf, PathBuf)>,
    refused: Vec<(PathBuf, String)>,
    /// Whether there are subdirectories.
    deeper: bool,
}

impl Found {
    /// Looks at all entries of a directory; `top` is the real path of the one that was named.
    fn walk(&mut self, directory: &Path, top: &Path, recursive: bool, depth: usize) {
        if depth > DEPTH_LIMIT {
            self.refused.push((
                directory.to_owned(),
                format!("directories are nested more than {DEPTH_LIMIT} deep: move it up"),
            ));
            return;
        }
        let entries = match directory.read_dir() {
            Ok(entries) => entries,
            Err(error) => {
                self.refused.push((directory.to_owned(), unread(&error)));
                return;
            }
        };
        for entry in entries {
            let about = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
            match about {
                Err(error) => self.refused.push((directory.to_owned(), unread(&error))),
                Ok((path, _)) if is_hidden(&path) => {}
                Ok((path, kind)) if kind.is_dir() => {
                    self.deeper = true;
                    if recursive {
                        self.walk(&path, top, recursive, depth + 1);
                    }
                }
                Ok((path, kind)) if kind.is_symlink() => self.link(path, top, recursive),
                Ok((path, kind)) if is_manifest(&path) => self.entry(path, kind),
                Ok(_) => {}
            }
        }
    }

    fn entry(&mut self, path: PathBuf, kind: FileType) {
        if kind.is_file() {
            self.files.push(path);
        } else {
            self.refused.push((path, "it is no file: take it out, or name what you mean with -f".to_owned()));
        }
    }

    fn link(&mut self, path: PathBuf, top: &Path, recursive: bool) {
        let target = match path.canonicalize() {
            Ok(target) => target,
            Err(_) if !is_manifest(&path) => return,
            Err(error) => {
                return self.refused.push((path, format!("the link leads nowhere ({error}): mend it or take it out")));
            }
        };
        let is_directory = target.is_dir();
        if !(is_manifest(&path) || is_directory && recursive) {
            return;
        }
        if !target.starts_with(top) {
            let why = format!("it is a link to {}, outside of the directory: name that with -f", shown(&target));
            self.refused.push((path, why));
        } else if is_directory {
            // What it leads to is read where it stands.
        } else if target.is_file() {
            self.links.push((path, target));
        } else {
            self.refused.push((path, "it is a link to what is no file: take it out".to_owned()));
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| ["yaml", "yml", "json"].contains(&extension))
}

/// A path as messages show it, with nothing that a terminal obeys.
fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

fn unread(error: &std::io::Error) -> String {
    let next = match error.kind() {
        std::io::ErrorKind::NotFound => ": is the path right?",
        std::io::ErrorKind::PermissionDenied => ": who runs maasctl may not",
        _ => "",
    };
    format!("cannot be read: {error}{next}")
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| unread(&error))?;
    // A file tells its length before; a pipe or a device is read as far as a manifest may be long.
    let length = file.metadata().map_or(0, |about| about.len());
    if length > FILE_LIMIT { Err(too_large()) } else { content(file) }
}

fn content(from: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match from.take(FILE_LIMIT + 1).read_to_end(&mut bytes) {
        Err(error) => Err(unread(&error)),
        Ok(length) if length as u64 > FILE_LIMIT => Err(too_large()),
        Ok(_) => Ok(bytes),
    }
}

fn too_large() -> String {
    format!("it is larger than {} MiB: that is no manifest", FILE_LIMIT >> 20)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(directory: &Path, inputs: &[PathBuf], recursive: bool) -> Vec<String> {
        let named = |source: Source| {
            let name = source.name.strip_prefix(directory.to_str().unwrap()).unwrap_or(&source.name).to_owned();
            match source.content {
                Ok(_) => name.trim_start_matches('/').to_owned(),
                Err(why) => format!("{}: {why}", name.trim_start_matches('/')),
            }
        };
        read_all(inputs, recursive).into_iter().map(named).collect()
    }

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for name in files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        directory
    }

    #[test]
    fn a_directory_gives_its_manifests_by_name() {
        let at = tree(&[
            "b.yml",
            "a.yaml",
            "c.json",
            "notes.txt",
            ".hidden.yaml",
            "sub.yaml/d.yaml",
            "sub/e.yaml",
            ".git/f.yaml",
        ]);
        let inputs = [at.path().to_owned()];
        assert_eq!(names(at.path(), &inputs, false), ["a.yaml", "b.yml", "c.json"]);
        assert_eq!(names(at.path(), &inputs, true), ["a.yaml", "b.yml", "c.json", "sub/e.yaml", "sub.yaml/d.yaml"]);
    }

    #[test]
    fn each_file_is_read_once_however_often_it_is_named() {
        let at = tree(&["a.yaml", "b.yaml"]);
        symlink("a.yaml", at.path().join("z.yaml")).unwrap();
        let inputs = [at.path().join("b.yaml"), at.path().to_owned(), at.path().join("z.yaml")];
        assert_eq!(names(at.path(), &inputs, true), ["b.yaml", "a.yaml"]);
    }

    #[test]
    fn links_are_followed_within_the_directory_and_not_out_of_it() {
        let outside = tree(&["o.yaml", "d/p.yaml"]);
        let at = tree(&["a.yaml", "..data/b.txt", "sub/c.yaml"]);
        symlink("..", at.path().join("sub/loop")).unwrap();
        symlink("loop.yaml", at.path().join("loop.yaml")).unwrap();
        symlink("..data/b.txt", at.path().join("b.yaml")).unwrap();
        symlink(outside.path().join("o.yaml"), at.path().join("o.yaml")).unwrap();
        symlink(outside.path().join("o.yaml"), at.path().join("o.txt")).unwrap();
        symlink(outside.path().join("d"), at.path().join("d")).unwrap();
        let found = names(at.path(), &[at.path().to_owned()], true);
        assert_eq!(found.len(), 6, "{found:#?}");
        assert_eq!([&found[0], &found[1], &found[5]], ["a.yaml", "b.yaml", "sub/c.yaml"]);
        assert!(
            found[2].starts_with("d: it is a link to ") && found[2].contains("outside of the directory"),
            "{}",
            found[2]
        );
        assert!(found[3].starts_with("loop.yaml: the link leads nowhere"), "{}", found[3]);
        assert!(
            found[4].starts_with("o.yaml: it is a link to ") && found[4].ends_with("name that with -f"),
            "{}",
            found[4]
        );
        assert_eq!(names(at.path(), &[at.path().join("o.yaml")], false), ["o.yaml"], "named, it is read");
    }

    #[test]
    fn what_cannot_be_read_is_told_in_its_place() {
        let at = tree(&["sub/a.yaml"]);
        let inputs = [at.path().to_owned(), at.path().join("none.yaml"), at.path().join("sub")];
        assert_eq!(
            names(at.path(), &inputs, false),
            [
                ": no .yaml, .yml or .json file in it: its subdirectories are read with -R",
                "none.yaml: cannot be read: No such file or directory (os error 2): is the path right?",
                "sub/a.yaml"
            ]
        );
    }

    #[test]
    fn what_is_too_large_is_not_read() {
        let at = tree(&["a.yaml"]);
        File::options().write(true).open(at.path().join("a.yaml")).unwrap().set_len(300 << 20).unwrap();
        let told = names(at.path(), &[at.path().to_owned(), "/dev/zero".into()], false);
        assert_eq!(
            told,
            [
                "a.yaml: it is larger than 8 MiB: that is no manifest",
                "dev/zero: it is larger than 8 MiB: that is no manifest"
            ]
        );
    }
}
