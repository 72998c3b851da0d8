//! Edits of a user's own manifest.

use maas_crd::{Edit, EditError, Manifest, edit, parse_one, render, set_annotation, set_replicas};

use crate::{Target, accepted, refused};

/// The first line holds the number of replicas, the annotation's key and its value; the rest is the manifest.
///
/// An edit changes what it says and nothing else: not the meaning of any other field, and, where it is made in place,
/// no byte but those of the old value. Made twice it is made once. It grows the text by what it puts in.
pub const TARGET: Target = Target { name: "edits", check, verdict };

struct Input<'a> {
    replicas: u32,
    key: &'a str,
    value: &'a str,
    text: &'a str,
}

fn input(bytes: &[u8]) -> Option<Input<'_>> {
    let (first, text) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
    let mut words = first.splitn(3, ' ');
    let replicas = words.next()?.parse().ok()?;
    Some(Input { replicas, key: words.next()?, value: words.next()?, text })
}

fn check(bytes: &[u8]) {
    let Some(Input { replicas, key, value, text }) = input(bytes) else { return };
    let before = match parse_one(text.as_bytes()) {
        Ok(before) => before,
        Err(_) => {
            assert!(matches!(set_replicas(text, replicas), Err(EditError::Invalid(_))));
            return;
        }
    };
    scaled(&before, text, replicas);
    noted(&before, text, key, value);
    others(&before, text, key, value);
}

fn scaled(before: &Manifest, text: &str, replicas: u32) {
    let mut wanted = before.clone();
    wanted.resource.spec.replicas = replicas;
    wanted.replicas_given = true;
    let edited = match set_replicas(text, replicas) {
        Ok(edited) => edited,
        Err(error) => {
            let room = text.len() + 200 < 64 * 1024 && render(&wanted.resource).len() < 64 * 1024;
            assert!(replicas > 1000 || !room, "{error:?}");
            return;
        }
    };
    means(&edited, &wanted);
    if edited != render(&wanted.resource) {
        // `null` is the longest that stands for no number, and a number has four digits at most.
        let (gone, new) = hole(&before.text, &edited);
        assert!(gone.len() <= 4, "{gone:?} is gone, {new:?} is there");
        assert!(new.len() <= gone.len() + 64 + indentation(&edited), "{new:?}");
    }
    assert_eq!(set_replicas(&edited, replicas).ok().as_ref(), Some(&edited), "an edit made twice");
}

fn noted(before: &Manifest, text: &str, key: &str, value: &str) {
    let mut wanted = before.clone();
    wanted.resource.metadata.annotations.insert(key.to_owned(), value.to_owned());
    match set_annotation(text, key, value) {
        Ok(edited) => {
            means(&edited, &wanted);
            let own = 6 * (key.len() + value.len()) + 64 + 3 * indentation(&edited);
            assert!(edited.len() <= text.len().max(render(&wanted.resource).len()) + own);
            assert_eq!(set_annotation(&edited, key, value).ok().as_ref(), Some(&edited), "an edit made twice");
        }
        Err(error) => {
            let room = text.len() + 6 * (key.len() + value.len()) + 4096 < 32 * 1024;
            assert!(key == "<<" || !room, "{key:?}: {value:?}: {error:?}");
        }
    }
}

/// Each other field takes the value or refuses it by name; what is taken out is gone, and nothing else is.
fn others(before: &Manifest, text: &str, key: &str, value: &str) {
    let changed = |change: Edit<'_>, make: &dyn Fn(&mut Manifest)| {
        let mut wanted = before.clone();
        make(&mut wanted);
        match edit(text, &[change]) {
            Ok(edited) => {
                means(&edited, &wanted);
                assert_eq!(edit(&edited, &[change]).ok().as_ref(), Some(&edited), "an edit made twice");
            }
            Err(error) => {
                let refused = parse_one(render(&wanted.resource).as_bytes()).map(|m| m.resource) != Ok(wanted.resource);
                let room = text.len() + 6 * (key.len() + value.len()) + 4096 < 32 * 1024;
                assert!(refused || key == "<<" || !room, "{change:?}: {error:?}");
            }
        }
    };
    let put = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    changed(Edit::Label(key, Some(value)), &|m| m.resource.metadata.labels.extend([put(key, value)]));
    changed(Edit::Env(key, Some(value)), &|m| m.resource.spec.template.env.extend([put(key, value)]));
    changed(Edit::PayloadPath(value), &|m| value.clone_into(&mut m.resource.spec.template.payload.path));
    changed(Edit::Script(Some(value)), &|m| m.resource.spec.template.startup.script = Some(value.to_owned()));
    changed(Edit::RestartedAt(value), &|m| m.resource.spec.template.restarted_at = Some(value.to_owned()));
    changed(Edit::Label(key, None), &|m| drop(m.resource.metadata.labels.remove(key)));
    changed(Edit::Annotation(key, None), &|m| drop(m.resource.metadata.annotations.remove(key)));
    changed(Edit::Env(key, None), &|m| drop(m.resource.spec.template.env.remove(key)));
    changed(Edit::Script(None), &|m| m.resource.spec.template.startup.script = None);
}

fn means(edited: &str, wanted: &Manifest) {
    let after = parse_one(edited.as_bytes()).map(|after| (after.resource, after.replicas_given));
    assert_eq!(after.as_ref(), Ok(&(wanted.resource.clone(), wanted.replicas_given)), "{edited}");
}

/// What of the one text is not in the other, and the reverse, between what both begin and end with.
fn hole<'a>(before: &'a str, after: &'a str) -> (&'a str, &'a str) {
    let same =
        |a: &mut dyn Iterator<Item = (char, char)>| a.take_while(|(x, y)| x == y).map(|(x, _)| x.len_utf8()).sum();
    let start: usize = same(&mut before.chars().zip(after.chars()));
    let (before, after) = (before.get(start..).unwrap_or_default(), after.get(start..).unwrap_or_default());
    let end: usize = same(&mut before.chars().rev().zip(after.chars().rev()));
    let cut = |text: &'a str| text.get(..text.len() - end).unwrap_or_default();
    (cut(before), cut(after))
}

fn indentation(text: &str) -> usize {
    text.lines().map(|line| line.len() - line.trim_start_matches(' ').len()).max().unwrap_or_default()
}

fn verdict(bytes: &[u8]) -> String {
    let Some(Input { replicas, key, value, text }) = input(bytes) else {
        return "refused: no edit in the first line".to_owned();
    };
    let edited = set_replicas(text, replicas).and_then(|text| set_annotation(&text, key, value));
    match edited {
        Ok(edited) => {
            let (gone, new) = hole(text, &edited);
            let anew = parse_one(edited.as_bytes()).is_ok_and(|m| render(&m.resource) == edited);
            let how = if anew { "written anew" } else { "in place" };
            accepted(format!("{how}: {} bytes for {}", new.len(), gone.len()))
        }
        Err(error) => refused(&error),
    }
}
