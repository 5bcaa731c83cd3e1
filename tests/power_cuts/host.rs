//! The process whose power is cut: a host program that works with the library and says what has been acknowledged.
//!
//! It speaks in lines that begin with `@`: `damaged MODULE`, `begin OPERATION | DECLARED AFTER IT`,
//! `done GENERATION | BINDINGS | DECLARED | RETIRED`, `held WHERE`. What follows `@` is parsed by the parent.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    num::NonZeroUsize,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use modstore::{
    Addition, Cancel, Generation, ModuleName, Options, Policy, Silent, Source, Store, UpdateReport,
    UpdateRequest,
};
use modstore_core::{
    disk::{Barrier, Disk},
    model::{Binding, Bound},
};
use modstore_testbed::{Item, Random};

use crate::{
    moment::{Holding, Moment, for_ever},
    upstream::{NAMES, Upstream},
};

/// What the parent tells the process, in one variable.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    /// The store.
    pub(crate) home: PathBuf,
    /// The repositories.
    pub(crate) upstream: PathBuf,
    /// Decides all operations.
    pub(crate) seed: u64,
    /// How many operations end well before the first that may be cut.
    pub(crate) before: u64,
    /// When, in such a one.
    pub(crate) moment: Moment,
    /// Whether each file is synced by itself.
    pub(crate) each_file: bool,
    /// Whether each change is followed by a sweep that keeps two generations.
    pub(crate) sweeps: bool,
}

impl Orders {
    /// The variable they are in.
    pub(crate) const VARIABLE: &'static str = "MODSTORE_TEST_POWER";

    /// As the value of the variable.
    pub(crate) fn to_line(&self) -> String {
        let Self { home, upstream, seed, before, moment, each_file, sweeps } = self;
        let (home, upstream) = (home.display(), upstream.display());
        format!("{home}|{upstream}|{seed}|{before}|{moment}|{each_file}|{sweeps}")
    }

    fn of_line(line: &str) -> Self {
        let parts: Vec<&str> = line.split('|').collect();
        let [home, upstream, seed, before, moment, each_file, sweeps] = parts[..] else {
            panic!("{line}")
        };
        Self {
            home: home.into(),
            upstream: upstream.into(),
            seed: seed.parse().unwrap(),
            before: before.parse().unwrap(),
            moment: moment.parse().unwrap(),
            each_file: each_file.parse().unwrap(),
            sweeps: sweeps.parse().unwrap(),
        }
    }
}

/// Something a host does with a store.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Operation {
    Add(Vec<String>),
    Remove(String),
    Update,
    Rollback(Option<Generation>),
    Link(String),
    Unlink(String),
    Sweep(usize),
    Compact,
    Repair(String),
}

/// The newest of these, and no other, however young.
pub(crate) fn keeping(newest: usize) -> Policy {
    Policy { keep: NonZeroUsize::new(newest).unwrap(), grace: Duration::ZERO, ..Policy::default() }
}

/// Does as ordered, if anything was.
pub(crate) fn run() {
    let Ok(orders) = std::env::var(Orders::VARIABLE) else { return };
    let orders = Orders::of_line(&orders);
    say(&format!("process {}", std::process::id()));
    let holding = Arc::new(Holding::at(orders.moment, say));
    let options = Options {
        barrier: if orders.each_file { Barrier::EachFile } else { Barrier::FileSystem },
        // A holder that died must not block another process, least of all for so long that the test misses it.
        lock_limit: Duration::from_secs(5),
        sweep: orders.sweeps.then(|| keeping(2)),
        ..Options::default()
    };
    let store = Store::open_on(Disk::observed(holding.clone()), &orders.home, options).unwrap();
    let host = Host { store, upstream: Upstream::found_in(&orders.upstream) };
    let mut random = Random::of(orders.seed);
    for _ in 0..orders.before {
        host.one(&mut random, || ());
    }
    // An operation may be over before the moment has come; the next one may have it.
    let tries = if orders.moment == Moment::End { 1 } else { 4 };
    for _ in 0..tries {
        host.one(&mut random, || holding.arm());
    }
    say("held at the end");
    for_ever();
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // No test listens any more when the power is gone.
    let _ = writeln!(out, "@{line}");
    let _ = out.flush();
}

struct Host {
    store: Store,
    upstream: Upstream,
}

impl Host {
    /// Changes one byte of one file of a module, as a failing disk might.
    fn damage(&self, name: &str, random: &mut Random) {
        let shown = self.store.target(&module(name));
        // A linked module is nobody's to damage.
        if fs::read_link(&shown).unwrap().is_absolute() {
            return;
        }
        let files: Vec<_> = modstore_testbed::listing(&shown)
            .into_iter()
            .filter(|(_, item)| matches!(item, Item::File { bytes, .. } if !bytes.is_empty()))
            .collect();
        let (path, Item::File { bytes, .. }) = random.pick(&files) else { return };
        let file = fs::OpenOptions::new().write(true).open(shown.join(path)).unwrap();
        let at = random.within(0..bytes.len() as u64);
        file.write_all_at(&[!bytes[at as usize]], at).unwrap();
    }

    /// One operation, from its announcement to its acknowledgement.
    fn one(&self, random: &mut Random, arm: impl FnOnce()) {
        let before = self.declared();
        let operation = self.any(random, &before);
        if let Operation::Repair(name) = &operation {
            say(&format!("damaged {name}"));
            self.damage(name, random);
        }
        say(&format!("begin {operation:?} | {}", joined(&after(&operation, before))));
        arm();
        let (generation, retired) = self.run(&operation).unwrap_or_else(|error| {
            say(&format!("failed {error:?}"));
            for_ever()
        });
        let state = self.store.state().unwrap();
        let bindings = generation.and_then(|generation| state.modules_of(generation));
        let bindings = bindings.unwrap_or_default().into_iter();
        let bindings: BTreeSet<_> =
            bindings.map(|(module, binding)| format!("{module}={}", told(&binding))).collect();
        let number = generation.map_or(0, Generation::number);
        let retired = retired.iter().map(ToString::to_string).collect();
        let (bindings, declared) = (joined(&bindings), joined(&self.declared()));
        say(&format!("done {number} | {bindings} | {declared} | {}", joined(&retired)));
    }

    fn any(&self, random: &mut Random, declared: &BTreeSet<String>) -> Operation {
        let missing: Vec<_> =
            NAMES.map(str::to_owned).into_iter().filter(|name| !declared.contains(name)).collect();
        let there: Vec<_> = declared.iter().cloned().collect();
        if there.is_empty() {
            let many = random.within(1..NAMES.len() as u64 + 1) as usize;
            return Operation::Add(missing.into_iter().take(many).collect());
        }
        match random.within(0..100) {
            0..12 if !missing.is_empty() => Operation::Add(vec![random.pick(&missing).clone()]),
            12..20 if there.len() > 1 => Operation::Remove(random.pick(&there).clone()),
            20..34 => self.any_rollback(random),
            34..42 => self.link_or_unlink(random.pick(&there).clone()),
            42..57 => Operation::Sweep(random.within(1..4) as usize),
            57..62 => Operation::Compact,
            62..72 => self.repair_of(random.pick(&there).clone()),
            _ => {
                self.upstream.publish(random);
                Operation::Update
            }
        }
    }

    fn link_or_unlink(&self, name: String) -> Operation {
        let declared = self.store.declarations().unwrap();
        let linked = declared.get(&module(&name)).is_some_and(|module| module.linked.is_some());
        if linked { Operation::Unlink(name) } else { Operation::Link(name) }
    }

    fn repair_of(&self, name: String) -> Operation {
        // The declared version need not be current: a rollback may have chosen another one.
        let is_shown = self.store.target(&module(&name)).exists();
        if is_shown { Operation::Repair(name) } else { Operation::Update }
    }

    fn any_rollback(&self, random: &mut Random) -> Operation {
        let state = self.store.state().unwrap();
        let numbers: Vec<_> = state.kept().map(|info| info.number).collect();
        match numbers.len() {
            0 | 1 => Operation::Update,
            _ if random.percent(50) => Operation::Rollback(None),
            _ => Operation::Rollback(Some(*random.pick(&numbers))),
        }
    }

    /// Runs it; gives the current generation afterwards, and the retired ones.
    fn run(
        &self,
        operation: &Operation,
    ) -> Result<(Option<Generation>, Vec<Generation>), Box<dyn std::error::Error>> {
        let (store, cancel) = (&self.store, Cancel::new());
        let whole = |report: UpdateReport| {
            assert!(report.failed.is_empty(), "{report:?}");
            report.generation
        };
        let shown = match operation {
            Operation::Add(names) => {
                let additions = names.iter().map(|name| self.addition(name)).collect::<Vec<_>>();
                let added = store.add(&additions, true, &Silent, &cancel)?;
                added.report.and_then(whole)
            }
            Operation::Remove(name) => {
                store.remove(&[module(name)], &Silent, &cancel)?.or(store.current())
            }
            Operation::Update => {
                whole(store.update(&UpdateRequest::default(), &Silent, &cancel)?)
            }
            Operation::Rollback(to) => Some(store.rollback(*to, &[], &Silent, &cancel)?),
            Operation::Link(name) => {
                whole(store.link(&module(name), Path::new("/usr"), &Silent, &cancel)?)
            }
            Operation::Unlink(name) => whole(store.unlink(&module(name), &Silent, &cancel)?),
            Operation::Sweep(newest) => {
                let _lease = store.lease().unwrap();
                let plan = store.plan_sweep(&keeping(*newest))?;
                let report = store.sweep(plan, &Silent, &cancel)?;
                return Ok((store.current(), report.retired));
            }
            Operation::Repair(_) => {
                let report = store.repair(&Silent, &cancel)?;
                assert!(report.is_sound(), "{report:?}");
                store.current()
            }
            Operation::Compact => {
                store.compact(&Silent, &cancel)?;
                store.current()
            }
        };
        Ok((shown, Vec::new()))
    }

    fn addition(&self, name: &str) -> Addition {
        let source = Source::parse(&self.upstream.source(name), Path::new("/"), None).unwrap();
        Addition { name: Some(module(name)), source }
    }

    fn declared(&self) -> BTreeSet<String> {
        let declared = self.store.declarations().unwrap();
        declared.modules.keys().map(ToString::to_string).collect()
    }
}

/// What is declared after an operation.
fn after(operation: &Operation, mut declared: BTreeSet<String>) -> BTreeSet<String> {
    match operation {
        Operation::Add(names) => declared.extend(names.iter().cloned()),
        Operation::Remove(name) => drop(declared.remove(name)),
        _ => {}
    }
    declared
}

fn module(name: &str) -> ModuleName {
    name.parse().unwrap()
}

fn joined(words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// What a module is: a commit, or `/` and the rest of a path.
pub(crate) fn told(binding: &Binding) -> String {
    match &binding.bound {
        Bound::Entry { fetched, .. } => fetched.as_ref().unwrap().revision.to_string(),
        Bound::Linked { path } => path.to_string(),
        Bound::Built(_) | Bound::Kept(_) => unreachable!("nothing is built or kept here"),
    }
}
