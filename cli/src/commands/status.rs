//! `status`: how the store stands.

use std::{collections::BTreeMap, io};

use clap::Args;
use modstore::{
    Store,
    check::Finding,
    commit::{Binding, State},
    environment::{Drift, Registration},
    model::{Declarations, Generation},
};

use super::{Effect, Run, list::last_changes};
use crate::{
    context::Context,
    json::{Attempt, Following, Lease, Leftover, Serving, Status, Wanting},
    output::Answer,
    page::Page,
    report::Failure,
    text::{Table, count, size},
    time,
};

/// Tell how the store stands
///
/// Where it is, which generation is shown, which modules are linked, which are declared but not there
/// yet, and which are there but declared no more.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore status
  modstore --home /srv/modules status --json")]
pub(crate) struct StatusArgs {}

impl Run for StatusArgs {
    type Answer = Status;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<Status, Failure> {
        let store = context.store()?;
        let (declared, state, shown) = (store.declarations()?, store.state()?, store.current());
        let modules = shown.and_then(|shown| state.modules_of(shown)).unwrap_or_default();
        let info = state.generations().iter().find(|info| Some(info.number) == shown);
        let linked = modules.iter().filter(|(_, binding)| binding.digest().is_none());
        let missing =
            declared.modules.iter().filter(|(name, _)| !modules.contains_key(name.as_str()));
        Ok(Status {
            generation: shown.map(|shown| shown.number()),
            home: context.home()?.display().to_string(),
            at: info.map(|info| time::stamp(info.at)),
            reason: info.map(|info| info.reason.clone()),
            modules: modules.len(),
            linked: linked.map(|(name, _)| name.clone()).collect(),
            missing: missing.map(|(name, _)| name.to_string()).collect(),
            attempts: wanting(&state, shown, &modules),
            to_allow: to_allow(&store, &declared),
            undeclared: modules
                .keys()
                .filter(|name| !declared.modules.contains_key(name.as_str()))
                .cloned()
                .collect(),
            generations: state.generations().len(),
            entries: state.entries().len(),
            bytes: state.entries().values().map(|entry| entry.bytes).sum(),
            environments: store
                .environments()?
                .iter()
                .map(|each| following(&store, each))
                .collect(),
            leases: store.leases()?.into_iter().map(Lease::from).collect(),
            leftovers: store.leftovers(&state).into_iter().map(Leftover::from).collect(),
        })
    }
}

/// The modules that are not built, because nobody has allowed that.
fn to_allow(store: &Store, declared: &Declarations) -> Vec<String> {
    let builds = store.builds(declared).into_iter().filter(|build| !build.is_allowed);
    builds.map(|build| build.module.to_string()).collect()
}

/// The modules that are not as they are wanted.
fn wanting(
    state: &State,
    shown: Option<Generation>,
    modules: &BTreeMap<String, Binding>,
) -> Vec<Wanting> {
    let changes = last_changes(state, shown);
    let wanting = state.attempts().iter().map(|(module, attempt)| {
        let serving = modules.get(module);
        let since = changes.get(module.as_str()).filter(|_| serving.is_some());
        Wanting {
            module: module.clone(),
            attempt: Attempt::from(attempt),
            serving: serving.map(Serving::from),
            serving_since: since.map(|(info, _)| time::stamp(info.at)),
        }
    });
    wanting.collect()
}

impl Answer for Status {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        table.row(["store", &self.home]);
        table.row(["shown", &self.shown()]);
        table.row(["modules", &self.modules.to_string()]);
        for (what, names) in [
            ("linked", &self.linked),
            ("not fetched", &self.missing),
            ("declared no more", &self.undeclared),
        ] {
            if !names.is_empty() {
                table.row([what, &names.join(", ")]);
            }
        }
        for wanting in &self.attempts {
            table.row(["not as wanted", &format!("{}: {}", wanting.module, wanting.why())]);
            table.row(["", &wanting.told()]);
        }
        if !self.to_allow.is_empty() {
            table.row(["not allowed", &format!("the builds of {}", self.to_allow.join(", "))]);
            table.row(["", "`modstore allow --list` shows what they run"]);
        }
        let entries = format!("{}, {}", self.entries, size(self.bytes));
        table.row(["entries", &entries]);
        for each in &self.environments {
            table.row(["followed by", &each.told()]);
        }
        for lease in &self.leases {
            table.row(["leased", &lease.told()]);
        }
        if !self.leftovers.is_empty() {
            let names = count(self.leftovers.len(), "name");
            table.row(["left over", &format!("{names}, which the next `modstore gc` removes")]);
        }
        table.write(to, 0)?;
        match (
            self.missing.is_empty() && self.undeclared.is_empty(),
            self.modules + self.missing.len(),
        ) {
            (false, _) => {
                writeln!(to, "`modstore update` makes what is shown the same as what is declared")
            }
            (true, 0) => {
                writeln!(to, "No modules are declared. Declare one with `modstore add SOURCE`.")
            }
            (true, _) => Ok(()),
        }
    }
}

impl Status {
    fn shown(&self) -> String {
        let Some(generation) = self.generation else { return "nothing yet".into() };
        let of = count(self.generations, "generation");
        let age = self.at.as_deref().and_then(time::read).map(|at| time::age(at, time::now()));
        match (age, &self.reason) {
            (Some(age), Some(reason)) => {
                format!("generation {generation} ({of}), made by {reason}, {}", ago(&age))
            }
            _ => format!("generation {generation}, which the journal does not know"),
        }
    }
}

impl Wanting {
    /// The root of it, in one line; what a program said last, where it was a program.
    fn why(&self) -> String {
        let Attempt { class, stage, error, causes, .. } = &self.attempt;
        let last =
            causes.last().and_then(|cause| cause.lines().rfind(|line| !line.trim().is_empty()));
        let root = last.map_or_else(String::new, |last| format!(": {}", last.trim()));
        format!("{error}{root} ({stage}, {class})")
    }

    /// How often, since when, when again, and what is shown meanwhile.
    fn told(&self) -> String {
        let Attempt { count: tries, first, next, .. } = &self.attempt;
        let read = |stamp: &String| time::read(stamp);
        let first = read(first).map(|at| ago(&time::age(at, time::now()))).unwrap_or_default();
        let tries = match tries {
            1 => format!("tried once, {first}"),
            tries => format!("tried {tries} times, first {first}"),
        };
        let next = match next.as_ref().and_then(read) {
            Some(at) => format!("again {}", time::left(at, time::now())),
            None => "again when something changes, or with --retry".into(),
        };
        let since = self.serving_since.as_ref().and_then(read);
        let since = since.map(|at| format!(", shown since {}", time::age(at, time::now())));
        let shown = super::update::stays(self.serving.as_ref());
        format!("{tries}; {next}; {shown}{}", since.unwrap_or_default())
    }
}

fn following(store: &Store, registration: &Registration) -> Following {
    let missing = registration.is_missing();
    Following {
        environment: registration.prefix.display().to_string(),
        python: registration.python.display().to_string(),
        modules: registration.installed.keys().map(ToString::to_string).collect(),
        missing,
        follows: !missing
            && registration.is_synced_to(store.current())
            && Drift::of(store.layout(), registration).is_empty(),
    }
}

impl Following {
    fn told(&self) -> String {
        let state = match (self.missing, self.follows) {
            (true, _) => ", which is gone",
            (false, false) => {
                ", which does not have all that is shown: `modstore update` mends that"
            }
            (false, true) => "",
        };
        format!("{} ({}){state}", self.environment, count(self.modules.len(), "module"))
    }
}

impl From<Finding> for Leftover {
    fn from(finding: Finding) -> Self {
        let path = finding.path.display().to_string();
        Self { path, code: finding.code.as_str(), what: finding.what }
    }
}

impl Lease {
    fn told(&self) -> String {
        let generation = format!("generation {}", self.generation);
        let since = self.since.as_deref().and_then(time::read);
        match (self.pid, &self.command, since.map(|since| time::age(since, time::now()))) {
            (Some(pid), Some(command), Some(age)) => {
                format!("{generation}, by process {pid} ({command}), {}", ago(&age))
            }
            _ => format!("{generation}, by a process that cannot write to the store"),
        }
    }
}

fn ago(age: &str) -> String {
    if age == "now" { "just now".into() } else { format!("{age} ago") }
}
