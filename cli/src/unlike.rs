//! What kubectl has and maasctl has not: refused by name, with what to do instead. docs/kubectl.md has the reasons.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Verbs, those below another behind it, and what to do instead.
const VERBS: [(&[&str], &str); 13] = [
    (
        &["rollout undo", "rollout history"],
        "the manifests' history is git's: `git revert` there, then `maasctl apply -f`; `maasctl describe` names the revisions",
    ),
    (
        &["rollout pause", "rollout resume"],
        "a rollout is not held: `maasctl suspend sync NAME` keeps a sync from starting another one",
    ),
    (&["replace"], "`maasctl apply -f` writes the manifest as the whole"),
    (&["patch"], "`maasctl set`, `scale`, `label` and `annotate` change one field, `maasctl edit` any"),
    (
        &["run", "expose"],
        "write a manifest, `maasctl explain models` says how; instances publish their endpoints themselves",
    ),
    (&["autoscale"], "the number is yours: `maasctl scale NAME --replicas N`"),
    (
        &["exec", "attach", "cp", "port-forward", "debug", "proxy"],
        "containers are YARN's: `maasctl describe instance NAME/INSTANCE` names node, container and URL, `maasctl logs` what it wrote",
    ),
    (&["auth", "certificate"], "rights are ZooKeeper's access control lists: `maasctl doctor` looks at them"),
    (
        &["cluster-info", "api-versions"],
        "`maasctl doctor`, `maasctl service status` and `maasctl api-resources` say what there is",
    ),
    (
        &["drain", "cordon", "uncordon", "taint"],
        "nodes are YARN's: `yarn rmadmin -refreshNodes` takes one out, and its instances move",
    ),
    (&["kustomize"], "`kustomize build DIR | maasctl apply -f -`"),
    (&["plugin", "options"], "`maasctl --help` lists the verbs, and the options that all of them take"),
    (
        &[
            "config set",
            "config unset",
            "config set-cluster",
            "config set-credentials",
            "config get-clusters",
            "config get-users",
            "config delete-cluster",
            "config delete-user",
        ],
        "a context holds all of it: `maasctl config set-context NAME --zookeeper QUORUM --namespace NS`; an empty value takes a setting out",
    ),
];

/// Options of any verb, and what to do instead.
const OPTIONS: [(&[&str], &str); 11] = [
    (
        &["--force", "--grace-period", "--now"],
        "nothing is done by force: `spec.terminationGracePeriod` says how long a model has to end, and conflicts are met by reading again",
    ),
    (&["--validate"], "every manifest is checked; `maasctl explain models` says what it may hold"),
    (
        &["--server-side", "--field-manager", "--force-conflicts"],
        "an object has one owner, which --applyset names; conflicts are found by the version in ZooKeeper",
    ),
    (&["-k", "--kustomize"], "`kustomize build DIR | maasctl apply -f -`"),
    (&["--chunk-size"], "a list is read whole, by few requests: leave it out"),
    (&["--raw", "--subresource"], "there is no API server: -o json shows the status with the rest"),
    (&["--limit-bytes"], "--tail 100 bounds what is printed"),
    (&["-c", "--container", "--containers", "--all-containers"], "a container has one model: leave it out"),
    (&["--sum"], "`maasctl top models` sums what the instances of each use"),
    (&["--record", "--save-config"], "the manifest stands in ZooKeeper as it was written: leave it out"),
    (
        &["--kubeconfig", "--cluster", "--user", "--server", "-s", "--token"],
        "--zookeeper names the servers, --context what `maasctl config` keeps",
    ),
];

/// Adds what to do instead to the error of a verb or an option that only kubectl has.
pub(crate) fn explained(mut error: clap::Error) -> clap::Error {
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let instead = match (error.kind(), error.get(ContextKind::InvalidSubcommand), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(typed)), _) => {
            find(&VERBS, |verb| match verb.split_once(' ') {
                Some((above, verb)) => verb == typed && usage.contains(&format!("maasctl {above} ")),
                None => verb == typed && usage.contains("maasctl [OPTIONS]"),
            })
        }
        (ErrorKind::UnknownArgument, _, Some(ContextValue::String(typed))) => find(&OPTIONS, |option| option == typed),
        _ => None,
    };
    if let Some(instead) = instead {
        error.remove(ContextKind::SuggestedArg);
        error.remove(ContextKind::SuggestedSubcommand);
        let said = format!("that is kubectl's and not maasctl's: {instead}");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![said.into()]));
    }
    error
}

fn find(table: &[(&'static [&'static str], &'static str)], is: impl Fn(&str) -> bool) -> Option<&'static str> {
    table.iter().find(|(names, _)| names.iter().any(|name| is(name))).map(|(_, instead)| *instead)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Line;

    #[test]
    fn nothing_that_there_is_is_called_kubectls() {
        let mut line = Line::command();
        line.build();
        for name in VERBS.iter().flat_map(|(names, _)| *names) {
            let mut at = Some(&line);
            for word in name.split(' ') {
                at = at.and_then(|command| command.find_subcommand(word));
            }
            assert!(at.is_none(), "there is a verb {name}");
        }
        for option in OPTIONS.iter().flat_map(|(names, _)| *names).filter_map(|option| option.strip_prefix("--")) {
            // Of most verbs; `config view --raw` and the like would be another's.
            let apply = line.find_subcommand("apply").unwrap();
            assert!(apply.get_arguments().all(|arg| arg.get_long() != Some(option)), "apply takes --{option}");
        }
    }
}
