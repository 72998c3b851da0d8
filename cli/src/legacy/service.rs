//! What `maas_service.sh` was asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::parser::{OptionSpec, Parsed, Value, parse};
use super::{Asked, RequestError};

/// The usage text, as the original prints it.
pub(crate) const USAGE: &str = include_str!("usage_service.txt");

const fn option(short: &'static str, long: &'static str) -> OptionSpec {
    OptionSpec { short, long, value: Value::Required }
}

const OPTIONS: &[OptionSpec] = &[
    OptionSpec { short: "c", long: "create", value: Value::None },
    option("d", "domain"),
    option("e", "shell_env"),
    OptionSpec { short: "h", long: "help", value: Value::None },
    option("j", "jar"),
    option("l", "log4j"),
    option("ma", "modify_acls"),
    option("mc", "master_vcores"),
    option("mm", "master_memory"),
    option("nle", "node_label_expression"),
    option("q", "queue"),
    option("t", "timeout"),
    option("va", "view_acls"),
    option("zq", "zk_quorum"),
    option("zr", "zk_root"),
];

/// Options that had a meaning for a Java master or the timeline service, with the reason why they have none here.
const WITHOUT_MEANING: &[(&str, &str)] = &[
    ("c", "no timeline domain is used"),
    ("d", "no timeline domain is used"),
    ("j", "the operator is no jar; maasctl uploads the maas-operator beside it"),
    ("l", "the operator has no log4j; set RUST_LOG with -e"),
    ("ma", "no timeline domain is used"),
    ("va", "no timeline domain is used"),
];

/// A checked request to start the service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServiceRequest {
    /// `-zq`.
    pub quorum: String,
    /// `-zr`: the znode of Metron's config JSON.
    pub config_path: String,
    /// `-mm`, MiB; passed as asked, the ResourceManager rounds up.
    pub memory_mib: u64,
    /// `-mc`.
    pub vcores: u32,
    /// `-q`.
    pub queue: String,
    /// `-nle`; an empty one is the default partition, none is the queue's default.
    pub node_label: Option<String>,
    /// `-t`: how long to wait for the service before it is killed.
    pub timeout: Duration,
    /// `-e`, for every model.
    pub env: BTreeMap<String, String>,
    /// Lines for stderr on options that were taken but mean nothing.
    pub notes: Vec<String>,
}

/// Reads the words after the program's name.
pub(crate) fn read(words: &[String]) -> Result<Asked<ServiceRequest>, RequestError> {
    let parsed = parse(OPTIONS, words)?;
    if parsed.has("h") {
        return Ok(Asked::Help);
    }
    parsed.require(&["zq"])?;
    let mut env = BTreeMap::new();
    for pair in parsed.values("e") {
        let (key, value) = pair
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| RequestError::bad("-e", pair, "a KEY=VALUE pair"))?;
        env.insert(key.trim().to_owned(), value.to_owned());
    }
    Ok(Asked::For(ServiceRequest {
        quorum: parsed.value("zq").unwrap_or_default().to_owned(),
        config_path: parsed.value("zr").unwrap_or(super::DEFAULT_CONFIG_PATH).to_owned(),
        memory_mib: number(&parsed, "mm", 10)?,
        vcores: number(&parsed, "mc", 1)?,
        queue: parsed.value("q").unwrap_or("default").to_owned(),
        node_label: parsed.value("nle").map(str::to_owned),
        timeout: Duration::from_millis(number(&parsed, "t", 600_000_u32)?.into()),
        env,
        notes: WITHOUT_MEANING
            .iter()
            .filter(|(short, _)| parsed.has(short))
            .map(|(short, why)| format!("note: -{short} has no meaning here: {why}"))
            .collect(),
    }))
}

fn number<N: std::str::FromStr + PartialEq + From<u8>>(
    parsed: &Parsed,
    short: &'static str,
    default: N,
) -> Result<N, RequestError> {
    match parsed.value(short) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| *number != N::from(0))
            .ok_or_else(|| RequestError::bad(&format!("-{short}"), text, "a whole number above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked<ServiceRequest>, RequestError> {
        read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn request(line: &str) -> ServiceRequest {
        match asked(line) {
            Ok(Asked::For(request)) => request,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_flag_of_the_usage_text_is_known() {
        for line in USAGE.lines().filter_map(|line| line.strip_prefix(" -")) {
            let (short, rest) = line.split_once(",--").unwrap();
            let long = rest.split(' ').next().unwrap();
            let option = OPTIONS.iter().find(|option| option.short == short).unwrap();
            assert_eq!(option.long, long);
            assert_eq!(option.value == Value::Required, rest.contains("<arg>"), "{short}");
        }
        assert_eq!(USAGE.matches(",--").count(), OPTIONS.len());
    }

    #[test]
    fn defaults_are_the_originals() {
        let request = request("-zq node1:2181");
        assert_eq!((request.memory_mib, request.vcores, request.queue.as_str()), (10, 1, "default"));
        assert_eq!(request.timeout, Duration::from_secs(600));
        assert_eq!(request.config_path, "/metron/maas/config");
        assert_eq!(request.notes, Vec::<String>::new());
    }

    #[test]
    fn all_flags_are_taken() {
        let request = request(
            "-zq z -zr /r/config -mm 512 -mc 2 -q q -t 5000 -e A=1 --shell_env B=x=y -nle gpu -c -d d -j j -l l -ma m -va v",
        );
        assert_eq!((request.memory_mib, request.vcores, request.timeout), (512, 2, Duration::from_secs(5)));
        assert_eq!(request.env, BTreeMap::from([("A".into(), "1".into()), ("B".into(), "x=y".into())]));
        assert_eq!(request.node_label.as_deref(), Some("gpu"));
        assert_eq!(request.notes.len(), 6);
    }

    #[test]
    fn help_alone_needs_no_quorum_and_nothing_at_all_does() {
        assert!(matches!(asked("-h"), Ok(Asked::Help)));
        assert_eq!(asked("").unwrap_err().to_string(), "missing required option: zq");
    }

    #[test]
    fn numbers_that_are_none_are_refused_with_the_flag() {
        for line in ["-mm 0", "-mm -1", "-mm x", "-mc 1.5", "-t 99999999999"] {
            let message = asked(&format!("-zq z {line}")).unwrap_err().to_string();
            assert!(message.contains(line.split(' ').next().unwrap()), "{message}");
        }
        assert!(asked("-zq z -e novalue").unwrap_err().to_string().contains("KEY=VALUE"));
    }
}
