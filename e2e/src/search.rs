//! A search engine of one node: OpenSearch, or Elasticsearch of the seed's generation.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{
    Daemon, Error,
    library::{self, Fetch, copy, remove, run, write},
    place::Place,
    probe::Probe,
};

const OPENSEARCH_POM: &str = include_str!("../poms/opensearch.xml");
const LAUNCHER: &str = include_str!("../SearchNode.java");
const ELASTICSEARCH_POM: &str = include_str!("../poms/elasticsearch.xml");
const ANSWER: Duration = Duration::from_secs(30);

/// A running search engine. Dropping it ends it and removes its directory, as for a [`Cluster`](crate::Cluster).
#[derive(Debug)]
pub struct Search {
    daemon: Daemon,
    address: SocketAddr,
    place: Place,
}

impl Search {
    /// Starts OpenSearch 2, in a new or empty directory (one in the temporary directory unless named), and waits until it
    /// serves. Its jars are fetched before the first start (about 45 MB).
    ///
    /// # Errors
    /// A missing system package by name; [`Error::Ended`] with the end of its log; [`Error::Deadline`]. The logs are kept.
    pub async fn opensearch(dir: Option<PathBuf>) -> Result<Self, Error> {
        let library = Self::fetch_opensearch().await?;
        let mut place = Place::claim(dir, false)?;
        let (address, transport) = (place.address()?, place.address()?);
        let jars = library::class_path(&library.join("jars"))?;
        let mut arguments = place.java_arguments(384);
        // There is no configuration file; by itself log4j tells of errors only.
        arguments.extend(["-Dlog4j2.level=INFO".into(), "-Dlog4j2.disable.jmx=true".into()]);
        let class_path = format!("{}:{jars}", library.join("classes").display());
        arguments.extend(["-cp".into(), class_path, "SearchNode".into()]);
        arguments.extend([
            format!("path.home={}", place.dir().display()),
            "cluster.name=e2e".into(),
            "node.name=node".into(),
            format!("network.host={}", address.ip()),
            format!("http.port={}", address.port()),
            format!("transport.port={}", transport.port()),
            "discovery.type=single-node".into(),
            "http.type=netty4".into(),
            "transport.type=netty4".into(),
            // A disk that is nearly full for other reasons must not make it refuse documents.
            "cluster.routing.allocation.disk.threshold_enabled=false".into(),
        ]);
        let daemon = place.spawn_java("opensearch", arguments, None, Probe::Search(address))?;
        Self::serving(daemon, address, place).await
    }

    /// Starts Elasticsearch 2.4.6, as [`Search::opensearch`] (about 30 MB). It refuses to run as root: then it runs as
    /// `nobody`, and all directories above a named one must let that user pass.
    ///
    /// # Errors
    /// As those.
    pub async fn elasticsearch(dir: Option<PathBuf>) -> Result<Self, Error> {
        let library = Self::fetch_elasticsearch().await?;
        let mut place = Place::claim(dir, false)?;
        let (address, transport) = (place.address()?, place.address()?);
        let home = place.dir().join("home");
        copy(&library.join("dist/elasticsearch-2.4.6"), &home)?;
        let user = place.give_away()?;
        let mut arguments = place.java_arguments(256);
        arguments.push("-Djava.security.manager=allow".into());
        let settings = [
            ("path.home", home.display().to_string()),
            ("network.host", address.ip().to_string()),
            ("http.port", address.port().to_string()),
            ("transport.tcp.port", transport.port().to_string()),
            ("discovery.zen.ping.multicast.enabled", "false".into()),
            ("cluster.routing.allocation.disk.threshold_enabled", "false".into()),
        ];
        arguments.extend(settings.map(|(name, value)| format!("-Des.{name}={value}")));
        // Its own jar must come first: another one has a class of the same name.
        let jars = library::class_path(&home.join("lib"))?;
        let class_path = format!("{}:{jars}", home.join("lib/elasticsearch-2.4.6.jar").display());
        arguments.extend(["-cp".into(), class_path]);
        arguments.extend(["org.elasticsearch.bootstrap.Elasticsearch".into(), "start".into()]);
        let daemon = place.spawn_java("elasticsearch", arguments, user, Probe::Search(address))?;
        Self::serving(daemon, address, place).await
    }

    async fn serving(daemon: Daemon, address: SocketAddr, place: Place) -> Result<Self, Error> {
        place.keep_on_failure(daemon.serves().await)?;
        Ok(Self { daemon, address, place })
    }

    /// Downloads OpenSearch's jars and compiles its launcher, unless that was done before. Returns the directory.
    ///
    /// # Errors
    /// As [`fetch`](crate::fetch).
    pub async fn fetch_opensearch() -> Result<PathBuf, Error> {
        library::once("opensearch-lib", &format!("{OPENSEARCH_POM}{LAUNCHER}"), make_opensearch).await
    }

    /// Downloads Elasticsearch, unless that was done before. Returns the directory.
    ///
    /// # Errors
    /// As [`fetch`](crate::fetch).
    pub async fn fetch_elasticsearch() -> Result<PathBuf, Error> {
        let size = "Elasticsearch (about 30 MB)";
        library::once("elasticsearch-lib", ELASTICSEARCH_POM, async |library| {
            library::java()?;
            library::download(library, ELASTICSEARCH_POM, Fetch::Archives, "dist", size)
        })
        .await
    }

    /// The process, to be killed, paused and started again.
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.place.dir()
    }

    /// Keeps the directory at the end.
    pub fn keep(&self) {
        self.place.keep();
    }

    /// What has been indexed by now into the indexes of a pattern, such as `squid_index_*`: each hit with `_index`, `_id` and
    /// `_source`; 10,000 at most, none when there is no such index.
    ///
    /// # Errors
    /// [`Error::Asked`] when it does not answer as a search engine does.
    pub async fn documents(&self, indexes: &str) -> Result<Vec<Value>, Error> {
        // What has been written is found after a refresh only.
        let refresh = self.place.http().post(format!("{}/{indexes}/_refresh", self.url()));
        self.ask(refresh).await?;
        let search = self.place.http().get(format!("{}/{indexes}/_search?size=10000", self.url()));
        let answer = self.ask(search).await?;
        Ok(answer.pointer("/hits/hits").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value, Error> {
        let asked = |source| Error::Asked { daemon: self.daemon.name().into(), source };
        let answer = request.timeout(ANSWER).send().await.map_err(asked)?;
        answer.error_for_status().map_err(asked)?.json().await.map_err(asked)
    }
}

async fn make_opensearch(library: &Path) -> Result<(), Error> {
    let java = library::java()?;
    library::download(library, OPENSEARCH_POM, Fetch::Jars, "jars", "OpenSearch's jars (about 45 MB)")?;
    let (source, classes) = (library.join("SearchNode.java"), library.join("classes"));
    remove(&classes)?;
    write(&source, LAUNCHER)?;
    let jars = library::class_path(&library.join("jars"))?;
    let mut command = Command::new(java);
    command.args(["-cp", &jars, "org.eclipse.jdt.internal.compiler.batch.Main", "-nowarn"]);
    command.args(["-source", "17", "-target", "17", "-cp", &jars, "-d"]).arg(&classes).arg(&source);
    run("compiling OpenSearch's launcher", &mut command)
}
