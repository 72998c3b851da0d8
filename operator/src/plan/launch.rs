//! How an instance's container is started: resources, environment and the constant command.

use std::collections::BTreeMap;

use hadoop_yarn::{LaunchContext, LocalResource};
use maas_crd::{Iid, Launch, ModelRef, Template};
use maas_store::{PinnedFile, Revision};

use super::observed::Payload;
use crate::allot::Shape;
use crate::key::Key;
use crate::settings::Settings;

/// Most files of a payload; more belong into one archive (not supported yet).
pub(crate) const MAX_FILES: usize = 256;
/// Most bytes of a payload's listing: it stands in one znode and in every start.
const MAX_LISTING: usize = 48 * 1024;

/// The container a template asks for.
pub(crate) fn shape(template: &Template) -> Shape {
    Shape { memory_mb: template.resources.memory.mib(), vcores: template.resources.vcores }
}

/// Whether listed files can be a model: a reason in one word and what to do when not.
pub(crate) fn check_payload(template: &Template, files: &[PinnedFile]) -> Result<(), (&'static str, String)> {
    let path = &template.payload.path;
    let listing: usize = files.iter().map(|f| f.path.len() + f.url.len() + 40).sum();
    if files.len() > MAX_FILES || listing > MAX_LISTING {
        let message = format!("{path} holds {} files; at most {MAX_FILES} are supported.", files.len());
        return Err(("InvalidPayload", message));
    }
    if let Some(script) = &template.startup.script {
        if files.iter().any(|f| &f.path == script) {
            return Ok(());
        }
        return Err(("InvalidPayload", format!("spec.startup.script names {script}, which is not in {path}.")));
    }
    let scripts: Vec<&str> =
        files.iter().map(|f| f.path.as_str()).filter(|p| p.ends_with(".sh") && !p.contains('/')).collect();
    match scripts.as_slice() {
        [_] => Ok(()),
        [] => Err(("InvalidPayload", format!("{path} holds no .sh script: add one that starts the model."))),
        many => {
            let names = many.join(", ");
            Err(("InvalidPayload", format!("{path} holds {names}: name one in spec.startup.script.")))
        }
    }
}

/// The listing of a payload as memory keeps it.
pub(crate) fn listed(template: &Template, files: Vec<PinnedFile>, tries: u32, now: u64) -> Payload {
    match check_payload(template, &files) {
        Ok(()) => Payload::Listed(files),
        Err((reason, message)) => payload_failed(reason, message, tries, now),
    }
}

/// A payload that can't be used now: looked at again after 1 s, doubling to 30 s.
pub(crate) fn payload_failed(reason: &'static str, message: String, tries: u32, now: u64) -> Payload {
    let delay = 1_000u64.saturating_mul(1 << tries.min(10)).min(30_000);
    Payload::Failed { reason, message, until: now + delay }
}

/// The command of every container, for every model: all that differs travels as data.
const COMMAND: &str = "exec ./maas-runner 1><LOG_DIR>/runner.out 2><LOG_DIR>/runner.err";

/// How a container is started: the runner and the payload's files as resources, the launch as one variable.
pub(crate) fn context(settings: &Settings, key: &Key, iid: Iid, number: u32, revision: &Revision) -> LaunchContext {
    let mut resources = BTreeMap::from([("maas-runner".to_owned(), settings.runner.clone())]);
    for file in revision.payload.iter().flatten() {
        let resource = LocalResource::private_file(file.url.clone(), file.size, file.mtime_ms);
        resources.insert(format!("model/{}", file.path), resource);
    }
    let launch = launch(settings, key, iid, number, revision);
    LaunchContext {
        resources,
        env: BTreeMap::from([("MAAS_LAUNCH".to_owned(), launch.encode())]),
        command: COMMAND.to_owned(),
        tokens: None,
    }
}

/// What the runner of one instance is told.
fn launch(settings: &Settings, key: &Key, iid: Iid, number: u32, revision: &Revision) -> Launch {
    let template = &revision.template;
    let mut env = settings.env.clone();
    env.extend(template.env.clone());
    Launch {
        quorum: settings.quorum.clone(),
        root: settings.root.to_string(),
        session_timeout_ms: settings.session_timeout_ms,
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        uid: revision.uid,
        iid,
        revision: number,
        model: ModelRef { name: template.model.name.clone(), version: template.model.version.clone() },
        application: settings.application.clone(),
        script: template.startup.script.clone(),
        announce_file: template.startup.announce_file.clone(),
        startup_timeout_ms: millis(template.startup.timeout),
        readiness: template.probes.as_ref().and_then(|p| p.readiness.clone()),
        grace_ms: millis(template.termination_grace_period),
        env,
        metron: key.namespace.as_str() == "default",
    }
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
