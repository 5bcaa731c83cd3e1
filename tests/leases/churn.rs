//! A store that is changed and collected without git and without waiting: generations of two modules, whose one file
//! holds the number it was published with.

use std::{collections::BTreeSet, fs, io, path::Path};

use modstore::{
    Options, Store,
    commit::{Beginning, Binding, Bound, Condemned, Locked, Staged, Staging, State, Transaction},
    disk::{Barrier, Disk, Format, Layout, Patience, Planting},
    model::{Digest, FileKind, Generation, Manifest, TreeFile},
};

pub(crate) const MODULES: [&str; 2] = ["one", "two"];

const PATIENCE: Patience<'_> = Patience::of(std::time::Duration::from_secs(60));
const HOW: Beginning<'_> =
    Beginning { command: "a test", patience: PATIENCE, barrier: Barrier::FileSystem };

/// The store in this home, made if need be, for a reader of its own.
pub(crate) fn open(home: &Path) -> Store {
    fs::create_dir_all(home).unwrap();
    Format::ensure(&Disk::default(), &Layout::new(home), PATIENCE).unwrap();
    Store::open(home, Options { command: "a reader".into(), ..Options::default() }).unwrap()
}

/// Shows a new generation, whose modules say `number`, each in an entry of its own.
pub(crate) fn publish(home: &Path, number: u64) -> Generation {
    let (disk, layout) = (Disk::default(), Layout::new(home));
    let staging = Staging::claim(&disk, &layout, "a test").unwrap();
    let staged = MODULES.map(|name| stage(&disk, &staging, &format!("{number} {name}")));
    let mut transaction = Transaction::begin(&disk, &layout, staging, HOW).unwrap();
    for (name, staged) in MODULES.into_iter().zip(staged) {
        let digest = transaction.enter(staged);
        let bound = Bound::Entry { digest, subdirectory: None, fetched: None };
        let source = format!("git+https://example.com/{name}");
        transaction.bind(name.parse().unwrap(), Binding { source, bound });
    }
    transaction.commit("a test").unwrap()
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

/// Gives up every generation but the head and what is leased, as a sweep does: it condemns, looks for leases, and
/// gives up the rest. Says how many it gave up. `disk` makes all its acts.
pub(crate) fn collect(home: &Path, disk: &Disk) -> Result<usize, Box<dyn std::error::Error>> {
    let layout = Layout::new(home);
    let staging = Staging::claim(disk, &layout, "a collector")?;
    let locked = Locked::take(disk, &layout, staging, HOW)?;
    let head = locked.state().head().map(|head| head.number);
    let old = locked.state().kept().map(|info| info.number).filter(|number| Some(*number) != head);
    let all = of_generations(locked.state(), old.collect());
    locked.condemn(&all)?;
    let leased: BTreeSet<Generation> =
        modstore::reclaim::leases(&layout)?.iter().map(|leased| leased.generation).collect();
    let rest = of_generations(locked.state(), &all.generations - &leased);
    let count = rest.generations.len();
    locked.give_up(&rest)?;
    disk.remove_tree(&layout.trash())?;
    disk.create_dir(&layout.trash())?;
    Ok(count)
}

/// These generations, and what no other one that is kept leads to.
fn of_generations(state: &State, generations: BTreeSet<Generation>) -> Condemned {
    let kept = state.kept().filter(|info| !generations.contains(&info.number));
    let named = kept.filter_map(|info| state.modules_of(info.number)).flatten();
    let named: BTreeSet<Digest> = named.filter_map(|(_, binding)| binding.digest()).collect();
    let entries = state.entries().keys().filter(|digest| !named.contains(digest)).copied();
    Condemned { entries: entries.collect(), generations }
}

/// How many files lie in `leases/`.
pub(crate) fn lease_files(home: &Path) -> usize {
    fs::read_dir(home.join("leases")).unwrap().count()
}

/// The generations that are leased, as whoever sweeps sees it.
pub(crate) fn leased(store: &Store) -> Vec<u64> {
    store.leases().unwrap().iter().map(|leased| leased.generation.number()).collect()
}
