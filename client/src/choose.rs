//! Which endpoint to ask. No lock and no allocation: a view never changes, a new one takes its place.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use maas_crd::{Iid, ModelVersion, Namespace};
use maas_store::Endpoint;

/// How long an instance that failed is left out, in milliseconds; doubled by each further failure up to the longest.
const EJECTED: u64 = 1_000;
const LONGEST: u64 = 30_000;

/// Whom a caller wants to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// The model's name.
    pub model: &'a str,
    /// Its version; none: the newest that has a live endpoint.
    pub version: Option<&'a str>,
    /// The URL of the instance to ask first, while it lives and did not fail lately; none: any.
    pub first: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// The newest live version of a model of the namespace `default`.
    #[must_use]
    pub fn newest(model: &'a str) -> Self {
        Self { namespace: "default", model, version: None, first: None }
    }

    /// Just this version of it.
    #[must_use]
    pub fn version(self, version: &'a str) -> Self {
        Self { version: Some(version), ..self }
    }

    /// The same of another namespace.
    #[must_use]
    pub fn of(self, namespace: &'a str) -> Self {
        Self { namespace, ..self }
    }

    /// This instance of it before others.
    #[must_use]
    pub fn first(self, url: &'a str) -> Self {
        Self { first: Some(url), ..self }
    }
}

/// How one of several endpoints is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Each as likely as any other.
    #[default]
    Random,
    /// Of two random ones that with fewer calls of this client under way.
    LeastLoadedOfTwo,
}

/// An endpoint, and how it did for this client.
#[derive(Debug)]
pub struct Target {
    namespace: Namespace,
    instance: Iid,
    version: ModelVersion,
    endpoint: Endpoint,
    pub(crate) under_way: AtomicU32,
    failures: AtomicU32,
    /// Left out before this moment, in the client's milliseconds.
    until: AtomicU64,
}

impl Target {
    /// None when its version is none.
    pub(crate) fn new(namespace: Namespace, instance: Iid, endpoint: Endpoint) -> Option<Self> {
        Some(Self {
            version: endpoint.version.parse().ok()?,
            namespace,
            instance,
            endpoint,
            under_way: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            until: AtomicU64::new(0),
        })
    }

    /// What is published of it.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The instance that it is of.
    #[must_use]
    pub fn instance(&self) -> Iid {
        self.instance
    }

    fn is_ejected(&self, now_ms: u64) -> bool {
        self.until.load(Ordering::Relaxed) > now_ms
    }

    /// Counts a call that failed here. Whether the instance was not left out before.
    pub(crate) fn failed(&self, now_ms: u64) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
        let pause = EJECTED.saturating_mul(1 << failures.min(10)).min(LONGEST);
        self.until.swap(now_ms + pause, Ordering::Relaxed) <= now_ms
    }

    pub(crate) fn answered(&self) {
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.until.store(0, Ordering::Relaxed);
        }
    }
}

/// The live endpoints of one version.
#[derive(Debug)]
struct Version {
    version: ModelVersion,
    targets: Vec<Arc<Target>>,
}

/// What was live at a moment.
#[derive(Debug, Default)]
pub struct View {
    /// Versions by namespace and model, the newest first.
    models: HashMap<String, HashMap<String, Vec<Version>>>,
    stale: bool,
}

impl View {
    pub(crate) fn of<'a>(targets: impl Iterator<Item = &'a Arc<Target>>, stale: bool) -> Self {
        let mut models: HashMap<String, HashMap<String, Vec<Version>>> = HashMap::new();
        for target in targets {
            let namespace = models.entry(target.namespace.to_string()).or_default();
            let versions = namespace.entry(target.endpoint.model.clone()).or_default();
            match versions.iter_mut().find(|known| known.version == target.version) {
                Some(known) => known.targets.push(target.clone()),
                None => versions.push(Version { version: target.version.clone(), targets: vec![target.clone()] }),
            }
        }
        for versions in models.values_mut().flat_map(HashMap::values_mut) {
            versions.sort_by(|a, b| b.version.cmp_newest(&a.version));
        }
        Self { models, stale }
    }

    /// Whether ZooKeeper was away when it was taken: endpoints may have come and gone since.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    fn versions(&self, namespace: &str, model: &str) -> &[Version] {
        self.models.get(namespace).and_then(|models| models.get(model)).map_or(&[], Vec::as_slice)
    }

    /// The live endpoints of what is wanted.
    #[must_use]
    pub fn targets(&self, wanted: Wanted<'_>) -> &[Arc<Target>] {
        let versions = self.versions(wanted.namespace, wanted.model);
        let found = match wanted.version {
            None => versions.first(),
            Some(version) => versions.iter().find(|known| known.version.as_str() == version),
        };
        found.map_or(&[], |version| version.targets.as_slice())
    }

    /// The versions of a model that have a live endpoint, the newest first.
    pub fn live_versions(&self, namespace: &str, model: &str) -> impl Iterator<Item = &str> {
        self.versions(namespace, model).iter().map(|version| version.version.as_str())
    }

    /// One of them; none when there is none but those in `without`. An instance that failed lately is chosen only when all
    /// others did too.
    #[must_use]
    pub fn choose(
        &self,
        wanted: Wanted<'_>,
        choice: Choice,
        now_ms: u64,
        without: &[Arc<Target>],
    ) -> Option<&Arc<Target>> {
        let targets = self.targets(wanted);
        let is_free = |target: &Arc<Target>| !without.iter().any(|other| Arc::ptr_eq(other, target));
        let good = |target: &&Arc<Target>| is_free(target) && !target.is_ejected(now_ms);
        let one = |number: usize| targets.get(number).filter(good);
        if let Some(url) = wanted.first
            && let Some(named) = targets.iter().find(|target| target.endpoint.url == url).filter(good)
        {
            return Some(named);
        }
        let first = match targets.len() {
            0 => return None,
            1 => one(0),
            length => {
                let number = fastrand::usize(..length);
                match choice {
                    Choice::Random => one(number),
                    Choice::LeastLoadedOfTwo => {
                        let other = (number + 1 + fastrand::usize(..length - 1)) % length;
                        let load = |target: &&Arc<Target>| target.under_way.load(Ordering::Relaxed);
                        one(number).into_iter().chain(one(other)).min_by_key(load)
                    }
                }
            }
        };
        // Rare enough to look at all.
        first.or_else(|| any_of(targets, good)).or_else(|| any_of(targets, |target| is_free(target)))
    }
}

fn any_of(targets: &[Arc<Target>], good: impl Fn(&&Arc<Target>) -> bool) -> Option<&Arc<Target>> {
    let count = targets.iter().filter(&good).count();
    if count == 0 { None } else { targets.iter().filter(&good).nth(fastrand::usize(..count)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(number: u32, version: &str) -> Arc<Target> {
        let endpoint = Endpoint {
            url: format!("http://h:{number}"),
            functions: std::collections::BTreeMap::new(),
            model: "dga".to_owned(),
            version: version.to_owned(),
            revision: 1,
            container: String::new(),
            since_ms: 0,
        };
        Arc::new(Target::new(Namespace::default(), Iid::new(1, number), endpoint).unwrap())
    }

    fn times(view: &View, choice: Choice, now: u64, of: &Arc<Target>) -> usize {
        let choose = || view.choose(Wanted::newest("dga"), choice, now, &[]).unwrap();
        (0..3_000).filter(|_| Arc::ptr_eq(choose(), of)).count()
    }

    #[test]
    fn each_is_as_likely_and_one_that_failed_is_left_out_for_a_while() {
        let all = [target(1, "1.0"), target(2, "1.0"), target(3, "1.0")];
        let view = View::of(all.iter(), false);
        for one in &all {
            assert!((800..1200).contains(&times(&view, Choice::Random, 0, one)));
        }
        assert!(all[0].failed(0) && !all[0].failed(1), "ejected once");
        assert_eq!(times(&view, Choice::Random, 500, &all[0]), 0);
        assert_eq!(times(&view, Choice::LeastLoadedOfTwo, 500, &all[0]), 0);
        assert!(times(&view, Choice::Random, 2_001, &all[0]) > 800, "back after the second pause");
        all[0].answered();
        assert!(times(&view, Choice::Random, 0, &all[0]) > 800);
    }

    #[test]
    fn when_all_failed_any_is_asked() {
        let all = [target(1, "1.0"), target(2, "1.0")];
        let view = View::of(all.iter(), false);
        assert!(all.iter().all(|one| one.failed(0)));
        assert!(times(&view, Choice::Random, 1, &all[0]) > 1_000);
        assert!(view.choose(Wanted::newest("dga"), Choice::Random, 1, &all).is_none(), "each was tried");
    }

    #[test]
    fn the_less_loaded_of_two_is_chosen() {
        let all = [target(1, "1.0"), target(2, "1.0")];
        let view = View::of(all.iter(), false);
        all[0].under_way.store(5, Ordering::Relaxed);
        assert_eq!(times(&view, Choice::LeastLoadedOfTwo, 0, &all[0]), 0);
    }

    proptest! {
        #[test]
        fn the_newest_version_as_people_count_comes_first(versions in prop::collection::vec("[0-9]{1,2}\\.[0-9]{1,2}", 1..8)) {
            let all: Vec<_> = versions.iter().zip(1..).map(|(version, number)| target(number, version)).collect();
            let view = View::of(all.iter(), false);
            let newest = all.iter().map(|one| &one.version).max_by(|a, b| a.cmp_newest(b)).unwrap();
            let chosen = view.choose(Wanted::newest("dga"), Choice::Random, 0, &[]).unwrap();
            prop_assert_eq!(chosen.version.cmp_newest(newest), std::cmp::Ordering::Equal);
            let named = view.targets(Wanted::newest("dga").version(versions[0].as_str()));
            prop_assert!(named.iter().all(|one| one.endpoint().version == versions[0]) && !named.is_empty());
        }
    }
}
