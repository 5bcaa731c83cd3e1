//! What `doctor` found, in words.

use std::io;

use super::{Candidate, DoctorAnswer, DoctorFinding, FailedFix, Fixed, UnparsedFile};
use crate::{
    exit::Exit,
    json::Severity,
    output::Answer,
    page::Page,
    report::Failure,
    text::{count, shortened},
};

impl DoctorFinding {
    /// The module or distribution that is affected, as short as possible.
    fn subject(&self) -> String {
        match (&self.module, &self.distribution) {
            (Some(module), Some(distribution)) if module != distribution => {
                format!("{module} ({distribution}): ")
            }
            (Some(name), _) | (None, Some(name)) => format!("{name}: "),
            (None, None) => String::new(),
        }
    }

    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let place =
            if self.distribution.is_none() { format!("{}: ", self.path) } else { String::new() };
        let line = format!("{}{place}{}", self.subject(), self.message);
        writeln!(to, "{} {:8}{}", self.code, self.severity.as_str(), shortened(&line))?;
        if let Some(exception) = &self.exception {
            let raised = format!("{}: {}", exception.r#type, exception.message);
            writeln!(to, "    raises  {}", shortened(raised.trim_start_matches(": ")))?;
        }
        self.candidate.iter().try_for_each(|candidate| candidate.write(to))?;
        if let Some(why) = &self.not_fixed_because {
            writeln!(to, "    is not fixed: {}", shortened(why))?;
        }
        self.fix.iter().try_for_each(|fix| writeln!(to, "    fix     {fix}"))
    }
}

impl Candidate {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        writeln!(to, "    now in  {} ({})", self.directory, self.why)
    }
}

impl Fixed {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let Self { finding, how } = self;
        let line = format!("{}{}", finding.subject(), finding.message);
        writeln!(to, "{} fixed by {how}: {}", finding.code, shortened(&line))?;
        finding.candidate.iter().try_for_each(|candidate| candidate.write(to))
    }
}

impl FailedFix {
    fn trouble(&self) -> Failure {
        let distributions = self.distributions.join(", ");
        let what = match self.how.as_str() {
            "lock" => "is in use".to_owned(),
            "hand" => format!("the files of {distributions} could not be rewritten"),
            how => format!("{how} could not install {distributions}"),
        };
        let exit = if self.busy { Exit::Busy } else { Exit::Failed };
        Failure::new(exit, format!("{}: {what}", self.environment)).because(self.causes.clone())
    }
}

impl DoctorAnswer {
    fn of(&self, environment: Option<&str>) -> impl Iterator<Item = &DoctorFinding> {
        let environment = environment.map(str::to_owned);
        self.findings.iter().filter(move |finding| finding.environment == environment)
    }

    /// Whether other means fixed what this failed to fix.
    fn was_fixed_otherwise(&self, failed: &FailedFix) -> bool {
        let is_left = |name: &String| {
            self.of(Some(&failed.environment))
                .any(|finding| finding.distribution.as_ref() == Some(name))
        };
        !failed.distributions.iter().any(is_left) && !failed.distributions.is_empty()
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    fn write_findings(&self, to: &mut Page<'_>) -> io::Result<()> {
        for inspected in &self.environments {
            let mut found = self.of(Some(&inspected.environment)).peekable();
            if found.peek().is_some() {
                writeln!(to, "{}", inspected.environment)?;
            }
            found.try_for_each(|finding| finding.write(to))?;
        }
        let mut elsewhere = self.of(None).peekable();
        if elsewhere.peek().is_some() {
            writeln!(to, "caches and hosts")?;
        }
        elsewhere.try_for_each(|finding| finding.write(to))
    }

    fn write_gaps(&self, to: &mut Page<'_>) -> io::Result<()> {
        for UnparsedFile { path, why } in &self.unparsed {
            writeln!(to, "not parsed: {}", shortened(&format!("{path}: {why}")))?;
        }
        for inspected in &self.environments {
            if let Some(why) = &inspected.not_run {
                let line = format!("{}: {why}", inspected.environment);
                writeln!(to, "not run: {}", shortened(&line))?;
            }
        }
        Ok(())
    }
}

impl Answer for DoctorAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        self.fixed.iter().try_for_each(|fixed| fixed.write(to))?;
        self.write_findings(to)?;
        self.write_gaps(to)?;
        let editables = self.environments.iter().map(|inspected| inspected.editables).sum();
        writeln!(
            to,
            "inspected {} with {}, and {}: {} broken, {}, {}",
            count(self.environments.len(), "environment"),
            count(editables, "editable install"),
            count(self.caches.len(), "cache"),
            self.count(Severity::Broken),
            count(self.count(Severity::Warning), "warning"),
            count(self.count(Severity::Note), "note"),
        )
    }

    fn troubles(&self) -> Vec<Failure> {
        let failed = self.failed_fixes.iter().filter(|failed| !self.was_fixed_otherwise(failed));
        failed.map(FailedFix::trouble).collect()
    }

    fn failure(&self) -> Option<Failure> {
        if let Some(error) = &self.store_error {
            let message = "the store's list of environments cannot be read";
            let failure = Failure::new(Exit::Damaged, message).because(vec![error.clone()]);
            return Some(failure.hint("move that file away, and bind the environment again"));
        }
        let broken = self.count(Severity::Broken);
        let message = match broken {
            0 => return None,
            1 => "1 thing is broken".to_owned(),
            more => format!("{more} things are broken"),
        };
        let is_busy = self.failed_fixes.iter().any(|failed| failed.busy);
        let failure = Failure::new(if is_busy { Exit::Busy } else { Exit::Failed }, message);
        let broken = |finding: &&DoctorFinding| finding.severity == Severity::Broken;
        let can_fix = self.findings.iter().filter(broken).any(|it| it.candidate.is_some());
        Some(if self.fix {
            failure.hint("the lines above say what is left, and what can fix it")
        } else if can_fix {
            failure.hint("run it again with --fix to fix what can be fixed")
        } else {
            failure.hint("docs/doctor.md says what each code means")
        })
    }
}
