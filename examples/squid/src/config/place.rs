//! Where a config stands: its file, and its node in ZooKeeper.

use std::fmt;

/// Metron's place in ZooKeeper.
const TOPOLOGY: &str = "/metron/topology";

/// The sort of a config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Of all sensors.
    Global,
    /// How a sensor's messages are read and changed.
    Parser,
    /// How they are judged.
    Enrichment,
    /// How they are stored.
    Indexing,
}

impl Kind {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 4] = [Self::Global, Self::Parser, Self::Enrichment, Self::Indexing];

    /// The directory of its files and the folder of its nodes.
    fn folder(self) -> Option<&'static str> {
        match self {
            Self::Global => None,
            Self::Parser => Some("parsers"),
            Self::Enrichment => Some("enrichments"),
            Self::Indexing => Some("indexing"),
        }
    }

    /// Its name at the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "GLOBAL",
            Self::Parser => "PARSER",
            Self::Enrichment => "ENRICHMENT",
            Self::Indexing => "INDEXING",
        }
    }
}

/// Which config.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    kind: Kind,
    /// The sensor; empty for the global one.
    sensor: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file())
    }
}

impl Place {
    /// The global config.
    #[must_use]
    pub fn global() -> Self {
        Self { kind: Kind::Global, sensor: String::new() }
    }

    /// A sensor's config.
    ///
    /// # Errors
    /// The sensor's name cannot be one: it is a file, a node and part of an index' name.
    pub fn of(kind: Kind, sensor: &str) -> Result<Self, String> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if kind == Kind::Global {
            return Ok(Self::global());
        }
        if sensor.is_empty() || sensor.starts_with('.') || sensor.len() > 100 || !sensor.bytes().all(good) {
            return Err(format!("{sensor:?} is no sensor's name: use letters, digits, '_', '-' and '.'"));
        }
        Ok(Self { kind, sensor: sensor.to_owned() })
    }

    /// Its sort.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The sensor; empty for the global one.
    #[must_use]
    pub fn sensor(&self) -> &str {
        &self.sensor
    }

    /// Its file, below the directory that is pushed.
    #[must_use]
    pub fn file(&self) -> String {
        match self.kind.folder() {
            None => "global.json".to_owned(),
            Some(folder) => format!("{folder}/{}.json", self.sensor),
        }
    }

    /// Its node.
    #[must_use]
    pub fn node(&self) -> String {
        match self.kind.folder() {
            None => format!("{TOPOLOGY}/global"),
            Some(folder) => format!("{TOPOLOGY}/{folder}/{}", self.sensor),
        }
    }

    /// The config of a node; none for another node.
    #[must_use]
    pub fn of_node(path: &str) -> Option<Self> {
        let below = path.strip_prefix(TOPOLOGY)?.strip_prefix('/')?;
        match below.split_once('/') {
            None => (below == "global").then(Self::global),
            Some((folder, sensor)) => {
                let kind = Kind::ALL.into_iter().find(|kind| kind.folder() == Some(folder))?;
                Self::of(kind, sensor).ok()
            }
        }
    }

    /// Metron's folder in ZooKeeper.
    #[must_use]
    pub fn root() -> &'static str {
        TOPOLOGY
    }

    /// The folders below it, the one above first, then those of the sorts.
    pub fn folders() -> impl Iterator<Item = String> {
        let sorts = Kind::ALL.into_iter().filter_map(Kind::folder).map(|folder| format!("{TOPOLOGY}/{folder}"));
        ["/metron".to_owned(), TOPOLOGY.to_owned()].into_iter().chain(sorts)
    }

    /// The directory of a sort's files below the one that is pushed.
    #[must_use]
    pub fn directory(kind: Kind) -> &'static str {
        kind.folder().unwrap_or("")
    }
}

/// What to do about a field of Metron's that this program does not have.
pub(super) fn hint(field: &str) -> Option<String> {
    let what = match field {
        "numWorkers"
        | "numAckers"
        | "spoutParallelism"
        | "spoutNumTasks"
        | "parserParallelism"
        | "parserNumTasks"
        | "errorWriterParallelism"
        | "errorWriterNumTasks"
        | "spoutConfig"
        | "stormConfig" => {
            "it is Storm's, and there is no Storm here: take it out (--concurrency says how many messages are worked on)"
        }
        "cacheConfig" => "results are not cached here: take it out",
        "securityProtocol" => "Kafka is spoken to without TLS and SASL only",
        "filterClassName" => "messages are not filtered here: take it out",
        "writerClassName" | "errorWriterClassName" => {
            "where messages go is not a class here: see outputTopic and errorTopic"
        }
        "rawMessageStrategyConfig" => "messages are read as they are: take it out",
        "timezone" => "it is written timeZone",
        _ => return None,
    };
    Some(format!("{field} is not supported: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_nodes_are_metrons() {
        let parser = Place::of(Kind::Parser, "squid").unwrap();
        assert_eq!(
            (parser.file().as_str(), parser.node().as_str()),
            ("parsers/squid.json", "/metron/topology/parsers/squid")
        );
        assert_eq!(Place::global().node(), "/metron/topology/global");
        for place in [parser, Place::global(), Place::of(Kind::Indexing, "a.b-c").unwrap()] {
            assert_eq!(Place::of_node(&place.node()), Some(place));
        }
        for other in [
            "/metron/topology",
            "/metron/topology/profiler",
            "/metron/topology/parsers",
            "/metron/topology/parsers/a/b",
            "/x",
        ] {
            assert_eq!(Place::of_node(other), None, "{other}");
        }
        assert!(Place::of(Kind::Parser, "../x").is_err() && Place::of(Kind::Parser, "").is_err());
    }
}
