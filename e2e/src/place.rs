//! Where daemons live: a directory, a block of ports, and the guard that clears both away.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{Daemon, Error, daemon::Launch, guard::Guard, library::find_program, ports::Ports, probe::Probe};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Debian's `nobody`, and nearly everybody's.
const NOBODY: u32 = 65_534;

/// A directory with `logs/` and `tmp/`, and ports. Dropping it ends every process that was started in it and removes the
/// directory, unless the thread is panicking or [`Place::keep`] was called.
#[derive(Debug)]
pub(crate) struct Place {
    dir: PathBuf,
    ports: Ports,
    http: reqwest::Client,
    keep: AtomicBool,
    guard: Guard,
}

impl Place {
    /// Takes a new or empty directory; one in the system's temporary directory unless named.
    pub(crate) fn claim(dir: Option<PathBuf>, keep: bool) -> Result<Self, Error> {
        let dir = claim_directory(dir)?;
        let keep = keep || std::env::var_os("MAAS_E2E_KEEP").is_some();
        let guard = Guard::start(&dir, keep)?;
        for name in ["logs", "tmp"] {
            let path = dir.join(name);
            fs::create_dir_all(&path).map_err(Error::file("create", &path))?;
        }
        // Nothing of the machine's proxy settings concerns 127.0.0.1.
        let http = reqwest::Client::builder().no_proxy().build().map_err(Error::Http)?;
        Ok(Self { dir, ports: Ports::claim()?, http, keep: AtomicBool::new(keep), guard })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// A port of the block, on 127.0.0.1.
    pub(crate) fn address(&mut self) -> Result<SocketAddr, Error> {
        self.address_on(LOCAL)
    }

    pub(crate) fn address_on(&mut self, host: IpAddr) -> Result<SocketAddr, Error> {
        Ok(SocketAddr::new(host, self.ports.next()?))
    }

    /// Keeps the directory at the end.
    pub(crate) fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    /// What a start gave; when it failed the directory is kept, for its logs.
    pub(crate) fn keep_on_failure<T>(&self, started: Result<T, Error>) -> Result<T, Error> {
        if started.is_err() {
            self.keep();
        }
        started
    }

    /// The user for a daemon that must not run as root, to whom the directory is given; none when we are not root.
    pub(crate) fn give_away(&self) -> Result<Option<u32>, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        give(&self.dir, NOBODY)?;
        Ok(Some(NOBODY))
    }

    /// The arguments of `java` that all daemons have.
    pub(crate) fn java_arguments(&self, heap_mb: u32) -> Vec<String> {
        vec![
            format!("-Xmx{heap_mb}m"),
            // Many small Java processes on few cores: least threads, and no second compiler for what runs a minute.
            "-XX:+UseSerialGC".into(),
            "-XX:TieredStopAtLevel=1".into(),
            "-XX:-UsePerfData".into(),
            "-XX:+ExitOnOutOfMemoryError".into(),
            "--add-opens=java.base/java.lang=ALL-UNNAMED".into(),
            format!("-Djava.io.tmpdir={}", self.path("tmp")),
        ]
    }

    /// Starts a daemon here and returns at once; its log is `logs/<name>.log`.
    pub(crate) fn spawn(
        &self,
        name: &str,
        program: &Path,
        arguments: Vec<String>,
        user: Option<u32>,
        probe: Probe,
    ) -> Result<Daemon, Error> {
        tracing::info!("starting {name}");
        let launch = Launch {
            name: name.into(),
            program: program.to_owned(),
            arguments,
            user,
            dir: self.dir.clone(),
            log: self.dir.join("logs").join(format!("{name}.log")),
            probe,
        };
        Daemon::spawn(launch, self.http.clone())
    }

    /// Starts Java here, as [`Place::spawn`].
    pub(crate) fn spawn_java(
        &self,
        name: &str,
        arguments: Vec<String>,
        user: Option<u32>,
        probe: Probe,
    ) -> Result<Daemon, Error> {
        let java = find_program("java", "openjdk-17-jre-headless")?;
        self.spawn(name, &java, arguments, user, probe)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let keep = *self.keep.get_mut() || std::thread::panicking();
        self.guard.finish(keep);
        if keep {
            // To standard error and not to the log: a failing test has no subscriber, and this is where to look.
            eprintln!("directory kept: {} (daemons' logs in logs/, containers' in nm*/log/)", self.dir.display());
        }
    }
}

/// Makes the directory, or takes an empty one: it will be removed with all that is in it.
fn claim_directory(wanted: Option<PathBuf>) -> Result<PathBuf, Error> {
    let Some(dir) = wanted else {
        let temporary = std::env::temp_dir();
        let made = tempfile::Builder::new().prefix("maas-e2e-").tempdir_in(&temporary);
        return Ok(made.map_err(Error::file("create a directory in", temporary))?.keep());
    };
    fs::create_dir_all(&dir).map_err(Error::file("create", &dir))?;
    let dir = fs::canonicalize(&dir).map_err(Error::file("resolve", &dir))?;
    match fs::read_dir(&dir).map_err(Error::file("list", &dir))?.next() {
        Some(_) => Err(Error::DirectoryInUse { path: dir }),
        None => Ok(dir),
    }
}

fn give(path: &Path, user: u32) -> Result<(), Error> {
    chown(path, Some(user), Some(user)).map_err(Error::file("give away", path))?;
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(Error::file("list", path))?.flatten() {
            give(&entry.path(), user)?;
        }
    }
    Ok(())
}
