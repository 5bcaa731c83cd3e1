//! `explain`: what a code means, and what to do about it.
//!
//! Three lists have codes: why a module failed, what `verify` finds in a store, what `doctor` finds in environments. What
//! a code means is said where it is declared; what to do about a module's failure is in `explain/advice.md`, and about a
//! finding in its repair. `docs/troubleshooting.md` is made of the same texts.

use std::io;

use clap::Args;
use modstore_core::{
    findings::Severity,
    model::{FailureCode, nearest},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{
    context::Context, effect::Effect, exit::Exit, output::Answer, page::Page, report::Failure,
    table::Table,
};

/// What to do about each failure of a module, below a heading of its code.
const ADVICE: &str = include_str!("explain/advice.md");

/// Explain a code of an error or a finding
///
/// Errors of `update` and findings of `verify` and `doctor` have a code that never changes its meaning. This says
/// what it means and what to do. Without a code, it lists all of them. Needs no store and no network.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore explain no-such-reference
  modstore explain D07
  modstore explain                   (all codes)")]
pub(crate) struct ExplainArgs {
    /// The codes [default: all]
    #[arg(value_name = "CODE")]
    codes: Vec<String>,
}

/// The answer of `explain`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExplainAnswer {
    generation: Option<u64>,
    /// The codes that were asked for, or all of them.
    codes: Vec<ExplainedCode>,
    #[serde(skip)]
    is_list: bool,
}

/// A code, and what to do about it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ExplainedCode {
    /// The code.
    pub(super) code: &'static str,
    /// What it is about.
    about: CodeOf,
    /// What it means, in a sentence.
    pub(super) meaning: &'static str,
    /// How much it matters; null for the failure of a module.
    severity: Option<Severity>,
    /// What to do, for people; its wording may change.
    advice: String,
}

/// What a code is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CodeOf {
    /// A module that failed: `failed[].code`.
    Module,
    /// The store: `findings[].code` of `verify`.
    Store,
    /// Environments and caches: `findings[].code` of `doctor`.
    Environment,
}

impl CodeOf {
    const ALL: [Self; 3] = [Self::Module, Self::Store, Self::Environment];

    const fn heading(self) -> &'static str {
        match self {
            Self::Module => "Failures of modules",
            Self::Store => "Findings of `modstore verify`",
            Self::Environment => "Findings of `modstore doctor`",
        }
    }
}

/// Every code, in the order of the three lists.
pub(super) fn all() -> Vec<ExplainedCode> {
    let of_modules = FailureCode::ALL.iter().map(|code| ExplainedCode {
        code: code.as_str(),
        about: CodeOf::Module,
        meaning: code.meaning(),
        severity: None,
        advice: advice(code.as_str()).unwrap_or_default().to_owned(),
    });
    let of_stores = modstore::internals::check::codes().map(|code| ExplainedCode {
        code: code.as_str(),
        about: CodeOf::Store,
        meaning: code.meaning(),
        severity: Some(code.severity()),
        advice: format!("`modstore verify --repair`: {}.", code.repair()),
    });
    let of_environments = modstore_doctor::codes().into_iter().map(|code| ExplainedCode {
        code: code.as_str(),
        about: CodeOf::Environment,
        meaning: code.meaning(),
        severity: Some(code.severity()),
        advice: of_fix(code.repair()).to_owned(),
    });
    of_modules.chain(of_stores).chain(of_environments).collect()
}

/// What to do about the failure of a module.
fn advice(code: &str) -> Option<&'static str> {
    let mut sections = ADVICE.split("### ").filter_map(|section| section.split_once('\n'));
    sections.find(|(heading, _)| *heading == code).map(|(_, text)| text.trim_end())
}

const fn of_fix(fix: modstore_doctor::Fix) -> &'static str {
    use modstore_doctor::Fix;
    match fix {
        Fix::Install => "`modstore doctor --fix` repairs it where one right way is known.",
        Fix::Command => "`modstore doctor` prints the command that helps; it is for you to decide.",
        Fix::Nothing => {
            "No command is known that helps in every case; the finding says what is wrong."
        }
    }
}

/// `docs/troubleshooting.md`.
#[cfg(test)]
pub(crate) fn troubleshooting() -> String {
    let mut page = "# Codes, and what to do about them\n\n\
        `modstore explain CODE` prints the same without a network. A code never changes its meaning.\n\
        [failures.md](failures.md) says when a failure is retried, [verify.md](verify.md) and [doctor.md](doctor.md) what\n\
        the checks look at. This page is generated from the code (`make schema`).\n"
        .to_owned();
    for about in CodeOf::ALL {
        page.push_str(&format!("\n## {}\n", about.heading()));
        for it in all().iter().filter(|it| it.about == about) {
            let severity = it.severity.map(|it| format!("*{}.* ", it.as_str())).unwrap_or_default();
            let ExplainedCode { code, meaning, advice, .. } = it;
            page.push_str(&format!("\n### {code}\n{severity}{meaning}\n\n{advice}\n"));
        }
    }
    page
}

impl Runnable for ExplainArgs {
    type Answer = ExplainAnswer;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<ExplainAnswer, Failure> {
        let known = all();
        let asked = self.codes.iter().map(|code| chosen(&known, code));
        let codes: Vec<ExplainedCode> = asked.collect::<Result<_, _>>()?;
        let is_list = codes.is_empty();
        let codes = if is_list { known } else { codes };
        Ok(ExplainAnswer { generation: context.generation(), codes, is_list })
    }
}

fn chosen(known: &[ExplainedCode], code: &str) -> Result<ExplainedCode, Failure> {
    if let Some(found) = known.iter().find(|it| it.code.eq_ignore_ascii_case(code)) {
        return Ok(found.clone());
    }
    let failure = Failure::new(Exit::Usage, format!("there is no code `{code}`"));
    Err(match nearest(&code.to_ascii_lowercase(), known.iter().map(|it| it.code)) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("`modstore explain` lists the codes"),
    })
}

impl Answer for ExplainAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if self.is_list {
            return self.write_list(to);
        }
        for (number, it) in self.codes.iter().enumerate() {
            if number > 0 {
                writeln!(to)?;
            }
            let severity = it.severity.map(|it| format!(" ({})", it.as_str())).unwrap_or_default();
            writeln!(to, "{}{severity}: {}", it.code, it.meaning)?;
            writeln!(to)?;
            it.advice.lines().try_for_each(|line| writeln!(to, "{line}"))?;
        }
        Ok(())
    }
}

impl ExplainAnswer {
    fn write_list(&self, to: &mut Page<'_>) -> io::Result<()> {
        for about in CodeOf::ALL {
            writeln!(to, "{}:", about.heading())?;
            let mut table = Table::default();
            self.codes
                .iter()
                .filter(|it| it.about == about)
                .for_each(|it| table.row([it.code, it.meaning]));
            table.write(to, 2)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_failure_has_advice_and_every_advice_is_about_one() {
        let headings: Vec<&str> =
            ADVICE.lines().filter_map(|line| line.strip_prefix("### ")).collect();
        let codes: Vec<&str> = FailureCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(headings, codes, "in the order in which the codes are declared");
        for code in codes {
            assert!(advice(code).is_some_and(|text| text.len() > 40), "{code}");
        }
        for line in ADVICE.lines() {
            assert!(line.chars().count() <= 88, "{line}");
        }
    }

    #[test]
    fn a_code_stands_for_one_thing() {
        let all = all();
        let names: BTreeSet<&str> = all.iter().map(|it| it.code).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|it| !it.meaning.is_empty() && !it.advice.is_empty()));
        assert!(chosen(&all, "d07").is_ok());
        let near = chosen(&all, "no-such-referense").unwrap_err();
        assert_eq!(near.hint.as_deref(), Some("did you mean `no-such-reference`?"));
    }
}
