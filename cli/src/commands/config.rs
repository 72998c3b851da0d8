//! `config`: the file of contexts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::args::{Config, ContextOutput, Global};
use crate::contexts::{self, Context, Contexts, Named};
use crate::output::{self, table::Table};
use crate::settings::Settings;

/// `config ...`; connects to nothing.
pub(crate) fn config(global: &Global, command: Config) -> anyhow::Result<ExitCode> {
    let file = contexts::required_path()?;
    match command {
        Config::GetContexts { name, output, no_headers } => {
            let names_only = output == Some(ContextOutput::Name);
            list(&contexts::read(&file)?, &file, global, name.as_deref(), names_only, !no_headers)?;
        }
        Config::CurrentContext => {
            let contexts = contexts::read(&file)?;
            let current = contexts.current_context.context("current-context is not set")?;
            output::data(&format!("{current}\n"))?;
        }
        Config::UseContext { name } => {
            contexts::edit(&file, |contexts| {
                if contexts.find(&name).is_none() {
                    bail!("{}", contexts.unknown(&name, &file));
                }
                contexts.current_context = Some(name.clone());
                Ok(())
            })?;
            output::data(&format!("Switched to context {name:?}.\n"))?;
        }
        Config::SetContext { name, .. } => {
            let (name, word) = contexts::edit(&file, |contexts| set(contexts, name, global))?;
            output::data(&format!("Context {name:?} {word}.\n"))?;
        }
        Config::DeleteContext { name } => {
            let was_current = contexts::edit(&file, |contexts| {
                let before = contexts.contexts.len();
                contexts.contexts.retain(|one| one.name != name);
                if contexts.contexts.len() == before {
                    bail!("cannot delete context {name}: {}", contexts.unknown(&name, &file));
                }
                let was_current = contexts.current_context.as_deref() == Some(&name);
                if was_current {
                    contexts.current_context = None;
                }
                Ok(was_current)
            })?;
            if was_current {
                output::note(
                    "warning: this removed your active context, use \"maasctl config use-context\" to select a different one",
                );
            }
            output::data(&format!("deleted context {name} from {}\n", file.display()))?;
        }
        Config::RenameContext { name, new } => {
            check_name(&new)?;
            contexts::edit(&file, |contexts| {
                if contexts.find(&new).is_some() {
                    bail!(
                        "cannot rename the context {name:?}, the context {new:?} already exists in {}",
                        file.display()
                    );
                }
                let unknown = contexts.unknown(&name, &file);
                let Some(found) = contexts.contexts.iter_mut().find(|one| one.name == name) else {
                    bail!("cannot rename the context {name:?}: {unknown}");
                };
                found.name.clone_from(&new);
                if contexts.current_context.as_deref() == Some(&name) {
                    contexts.current_context = Some(new.clone());
                }
                Ok(())
            })?;
            output::data(&format!("Context {name:?} renamed to {new:?}.\n"))?;
        }
        Config::View { minify } => {
            let mut contexts = contexts::read(&file)?;
            if minify {
                let name = global.context.clone().or_else(|| contexts.current_context.clone());
                let name = name.context("current-context is not set, and --context is not given")?;
                if contexts.find(&name).is_none() {
                    bail!("{}", contexts.unknown(&name, &file));
                }
                contexts.contexts.retain(|one| one.name == name);
                contexts.current_context = Some(name);
            }
            output::data(&serde_yaml::to_string(&contexts).context("cannot write YAML")?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(
    contexts: &Contexts,
    file: &Path,
    global: &Global,
    name: Option<&str>,
    names_only: bool,
    headers: bool,
) -> anyhow::Result<()> {
    if let Some(name) = name.filter(|name| contexts.find(name).is_none()) {
        bail!("context {name} not found: {}", contexts.unknown(name, file));
    }
    let current = global.context.as_deref().or(contexts.current_context.as_deref());
    let wanted = contexts.contexts.iter().filter(|one| name.is_none_or(|name| name == one.name));
    if names_only {
        return output::data(&wanted.map(|one| format!("{}\n", one.name)).collect::<String>());
    }
    let mut table = Table::new(vec!["CURRENT", "NAME", "ZOOKEEPER", "ROOT", "NAMESPACE", "CONF-DIR"]);
    for Named { name, context } in wanted {
        let mark = if current == Some(name) { "*" } else { "" };
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let conf_dir = context.conf_dir.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        table.push(vec![
            mark.to_owned(),
            name.clone(),
            text(&context.zookeeper),
            text(&context.root),
            text(&context.namespace),
            conf_dir,
        ]);
    }
    output::data(&table.render(headers))
}

fn check_name(name: &str) -> anyhow::Result<()> {
    if name.is_empty() || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        bail!("context {name:?}: a name has no spaces and is not empty");
    }
    Ok(())
}

/// Changes the named context, or the current one, as the command line says. Its name, and what was done.
fn set(contexts: &mut Contexts, name: Option<String>, global: &Global) -> anyhow::Result<(String, &'static str)> {
    let name = name.or_else(|| contexts.current_context.clone()).context("current-context is not set")?;
    check_name(&name)?;
    let before = contexts.find(&name).cloned();
    let kept = before.clone().unwrap_or_default();
    let context = Context {
        zookeeper: merged(global.zookeeper.clone(), kept.zookeeper),
        root: merged(global.root.clone(), kept.root),
        namespace: merged(global.namespace.clone(), kept.namespace),
        // Used from any directory.
        conf_dir: match &global.conf_dir {
            Some(given) if given.as_os_str().is_empty() => None,
            Some(given) => Some(absolute(given)?),
            None => kept.conf_dir,
        },
    };
    // A context may leave ZooKeeper out; any server will do to check the rest.
    let quorum = context.zookeeper.clone().or_else(|| Some("localhost".to_owned()));
    Settings::check(quorum, context.root.as_deref().unwrap_or("/maas"), context.namespace.as_deref(), None)?;
    match contexts.contexts.iter_mut().find(|one| one.name == name) {
        Some(one) => one.context = context,
        None => contexts.contexts.push(Named { name: name.clone(), context }),
    }
    Ok((name, if before.is_some() { "modified" } else { "created" }))
}

/// An empty value takes the kept one out.
fn merged(given: Option<String>, kept: Option<String>) -> Option<String> {
    match given {
        Some(given) => Some(given).filter(|given| !given.is_empty()),
        None => kept,
    }
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(path).with_context(|| format!("--conf-dir {}", path.display()))?;
    if !path.is_dir() {
        bail!("--conf-dir {} is not a directory", path.display());
    }
    Ok(path)
}
