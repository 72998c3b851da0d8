//! The Hadoop daemons' jars and what else is made once and used by every cluster, under `target/cluster-lib`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Cluster, Error,
    config::{self, Properties},
    library::{self, Fetch, remove, run},
};

const POM: &str = include_str!("../poms/hadoop.xml");

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
    library::once("cluster-lib", POM, make).await
}

pub(crate) async fn prepare() -> Result<Installation, Error> {
    let library = fetch().await?;
    let mut installation = installation(&library)?;
    installation.archive = Some(library.join("classes.jsa"));
    Ok(installation)
}

async fn make(library: &Path) -> Result<(), Error> {
    library::java()?;
    library::download(library, POM, Fetch::Jars, "jars", "the daemons' jars (about 105 MB)")?;
    let installation = installation(library)?;
    format_name_node(library, &installation)?;
    make_archive(library, installation).await
}

fn installation(library: &Path) -> Result<Installation, Error> {
    let java = library::find_program("java", "openjdk-17-jre-headless")?;
    let class_path = library::class_path(&library.join("jars"))?;
    Ok(Installation { java, class_path, name_template: library.join("namenode"), archive: None })
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
