//! Places in the tree and the names that become parts of them.

use std::fmt::Display;
use std::str::FromStr;

use hadoop_yarn::{ApplicationId, AttemptId, ContainerId};
use maas_crd::{ModelName, ModelVersion, NAME_LIMIT, Name, Namespace};
use maas_store::{Node, Root};

use crate::{Target, accepted, line};

/// The first line is a root, the second a path, the rest names; one line alone is all of them.
///
/// A place has one path; what must stand above it has one too, and stands above it. No name holds a slash, a dot
/// alone or what is not ASCII, and each reads back; a model always has a valid name; the order of versions is total.
pub const TARGET: Target = Target { name: "paths", check, verdict };

fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    let root = root(first).unwrap_or_default();
    let path = lines.next().unwrap_or(first);
    place(&root, path);
    let mut names = lines.chain([path, first]).take(4);
    while let Some(text) = names.next() {
        name::<Name>(text);
        name::<Namespace>(text);
        name::<ModelName>(text);
        name::<ModelVersion>(text);
        if let (Ok(model), Ok(version)) = (text.parse(), names.next().unwrap_or_default().parse()) {
            model_name(&model, &version);
        }
        id::<ApplicationId>(text);
        id::<AttemptId>(text);
        id::<ContainerId>(text);
    }
}

fn root(text: &str) -> Option<Root> {
    let root: Root = match text.parse() {
        Ok(root) => root,
        Err(error) => {
            assert!(error.to_string().len() < 2000);
            return None;
        }
    };
    assert_eq!(root.to_string(), text);
    let above = root.with_ancestors();
    assert_eq!(above.last().map(String::as_str), Some(text));
    assert_eq!(above.len(), text.matches('/').count());
    Some(root)
}

fn place(root: &Root, path: &str) {
    let Some(node) = Node::parse(root, path) else { return };
    assert_eq!(node.path(root), path, "a place has one path");
    for parent in node.parents() {
        let above = parent.path(root);
        assert!(path.strip_prefix(&above).is_some_and(|rest| rest.starts_with('/')), "{above} above {path}");
        assert_eq!(Node::parse(root, &above), Some(parent), "what stands above a place is one");
    }
}

fn name<N: FromStr<Err: Display> + Display>(text: &str) {
    match text.parse::<N>() {
        Ok(name) => {
            assert_eq!(name.to_string(), text);
            assert!(!text.is_empty() && text.len() <= NAME_LIMIT && text.is_ascii());
            assert!(!text.contains('/') && text != "." && text != "..");
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() < 2000 && !message.chars().any(char::is_control), "{message:?}");
        }
    }
}

fn model_name(model: &ModelName, version: &ModelVersion) {
    let name = Name::of_model(model, version);
    assert_eq!(name.as_str().parse(), Ok(name.clone()), "a model has a valid name");
    let text: Result<ModelVersion, _> = model.as_str().parse();
    if let Ok(other) = text {
        assert_eq!(version.cmp_newest(&other), other.cmp_newest(version).reverse());
        assert_eq!(version.cmp_newest(&other).is_eq(), *version == other);
    }
}

/// YARN's own ids may be spelled in several ways, but what is printed is read as the same id.
fn id<I: FromStr + Display + PartialEq + Copy>(text: &str) {
    if let Ok(id) = text.parse::<I>() {
        assert!(id.to_string().parse::<I>().is_ok_and(|again| again == id), "{text}");
    }
}

fn verdict(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    match (first.parse::<Root>(), lines.next()) {
        (Ok(root), Some(path)) => match Node::parse(&root, path) {
            Some(node) => accepted(format!("{node:?}")),
            None => "refused: no place of the tree".to_owned(),
        },
        (Ok(root), None) => accepted(format!("root {root}")),
        (Err(error), Some("")) => line(&format!("refused: {error}")),
        (Err(_), path) => {
            let kinds = [
                ("name", first.parse::<Name>().is_ok()),
                ("namespace", first.parse::<Namespace>().is_ok()),
                ("model name", first.parse::<ModelName>().is_ok()),
                ("application", first.parse::<ApplicationId>().is_ok()),
                ("attempt", first.parse::<AttemptId>().is_ok()),
                ("container", first.parse::<ContainerId>().is_ok()),
            ];
            let kinds: Vec<&str> = kinds.iter().filter(|(_, is)| *is).map(|(kind, _)| *kind).collect();
            match (kinds.is_empty(), path) {
                (true, _) => "refused: no name of any kind".to_owned(),
                (false, _) => accepted(kinds.join(", ")),
            }
        }
    }
}
