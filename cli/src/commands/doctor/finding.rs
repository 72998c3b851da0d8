//! What a check found, and how that is printed.

use serde::Serialize;

use crate::output::printable;

/// How bad a finding is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// As it should be.
    Ok,
    /// Could not be looked at.
    Skipped,
    /// Worth knowing; nothing has to be done.
    Info,
    /// The service works, but a fault or a stranger can take it down.
    Warning,
    /// The service can't work like this.
    Error,
}

impl Severity {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Which part of the cluster a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Group {
    ZooKeeper,
    Yarn,
    Hdfs,
    Maas,
}

impl Group {
    const ALL: [Self; 4] = [Self::ZooKeeper, Self::Yarn, Self::Hdfs, Self::Maas];

    fn title(self) -> &'static str {
        match self {
            Self::ZooKeeper => "ZooKeeper",
            Self::Yarn => "YARN",
            Self::Hdfs => "HDFS",
            Self::Maas => "maas",
        }
    }
}

/// One thing that is looked at. Its id never changes: scripts select by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Check {
    group: Group,
    id: &'static str,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// The check.
    pub(super) id: &'static str,
    group: Group,
    /// How bad it is.
    pub(super) severity: Severity,
    /// What was seen.
    pub(super) seen: String,
    /// What to change; none where nothing has to be.
    pub(super) change: Option<String>,
    /// Why.
    pub(super) why: Option<String>,
}

impl Check {
    pub(super) const fn new(group: Group, id: &'static str) -> Self {
        Self { group, id }
    }

    fn found(self, severity: Severity, seen: String) -> Finding {
        Finding { id: self.id, group: self.group, severity, seen, change: None, why: None }
    }

    fn mend(self, severity: Severity, seen: String, change: &str, why: &str) -> Finding {
        Finding { change: Some(change.to_owned()), why: Some(why.to_owned()), ..self.found(severity, seen) }
    }

    pub(super) fn ok(self, seen: impl Into<String>) -> Finding {
        self.found(Severity::Ok, seen.into())
    }

    /// Worth knowing, and nothing to do.
    pub(super) fn note(self, seen: impl Into<String>) -> Finding {
        self.found(Severity::Info, seen.into())
    }

    pub(super) fn info(self, seen: impl Into<String>, change: &str, why: &str) -> Finding {
        self.mend(Severity::Info, seen.into(), change, why)
    }

    pub(super) fn warning(self, seen: impl Into<String>, change: &str, why: &str) -> Finding {
        self.mend(Severity::Warning, seen.into(), change, why)
    }

    pub(super) fn error(self, seen: impl Into<String>, change: &str, why: &str) -> Finding {
        self.mend(Severity::Error, seen.into(), change, why)
    }

    /// It could not be looked at, for this reason.
    pub(super) fn skipped(self, because: impl Into<String>) -> Finding {
        self.found(Severity::Skipped, because.into())
    }

    /// It needs what this other check did not find.
    pub(super) fn needs(self, other: Self) -> Finding {
        self.skipped(format!("needs {}", other.id))
    }
}

/// All that depends on a check which failed.
pub(super) fn all_need(checks: &[Check], other: Check) -> Vec<Finding> {
    checks.iter().map(|check| check.needs(other)).collect()
}

/// For people: by group, what to do below what is not well, and a count.
pub(super) fn table(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.id.len()).max().unwrap_or_default();
    let mut text = String::new();
    for group in Group::ALL {
        text.push_str(&format!("{}\n", group.title()));
        for finding in findings.iter().filter(|finding| finding.group == group) {
            text.push_str(&format!(
                "  {:<8} {:<width$}  {}\n",
                finding.severity.word(),
                finding.id,
                printable(&finding.seen)
            ));
            for (label, words) in [("change", &finding.change), ("why", &finding.why)] {
                if let Some(words) = words {
                    text.push_str(&format!("             {label:<7} {}\n", printable(words)));
                }
            }
        }
    }
    text.push_str(&count(findings));
    text
}

/// `20 ok, 3 info, 8 warnings, 0 errors, 0 skipped`.
fn count(findings: &[Finding]) -> String {
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    format!(
        "{} ok, {} info, {} warnings, {} errors, {} skipped\n",
        of(Severity::Ok),
        of(Severity::Info),
        of(Severity::Warning),
        of(Severity::Error),
        of(Severity::Skipped)
    )
}

/// `1` for errors; `3` for warnings where those count; `0` else.
pub(super) fn exit_code(findings: &[Finding], strict: bool) -> u8 {
    match findings.iter().map(|finding| finding.severity).max() {
        Some(Severity::Error) => 1,
        Some(Severity::Warning) if strict => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Check = Check::new(Group::Yarn, "rm-recovery");
    const TWO: Check = Check::new(Group::Maas, "maas-tree");

    #[test]
    fn the_table_is_grouped_with_what_to_do_below_what_is_not_well() {
        let findings = [TWO.ok("made\n\u{1b}[31m"), ONE.warning("off", "set it", "a restart ends all")];
        let expect = "ZooKeeper\nYARN\n  warning  rm-recovery  off\n             change  set it\n             why     a restart ends all\n\
                      HDFS\nmaas\n  ok       maas-tree    made  [31m\n1 ok, 0 info, 1 warnings, 0 errors, 0 skipped\n";
        assert_eq!(table(&findings), expect);
    }

    #[test]
    fn json_has_every_field_always() {
        let json = serde_json::to_value([ONE.skipped("needs rm-http")]).unwrap();
        let expect = serde_json::json!([{
            "id": "rm-recovery", "group": "yarn", "severity": "skipped", "seen": "needs rm-http", "change": null, "why": null
        }]);
        assert_eq!(json, expect);
    }

    #[test]
    fn the_exit_code_follows_the_worst() {
        let (warning, error) = (ONE.warning("", "", ""), ONE.error("", "", ""));
        assert_eq!(exit_code(&[ONE.ok(""), ONE.note(""), TWO.needs(ONE)], true), 0);
        assert_eq!(exit_code(std::slice::from_ref(&warning), false), 0);
        assert_eq!(exit_code(std::slice::from_ref(&warning), true), 3);
        assert_eq!(exit_code(&[error, warning], true), 1);
    }
}
