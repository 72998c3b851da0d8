//! Kafka: broker and controller in one process, and its own command-line tools.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, time::timeout};

use crate::{
    Daemon, Error,
    guard::MARK,
    library::{self, Fetch, check, copy, find_program, remove, run, write},
    place::Place,
    probe::Probe,
};

const POM: &str = include_str!("../poms/kafka.xml");
/// A tool is a Java process of its own: seconds on a busy machine.
const TOOL_DEADLINE: Duration = Duration::from_secs(120);
const TOOLS: [(&str, &str); 4] = [
    ("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"),
    ("kafka-console-producer.sh", "org.apache.kafka.tools.ConsoleProducer"),
    ("kafka-console-consumer.sh", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
    ("kafka-consumer-groups.sh", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
];

/// A running Kafka of one node. Topics are made by [`Kafka::create_topic`] only, never by use. Dropping it ends it and
/// removes its directory, as for a [`Cluster`](crate::Cluster).
#[derive(Debug)]
pub struct Kafka {
    daemon: Daemon,
    address: SocketAddr,
    place: Place,
}

impl Kafka {
    /// Starts it, in a new or empty directory (one in the temporary directory unless named), and waits until it serves. Its
    /// jars are fetched before the first start (about 45 MB).
    ///
    /// # Errors
    /// A missing system package by name; [`Error::Ended`] with the end of its log; [`Error::Deadline`]. The logs are kept.
    pub async fn start(dir: Option<PathBuf>) -> Result<Self, Error> {
        let library = Self::fetch().await?;
        let mut place = Place::claim(dir, false)?;
        let (address, controller) = (place.address()?, place.address()?);
        let jars = library::class_path(&library.join("jars"))?;
        let data = place.dir().join("data");
        copy(&library.join("data"), &data)?;
        let properties = place.dir().join("server.properties");
        write(&properties, &server_properties(address, controller, &data))?;
        write_tools(&place, &jars)?;
        let mut arguments = place.java_arguments(256);
        arguments.extend(["-cp".into(), jars, "kafka.Kafka".into(), properties.display().to_string()]);
        let daemon = place.spawn_java("kafka", arguments, None, Probe::Kafka(address))?;
        place.keep_on_failure(daemon.serves().await)?;
        Ok(Self { daemon, address, place })
    }

    /// Downloads the jars and prepares them, unless that was done before. Returns the directory.
    ///
    /// # Errors
    /// As [`fetch`](crate::fetch).
    pub async fn fetch() -> Result<PathBuf, Error> {
        library::once("kafka-lib", POM, make).await
    }

    /// The process, to be killed, paused and started again.
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// `host:port` for clients: their `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.address.to_string()
    }

    /// The directory with `kafka-topics.sh`, `kafka-console-producer.sh`, `kafka-console-consumer.sh` and
    /// `kafka-consumer-groups.sh`: Kafka's own programs.
    pub fn bin(&self) -> PathBuf {
        self.place.dir().join("bin")
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.place.dir()
    }

    /// Keeps the directory at the end.
    pub fn keep(&self) {
        self.place.keep();
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// [`Error::Step`] with what `kafka-topics.sh` said, for instance that there is one; [`Error::Deadline`].
    pub async fn create_topic(&self, topic: &str, partitions: u32) -> Result<(), Error> {
        let partitions = partitions.to_string();
        let words = ["--create", "--topic", topic, "--partitions", &partitions, "--replication-factor", "1"];
        self.tool("kafka-topics.sh", &words, b"").await?;
        Ok(())
    }

    /// Sends each line as a message without a key, and returns when all are stored.
    ///
    /// # Errors
    /// [`Error::Step`], [`Error::Deadline`].
    pub async fn produce(&self, topic: &str, lines: &[u8]) -> Result<(), Error> {
        // Without this an unknown topic would be waited for during a minute, and be no error.
        let words = ["--topic", topic, "--max-block-ms", "20000", "--sync"];
        let output = self.tool("kafka-console-producer.sh", &words, lines).await?;
        // It ends well also when a message was refused, and says so.
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("Exception") || said.contains("ERROR") {
            return Err(Error::Step { step: "sending to Kafka", output: said.into_owned() });
        }
        Ok(())
    }

    /// The first `count` messages of a topic, as lines; waits for them.
    ///
    /// # Errors
    /// [`Error::Step`] when there are fewer after half a minute without a new one; [`Error::Deadline`].
    pub async fn consume(&self, topic: &str, count: usize) -> Result<Vec<String>, Error> {
        let wanted = count.to_string();
        let words = ["--topic", topic, "--from-beginning", "--max-messages", &wanted, "--timeout-ms", "30000"];
        let output = self.tool("kafka-console-consumer.sh", &words, b"").await?;
        let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        if lines.len() < count {
            let output = format!("{} of {count} messages of {topic} came: {lines:?}", lines.len());
            return Err(Error::Step { step: "reading from Kafka", output });
        }
        Ok(lines)
    }

    /// Runs one of the tools against this broker.
    async fn tool(&self, name: &'static str, words: &[&str], input: &[u8]) -> Result<Output, Error> {
        let program = self.bin().join(name);
        let failed = |source| Error::Run { program: name.into(), source };
        let mut command = tokio::process::Command::new(&program);
        command.arg("--bootstrap-server").arg(self.bootstrap()).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env(MARK, format!("{}/", self.dir().display())).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let stdin = child.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A tool that has ended takes no more, and what it said will tell why.
                drop(stdin.write_all(input).await);
            }
        };
        let both = async { tokio::join!(feed, child.wait_with_output()).1 };
        let late = |_| Error::Deadline { what: format!("end of {name}"), within: TOOL_DEADLINE, last: words.join(" ") };
        let output = timeout(TOOL_DEADLINE, both).await.map_err(late)?.map_err(failed)?;
        check(name, &output)?;
        Ok(output)
    }
}

async fn make(library: &Path) -> Result<(), Error> {
    let java = library::java()?;
    library::download(library, POM, Fetch::Jars, "jars", "Kafka's jars (about 45 MB)")?;
    tracing::info!("formatting an empty directory for Kafka, to copy from");
    let data = library.join("data");
    remove(&data)?;
    let properties = library.join("server.properties");
    // Nobody listens while it formats, but the ports must differ.
    let [broker, controller] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    write(&properties, &server_properties(broker, controller, &data))?;
    let mut command = Command::new(java);
    command.arg("-cp").arg(library::class_path(&library.join("jars"))?);
    command.args(["kafka.tools.StorageTool", "format", "-t", "bWFhcy1lMmUta2Fma2EtMQ", "-c"]).arg(&properties);
    run("formatting Kafka's directory", &mut command)
}

fn server_properties(address: SocketAddr, controller: SocketAddr, data: &Path) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
listeners=PLAINTEXT://{address},CONTROLLER://{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
# A killed broker is taken back after this time; stock is 9 s.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
",
        data.display()
    )
}

/// Kafka's scripts are in its distribution only; each runs one class of the jars.
fn write_tools(place: &Place, jars: &str) -> Result<(), Error> {
    let java = find_program("java", "openjdk-17-jre-headless")?;
    let bin = place.dir().join("bin");
    fs::create_dir_all(&bin).map_err(Error::file("create", &bin))?;
    for (name, class) in TOOLS {
        let flags = "-Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData";
        let quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error";
        let script = format!("#!/bin/sh\nexec '{}' {flags} {quiet} -cp '{jars}' {class} \"$@\"\n", java.display());
        let path = bin.join(name);
        write(&path, &script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(Error::file("make executable", &path))?;
    }
    Ok(())
}
