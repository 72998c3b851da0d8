//! What is not there, in kubectl's words, and what to do about it.

use maas_crd::{Name, Namespace};
use maas_store::{Node, Store, get_spec};

use super::connection::Part;
use crate::reference::Kind;

/// Namespaces that are looked into for a name.
const NAMESPACES: usize = 50;

/// Something that is not there.
pub(crate) fn not_found(kind: Kind, name: &str) -> String {
    format!("Error from server (NotFound): {} {name:?} not found", kind.grouped())
}

/// A sync that is not there, and what to do about it. A look that fails is no hint.
pub(crate) async fn no_sync(store: &Store, namespace: &Namespace, name: &str) -> String {
    let names = sync_names(store, namespace).await.unwrap_or_default();
    let hint = match nearest(name, &names) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("maasctl get syncs -n {namespace} lists what there is"),
    };
    format!("{}\nhint: {hint}", not_found(Kind::Sync, name))
}

/// The names of every sync of a namespace.
pub(crate) async fn sync_names(store: &Store, namespace: &Namespace) -> anyhow::Result<Vec<String>> {
    Ok(store.children(&Part::Syncs.path(store, Some(namespace))).await?.unwrap_or_default())
}

/// What may be meant by the name of a deployment that is not in its namespace. A look that fails is no hint.
pub(crate) async fn hint(store: &Store, namespace: &Namespace, name: &str) -> String {
    if let Ok(parsed) = name.parse::<Name>() {
        let folder = store.path(&Node::Folder(format!("specs/{}", maas_crd::KIND)));
        let namespaces = store.children(&folder).await.ok().flatten().unwrap_or_default();
        for other in namespaces.iter().take(NAMESPACES).filter_map(|other| other.parse::<Namespace>().ok()) {
            if other != *namespace && get_spec(store, &other, &parsed).await.is_ok_and(|found| found.is_some()) {
                return format!("hint: it is in namespace {other}: add -n {other}");
            }
        }
    }
    let folder = store.path(&Node::Folder(format!("specs/{}/{namespace}", maas_crd::KIND)));
    let names = store.children(&folder).await.ok().flatten().unwrap_or_default();
    match nearest(name, &names) {
        Some(near) => format!("hint: did you mean {near}?"),
        None if names.is_empty() => {
            format!("hint: namespace {namespace} has no model deployment; maasctl get models -A lists those of all")
        }
        None => format!("hint: maasctl get models -n {namespace} lists what there is"),
    }
}

/// The name that is most like what was typed, if any is like it.
pub(crate) fn nearest<'a>(typed: &str, names: &'a [String]) -> Option<&'a str> {
    if typed.len() > maas_crd::NAME_LIMIT {
        return None;
    }
    let near = names.iter().map(|name| (strsim::osa_distance(typed, name), name.as_str()));
    let near = near.filter(|(distance, name)| distance * 3 <= name.len().max(typed.len()));
    let begun = names.iter().find(|name| typed.len() > 2 && name.starts_with(typed)).map(String::as_str);
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name).or(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_is_meant_if_it_is_alike_at_all() {
        let names = ["dga-1.0", "dga-2.0", "squid-1.0"].map(str::to_owned);
        assert_eq!(nearest("dga-1", &names), Some("dga-1.0"));
        assert_eq!(nearest("dag-2.0", &names), Some("dga-2.0"));
        assert_eq!(nearest("squ", &names), Some("squid-1.0"));
        assert_eq!(nearest("x", &names), None);
        assert_eq!(nearest(&"x".repeat(10_000), &names), None);
        assert_eq!(nearest("", &names), None);
    }
}
