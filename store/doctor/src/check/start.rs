//! Whether Python starts with the files of its site directories as they are.
//!
//! A `.pth` that fails prints a traceback at every start, and one that older Pythons cannot decode stops them. No
//! distribution need own such a file.

use std::path::{Path, PathBuf};

use modstore_core::{
    Cancel,
    disk::names_in,
    findings::{Severity, codes},
};
use modstore_python::{Line, StartTrace, lines, quoted, small_bytes};

use super::view::{EnvironmentView, OfEnvironment, Step};
use crate::{
    finding::{Code, Details as _, Finding, Fix, aside, name_of},
    inspected::{Asked, InspectedEnvironment},
};

codes! { pub(super) CODES of Code:
    /// a `.pth` file stops or disturbs every start of Python
    DISTURBED_START = "D21", Broken, Fix::Command;
}

pub(super) const CHECK: Step<OfEnvironment> = OfEnvironment::check(CODES, find);

/// Modules that each start imports, after the `.pth` files.
const CUSTOMIZING: [&str; 2] = ["sitecustomize.py", "usercustomize.py"];

/// Most lines that are named where none is known to be at fault.
const MOST_NAMED: usize = 10;

/// So many characters of a line are printed.
const MOST_SHOWN: usize = 80;

/// The sentence in which Python's `site` module names the file whose line it could not run.
const COMPLAINT: &str = "Error processing line ";

fn find(view: &mut EnvironmentView<'_>, found: &mut Vec<Finding>) {
    let environment = view.environment;
    match view.asked {
        Asked::Not => {}
        Asked::Answer(answer) => {
            let failing = failing_lines(&answer.said).into_iter();
            let ours = failing.filter(|(file, _)| is_in_site(environment, file));
            let customizing = failing_module(environment, &answer.said).into_iter();
            found.extend(ours.chain(customizing).map(|(file, why)| {
                let what = format!("{} fails at every start of Python: {why}", name_of(&file));
                moved(&file, what).at(Severity::Warning)
            }));
        }
        Asked::Failed { without_site: false, .. } => {}
        Asked::Failed { why, without_site: true } => {
            let undecoded = undecodable(environment);
            let stopping = if undecoded.is_empty() {
                stopping(environment, why, view.cancel).into_iter().collect()
            } else {
                undecoded
            };
            if stopping.is_empty() {
                found.push(unknown(environment, why));
            }
            found.extend(stopping.into_iter().map(|(file, what)| moved(&file, what)));
        }
    }
}

/// That no single file is known to be at fault, with the lines that may be.
fn unknown(environment: &InspectedEnvironment, why: &str) -> Finding {
    let what = format!("Python does not start with this site directory: {why}");
    let site = environment.found.paths.site.first().cloned().unwrap_or_default();
    let candidates = run_at_start(environment);
    let why = "no single file is known to be at fault";
    Finding::new(DISTURBED_START, site, what).not_fixed(if candidates.is_empty() {
        why.to_owned()
    } else {
        format!("{why}; each start runs {}", candidates.join(" and "))
    })
}

/// A finding whose command takes the file out of Python's sight and keeps it.
fn moved(file: &Path, what: String) -> Finding {
    let command = format!("mv {} {}", quoted(file.as_os_str()), quoted(aside(file).as_os_str()));
    Finding::new(DISTURBED_START, file, what)
        .not_fixed("what the file is for is known only to its author")
        .command(command)
}

/// The files that Python complains of, and the last line of each complaint.
fn failing_lines(said: &str) -> Vec<(PathBuf, String)> {
    let blocks = said.split(COMPLAINT).skip(1);
    let complaint = |block: &str| {
        let mut lines = block.lines();
        let (_, file) = lines.next()?.split_once(" of ")?;
        // The traceback is indented by two; its last line names the exception.
        let told = lines.take_while(|line| line.is_empty() || line.starts_with("  "));
        let why = told
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .last()
            .unwrap_or("it raised an exception");
        Some((PathBuf::from(file.trim_end_matches(':')), why.to_owned()))
    };
    let mut found: Vec<_> = blocks.filter_map(complaint).collect();
    found.dedup_by(|a, b| a.0 == b.0);
    found
}

/// The `sitecustomize.py` or `usercustomize.py` that Python complains of, and the line in which it says why.
fn failing_module(environment: &InspectedEnvironment, said: &str) -> Option<(PathBuf, String)> {
    CUSTOMIZING.into_iter().find_map(|name| {
        let complaint = format!("Error in {}", name.strip_suffix(".py")?);
        let (_, rest) = said.split_once(&complaint)?;
        let why = rest.lines().nth(1).unwrap_or("it raised an exception").to_owned();
        let sites = environment.every_scan().map(|scan| &scan.site);
        sites.map(|site| site.join(name)).find(|file| file.is_file()).map(|file| (file, why))
    })
}

fn is_in_site(environment: &InspectedEnvironment, file: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directory = file.parent().map(real);
    environment.every_scan().any(|scan| Some(real(&scan.site)) == directory)
}

/// The `.pth` files that are not UTF-8, and what they do.
fn undecodable(environment: &InspectedEnvironment) -> Vec<(PathBuf, String)> {
    let unparsed = environment.every_scan().flat_map(|scan| &scan.unparsed);
    let pth =
        unparsed.filter(|it| !it.is_unread && it.file.extension().is_some_and(|end| end == "pth"));
    pth.filter(|it| small_bytes(&it.file).is_some_and(|text| std::str::from_utf8(&text).is_err()))
        .map(|it| {
            let name = name_of(&it.file);
            (it.file.clone(), format!("{name} stops every start of Python: it is not in UTF-8"))
        })
        .collect()
}

/// The file, and the line in it, that this Python does not get past.
fn stopping(
    environment: &InspectedEnvironment,
    why: &str,
    cancel: &Cancel,
) -> Option<(PathBuf, String)> {
    let StartTrace { file, line } = StartTrace::of(environment.executable(), cancel)?;
    let line = line.map(|(number, text)| {
        let shown: String = text.chars().take(MOST_SHOWN).collect();
        format!(", with line {number} (`{shown}`)")
    });
    let what = format!(
        "{} stops every start of Python{}: {why}",
        name_of(&file),
        line.unwrap_or_default()
    );
    Some((file, what))
}

/// The lines of `.pth` files that each start of Python runs, for people.
fn run_at_start(environment: &InspectedEnvironment) -> Vec<String> {
    let in_site = |site: &Path| {
        let names = names_in(site).unwrap_or_default().into_iter();
        let files = names.map(|name| site.join(name));
        let pth = files.filter(|file| file.extension().is_some_and(|end| end == "pth"));
        let code = pth.filter_map(|file| {
            let lines = lines(site, &small_bytes(&file)?).ok()?;
            let first = lines.iter().position(|line| matches!(line, Line::Code(_)))?;
            Some(format!("line {} of {}", first + 1, file.display()))
        });
        code.collect::<Vec<String>>()
    };
    let all = environment.every_scan().flat_map(|scan| in_site(&scan.site));
    all.take(MOST_NAMED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_of_python_names_the_file_and_the_exception() {
        // As Python 3.11 prints it.
        let said = "Error processing line 1 of /v/lib/python3.11/site-packages/a.pth:\n\n  Traceback (most recent call last):\n    File \"<frozen site>\", line 195, in addpackage\n    File \"<string>\", line 1, in <module>\n  ModuleNotFoundError: No module named 'gone'\n\nRemainder of file ignored\n";
        assert_eq!(
            failing_lines(said),
            [(
                PathBuf::from("/v/lib/python3.11/site-packages/a.pth"),
                "ModuleNotFoundError: No module named 'gone'".to_owned()
            )]
        );
        assert!(failing_lines("warning: something else\n").is_empty());
    }
}
