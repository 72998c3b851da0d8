//! Ends everything of a cluster when it is dropped, and also when its owner is killed.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use crate::Error;

/// The environment variable by which the guard knows a daemon; its value is the cluster's directory with a slash.
pub(crate) const MARK: &str = "MAAS_E2E_DIR";

/// A small shell process that waits for its owner to let go of a pipe and then kills what carries the cluster's mark.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts watching over `dir`, which is removed at the end unless a later [`Guard::finish`] says otherwise.
    pub(crate) fn start(dir: &Path, keep: bool) -> Result<Self, Error> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", include_str!("guard.sh"), "maas-e2e-guard"])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Ctrl-C in a terminal, or a test runner's signal to its group, must end the owner first.
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Run { program: "/bin/sh".into(), source })?;
        let mut guard = Self { pipe: child.stdin.take(), child };
        guard.say(keep);
        Ok(guard)
    }

    fn say(&mut self, keep: bool) {
        if let Some(pipe) = &mut self.pipe {
            // A guard that is gone is noticed by the wait in `finish`; there is nobody to tell here.
            drop(pipe.write_all(if keep { b"keep\n" } else { b"remove\n" }));
        }
    }

    /// Kills all processes of the cluster, removes its directory unless `keep`, and waits until that is done.
    /// Calling it again does nothing.
    pub(crate) fn finish(&mut self, keep: bool) {
        self.say(keep);
        self.end();
    }

    fn end(&mut self) {
        if self.pipe.take().is_none() {
            return;
        }
        if let Err(error) = self.child.wait() {
            tracing::warn!("the guard of the cluster could not be waited for: {error}");
        }
    }
}

/// A cluster that could not be laid out goes by what was said at the start.
impl Drop for Guard {
    fn drop(&mut self) {
        self.end();
    }
}
