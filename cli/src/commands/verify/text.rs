//! What `verify` found and repaired, in words.

use std::{io, path::Path};

use modstore::{
    Depth,
    internals::check::{Checked, Repaired},
};
use modstore_core::findings::Severity;

use super::{NotRepaired, RebuiltJournal, Repair, UnknownSource, VerifyAnswer, VerifyFinding};
use crate::{
    exit::Exit,
    output::Answer,
    page::Page,
    report::Failure,
    table::Table,
    text::{count, size},
};

impl VerifyAnswer {
    /// A path as a person in the home would write it.
    fn below(&self, path: impl AsRef<Path>) -> String {
        let path = path.as_ref();
        let below = path.strip_prefix(&self.home).ok();
        let below = below.filter(|below| !below.as_os_str().is_empty());
        below.unwrap_or(path).display().to_string()
    }

    fn write_repair(&self, to: &mut Page<'_>, repair: &Repair) -> io::Result<()> {
        let mut table = Table::default();
        for Repaired { path, how, aside, modules } in &repair.repaired {
            let kept = aside.as_ref().map(|path| format!("; damaged copy: {}", self.below(path)));
            let how = format!("{}{}{}", how.as_str(), of(modules), kept.unwrap_or_default());
            table.row(["repaired", &self.below(path), &how]);
        }
        table.write(to, 0)?;
        repair.journal.iter().try_for_each(|journal| journal.write(to))
    }

    fn write_amounts(&self, to: &mut Page<'_>) -> io::Result<()> {
        let Checked { frames, generations, links, entries, files, bytes } = self.checked;
        let read = match self.depth {
            Depth::Full => format!(", {} read", size(bytes)),
            Depth::Quick => String::new(),
        };
        let each = |number: u64, thing| count(usize::try_from(number).unwrap_or(usize::MAX), thing);
        writeln!(
            to,
            "checked {} of the journal, {} with {}, {} of {}{read}",
            each(frames, "frame"),
            each(generations, "generation"),
            each(links, "link"),
            each(files, "file"),
            each(entries, "entry"),
        )
    }
}

impl RebuiltJournal {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        writeln!(
            to,
            "the journal was rebuilt from {}; it has {} now",
            count(self.frames, "frame"),
            count(self.generations.len(), "generation")
        )?;
        for number in &self.lost {
            writeln!(to, "the modules of generation {number} are not known any longer")?;
        }
        for UnknownSource { generation, module } in &self.source_unknown {
            writeln!(to, "the source of {module} in generation {generation} is not known")?;
        }
        Ok(())
    }
}

fn of(modules: &[String]) -> String {
    match modules {
        [] => String::new(),
        modules => format!(" ({})", modules.join(", ")),
    }
}

impl Answer for VerifyAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if let Some(repair) = &self.repair {
            self.write_repair(to, repair)?;
        }
        let mut table = Table::default();
        for VerifyFinding { finding, .. } in &self.findings {
            let place = self.below(&finding.path);
            let line = format!("{place}: {}{}", finding.what, of(&finding.about.modules));
            table.row([finding.severity.as_str(), finding.code.as_str(), &line]);
        }
        table.write(to, 0)?;
        self.write_amounts(to)?;
        if self.sound { writeln!(to, "no damage") } else { Ok(()) }
    }

    fn troubles(&self) -> Vec<Failure> {
        let left = self.repair.iter().flat_map(|repair| &repair.not_repaired);
        let trouble = |NotRepaired { path, message, causes, hint, modules }: &NotRepaired| {
            let message = format!("{}{}: {message}", self.below(path), of(modules));
            let failure = Failure::new(Exit::Damaged, message).because(causes.clone());
            failure.hint_or_none(hint.clone())
        };
        left.map(trouble).collect()
    }

    fn failure(&self) -> Option<Failure> {
        let is_damage = |it: &&VerifyFinding| it.finding.severity == Severity::Damage;
        let damaged = self.findings.iter().filter(is_damage).count();
        (damaged > 0).then(|| {
            let message = format!("the store is damaged: {}", count(damaged, "finding"));
            let failure = Failure::new(Exit::Damaged, message);
            match self.repair {
                Some(_) => failure.hint("what is damaged stays as it is; nothing was deleted"),
                None => failure.hint("`modstore verify --repair` repairs it"),
            }
        })
    }
}
