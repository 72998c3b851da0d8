//! What `wait --for` names, and whether a resource is so. Pure.

use anyhow::{Context, bail};
use maas_crd::{ConditionStatus, Status};
use serde_json::Value;

use crate::jsonpath::{self, EvalError, Path};
use crate::output::rows;
use crate::reference::Kind;
use crate::resource::Resource;
use crate::tree::{Deployment, Syncing};

/// What can be waited for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Awaited {
    /// Every instance of the newest spec is ready; an instance: it may be called.
    Ready,
    /// It is there.
    Create,
    /// Nothing of it is left.
    Delete,
    /// A condition of its status, by the newest spec.
    Condition { type_: String, status: String },
    /// A field of the whole: it is there, or has this value.
    Field { path: Path, value: Option<String> },
}

impl Awaited {
    /// Reads what stands after `--for=`.
    ///
    /// # Errors
    /// In words for the user.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=').map_or((text, None), |(word, rest)| (word, Some(rest))) {
            ("ready", None) => Ok(Self::Ready),
            ("create", None) => Ok(Self::Create),
            ("delete", None) => Ok(Self::Delete),
            ("condition", Some(rest)) => {
                let (type_, status) = rest.split_once('=').unwrap_or((rest, "True"));
                if type_.is_empty() || status.is_empty() {
                    return Err("write condition=TYPE or condition=TYPE=STATUS, as in condition=Available".to_owned());
                }
                Ok(Self::Condition { type_: type_.to_owned(), status: status.to_owned() })
            }
            ("jsonpath", Some(rest)) => {
                let (path, rest) = Path::parse_prefix(rest).map_err(|error| error.to_string())?;
                match rest.strip_prefix('=') {
                    Some("") => Err("jsonpath wait has to have a value after the = sign, or no = sign".to_owned()),
                    Some(value) => Ok(Self::Field { path, value: Some(value.to_owned()) }),
                    None if rest.is_empty() => Ok(Self::Field { path, value: None }),
                    None => Err(format!("expected = and a value after the path, found {:?}", shown(rest))),
                }
            }
            _ => Err(format!(
                "unrecognized condition: {:?}; expected ready, create, delete, condition=TYPE[=STATUS] or jsonpath={{PATH}}[=VALUE]",
                shown(text)
            )),
        }
    }

    /// Refuses what resources of a kind never are.
    pub(crate) fn check(&self, kind: Kind) -> anyhow::Result<()> {
        match (self, kind) {
            (_, Kind::Event) => bail!("events are not waited for: maasctl events -w prints them as they come"),
            (Self::Condition { .. }, Kind::Instance | Kind::Endpoint) => {
                bail!("{} have no conditions: wait for ready, create, delete or jsonpath={{PATH}}=VALUE", kind.plural())
            }
            _ => Ok(()),
        }
    }

    /// What a resource that is there lacks to be so; none when it is so.
    ///
    /// # Errors
    /// What is waited for makes no sense for it.
    pub(crate) fn lacks(&self, resource: &Resource) -> anyhow::Result<Option<String>> {
        Ok(match self {
            Self::Create => None,
            Self::Delete => Some("it is still there".to_owned()),
            Self::Ready => match resource {
                Resource::Deployment(of) => unready(of),
                Resource::Instance(of) if of.endpoint.is_some() => None,
                Resource::Instance(of) => Some(match rows::lacks(of) {
                    Some(lacks) => format!("{}; {}: {}", rows::state(of), lacks.reason, lacks.message),
                    None => rows::state(of).to_owned(),
                }),
                Resource::Sync(of) => sync_without(of, "Ready", "True"),
                Resource::Endpoint(_) | Resource::Event(_) => None,
            },
            Self::Condition { type_, status } => match resource {
                Resource::Deployment(of) => without(of, type_, status),
                Resource::Sync(of) => sync_without(of, type_, status),
                _ => Some("it has no conditions".to_owned()),
            },
            Self::Field { path, value } => differs(path, value.as_deref(), &resource.object())?,
        })
    }
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// What keeps a deployment from being served whole by its newest spec.
pub(crate) fn unready(of: &Deployment) -> Option<String> {
    if of.is_complete() {
        return None;
    }
    let Some(status) = &of.status else { return Some("no operator has seen it".to_owned()) };
    // That too few are ready is said already; why is told by the others.
    let wrong =
        |type_: &str, when: ConditionStatus| status.condition(type_).filter(|condition| condition.status == when);
    let wrong = wrong("ReplicaFailure", ConditionStatus::True)
        .or_else(|| wrong("Progressing", ConditionStatus::False))
        .or_else(|| wrong("Available", ConditionStatus::False));
    let ready = format!("{} of {} ready", status.ready_replicas, of.replicas().unwrap_or_default());
    Some(wrong.map_or(ready.clone(), |condition| format!("{ready}; {}: {}", condition.reason, condition.message)))
}

fn without(of: &Deployment, type_: &str, wanted: &str) -> Option<String> {
    let Some(status) = &of.status else { return Some("no operator has seen it".to_owned()) };
    if status.observed_generation < of.generation() {
        return Some(format!(
            "its status is of generation {}, the newest is {}",
            status.observed_generation,
            of.generation()
        ));
    }
    let Some(condition) = status.conditions.iter().find(|condition| condition.type_.eq_ignore_ascii_case(type_)) else {
        // There is no summary among the conditions; whoever asks for one means this.
        if type_.eq_ignore_ascii_case("ready") && wanted.eq_ignore_ascii_case("true") {
            return unready(of);
        }
        return Some(format!("it has no condition {}, only {}", shown(type_), types(status)));
    };
    let is = format!("{:?}", condition.status);
    (!is.eq_ignore_ascii_case(wanted))
        .then(|| format!("{} is {is}: {}: {}", condition.type_, condition.reason, condition.message))
}

fn sync_without(of: &Syncing, type_: &str, wanted: &str) -> Option<String> {
    let Some(record) = &of.record else { return Some("its record can't be read".to_owned()) };
    let mut conditions = record.status.conditions.iter();
    let Some(condition) = conditions.find(|condition| condition.type_.eq_ignore_ascii_case(type_)) else {
        return Some(format!("it has no condition {} now", shown(type_)));
    };
    let is = format!("{:?}", condition.status);
    (!is.eq_ignore_ascii_case(wanted))
        .then(|| format!("{} is {is}: {}: {}", condition.type_, condition.reason, condition.message))
}

fn types(status: &Status) -> String {
    let types: Vec<&str> = status.conditions.iter().map(|condition| condition.type_.as_str()).collect();
    if types.is_empty() { "none yet".to_owned() } else { types.join(", ") }
}

fn differs(path: &Path, wanted: Option<&str>, object: &Value) -> anyhow::Result<Option<String>> {
    let values = match path.values(object) {
        // The list may grow.
        Err(EvalError::OutOfBounds { .. }) => Vec::new(),
        other => other.context("--for=jsonpath")?,
    };
    let values: Vec<&Value> = values.into_iter().filter(|value| !value.is_null()).collect();
    match (values.as_slice(), wanted) {
        ([], _) => Ok(Some("the field is not there".to_owned())),
        ([_, _, ..], _) => bail!("--for=jsonpath: given jsonpath expression matches more than one value"),
        ([_], None) => Ok(None),
        ([Value::Array(_) | Value::Object(_)], Some(_)) => {
            bail!("--for=jsonpath: jsonpath leads to a nested object or list which is not supported")
        }
        ([value], Some(wanted)) => {
            let is = jsonpath::text(value);
            Ok((is != wanted).then(|| format!("the field is {is}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn every_form_is_read_and_others_are_refused() {
        assert_eq!(Awaited::parse("delete"), Ok(Awaited::Delete));
        let condition = |status: &str| Awaited::Condition { type_: "Available".into(), status: status.into() };
        assert_eq!(Awaited::parse("condition=Available"), Ok(condition("True")));
        assert_eq!(Awaited::parse("condition=Available=false"), Ok(condition("false")));
        let path = Path::parse(".status.phase").unwrap();
        let field = |value: Option<&str>| Awaited::Field { path: path.clone(), value: value.map(str::to_owned) };
        assert_eq!(Awaited::parse("jsonpath={.status.phase}"), Ok(field(None)));
        assert_eq!(Awaited::parse("jsonpath={.status.phase}=a=b"), Ok(field(Some("a=b"))));
        assert_eq!(Awaited::parse("jsonpath=.status.phase=x"), Ok(field(Some("x"))));
        for (text, expect) in [
            ("", "unrecognized condition"),
            ("readi", "unrecognized condition: \"readi\""),
            ("condition=", "write condition=TYPE"),
            ("condition=A=", "write condition=TYPE"),
            ("jsonpath=", "a path such as"),
            ("jsonpath={.a", "} is expected"),
            ("jsonpath={.a}=", "has to have a value"),
            ("jsonpath={.a}x", "expected = and a value"),
        ] {
            let message = Awaited::parse(text).unwrap_err();
            assert!(message.contains(expect), "{text}: {message}");
        }
        assert!(Awaited::parse(&format!("jsonpath={}", "{.a[?(@".repeat(10_000))).is_err());
    }

    #[test]
    fn the_cause_is_told_before_its_effect() {
        let condition = |type_: &str, status, reason: &str| maas_crd::Condition {
            type_: type_.into(),
            status,
            reason: reason.into(),
            message: "m".into(),
            last_transition_time: 0,
            last_update_time: None,
            observed_generation: 1,
        };
        let mut status = Status { uid: 1, observed_generation: 1, ..Status::default() };
        let text = "apiVersion: maas/v1\nkind: ModelDeployment\nspec:\n  model: {name: a, version: \"1\"}\n  payload: {path: /m}\n";
        let stat = maas_store::Stat { czxid: 1, ..maas_store::Stat::default() };
        let lacks = |status: &Status| {
            let spec = maas_crd::parse_one(text.as_bytes());
            let (namespace, name) = ("default".parse().unwrap(), "a-1".parse().unwrap());
            unready(&Deployment { namespace, name, stat, spec, status: Some(status.clone()) }).unwrap()
        };
        assert_eq!(lacks(&status), "0 of 1 ready");
        for (type_, when, reason) in [
            ("Available", ConditionStatus::False, "TooFew"),
            ("Progressing", ConditionStatus::False, "TooLate"),
            ("ReplicaFailure", ConditionStatus::True, "PayloadMissing"),
        ] {
            status.conditions.push(condition(type_, when, reason));
            assert_eq!(lacks(&status), format!("0 of 1 ready; {reason}: m"));
        }
    }

    #[test]
    fn a_field_is_compared_as_text() {
        let object = json!({"n": 3, "s": "x", "none": null, "list": [1, 2]});
        let lacks = |path: &str, value: Option<&str>| {
            differs(&Path::parse(path).unwrap(), value, &object).map_err(|error| error.to_string())
        };
        assert_eq!(lacks(".n", Some("3")), Ok(None));
        assert_eq!(lacks(".n", Some("4")), Ok(Some("the field is 3".into())));
        assert_eq!(lacks(".s", None), Ok(None));
        assert_eq!(lacks(".none", None), Ok(Some("the field is not there".into())));
        assert_eq!(lacks(".list[7]", None), Ok(Some("the field is not there".into())));
        assert!(lacks(".list[*]", None).unwrap_err().contains("more than one value"));
        assert!(lacks(".list", Some("1")).unwrap_err().contains("nested object or list"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(condition|jsonpath|ready)?=?[a-z{}.=\\[\\]?(@)'\"]{0,20}|.{0,20}") {
            let _ = Awaited::parse(&text);
        }
    }
}
