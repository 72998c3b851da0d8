//! Runs the real binary.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What one run printed, and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Fails the test, showing everything, unless the run succeeded; gives stdout.
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }

    /// As `ok`, for a run that is still looked at.
    pub fn clone_ok(&self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout.clone()
    }

    /// Fails the test, showing everything, unless the run failed; gives stderr.
    pub fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        self.stderr
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// What maasctl reads of its environment.
pub const VARIABLES: [&str; 10] = [
    "MAAS_ZOOKEEPER",
    "MAAS_ROOT",
    "MAAS_NAMESPACE",
    "MAAS_LIBEXEC",
    "MAAS_EDITOR",
    "EDITOR",
    "NO_COLOR",
    "HADOOP_CONF_DIR",
    "HADOOP_HOME",
    "HADOOP_USER_NAME",
];

pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maasctl"));
    for name in VARIABLES {
        command.env_remove(name);
    }
    // The developer's own contexts are not read.
    command.env("MAASCONFIG", "/dev/null");
    command
}

/// Runs maasctl with these words.
pub fn maasctl(words: &[&str]) -> Ran {
    command().args(words).stdin(Stdio::null()).output().unwrap().into()
}

/// Runs maasctl with these words and this text on stdin.
pub fn with_stdin(words: &[&str], stdin: &str) -> Ran {
    let mut child =
        command().args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// The two scripts, beside a link to the binary, as they are installed.
pub fn installed(directory: &Path) -> (PathBuf, PathBuf) {
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_maasctl"), directory.join("maasctl")).unwrap();
    let install = |name: &str| {
        let path = directory.join(name);
        // Not by this process: a test beside it may fork while the copy is open for writing, and "text file busy" is
        // what comes of that.
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("bin").join(name);
        assert!(std::process::Command::new("cp").arg(from).arg(&path).status().unwrap().success());
        path
    };
    (install("maas_service.sh"), install("maas_deploy.sh"))
}
