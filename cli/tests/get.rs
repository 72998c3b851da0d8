//! The looking verbs against a real ZooKeeper: `get`, `describe`, `events`, `api-resources`. What an operator would
//! write is planted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(dead_code, unreachable_pub, missing_docs)]

mod support;
#[path = "support/tree.rs"]
mod tree_support;

use maas_store::{Event, EventKind, EventRing, Node};
use support::{Ran, maasctl};
use tree_support::Tree;

fn manifest(name: &str, replicas: u32, more: &str) -> String {
    format!(
        "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata: {{name: {name}{more}}}\nspec:\n  model: {{name: dga, version: \"1.0\"}}\n  replicas: {replicas}\n  payload: {{path: /models/{name}}}\n"
    )
}

/// Three deployments with labels, an instance that serves of two of them.
fn planted() -> Tree {
    let tree = Tree::new();
    let texts = [
        manifest("dga-9.0", 3, ", labels: {team: soc, tier: a}"),
        manifest("dga-10.0", 1, ", labels: {team: lab}"),
        manifest("squid", 2, ""),
    ];
    tree.apply(&texts.join("---\n")).ok();
    tree.plant_ready("dga-9.0", 3);
    tree.plant_instance("dga-9.0", 1, "dga", "9.0", "http://node1:1");
    tree.plant_instance("squid", 2, "squid", "1.0", "http://node1:2");
    tree
}

fn said(stdout: &str, stderr: &str) -> Ran {
    Ran { code: Some(0), stdout: stdout.into(), stderr: stderr.into() }
}

/// The table's cells; ages and times as `<age>`.
fn cells(table: &str) -> Vec<String> {
    let is_age =
        |word: &str| word.len() > 1 && word.ends_with(['s', 'm']) && word.starts_with(|c: char| c.is_ascii_digit());
    table
        .lines()
        .map(|line| {
            let words = line.split("   ").map(str::trim).filter(|word| !word.is_empty());
            words.map(|word| if is_age(word) { "<age>" } else { word }).collect::<Vec<_>>().join("|")
        })
        .collect()
}

fn event(kind: EventKind, reason: &str, object: &str, count: u32, ago_s: i64) -> Event {
    let now = jiff::Timestamp::now().as_millisecond();
    Event {
        kind,
        reason: reason.into(),
        message: format!("{reason} happened"),
        object: object.into(),
        count,
        first_ms: now - 1000 * (ago_s + 3600),
        last_ms: now - 1000 * ago_s,
    }
}

#[test]
fn tables_have_the_columns_that_are_asked_for() {
    let tree = planted();
    let get = |words: &[&str]| cells(&tree.ctl(&[&["get"], words].concat()).ok());
    assert_eq!(
        get(&["models", "--show-labels"]),
        [
            "NAME|READY|UP-TO-DATE|AVAILABLE|AGE|LABELS",
            "dga-10.0|0/1|0|0|<age>|team=lab",
            "dga-9.0|3/3|3|3|<age>|team=soc,tier=a",
            "squid|0/2|0|0|<age>|<none>",
        ]
    );
    assert_eq!(
        get(&["md", "-L", "team,example.com/tier", "-A"]),
        [
            "NAMESPACE|NAME|READY|UP-TO-DATE|AVAILABLE|AGE|TEAM|TIER",
            "default|dga-10.0|0/1|0|0|<age>|lab",
            "default|dga-9.0|3/3|3|3|<age>|soc",
            "default|squid|0/2|0|0|<age>",
        ]
    );
    assert_eq!(
        get(&["md", "dga-9.0", "-o", "wide", "--no-headers"]),
        ["dga-9.0|3/3|3|3|<age>|dga|1.0|1|/models/dga-9.0"]
    );
    assert_eq!(
        get(&["instances", "dga-9.0/3-1", "-L", "team"]),
        ["NAME|READY|STATUS|RESTARTS|AGE|TEAM", "dga-9.0/3-1|1/1|Running|0|<age>|soc",]
    );
}

#[test]
fn several_kinds_and_names_are_listed_one_after_another() {
    let tree = planted();
    let all = cells(&tree.ctl(&["get", "all"]).ok());
    assert_eq!(all[1], "modeldeployment.maas/dga-10.0|0/1|0|0|<age>");
    assert_eq!(all[4..7], ["", "NAME|READY|STATUS|RESTARTS|AGE", "instance/dga-9.0/3-1|1/1|Running|0|<age>"]);
    assert_eq!(all[8..10], ["", "NAME|MODEL|VERSION|URL|AGE"]);
    assert_eq!(
        tree.ctl(&["get", "md/squid", "ep/squid/3-2", "model/dga-9.0", "-o", "name"]).ok(),
        "modeldeployment.maas/dga-9.0\nmodeldeployment.maas/squid\nendpoint/squid/3-2\n"
    );
    assert_eq!(
        tree.ctl(&["get", "models,instances", "squid", "-o", "name"]).ok(),
        "modeldeployment.maas/squid\ninstance/squid/3-2\n"
    );
    let json: serde_json::Value = serde_json::from_str(&tree.ctl(&["get", "md,ep", "-o", "json"]).ok()).unwrap();
    let kinds: Vec<_> = json["items"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ModelDeployment", "ModelDeployment", "ModelDeployment", "Endpoint", "Endpoint"]);
}

#[test]
fn selectors_choose_by_the_labels_of_deployments() {
    let tree = planted();
    for (kind, selector, names) in [
        ("md", "team", "dga-10.0 dga-9.0"),
        ("md", "!team", "squid"),
        ("md", "team=soc,tier==a", "dga-9.0"),
        ("md", "team!=soc", "dga-10.0 squid"),
        ("md", "team in (soc, lab),tier notin (a)", "dga-10.0"),
        ("instances", "team=soc", "dga-9.0/3-1"),
        ("endpoints", "team!=soc", "squid/3-2"),
    ] {
        let out = tree.ctl(&["get", kind, "-l", selector, "-o", "name"]).ok();
        let found: Vec<_> = out.lines().map(|line| line.split_once('/').unwrap().1).collect();
        assert_eq!(found.join(" "), names, "{kind} {selector}");
    }
    let by_field = |kind: &str, selector: &str| {
        tree.ctl(&["get", kind, "--field-selector", selector, "-o", "jsonpath={.items[*].metadata.name}"]).ok()
    };
    assert_eq!(by_field("md", "spec.replicas!=3,metadata.name!=squid"), "dga-10.0");
    assert_eq!(by_field("endpoints", "endpoint.model=squid"), "squid/3-2");
    assert!(tree.ctl(&["get", "md", "--field-selector", "a"]).failed().contains("FIELD=VALUE"));
    assert_eq!(tree.ctl(&["get", "md", "-l", "team=x"]), said("", "No resources found in default namespace.\n"));
    assert!(tree.ctl(&["get", "md", "-l", "a=("]).failed().contains("column 3"));
    assert!(tree.ctl(&["get", "md", "squid", "-l", "a"]).failed().contains("name cannot be provided when a selector"));
}

#[test]
fn fields_are_printed_and_ordered_by_paths() {
    let tree = planted();
    let get = |words: &[&str]| tree.ctl(&[&["get", "md"], words].concat()).ok();
    assert_eq!(get(&["-o", "jsonpath={.items[*].metadata.name}"]), "dga-10.0 dga-9.0 squid");
    assert_eq!(get(&["squid", "-o", "jsonpath={.spec.replicas}"]), "2");
    // One alone by its own name; a deployment's name stands for any number of instances.
    let kind = |name: &str| tree.ctl(&["get", "instances", name, "-o", "jsonpath={.kind}"]).ok();
    assert_eq!([kind("squid"), kind("squid/3-2")], ["List", "Instance"]);
    assert_eq!(
        get(&[
            "-o",
            "jsonpath={range .items[?(@.metadata.labels.team)]}{.metadata.name}{\"\\t\"}{.spec.replicas}{\"\\n\"}{end}"
        ]),
        "dga-10.0\t1\ndga-9.0\t3\n"
    );
    assert_eq!(
        get(&["squid", "-o", "jsonpath-as-json={.spec.model['name','version']}"]),
        "[\n    \"dga\",\n    \"1.0\"\n]\n"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{.kind}\n").unwrap();
    assert_eq!(get(&["squid", "-o", &format!("jsonpath-file={}", file.path().display())]), "ModelDeployment\n");
    assert_eq!(
        get(&[
            "-o",
            "custom-columns=NAME:.metadata.name,TEAM:.metadata.labels.team,READY:{.status.readyReplicas}",
            "--sort-by",
            ".spec.replicas"
        ]),
        "NAME       TEAM     READY\ndga-10.0   lab      <none>\nsquid      <none>   <none>\ndga-9.0    soc      3\n"
    );
    assert_eq!(
        get(&["--sort-by", "{.metadata.name}", "-o", "name"]),
        "modeldeployment.maas/dga-9.0\nmodeldeployment.maas/dga-10.0\nmodeldeployment.maas/squid\n"
    );
    let refused = |words: &[&str]| tree.ctl(&[&["get", "md"], words].concat()).failed();
    assert!(refused(&["--sort-by", ".spec.nothing"]).contains("couldn't find any field with that path"));
    assert!(refused(&["-o", "jsonpath={.items[7]}"]).contains("array index out of bounds: index 7, length 3"));
    assert!(refused(&["-o", "jsonpath={.a"]).contains("column 4: } is expected"));
    assert!(refused(&["-o", "go-template={{.}}"]).contains("use jsonpath"));
    assert!(refused(&["-o", "xml"]).contains("allowed formats are: wide, name"));
}

#[test]
fn nothing_and_what_is_missing_are_told_as_kubectl_does_with_what_to_do_next() {
    let tree = planted();
    const NOT_FOUND: &str = "Error from server (NotFound): modeldeployments.maas";
    let failed = |words: &[&str]| tree.ctl(&[&["get"], words].concat()).failed();
    assert_eq!(failed(&["md", "dga-9"]), format!("{NOT_FOUND} \"dga-9\" not found\nhint: did you mean dga-9.0?\n"));
    assert_eq!(
        failed(&["md", "x"]),
        format!("{NOT_FOUND} \"x\" not found\nhint: maasctl get models -n default lists what there is\n")
    );
    assert_eq!(
        failed(&["md", "squid", "-n", "lab"]),
        format!("{NOT_FOUND} \"squid\" not found\nhint: it is in namespace default: add -n default\n")
    );
    assert!(failed(&["md", "Not/A/Name"]).starts_with(NOT_FOUND));
    assert_eq!(
        failed(&["instance", "squid/3-9"]),
        "Error from server (NotFound): instances \"squid/3-9\" not found\nhint: maasctl get instances squid -n default lists what there is\n"
    );
    assert!(failed(&["instances", "squit"]).contains("did you mean squid?"));
    assert_eq!(tree.ctl(&["get", "instances", "dga-10.0"]), said("", "No resources found in default namespace.\n"));
    assert_eq!(tree.ctl(&["get", "md", "x", "--ignore-not-found"]), said("", ""));
    assert_eq!(tree.ctl(&["get", "md", "-n", "lab"]), said("", "No resources found in lab namespace.\n"));
    assert_eq!(tree.ctl(&["get", "ev", "-A"]), said("", "No resources found\n"));
    // What is there is printed all the same.
    let ran = tree.ctl(&["get", "md", "squid", "x", "-o", "name"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "modeldeployment.maas/squid\n"));
    assert!(failed(&["pods"]).contains("did you mean instances?"));
    assert!(failed(&["md", "md/squid"]).contains("there is no need to specify a resource type"));
    assert!(failed(&["md", "squid", "-A"]).contains("cannot be retrieved by name across all namespaces"));
    assert!(failed(&[]).contains("you must specify the type of resource"));
    assert!(failed(&["md,ep", "-w"]).contains("only specify a single resource type"));
    assert!(failed(&["md", "--output-watch-events"]).contains("only be used with --watch"));
}

#[test]
fn events_are_chosen_by_type_and_by_what_they_are_of() {
    let tree = planted();
    let ring = EventRing(vec![
        event(EventKind::Normal, "ScalingReplicaSet", "", 1, 600),
        event(EventKind::Warning, "BackOff", "3-1", 5, 120),
    ]);
    tree.plant_events("dga-9.0", &ring);
    tree.plant_events("squid", &EventRing(vec![event(EventKind::Warning, "FailedCreate", "", 1, 300)]));
    let rows = |words: &[&str]| {
        let table = tree.ctl(&[&["events", "--no-headers"], words].concat()).ok();
        cells(&table).iter().map(|row| row.split('|').nth(2).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(rows(&[]), ["ScalingReplicaSet", "FailedCreate", "BackOff"]);
    assert_eq!(rows(&["dga-9.0"]), ["ScalingReplicaSet", "BackOff"]);
    assert_eq!(rows(&["--for", "model/dga-9.0", "--types", "warning"]), ["BackOff"]);
    assert_eq!(rows(&["--for", "instance/dga-9.0/3-1"]), ["BackOff"]);
    assert_eq!(rows(&["--types", "Normal,Warning", "-A"]).len(), 3);
    let table = tree.ctl(&["events", "--for", "instance/dga-9.0/3-1"]).ok();
    let row = table.lines().nth(1).unwrap();
    assert!(
        table.starts_with("LAST SEEN")
            && row.contains("(x5 over ")
            && row.contains("m)   Warning   BackOff   instance/dga-9.0/3-1   BackOff happened"),
        "{table}"
    );
    assert_eq!(
        tree.ctl(&["get", "ev", "-l", "team=soc", "-o", "jsonpath={.items[*].reason}"]).ok(),
        "ScalingReplicaSet BackOff"
    );
    assert_eq!(tree.ctl(&["get", "ev", "--sort-by", ".count", "-o", "jsonpath={.items[*].count}"]).ok(), "1 1 5");
    assert_eq!(tree.ctl(&["events", "dga-10.0"]), said("", "No events found in default namespace.\n"));
    assert_eq!(
        tree.ctl(&["events", "squit"]),
        said("", "No events found in default namespace.\nhint: did you mean squid?\n")
    );
    // Those of Metron's queue, which are of no deployment.
    let aside = event(EventKind::Warning, "ItemSetAside", "qn-0000000007", 1, 60);
    tree.plant(&Node::QueueEvents, &EventRing(vec![aside]).encode());
    let queue = tree.ctl(&["events", "--types", "Warning"]).ok();
    assert!(queue.lines().last().unwrap().contains("Warning   ItemSetAside   metron-queue/qn-0000000007"), "{queue}");
    let kinds = tree.ctl(&["get", "ev", "-o", "jsonpath={.items[*].involvedObject.kind}"]).ok();
    assert!(kinds.ends_with("MetronQueueItem"), "{kinds}");
    assert!(tree.ctl(&["events", "--types", "Bad"]).failed().contains("valid --types are Normal and Warning"));
    assert!(tree.ctl(&["events", "--for", "endpoint/x"]).failed().contains("events are of model/NAME"));
}

#[test]
fn describe_tells_a_deployments_whole_state_in_kubectls_order() {
    let tree = planted();
    tree.plant_events("dga-9.0", &EventRing(vec![event(EventKind::Warning, "BackOff", "3-1", 5, 120)]));
    let text = tree.ctl(&["describe", "md", "dga-9.0"]).ok();
    let mut at = 0;
    for line in [
        "Name:                  dga-9.0",
        "Namespace:             default",
        "Labels:                team=soc",
        "                       tier=a",
        "Annotations:           <none>",
        "Replicas:              3 desired | 3 updated | 3 total | 3 available | 0 unavailable",
        "Model:                 dga @ 1.0",
        "Payload:               /models/dga-9.0",
        "Observed:              generation 1, the newest",
        "Conditions:            <none>",
        "CurrentRevision:       1",
        "Instances:",
        "  3-1    1/1     Running   0          node1   http://node1:1",
        "Events:",
    ] {
        let found = text.lines().skip(at).position(|found| found == line);
        at += 1 + found.unwrap_or_else(|| panic!("{line}\nnot, or not there, in\n{text}"));
    }
    assert!(text.contains("3-1: BackOff happened"), "{text}");
    // A beginning, all, and some by label.
    let names = |words: &[&str]| {
        let text = tree.ctl(&[&["describe"], words].concat()).ok();
        text.lines().filter_map(|line| line.strip_prefix("Name: ")).map(str::trim).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&["md", "dga"]), "dga-10.0 dga-9.0");
    assert_eq!(names(&["models"]), "dga-10.0 dga-9.0 squid");
    assert_eq!(names(&["models", "-l", "team=lab"]), "dga-10.0");
    assert!(tree.ctl(&["describe", "squit"]).failed().ends_with("hint: did you mean squid?\n"));
    assert!(tree.ctl(&["describe", "events"]).failed().contains("maasctl get events -o yaml"));
}

#[test]
fn describe_tells_how_an_instance_ended_last() {
    let tree = planted();
    tree.plant_crashed("squid", 7, "Traceback\n  no module named model\n");
    let text = tree.ctl(&["describe", "instance", "squid/3-7"]).ok();
    for line in [
        "Name:                  squid/3-7",
        "Controlled By:         modeldeployment/squid",
        "Status:                CrashLoopBackOff",
        "Node:                  node1",
        "Container:             container_1_0001_01_000007",
        "URL:                   <none>",
        "Last Exit:             Crashed, exit code 3",
        "  Stderr, the end:",
        "  Traceback",
        "    no module named model",
        "Events:                <none>",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nnot in\n{text}");
    }
    assert!(text.lines().any(|line| line.starts_with("Restarts:              4 (")), "{text}");
    let text = tree.ctl(&["describe", "instances", "squid"]).ok();
    assert_eq!(text.lines().filter(|line| line.starts_with("Name: ")).count(), 2, "{text}");
    let refused = tree.ctl(&["describe", "instance", "squid/3-9"]).failed();
    assert!(
        refused.starts_with("Error from server (NotFound): instances \"squid/3-9\" not found\nhint: "),
        "{refused}"
    );
}

#[test]
fn kinds_are_listed_without_any_cluster() {
    let table = maasctl(&["api-resources"]).ok();
    assert_eq!(cells(&table)[0], "NAME|SHORTNAMES|APIVERSION|NAMESPACED|KIND");
    assert!(
        cells(&table).contains(&"modeldeployments|md,models,model|maas/v1|true|ModelDeployment".to_owned()),
        "{table}"
    );
    assert!(maasctl(&["api-resources", "-o", "name"]).ok().starts_with("modeldeployments.maas\n"));
    assert!(
        maasctl(&["api-resources", "-o", "wide", "--no-headers"]).ok().contains("create,delete,get,list,update,watch")
    );
}
