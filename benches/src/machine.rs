//! Where and with what a run was made, in lines for the report.
//!
//! Limits: what the system does not tell is left out.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::measure::{own_peak, run};

/// The lines that stand above the tables.
pub(crate) fn describe(place: &Path, on: &str, programs: &[&Path]) -> String {
    let date = said("date", &["-u", "+%F %H:%M UTC"]);
    let commit = said("git", &["describe", "--always", "--dirty", "--abbrev=10"]);
    let kernel = said("uname", &["-sr"]);
    let system = file_system(place);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let versions: Vec<String> = programs
        .iter()
        .map(|program| said(&program.display().to_string(), &["--version"]))
        .map(|version| first(&version))
        .collect();
    let command: Vec<String> = std::env::args().skip(1).collect();
    format!(
        "- {date}, source {commit}, `cargo run --release -p modstore-benches -- {}`\n\
         - {cores} cores ({}), {kernel}, load before the run {}\n\
         - contenders work on {on} ({system}); repositories lie on the file system of the temporary directory\n\
         - {}\n\
         - no peak of memory below {} MiB is measurable: that is the harness's own\n",
        command.join(" "),
        processor(),
        load(),
        versions.join("; "),
        own_peak() >> 20,
    )
}

fn said(program: &str, args: &[&str]) -> String {
    let printed = run(Command::new(program).args(args)).map(|(_, printed)| printed);
    String::from_utf8_lossy(&printed.unwrap_or_default()).trim().to_owned()
}

/// The line that tells a version; some put a title above it.
fn first(version: &str) -> String {
    let mut lines = version.lines().map(str::trim);
    let line = lines.next().unwrap_or_default();
    if line.ends_with(':') {
        return format!("{line} {}", lines.next().unwrap_or_default());
    }
    line.to_owned()
}

/// Type and options of the mount that holds `place`.
fn file_system(place: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().map(|line| line.split(' ').skip(1).collect::<Vec<_>>());
    let holding = mounts.filter_map(|words| {
        let [at, kind, options, ..] = words.as_slice() else { return None };
        place.starts_with(at).then(|| (at.len(), format!("{kind}, {options}")))
    });
    holding.max_by_key(|(length, _)| *length).map_or("unknown".to_owned(), |(_, shown)| shown)
}

fn processor() -> String {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told.lines().find_map(|line| line.strip_prefix("model name"));
    name.map_or("unknown", |name| name.trim_matches([' ', '\t', ':'])).to_owned()
}

fn load() -> String {
    let told = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    told.split(' ').next().unwrap_or("unknown").to_owned()
}
