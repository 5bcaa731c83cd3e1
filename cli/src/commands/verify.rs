//! `verify`: whether everything in the store is as it was written.

use std::{io, path::Path};

use clap::Args;
use modstore::{
    RepairReport,
    check::{Checked as StoreChecked, Depth, Finding as StoreFinding, Severity, Verification},
    model::ModuleName,
};

use super::Run;
use crate::{
    causes::causes,
    context::Context,
    exit::Exit,
    json::{Checked, Finding, Mended, NewJournal, Repair, Unclear, Unmended, Verify},
    output::Answer,
    page::Page,
    report::Failure,
    text::{Table, count, size},
};

/// Look whether everything in the store is as it was written
///
/// Reads the journal, compares both books (what the journal counts and what the links lead to), looks at
/// every link, and hashes every file of every entry. Changes nothing, and may run while others work. What
/// is found is printed with a code that never changes; docs/verify.md lists them.
///
/// With --repair, what is damaged is mended: put right in place, made anew from what the store knows, or
/// fetched anew, whatever needs least. Nothing is deleted: what was damaged is kept in `quarantine/` of the
/// home, and programs that use the store miss nothing meanwhile.
///
/// Exits with 0 when the store is sound, which warnings and leftovers of a crash do not keep it from, and
/// with 4 when something is damaged, or could not be mended.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore verify
  modstore verify weather --quick    (names, sizes, times and links; reads no file)
  modstore verify --repair           (mends what is damaged)
  modstore --offline verify --repair (only from what is here)
  modstore verify --json")]
pub(crate) struct VerifyArgs {
    /// Only the entries of these modules, in every kept generation; all when none is named
    #[arg(value_name = "NAME")]
    names: Vec<ModuleName>,
    /// Look at names, kinds, sizes, times, permissions and links, and read no file
    #[arg(long)]
    quick: bool,
    /// Mend what is damaged
    #[arg(long, conflicts_with_all = ["names", "quick"])]
    repair: bool,
}

impl Run for VerifyArgs {
    type Answer = Verify;

    fn run(&self, context: &Context) -> Result<Verify, Failure> {
        let store = context.store_to_inspect()?;
        if self.repair {
            let report = store.repair(&context.progress(), context.cancel())?;
            let generation = store.current().map(|shown| shown.number());
            let told = answer(store.layout().home(), generation, Depth::Full, &report.after);
            return Ok(Verify { repair: Some(repair(&report)), ..told });
        }
        let depth = if self.quick { Depth::Quick } else { Depth::Full };
        let verification =
            store.verify(depth, &self.names, &context.progress(), context.cancel())?;
        let generation = store.current().map(|shown| shown.number());
        Ok(answer(store.layout().home(), generation, depth, &verification))
    }
}

fn answer(
    home: &Path,
    generation: Option<u64>,
    depth: Depth,
    verification: &Verification,
) -> Verify {
    Verify {
        generation,
        home: home.display().to_string(),
        sound: verification.is_sound(),
        depth: match depth {
            Depth::Quick => "quick",
            Depth::Full => "full",
        },
        findings: verification.findings.iter().map(finding).collect(),
        checked: checked(verification.checked),
        repair: None,
    }
}

fn repair(report: &RepairReport) -> Repair {
    let mended = report.repaired.iter().map(|mended| Mended {
        path: mended.path.display().to_string(),
        how: mended.how.as_str(),
        aside: mended.aside.as_ref().map(|aside| aside.display().to_string()),
        modules: mended.modules.clone(),
    });
    let unmended = report.not_repaired.iter().map(|unmended| Unmended {
        path: unmended.path.display().to_string(),
        error: unmended.error.to_string(),
        causes: causes(&*unmended.error),
        hint: unmended.hint.clone(),
        modules: unmended.modules.clone(),
    });
    let journal = report.journal.as_ref().map(|rebuilt| NewJournal {
        frames: rebuilt.frames,
        generations: rebuilt.generations.iter().map(|number| number.number()).collect(),
        lost: rebuilt.lost.iter().map(|number| number.number()).collect(),
        unclear: rebuilt
            .unclear
            .iter()
            .map(|(generation, module)| Unclear {
                generation: generation.number(),
                module: module.clone(),
            })
            .collect(),
    });
    Repair { mended: mended.collect(), unmended: unmended.collect(), journal }
}

impl Verify {
    /// A path as a person in the home would write it.
    fn below<'a>(&'a self, path: &'a str) -> &'a str {
        let below = Path::new(path).strip_prefix(&self.home).ok().and_then(Path::to_str);
        below.filter(|below| !below.is_empty()).unwrap_or(path)
    }

    fn write_repair(&self, to: &mut Page<'_>, repair: &Repair) -> io::Result<()> {
        let mut table = Table::default();
        for Mended { path, how, aside, modules } in &repair.mended {
            let aside = aside.as_ref().map(|aside| format!("; what it was: {}", self.below(aside)));
            let told = format!("{how}{}{}", of(modules), aside.unwrap_or_default());
            table.row(["mended", self.below(path), &told]);
        }
        table.write(to, 0)?;
        if let Some(NewJournal { frames, generations, lost, unclear }) = &repair.journal {
            writeln!(
                to,
                "the journal had {} left, and tells of {} now",
                count(*frames, "frame"),
                count(generations.len(), "generation")
            )?;
            for number in lost {
                writeln!(to, "nobody can say what generation {number} was")?;
            }
            for Unclear { generation, module } in unclear {
                writeln!(to, "where {module} in generation {generation} came from is not known")?;
            }
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

fn finding(finding: &StoreFinding) -> Finding {
    Finding {
        code: finding.code.as_str(),
        severity: finding.severity.as_str(),
        path: finding.path.display().to_string(),
        entry: finding.about.entry.map(|entry| entry.to_string()),
        modules: finding.about.modules.clone(),
        generations: finding.about.generations.iter().map(|number| number.number()).collect(),
        what: finding.what.clone(),
        mend: finding.code.repair().as_str(),
    }
}

fn checked(checked: StoreChecked) -> Checked {
    let StoreChecked { frames, generations, links, entries, files, bytes } = checked;
    Checked { frames, generations, links, entries, files, bytes }
}

impl Answer for Verify {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if let Some(repair) = &self.repair {
            self.write_repair(to, repair)?;
        }
        let mut table = Table::default();
        for finding in &self.findings {
            let place = self.below(&finding.path);
            let told = format!("{place}: {}{}", finding.what, of(&finding.modules));
            table.row([finding.severity, finding.code, &told]);
        }
        table.write(to, 0)?;
        let Checked { frames, generations, links, entries, files, bytes } = self.checked;
        let read =
            if self.depth == "full" { format!(", {} read", size(bytes)) } else { String::new() };
        let each = |number: u64, thing| count(usize::try_from(number).unwrap_or(usize::MAX), thing);
        writeln!(
            to,
            "checked {} of the journal, {} with {}, {} of {}{read}",
            each(frames, "frame"),
            each(generations, "generation"),
            each(links, "link"),
            each(files, "file"),
            if entries == 1 { "1 entry".into() } else { format!("{entries} entries") },
        )?;
        if self.sound { writeln!(to, "no damage") } else { Ok(()) }
    }

    fn troubles(&self) -> Vec<Failure> {
        let unmended = self.repair.iter().flat_map(|repair| &repair.unmended);
        let told = unmended.map(|Unmended { path, error, causes, hint, modules }| {
            let message = format!("{}{}: {error}", self.below(path), of(modules));
            let failure = Failure::new(Exit::Damaged, message).because(causes.clone());
            match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        });
        told.collect()
    }

    fn failure(&self) -> Option<Failure> {
        let damage = Severity::Damage.as_str();
        let damaged = self.findings.iter().filter(|finding| finding.severity == damage).count();
        (damaged > 0).then(|| {
            let what = format!("the store is damaged: {}", count(damaged, "finding"));
            let failure = Failure::new(Exit::Damaged, what);
            match self.repair {
                Some(_) => failure.hint("what is damaged stays as it is; nothing was deleted"),
                None => failure.hint("`modstore verify --repair` mends it"),
            }
        })
    }
}
