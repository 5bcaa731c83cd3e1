//! What others take away: `uv tool upgrade`, `uv tool install`, `uv sync` and `uv pip sync` uninstall what they did not
//! install. That is noticed by looking at files, and put back by one call.

use std::{fs, path::PathBuf};

use modstore_testbed::{Backend, Project, Python, Running, Venv};

use super::world::{World, names, values, version};

/// A world with two modules, one of which needs something, and a host that uv has installed as a tool.
struct Host {
    world: World,
    python: Python,
    source: PathBuf,
}

impl Host {
    fn new() -> Option<Self> {
        let mut home = modstore_testbed::TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        let tools = home.scratch().join("uv-tools");
        let programs = home.scratch().join("uv-bin");
        home.env("UV_TOOL_DIR", &tools).env("UV_TOOL_BIN_DIR", programs);
        let (world, python) = (World::at(home)?, Python::any()?);
        for name in ["mod-a", "mod-b"] {
            let project = Project::new(name, Backend::Flit).with_code("VALUE = 1");
            world.publish(&project.needing(if name == "mod-b" { &["six"] } else { &[] }));
        }
        let source = world.home.scratch().join("host-source");
        Project::new("my-host", Backend::Flit).write_to(&source);
        world.update();
        Some(Self { world, python, source })
    }

    fn uv(&self, args: &[&str]) -> modstore_testbed::Ran {
        self.world.run(self.world.tools.uv(), args)
    }

    fn install(&self, more: &[&str]) {
        let python = self.python.executable.to_str().unwrap();
        let mut args = vec!["tool", "install", "-q", "--python", python];
        args.extend(more);
        args.push(self.source.to_str().unwrap());
        self.uv(&args).ok();
    }

    fn venv(&self) -> Venv<'_> {
        let prefix = self.world.home.scratch().join("uv-tools/my-host");
        Venv::at(&self.world.home, &self.world.tools, prefix)
    }

    /// They are gone, which `status` sees, and the next update puts them back by one call.
    fn is_noticed_and_healed(&self, venv: &Venv<'_>, what: &str) {
        let world = &self.world;
        let gone = venv.run("import mod_a");
        assert!(gone.stderr.contains("No module named 'mod_a'"), "{what} took nothing: {gone:?}");
        assert!(!world.follows(), "{what}");
        world.calls.take();
        let updated = world.update();
        let calls = world.calls.take();
        assert_eq!(calls.len(), 1, "{what}: {calls:#?}");
        assert_eq!(names(&updated["environments"][0]["reinstalled"]), ["mod-a", "mod-b"], "{what}");
        assert!(updated["updated"].as_array().unwrap().is_empty(), "{what}: {updated}");
        assert_eq!(values(venv, &["mod_a", "mod_b"]), "1 1", "{what}");
        venv.says("import six");
        assert!(world.follows(), "{what}");
        world.update();
        assert_eq!(world.calls.take(), [] as [&str; 0], "{what}: healed is healed");
    }
}

/// T07, for tools.
#[test]
fn what_uv_takes_out_of_a_tool_is_noticed_and_put_back_by_one_call() {
    let Some(host) = Host::new() else { return };
    host.install(&[]);
    host.world.bind(&host.venv());
    assert_eq!(values(&host.venv(), &["mod_a", "mod_b"]), "1 1");
    host.uv(&["tool", "upgrade", "my-host"]).ok();
    host.is_noticed_and_healed(&host.venv(), "uv tool upgrade");
    host.install(&["--force"]);
    host.is_noticed_and_healed(&host.venv(), "uv tool install --force");
    host.install(&["--reinstall"]);
    host.is_noticed_and_healed(&host.venv(), "uv tool install --reinstall");
    let pythons = Python::all();
    let Some(other) = pythons.iter().find(|other| other.version != host.python.version) else {
        return;
    };
    let other = other.executable.to_str().unwrap();
    host.uv(&["tool", "upgrade", "my-host", "--python", other]).ok();
    host.is_noticed_and_healed(&host.venv(), "uv tool upgrade --python");
    host.uv(&["tool", "uninstall", "my-host"]).ok();
    host.world.update();
    host.install(&[]);
    host.is_noticed_and_healed(&host.venv(), "uv tool uninstall and install");
}

/// T07: the form that survives.
#[test]
fn what_bind_says_to_type_survives_upgrades_and_another_python() {
    let Some(host) = Host::new() else { return };
    let world = &host.world;
    host.install(&[]);
    let bound = world.bind(&host.venv());
    let typed = bound["upgrade_command"].as_str().unwrap();
    for module in ["mod-a", "mod-b"] {
        assert!(typed.contains(&format!("--with-editable {}", world.live(module).display())));
    }
    // It names the tool, which is in no index here but at a path.
    let typed = typed.replace(" my-host ", &format!(" '{}' ", host.source.display()));
    world.run("/bin/sh".as_ref(), &["-c", &typed]).ok();
    world.calls.take();
    let all_is_there = |what: &str| {
        assert_eq!(values(&host.venv(), &["mod_a", "mod_b"]), "1 1", "{what}");
        assert!(world.follows(), "{what}");
        world.update();
        assert_eq!(world.calls.take(), [] as [&str; 0], "{what}: there was nothing to do");
    };
    all_is_there("as typed");
    host.uv(&["tool", "upgrade", "my-host"]).ok();
    all_is_there("uv tool upgrade");
    // It takes the metadata of the then current version, too.
    let project = Project::new("mod-a", Backend::Flit).with_code("VALUE = 2").with_version("2.0");
    world.publish(&project);
    world.update();
    host.uv(&["tool", "upgrade", "my-host"]).ok();
    assert_eq!(
        (values(&host.venv(), &["mod_a"]), version(&host.venv(), "mod-a")),
        ("2".into(), "2.0".into())
    );
    world.calls.take();
    let pythons = Python::all();
    if let Some(other) = pythons.iter().find(|other| other.version != host.python.version) {
        host.uv(&["tool", "upgrade", "my-host", "--python", other.executable.to_str().unwrap()])
            .ok();
        assert_eq!(values(&host.venv(), &["mod_a", "mod_b"]), "2 1");
        world.update();
        assert!(world.follows());
    }
    let text = world.home.run(&["bind", "--python", &host.venv().python_text()]).ok().stdout;
    assert!(text.contains("--with-editable"), "people read it too\n{text}");
}

/// T07, for projects and for lists of requirements.
#[test]
fn what_a_sync_takes_out_is_noticed_and_put_back_by_one_call() {
    let Some(host) = Host::new() else { return };
    let world = &host.world;
    let project = &host.source;
    let sync = |more: &[&str]| {
        let python = host.python.executable.to_str().unwrap();
        let mut args =
            vec!["sync", "-q", "--python", python, "--project", project.to_str().unwrap()];
        args.extend(more);
        host.uv(&args).ok();
    };
    sync(&[]);
    let venv = Venv::at(&world.home, &world.tools, project.join(".venv"));
    world.bind(&venv);
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "1 1");
    sync(&["--inexact"]);
    assert!(world.follows(), "this one takes nothing");
    sync(&[]);
    host.is_noticed_and_healed(&venv, "uv sync");
    let list = world.home.scratch().join("requirements.txt");
    fs::write(&list, "iniconfig\n").unwrap();
    venv.uv_pip("sync", &["-q", list.to_str().unwrap()]).ok();
    host.is_noticed_and_healed(&venv, "uv pip sync");
    venv.uv_pip("uninstall", &["-q", "mod-a", "mod-b"]).ok();
    host.is_noticed_and_healed(&venv, "uv pip uninstall");
}

#[test]
fn an_edit_or_another_installation_in_a_modules_place_is_noticed_and_corrected() {
    let Some(host) = Host::new() else { return };
    let world = &host.world;
    let venv = world.bound(&host.python, "venv");
    // The same distribution from elsewhere, as a copy.
    let other = world.home.scratch().join("elsewhere");
    Project::new("mod-a", Backend::Flit).with_code("VALUE = 'other'").write_to(&other);
    venv.uv_pip("install", &["-q", "--no-deps", other.to_str().unwrap()]).ok();
    assert_eq!(values(&venv, &["mod_a"]), "other");
    assert!(!world.follows());
    assert_eq!(names(&world.update()["environments"][0]["reinstalled"]), ["mod-a"]);
    assert_eq!(values(&venv, &["mod_a"]), "1");
    // The file that leads to it, edited.
    let file = venv.site().join("_modstore_mod_b.pth");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("mod-b", "mod-x")).unwrap();
    assert!(!world.follows());
    assert_eq!(names(&world.update()["environments"][0]["reinstalled"]), ["mod-b"]);
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "1 1");
}

#[test]
fn looking_whether_anything_is_lost_starts_no_program() {
    let Some(host) = Host::new() else { return };
    if !modstore_testbed::has_strace() {
        return;
    }
    let world = &host.world;
    let venv = world.bound(&host.python, "venv");
    let log = world.home.scratch().join("calls-of-status");
    let started = |args: &[&str]| {
        world.home.run_traced(&log, &["-e", "trace=execve"], args).ok();
        let text = fs::read_to_string(&log).unwrap();
        text.lines().filter(|line| line.contains("execve(") && line.contains("= 0")).count()
    };
    assert_eq!(started(&["status"]), 1, "itself");
    venv.uv_pip("uninstall", &["-q", "mod-a"]).ok();
    assert_eq!(started(&["status"]), 1, "itself");
    let mut told = world.home.command(&["status"]);
    told.env("COLUMNS", "200");
    let told = Running::start(told).wait().ok().stdout;
    assert!(told.contains("`modstore update` installs it"), "{told}");
}
