use super::*;

const GOOD: &str = "apiVersion: maas/v1\nkind: ModelDeployment\nspec:\n  model: {name: dga, version: \"1.0\"}\n  payload: {path: /m}\n";

fn read(files: &[(&str, &str)], namespace: Option<&str>) -> Declarations {
    let sources: Vec<Source> = files
        .iter()
        .map(|(name, text)| Source { name: (*name).to_owned(), content: Ok(text.as_bytes().to_vec()) })
        .collect();
    declarations(&sources, namespace.map(|namespace| namespace.parse().unwrap()).as_ref())
}

fn faults(found: &Declarations) -> Vec<String> {
    found.wrong.iter().map(Wrong::to_string).collect()
}

#[test]
fn every_fault_of_every_file_is_told_with_its_place() {
    let bad = GOOD.replace("payload", "paylod");
    let found = read(&[("a.yaml", &bad), ("b.yaml", "kind: [\n"), ("c.yaml", GOOD)], None);
    let told = faults(&found).join("\n");
    assert!(told.contains("a.yaml: line 5") && told.contains("b.yaml: line"), "{told}");
    assert_eq!(found.good.iter().map(|one| one.source.as_str()).collect::<Vec<_>>(), ["c.yaml"]);
}

#[test]
fn a_list_is_its_items() {
    let item = |name: &str| {
        format!(
            "- apiVersion: maas/v1\n  kind: ModelDeployment\n  metadata: {{name: {name}}}\n  spec:\n    model: {{name: dga, version: \"1.0\"}}\n    payload: {{path: /m}}\n"
        )
    };
    let list = format!("apiVersion: maas/v1\nkind: List\nitems:\n{}{}", item("a"), item("b"));
    let found = read(&[("a.yaml", &list)], None);
    let names: Vec<_> = found.good.iter().map(|one| one.manifest.resource.metadata.name.to_string()).collect();
    assert_eq!(names, ["a", "b"]);
    let told = faults(&read(&[("a.yaml", &list.replace("/m}", "5}"))], None)).join("\n");
    assert!(told.contains("a.yaml: line 9, column 21") && told.contains("a.yaml: line 15, column 21"), "{told}");
}

#[test]
fn what_could_not_be_read_is_told_with_the_rest() {
    let source = Source { name: "a.yaml".to_owned(), content: Err("cannot be read".to_owned()) };
    assert_eq!(faults(&declarations(&[source], None)), ["a.yaml: cannot be read"]);
}

#[test]
fn an_object_that_is_declared_twice_is_not_applied_at_all() {
    let other = GOOD.replace("dga", "other");
    let found = read(&[("a.yaml", GOOD), ("b.yaml", GOOD), ("c.yaml", &other)], None);
    assert_eq!(
        faults(&found),
        [
            "b.yaml: line 1, column 1: default/dga-1.0 is declared in a.yaml, line 1 already (give one of them another name, or take it out)"
        ]
    );
    assert_eq!(found.good.iter().map(|one| one.source.as_str()).collect::<Vec<_>>(), ["c.yaml"]);
    assert_eq!(found.named.len(), 2);
}

#[test]
fn the_namespace_option_places_what_names_none() {
    let placed = read(&[("a.yaml", GOOD)], Some("soc")).good.remove(0).manifest;
    assert_eq!(placed.resource.metadata.namespace.as_str(), "soc");
    assert_eq!(maas_crd::parse_one(placed.text.as_bytes()).unwrap().resource, placed.resource);
    let own = GOOD.replace("spec:", "metadata: {namespace: lab}\nspec:");
    assert!(faults(&read(&[("a.yaml", &own)], Some("soc")))[0].contains("pass --namespace=lab"));
    assert_eq!(faults(&read(&[("a.yaml", &own)], None)), [""; 0]);
}
