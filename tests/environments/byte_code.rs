//! Byte code and file times: what is new is never run from what was compiled before, and nothing is written into an
//! entry.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use modstore_testbed::{Backend, Project, Python, Ran, Running, Venv, skip_loudly};

use super::world::{File, World, files_below, values};

/// A project whose every version has the same size.
fn version_of(backend: Backend, number: u32) -> Vec<File> {
    let name = format!("mod-{backend:?}").to_lowercase();
    let project = Project::new(&name, backend).with_code(&format!("VALUE = {number}"));
    let mut files = project.files();
    let part = format!("{}{}/part.py", backend.root(), project.package());
    files.push((part, format!("VALUE = {number}\n")));
    files
}

const BOTH: [(&str, Backend); 2] =
    [("mod-hatchling", Backend::Hatchling), ("mod-hatchlingflat", Backend::HatchlingFlat)];

fn publish(world: &World, number: u32) {
    BOTH.iter().for_each(|(name, backend)| {
        world.publish_files(name, &version_of(*backend, number));
    });
}

const SEEN: &str = "import mod_hatchling.part, mod_hatchlingflat.part; a, b = mod_hatchling, mod_hatchlingflat; print(a.VALUE, a.part.VALUE, b.VALUE, b.part.VALUE)";

/// T21.
#[test]
fn a_change_that_leaves_the_size_is_seen_although_byte_code_is_kept_by_path() {
    let (Some(mut world), Some(python)) = (World::new(), Python::any()) else { return };
    let kept = world.home.scratch().join("kept byte code");
    world.home.env("PYTHONPYCACHEPREFIX", &kept);
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    for number in [1, 2, 3] {
        publish(&world, number);
        world.update();
        for _ in 0..2 {
            assert_eq!(venv.says(SEEN), format!("{number} {number} {number} {number}"));
        }
    }
    world.home.run(&["rollback"]).ok();
    assert_eq!(venv.says(SEEN), "2 2 2 2");
    assert!(files_below(&kept).len() >= 4, "byte code was kept there");
}

/// T22.
#[test]
fn a_running_program_finds_a_submodule_that_only_the_new_version_has() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    let code = "\
import sys, mod_hatchling.part, mod_hatchlingflat.part
print('listed', flush=True)
sys.stdin.readline()
import mod_hatchling.only_new, mod_hatchlingflat.only_new
print(mod_hatchling.only_new.VALUE, mod_hatchlingflat.only_new.VALUE)";
    let mut command = world.home.command_of(&venv.python(), &["-c", code]);
    let mut program = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(program.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "listed");
    for (name, backend) in BOTH {
        let mut files = version_of(backend, 1);
        let path = files[2].0.replace("part.py", "only_new.py");
        files.push((path, "VALUE = 'new'\n".into()));
        world.publish_files(name, &files);
    }
    world.update();
    program.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(said.next().unwrap().unwrap(), "new new");
    assert!(program.wait().unwrap().success());
}

/// The times of everything below a module, by path.
fn times(world: &World, module: &str) -> BTreeMap<PathBuf, i64> {
    let root = fs::canonicalize(world.home.target(module)).unwrap();
    let mut times = BTreeMap::new();
    for path in files_below(&root) {
        for path in path.ancestors().take_while(|path| path.starts_with(&root)) {
            let below = path.strip_prefix(&root).unwrap().to_owned();
            times.insert(below, path.symlink_metadata().unwrap().mtime());
        }
    }
    times
}

/// T23: every file and directory, also of what is made for one Python.
#[test]
fn times_come_from_content_alone_and_are_what_zip_files_can_hold() {
    let Some(python) = Python::any() else { return };
    let mut all = Vec::new();
    for _ in 0..2 {
        let Some(world) = World::new() else { return };
        publish(&world, 1);
        world.update();
        let venv = world.venv(&python, "venv");
        world.home.run(&["bind", "--compile", "--python", &venv.python_text()]).ok();
        let first = times(&world, "mod-hatchling");
        publish(&world, 2);
        world.update();
        let second = times(&world, "mod-hatchling");
        let path = Path::new("src/mod_hatchling/part.py");
        assert_ne!(first[path], second[path]);
        assert_ne!(first[Path::new("src/mod_hatchling")], second[Path::new("src/mod_hatchling")]);
        assert_eq!(first[Path::new("pyproject.toml")], second[Path::new("pyproject.toml")]);
        // What was compiled holds the path of this very store.
        let sources = |times: BTreeMap<PathBuf, i64>| -> BTreeMap<PathBuf, i64> {
            let is_own = |path: &Path| path.to_str().is_some_and(|path| path.contains(".modstore"));
            times.into_iter().filter(|(path, _)| !is_own(path)).collect()
        };
        all.push((sources(first), sources(second)));
    }
    assert_eq!(all[0], all[1]);
    let range = 315_532_800..315_532_800 + (1 << 30);
    assert!(all[0].0.values().all(|time| range.contains(time)), "{:?}", all[0].0);
}

/// Runs Python as a user whom permissions bind.
fn says_as_anybody(world: &World, venv: &Venv<'_>, code: &str) -> Option<Ran> {
    let python = venv.python();
    let mut command = world.home.command_of(&python, &["-c", code]);
    if rustix::process::geteuid().is_root() {
        let there = Command::new("setpriv").arg("--version").output();
        if !there.is_ok_and(|ran| ran.status.success()) {
            skip_loudly("as root, and there is no setpriv to become another user");
            return None;
        }
        let python = python.to_str().unwrap();
        let args = ["--bounding-set=-dac_override", "--", python, "-c", code];
        command = world.home.command_of("setpriv".as_ref(), &args);
    }
    Some(Running::start(command).wait().ok())
}

fn byte_code_in_entries(world: &World) -> Vec<PathBuf> {
    let mut found = files_below(&world.home.path().join("entries"));
    found.retain(|path| {
        path.extension().is_some_and(|end| end == "pyc")
            || path.to_str().unwrap().contains("egg-info")
    });
    found
}

/// T24.
#[test]
fn nothing_is_ever_written_into_an_entry_by_binding_and_importing() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    publish(&world, 1);
    world.publish(&Project::new("mod-s", Backend::Setuptools).with_code("VALUE = 1"));
    world.publish(&Project::new("mod-p", Backend::Pdm).with_code("VALUE = 1"));
    let venv = world.bound(&python, "venv");
    let code = format!("{SEEN}; import mod_s, mod_p");
    let Some(ran) = says_as_anybody(&world, &venv, &code) else { return };
    assert_eq!(ran.stdout.trim(), "1 1 1 1");
    assert_eq!(byte_code_in_entries(&world), [] as [PathBuf; 0]);
    world.home.run(&["verify"]).ok();
}

/// T24 for root, whom no permission binds: it is reported, and no damage; and it does not matter where it is compiled
/// ahead.
#[test]
fn byte_code_that_root_keeps_in_an_entry_is_no_damage_and_goes_with_a_repair() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    if !rustix::process::geteuid().is_root() {
        skip_loudly("only root can write into an entry");
        return;
    }
    publish(&world, 1);
    let venv = world.bound(&python, "venv");
    assert_eq!(venv.says(SEEN), "1 1 1 1");
    let kept = byte_code_in_entries(&world);
    assert_eq!(kept.len(), 4, "{kept:?}");
    let codes = |world: &World| -> Vec<String> {
        let answer = world.home.run(&["--json", "verify"]).ok().json();
        let findings = answer["findings"].as_array().unwrap().iter();
        let codes = findings.map(|finding| finding["code"].as_str().unwrap().to_owned());
        let others = ["file-system", "file-system-remark", "quarantined"];
        codes.filter(|code| !others.contains(&code.as_str())).collect()
    };
    assert_eq!(codes(&world), ["byte-code"; 4]);
    // What is no byte code of this very source is damage: Python would run it.
    let bytes = fs::read(&kept[0]).unwrap();
    let mut other = bytes.clone();
    other[8] ^= 1;
    fs::write(&kept[0], other).unwrap();
    world.home.run(&["verify"]).fails(4);
    fs::write(&kept[0], bytes).unwrap();
    world.home.run(&["verify", "--repair"]).ok();
    assert_eq!(codes(&world), [] as [&str; 0]);
    assert_eq!(byte_code_in_entries(&world), [] as [PathBuf; 0]);
    world.home.run(&["bind", "--compile", "--python", &venv.python_text()]).ok();
    assert_eq!(venv.says(SEEN), "1 1 1 1");
    assert_eq!(codes(&world), [] as [&str; 0]);
    world.home.run(&["bind", "--no-compile", "--python", &venv.python_text()]).ok();
    publish(&world, 2);
    world.update();
    assert_eq!(venv.says(SEEN), "2 2 2 2");
    assert!(codes(&world).iter().all(|code| code == "byte-code"));
}

/// T25.
#[test]
fn byte_code_that_is_compiled_ahead_is_used_is_the_same_each_time_and_is_made_for_each_python() {
    let Some(world) = World::new() else { return };
    publish(&world, 1);
    world.update();
    let compiled = |world: &World| -> BTreeMap<PathBuf, Vec<u8>> {
        let files = byte_code_in_entries(world).into_iter();
        files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    };
    let mut before = 0;
    for (number, python) in Python::all().iter().take(2).enumerate() {
        let venv = world.venv(python, &format!("venv-{number}"));
        world.home.run(&["bind", "--compile", "--python", &venv.python_text()]).ok();
        let all = compiled(&world);
        assert!(all.len() > before, "{all:?}");
        before = all.len();
        let cached = "import mod_hatchling.part as p, mod_hatchlingflat, os; print(os.path.isfile(p.__cached__), mod_hatchlingflat.VALUE, p.__file__)";
        let said = venv.says(cached);
        assert!(said.starts_with("True 1 ") && said.contains("/live/mod-hatchling/"), "{said}");
        assert_eq!(compiled(&world), all, "nothing was compiled again, whichever user ran it");
    }
    world.home.run(&["verify"]).ok();
    // As after a repair: what was made from an entry is gone, and is made again byte for byte.
    let all = compiled(&world);
    for (name, _) in BOTH {
        let entry = fs::canonicalize(world.home.target(name)).unwrap();
        let gone = world.home.scratch().join(format!("gone-{name}"));
        fs::rename(entry.join(".modstore"), gone).unwrap();
    }
    let venv = Venv::at(&world.home, &world.tools, world.home.scratch().join("venv-0"));
    world.home.run(&["bind", "--python", &venv.python_text()]).ok();
    let again = compiled(&world);
    assert!(!again.is_empty() && again.iter().all(|(path, bytes)| all[path] == *bytes));
    // A change of code is compiled before the switch.
    publish(&world, 2);
    world.update();
    assert_eq!(values(&venv, &["mod_hatchling", "mod_hatchlingflat"]), "2 2");
    world.home.run(&["verify"]).ok();
}

/// T37: uv takes the change time of this file for whether a project is as it was.
#[test]
fn entries_never_share_a_file_that_uv_looks_at() {
    let Some(world) = World::new() else { return };
    publish(&world, 1);
    world.update();
    let inode = || {
        let module = world.home.target("mod-hatchlingflat");
        ["pyproject.toml", "mod_hatchlingflat/__init__.py"]
            .map(|file| fs::metadata(module.join(file)).unwrap().ino())
    };
    let before = inode();
    world.publish_files("mod-hatchlingflat", &{
        let mut files = version_of(Backend::HatchlingFlat, 1);
        files[2].1 = "VALUE = 'changed'\n".into();
        files
    });
    world.update();
    let after = inode();
    assert_ne!(before[0], after[0], "pyproject.toml");
    assert_eq!(before[1], after[1], "and other files are shared, so the test can fail");
}
