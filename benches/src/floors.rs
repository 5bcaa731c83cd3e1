//! What the same machine takes for the least that any contender has to do: to ask, to receive, to write, to link.
//!
//! Limits: the server is the same as for the contenders, and takes most of the time of asking.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use modstore_testbed::HttpServer;

use crate::contender::empty;
use crate::corpus::{Corpus, Version};
use crate::http::Kept;
use crate::measure::{AT_A_TIME, run, sync};

/// One floor: what is done, how long it took, and how long a sync took after it.
#[derive(Debug)]
pub(crate) struct Floor {
    pub(crate) what: &'static str,
    pub(crate) wall: Duration,
    pub(crate) sync: Duration,
}

/// All floors, measured once each.
pub(crate) fn measure(
    corpus: &Corpus,
    server: &HttpServer,
    place: &Path,
) -> Result<Vec<Floor>, String> {
    let place = place.join("floors");
    let trees = corpus.trees(Version::Base);
    let ask = |packs: usize| ask(corpus, server, packs).map_err(|error| format!("asking: {error}"));
    let all = corpus.modules.len();
    let archive = archive(corpus, &place)?;
    let floors = [
        timed("list all (v0, 8 kept connections)", &place, || ask(0)),
        timed("the same, and 10 packs at depth 1, dropped", &place, || ask(10)),
        timed("the same, and all packs at depth 1, dropped", &place, || ask(all)),
        timed("`tar x` of all trees", &place, || untar(&archive, &place.join("tar"))),
        timed("write all trees, 2 threads", &place, || write(&trees, &place.join("written"))),
        timed("the same and one syncfs", &place, || {
            write(&trees, &place.join("synced"))?;
            sync(&place)
        }),
        timed("hard-link all files, 1 thread", &place, || {
            link(&place.join("written"), &place.join("linked")).map_err(|error| error.to_string())
        }),
    ];
    let floors = floors.into_iter().collect::<Result<Vec<_>, _>>()?;
    empty(&place)?;
    Ok(floors)
}

fn timed(
    what: &'static str,
    place: &Path,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<Floor, String> {
    sync(place)?;
    let start = Instant::now();
    work()?;
    let wall = start.elapsed();
    let start = Instant::now();
    sync(place)?;
    Ok(Floor { what, wall, sync: start.elapsed() })
}

/// Lists every repository, and takes the packs of the first few, as protocol version 0 has it.
pub(crate) fn ask(corpus: &Corpus, server: &HttpServer, packs: usize) -> io::Result<()> {
    let address = format!("127.0.0.1:{}", server.port());
    let modules = Mutex::new(corpus.modules.iter().enumerate());
    let next = || modules.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
    let worker = || -> io::Result<()> {
        let mut kept = Kept::to(&address)?;
        while let Some((at, module)) = next() {
            let name = &module.name;
            let listing = kept.get(&format!("/{name}.git/info/refs?service=git-upload-pack"))?;
            let id = corpus.id(module, Version::Base);
            if !listing.windows(id.len()).any(|part| part == id.as_bytes()) {
                return Err(io::Error::other(format!("{name} is not at {id}")));
            }
            if at < packs {
                let want = format!("want {id} ofs-delta side-band-64k no-progress\n");
                let length = want.len() + 4;
                let body = format!("{length:04x}{want}000cdeepen 100000009done\n");
                let pack = kept.post(&format!("/{name}.git/git-upload-pack"), &body)?;
                if !pack.windows(4).any(|part| part == b"PACK") {
                    return Err(io::Error::other(format!("{name} gave no pack")));
                }
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(worker)).collect();
        let ended = workers.into_iter().map(|it| it.join().expect("a worker does not panic"));
        ended.collect()
    })
}

/// A tar of all trees, not timed.
fn archive(corpus: &Corpus, place: &Path) -> Result<PathBuf, String> {
    empty(place)?;
    let archive = place.join("all.tar");
    let mut tar = Command::new("tar");
    tar.arg("-cf").arg(&archive);
    for tree in corpus.trees(Version::Base) {
        let (Some(parent), Some(name)) = (tree.parent().and_then(Path::parent), tree.parent())
        else {
            continue;
        };
        let inside = name.strip_prefix(parent).unwrap_or(name);
        tar.arg("-C").arg(parent).arg(inside);
    }
    run(&mut tar)?;
    Ok(archive)
}

fn untar(archive: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir(to).map_err(|error| error.to_string())?;
    run(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(to)).map(drop)
}

fn write(trees: &[PathBuf], to: &Path) -> Result<(), String> {
    fs::create_dir(to).map_err(|error| error.to_string())?;
    let (left, right) = trees.split_at(trees.len() / 2);
    std::thread::scope(|scope| {
        let halves = [(left, 0), (right, left.len())].map(|(half, first)| {
            scope.spawn(move || {
                half.iter().enumerate().try_for_each(|(at, tree)| {
                    copy(tree, &to.join((first + at).to_string()), &mut |from, to| {
                        fs::write(to, fs::read(from)?)
                    })
                })
            })
        });
        let ended = halves.map(|half| half.join().expect("a writer does not panic"));
        ended.into_iter().collect::<io::Result<()>>().map_err(|error| error.to_string())
    })
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    copy(from, to, &mut |from, to| fs::hard_link(from, to))
}

/// Makes the directories of `from` anew, and each file by `make`.
fn copy(
    from: &Path,
    to: &Path,
    make: &mut dyn FnMut(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    fs::create_dir(to)?;
    for child in fs::read_dir(from)? {
        let child = child?;
        let (from, to) = (child.path(), to.join(child.file_name()));
        if child.file_type()?.is_dir() {
            copy(&from, &to, make)?;
        } else {
            make(&from, &to)?;
        }
    }
    Ok(())
}
