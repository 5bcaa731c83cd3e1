//! The state of the store, in words.

use std::io;

use super::{ConfiguredTier, FailingModule, FollowingEnvironment, KeptDirectory, StatusAnswer};
use crate::{
    commands::{
        changes::{named, stays},
        expose::ExposedModule,
    },
    json::{Attempt, Held},
    output::Answer,
    page::Page,
    table::Table,
    text::{count, size},
};

impl Answer for StatusAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        table.row(["store", &self.home]);
        table.row(["current", &self.current()]);
        table.row(["modules", &self.modules.to_string()]);
        self.add_modules(&mut table);
        table.row(["entries", &format!("{}, {}", self.entries, size(self.bytes))]);
        rows(&mut table, "verified", self.verified().into_iter());
        rows(&mut table, "tiers", self.tiers.iter().map(ConfiguredTier::summary));
        rows(&mut table, "environments", self.environments.iter().map(|it| it.summary()));
        rows(&mut table, "leases", self.leases.iter().map(|lease| lease.summary()));
        if !self.leftovers.is_empty() {
            let names = count(self.leftovers.len(), "name");
            table.row(["leftovers", &format!("{names}, which the next `modstore gc` deletes")]);
        }
        table.write(to, 0)?;
        if !self.missing.is_empty() || !self.undeclared.is_empty() {
            writeln!(to, "`modstore update` fetches what is declared and removes what is not")
        } else if self.modules == 0 {
            writeln!(to, "No modules are declared. Add one with `modstore add SOURCE`.")
        } else {
            Ok(())
        }
    }
}

/// Adds rows, of which only the first has a name.
fn rows(table: &mut Table, what: &str, texts: impl Iterator<Item = String>) {
    for (number, text) in texts.enumerate() {
        table.row([if number == 0 { what } else { "" }, &text]);
    }
}

impl StatusAnswer {
    fn add_modules(&self, table: &mut Table) {
        for (what, names) in [
            ("linked", &self.linked),
            ("not fetched", &self.missing),
            ("undeclared", &self.undeclared),
        ] {
            if !names.is_empty() {
                table.row([what, &names.join(", ")]);
            }
        }
        rows(table, "failing", self.failing.iter().flat_map(FailingModule::summary));
        rows(table, "held", self.held.iter().map(Held::summary));
        rows(table, "exposed", self.exposed.iter().map(ExposedModule::summary));
        rows(table, "kept", self.kept.iter().map(KeptDirectory::summary));
        let attributes = self.attributes.iter();
        rows(table, "attributes", attributes.map(|it| format!("{}: {}", it.module, it.message)));
        let pointers = self.pointers.iter();
        rows(table, "pointers", pointers.map(|it| format!("{}: {}", it.module, it.left.summary())));
        if !self.builds_not_allowed.is_empty() {
            let builds = format!("the builds of {}", self.builds_not_allowed.join(", "));
            table.row(["not allowed", &builds]);
            table.row(["", "`modstore allow --list` shows what they run"]);
        }
    }

    /// Since when every file of every module is known to be right: the longest time ago counts.
    fn verified(&self) -> Vec<String> {
        let unknown = self.verified.iter().filter(|it| it.since.is_none()).count();
        let oldest = self.verified.iter().filter_map(|it| Some((it.since?, &it.module))).min();
        let known = oldest.filter(|_| unknown == 0);
        let known = known.map(|(since, module)| {
            format!("every file {} or later; longest ago: {module}", since.ago())
        });
        let unknown = (unknown > 0).then(|| {
            let of = count(unknown, "module");
            format!("not known for {of}: `modstore verify` reads every file")
        });
        known.into_iter().chain(unknown).collect()
    }

    fn current(&self) -> String {
        let Some(generation) = self.generation else { return "no generation yet".into() };
        let of = count(self.generations, "generation");
        match (self.at, &self.reason) {
            (Some(at), Some(reason)) => {
                format!("generation {generation} ({of}), made by {reason}, {}", at.ago())
            }
            _ => format!("generation {generation}, which is not in the journal"),
        }
    }
}

impl ConfiguredTier {
    /// `s3://ci-modules/team, published to by updates, instead of git`
    fn summary(&self) -> String {
        let writes = if self.writes { ", updates publish to it" } else { "" };
        let alone = if self.fallback { "" } else { ", git is not asked for content" };
        format!("{}{writes}{alone}", self.url)
    }
}

impl KeptDirectory {
    fn summary(&self) -> String {
        let gone = if self.installed { "" } else { ", which is not installed," };
        format!("what {}{gone} has written, in {}", self.module, self.directory)
    }
}

impl FailingModule {
    /// Two lines: why it failed; and how often, when again, and its current version.
    fn summary(&self) -> [String; 2] {
        [format!("{}: {}", named(&self.module, self.input.as_deref()), self.reason()), self.tries()]
    }

    /// The first and the last cause; of a program, the last line it wrote.
    fn reason(&self) -> String {
        let Attempt { class, stage, message, causes, .. } = &self.attempt;
        let last =
            causes.last().and_then(|cause| cause.lines().rfind(|line| !line.trim().is_empty()));
        let root = last.map_or_else(String::new, |last| format!(": {}", last.trim()));
        format!("{message}{root} ({stage}, {class})")
    }

    fn tries(&self) -> String {
        let since = self.current_since.map(|at| format!(", current since {}", at.age()));
        let stays = stays(self.current.as_ref());
        let attempt = &self.attempt;
        format!("{}; {}; {stays}{}", attempt.tries(), attempt.next_try(), since.unwrap_or_default())
    }
}

impl FollowingEnvironment {
    fn summary(&self) -> String {
        if let Some(home) = &self.other_store {
            return format!("{}, which follows the store in {home} instead", self.environment);
        }
        let state = match self {
            Self { missing: true, .. } => ", which is gone",
            Self { in_sync: false, .. } => {
                ", which lacks the current version of some: `modstore update` installs it"
            }
            _ => "",
        };
        format!("{} ({}){state}", self.environment, count(self.modules.len(), "module"))
    }
}
