//! Calls of the library that are measured from within, each beside the least that has to be done for the same answer.
//!
//! Runs in a child of the harness and prints a line `name seconds` for each sample.
//! Limits: what is in the page cache stays there; all of it is read once before.

use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use modstore::internals::commit::Journal;
use modstore::{Cancel, Options, Policy, Silent, Store};
use modstore_core::disk::Layout;

use crate::stores::{self, Size};

type Done = Result<(), Box<dyn Error>>;

/// What a child is asked for: `fill`, `archives`, `journal`, `open`, `plan`, `sweep` or `compact`, a home, and numbers.
pub(crate) fn child(what: &str, home: &Path, numbers: &[String]) -> Done {
    let numbers: Vec<usize> = numbers.iter().filter_map(|it| it.parse().ok()).collect();
    match (what, numbers.as_slice()) {
        ("fill", &[generations, modules, files, bytes]) => {
            let from_archives = false;
            stores::fill(home, Size { generations, modules, files, bytes, from_archives })
        }
        ("archives", &[modules, files, bytes]) => {
            let (generations, from_archives) = (1, true);
            stores::fill(home, Size { generations, modules, files, bytes, from_archives })
        }
        ("journal", &[records]) => stores::journal(home, records),
        ("open", &[rounds]) => open(&Layout::new(home), rounds),
        ("plan", &[rounds]) => plan(home, rounds),
        ("sweep", []) => sweep(home),
        ("compact", []) => compact(home),
        _ => Err("this is for the program itself".into()),
    }
}

/// Times `work`, and prints it as a sample of `name`.
fn timed<T>(name: &str, work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Done {
    let start = Instant::now();
    let result = black_box(work()?);
    let wall = start.elapsed();
    // Not in the time: what is kept of it must be let go, which a program that goes on to use it does later.
    drop(result);
    Ok(writeln!(io::stdout(), "{name} {:.9}", wall.as_secs_f64())?)
}

fn open(layout: &Layout, rounds: usize) -> Done {
    for round in 0..=rounds {
        let counts = |name: &'static str| if round == 0 { "warming" } else { name };
        timed(counts("hashed"), || Ok(blake3::hash(&fs::read(layout.journal())?)))?;
        timed(counts("opened"), || Ok(Journal::state(&layout.journal())?))?;
    }
    Ok(())
}

fn store(home: &Path) -> Result<Store, Box<dyn Error>> {
    Ok(Store::open(home, Options { command: "a benchmark".into(), ..Options::default() })?)
}

/// All goes but what is shown.
fn policy() -> Policy {
    Policy { keep: NonZeroUsize::MIN, grace: Duration::ZERO, max_bytes: None }
}

fn plan(home: &Path, rounds: usize) -> Done {
    let store = store(home)?;
    for round in 0..=rounds {
        let counts = |name: &'static str| if round == 0 { "warming" } else { name };
        timed(counts("looked"), || Ok(look(store.layout())?))?;
        timed(counts("planned"), || Ok(store.plan_sweep(&policy())?))?;
    }
    Ok(())
}

/// What no plan can do without: the journal, the names of entries and manifests, and every link of every generation.
fn look(layout: &Layout) -> io::Result<usize> {
    let mut seen = fs::read(layout.journal()).map(|bytes| blake3::hash(&bytes))?.as_bytes().len();
    for directory in [layout.entries(), layout.manifests()] {
        seen += fs::read_dir(directory)?.count();
    }
    for generation in fs::read_dir(layout.generations())? {
        for link in fs::read_dir(generation?.path())? {
            seen += fs::read_link(link?.path())?.as_os_str().len();
        }
    }
    Ok(seen)
}

fn sweep(home: &Path) -> Done {
    let store = store(home)?;
    let plan = store.plan_sweep(&policy())?;
    let mut removed = 0;
    timed("swept", || {
        let report = store.sweep(plan, &Silent, &Cancel::new())?;
        removed = report.removed.len();
        if report.left > 0 { Err("something is left".into()) } else { Ok(()) }
    })?;
    Ok(writeln!(io::stdout(), "removed {removed}")?)
}

/// Compaction, after the least that has to be done for it: the journal read and hashed, and as many bytes as are left
/// of it written, synced, and renamed.
fn compact(home: &Path) -> Done {
    let (store, layout) = (store(home)?, Layout::new(home));
    let before = fs::metadata(layout.journal())?.len();
    timed("compacted", || Ok(store.compact(&Silent, &Cancel::new())?))?;
    let after = fs::read(layout.journal())?;
    // A file as large as the old one was, so that the floor reads and hashes what compaction had to.
    let (old, new) = (home.join("floor.old"), home.join("floor.new"));
    fs::write(&old, vec![1; usize::try_from(before)?])?;
    File::open(&old)?.sync_all()?;
    timed("rewritten", || {
        black_box(blake3::hash(&fs::read(&old)?));
        fs::write(&new, &after)?;
        File::open(&new)?.sync_all()?;
        fs::rename(&new, &old)?;
        Ok(File::open(home)?.sync_all()?)
    })?;
    Ok(writeln!(io::stdout(), "bytes_before {before}\nbytes_after {}", after.len())?)
}
