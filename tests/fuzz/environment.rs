//! Python environments: a script writes the files of a site directory, and all readers look at it.

use std::{
    fs,
    path::{Component, Path},
};

use modstore_python::Scan;

use super::{memory_directory, script::Script};

/// Names in a site directory that a reader opens.
const NAMES: [&str; 14] = [
    "x.pth",
    "_x.pth",
    "x.start",
    "x.egg-link",
    "__editable___x_finder.py",
    "__editable___x_1_finder.py",
    "_x_editable_loader.py",
    "x-1.dist-info/METADATA",
    "x-1.dist-info/RECORD",
    "x-1.dist-info/direct_url.json",
    "x-1.dist-info/entry_points.txt",
    "x-1.dist-info/top_level.txt",
    "x.egg-info",
    "y-2.dist-info/RECORD",
];
/// Bytes of memory for one byte of a file, and for nothing.
const WORTH: u64 = 512;
const SPARE: u64 = 1 << 20;

/// Pairs of a name and a content, as a site directory.
pub fn environment(bytes: &[u8]) {
    let mut script = Script(bytes);
    let place =
        tempfile::tempdir_in(memory_directory()).expect("a temporary directory can be made");
    let site = place.path().join("lib/python3.12/site-packages");
    fs::create_dir_all(&site).expect("it is new");
    let name_of = |script: &mut Script<'_>| NAMES[script.below(NAMES.len())];
    while !script.is_over() {
        let file = site.join(name_of(&mut script));
        fs::create_dir_all(file.parent().expect("it is below the site"))
            .expect("no file is in the way");
        if !file.is_dir() {
            fs::write(&file, script.long()).expect("it can be written");
        }
    }
    let used = allocation_counter::measure(|| look(&site));
    let most = WORTH * bytes.len() as u64 + SPARE;
    assert!(used.bytes_max <= most, "{} bytes of memory for {}", used.bytes_max, bytes.len());
}

fn look(site: &Path) {
    let scan = Scan::of(site).expect("the directory is there");
    for pointer in &scan.pointers {
        let target = &pointer.target;
        assert!(target.is_absolute(), "{target:?} is relative");
        let odd = target
            .components()
            .any(|part| matches!(part, Component::ParentDir | Component::CurDir));
        assert!(!odd, "{target:?} is not plain");
    }
    for distribution in &scan.distributions {
        drop(distribution.metadata());
        drop(distribution.entry_points());
        drop(distribution.installer());
        drop(distribution.record());
    }
}
