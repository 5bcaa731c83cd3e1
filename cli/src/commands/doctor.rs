//! `doctor`: what is wrong with environments and caches, and mending it.

use std::{io, path::PathBuf};

use clap::{Args, ValueHint};
use modstore::{
    disk::Disk,
    doctor::{
        Candidate as StoreCandidate, Doctor as StoreDoctor, DoctorError, Finding, Report, Request,
        Severity,
    },
    update::{Event, Events as _},
};

use super::Run;
use crate::{
    context::Context,
    exit::Exit,
    json::{Ailment, Candidate, Cured, Doctor, Examined, Exception, NotUnderstood, Trial},
    output::Answer,
    page::Page,
    report::Failure,
    text::{count, shortened},
};

/// Find what is wrong with Python environments and caches of modules, and mend it
///
/// Works on any environment, whether or not the store has anything to do with it, and when its interpreter is
/// broken: what Python follows and what tools show is read from files. Then each distribution that lies elsewhere is
/// imported in the environment's own Python, unless --quick is given. When no environment is named, those of `uv
/// tool`, the active one, ./.venv and those that follow the store are looked at, with the caches they lead into. Nothing of
/// ./.venv is run or changed unless it is named, active or follows the store: it may have come with a repository.
///
/// Nothing is changed without --fix. With it, what leads nowhere leads to the store's module afterwards, or else to
/// the directory of a cache that holds the distribution now: by one call of the environment's installer, or, where
/// that is missing or fails, by writing the files anew. When several directories would do and nothing says which is
/// meant, or a file is not understood, it says so and leaves it alone.
///
/// Exits with 0 when nothing is broken (any more), which warnings and notes do not keep it from; with 1 when
/// something is; with 4 when the store itself cannot be read.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore doctor
  modstore doctor --fix
  modstore doctor --python ~/.local/share/uv/tools/my-host/bin/python --fix
  modstore doctor --quick --json     (reads files only; fast enough for every start of a host)

Every code is told in docs/doctor.md.")]
pub(crate) struct DoctorArgs {
    /// An environment: its interpreter, its directory, or a name in PATH; may be given again
    #[arg(long, value_name = "PY", value_hint = ValueHint::AnyPath)]
    python: Vec<PathBuf>,
    /// Mend what can be mended
    #[arg(long)]
    fix: bool,
    /// Read files only: start no interpreter, import nothing
    #[arg(long)]
    quick: bool,
}

impl Run for DoctorArgs {
    type Answer = Doctor;

    fn run(&self, context: &Context) -> Result<Doctor, Failure> {
        let progress = context.progress();
        let doctor = StoreDoctor {
            disk: Disk::default(),
            home: context.home().ok().cloned(),
            offline: context.global.offline,
            lock_limit: std::time::Duration::from_secs(context.global.lock_timeout),
            cancel: context.cancel(),
            told: &|prefix, doing| progress.happened(Event::Environment { prefix, doing }),
        };
        let request = Request { python: self.python.clone(), quick: self.quick, fix: self.fix };
        let report = doctor.run(&request).map_err(|error| failed(&error))?;
        Ok(told(&report, self, context.generation()))
    }
}

fn failed(error: &DoctorError) -> Failure {
    match error {
        DoctorError::Cancelled => Failure::of(Exit::Interrupted, error),
        DoctorError::Nothing => {
            Failure::of(Exit::Usage, error).hint("name one: `modstore doctor --python PY`")
        }
        _ => Failure::of(Exit::Usage, error),
    }
}

fn told(report: &Report, args: &DoctorArgs, generation: Option<u64>) -> Doctor {
    let environments = report.environments.iter().map(|examined| Examined {
        environment: examined.prefix.display().to_string(),
        python: examined.python.display().to_string(),
        tool: examined.tool.clone(),
        installer: examined.installer.clone(),
        distributions: examined.distributions,
        editables: examined.editables,
        untried: examined.untried.clone(),
    });
    let mended = report.mended.iter();
    let trials = report.trials.iter().map(|trial| Trial {
        environment: trial.environment.display().to_string(),
        distributions: trial.distributions.clone(),
        how: trial.how.clone(),
        causes: trial.causes.clone(),
        busy: trial.is_busy,
    });
    let unclear = report
        .unclear
        .iter()
        .map(|(path, why)| NotUnderstood { path: path.display().to_string(), why: why.clone() });
    Doctor {
        generation,
        quick: args.quick,
        fix: args.fix,
        environments: environments.collect(),
        caches: report.caches.iter().map(|path| path.display().to_string()).collect(),
        findings: report.findings.iter().map(ailment).collect(),
        mended: mended
            .map(|it| Cured { finding: ailment(&it.finding), how: it.how.clone() })
            .collect(),
        trials: trials.collect(),
        unclear: unclear.collect(),
        store_error: report.store.clone(),
    }
}

fn ailment(finding: &Finding) -> Ailment {
    let text = |path: &std::path::PathBuf| path.display().to_string();
    let candidate = |candidate: &StoreCandidate| Candidate {
        directory: text(&candidate.directory),
        why: candidate.why.clone(),
        others: candidate.others.iter().map(text).collect(),
    };
    Ailment {
        code: finding.code.as_str(),
        severity: finding.severity.as_str(),
        environment: finding.environment.as_ref().map(text),
        distribution: finding.distribution.as_ref().map(ToString::to_string),
        module: finding.module.clone(),
        path: text(&finding.path),
        target: finding.target.as_ref().map(text),
        what: finding.what.clone(),
        exception: finding.exception.as_ref().map(Exception::from),
        candidate: finding.candidate.as_ref().map(candidate),
        unmended: finding.unmended.clone(),
        fix: finding.fix.clone(),
    }
}

impl Ailment {
    /// Whom it concerns, as short as it can be said.
    fn whom(&self) -> String {
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
        let told = format!("{}{place}{}", self.whom(), self.what);
        writeln!(to, "{} {:8}{}", self.code, self.severity, shortened(&told))?;
        if let Some(exception) = &self.exception {
            let raised = format!("{}: {}", exception.r#type, exception.message);
            writeln!(to, "    raises  {}", shortened(raised.trim_start_matches(": ")))?;
        }
        if let Some(Candidate { directory, why, .. }) = &self.candidate {
            writeln!(to, "    now in  {directory} ({why})")?;
        }
        if let Some(why) = &self.unmended {
            writeln!(to, "    is not mended: {}", shortened(why))?;
        }
        self.fix.iter().try_for_each(|fix| writeln!(to, "    mend    {fix}"))
    }
}

impl Doctor {
    fn of(&self, environment: Option<&str>) -> impl Iterator<Item = &Ailment> {
        let environment = environment.map(str::to_owned);
        self.findings.iter().filter(move |finding| finding.environment == environment)
    }

    /// Whether what an trial was for is as it should be all the same.
    fn was_mended_otherwise(&self, trial: &Trial) -> bool {
        let is_left = |name: &String| {
            self.of(Some(&trial.environment))
                .any(|finding| finding.distribution.as_ref() == Some(name))
        };
        !trial.distributions.iter().any(is_left) && !trial.distributions.is_empty()
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity.as_str()).count()
    }

    fn write_environments(&self, to: &mut Page<'_>) -> io::Result<()> {
        for examined in &self.environments {
            let found: Vec<&Ailment> = self.of(Some(&examined.environment)).collect();
            if !found.is_empty() {
                writeln!(to, "{}", examined.environment)?;
            }
            found.into_iter().try_for_each(|finding| finding.write(to))?;
        }
        let mut beside = self.of(None).peekable();
        if beside.peek().is_some() {
            writeln!(to, "caches and hosts")?;
        }
        beside.try_for_each(|finding| finding.write(to))
    }
}

impl Answer for Doctor {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        for Cured { finding, how } in &self.mended {
            let told = format!("{}{}", finding.whom(), finding.what);
            writeln!(to, "{} mended by {how}: {}", finding.code, shortened(&told))?;
            if let Some(Candidate { directory, why, .. }) = &finding.candidate {
                writeln!(to, "    now in  {directory} ({why})")?;
            }
        }
        self.write_environments(to)?;
        for NotUnderstood { path, why } in &self.unclear {
            writeln!(to, "not understood: {}", shortened(&format!("{path}: {why}")))?;
        }
        for examined in &self.environments {
            if let Some(why) = &examined.untried {
                let told = format!("{}: {why}", examined.environment);
                writeln!(to, "not imported: {}", shortened(&told))?;
            }
        }
        let editables = self.environments.iter().map(|examined| examined.editables).sum();
        writeln!(
            to,
            "looked at {} with {}, and {}: {} broken, {}, {}",
            count(self.environments.len(), "environment"),
            count(editables, "editable install"),
            count(self.caches.len(), "cache"),
            self.count(Severity::Broken),
            count(self.count(Severity::Warning), "warning"),
            count(self.count(Severity::Note), "note"),
        )
    }

    fn troubles(&self) -> Vec<Failure> {
        let tried = self.trials.iter().filter(|trial| !self.was_mended_otherwise(trial));
        let tried = tried.map(|trial| {
            let what = match trial.how.as_str() {
                "lock" => "is in use".to_owned(),
                "hand" => format!("{} cannot be mended by hand", trial.distributions.join(", ")),
                how => format!("{how} cannot install {}", trial.distributions.join(", ")),
            };
            let exit = if trial.busy { Exit::Busy } else { Exit::Failed };
            Failure::new(exit, format!("{}: {what}", trial.environment))
                .because(trial.causes.clone())
        });
        tried.collect()
    }

    fn failure(&self) -> Option<Failure> {
        if let Some(error) = &self.store_error {
            let what = "what the store knows of environments cannot be read";
            let failure = Failure::new(Exit::Damaged, what).because(vec![error.clone()]);
            return Some(failure.hint("move that file away, and bind the environment again"));
        }
        let broken = self.count(Severity::Broken);
        if broken == 0 {
            return None;
        }
        let what = match broken {
            1 => "1 thing is broken".to_owned(),
            more => format!("{more} things are broken"),
        };
        let is_busy = self.trials.iter().any(|trial| trial.busy);
        let failure = Failure::new(if is_busy { Exit::Busy } else { Exit::Failed }, what);
        let broken = |finding: &&Ailment| finding.severity == Severity::Broken.as_str();
        let can_mend = self.findings.iter().filter(broken).any(|it| it.candidate.is_some());
        Some(match (self.fix, can_mend) {
            (false, true) => failure.hint("the same with --fix mends what can be mended"),
            (false, false) => failure.hint("docs/doctor.md says what each code means"),
            (true, _) => failure.hint("what is left is told above, with what mends it"),
        })
    }
}
