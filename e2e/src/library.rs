//! What is fetched or made once, under `target/`, and used by every daemon of its kind.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::Error;

/// The directory `name` under the workspace's target directory, filled by `make` unless that was done before for the same
/// `made_for`. Two processes doing it at once wait for each other.
pub(crate) async fn once(
    name: &str,
    made_for: &str,
    make: impl AsyncFnOnce(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let library = target().join(name);
    fs::create_dir_all(&library).map_err(Error::file("create", &library))?;
    let complete = library.join("complete");
    let is_complete = || fs::read_to_string(&complete).is_ok_and(|made| made == made_for);
    if !is_complete() {
        let _lock = lock(library.join("lock")).await?;
        // Somebody else may have done it while this one waited for the lock.
        if !is_complete() {
            make(&library).await?;
            fs::write(&complete, made_for).map_err(Error::file("write", &complete))?;
        }
    }
    Ok(library)
}

/// The workspace's target directory, whichever package's test is running.
fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    let target = std::path::absolute(&target).unwrap_or(target);
    // `..` in a class path would be legal, but longer and harder to read in a process list.
    fs::canonicalize(&target).unwrap_or(target)
}

async fn lock(path: PathBuf) -> Result<File, Error> {
    let wait = move || {
        let file = File::options().create(true).append(true).open(&path).map_err(Error::file("open", &path))?;
        file.lock().map_err(Error::file("lock", &path))?;
        Ok(file)
    };
    tokio::task::spawn_blocking(wait).await.map_err(|_| Error::Cancelled { doing: "waiting for the jars" })?
}

/// What Maven's plugin for dependencies does with what a POM names.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fetch {
    /// Puts the jars, also those that they need, into a directory.
    Jars,
    /// Unpacks the named archives into a directory.
    Archives,
}

/// Fills `library/<into>` from Maven Central with what `pom` names; `size` is for the log.
pub(crate) fn download(library: &Path, pom: &str, fetch: Fetch, into: &str, size: &str) -> Result<(), Error> {
    let mvn = find_program("mvn", "maven")?;
    tracing::info!("fetching {size} from Maven Central, once");
    let (file, into) = (library.join("pom.xml"), library.join(into));
    remove(&into)?;
    fs::write(&file, pom).map_err(Error::file("write", &file))?;
    let goal: &[&str] = match fetch {
        Fetch::Jars => &["dependency:copy-dependencies", "-DincludeScope=runtime"],
        Fetch::Archives => &["dependency:unpack-dependencies", "-DexcludeTransitive=true"],
    };
    let mut command = Command::new(&mvn);
    command.args(["-q", "-B", "-f"]).arg(&file).args(goal).arg(format!("-DoutputDirectory={}", into.display()));
    run("the download by Maven", &mut command)
}

/// The class path of all jars of a directory, in an order that never changes.
pub(crate) fn class_path(jars: &Path) -> Result<String, Error> {
    let entries = fs::read_dir(jars).map_err(Error::file("list", jars))?;
    let mut paths: Vec<String> = entries.flatten().map(|entry| entry.path().display().to_string()).collect();
    paths.sort();
    Ok(paths.join(":"))
}

/// `java`, new enough for all daemons.
pub(crate) fn java() -> Result<PathBuf, Error> {
    let java = find_program("java", "openjdk-17-jre-headless")?;
    let version = Command::new(&java).arg("-version").output();
    let version = version.map_err(|source| Error::Run { program: "java -version".into(), source })?;
    match java_major(&String::from_utf8_lossy(&version.stderr)) {
        Some(found) if found < 17 => Err(Error::OldJava { found }),
        // An unknown way to say the version is no reason not to try.
        _ => Ok(java),
    }
}

/// A program of the PATH, and of the directories of a system's daemons, which are not on everybody's PATH.
pub(crate) fn find_program(program: &'static str, package: &'static str) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let mut candidates = std::env::split_paths(&path).chain(system).map(|directory| directory.join(program));
    candidates.find(|candidate| candidate.is_file()).ok_or(Error::MissingProgram { program, package })
}

/// The major version out of `openjdk version "17.0.15" 2025-04-15`; Java 8 calls itself `1.8.0_392`.
fn java_major(said: &str) -> Option<u32> {
    let quoted = said.split('"').nth(1)?;
    let mut numbers = quoted.split(['.', '-', '_']).map(str::parse);
    match (numbers.next()?.ok()?, numbers.next()) {
        (1, Some(Ok(second))) => Some(second),
        (first, _) => Some(first),
    }
}

pub(crate) fn run(step: &'static str, command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|source| Error::Run { program, source })?;
    check(step, &output)
}

/// An error with the end of what it said, when a program failed.
pub(crate) fn check(step: &'static str, output: &Output) -> Result<(), Error> {
    if output.status.success() {
        return Ok(());
    }
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    Err(Error::Step { step, output: lines.get(lines.len().saturating_sub(25)..).unwrap_or_default().join("\n") })
}

/// Removes a file or a directory that a broken earlier run may have left.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::file("write", path))
}

/// Copies a directory with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::file("create", to))?;
    for entry in fs::read_dir(from).map_err(Error::file("list", from))?.flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(Error::file("copy", &source))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_of_java_is_read_in_its_old_and_new_forms() {
        assert_eq!(java_major("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(java_major("openjdk version \"21-ea\" 2023-09-19"), Some(21));
        assert_eq!(java_major("java version \"1.8.0_392\""), Some(8));
        assert_eq!(java_major("sh: java: not found"), None);
    }

    #[test]
    fn a_missing_program_is_named_with_the_package_that_has_it() {
        let error = find_program("no-such-program-here", "maven").unwrap_err();
        assert!(error.to_string().contains("apt-get install maven"), "{error}");
    }
}
