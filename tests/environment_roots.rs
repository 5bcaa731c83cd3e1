//! What a registered environment points at stays in the store, by whatever file of it; what is gone is forgotten.
//!
//! Real environments, made and bound by uv. The clock is the registration's own: the tests set back since when an
//! environment is missing.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use modstore_testbed::{Backend, Project, Python, PythonTools, Repo, TestHome, Venv};

/// A bound environment, and a module that has had one version; version 2 is current.
struct World {
    home: TestHome,
    tools: PythonTools,
    python: Python,
    repo: Repo,
}

const DAY: u64 = 24 * 60 * 60 * 1000;

impl World {
    fn new() -> Option<Self> {
        let (tools, python) = (PythonTools::find()?, Python::any()?);
        let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        tools.lead(&mut home);
        home.env("PYTHONDONTWRITEBYTECODE", "1");
        let repo = Repo::create(&home.scratch(), "mod-a");
        let world = Self { home, tools, python, repo };
        world.commit(1);
        world.home.run(&["add", &format!("git+{}", world.repo.url_file())]).ok();
        Some(world)
    }

    fn commit(&self, value: u32) {
        let project = Project::new("mod-a", Backend::Hatchling);
        let files = project.with_code(&format!("VALUE = {value}")).files();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.repo.write(&files);
    }

    fn bind(&self, name: &str) -> Venv<'_> {
        let venv = Venv::create(&self.home, &self.tools, &self.python, name);
        self.home.run(&["bind", "--python", &venv.python_text()]).ok();
        venv
    }

    /// The current entry.
    fn entry(&self) -> PathBuf {
        self.home.path().join("current/mod-a").canonicalize().unwrap()
    }

    /// Switches to another version, keeps only that, and gives the previous entry.
    fn move_on(&self, value: u32) -> PathBuf {
        let before = self.entry();
        self.commit(value);
        self.home.run(&["update"]).ok();
        self.sweep().ok();
        before
    }

    fn sweep(&self) -> modstore_testbed::Ran {
        self.home.run(&["--json", "gc", "--keep", "1", "--older-than", "0s"])
    }

    /// The registrations of environments.
    fn registrations(&self) -> Vec<PathBuf> {
        let children = fs::read_dir(self.home.path().join("environments")).unwrap().flatten();
        children.map(|child| child.path()).collect()
    }
}

/// Every way in which something in a site can lead to `entry` without following the switch.
fn ways(entry: &Path) -> Vec<(&'static str, Vec<(String, String)>)> {
    let entry = entry.display();
    let exact = format!(
        "from editables.redirector import RedirectingFinder as F\nF.install()\nF.map_module('x', '{entry}/src/mod_a/__init__.py')\n"
    );
    let direct = format!("{{\"url\":\"file://{entry}\",\"dir_info\":{{\"editable\":true}}}}");
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    vec![
        ("a line of a .pth", vec![file("by-hand.pth", &format!("# mine\n{entry}/src\n"))]),
        (
            "a finder",
            vec![file("x.pth", "import _editable_impl_x\n"), file("_editable_impl_x.py", &exact)],
        ),
        (
            "a .start file",
            vec![file("x.start", "_editable_impl_x:run\n"), file("_editable_impl_x.py", &exact)],
        ),
        ("an .egg-link", vec![file("x.egg-link", &format!("{entry}/src\n.\n"))]),
        ("a direct_url.json", vec![file("x-1.0.dist-info/direct_url.json", &direct)]),
        (
            "a finder of an unknown kind",
            vec![
                file("x.pth", "import _editable_odd\n"),
                file("_editable_odd.py", &format!("odd = '{entry}' + '/src'\n")),
            ],
        ),
    ]
}

#[test]
fn whatever_in_a_registered_environment_leads_to_an_entry_keeps_it_and_is_reported() {
    let Some(world) = World::new() else { return };
    let venv = world.bind("venv");
    for (number, (way, files)) in ways(&world.entry()).into_iter().enumerate() {
        // The files are those of the current entry.
        let entry = world.entry();
        let files: Vec<_> = match number {
            0 => files,
            _ => ways(&entry).swap_remove(number).1,
        };
        let mut written = Vec::new();
        for (name, text) in &files {
            let path = venv.site().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            written.push(path);
        }
        let before = world.move_on(u32::try_from(number).unwrap() + 2);
        assert_eq!(before, entry);
        assert!(before.join("src/mod_a/__init__.py").is_file(), "{way} keeps what it leads to");
        let told = world.sweep().ok().json();
        let kept = told["kept"].as_array().unwrap().iter();
        let name = entry.file_name().unwrap().to_str().unwrap();
        let kept = kept.clone().find(|kept| kept["digest"] == name).unwrap();
        let root = format!("the environment of {}", venv.python_text());
        assert_eq!(kept["roots"][0], root, "{way}: {kept}");
        assert_eq!(kept["why"], root, "{way}: no disagreement");
        assert_eq!(kept["disagreement"], serde_json::Value::Null);
        written.iter().for_each(|path| fs::remove_file(path).unwrap());
        world.sweep().ok();
        assert!(!before.exists(), "{way} is gone, and nothing else keeps it");
    }
}

#[test]
fn what_an_environment_leads_through_a_generation_to_stays_with_the_generation() {
    let Some(world) = World::new() else { return };
    let venv = world.bind("venv");
    let generation = fs::read_link(world.home.path().join("current")).unwrap();
    let through = world.home.path().join(generation);
    fs::write(venv.site().join("by-hand.pth"), format!("{}/mod-a/src\n", through.display()))
        .unwrap();
    let before = world.move_on(2);
    assert!(before.is_dir() && through.join("mod-a/src").is_dir());
    fs::remove_file(venv.site().join("by-hand.pth")).unwrap();
    world.sweep().ok();
    assert!(!before.exists() && !through.exists());
}

#[test]
fn what_follows_the_switch_keeps_nothing_old() {
    let Some(world) = World::new() else { return };
    let venv = world.bind("venv");
    let before = world.move_on(2);
    assert!(!before.exists());
    assert_eq!(venv.says("import mod_a; print(mod_a.VALUE)"), "2");
    let told = world.sweep().ok().json();
    assert_eq!(told["kept"][0]["why"], "`current`, generation 2", "{told}");
}

#[test]
fn an_environment_that_cannot_be_read_stops_the_sweep_and_is_named() {
    let Some(world) = World::new() else { return };
    let venv = world.bind("venv");
    let before = world.entry();
    world.commit(2);
    world.home.run(&["update"]).ok();
    // Root may read everything, but no user can read a directory in a file's place.
    let odd = venv.site().join("odd.pth");
    fs::create_dir(&odd).unwrap();
    let stopped = world.home.run(&["gc", "--keep", "1", "--older-than", "0s"]);
    stopped
        .fails(1)
        .says(&venv.python_text())
        .says("nothing is swept")
        .says("odd.pth")
        .says("hint:");
    assert!(before.is_dir());
    fs::remove_dir(&odd).unwrap();
    let (site, aside) = (venv.site(), venv.prefix().join("aside"));
    fs::rename(&site, &aside).unwrap();
    fs::write(&site, "no directory").unwrap();
    world.sweep().fails(1);
    assert!(before.is_dir());
    fs::remove_file(&site).unwrap();
    fs::rename(&aside, &site).unwrap();
    world.sweep().ok();
    assert!(!before.exists());
}

#[test]
fn a_registration_that_cannot_be_read_stops_the_sweep_and_is_named() {
    let Some(world) = World::new() else { return };
    world.bind("venv");
    let before = world.entry();
    world.commit(2);
    world.home.run(&["update"]).ok();
    let file = world.registrations().remove(0);
    let text = fs::read(&file).unwrap();
    fs::write(&file, "{").unwrap();
    let stopped = world.home.run(&["gc", "--keep", "1", "--older-than", "0s"]);
    stopped.fails(1).says(file.to_str().unwrap()).says("nothing is swept").says("hint:");
    assert!(before.is_dir());
    fs::write(&file, text).unwrap();
    world.sweep().ok();
    assert!(!before.exists());
}

#[test]
fn a_deleted_environment_keeps_nothing_and_is_forgotten_after_a_day() {
    let Some(world) = World::new() else { return };
    let venv = world.bind("venv");
    let by_hand = venv.site().join("by-hand.pth");
    fs::write(&by_hand, format!("{}/src\n", world.entry().display())).unwrap();
    let before = world.move_on(2);
    assert!(before.is_dir());
    let aside = world.home.scratch().join("aside");
    fs::rename(venv.prefix(), &aside).unwrap();
    let told = world.sweep().ok().json();
    assert!(!before.exists() && told["forgotten_environments"].as_array().unwrap().is_empty());
    let file = world.registrations().remove(0);
    let read =
        || -> serde_json::Value { serde_json::from_slice(&fs::read(&file).unwrap()).unwrap() };
    let since = read()["missing_since"].as_u64().unwrap();
    // It is still known, and comes back as if nothing had been.
    world.sweep().ok();
    assert_eq!(read()["missing_since"], since, "since the first time");
    fs::rename(&aside, venv.prefix()).unwrap();
    world.sweep().ok();
    assert!(read()["missing_since"].is_null());
    fs::rename(venv.prefix(), &aside).unwrap();
    world.sweep().ok();
    let mut registration = read();
    registration["missing_since"] = (since - DAY).into();
    fs::write(&file, registration.to_string()).unwrap();
    let told = world.sweep().ok().json();
    assert_eq!(told["forgotten_environments"][0], venv.prefix().to_str().unwrap());
    assert!(world.registrations().is_empty());
}
