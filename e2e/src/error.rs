//! What can go wrong while starting and steering daemons.

use std::{io, path::PathBuf, time::Duration};

/// Why a cluster could not be started, or a daemon not be steered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that the daemons or their download need is not installed.
    #[error("`{program}` is not on the PATH: install it with `apt-get install {package}`")]
    MissingProgram {
        /// The program looked for.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The Java found is too old for the daemons.
    #[error(
        "Java 17 or newer is needed, `java` is version {found}: install it with `apt-get install openjdk-17-jre-headless`"
    )]
    OldJava {
        /// The major version found.
        found: u32,
    },
    /// A file operation failed.
    #[error("could not {doing} {}", path.display())]
    File {
        /// The operation, as a verb.
        doing: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A program could not be run.
    #[error("could not run `{program}`")]
    Run {
        /// The program.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A preparing step (download, format, archive) ended badly.
    #[error("{step} failed; its output ends with:\n{output}")]
    Step {
        /// What was being done.
        step: &'static str,
        /// The last lines of what it printed.
        output: String,
    },
    /// All port blocks are taken.
    #[error("no free block of ports between {from} and {to}: is some other program listening on many of them?")]
    NoPorts {
        /// The lowest port tried.
        from: u16,
        /// The highest port tried.
        to: u16,
    },
    /// The directory named for a cluster holds something.
    #[error("{} is not empty: name a new or an empty directory, it will be removed with the cluster", path.display())]
    DirectoryInUse {
        /// The directory.
        path: PathBuf,
    },
    /// A daemon ended while it was waited for.
    #[error("{daemon} ended while starting; {} ends with:\n{tail}", log.display())]
    Ended {
        /// The daemon's name.
        daemon: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A condition did not come true in time.
    #[error("{what} not seen within {} s; last seen: {last}", within.as_secs())]
    Deadline {
        /// The condition.
        what: String,
        /// How long it was waited for.
        within: Duration,
        /// The last answer or error.
        last: String,
    },
    /// A signal or start was asked of a daemon in the wrong state.
    #[error("{daemon} is {state}: cannot {asked} it")]
    State {
        /// The daemon's name.
        daemon: String,
        /// What it is: running, not running.
        state: &'static str,
        /// What was asked.
        asked: &'static str,
    },
    /// The system refused a signal.
    #[error("could not {asked} {daemon}")]
    Signal {
        /// The daemon's name.
        daemon: String,
        /// What was asked.
        asked: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The HTTP client could not be made.
    #[error("could not set up an HTTP client")]
    Http(#[source] reqwest::Error),
    /// A daemon did not answer as it should.
    #[error("{daemon} did not answer as it should")]
    Asked {
        /// The daemon's name.
        daemon: String,
        /// What was seen instead.
        source: reqwest::Error,
    },
    /// The web server behind squid could not listen.
    #[error("the web server behind squid could not open its port")]
    Origin(#[source] io::Error),
    /// The proxy could not listen.
    #[error("the proxy could not open a port")]
    Proxy(#[source] io::Error),
    /// A background task of the runtime was cancelled.
    #[error("a task was cancelled while {doing}")]
    Cancelled {
        /// What it was doing.
        doing: &'static str,
    },
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}
