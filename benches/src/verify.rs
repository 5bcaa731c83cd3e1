//! Every file of a store re-hashed, against those who do the same: `b3sum`, Nix and OSTree.
//!
//! All hold the same trees and go by turns. Limits: everything is in the page cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contender::{Contender as _, empty};
use crate::local::{Local, Samples, child, middle, milliseconds, ratio, timed};
use crate::measure::{install, run};
use crate::nix::Nix;
use crate::ostree::Ostree;
use crate::report::Table;

/// How much there is to hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub(crate) entries: usize,
    /// In each entry, of 6,750 bytes on average.
    pub(crate) files: usize,
}

/// One contender: its name, what is wanted of ours, and the work.
type Turn<'a> = (&'static str, &'static str, Box<dyn Fn() -> Result<(), String> + 'a>);

const NIX: &str = "nix-store --verify --check-contents";

/// A full verify and a quick one against everybody who is there.
pub(crate) fn measure(
    local: &Local<'_>,
    b3sum: Option<&Path>,
    amount: Amount,
) -> Result<String, String> {
    let home = local.fresh("verify")?;
    child("archives", &home, &[amount.entries, amount.files, 6750])?;
    let find = "cd \"$0\" && find entries manifests -type f -print0 > files";
    run(Command::new("sh").args(["-c", find]).arg(&home))?;
    let (nix, ostree) = (Nix::new(local.place, &[]), Ostree::new(local.place, &[]));
    let mut turns: Vec<Turn<'_>> = Vec::new();
    turns.extend(b3sum.into_iter().flat_map(|b3sum| by_b3sum(&home, b3sum)));
    if Nix::is_there() {
        nix.init()?;
        trees(&home)?.iter().try_for_each(|(name, tree)| nix.add(tree, name).map(drop))?;
        turns.push((NIX, "", Box::new(|| nix.verify().map(drop))));
    }
    if Ostree::is_there() {
        ostree.init()?;
        trees(&home)?.iter().try_for_each(|(name, tree)| ostree.add(tree, name).map(drop))?;
        turns.push(("ostree fsck", "", Box::new(|| ostree.verify().map(drop))));
    }
    turns.extend(ours(local, &home));
    let samples = by_turns(&turns, local.rounds)?;
    let names: Vec<_> = turns.iter().map(|(name, aim, _)| (*name, *aim)).collect();
    drop(turns);
    let listed = fs::read(home.join("files")).unwrap_or_default();
    let count = listed.iter().filter(|byte| **byte == 0).count();
    let megabytes = amount.entries * amount.files * 6750 / 1_000_000;
    nix.remove()?;
    [&home, ostree.place()].into_iter().try_for_each(empty)?;
    let (entries, table) = (amount.entries, table(&names, &samples));
    let what = format!("{count} files, about {megabytes} MB, in {entries} entries");
    Ok(format!("{what}; all in memory.\n\n{table}"))
}

/// All files listed in `home/files`, on both cores and on one.
fn by_b3sum<'a>(home: &Path, b3sum: &'a Path) -> [Turn<'a>; 2] {
    let sum = |more: &str| {
        let script = format!("cd \"$0\" && xargs -0 \"$1\" {more} < files > /dev/null");
        let home = home.to_owned();
        move || run(Command::new("sh").args(["-c", &script]).arg(&home).arg(b3sum)).map(drop)
    };
    [("b3sum", "", Box::new(sum(""))), ("b3sum, 1 thread", "", Box::new(sum("--num-threads 1")))]
}

fn ours<'a>(local: &'a Local<'_>, home: &Path) -> [Turn<'a>; 2] {
    let verify = |more: &'static [&'static str]| {
        let home = home.to_owned();
        move || {
            let mut modstore = Command::new(local.modstore);
            modstore.arg("--home").arg(&home).args(["--progress", "none", "verify"]).args(more);
            run(&mut modstore).map(drop)
        }
    };
    [
        ("modstore verify", "≤ 0.3 × nix", Box::new(verify(&[]))),
        ("modstore verify --quick", "", Box::new(verify(&["--quick"]))),
    ]
}

/// The trees of a store, each with its name.
fn trees(home: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let entries = home.join("entries");
    let named = |tree: fs::DirEntry| (tree.file_name().to_string_lossy().into_owned(), tree.path());
    let all = fs::read_dir(&entries).map_err(|error| format!("{}: {error}", entries.display()))?;
    Ok(all.flatten().map(named).collect())
}

fn by_turns(turns: &[Turn<'_>], rounds: usize) -> Result<Samples, String> {
    let mut samples = Samples::new();
    for round in 0..=rounds {
        for (name, _, work) in turns.iter().cycle().skip(round).take(turns.len()) {
            let wall = timed(work)?;
            if round > 0 {
                samples.entry((*name).to_owned()).or_default().push(wall);
            }
        }
    }
    Ok(samples)
}

fn table(names: &[(&str, &str)], samples: &Samples) -> String {
    let mut table = Table::new(1, &["what", "ms, median [min..max]", "× b3sum", "× nix", "aim"]);
    let nix = middle(samples, NIX);
    for (name, aim) in names {
        let own = middle(samples, name);
        table.row(vec![
            (*name).to_owned(),
            milliseconds(samples, name),
            ratio(own, middle(samples, "b3sum")),
            ratio(own, nix),
            (*aim).to_owned(),
        ]);
    }
    table.to_string()
}

/// b3sum, built from the registry into `target/tools` if it is not there.
pub(crate) fn install_b3sum(cargo: &Path, target: &Path) -> Result<PathBuf, String> {
    install(cargo, target, "b3sum", "1.8.7")
}
