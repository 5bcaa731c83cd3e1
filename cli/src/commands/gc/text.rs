//! What `gc` deleted or would delete, in words.

use std::io;

use super::{GcAnswer, JudgedEntry};
use crate::{
    exit::Exit,
    output::Answer,
    page::Page,
    report::Failure,
    table::Table,
    text::{count, short, size},
};

/// More entries than this are listed only with `--verbose`.
const MANY: usize = 20;

impl GcAnswer {
    /// Lists the entries for people: all of them, or those of lists that are not long.
    pub(in crate::commands) const fn list_entries(&mut self, verbose: bool) {
        self.listed = if verbose { usize::MAX } else { MANY };
    }

    /// `deleted`, or what would be in a dry run.
    const fn word(&self) -> &'static str {
        if self.dry_run { "would be deleted" } else { "deleted" }
    }

    fn write_entries(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        let mut row = |word: &str, it: &JudgedEntry| {
            let sizes = format!("{}, {} of its own on disk", size(it.bytes), size(it.disk_bytes));
            table.row([word, short(&it.digest), &sizes, &it.why]);
        };
        if self.removed.len() <= self.listed {
            self.removed.iter().for_each(|removed| row(self.word(), removed));
        }
        if self.kept.len() <= self.listed {
            self.kept.iter().for_each(|kept| row("kept", &kept.entry));
        }
        table.write(to, 0)
    }

    fn write_sum(&self, to: &mut Page<'_>) -> io::Result<()> {
        if self.removed.is_empty() && self.retired.is_empty() && self.mirrors.is_empty() {
            return writeln!(to, "There is nothing to delete.");
        }
        let word = self.word();
        let freed = size(self.freed_disk_bytes);
        let unchanged = if self.dry_run { "; nothing was changed" } else { "" };
        writeln!(to, "{} {word}, {freed} freed{unchanged}", count(self.removed.len(), "entry"))?;
        if !self.mirrors.is_empty() {
            writeln!(to, "{} {word}", count(self.mirrors.len(), "mirror"))?;
        }
        Ok(())
    }
}

impl Answer for GcAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        self.write_entries(to)?;
        if !self.retired.is_empty() {
            let retired = if self.dry_run { "would be retired" } else { "retired" };
            let numbers: Vec<String> = self.retired.iter().map(ToString::to_string).collect();
            let generations = count(numbers.len(), "generation");
            writeln!(to, "{generations} {retired}: {}", numbers.join(", "))?;
        }
        self.write_sum(to)?;
        for environment in &self.forgotten_environments {
            writeln!(to, "{environment} is gone, and does not follow the store any longer")?;
        }
        writeln!(
            to,
            "{} kept, {} on disk",
            count(self.kept.len(), "entry"),
            size(self.kept_disk_bytes)
        )?;
        if self.trash > 0 {
            writeln!(to, "{} in the trash for the next gc to delete", count(self.trash, "name"))?;
        }
        Ok(())
    }

    fn failure(&self) -> Option<Failure> {
        self.interrupted.then(|| {
            Failure::new(Exit::Interrupted, "interrupted while deleting")
                .hint("`modstore gc` continues the deletion")
        })
    }
}
