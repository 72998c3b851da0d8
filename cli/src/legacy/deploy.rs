//! What `maas_deploy.sh` was asked for.

use std::path::PathBuf;
use std::time::Duration;

use super::parser::{OptionSpec, Parsed, Value, parse};
use super::{Asked, RequestError};

/// The usage text, as the original prints it.
pub(crate) const USAGE: &str = include_str!("usage_deploy.txt");

/// How long `--wait` waits when it is given no seconds.
const DEFAULT_WAIT: Duration = Duration::from_secs(600);

const fn option(short: &'static str, long: &'static str) -> OptionSpec {
    OptionSpec { short, long, value: Value::Required }
}

const OPTIONS: &[OptionSpec] = &[
    OptionSpec { short: "h", long: "help", value: Value::None },
    option("hmp", "hdfs_model_path"),
    option("lmp", "local_model_path"),
    option("l", "log4j"),
    option("m", "memory"),
    option("mo", "mode"),
    option("n", "name"),
    option("ni", "num_instances"),
    option("v", "version"),
    option("zq", "zk_quorum"),
    option("zr", "zk_root"),
    // The one option that the original has not: its callers could not know when, or whether, a model was up.
    OptionSpec { short: "wait", long: "wait", value: Value::Attached },
];

/// A checked request, and what it shares with the others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DeployRequest {
    /// `-zq`.
    pub quorum: String,
    /// `-zr`: the znode of Metron's config JSON.
    pub config_path: String,
    /// What to do.
    pub mode: Mode,
    /// `--wait[=seconds]`: until it is so, or at most this long.
    pub wait: Option<Duration>,
    /// Lines for stderr on options that were taken but mean nothing.
    pub notes: Vec<String>,
}

/// `-mo`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Create the deployment or add instances to it.
    Add(Add),
    /// Take instances away.
    Remove {
        /// `-n`.
        model: String,
        /// `-v`.
        version: String,
        /// `-ni`.
        instances: u32,
    },
    /// Print what is live.
    List {
        /// `-n`: only this model.
        model: Option<String>,
        /// `-v`: only this version.
        version: Option<String>,
    },
}

/// `-mo ADD`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Add {
    /// `-n`.
    pub model: String,
    /// `-v`.
    pub version: String,
    /// `-ni`.
    pub instances: u32,
    /// `-m`, MiB.
    pub memory_mib: u64,
    /// `-hmp`: the payload's directory in HDFS, or where to put the local one.
    pub hdfs_path: String,
    /// `-lmp`: a local directory to upload.
    pub local_path: Option<PathBuf>,
}

/// Reads the words after the program's name.
pub(crate) fn read(words: &[String]) -> Result<Asked<DeployRequest>, RequestError> {
    let parsed = parse(OPTIONS, words)?;
    if parsed.has("h") {
        return Ok(Asked::Help);
    }
    parsed.require(&["zq", "mo"])?;
    let mut notes = Vec::new();
    if parsed.has("l") {
        notes.push("note: -l has no meaning here: nothing in this program is configured by log4j".to_owned());
    }
    let text = |short: &str| parsed.value(short).map(str::to_owned);
    let mode = text("mo").unwrap_or_default();
    let mode = match mode.to_ascii_uppercase().as_str() {
        "ADD" => {
            parsed.require(&["n", "v", "m", "ni", "hmp"])?;
            Mode::Add(Add {
                model: text("n").unwrap_or_default(),
                version: text("v").unwrap_or_default(),
                instances: instances(&parsed)?,
                memory_mib: positive(&parsed, "m")?,
                hdfs_path: text("hmp").unwrap_or_default(),
                local_path: text("lmp").map(PathBuf::from),
            })
        }
        "REMOVE" => {
            parsed.require(&["n", "v", "ni"])?;
            unused(&parsed, &["m", "hmp", "lmp"], "REMOVE", &mut notes);
            Mode::Remove {
                model: text("n").unwrap_or_default(),
                version: text("v").unwrap_or_default(),
                instances: instances(&parsed)?,
            }
        }
        "LIST" => {
            unused(&parsed, &["m", "ni", "hmp", "lmp", "wait"], "LIST", &mut notes);
            Mode::List { model: text("n"), version: text("v") }
        }
        _ => return Err(RequestError::bad("-mo", &mode, "ADD, LIST or REMOVE")),
    };
    let wait = match (parsed.has("wait"), parsed.value("wait")) {
        (false, _) => None,
        (true, None) => Some(DEFAULT_WAIT),
        (true, Some(_)) => Some(Duration::from_secs(positive(&parsed, "wait")?)),
    };
    Ok(Asked::For(DeployRequest {
        quorum: text("zq").unwrap_or_default(),
        config_path: text("zr").unwrap_or_else(|| super::DEFAULT_CONFIG_PATH.to_owned()),
        mode,
        wait,
        notes,
    }))
}

fn unused(parsed: &Parsed, shorts: &[&str], mode: &str, notes: &mut Vec<String>) {
    notes.extend(
        shorts
            .iter()
            .filter(|short| parsed.has(short))
            .map(|short| format!("note: -{short} has no meaning for {mode}")),
    );
}

fn instances(parsed: &Parsed) -> Result<u32, RequestError> {
    let number = positive(parsed, "ni")?;
    u32::try_from(number).map_err(|_| RequestError::bad("-ni", &number.to_string(), "a smaller number"))
}

fn positive(parsed: &Parsed, short: &'static str) -> Result<u64, RequestError> {
    let text = parsed.value(short).unwrap_or_default();
    let flag = if short == "wait" { "--wait".to_owned() } else { format!("-{short}") };
    text.parse()
        .ok()
        .filter(|&number| number > 0)
        .ok_or_else(|| RequestError::bad(&flag, text, "a whole number above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked<DeployRequest>, RequestError> {
        read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn request(line: &str) -> DeployRequest {
        match asked(line) {
            Ok(Asked::For(request)) => request,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_flag_of_the_usage_text_is_known() {
        let mut known = 0;
        for line in USAGE.lines().filter_map(|line| line.strip_prefix(" -")) {
            let (short, rest) = line.split_once(",--").unwrap();
            let option = OPTIONS.iter().find(|option| option.short == short).unwrap();
            assert_eq!(option.long, rest.split(' ').next().unwrap());
            assert_eq!(option.value == Value::Required, rest.contains("<arg>"), "{short}");
            known += 1;
        }
        assert_eq!(known + 1, OPTIONS.len(), "and --wait");
    }

    #[test]
    fn the_example_of_the_guide_is_read() {
        let request =
            request("-zq node1:2181 -lmp /root/mock_dga -hmp /user/root/models -mo ADD -m 512 -n dga -v 1.0 -ni 1");
        assert_eq!(request.quorum, "node1:2181");
        let expect = Add {
            model: "dga".into(),
            version: "1.0".into(),
            instances: 1,
            memory_mib: 512,
            hdfs_path: "/user/root/models".into(),
            local_path: Some("/root/mock_dga".into()),
        };
        assert_eq!((request.mode, request.wait), (Mode::Add(expect), None));
    }

    #[test]
    fn modes_are_read_in_any_case_and_others_are_refused() {
        assert!(matches!(request("-zq z -mo list").mode, Mode::List { model: None, version: None }));
        assert!(matches!(request("-zq z -mo Remove -n a -v 1 -ni 2").mode, Mode::Remove { instances: 2, .. }));
        assert_eq!(asked("-zq z -mo DROP").unwrap_err().to_string(), "-mo \"DROP\": expected ADD, LIST or REMOVE");
    }

    #[test]
    fn what_a_mode_needs_is_named_at_once() {
        assert_eq!(asked("").unwrap_err().to_string(), "missing required options: zq, mo");
        assert_eq!(asked("-zq z -mo ADD -n dga").unwrap_err().to_string(), "missing required options: v, m, ni, hmp");
        assert!(matches!(asked("-h"), Ok(Asked::Help)));
    }

    #[test]
    fn counts_that_are_none_are_refused() {
        for count in ["0", "-1", "x", "1.0", "", "99999999999"] {
            let line = ["-zq", "z", "-mo", "REMOVE", "-n", "a", "-v", "1", "-ni", count].map(str::to_owned);
            assert!(read(&line).unwrap_err().to_string().starts_with("-ni "), "{count}");
        }
    }

    #[test]
    fn waiting_takes_seconds_only_when_attached() {
        assert_eq!(request("-zq z -mo REMOVE -n a -v 1 -ni 2 --wait").wait, Some(DEFAULT_WAIT));
        assert_eq!(request("-zq z --wait=5 -mo REMOVE -n a -v 1 -ni 2").wait, Some(Duration::from_secs(5)));
        assert!(asked("-zq z --wait=soon -mo LIST").is_err());
    }

    #[test]
    fn what_means_nothing_is_said() {
        assert_eq!(request("-zq z -mo LIST -l x -ni 3").notes.len(), 2);
    }
}
