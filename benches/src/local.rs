//! What is done without a server: opening, starting, sweeping, compacting; each beside its peer, by turns.
//!
//! Limits: everything is in the page cache, as it is after an update; other programs on the machine are not kept away.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::contender::empty;
use crate::measure::{Spread, run, sync};
use crate::report::{Table, number};

/// Values by what was measured.
pub(crate) type Samples = BTreeMap<String, Vec<f64>>;

/// Where these sections work, and with what.
#[derive(Debug)]
pub(crate) struct Local<'a> {
    pub(crate) place: &'a Path,
    pub(crate) modstore: &'a Path,
    pub(crate) rounds: usize,
}

impl Local<'_> {
    /// A journal of 100,000 records: opened against read and hashed; compacted against rewritten.
    pub(crate) fn open(&self) -> Result<String, String> {
        let home = self.fresh("open")?;
        child("journal", &home, &[100_000])?;
        let bytes = fs::metadata(home.join("journal")).map_or(0, |meta| meta.len());
        let mut samples = child("open", &home, &[self.rounds])?;
        for _ in 0..self.rounds.min(5) {
            let copy = self.fresh("compact")?;
            copy_tree(&home, &copy.join("home"))?;
            sync(self.place)?;
            add(&mut samples, child("compact", &copy.join("home"), &[])?);
            empty(&copy)?;
        }
        let of = |name: &str| middle(&samples, name);
        let mut table = Table::new(1, &["what", "ms, median [min..max]", "its floor", "ms", "×"]);
        for (what, ours, floor, least) in [
            ("opened and folded", "opened", "the same bytes read and hashed with BLAKE3", "hashed"),
            (
                "compacted",
                "compacted",
                "the same bytes read and hashed, as many written, synced, renamed",
                "rewritten",
            ),
        ] {
            table.row(vec![
                what.to_owned(),
                milliseconds(&samples, ours),
                floor.to_owned(),
                milliseconds(&samples, least),
                ratio(of(ours), of(least)),
            ]);
        }
        let compacted = of("bytes_after").map_or(0.0, |bytes| bytes / 1e6);
        empty(&home)?;
        Ok(format!(
            "{:.1} MB, 100,000 records, up to 32 for each generation; {compacted:.2} MB when compacted.\n\n{table}",
            bytes as f64 / 1e6
        ))
    }

    /// The quickest commands with a thousand modules, against a program that does nothing.
    pub(crate) fn start(&self) -> Result<String, String> {
        let home = self.fresh("start")?;
        child("fill", &home, &[2, 1000, 1, 300])?;
        let commands: [(&str, &[&str]); 6] = [
            ("path", &["path", "module-0500"]),
            ("path --entry", &["path", "--entry", "module-0500"]),
            ("list", &["list"]),
            ("list --json", &["--json", "list"]),
            ("status", &["status"]),
            ("exec -- true", &["exec", "--", "/bin/true"]),
        ];
        let mut samples = Samples::new();
        for round in 0..=self.rounds * 30 {
            let mut take = |name: &str, command: &mut Command| -> Result<(), String> {
                let start = Instant::now();
                run(command)?;
                let wall = start.elapsed().as_secs_f64();
                if round > 0 {
                    samples.entry(name.to_owned()).or_default().push(wall);
                }
                Ok(())
            };
            take("/bin/true", &mut Command::new("/bin/true"))?;
            for (name, args) in commands {
                take(name, Command::new(self.modstore).arg("--home").arg(&home).args(args))?;
            }
        }
        let least = middle(&samples, "/bin/true");
        let mut table =
            Table::new(1, &["command", "ms, median [min..max]", "more than /bin/true, ms", "aim"]);
        for name in ["/bin/true"].into_iter().chain(commands.map(|(name, _)| name)) {
            let more = middle(&samples, name).zip(least).map(|(ours, least)| (ours - least) * 1e3);
            let aim = match name {
                "path" => "≤ 2",
                "list" => "≤ 3",
                _ => "",
            };
            table.row(vec![
                name.to_owned(),
                milliseconds(&samples, name),
                number(more, 2),
                aim.to_owned(),
            ]);
        }
        empty(&home)?;
        Ok(table.to_string())
    }

    /// Ten thousand entries of eleven thousand: planned, and deleted against `rm -rf` of the same trees.
    pub(crate) fn sweep(&self) -> Result<String, String> {
        let home = self.fresh("sweep")?;
        child("fill", &home, &[11, 1000, 4, 1000])?;
        let mut samples = child("plan", &home, &[self.rounds])?;
        let copy = self.fresh("swept")?;
        for round in 0..self.rounds.min(5) {
            for turn in 0..2 {
                copy_tree(&home, &copy.join("home"))?;
                if (round + turn) % 2 == 0 {
                    sync(self.place)?;
                    let mut swept = child("sweep", &copy.join("home"), &[])?;
                    swept.insert("swept_sync".to_owned(), vec![timed(|| sync(self.place))?]);
                    add(&mut samples, swept);
                } else {
                    add(&mut samples, self.remove_as_rm_does(&copy.join("home"))?);
                }
                empty(&copy)?;
            }
        }
        let of = |name: &str| middle(&samples, name);
        let removed = of("removed").unwrap_or(0.0);
        let mut table =
            Table::new(1, &["what", "ms, median [min..max]", "sync after, ms", "×", "of"]);
        for (what, name, against, of_what) in [
            ("plan", "planned", "looked", "its floor"),
            ("floor: journal hashed, all names and links read", "looked", "looked", ""),
            ("sweep, durable and deleted", "swept", "rm", "`rm -rf`"),
            ("`rm -rf` of the same trees and lists", "rm", "rm", ""),
        ] {
            table.row(vec![
                what.to_owned(),
                milliseconds(&samples, name),
                milliseconds(&samples, &format!("{name}_sync")),
                if of_what.is_empty() { String::new() } else { ratio(of(name), of(against)) },
                of_what.to_owned(),
            ]);
        }
        empty(&home)?;
        Ok(format!("{removed:.0} entries of 4 files each go, 1,000 stay.\n\n{table}"))
    }

    /// What the sweep would delete, moved together beforehand, and removed by `rm -rf`.
    fn remove_as_rm_does(&self, home: &Path) -> Result<Samples, String> {
        let told = |error: std::io::Error| format!("{}: {error}", home.display());
        let stay = home.join("stay");
        fs::create_dir(&stay).map_err(told)?;
        for link in fs::read_dir(home.join("current")).map_err(told)? {
            let entry = fs::canonicalize(link.map_err(told)?.path()).map_err(told)?;
            let Some(name) = entry.file_name() else { continue };
            make_writable(&entry).map_err(told)?;
            fs::rename(&entry, stay.join(name)).map_err(told)?;
            let list = home.join("manifests").join(name);
            fs::rename(list, stay.join(name).with_extension("list")).map_err(told)?;
        }
        sync(self.place)?;
        let mut rm = Command::new("rm");
        rm.arg("-rf").arg(home.join("entries")).arg(home.join("manifests"));
        let wall = timed(|| run(&mut rm).map(drop))?;
        let after = timed(|| sync(self.place))?;
        Ok([("rm".to_owned(), vec![wall]), ("rm_sync".to_owned(), vec![after])].into())
    }

    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf, String> {
        let home = self.place.join(name);
        empty(&home)?;
        Ok(home)
    }
}

/// Asks a child of this program for work and samples.
pub(crate) fn child(what: &str, home: &Path, numbers: &[usize]) -> Result<Samples, String> {
    let program = std::env::current_exe().map_err(|error| format!("own program: {error}"))?;
    let mut command = Command::new(program);
    command.args(["inside", what]).arg(home).args(numbers.iter().map(ToString::to_string));
    let (_, printed) = run(&mut command)?;
    let mut samples = Samples::new();
    for line in String::from_utf8_lossy(&printed).lines() {
        let Some((name, value)) = line.split_once(' ') else { continue };
        let value: f64 = value.parse().map_err(|_| format!("no number: {line}"))?;
        samples.entry(name.to_owned()).or_default().push(value);
    }
    Ok(samples)
}

fn add(samples: &mut Samples, more: Samples) {
    for (name, values) in more {
        samples.entry(name).or_default().extend(values);
    }
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    run(Command::new("cp").arg("-a").arg(from).arg(to)).map(drop)
}

fn make_writable(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
}

/// How many seconds it takes.
pub(crate) fn timed(work: impl FnOnce() -> Result<(), String>) -> Result<f64, String> {
    let start = Instant::now();
    work()?;
    Ok(Duration::as_secs_f64(&start.elapsed()))
}

pub(crate) fn middle(samples: &Samples, name: &str) -> Option<f64> {
    spread(samples, name).map(|it| it.median)
}

fn spread(samples: &Samples, name: &str) -> Option<Spread> {
    Spread::of(samples.get(name)?.iter().copied())
}

pub(crate) fn milliseconds(samples: &Samples, name: &str) -> String {
    let shown = |it: Spread| {
        let [median, least, most] = [it.median, it.least, it.most].map(|seconds| seconds * 1000.0);
        let digits = if median < 100.0 { 2 } else { 0 };
        format!("{median:.digits$} [{least:.digits$}..{most:.digits$}]")
    };
    spread(samples, name).map_or_else(crate::report::dash, shown)
}

pub(crate) fn ratio(ours: Option<f64>, theirs: Option<f64>) -> String {
    number(ours.zip(theirs).map(|(ours, theirs)| ours / theirs), 2)
}
