//! What is installed: the archive, the npm packages and the Python package, made as a release is made.
//!
//! The program in them is a script that runs the real one. `cli/packaging/check.sh` does the same with a real release,
//! which takes minutes.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

#[path = "packages/release.rs"]
mod release;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use modstore_testbed::{Python, Running, TestHome};
use release::{BINARY, VERSION, program, repository, said, succeeded, write_script};
use rustix::process::Signal;

fn files_of(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())
        })
        .collect()
}

#[test]
fn a_release_that_is_made_twice_has_equal_bytes_and_its_checksums_hold() {
    let mut home = TestHome::in_memory(BINARY);
    let Some(first) = release::make(&home, "first") else { return };
    home.env("TZ", "Asia/Tokyo").env("LANG", "de_DE.UTF-8");
    let second = release::make(&home, "second").unwrap();
    let (first_files, second_files) = (files_of(&first), files_of(&second));
    assert_eq!(first_files.keys().collect::<Vec<_>>(), second_files.keys().collect::<Vec<_>>());
    for (name, bytes) in &first_files {
        assert!(second_files[name] == *bytes, "{name} differs");
    }
    assert_eq!(first_files.len(), 6, "{:?}", first_files.keys());
    let checked = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&first)
        .output();
    assert_eq!(succeeded(&checked.unwrap()).lines().count(), 5);
}

#[test]
fn the_notes_of_a_release_are_its_section_of_the_changelog() {
    let home = TestHome::in_memory(BINARY);
    let Some(Python { executable: python, .. }) = Python::any() else { return };
    let script = "\
import sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True
from dist import notes_of
text = '# Changelog\\n\\n## [Unreleased] – 0.3.0\\n\\n- c\\n\\n## [0.2.0] - 2026-01-01\\n\\n- b\\n\\n## 0.2\\n\\n- a\\n'
assert notes_of('0.2.0', text) == '# modstore 0.2.0\\n\\n- b\\n', notes_of('0.2.0', text)
assert notes_of('0.2', text) == '# modstore 0.2\\n\\n- a\\n', notes_of('0.2', text)
assert notes_of('0.3.0', text).startswith('# modstore 0.3.0\\n\\nNot a release.'), notes_of('0.3.0', text)
";
    let packaging = repository().join("cli/packaging");
    let arguments = ["-c".as_ref(), script.as_ref(), packaging.as_os_str()];
    succeeded(&home.command_of(&python, &arguments).output().unwrap());
}

/// A project of npm's with both packages installed, without a network.
fn npm_project(home: &TestHome) -> Option<PathBuf> {
    program("node")?;
    let npm = program("npm")?;
    let dist = release::make(home, "dist")?;
    let project = home.scratch().join("project");
    fs::create_dir(&project).unwrap();
    fs::write(project.join("package.json"), r#"{"private": true}"#).unwrap();
    let mut packages =
        files_of(&dist).into_keys().filter(|name| name.ends_with(".tgz")).collect::<Vec<_>>();
    packages.sort();
    let packages = packages.iter().map(|name| dist.join(name));
    let arguments = ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund"];
    let mut command = home.command_of(&npm, &arguments);
    succeeded(&command.args(packages).current_dir(&project).output().unwrap());
    Some(project)
}

#[test]
fn the_npm_package_runs_the_program_and_says_where_it_is() {
    let home = TestHome::in_memory(BINARY);
    let Some(project) = npm_project(&home) else { return };
    let launcher = project.join("node_modules/.bin/modstore");
    let ran = home.command_of(&launcher, &["--version"]).output().unwrap();
    assert_eq!(succeeded(&ran), format!("modstore {VERSION}\n"));
    let ran = home.command_of(&launcher, &["path", "x"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");

    let code = "const m = require('modstore'); console.log(require('child_process').execFileSync(m.program(), ['--version'], {encoding: 'utf8'}))";
    let node = program("node").unwrap();
    let ran = home.command_of(&node, &["-e", code]).current_dir(&project).output().unwrap();
    assert_eq!(succeeded(&ran).trim(), format!("modstore {VERSION}"));

    let packages = fs::read_dir(project.join("node_modules/@modstore")).unwrap();
    fs::remove_dir_all(packages.last().unwrap().unwrap().path()).unwrap();
    let ran = home.command_of(&launcher, &["--version"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(said(&ran).contains("is not installed\nhint: install modstore again"), "{ran:?}");
}

#[test]
fn a_signal_to_the_npm_launcher_ends_the_program_too() {
    let home = TestHome::in_memory(BINARY);
    let Some(project) = npm_project(&home) else { return };
    let module = home.scratch().join("module");
    fs::create_dir(&module).unwrap();
    home.run(&["link", "module", module.to_str().unwrap()]).ok();
    let started = home.scratch().join("started");
    let script = format!("touch '{}'; exec sleep 300", started.display());
    let launcher = project.join("node_modules/.bin/modstore");
    let mut running =
        Running::start(home.command_of(&launcher, &["exec", "--", "sh", "-c", &script]));
    modstore_testbed::until(Duration::from_secs(60), "the program runs", || started.exists());
    running.signal(Signal::TERM);
    assert!(running.ends_within(Duration::from_secs(30)), "the launcher goes on");
    let leases = home.run(&["--json", "status"]).json();
    assert!(!leases.to_string().contains("sleep"), "{leases}");
}

/// An environment that has the Python package and its program, as a wheel puts them.
fn with_python_package(home: &TestHome, python: &Path, name: &str) -> PathBuf {
    let prefix = home.scratch().join(name);
    succeeded(
        &home
            .command_of(python, &["-m", "venv", "--without-pip", prefix.to_str().unwrap()])
            .output()
            .unwrap(),
    );
    let site = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let site =
        succeeded(&home.command_of(&prefix.join("bin/python"), &["-c", site]).output().unwrap());
    let package = repository().join("cli/packaging/python/modstore");
    let place = Path::new(site.trim()).join("modstore");
    fs::create_dir(&place).unwrap();
    for (file, bytes) in files_of(&package) {
        fs::write(place.join(file), bytes).unwrap();
    }
    symlink(BINARY, prefix.join("bin/modstore")).unwrap();
    prefix
}

#[test]
fn the_python_package_runs_its_program_and_pins_its_host() {
    let home = TestHome::in_memory(BINARY);
    let Some(Python { executable: system, .. }) = Python::any() else { return };
    let module = home.scratch().join("weather");
    fs::create_dir(&module).unwrap();
    home.run(&["link", "weather", module.to_str().unwrap()]).ok();
    let prefix = with_python_package(&home, &system, "environment");
    let python = prefix.join("bin/python");
    let run = |arguments: &[&str]| home.command_of(&python, arguments).output().unwrap();
    assert_eq!(succeeded(&run(&["-m", "modstore", "--version"])), format!("modstore {VERSION}\n"));
    assert_eq!(run(&["-m", "modstore", "path", "x"]).status.code(), Some(2));
    let code = "import modstore; p = modstore.pin(); print(p.number, modstore.find_program())";
    let program = prefix.join("bin/modstore");
    assert_eq!(succeeded(&run(&["-c", code])), format!("1 {}\n", program.display()));

    fs::remove_file(program).unwrap();
    let ran = run(&["-m", "modstore", "--version"]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(
        said(&ran).contains("error: the program modstore is not beside its Python package"),
        "{ran:?}"
    );
    // Another program of that name on the PATH is another version, perhaps.
    let elsewhere = home.scratch().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    write_script(&elsewhere.join("modstore"), "#!/bin/sh\necho another\n");
    let ran =
        home.command_of(&python, &["-m", "modstore", "--version"]).env("PATH", &elsewhere).output();
    assert_eq!(ran.unwrap().status.code(), Some(1));
}

#[test]
fn the_python_package_is_the_file_that_hosts_copy_in_every_python_there_is() {
    let home = TestHome::in_memory(BINARY);
    let printed = home.run(&["print-shim", "python"]).ok().stdout;
    let packaged = repository().join("cli/packaging/python/modstore/host.py");
    assert_eq!(fs::read_to_string(packaged).unwrap(), printed, "one source of truth");
    let package = repository().join("cli/packaging/python");
    for python in Python::all() {
        let code = "import modstore, sys; sys.exit(not set(modstore.host.__all__) < set(modstore.__all__))";
        let mut command = home.command_of(&python.executable, &["-B", "-W", "error", "-c", code]);
        succeeded(&command.env("PYTHONPATH", &package).output().unwrap());
    }
}

#[test]
fn every_type_of_the_python_package_is_said_and_holds() {
    let home = TestHome::in_memory(BINARY);
    let checker = repository().join("target/tools/mypy/bin/mypy");
    if !checker.is_file() {
        modstore_testbed::skip_loudly("there is no mypy in target/tools");
        return;
    }
    let cache = home.scratch().join("mypy");
    let arguments = ["--strict", "--cache-dir", cache.to_str().unwrap(), "modstore"];
    let mut command = home.command_of(&checker, &arguments);
    command.current_dir(repository().join("cli/packaging/python"));
    succeeded(&command.output().unwrap());
}

#[test]
fn workflows_have_no_fault_that_a_linter_knows() {
    let linter = repository().join("target/tools/actionlint/bin/actionlint");
    if !linter.is_file() {
        modstore_testbed::skip_loudly("there is no actionlint in target/tools");
        return;
    }
    let workflows = files_of(&repository().join(".github/workflows"));
    let names: Vec<&str> = workflows.keys().map(String::as_str).collect();
    assert_eq!(names, ["ci.yml", "release.yml"]);
    let paths = names.iter().map(|name| repository().join(".github/workflows").join(name));
    succeeded(&Command::new(linter).args(["-no-color"]).args(paths).output().unwrap());
}

#[test]
fn platforms_are_merged_only_as_a_whole_set_of_equal_files() {
    let home = TestHome::in_memory(BINARY);
    let Some(Python { executable: python, .. }) = Python::any() else { return };
    let built = home.scratch().join("built");
    let targets = [
        "x86_64-unknown-linux-gnu",
        "aarch64-unknown-linux-gnu",
        "x86_64-apple-darwin",
        "aarch64-apple-darwin",
    ];
    for target in targets {
        let place = format!("built/dist-{target}");
        release::make_for(&home, &place, target).unwrap();
        let place = home.scratch().join(place);
        for name in [
            format!("modstore-{VERSION}-{target}.whl"),
            format!("modstore-{VERSION}-{target}.cyclonedx.json"),
            format!("modstore-{VERSION}.tar.gz"),
        ] {
            fs::write(place.join(name), "the same").unwrap();
        }
    }
    let dist = home.scratch().join("merged");
    let merge = |tag: &str| {
        let script = repository().join("cli/packaging/merge.py");
        let arguments =
            ["-B".as_ref(), script.as_os_str(), built.as_os_str(), dist.as_os_str(), tag.as_ref()];
        home.command_of(&python, &arguments).output().unwrap()
    };
    assert!(said(&merge("v0.0.1")).contains("the tag is v0.0.1, and what was built is version"));
    let notes = built.join("dist-x86_64-apple-darwin/RELEASE-NOTES.md");
    let text = fs::read(&notes).unwrap();
    fs::write(&notes, "other").unwrap();
    assert!(said(&merge(&format!("v{VERSION}"))).contains("RELEASE-NOTES.md differ"));
    fs::write(&notes, text).unwrap();
    let wheel =
        built.join(format!("dist-x86_64-apple-darwin/modstore-{VERSION}-x86_64-apple-darwin.whl"));
    fs::rename(&wheel, wheel.with_extension("gone")).unwrap();
    assert!(said(&merge(&format!("v{VERSION}"))).contains("3 of 4 wheels"));
    assert!(!dist.exists(), "nothing was written");
    fs::rename(wheel.with_extension("gone"), &wheel).unwrap();

    succeeded(&merge(&format!("v{VERSION}")));
    let checked = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&dist)
        .output();
    assert_eq!(succeeded(&checked.unwrap()).lines().count(), 4 * 4 + 4);
    assert_eq!(files_of(&dist.join("npm")).len(), 5);
    assert_eq!(files_of(&dist.join("python")).len(), 5);
}
