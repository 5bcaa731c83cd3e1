//! `verify`: whether everything in the store is as it was written.

use std::{
    io::{self, Write},
    path::Path,
};

use modstore::{
    Exit,
    verify::{Checked as StoreChecked, Depth, Finding as StoreFinding, Severity, Verification},
};

use crate::{
    args::VerifyArgs,
    context::Context,
    json::{Checked, Finding, Verify},
    output::Answer,
    report::Failure,
    text::{Table, count, size},
};

/// Looks.
pub(crate) fn run(context: &Context, args: &VerifyArgs) -> Result<Verify, Failure> {
    let store = context.store_to_inspect()?;
    let depth = if args.quick { Depth::Quick } else { Depth::Full };
    let verification = store.verify(depth, &args.names, &context.progress(), context.cancel())?;
    let generation = store.shown().map(|shown| shown.number());
    Ok(answer(store.layout().home(), generation, depth, &verification))
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
    }
}

fn finding(finding: &StoreFinding) -> Finding {
    Finding {
        code: finding.code.as_str(),
        severity: finding.severity().as_str(),
        path: finding.path.display().to_string(),
        entry: finding.entry.map(|entry| entry.to_string()),
        modules: finding.modules.clone(),
        generations: finding.generations.iter().map(|number| number.number()).collect(),
        what: finding.what.clone(),
        mend: finding.mend().as_str(),
    }
}

fn checked(checked: StoreChecked) -> Checked {
    let StoreChecked { frames, generations, links, entries, files, bytes } = checked;
    Checked { frames, generations, links, entries, files, bytes }
}

impl Answer for Verify {
    fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::default();
        for finding in &self.findings {
            let path = Path::new(&finding.path).strip_prefix(&self.home);
            let path = path.map_or(finding.path.clone(), |path| path.display().to_string());
            let place = if path.is_empty() { &finding.path } else { &path };
            let modules = match finding.modules.as_slice() {
                [] => String::new(),
                modules => format!(" ({})", modules.join(", ")),
            };
            let told = format!("{place}: {}{modules}", finding.what);
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

    fn failure(&self) -> Option<Failure> {
        let damage = Severity::Damage.as_str();
        let damaged = self.findings.iter().filter(|finding| finding.severity == damage).count();
        (damaged > 0).then(|| {
            let what = format!("the store is damaged: {}", count(damaged, "finding"));
            Failure::new(Exit::Damaged, what).hint("`modstore verify --repair` mends it")
        })
    }
}
