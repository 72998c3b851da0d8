//! Configs in ZooKeeper and in files, and the pattern files that they name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use maas_hdfs::{Error as HdfsError, Hdfs};
use maas_store::{Op, Store};

use crate::config::{Files, Kind, PatternFiles, Place};
use crate::shipped;

/// Longest file that is read, in bytes: a config must fit into a node, and a pattern has no reason to be larger.
const LONGEST: u64 = 512 * 1024;

/// The configs in ZooKeeper, and the version of each.
///
/// # Errors
/// ZooKeeper refused or did not answer.
pub async fn stored(store: &Store) -> Result<BTreeMap<Place, (Vec<u8>, i32)>> {
    let nodes = store.list(Place::root()).await.context("the configs could not be read")?;
    let configs =
        nodes.into_iter().filter_map(|(path, data, stat)| Some((Place::of_node(&path)?, (data, stat.version))));
    Ok(configs.collect())
}

/// What a push does to one config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was not there.
    Created,
    /// It was another.
    Changed,
    /// It is the same.
    Unchanged,
}

/// Writes configs, all of them or none. Says what became of each.
///
/// # Errors
/// ZooKeeper refused, or others kept writing the same.
pub async fn write(store: &Store, files: &Files) -> Result<BTreeMap<Place, Written>> {
    for _ in 0..5 {
        let there = stored(store).await?;
        let mut ops = Vec::new();
        for path in Place::folders() {
            if store.get(&path).await?.is_none() {
                ops.push(Op::Create { path, data: Vec::new(), ephemeral: false });
            }
        }
        let mut written = BTreeMap::new();
        for (place, data) in files {
            let (path, data) = (place.node(), data.clone());
            written.insert(
                place.clone(),
                match there.get(place) {
                    None => {
                        ops.push(Op::Create { path, data, ephemeral: false });
                        Written::Created
                    }
                    Some((old, _)) if *old == data => Written::Unchanged,
                    Some((_, version)) => {
                        ops.push(Op::Set { path, data, version: Some(*version) });
                        Written::Changed
                    }
                },
            );
        }
        if ops.is_empty() {
            return Ok(written);
        }
        match store.commit(&ops).await {
            Ok(_) => return Ok(written),
            // Somebody else was quicker with one of them.
            Err(error)
                if error.refusal().is_some_and(|refusal| {
                    use maas_store::Refusal::{BadVersion, NoNode, NodeExists};
                    matches!(refusal, BadVersion | NodeExists | NoNode)
                }) => {}
            Err(error) => return Err(error).context("the configs could not be written; nothing of them was"),
        }
    }
    bail!("the configs were not written: somebody else writes them at the same time; try again")
}

/// The files of a directory laid out as Metron's: `global.json`, `parsers/*.json`, `enrichments/*.json`, `indexing/*.json`.
///
/// # Errors
/// The directory or a file cannot be read, or a file's name is no sensor's.
pub fn read_directory(directory: &Path) -> Result<Files> {
    if !directory.is_dir() {
        bail!("{} is no directory: name the one with global.json and parsers/", directory.display());
    }
    let mut files = Files::new();
    for kind in Kind::ALL {
        let folder = directory.join(Place::directory(kind));
        let mut paths: Vec<PathBuf> = if kind == Kind::Global {
            vec![folder.join("global.json")]
        } else if folder.is_dir() {
            let entries = std::fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?
        } else {
            continue;
        };
        paths.retain(|path| path.is_file() && path.extension().is_some_and(|extension| extension == "json"));
        for path in paths {
            let sensor = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let place = Place::of(kind, sensor).map_err(|reason| anyhow::anyhow!("{}: {reason}", path.display()))?;
            let size = path.metadata().with_context(|| format!("{} cannot be read", path.display()))?.len();
            if size > LONGEST {
                bail!("{} has {size} bytes; a config may have {LONGEST}", path.display());
            }
            let text = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            files.insert(place, text);
        }
    }
    Ok(files)
}

/// Where pattern files come from: HDFS as Hadoop's configuration directory says, then what is shipped.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Option<Hdfs>);

impl Patterns {
    /// Those of HDFS too, where a Hadoop configuration is named.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(hadoop_conf_dir: Option<&Path>) -> Result<Self> {
        let open = |dir: &Path| Hdfs::open_within(dir, None, Duration::from_secs(10));
        Ok(Self(hadoop_conf_dir.map(open).transpose()?))
    }

    /// The files at these paths; none for one that is nowhere.
    ///
    /// # Errors
    /// HDFS is named but cannot be asked, or a file of it is no pattern file.
    pub async fn load(&self, paths: impl IntoIterator<Item = String>) -> Result<PatternFiles> {
        let mut files = PatternFiles::new();
        for path in paths {
            let text = match self.in_hdfs(&path).await? {
                Some(text) => Some(text),
                None => shipped::pattern(&path).map(ToOwned::to_owned),
            };
            files.insert(path, text);
        }
        Ok(files)
    }

    async fn in_hdfs(&self, path: &str) -> Result<Option<String>> {
        let Some(hdfs) = &self.0 else { return Ok(None) };
        let reader = match hdfs.reader(path).await {
            Ok(reader) => reader,
            Err(HdfsError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if reader.length() > LONGEST {
            bail!("{} has {} bytes; a pattern file may have {LONGEST}", reader.url(), reader.length());
        }
        let length = usize::try_from(reader.length()).unwrap_or(usize::MAX);
        let bytes = reader.read(0, length).await?;
        let text = String::from_utf8(bytes.to_vec()).with_context(|| format!("{} is no text", reader.url()))?;
        Ok(Some(text))
    }
}
