//! Hadoop's configuration files: `core-site.xml`, `hdfs-site.xml`, `yarn-site.xml`.
//!
//! `${name}` stands for another property, as in `org.apache.hadoop.conf.Configuration`; what is not a property of
//! these files (Java's system properties, `env.`) stays as written. DTDs, entities and `xi:include` are refused: a
//! configuration is read where it lies, and nothing else is.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Largest file read.
const MAX_FILE: u64 = 8 * 1024 * 1024;
const MAX_NODES: u32 = 500_000;
/// `Configuration.MAX_SUBST`.
const MAX_EXPANSIONS: usize = 20;
const MAX_VALUE: usize = 64 * 1024;
const FILES: [&str; 3] = ["core-site.xml", "hdfs-site.xml", "yarn-site.xml"];

/// A configuration that cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConfError {
    /// None of the files is in the directory.
    #[error(
        "{directory} holds none of core-site.xml, hdfs-site.xml and yarn-site.xml: name Hadoop's configuration directory"
    )]
    Empty {
        /// The directory.
        directory: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// A file is not the XML of a configuration.
    #[error("{path} is not a Hadoop configuration: {why}")]
    Xml {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column where known.
        why: String,
    },
}

/// Properties by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conf {
    properties: BTreeMap<String, String>,
    finals: BTreeSet<String>,
}

impl Conf {
    /// Reads the three files of a directory, those that are there, in Hadoop's order: a later file wins unless the
    /// earlier one said `<final>`. Blocks for the time of three small reads.
    pub fn load(directory: &Path) -> Result<Self, ConfError> {
        let mut conf = Self::default();
        let mut found = false;
        for name in FILES {
            let path = directory.join(name);
            match read(&path) {
                Ok(text) => {
                    conf.add(&path, &text)?;
                    found = true;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(ConfError::File { path, source: Arc::new(source) }),
            }
        }
        if found { Ok(conf) } else { Err(ConfError::Empty { directory: directory.to_owned() }) }
    }

    /// Adds the properties of one file's text; `path` is for messages.
    pub fn add(&mut self, path: &Path, text: &str) -> Result<(), ConfError> {
        let fault = |why: String| ConfError::Xml { path: path.to_owned(), why };
        let options = roxmltree::ParsingOptions { nodes_limit: MAX_NODES, ..roxmltree::ParsingOptions::default() };
        let document = roxmltree::Document::parse_with_options(text, options).map_err(|e| fault(e.to_string()))?;
        let root = document.root_element();
        if root.tag_name().name() != "configuration" {
            return Err(fault(format!("its root is <{}>, not <configuration>", root.tag_name().name())));
        }
        if document.descendants().any(|node| node.tag_name().name() == "include") {
            return Err(fault(
                "it includes another file, which is not supported: write its properties here".to_owned(),
            ));
        }
        for property in root.children().filter(|node| node.has_tag_name("property")) {
            let field = |name: &str| {
                let child = property.children().find(|node| node.has_tag_name(name));
                child
                    .map(|node| node.descendants().filter_map(|n| n.text().filter(|_| n.is_text())).collect::<String>())
            };
            let (Some(name), Some(value)) = (field("name"), field("value")) else { continue };
            let name = name.trim().to_owned();
            if name.is_empty() || self.finals.contains(&name) {
                continue;
            }
            if field("final").is_some_and(|text| text.trim() == "true") {
                self.finals.insert(name.clone());
            }
            self.properties.insert(name, value);
        }
        Ok(())
    }

    /// Sets one property, over whatever the files say.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.properties.insert(name.into(), value.into());
    }

    /// A property's value, trimmed, with `${…}` replaced; `None` when it is absent or empty.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = self.expand(self.properties.get(name)?);
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The non-empty, trimmed parts of a comma-separated value.
    pub fn list(&self, name: &str) -> Vec<String> {
        let value = self.get(name).unwrap_or_default();
        value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Replaces `${name}`, at most [`MAX_EXPANSIONS`] times; what is unknown, or would grow too long, stays.
    fn expand(&self, value: &str) -> String {
        let mut text = value.to_owned();
        let mut from = 0;
        let mut left = MAX_EXPANSIONS;
        while left > 0
            && let Some((start, end, name)) = variable(&text, from)
        {
            match self.properties.get(name) {
                Some(inner) if text.len() + inner.len() <= MAX_VALUE => {
                    text.replace_range(start..end, inner);
                    // The name around a replaced one may be complete now.
                    from = 0;
                    left -= 1;
                }
                _ => from = end,
            }
        }
        text
    }
}

/// The first innermost `${name}` that starts at or after `from`: start, end, name. One pass: only the last `${` before a
/// brace can be innermost.
fn variable(text: &str, from: usize) -> Option<(usize, usize, &str)> {
    let mut at = from;
    loop {
        let close = at + text.get(at..)?.find('}')?;
        let before = text.get(at..close)?;
        if let Some(start) = before.rfind("${") {
            let name = before.get(start + 2..)?;
            if !name.contains(['$', ' ', '\n']) && !name.is_empty() {
                return Some((at + start, close + 1, name));
            }
        }
        at = close + 1;
    }
}

fn read(path: &Path) -> io::Result<String> {
    let file = std::fs::File::open(path)?;
    let mut text = String::new();
    let read = io::Read::read_to_string(&mut io::Read::take(file, MAX_FILE + 1), &mut text)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 8 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn conf(text: &str) -> Result<Conf, ConfError> {
        let mut conf = Conf::default();
        conf.add(Path::new("yarn-site.xml"), text).map(|()| conf)
    }

    fn properties(pairs: &[(&str, &str)]) -> Conf {
        let text: String =
            pairs.iter().map(|(n, v)| format!("<property><name>{n}</name><value>{v}</value></property>")).collect();
        conf(&format!("<configuration>{text}</configuration>")).unwrap()
    }

    #[test]
    fn variables_are_replaced_and_loops_end() {
        let conf = properties(&[
            ("host", " rm1 "),
            ("address", "${host}:8032"),
            ("loop", "${loop}x"),
            ("two", "${three}"),
            ("three", "${two}"),
            ("nested", "${ho${s}}"),
            ("s", "st"),
            ("unknown", "${env.HOME}/${host}"),
        ]);
        assert_eq!(conf.get("address").unwrap(), "rm1 :8032");
        assert_eq!(conf.get("nested").unwrap(), "rm1");
        assert_eq!(conf.get("unknown").unwrap(), "${env.HOME}/ rm1");
        assert!(conf.get("loop").unwrap().starts_with("${loop}xxx"));
        assert!(conf.get("two").unwrap().starts_with("${t"));
        assert_eq!(conf.get("absent"), None);
    }

    #[test]
    fn values_that_double_stay_bounded() {
        let pairs: Vec<(String, String)> =
            (0..30).map(|i| (format!("v{i}"), format!("${{v{}}}${{v{}}}{}", i + 1, i + 1, "y".repeat(9000)))).collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert!(properties(&pairs).get("v0").unwrap().len() <= MAX_VALUE);
    }

    #[test]
    fn a_value_of_nothing_but_openings_takes_no_time() {
        let conf = properties(&[("a", &format!("{}${{b}}}}", "${".repeat(20_000))), ("b", "${a}")]);
        let since = std::time::Instant::now();
        assert!(conf.get("a").unwrap().len() <= MAX_VALUE);
        assert!(since.elapsed() < std::time::Duration::from_secs(1), "{:?}", since.elapsed());
    }

    #[test]
    fn a_final_property_is_not_overridden() {
        let mut conf = conf(
            "<configuration><property><name>a</name><value>1</value><final>true</final></property></configuration>",
        )
        .unwrap();
        let later = "<configuration><property><name>a</name><value>2</value></property></configuration>";
        conf.add(Path::new("x"), later).unwrap();
        assert_eq!(conf.get("a").unwrap(), "1");
        // Within one file too (`Configuration.loadProperty`).
        let mut conf = Conf::default();
        let first = "<property><name>a</name><value>1</value><final>true</final></property>";
        let both = format!("<configuration>{first}{}</configuration>", first.replace('1', "2"));
        conf.add(Path::new("x"), &both).unwrap();
        assert_eq!(conf.get("a").unwrap(), "1");
    }

    #[test]
    fn entities_includes_and_other_xml_are_refused() {
        let bomb = "<!DOCTYPE x [<!ENTITY a 'b'>]><configuration>&a;</configuration>";
        let include =
            "<configuration xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='/etc/x'/></configuration>";
        for text in [bomb, include, "<html/>", "<configuration>", ""] {
            assert!(conf(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_directory_without_the_files_is_said_to_be_wrong() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(Conf::load(directory.path()), Err(ConfError::Empty { .. })));
        let text = "<configuration><property><name>a</name><value>1</value></property></configuration>";
        std::fs::write(directory.path().join("yarn-site.xml"), text).unwrap();
        assert_eq!(Conf::load(directory.path()).unwrap().get("a").unwrap(), "1");
    }

    proptest! {
        #[test]
        fn no_value_panics(a in r"[a$\{\}b ]{0,30}", b in r"[a$\{\}b ]{0,30}") {
            let conf = properties(&[("a", &a), ("b", &b)]);
            let _ = (conf.get("a"), conf.get("b"));
        }
    }
}
