//! The life of one store through many power cuts: the answers to its host, and the state after each cut.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use modstore::{Cancel, Generation, ModuleName, Options, Silent, State, Store};
use modstore_core::model::Bound;
use modstore_testbed::{TestHome, listing};

use crate::{host, upstream::Origin};

type Bindings = BTreeMap<String, String>;

/// One store, from its first install on.
pub(crate) struct Life<'a> {
    origin: &'a Origin,
    home: TestHome,
    /// The answers to the host, by generation.
    acknowledged: BTreeMap<u64, Bindings>,
    /// The generations that were reported to the host as retired.
    retired: BTreeSet<u64>,
    /// The file that the host has just damaged, until its repair is reported.
    damaged: Option<String>,
    /// Whether a directory that was being exchanged may be found under no name; see docs/concurrency.md.
    unlogged: bool,
    /// What is declared, if what was under way has happened, and if not.
    declared: [BTreeSet<String>; 2],
}

impl<'a> Life<'a> {
    /// A store that is not there yet.
    pub(crate) fn beginning(origin: &'a Origin, home: TestHome, unlogged: bool) -> Self {
        Self {
            origin,
            home,
            acknowledged: BTreeMap::new(),
            retired: BTreeSet::new(),
            damaged: None,
            unlogged,
            declared: [BTreeSet::new(), BTreeSet::new()],
        }
    }

    /// The store.
    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// The directory of its modules' repositories.
    pub(crate) fn upstream(&self) -> &Path {
        self.origin.path()
    }

    /// Receives one line of the host; see [`host`].
    pub(crate) fn hear(&mut self, line: &str) {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        if let Some(module) = line.strip_prefix("damaged ") {
            self.damaged = Some(module.to_owned());
        }
        if let [begun, after] = parts[..]
            && begun.starts_with("begin ")
        {
            self.declared[1] = words(after);
        }
        if let [done, bindings, declared, retired] = parts[..]
            && let Some(number) = done.strip_prefix("done ")
        {
            let bindings = bindings.split_whitespace().map(|word| {
                let (module, to) = word.split_once('=').unwrap();
                (module.to_owned(), to.to_owned())
            });
            self.acknowledged.insert(number.parse().unwrap(), bindings.collect());
            self.declared = [words(declared), words(declared)];
            self.damaged = None;
            self.retired
                .extend(retired.split_whitespace().map(|word| word.parse::<u64>().unwrap()));
        }
    }

    /// The laws right after a power cut, before any process has written.
    pub(crate) fn check_as_found(&self) {
        let store = Store::open(self.path(), Options::default()).unwrap();
        let state = store.state().expect("the journal verifies");
        for (number, bindings) in self.acknowledged.iter().filter(|(number, _)| **number > 0) {
            // A retired generation may be absent; a present one is as it was.
            let is_kept = state.is_kept(generation(*number));
            let found = state.modules_of(generation(*number)).filter(|_| is_kept);
            assert!(
                found.is_none_or(|found| told(&found) == *bindings),
                "generation {number} was acknowledged as {bindings:?}"
            );
            assert!(!is_kept || !self.retired.contains(number), "{number} was retired");
        }
        let last = self.acknowledged.last_key_value().map_or(0, |(number, _)| *number);
        let head = state.head().map_or(0, |head| head.number.number());
        let shown = store.current().map_or(0, Generation::number);
        assert!(shown >= last, "{last} was acknowledged, {shown} is current");
        assert!(last == 0 || state.is_kept(generation(last)), "{last} was acknowledged");
        assert!(head == shown || head == shown + 1, "{shown} is current, {head} is recorded");
        if shown > 0 {
            self.check_shown(&state, shown);
        }
        let declared = declared(&store);
        assert!(self.declared.contains(&declared), "{declared:?}, not {:?}", self.declared);
    }

    /// `current` shows the whole of a generation, and nothing else.
    fn check_shown(&self, state: &State, shown: u64) {
        let bindings =
            state.modules_of(generation(shown)).expect("the current generation is recorded");
        let current = self.path().join("current");
        let names: BTreeSet<String> = fs::read_dir(&current)
            .unwrap_or_else(|error| panic!("{shown} is current: {error}"))
            .map(|child| child.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names, bindings.keys().map(ToString::to_string).collect(), "generation {shown}");
        for (module, binding) in &bindings {
            let link = current.join(module);
            match &binding.bound {
                Bound::Linked { path } => {
                    assert_eq!(fs::read_link(&link).unwrap(), path.as_path(), "{module}");
                }
                Bound::Entry { .. } if self.damaged.as_deref() == Some(module.as_str()) => {
                    let is_there = link.is_dir() || self.unlogged;
                    assert!(is_there, "{module} in generation {shown} is gone");
                }
                Bound::Entry { .. } | Bound::Built(_) | Bound::Kept(_) => {
                    let wanted = self.origin.tree(module.as_str(), &host::told(binding));
                    assert_same(&wanted, &link, &format!("{module} in generation {shown}"));
                }
            }
        }
    }

    /// The next update brings what is declared, as upstream is now, and leaves nothing behind.
    pub(crate) fn check_converges(&mut self) {
        if self.damaged.take().is_some() {
            self.home.run(&["verify", "--repair"]).ok();
            let store = Store::open(self.path(), Options::default()).unwrap();
            let shown = store.current().map_or(0, Generation::number);
            self.check_shown(&store.state().unwrap(), shown);
        }
        let store = Store::open(self.path(), Options::default()).unwrap();
        if store.state().is_ok_and(|state| !state.holds().is_empty()) {
            // What a rollback took back stays so until somebody says otherwise.
            self.home.run(&["unhold", "--all"]).ok();
        }
        self.home.run(&["update"]).ok();
        let left = names_in(&self.path().join("staging"));
        assert_eq!(left, BTreeSet::new(), "staging");
        let store = Store::open(self.path(), Options::default()).unwrap();
        let state = store.state().expect("the journal verifies");
        let kept: BTreeSet<String> = state.kept().map(|info| info.number.to_string()).collect();
        let there = names_in(&self.path().join("generations"));
        let head = state.head().map(|head| head.number);
        // What was retired and could not be moved away is for the next sweep; anything else is gone.
        let is_old =
            |name: &String| name.parse::<Generation>().is_ok_and(|number| Some(number) < head);
        assert!(kept.is_subset(&there), "{kept:?} are kept, {there:?} are there");
        assert!(there.difference(&kept).all(is_old), "{kept:?} are kept, {there:?} are there");
        assert!(!self.path().join("condemned").exists(), "something is condemned");
        assert_eq!(store.current(), head);
        if let Some(head) = head {
            self.check_shown(&state, head.number());
            self.acknowledged.insert(head.number(), told(state.modules()));
        }
        self.check_up_to_date(&store, &state);
        let declared = declared(&store);
        self.declared = [declared.clone(), declared];
    }

    /// A sweep that retires nothing removes deleted names that are not yet gone, and unrecorded ones: both books
    /// and the disk agree.
    pub(crate) fn check_swept(&self) {
        let store = Store::open(self.path(), Options::default()).unwrap();
        let plan = store.plan_sweep(&host::keeping(usize::MAX)).unwrap();
        assert_eq!(plan.disagreements().count(), 0, "{:?}", plan.disagreements().next());
        let report = store.sweep(plan, &Silent, &Cancel::new()).unwrap();
        assert!(report.retired.is_empty(), "{report:?}");
        assert!(self.home.leftovers().is_empty(), "{:?}\n{report:?}", self.home.leftovers());
        let state = store.state().unwrap();
        let kept = state.kept().map(|info| info.number.to_string()).collect();
        assert_eq!(names_in(&self.path().join("generations")), kept, "generations");
        let entries: BTreeSet<String> = state.entries().keys().map(ToString::to_string).collect();
        assert_eq!(names_in(&self.path().join("entries")), entries, "entries");
    }

    fn check_up_to_date(&self, store: &Store, state: &State) {
        let declarations = store.declarations().unwrap();
        let wanted = declarations.modules.iter().map(|(name, declared)| {
            let linked = declared.linked.as_ref().map(|path| path.display().to_string());
            (name.to_string(), linked.unwrap_or_else(|| self.origin.tip(name.as_str())))
        });
        assert_eq!(told(state.modules()), wanted.collect(), "the next update converges");
        let lock = fs::read_to_string(self.path().join("modules.lock")).unwrap_or_default();
        for (module, binding) in state.modules() {
            let digest = binding.digest().map(|digest| digest.to_string()).unwrap_or_default();
            assert!(lock.contains(&digest), "{module}: {digest} is not in modules.lock:\n{lock}");
        }
    }

    /// The store's own judgement is the same.
    pub(crate) fn check_verifies(&self) {
        self.home.run(&["verify"]).ok();
    }

    /// Every generation that is kept is whole: its links, and what they lead to.
    pub(crate) fn check_past(&self) {
        let store = Store::open(self.path(), Options::default()).unwrap();
        let state = store.state().unwrap();
        let mut seen = BTreeSet::new();
        for info in state.kept() {
            let directory = self.path().join("generations").join(info.number.to_string());
            for (module, binding) in state.modules_of(info.number).unwrap() {
                let link = directory.join(&module);
                fs::read_link(&link)
                    .unwrap_or_else(|error| panic!("{module} in {}: {error}", info.number));
                if binding.digest().is_some_and(|digest| seen.insert(digest)) {
                    let wanted = self.origin.tree(module.as_str(), &host::told(&binding));
                    assert_same(&wanted, &link, &format!("{module} in {}", info.number));
                }
            }
        }
    }

    /// How many generations were reported to the host.
    pub(crate) fn generations(&self) -> usize {
        self.acknowledged.len()
    }
}

fn names_in(directory: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(directory).into_iter().flatten();
    names.map(|child| child.unwrap().file_name().into_string().unwrap()).collect()
}

/// Byte for byte; where not, it names the file.
fn assert_same(wanted: &crate::upstream::Tree, at: &Path, what: &str) {
    let found = listing(at);
    let differing =
        wanted.keys().chain(found.keys()).find(|path| wanted.get(*path) != found.get(*path));
    if let Some(path) = differing {
        panic!("{what}: {path} is {:?}, not {:?}", found.get(path), wanted.get(path));
    }
}

fn told(bindings: &BTreeMap<ModuleName, modstore_core::model::Binding>) -> Bindings {
    bindings.iter().map(|(module, binding)| (module.to_string(), host::told(binding))).collect()
}

fn declared(store: &Store) -> BTreeSet<String> {
    let declared = store.declarations().expect("modules.toml is whole");
    declared.modules.keys().map(ToString::to_string).collect()
}

fn generation(number: u64) -> Generation {
    number.to_string().parse().unwrap()
}
