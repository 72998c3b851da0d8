//! Which file of the payload is started, and how.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Longest first line that is looked at; the kernel itself reads 256 bytes (BINPRM_BUF_SIZE).
const MAX_FIRST_LINE: u64 = 256;

/// Most names listed in a message.
const MAX_NAMES: usize = 10;

/// Why no script can be started. None mends itself: the payload or the manifest must change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unstartable {
    /// Nothing to start.
    #[error("{wanted} among the payload's top-level files ({found}); add one, or name it in spec.startup.script")]
    Missing {
        /// What was looked for.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// More than one could be meant.
    #[error("the payload has more than one script: {}; name one in spec.startup.script", .0.join(", "))]
    Ambiguous(Vec<String>),
    /// A script from another system.
    #[error(
        "{0} has Windows line ends: its first line ends in a carriage return, so the kernel would look for an \
         interpreter of that name; convert it (sed -i 's/\\r$//' {0}) and upload the payload again"
    )]
    HasCrlf(String),
    /// It can't be read.
    #[error("can't read {0}: {1}")]
    Unreadable(String, String),
}

impl Unstartable {
    /// The reason in one word, for conditions and events.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "ScriptMissing",
            Self::Ambiguous(_) => "ScriptAmbiguous",
            Self::HasCrlf(_) => "ScriptHasCRLF",
            Self::Unreadable(..) => "ScriptUnreadable",
        }
    }
}

/// How to start the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The executable: the script itself, or what runs it.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Finds the script in `directory`: the one named, else the only `*.sh`. One that is executable and has a `#!` line is
/// started as it is; one without the bit is given to its interpreter; one without `#!` to /bin/sh.
///
/// # Errors
/// [`Unstartable`], with the names that were found.
pub fn find(directory: &Path, named: Option<&str>) -> Result<Script, Unstartable> {
    let name = match named {
        Some(name) => name.to_owned(),
        None => only_script(directory)?,
    };
    let path = directory.join(&name);
    let unreadable = |error: std::io::Error| Unstartable::Unreadable(name.clone(), error.to_string());
    let metadata = match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Err(Unstartable::Unreadable(name, "it is not a file".to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Unstartable::Missing { wanted: format!("no script {name:?}"), found: listing(directory) });
        }
        Err(error) => return Err(unreadable(error)),
    };
    let mut first_line = Vec::new();
    let file = File::open(&path).map_err(unreadable)?;
    BufReader::new(file.take(MAX_FIRST_LINE)).read_until(b'\n', &mut first_line).map_err(unreadable)?;
    if first_line.ends_with(b"\r\n") {
        return Err(Unstartable::HasCrlf(name));
    }
    let executable = metadata.permissions().mode() & 0o111 != 0;
    let Some(interpreter) = first_line.trim_ascii_end().strip_prefix(b"#!") else {
        // A program in machine code may be named too; the kernel knows it by its magic number.
        return Ok(if executable && first_line.starts_with(b"\x7fELF") {
            Script { program: path, arguments: Vec::new() }
        } else {
            Script { program: "/bin/sh".into(), arguments: vec![path.into()] }
        });
    };
    if executable {
        return Ok(Script { program: path, arguments: Vec::new() });
    }
    // As the kernel splits it: the interpreter, then all the rest as one argument.
    let line = interpreter.trim_ascii();
    let split = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (program, argument) = line.split_at(split);
    let program = if program.is_empty() { b"/bin/sh".as_slice() } else { program };
    let os = |bytes: &[u8]| std::ffi::OsStr::from_bytes(bytes).to_owned();
    let mut arguments: Vec<OsString> = Vec::new();
    if !argument.trim_ascii().is_empty() {
        arguments.push(os(argument.trim_ascii()));
    }
    arguments.push(path.into());
    Ok(Script { program: os(program).into(), arguments })
}

fn names(directory: &Path) -> BTreeSet<String> {
    std::fs::read_dir(directory)
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default()
}

fn listing(directory: &Path) -> String {
    let names = names(directory);
    match names.len() {
        0 => "none".to_owned(),
        count if count > MAX_NAMES => {
            let first: Vec<_> = names.into_iter().take(MAX_NAMES).collect();
            format!("{} and {} more", first.join(", "), count - MAX_NAMES)
        }
        _ => names.into_iter().collect::<Vec<_>>().join(", "),
    }
}

fn only_script(directory: &Path) -> Result<String, Unstartable> {
    let mut scripts: Vec<String> = names(directory)
        .into_iter()
        .filter(|name| {
            name.ends_with(".sh") && std::fs::metadata(directory.join(name)).is_ok_and(|meta| meta.is_file())
        })
        .collect();
    match scripts.len() {
        0 => Err(Unstartable::Missing { wanted: "no script (*.sh)".to_owned(), found: listing(directory) }),
        1 => Ok(scripts.remove(0)),
        _ => {
            scripts.truncate(MAX_NAMES);
            Err(Unstartable::Ambiguous(scripts))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(files: &[(&str, &[u8], u32)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, content, mode) in files {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
        }
        dir
    }

    #[test]
    fn the_only_script_is_found_and_started_as_it_is() {
        let dir = payload(&[("rest.sh", b"#!/bin/bash\nexec true\n", 0o555), ("model.py", b"", 0o444)]);
        let script = find(dir.path(), None).unwrap();
        assert_eq!(script, Script { program: dir.path().join("rest.sh"), arguments: Vec::new() });
    }

    #[test]
    fn a_script_that_is_not_executable_goes_to_its_interpreter() {
        let dir = payload(&[("a.sh", b"#! /usr/bin/env  python3\n", 0o444)]);
        let script = find(dir.path(), None).unwrap();
        assert_eq!(script.program, Path::new("/usr/bin/env"));
        assert_eq!(script.arguments, ["python3".into(), dir.path().join("a.sh").into_os_string()]);
    }

    #[test]
    fn a_script_without_an_interpreter_line_goes_to_sh() {
        for mode in [0o444, 0o555] {
            let dir = payload(&[("a.sh", b"exec true\n", mode)]);
            let script = find(dir.path(), None).unwrap();
            assert_eq!(script.program, Path::new("/bin/sh"));
            assert_eq!(script.arguments, [dir.path().join("a.sh").into_os_string()]);
        }
    }

    #[test]
    fn none_and_two_are_refused_with_the_names() {
        let none = find(payload(&[("model.py", b"", 0o444), ("README", b"", 0o444)]).path(), None).unwrap_err();
        assert_eq!(none.reason(), "ScriptMissing");
        assert!(none.to_string().contains("README, model.py"), "{none}");
        let two = find(payload(&[("b.sh", b"", 0o444), ("a.sh", b"", 0o444)]).path(), None).unwrap_err();
        assert_eq!(two, Unstartable::Ambiguous(vec!["a.sh".to_owned(), "b.sh".to_owned()]));
        assert!(two.to_string().contains("a.sh, b.sh"), "{two}");
    }

    #[test]
    fn the_named_one_of_two_is_taken_and_a_named_one_must_be_there() {
        let dir = payload(&[("a.sh", b"", 0o444), ("b.sh", b"", 0o444)]);
        assert!(find(dir.path(), Some("b.sh")).is_ok());
        assert_eq!(find(dir.path(), Some("c.sh")).unwrap_err().reason(), "ScriptMissing");
    }

    #[test]
    fn windows_line_ends_are_named_with_the_cure() {
        let dir = payload(&[("rest.sh", b"#!/bin/bash\r\nexec true\r\n", 0o555)]);
        let refused = find(dir.path(), None).unwrap_err();
        assert_eq!(refused.reason(), "ScriptHasCRLF");
        assert!(refused.to_string().contains(r"sed -i 's/\r$//' rest.sh"), "{refused}");
    }
}
