//! The daemons' jars and what else is made once and used by every cluster, under `target/cluster-lib`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{
    Cluster, Error,
    config::{self, Properties},
};

const POM: &str = include_str!("../pom.xml");

/// Where Java is and what it runs.
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    pub(crate) java: PathBuf,
    /// All jars, in an order that never changes: the class archive depends on it.
    pub(crate) class_path: String,
    /// A formatted, empty NameNode directory, to be copied: formatting takes a Java process a second.
    pub(crate) name_template: PathBuf,
    /// The classes of all daemons, parsed and laid out; absent while it is being made.
    pub(crate) archive: Option<PathBuf>,
}

/// Downloads the daemons' jars from Maven Central (about 105 MB) and prepares them, unless that was done before.
/// Two processes doing it at once wait for each other. Returns the directory.
///
/// # Errors
/// Names the missing system package, or shows what the download said.
pub async fn fetch() -> Result<PathBuf, Error> {
    prepare().await?;
    Ok(library())
}

pub(crate) async fn prepare() -> Result<Installation, Error> {
    let library = library();
    fs::create_dir_all(&library).map_err(Error::file("create", &library))?;
    let java = find_program("java", "openjdk-17-jre-headless")?;
    let complete = library.join("complete");
    let is_complete = || fs::read_to_string(&complete).is_ok_and(|made_for| made_for == POM);
    if !is_complete() {
        let _lock = lock(library.join("lock")).await?;
        // Somebody else may have done it while this one waited for the lock.
        if !is_complete() {
            make(&library, &java).await?;
            fs::write(&complete, POM).map_err(Error::file("write", &complete))?;
        }
    }
    let mut installation = installation(&library, java)?;
    installation.archive = Some(library.join("classes.jsa"));
    Ok(installation)
}

/// The workspace's target directory, whichever package's test is running.
fn library() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    let target = std::path::absolute(&target).unwrap_or(target);
    // `..` in a class path would be legal, but longer and harder to read in a process list.
    fs::canonicalize(&target).unwrap_or(target).join("cluster-lib")
}

async fn make(library: &Path, java: &Path) -> Result<(), Error> {
    check_java(java)?;
    download(library)?;
    let installation = installation(library, java.to_owned())?;
    format_name_node(library, &installation)?;
    make_archive(library, installation).await
}

fn installation(library: &Path, java: PathBuf) -> Result<Installation, Error> {
    let jars = library.join("jars");
    let entries = fs::read_dir(&jars).map_err(Error::file("list", &jars))?;
    let mut paths: Vec<String> = entries.flatten().map(|entry| entry.path().display().to_string()).collect();
    paths.sort();
    Ok(Installation { java, class_path: paths.join(":"), name_template: library.join("namenode"), archive: None })
}

fn download(library: &Path) -> Result<(), Error> {
    let mvn = find_program("mvn", "maven")?;
    tracing::info!("fetching the daemons' jars from Maven Central (about 105 MB, once)");
    let (pom, jars) = (library.join("pom.xml"), library.join("jars"));
    remove(&jars)?;
    fs::write(&pom, POM).map_err(Error::file("write", &pom))?;
    let mut command = Command::new(&mvn);
    command.args(["-q", "-B", "-f"]).arg(&pom).args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
    command.arg(format!("-DoutputDirectory={}", jars.display()));
    run("the download by Maven", &mut command)
}

fn format_name_node(library: &Path, installation: &Installation) -> Result<(), Error> {
    tracing::info!("formatting an empty NameNode directory to copy from");
    let conf = tempfile::tempdir().map_err(Error::file("create a directory in", std::env::temp_dir()))?;
    let site = Properties::from([
        ("dfs.namenode.name.dir".to_owned(), format!("file://{}", installation.name_template.display())),
        ("fs.defaultFS".to_owned(), "hdfs://127.0.0.1:1".to_owned()),
    ]);
    config::write_site(&conf.path().join("hdfs-site.xml"), Properties::new(), &site)?;
    config::write_site(&conf.path().join("core-site.xml"), Properties::new(), &site)?;
    remove(&installation.name_template)?;
    let mut command = Command::new(&installation.java);
    command.current_dir(library).arg("--add-opens=java.base/java.lang=ALL-UNNAMED").arg("-cp");
    command.arg(format!("{}:{}", installation.class_path, conf.path().display()));
    command.args(["org.apache.hadoop.hdfs.server.namenode.NameNode", "-format", "-force", "-nonInteractive"]);
    run("formatting the NameNode's directory", &mut command)
}

/// A class-data archive saves each daemon about a third of its start-up CPU time, for some 20 s once.
async fn make_archive(library: &Path, installation: Installation) -> Result<(), Error> {
    tracing::info!("running a cluster once to see which classes its daemons load");
    let (java, class_path) = (installation.java.clone(), installation.class_path.clone());
    let lists = library.join("class-lists");
    remove(&lists)?;
    fs::create_dir_all(&lists).map_err(Error::file("create", &lists))?;
    let cluster = Cluster::builder().class_lists(&lists).start_from(installation).await?;
    for daemon in cluster.daemons() {
        daemon.terminate().await?;
    }
    drop(cluster);

    tracing::info!("making an archive of those classes, so that clusters start faster");
    let all = library.join("classes.list");
    fs::write(&all, merge_lists(&lists)?).map_err(Error::file("write", &all))?;
    let archive = library.join("classes.jsa");
    remove(&archive)?;
    let mut command = Command::new(java);
    command.args(["-Xshare:dump", "-XX:+UseSerialGC", "-Xmx1g", "-Xlog:disable", "-cp", &class_path]);
    command.arg(format!("-XX:SharedClassListFile={}", all.display()));
    command.arg(format!("-XX:SharedArchiveFile={}", archive.display()));
    run("making the class archive", &mut command)
}

fn merge_lists(lists: &Path) -> Result<String, Error> {
    let mut seen = std::collections::HashSet::new();
    let mut merged = String::new();
    for entry in fs::read_dir(lists).map_err(Error::file("list", lists))?.flatten() {
        let text = fs::read_to_string(entry.path()).map_err(Error::file("read", entry.path()))?;
        for line in text.lines().filter(|line| seen.insert((*line).to_owned())) {
            merged.push_str(line);
            merged.push('\n');
        }
    }
    Ok(merged)
}

async fn lock(path: PathBuf) -> Result<File, Error> {
    let wait = move || {
        let file = File::options().create(true).append(true).open(&path).map_err(Error::file("open", &path))?;
        file.lock().map_err(Error::file("lock", &path))?;
        Ok(file)
    };
    tokio::task::spawn_blocking(wait).await.map_err(|_| Error::Cancelled { doing: "waiting for the jars" })?
}

fn find_program(program: &'static str, package: &'static str) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|directory| directory.join(program));
    candidates.find(|candidate| candidate.is_file()).ok_or(Error::MissingProgram { program, package })
}

fn check_java(java: &Path) -> Result<(), Error> {
    let version = Command::new(java).arg("-version").output();
    let version = version.map_err(|source| Error::Run { program: "java -version".into(), source })?;
    match java_major(&String::from_utf8_lossy(&version.stderr)) {
        Some(found) if found < 17 => Err(Error::OldJava { found }),
        // An unknown way to say the version is no reason not to try.
        _ => Ok(()),
    }
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

fn run(step: &'static str, command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let Output { status, stdout, stderr } = command.output().map_err(|source| Error::Run { program, source })?;
    if status.success() {
        return Ok(());
    }
    let said = [stdout, stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    Err(Error::Step { step, output: lines.get(lines.len().saturating_sub(25)..).unwrap_or_default().join("\n") })
}

/// Removes a file or a directory that a broken earlier run may have left.
fn remove(path: &Path) -> Result<(), Error> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
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
