//! A store that is changed and collected without git and without waiting: generations of two modules, whose one file
//! holds the number it was published with.

use std::{fs, io, num::NonZeroUsize, path::Path, time::Duration};

use modstore::{
    Cancel, Generation, Options, Policy, Silent, Store, internals::commit::Transaction,
};
use modstore_core::{
    Context,
    disk::{Barrier, Disk, Format, Layout, LockWait, Planting, Staged, Staging},
    model::{Binding, Bound, FileKind, Manifest, RecordedSource, TreeFile},
};

pub(crate) const MODULES: [&str; 2] = ["one", "two"];

const WAIT: Duration = Duration::from_secs(60);

/// The store in this home, made if need be, for a reader of its own.
pub(crate) fn open(home: &Path) -> Store {
    fs::create_dir_all(home).unwrap();
    Format::ensure(&Disk::default(), &Layout::new(home), LockWait::at_most(WAIT)).unwrap();
    Store::open(home, Options { command: "a reader".into(), ..Options::default() }).unwrap()
}

/// Shows a new generation, whose modules say `number`, each in an entry of its own.
pub(crate) fn publish(home: &Path, number: u64) -> Generation {
    let (disk, layout) = (Disk::default(), Layout::new(home));
    let staging = Staging::claim(&disk, &layout, "a test").unwrap();
    let staged = MODULES.map(|name| stage(&disk, &staging, &format!("{number} {name}")));
    let context = Context {
        disk: &disk,
        layout: &layout,
        barrier: Barrier::FileSystem,
        lock_limit: WAIT,
        offline: true,
        command: "a test",
        events: &Silent,
        cancel: &Cancel::new(),
    };
    let mut transaction = Transaction::begin(context, staging).unwrap();
    for (name, staged) in MODULES.into_iter().zip(staged) {
        let digest = staged.digest();
        transaction.change.entering.insert(digest, staged);
        let bound = Bound::Entry { digest, subdirectory: None, fetched: None };
        let source = RecordedSource::read(format!("git+https://example.com/{name}"));
        let to = Some(Binding { source, bound });
        transaction.change.bindings.insert(name.parse().unwrap(), to);
    }
    transaction.commit("a test").unwrap().head().unwrap().number
}

fn stage(disk: &Disk, staging: &Staging, text: &str) -> Staged {
    let planting = Planting::create(disk, &staging.fresh()).unwrap();
    let content = planting.write("number".into(), FileKind::File, text.as_bytes()).unwrap();
    let size = text.len() as u64;
    let file = TreeFile { path: "number".into(), kind: FileKind::File, size, content };
    Staged::seal(disk, planting, &Manifest::new(vec![file]).unwrap(), None).unwrap()
}

/// The number that both modules below this directory say; an error if anything is missing, or if they differ.
pub(crate) fn read(generation: &Path) -> io::Result<u64> {
    let numbers = MODULES.map(|name| {
        let text = fs::read_to_string(generation.join(name).join("number"))?;
        let (number, of) = text.split_once(' ').ok_or(io::ErrorKind::InvalidData)?;
        assert_eq!(of, name, "one module leads to another one's entry");
        number.parse::<u64>().map_err(io::Error::other)
    });
    let [one, two] = numbers;
    let (one, two) = (one?, two?);
    if one == two { Ok(one) } else { Err(io::Error::other(format!("a mixture: {one}, {two}"))) }
}

/// Sweeps all but the head and what is leased: less than any policy keeps of itself. Says how many generations went.
/// `disk` makes all its acts.
pub(crate) fn collect(home: &Path, disk: &Disk) -> Result<usize, Box<dyn std::error::Error>> {
    let options = Options { command: "a collector".into(), ..Options::default() };
    let store = Store::open_on(disk.clone(), home, options)?;
    let policy = Policy { keep: NonZeroUsize::MIN, grace: Duration::ZERO, max_bytes: None };
    let plan = store.plan_sweep(&policy)?;
    Ok(store.sweep(plan, &Silent, &Cancel::new())?.retired.len())
}

/// How many files lie in `leases/`.
pub(crate) fn lease_files(home: &Path) -> usize {
    fs::read_dir(home.join("leases")).unwrap().count()
}

/// The leased generations, as a sweep sees them.
pub(crate) fn leased(store: &Store) -> Vec<u64> {
    store.leases().unwrap().iter().map(|leased| leased.generation.number()).collect()
}
