//! Ends the process right before or right after an effect of choice. Compiled into tests' builds alone.
//!
//! A file `fail-point` in the application's local directory (the parent of the container's) arms it: `before commit 3`
//! ends the process when it is about to do its third commit from then on, `after commit 3` when the answer of that one
//! has come and nobody has heard of it yet. The file goes as it is read, so that the next attempt lives.

use std::path::Path;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::core::event::{Effect, Event};

/// Relative to the container's directory.
const FILE: &str = "../fail-point";

/// What is armed.
#[derive(Default)]
pub(super) struct FailPoint {
    armed: Option<Armed>,
}

struct Armed {
    after: bool,
    kind: String,
    left: u32,
}

impl FailPoint {
    /// An effect is about to be done. True: the process shall end once it is done.
    pub(super) fn meets(&mut self, effect: &Effect) -> bool {
        if self.armed.is_none() {
            self.armed = read(Path::new(FILE));
        }
        let Some(armed) = self.armed.as_mut().filter(|armed| armed.kind == kind(effect)) else { return false };
        armed.left = armed.left.saturating_sub(1);
        if armed.left > 0 {
            return false;
        }
        if !armed.after {
            std::process::abort();
        }
        self.armed = None;
        true
    }
}

/// Ends the process where the effect's answer would be told.
pub(super) fn then_end(effect: BoxFuture<'static, Event>) -> BoxFuture<'static, Event> {
    effect.map(|_| std::process::abort()).boxed()
}

fn read(file: &Path) -> Option<Armed> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut words = text.split_whitespace();
    let after = words.next()? == "after";
    let armed = Armed { after, kind: words.next()?.to_owned(), left: words.next()?.parse().ok()? };
    std::fs::remove_file(file).ok()?;
    Some(armed)
}

/// The words for the effects that leave the process.
fn kind(effect: &Effect) -> &'static str {
    match effect {
        Effect::ReadOperator => "read",
        Effect::Commit(..) => "commit",
        Effect::Register => "register",
        Effect::Allocate(_) => "allocate",
        Effect::Start(..) => "start",
        Effect::Signal(..) => "signal",
        Effect::Stop(..) => "stop",
        Effect::Look(..) => "look",
        Effect::LookAtNodes => "look-at-nodes",
        Effect::List(..) => "list",
        Effect::DeleteUpload(..) => "delete-upload",
        Effect::ReadQueue(_) => "read-queue",
        Effect::LookAtPayload(_) => "look",
        Effect::Finish(..) => "finish",
        Effect::Say(..) | Effect::Exit(_) | Effect::Tokens(_) | Effect::Follow => "none",
    }
}
