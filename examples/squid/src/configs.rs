//! `zk_load_configs.sh`: configs from files to ZooKeeper and back.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use maas_stellar::Functions;
use maas_store::{Config, Store};

use crate::config::{self, Files, Kind, Place};
use crate::tree::{self, Patterns, Written};

/// What the command takes; the flags are Metron's.
#[derive(Debug, Args)]
pub struct Options {
    /// DUMP, PULL or PUSH
    #[arg(short, long, value_name = "MODE")]
    mode: String,
    /// ZooKeeper: host:port, several separated by commas
    #[arg(short, long = "zk_quorum", value_name = "QUORUM")]
    zk_quorum: String,
    /// PUSH: the directory with global.json, parsers/, enrichments/ and indexing/
    #[arg(short, long = "input_dir", value_name = "DIR")]
    input_dir: Option<PathBuf>,
    /// PULL: the directory to write
    #[arg(short, long = "output_dir", value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// PULL: replace files that are there
    #[arg(short, long)]
    force: bool,
    /// Only configs of this sort: GLOBAL, PARSER, ENRICHMENT or INDEXING
    #[arg(short, long = "config_type", value_name = "TYPE")]
    config_type: Option<String>,
    /// Only this sensor's config; with --config_type
    #[arg(short = 'n', long = "config_name", value_name = "SENSOR")]
    config_name: Option<String>,
    /// Not supported, like --patch_mode, --patch_key and --patch_value
    #[arg(long = "patch_file", hide = true)]
    patch_file: Option<String>,
    #[arg(long = "patch_mode", hide = true)]
    patch_mode: Option<String>,
    #[arg(long = "patch_key", hide = true)]
    patch_key: Option<String>,
    #[arg(long = "patch_value", hide = true)]
    patch_value: Option<String>,
}

/// Which configs are meant.
#[derive(Debug, Default)]
struct Selection {
    kind: Option<Kind>,
    sensor: Option<String>,
}

impl Selection {
    fn of(options: &Options) -> Result<Self> {
        let kind = match options.config_type.as_deref().map(str::to_ascii_uppercase) {
            None => None,
            Some(name) => match Kind::ALL.into_iter().find(|kind| kind.name() == name) {
                Some(kind) => Some(kind),
                None if name == "PROFILER" => bail!("--config_type PROFILER: there is no profiler here"),
                None => bail!("--config_type {name} is none: GLOBAL, PARSER, ENRICHMENT or INDEXING"),
            },
        };
        match (kind, &options.config_name) {
            (None, Some(name)) => bail!("--config_name {name} needs --config_type: a sensor has several configs"),
            (Some(Kind::Global), Some(name)) => bail!("--config_name {name}: the global config is of no sensor"),
            _ => Ok(Self { kind, sensor: options.config_name.clone() }),
        }
    }

    fn takes(&self, place: &Place) -> bool {
        self.kind.is_none_or(|kind| kind == place.kind())
            && self.sensor.as_deref().is_none_or(|sensor| sensor == place.sensor())
    }
}

/// Runs the command; what it gives is for stdout.
///
/// # Errors
/// What a person should read; nothing was written then, neither to ZooKeeper nor to files.
pub async fn run(options: &Options, functions: &Functions) -> Result<String> {
    let selection = Selection::of(options)?;
    let patches = [&options.patch_file, &options.patch_mode, &options.patch_key, &options.patch_value];
    let mode = options.mode.to_ascii_uppercase();
    match mode.as_str() {
        "PATCH" => bail!("--mode PATCH is not supported: PULL the config, edit it and PUSH it"),
        "PUSH" | "PULL" | "DUMP" => {}
        _ => bail!("--mode {} is none: DUMP, PULL or PUSH", options.mode),
    }
    if patches.into_iter().any(Option::is_some) {
        bail!("patches are not supported: PULL the config, edit it and PUSH it");
    }
    match (mode.as_str(), &options.input_dir, &options.output_dir) {
        ("PUSH", Some(directory), None) => push(options, directory, &selection, functions).await,
        ("PUSH", None, _) => bail!("--mode PUSH needs --input_dir, the directory with the configs"),
        ("PULL", None, Some(directory)) => pull(options, directory, &selection).await,
        ("PULL", _, None) => bail!("--mode PULL needs --output_dir, the directory to write"),
        ("DUMP", None, None) => dump(options, &selection).await,
        (_, Some(_), _) => bail!("--input_dir is for PUSH"),
        _ => bail!("--output_dir is for PULL"),
    }
}

async fn open(options: &Options) -> Result<Store> {
    Ok(Store::open(Config::new(&options.zk_quorum)).await?)
}

async fn push(options: &Options, directory: &Path, selection: &Selection, functions: &Functions) -> Result<String> {
    let mut files = tree::read_directory(directory)?;
    files.retain(|place, _| selection.takes(place));
    if files.is_empty() {
        bail!(
            "there is nothing to push in {}: no global.json, and no *.json in parsers/, enrichments/ or indexing/",
            directory.display()
        );
    }
    let patterns = Patterns::open(std::env::var_os("HADOOP_CONF_DIR").map(PathBuf::from).as_deref())?;
    let patterns = patterns.load(config::pattern_paths(&files)).await.context("the pattern files could not be read")?;
    let bad: Vec<String> = files
        .iter()
        .filter_map(|(place, text)| config::check(place, text, &patterns, functions).err())
        .map(|bad| bad.to_string())
        .collect();
    if !bad.is_empty() {
        bail!("nothing was pushed:\n{}", bad.join("\n"));
    }
    let store = open(options).await?;
    let written = tree::write(&store, &files).await;
    store.close().await;
    let mut said = String::new();
    for (place, written) in written? {
        let what = match written {
            Written::Created => "created",
            Written::Changed => "changed",
            Written::Unchanged => "unchanged",
        };
        let _ = writeln!(said, "{place} {what}");
    }
    Ok(said)
}

async fn selected(options: &Options, selection: &Selection) -> Result<Files> {
    let store = open(options).await?;
    let stored = tree::stored(&store).await;
    store.close().await;
    Ok(stored?
        .into_iter()
        .filter(|(place, _)| selection.takes(place))
        .map(|(place, (text, _))| (place, text))
        .collect())
}

async fn pull(options: &Options, directory: &Path, selection: &Selection) -> Result<String> {
    let files = selected(options, selection).await?;
    let target = |place: &Place| directory.join(place.file());
    if let Some(path) = files.keys().map(target).find(|path| path.exists() && !options.force) {
        bail!("{} is there: --force replaces it; nothing was written", path.display());
    }
    let mut said = String::new();
    for (place, text) in &files {
        let path = target(place);
        let write = || {
            std::fs::create_dir_all(path.parent().unwrap_or(directory))?;
            std::fs::write(&path, text)
        };
        write().with_context(|| format!("{} could not be written", path.display()))?;
        let _ = writeln!(said, "{}", path.display());
    }
    Ok(said)
}

async fn dump(options: &Options, selection: &Selection) -> Result<String> {
    let mut said = String::new();
    for (place, text) in selected(options, selection).await? {
        let name = if place.kind() == Kind::Global { "global" } else { place.sensor() };
        let _ = writeln!(said, "{} Config: {name}\n{}", place.kind().name(), String::from_utf8_lossy(&text));
    }
    Ok(said)
}
