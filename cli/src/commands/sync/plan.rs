//! What one round has to do. Pure: the declaration, the tree and the settings in, the steps out.

use std::collections::BTreeMap;

use maas_store::SyncInventory;

use super::super::apply::decide::{Marks, is_as_wanted, merge};
use super::declared::Declaration;
use super::view::{Key, View};
use crate::annotation::{APPLYSET, PRUNE, PRUNE_DISABLED, of};
use crate::manifests::Declared;

/// How a round is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// What is no longer declared goes.
    pub(crate) prune: bool,
    /// What others changed is changed back.
    pub(crate) heal: bool,
    /// All that this revision declares was applied before: whatever differs now was changed by others.
    pub(crate) settled: bool,
}

impl Rules {
    /// Whether anything may be written.
    fn acts(self) -> bool {
        self.heal || !self.settled
    }
}

/// What one round has to do.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// What differs from the tree and is to be written.
    pub(crate) apply: Vec<&'a Declared>,
    /// What is not to be, and why.
    pub(crate) refused: Vec<(&'a Declared, String)>,
    /// What others changed and is only shown.
    pub(crate) standing: Vec<Key>,
    /// What is to go, last of all.
    pub(crate) prune: Prune,
    /// What is declared, by its health.
    pub(crate) inventory: SyncInventory,
}

/// What is to go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Prune {
    /// So many.
    These(usize),
    /// Nothing, as these would be all: a source that declares nothing at all is rather a mistake.
    Refused(usize),
    /// Nothing in this round: there is nothing, or it is off, or a file could not be read, which may declare anything.
    No,
}

/// What was found of an object's spec at one state of it. To be emptied when the declaration or the marks are others.
pub(crate) type Verdicts = BTreeMap<Key, (i64, Verdict)>;

/// What is to be done with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    AsItStands,
    Differs,
    Refused(String),
}

/// Compares what is declared with the tree; `marks` name the set whose member each object is to be.
pub(crate) fn plan<'a>(
    declaration: &'a Declaration,
    view: &View,
    marks: &Marks,
    rules: Rules,
    verdicts: &mut Verdicts,
) -> Plan<'a> {
    let mut plan = Plan {
        apply: Vec::new(),
        refused: Vec::new(),
        standing: Vec::new(),
        prune: Prune::No,
        inventory: view.inventory(declaration.objects.keys()),
    };
    for (key, declared) in &declaration.objects {
        match verdict(key, declared, view, marks, verdicts) {
            Verdict::AsItStands => {}
            Verdict::Differs if rules.acts() => plan.apply.push(declared),
            Verdict::Differs => plan.standing.push(key.clone()),
            Verdict::Refused(why) => plan.refused.push((declared, why)),
        }
    }
    if rules.prune && rules.acts() && declaration.faults.is_empty() {
        plan.prune = match (members(declaration, view, marks), declaration.named.is_empty()) {
            (0, _) => Prune::No,
            (gone, true) => Prune::Refused(gone),
            (gone, false) => Prune::These(gone),
        };
    }
    plan
}

fn verdict(key: &Key, declared: &Declared, view: &View, marks: &Marks, verdicts: &mut Verdicts) -> Verdict {
    let live = view.specs.get(key);
    let mzxid = live.map_or(0, |live| live.stat.mzxid);
    if let Some((_, verdict)) = verdicts.get(key).filter(|(of, _)| *of == mzxid) {
        return verdict.clone();
    }
    // A manifest that cannot be read is what applying mends.
    let known = live.and_then(|live| live.manifest.as_ref().ok()).map(|manifest| &manifest.resource);
    let verdict = match merge(known, &declared.manifest, marks) {
        Ok(merged) if known.is_some_and(|known| is_as_wanted(known, &merged.resource, marks)) => Verdict::AsItStands,
        Ok(_) => Verdict::Differs,
        Err(refusal) => Verdict::Refused(error_chain(&refusal)),
    };
    verdicts.insert(key.clone(), (mzxid, verdict.clone()));
    verdict
}

/// Members of the set that nobody declares any longer, but for those that are never pruned.
fn members(declaration: &Declaration, view: &View, marks: &Marks) -> usize {
    let surplus = view.specs.iter().filter(|(key, live)| {
        let Ok(manifest) = &live.manifest else { return false };
        let is = |annotation, value| of(&manifest.resource, annotation) == value;
        !declaration.named.contains(*key) && is(APPLYSET, marks.applyset.as_deref()) && !is(PRUNE, Some(PRUNE_DISABLED))
    });
    surplus.count()
}

/// An error and its causes, on one line.
pub(crate) fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(|cause| cause.to_string().replace('\n', "; ")).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use maas_crd::Edit;
    use maas_store::{Node, Root, Stat, SyncFault};

    use super::super::super::apply::decide;
    use super::super::declared::declare;
    use super::super::source::{File, Revision, Snapshot};
    use super::*;

    const RULES: Rules = Rules { prune: true, heal: true, settled: false };

    fn marks(set: &str) -> Marks {
        Marks { applyset: Some(set.to_owned()), revision: Some("c1".to_owned()), keeps_others: true }
    }

    fn manifest(name: &str, more: &str) -> (String, String) {
        let text = format!(
            "apiVersion: maas/v1\nkind: ModelDeployment\nmetadata: {{name: {name}}}\nspec:\n  model: {{name: dga, version: \"1.0\"}}\n  payload: {{path: /m}}\n{more}"
        );
        (format!("{name}.yaml"), text)
    }

    fn declaration(all: &[(String, String)]) -> Declaration {
        let file =
            |(name, text): &(String, String)| File { name: name.clone(), content: Ok(text.clone().into_bytes()) };
        let files = all.iter().map(file).collect();
        declare(Snapshot { revision: Revision { branch: None, id: "c1".into() }, files }, None)
    }

    fn key(name: &str) -> Key {
        ("default".parse().unwrap(), name.parse().unwrap())
    }

    fn put(view: &mut View, name: &str, text: &str) {
        let (namespace, name) = key(name);
        let mzxid = view.specs.get(&(namespace.clone(), name.clone())).map_or(1, |live| live.stat.mzxid + 1);
        let path = Node::Spec { namespace, name }.path(&Root::default());
        view.put(&path, text.as_bytes(), Stat { czxid: 1, mzxid, ..Stat::default() });
    }

    /// The tree after these were applied by `set`.
    fn applied(all: &[(String, String)], set: &str) -> View {
        let mut view = View::new(Root::default());
        for ((_, name), declared) in declaration(all).objects {
            let text = decide::decide(None, &declared.manifest, &marks(set)).unwrap().text.unwrap();
            put(&mut view, name.as_str(), &text);
        }
        view
    }

    fn edit(view: &mut View, name: &str, edit: Edit<'_>) {
        let text = view.specs[&key(name)].manifest.as_ref().unwrap().text.clone();
        put(view, name, &maas_crd::edit(&text, &[edit]).unwrap());
    }

    fn planned<'a>(declaration: &'a Declaration, view: &View, rules: Rules) -> Plan<'a> {
        plan(declaration, view, &marks("fleet"), rules, &mut Verdicts::new())
    }

    fn files<'a>(plan: &Plan<'a>) -> Vec<&'a str> {
        plan.apply.iter().map(|one| one.source.as_str()).collect()
    }

    #[test]
    fn what_differs_is_written_and_what_is_gone_is_pruned() {
        let view = applied(&[manifest("a", ""), manifest("b", "")], "fleet");
        let changed = declaration(&[manifest("a", "  env: {X: \"1\"}\n"), manifest("c", "")]);
        let plan = planned(&changed, &view, RULES);
        assert_eq!(files(&plan), ["a.yaml", "c.yaml"]);
        assert_eq!((plan.prune, plan.standing.len()), (Prune::These(1), 0));
        assert_eq!((plan.inventory.objects, plan.inventory.progressing), (2, 2));
        let same = declaration(&[manifest("a", ""), manifest("b", "")]);
        let plan = planned(&same, &view, RULES);
        assert_eq!((files(&plan).len(), plan.prune), (0, Prune::No));
    }

    #[test]
    fn nothing_is_pruned_while_a_file_is_broken_or_when_nothing_is_declared() {
        let view = applied(&[manifest("a", ""), manifest("b", "")], "fleet");
        let mut broken = declaration(&[manifest("a", "")]);
        broken.faults.push(SyncFault { file: "b.yaml".into(), line: 1, column: 1, message: "bad".into() });
        assert_eq!(planned(&broken, &view, RULES).prune, Prune::No);
        broken.faults.clear();
        assert_eq!(planned(&broken, &view, RULES).prune, Prune::These(1));
        assert_eq!(planned(&broken, &view, Rules { prune: false, ..RULES }).prune, Prune::No);
        let empty = declaration(&[]);
        assert_eq!(planned(&empty, &view, RULES).prune, Prune::Refused(2));
        let others = plan(&empty, &view, &marks("other"), RULES, &mut Verdicts::new());
        assert_eq!(others.prune, Prune::No, "others' objects are not counted");
    }

    #[test]
    fn an_object_may_say_that_it_is_never_pruned() {
        let mut view = applied(&[manifest("a", ""), manifest("b", "")], "fleet");
        edit(&mut view, "b", Edit::Annotation(PRUNE, Some(PRUNE_DISABLED)));
        assert_eq!(planned(&declaration(&[manifest("a", "")]), &view, RULES).prune, Prune::No);
    }

    #[test]
    fn a_hands_change_is_healed_or_only_shown() {
        let all = [manifest("a", "  replicas: 2\n")];
        let mut view = applied(&all, "fleet");
        edit(&mut view, "a", Edit::Replicas(5));
        let declaration = declaration(&all);
        let healed = planned(&declaration, &view, Rules { settled: true, ..RULES });
        assert_eq!((healed.apply.len(), healed.standing.len()), (1, 0));
        let shown = planned(&declaration, &view, Rules { settled: true, heal: false, ..RULES });
        assert_eq!((shown.apply.len(), shown.standing), (0, vec![key("a")]));
        // A new revision is applied whole, whoever changed what before.
        let anew = planned(&declaration, &view, Rules { heal: false, ..RULES });
        assert_eq!((anew.apply.len(), anew.standing.len()), (1, 0));
    }

    #[test]
    fn two_sets_never_fight_over_one_object() {
        let view = applied(&[manifest("a", "")], "other");
        let declaration = declaration(&[manifest("a", "")]);
        let plan = planned(&declaration, &view, RULES);
        assert_eq!(plan.apply.len(), 0);
        let why = &plan.refused[0].1;
        assert!(why.contains("belongs to the applyset other, not to fleet"), "{why}");
    }

    #[test]
    fn a_broken_spec_is_mended_and_a_verdict_holds_until_the_spec_changes() {
        let all = [manifest("a", "")];
        let (mut view, declaration) = (applied(&all, "fleet"), declaration(&all));
        let mut verdicts = Verdicts::new();
        let mut count = |view: &View| plan(&declaration, view, &marks("fleet"), RULES, &mut verdicts).apply.len();
        assert_eq!((count(&view), count(&view)), (0, 0));
        put(&mut view, "a", "kind: [");
        assert_eq!((count(&view), count(&view)), (1, 1));
    }
}
