//! The command lines of `maas_service.sh` and `maas_deploy.sh`, the config that they read, and the items of the queue.

// The command line is a program and gives none of its modules away: this is the very source that it is made of.
#[path = "../../../cli/src/legacy"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "only the reading of lines is used here")]
mod lines {
    pub(crate) mod deploy;
    mod parser;
    mod request;
    pub(crate) mod root;
    pub(crate) mod service;

    pub(crate) use request::{Asked, DEFAULT_CONFIG_PATH, RequestError};
}

use lines::deploy::{self, Mode};
use lines::{Asked, root, service};
use maas_crd::metron::{Known, Removal, Request, add, remove};

use crate::{Target, accepted, line, refused};

/// One word a line; the first is `deploy`, `service`, `config` or `item`, and after the last two comes the znode's content.
///
/// Every text of a request stands in the line, letter for letter: whatever a shell would obey is data. Numbers are
/// above zero, what ADD put there REMOVE takes away, and a tree's root is an absolute path.
pub const TARGET: Target = Target { name: "legacy", check, verdict };

fn words(rest: &str) -> Vec<String> {
    rest.split('\n').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (verb, rest) = text.split_once('\n').unwrap_or(("deploy", &text));
    let words = words(rest);
    match verb {
        "config" => {
            if let Ok(root) = root::tree_root("/metron/maas/config", Some(rest.as_bytes())) {
                assert!(root.len() > 1 && root.starts_with('/') && !root.ends_with('/'), "{root}");
            }
        }
        "item" => item(rest),
        "service" => service(&words),
        _ => deploy(&words),
    }
}

fn item(text: &str) {
    match Request::read(text.as_bytes()) {
        Ok(Some(Request::Add { asked, .. })) => {
            assert!(asked.replicas > 0 && asked.memory_mib > 0 && !asked.payload.is_empty());
        }
        Ok(Some(Request::Remove { instances, .. })) => assert!(instances > 0),
        Ok(None) => assert_eq!(text.trim_ascii(), "null"),
        Err(error) => told(&[text.to_owned()], &error.to_string()),
    }
}

fn stands(words: &[String], text: &str) {
    assert!(words.iter().any(|word| word.contains(text)), "{text:?} is not in {words:?}");
}

fn service(words: &[String]) {
    let request = match service::read(words) {
        Ok(Asked::For(request)) => request,
        Ok(Asked::Help) => return assert!(words.iter().any(|word| word.contains('h'))),
        Err(error) => return told(words, &error.to_string()),
    };
    stands(words, &request.quorum);
    request.env.iter().for_each(|(name, value)| {
        stands(words, name);
        stands(words, value);
        assert!(!name.contains('='), "{name}");
    });
    request.node_label.iter().for_each(|label| stands(words, label));
    assert!(request.memory_mib > 0 && request.vcores > 0 && !request.timeout.is_zero());
    assert!(request.queue == "default" || words.iter().any(|word| word.contains(&request.queue)));
}

fn deploy(words: &[String]) {
    let request = match deploy::read(words) {
        Ok(Asked::For(request)) => request,
        Ok(Asked::Help) => return assert!(words.iter().any(|word| word.contains('h'))),
        Err(error) => return told(words, &error.to_string()),
    };
    stands(words, &request.quorum);
    assert!(!request.wait.is_some_and(|wait| wait.is_zero()));
    match request.mode {
        Mode::Add(asked) => {
            [&asked.model, &asked.version, &asked.hdfs_path].iter().for_each(|text| stands(words, text));
            asked.local_path.iter().for_each(|path| stands(words, &path.to_string_lossy()));
            assert!(asked.instances > 0 && asked.memory_mib > 0);
            let known = Known { replicas: asked.instances, memory_mib: asked.memory_mib, payload: asked.hdfs_path };
            match add(&asked.model, &asked.version, &known, &known) {
                Ok(sum) => assert_eq!(remove(sum, asked.instances), Removal::Lower(asked.instances)),
                Err(_) => assert!(asked.instances > u32::MAX / 2),
            }
            assert_eq!(remove(asked.instances, asked.instances), Removal::Delete);
        }
        Mode::Remove { model, version, instances } => {
            [model, version].iter().for_each(|text| stands(words, text));
            assert!(instances > 0);
        }
        Mode::List { model, version } => model.iter().chain(&version).for_each(|text| stands(words, text)),
    }
}

fn told(words: &[String], message: &str) {
    let given: usize = words.iter().map(String::len).sum();
    assert!(!message.is_empty() && message.len() <= 200 + 10 * given, "{message}");
}

fn verdict(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (verb, rest) = text.split_once('\n').unwrap_or(("deploy", &text));
    match verb {
        "config" => match root::tree_root("/metron/maas/config", Some(rest.as_bytes())) {
            Ok(root) => accepted(root),
            Err(error) => refused(&error),
        },
        "item" => match Request::read(rest.as_bytes()) {
            Ok(request) => accepted(format!("{request:?}")),
            Err(error) => refused(&error),
        },
        "service" => match service::read(&words(rest)) {
            Ok(Asked::For(request)) => accepted(format!("{request:?}")),
            Ok(Asked::Help) => accepted("help"),
            Err(error) => line(&format!("refused: {error}")),
        },
        _ => match deploy::read(&words(rest)) {
            Ok(Asked::For(request)) => accepted(format!("{request:?}")),
            Ok(Asked::Help) => accepted("help"),
            Err(error) => line(&format!("refused: {error}")),
        },
    }
}
