//! `edit`: a deployment's own text in the user's editor, written back at the version that was read.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use maas_crd::{Faults, Manifest, Name, Namespace};
use maas_store::{SpecRead, Store, get_spec};
use tempfile::{NamedTempFile, TempPath};
use tokio::signal::unix::{SignalKind, signal};

use super::change::{Changed, Teller, each};
use super::chosen::Chosen;
use super::connection::{open, warn_without_operator};
use super::retry::{Decided, Write, settle};
use super::{Conflict, NotFound};
use crate::annotation::kept;
use crate::args::{EditText, How, Which};
use crate::output;
use crate::settings::Settings;

const HEAD: &str = "# Please edit the object below. These lines at the top are ignored, comments below them are kept,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
";
/// Ends what is ignored.
const END: &str = "# ---- the object begins below this line ----\n";

/// `edit NAME...`, one editor after another. An editor that fails ends it, so that there is a way out.
pub(crate) async fn edit(settings: &Settings, args: EditText) -> anyhow::Result<ExitCode> {
    let which = Which { files: args.files, ..Which::default() };
    let (chosen, editor) = (Chosen::read(settings, &args.names, &which, "edit")?, editor());
    let store = open(settings).await?;
    let (places, how) = (chosen.find(&store, "edit").await?, How::done(args.output));
    let mut teller = Teller::new(&how);
    let (mut changed, mut ended) = (false, false);
    each(&store, &places, &mut teller, async |teller, namespace, name| {
        if ended {
            return Ok(());
        }
        let read = get_spec(&store, namespace, name).await?.ok_or_else(|| NotFound(name.to_string()))?;
        let Some((manifest, kept)) = edited(&read, &editor).await.inspect_err(|_| ended = true)? else {
            return Ok(());
        };
        if let Err(error) = write(&store, &read, &manifest).await {
            return Err(stored_copy(kept, error, Some(namespace)));
        }
        let done = Changed { namespace: namespace.clone(), name: name.clone(), manifest, differs: true };
        changed = true;
        teller.tell(Some(&store), &done, "edited").await
    })
    .await?;
    let told = teller.end(places.len() == 1);
    if changed {
        warn_without_operator(&store).await?;
    }
    told
}

/// MAAS_EDITOR, else EDITOR, else vi; words of a shell.
fn editor() -> OsString {
    let named = |name| std::env::var_os(name).filter(|editor: &OsString| !editor.is_empty());
    named("MAAS_EDITOR").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".into())
}

/// What the user made of the text, and the file that holds it; none when the edit was cancelled.
async fn edited(read: &SpecRead, editor: &OsString) -> anyhow::Result<Option<(Manifest, TempPath)>> {
    let (mut shown, mut faults) = (read.text.clone(), checked(read, &read.text).err());
    let mut first = true;
    loop {
        let head = head(&read.name, faults.as_ref());
        let file = written(&head, &shown)?;
        if let Err(error) = run(editor, &file).await {
            let typed = typed(&head, &std::fs::read(&file).unwrap_or_default()).to_vec();
            return Err(if typed == read.text { error } else { stored_copy(file, error, None) });
        }
        let saved =
            std::fs::read(&file).with_context(|| format!("cannot read what was saved in {}", file.display()))?;
        let typed = typed(&head, &saved).to_vec();
        if typed.trim_ascii().is_empty() {
            output::note("Edit cancelled, saved file was empty.");
            return Ok(None);
        }
        // Some editors end the last line.
        if typed.trim_ascii_end() == read.text.trim_ascii_end() {
            output::note("Edit cancelled, no changes made.");
            return Ok(None);
        }
        match checked(read, &typed) {
            Ok(manifest) => return Ok(Some((manifest, file))),
            // Saved as it was opened: the user has no better answer to the faults.
            Err(_) if typed == shown && !first => {
                let error = anyhow::anyhow!("Edit cancelled, no valid changes were saved.");
                return Err(stored_copy(file, error, None));
            }
            Err(found) => (shown, faults, first) = (typed, Some(found), false),
        }
    }
}

/// The manifest, if it is a good one of this deployment.
fn checked(read: &SpecRead, text: &[u8]) -> Result<Manifest, Faults> {
    maas_crd::parse_one(text)?.named(&read.namespace, &read.name)
}

/// What stands above the object: what to do, and what is wrong, at its lines in this very file.
fn head(name: &Name, faults: Option<&Faults>) -> String {
    let Some(Faults(faults)) = faults else { return format!("{HEAD}{END}") };
    let above = HEAD.lines().count() + faults.len() + 3;
    let told: String = faults
        .iter()
        .map(|fault| {
            let mut fault = fault.clone();
            fault.line = fault.line.saturating_add(u32::try_from(above).unwrap_or_default());
            format!("# * {fault}\n")
        })
        .collect();
    format!("{HEAD}#\n# modeldeployments.maas \"{name}\" was not valid:\n{told}{END}")
}

/// A saved file without the lines that we put above, as far as the user left them.
fn typed<'a>(head: &str, saved: &'a [u8]) -> &'a [u8] {
    let end = END.trim_end().as_bytes();
    let mut rest = saved;
    while let Some((line, below)) = first_line(rest).filter(|(line, _)| line.starts_with(b"#")) {
        if line == end {
            return below;
        }
        rest = below;
    }
    // Without the last of ours, the first are known by what they say.
    let ours = |line: &[u8]| head.lines().any(|own| own.as_bytes() == line);
    let mut rest = saved;
    while let Some((_, below)) = first_line(rest).filter(|(line, _)| line.len() > 1 && ours(line)) {
        rest = below;
    }
    rest
}

/// The first line without its end, and what is below it; none of an empty text.
fn first_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1);
    let (line, below) = text.split_at(end);
    (!text.is_empty()).then(|| (line.trim_ascii_end(), below))
}

/// A file that nobody else may read.
fn written(head: &str, text: &[u8]) -> anyhow::Result<TempPath> {
    let make = || -> std::io::Result<NamedTempFile> {
        let mut file = tempfile::Builder::new().prefix("maasctl-edit-").suffix(".yaml").tempfile()?;
        std::io::Write::write_all(&mut file, &[head.as_bytes(), text].concat())?;
        Ok(file)
    };
    // Its descriptor is closed: the editor may put another file into its place.
    Ok(make().context("cannot write a temporary file")?.into_temp_path())
}

async fn run(editor: &OsString, file: &Path) -> anyhow::Result<()> {
    // Ctrl-C is the editor's, not ours.
    let _interrupts = signal(SignalKind::interrupt())?;
    let mut line = editor.clone();
    line.push(" \"$1\"");
    let ended = tokio::process::Command::new("/bin/sh").arg("-c").arg(line).arg("sh").arg(file).status().await;
    let ended = ended.context("cannot start /bin/sh for the editor")?;
    if ended.success() {
        return Ok(());
    }
    bail!("there was a problem with the editor {editor:?} ({ended}): set MAAS_EDITOR or EDITOR to one that works here")
}

/// Writes at the version read and no other. An answer that was lost is settled by reading.
async fn write(store: &Store, read: &SpecRead, manifest: &Manifest) -> anyhow::Result<()> {
    let mut text = manifest.text.clone();
    if let Ok(stored) = maas_crd::parse_one(&read.text) {
        text = maas_crd::edit(&text, &kept(&stored.resource, &manifest.resource))?;
    }
    let name = &read.name;
    settle(store, async || match get_spec(store, &read.namespace, name).await? {
        Some(now) if now.stat == read.stat => Ok(Decided::after(Write::Update(now, text.clone()), ())),
        Some(now) if now.stat.czxid == read.stat.czxid && now.text == text.as_bytes() => Ok(Decided::done(())),
        Some(_) => bail!(Conflict(name.to_string())),
        None => bail!(NotFound(name.to_string())),
    })
    .await
}

/// The error, and where what the user typed is kept; of a good one that could not be written, how to write it after all.
fn stored_copy(file: TempPath, error: anyhow::Error, writable: Option<&Namespace>) -> anyhow::Error {
    match file.keep() {
        Ok(path) => {
            output::note(&format!("A copy of your changes has been stored to {path:?}"));
            if let Some(namespace) = writable {
                let path = path.display();
                output::note(&format!(
                    "hint: `maasctl diff -n {namespace} -f {path}` shows what it would change now, `maasctl apply -n {namespace} -f {path}` writes it"
                ));
            }
        }
        Err(lost) => output::note(&format!("your changes could not be kept: {lost}")),
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"# mine\na: b\n";

    fn saved(head: &str, text: &[u8]) -> Vec<u8> {
        typed(head, &[head.as_bytes(), text].concat()).to_vec()
    }

    #[test]
    fn what_stands_above_is_taken_off_as_far_as_it_was_left() {
        let name: Name = "dga".parse().unwrap();
        let faults = maas_crd::parse_one(b"a: b").unwrap_err();
        for head in [head(&name, None), head(&name, Some(&faults))] {
            assert_eq!(saved(&head, TEXT), TEXT);
            let without_the_first = head.split_once('\n').unwrap().1;
            assert_eq!(typed(&head, &[without_the_first.as_bytes(), TEXT].concat()), TEXT);
            assert_eq!(typed(&head, TEXT), TEXT, "all of it taken out");
            assert_eq!(saved(&head, b"#\na: b\n"), b"#\na: b\n", "the user's own");
            assert_eq!(saved(&head, b""), b"");
            let windows = head.replace('\n', "\r\n");
            assert_eq!(typed(&head, &[windows.as_bytes(), TEXT].concat()), TEXT);
            let changed =
                head.replace("Please", "Do").replace("line", "row").replace("below this row", "below this line");
            assert_eq!(saved(&changed, TEXT), TEXT);
        }
    }

    #[test]
    fn faults_are_told_at_their_lines_in_the_file() {
        let text =
            "apiVersion: maas/v1\nkind: ModelDeployment\nspec:\n  replicas: -1\n  model: {name: a, version: \"1\"}\n";
        let faults = maas_crd::parse_one(text.as_bytes()).unwrap_err();
        let file = format!("{}{text}", head(&"dga".parse().unwrap(), Some(&faults)));
        let line = file.lines().position(|line| line.contains("replicas: -1") && !line.starts_with('#')).unwrap() + 1;
        assert!(file.contains(&format!("# * line {line}, column 13: spec.replicas: -1 must be")), "{file}");
        assert!(file.contains("# * line") && file.contains("spec.payload: is required"), "{file}");
    }
}
