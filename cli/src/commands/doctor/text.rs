//! What `doctor` found, in words.

use std::{io, path::Path};

use modstore_doctor::{FailedFix, Finding, Fixed, Severity, UnparsedFile};

use super::DoctorAnswer;
use crate::{
    exit::Exit,
    output::Answer,
    page::Page,
    report::Failure,
    text::{count, shortened},
};

/// The module or distribution that is affected, as short as possible.
fn subject(finding: &Finding) -> String {
    match (&finding.about.module, &finding.about.distribution) {
        (Some(module), Some(distribution)) if module != distribution.as_str() => {
            format!("{module} ({distribution}): ")
        }
        (_, Some(distribution)) => format!("{distribution}: "),
        (Some(module), None) => format!("{module}: "),
        (None, None) => String::new(),
    }
}

fn write_finding(to: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    let Finding { code, severity, path, what, about } = finding;
    let place = match about.distribution {
        None => format!("{}: ", path.display()),
        Some(_) => String::new(),
    };
    let line = format!("{}{place}{what}", subject(finding));
    writeln!(to, "{code} {:8}{}", severity.as_str(), shortened(&line))?;
    if let Some(exception) = &about.exception {
        writeln!(to, "    raises  {}", shortened(&exception.to_string()))?;
    }
    write_candidate(to, finding)?;
    if let Some(why) = &about.not_fixed_because {
        writeln!(to, "    is not fixed: {}", shortened(why))?;
    }
    about.command.iter().try_for_each(|command| writeln!(to, "    fix     {command}"))
}

fn write_candidate(to: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    match &finding.about.candidate {
        Some(it) => writeln!(to, "    now in  {} ({})", it.directory.display(), it.why),
        None => Ok(()),
    }
}

fn write_fixed(to: &mut Page<'_>, Fixed { finding, how }: &Fixed) -> io::Result<()> {
    let line = format!("{}{}", subject(finding), finding.what);
    writeln!(to, "{} fixed by {how}: {}", finding.code, shortened(&line))?;
    write_candidate(to, finding)
}

fn trouble(failed: &FailedFix) -> Failure {
    let distributions = failed.distributions.join(", ");
    let what = match failed.how.as_str() {
        "lock" => "is in use".to_owned(),
        "hand" => format!("the files of {distributions} could not be rewritten"),
        how => format!("{how} could not install {distributions}"),
    };
    let exit = if failed.is_busy { Exit::Busy } else { Exit::Failed };
    let message = format!("{}: {what}", failed.environment.display());
    Failure::new(exit, message).because(failed.causes.clone())
}

impl DoctorAnswer {
    /// How many things are broken: a module that cannot write where it keeps something is.
    fn broken(&self) -> usize {
        let states = self.states.iter().filter(|finding| finding.severity == Severity::Damage);
        self.report.count(Severity::Broken) + states.count()
    }

    fn of(&self, environment: Option<&Path>) -> impl Iterator<Item = &Finding> {
        let is_there =
            move |finding: &&Finding| finding.about.environment.as_deref() == environment;
        self.report.findings.iter().filter(is_there)
    }

    /// Whether other means fixed what this failed to fix.
    fn was_fixed_otherwise(&self, failed: &FailedFix) -> bool {
        let is_left = |name: &String| {
            let mut left = self.of(Some(&failed.environment));
            left.any(|it| it.about.distribution.as_ref().is_some_and(|left| left.as_str() == name))
        };
        !failed.distributions.iter().any(is_left) && !failed.distributions.is_empty()
    }

    fn write_findings(&self, to: &mut Page<'_>) -> io::Result<()> {
        let environments =
            self.report.environments.iter().map(|inspected| Some(&*inspected.prefix));
        for environment in environments.chain([None]) {
            let mut found = self.of(environment).peekable();
            if found.peek().is_some() {
                let place = environment.map(|prefix| prefix.display().to_string());
                writeln!(to, "{}", place.as_deref().unwrap_or("caches and hosts"))?;
            }
            found.try_for_each(|finding| write_finding(to, finding))?;
        }
        Ok(())
    }

    fn write_gaps(&self, to: &mut Page<'_>) -> io::Result<()> {
        for UnparsedFile { path, why } in &self.report.unparsed {
            let line = format!("{}: {why}", path.display());
            writeln!(to, "not parsed: {}", shortened(&line))?;
        }
        for inspected in &self.report.environments {
            if let Some(why) = &inspected.not_run {
                let line = format!("{}: {why}", inspected.prefix.display());
                writeln!(to, "not run: {}", shortened(&line))?;
            }
        }
        Ok(())
    }
}

impl Answer for DoctorAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let report = &self.report;
        report.fixed.iter().try_for_each(|fixed| write_fixed(to, fixed))?;
        self.exposed_fixed.iter().try_for_each(|place| writeln!(to, "link made again: {place}"))?;
        self.states_fixed.iter().try_for_each(|path| writeln!(to, "made usable again: {path}"))?;
        for finding in self.exposed.iter().chain(&self.states) {
            let (place, what) = (finding.path.display(), &finding.what);
            writeln!(to, "{} {place}: {what}", finding.code)?;
        }
        self.write_findings(to)?;
        self.write_gaps(to)?;
        let editables = report.environments.iter().map(|inspected| inspected.editables).sum();
        writeln!(
            to,
            "inspected {} with {}, and {}: {} broken, {}, {}",
            count(report.environments.len(), "environment"),
            count(editables, "editable install"),
            count(report.caches.len(), "cache"),
            self.broken(),
            count(report.count(Severity::Warning), "warning"),
            count(report.count(Severity::Note), "note"),
        )
    }

    fn troubles(&self) -> Vec<Failure> {
        let failed =
            self.report.failed_fixes.iter().filter(|failed| !self.was_fixed_otherwise(failed));
        failed.map(trouble).collect()
    }

    fn failure(&self) -> Option<Failure> {
        if let Some(error) = &self.report.store_error {
            let message = "the store's list of environments cannot be read";
            let failure = Failure::new(Exit::Damaged, message).because(vec![error.clone()]);
            return Some(failure.hint("move that file away, and bind the environment again"));
        }
        let broken = self.broken();
        let message = match broken {
            0 => return None,
            1 => "1 thing is broken".to_owned(),
            more => format!("{more} things are broken"),
        };
        let is_busy = self.report.failed_fixes.iter().any(|failed| failed.is_busy);
        let failure = Failure::new(if is_busy { Exit::Busy } else { Exit::Failed }, message);
        let broken = |finding: &&Finding| finding.severity == Severity::Broken;
        let can_fix =
            self.report.findings.iter().filter(broken).any(|it| it.about.candidate.is_some())
                || !self.states.is_empty();
        Some(if self.fix {
            failure.hint("the lines above say what is left, and what can fix it")
        } else if can_fix {
            failure.hint("run it again with --fix to fix what can be fixed")
        } else {
            failure.hint("`modstore explain CODE` says what a code means")
        })
    }
}
