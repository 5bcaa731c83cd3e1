//! A host pinned to one generation: by `exec`, and by the Python file that hosts may copy.
//!
//! Real Pythons, each minor version of the machine; modules without any build, bound by a file of the test's own would
//! be no proof, so they are bound by uv. What a lease is worth against sweeps is in `leases.rs`.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::fs;

use modstore_testbed::{Backend, Project, Python, PythonTools, Ran, Repo, Running, TestHome, Venv};

/// A bound environment with two modules, each in two versions; version 2 is current.
struct World {
    home: TestHome,
    tools: PythonTools,
    repos: Vec<(Project, Repo)>,
}

impl World {
    fn new() -> Option<Self> {
        let tools = PythonTools::find()?;
        let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        tools.lead(&mut home);
        let mut repos = Vec::new();
        for (name, backend) in [("mod-a", Backend::Hatchling), ("mod-b", Backend::HatchlingFlat)] {
            let project = Project::new(name, backend).with_code("VALUE = 1");
            let repo = Repo::create(&home.scratch(), name);
            commit(&repo, &project, 1);
            home.run(&["add", &format!("git+{}", repo.url_file())]).ok();
            repos.push((project, repo));
        }
        Some(Self { home, tools, repos })
    }

    fn bind(&self, python: &Python, name: &str) -> Venv<'_> {
        let venv = Venv::create(&self.home, &self.tools, python, name);
        self.home.run(&["bind", "--python", &venv.python_text()]).ok();
        venv
    }

    fn update_to(&self, value: u32) {
        self.repos.iter().for_each(|(project, repo)| drop(commit(repo, project, value)));
        self.home.run(&["update"]).ok();
    }

    fn write_helper(&self) -> std::path::PathBuf {
        let place = self.home.scratch().join("host");
        fs::create_dir_all(&place).unwrap();
        let text = self.home.run(&["helper", "python"]).ok().stdout;
        fs::write(place.join("modstore_host.py"), text).unwrap();
        place
    }
}

/// A commit in which the package and its lazily imported part have this value.
fn commit(repo: &Repo, project: &Project, value: u32) -> String {
    let project = project.with_code(&format!("VALUE = {value}"));
    let mut files = project.files();
    let lazy = format!("{}{}/lazy.py", project.backend.root(), project.package());
    files.push((lazy, format!("VALUE = {value}\n")));
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    repo.write(&files)
}

/// A host that pins itself, says what it sees, waits for a line, and says what it sees then: of modules that it
/// imports only now, of a child, and of its environment.
const HOST: &str = r#"
import sys; sys.path.insert(0, sys.argv[1])
import modstore_host
pinned = modstore_host.pin()
import mod_a
print(mod_a.VALUE, flush=True)
sys.stdin.readline()
import mod_a.lazy, mod_b, mod_b.lazy, os, subprocess
print(mod_a.lazy.VALUE, mod_b.VALUE, mod_b.lazy.VALUE)
code = "import mod_a, mod_b.lazy; print(mod_a.VALUE, mod_b.lazy.VALUE)"
print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip())
print(sorted(os.listdir(pinned.directory)), os.environ["MODSTORE_GENERATION"] == str(pinned.number))
"#;

/// Starts the host, and waits until it has imported the first module.
fn start(world: &World, venv: &Venv<'_>, script: &str) -> std::process::Child {
    let place = world.write_helper();
    let mut command =
        world.home.command_of(&venv.python(), &["-c", script, place.to_str().unwrap()]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn a_host_that_pins_itself_sees_one_generation_until_it_ends_and_no_sweep_takes_it() {
    let Some(world) = World::new() else { return };
    for (number, python) in Python::all().into_iter().enumerate() {
        let value = u32::try_from(number).unwrap() * 2 + 2;
        let venv = world.bind(&python, &format!("venv-{number}"));
        world.update_to(value);
        let mut host = start(&world, &venv, HOST);
        let mut stdout = std::io::BufReader::new(host.stdout.take().unwrap());
        let mut first = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut first).unwrap();
        assert_eq!(first.trim(), value.to_string(), "{python:?}");
        let leases = world.home.run(&["status"]).ok().stdout;
        assert!(leases.contains("leases"), "{leases}");
        world.update_to(value + 1);
        world.home.run(&["gc", "--keep", "1", "--older-than", "0s"]).ok();
        assert_eq!(venv.says("import mod_a; print(mod_a.VALUE)"), (value + 1).to_string());
        std::io::Write::write_all(&mut host.stdin.take().unwrap(), b"\n").unwrap();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
        assert!(host.wait().unwrap().success());
        let expected =
            format!("{value} {value} {value}\n{value} {value}\n['mod-a', 'mod-b'] True\n");
        assert_eq!(rest, expected, "{python:?}");
        assert!(!world.home.run(&["status"]).ok().stdout.contains("leases"));
    }
}

#[test]
fn exec_gives_a_whole_process_tree_one_generation_also_an_older_one() {
    let Some(world) = World::new() else { return };
    let Some(python) = Python::any() else { return };
    let venv = world.bind(&python, "venv");
    world.update_to(2);
    let code = "import mod_a, mod_b.lazy, os; print(mod_a.VALUE, mod_b.lazy.VALUE, os.environ.get('PYTHONPATH', '').count('generations'))";
    let python = venv.python_text();
    let run = |options: &[&str]| -> Ran {
        let command = ["--", python.as_str(), "-c", code];
        let arguments: Vec<&str> =
            ["exec"].into_iter().chain(options.iter().copied()).chain(command).collect();
        world.home.run(&arguments).ok()
    };
    assert_eq!(run(&[]).stdout.trim(), "2 2 2");
    let shown = world.home.run(&["--json", "status"]).ok().json()["generation"].as_u64().unwrap();
    let before = (shown - 1).to_string();
    assert_eq!(run(&["--generation", &before]).stdout.trim(), "1 1 2");
    assert_eq!(run(&["--python", venv.prefix().to_str().unwrap()]).stdout.trim(), "2 2 2");
    world.home.run(&["exec", "--python", "/no/python", "--", "true"]).fails(2).says("not bound");
    // A program of no environment gets the paths of all that are bound, and its own after them.
    let mut shell = world.home.command(&["exec", "--", "sh", "-c", "echo $PYTHONPATH"]);
    shell.env("PYTHONPATH", "/its/own");
    let shown = Running::start(shell).wait().ok().stdout;
    assert!(shown.trim().ends_with(":/its/own") && shown.matches("mod-").count() == 2, "{shown}");
}

#[test]
fn a_host_started_by_exec_pins_itself_to_what_it_was_given() {
    let Some(world) = World::new() else { return };
    let Some(python) = Python::any() else { return };
    let venv = world.bind(&python, "venv");
    world.update_to(2);
    let place = world.write_helper();
    let code = format!(
        "import sys; sys.path.insert(0, {:?}); import modstore_host; p = modstore_host.pin(); import mod_a, mod_b; print(mod_a.VALUE, mod_b.VALUE)",
        place.to_str().unwrap()
    );
    let shown = world.home.run(&["--json", "status"]).ok().json()["generation"].as_u64().unwrap();
    let before = (shown - 1).to_string();
    let python = venv.python_text();
    let ran = world.home.run(&["exec", "--generation", &before, "--", &python, "-c", &code]).ok();
    assert_eq!(ran.stdout.trim(), "1 1");
}

#[test]
fn a_store_that_shows_nothing_is_said_and_a_read_only_one_can_be_pinned() {
    let Some(world) = World::new() else { return };
    let Some(python) = Python::any() else { return };
    let venv = world.bind(&python, "venv");
    let place = world.write_helper();
    let pin = |home: &str| {
        format!(
            "import sys; sys.path.insert(0, {:?}); import modstore_host\ntry:\n  print(modstore_host.pin({home:?}).number)\nexcept modstore_host.NothingShown as e: print('nothing', e)",
            place.to_str().unwrap()
        )
    };
    let empty = world.home.scratch().join("empty");
    assert!(venv.says(&pin(empty.to_str().unwrap())).starts_with("nothing the store in"));
    // As if it could not be written to: leases are taken on the generation's own directory then.
    let leases = world.home.path().join("leases");
    fs::rename(&leases, world.home.path().join("elsewhere")).unwrap();
    let shown = world.home.run(&["--json", "status"]).ok().json()["generation"].as_u64().unwrap();
    assert_eq!(venv.says(&pin(world.home.path().to_str().unwrap())), shown.to_string());
}

/// A host that activates its modules, sees an update only when it takes it over, and meets each kind of failure.
const ACTIVATING: &str = r#"
import json, os, sys; sys.path.insert(0, sys.argv[1])
import modstore_host as host
sources = json.loads(sys.argv[2])
events = []
active = host.activate(sources, on_event=events.append)
assert [m.code for m in active.modules] == [None, None, "no-such-repository"], active
assert [m.source for m in active.failed] == [sources[2]], active.failed
assert events and all(e["done"] <= e["of"] for e in events if e["event"] == "module"), events
assert active.pinned.number == active.generation and active.changed
import mod_a
print(mod_a.VALUE, flush=True)
again = host.activate(sources[:2])
assert not again.changed and again.answer["bound"] is None, again.answer
assert again.import_path == active.import_path and all(p in sys.path for p in again.import_path)
assert host.ensure([{"source": sources[0], "file": "nowhere"}]).modules[0].code == "no-such-file"
print(sys.stdin.readline().strip())
assert [m["change"] for m in host.outdated(["mod-a"])] == ["updated"]
assert [m["module"] for m in host.update()["updated"]] == ["mod-a", "mod-b"]
assert not [f for f in host.doctor(quick=True) if f["severity"] == "broken"]
current = os.path.join(os.environ["MODSTORE_HOME"], "current", "mod-b")
sys.path.append(current)
print(host.pin().number == active.generation, host.directory_of("mod-a") == active.modules[0].directory)
fresh = host.pin(refresh=True)
print(fresh.number > active.generation, host.directory_of("mod-a") != active.modules[0].directory)
print(sys.path[-1] == os.path.join(fresh.directory, "mod-b"), host.pin() is fresh)
import mod_b
print(mod_a.VALUE, mod_b.VALUE)
for call, code in [
    (lambda: host.directory_of("nope"), "no-module"),
    (lambda: host.update(["nope"]), "usage"),
    (lambda: host.ensure([{"sauce": 1}]), "usage"),
    (lambda: host.directory_of("mod-a", home="/no/store"), "no-generation"),
]:
    try:
        call()
        print("no error", code)
    except host.ModstoreError as error:
        print(error.code == code, bool(error.message), bool(error.hint))
os.environ["MODSTORE_BINARY"] = "/no/modstore"
try:
    host.update()
except host.NoProgram as error:
    print(error.code, "/no/modstore" in str(error), "MODSTORE_BINARY" in error.hint)
"#;

#[test]
fn a_host_activates_its_modules_and_takes_over_an_update_when_it_wants() {
    let Some(world) = World::new() else { return };
    let sources: Vec<String> =
        world.repos.iter().map(|(_, repo)| format!("git+{}", repo.url_file())).collect();
    let gone = format!("git+file://{}/gone", world.home.scratch().display());
    let sources = serde_json::json!([sources[0], sources[1], gone]).to_string();
    for (number, python) in Python::all().into_iter().enumerate() {
        let venv = Venv::create(&world.home, &world.tools, &python, &format!("host-{number}"));
        let place = world.write_helper();
        let value = u32::try_from(number).unwrap() * 2 + 2;
        world.update_to(value);
        let arguments = ["-c", ACTIVATING, place.to_str().unwrap(), &sources];
        let mut command = world.home.command_of(&venv.python(), &arguments);
        command.env("MODSTORE_BINARY", env!("CARGO_BIN_EXE_modstore"));
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut host = command.spawn().unwrap();
        let mut stdout = std::io::BufReader::new(host.stdout.take().unwrap());
        let mut first = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut first).unwrap();
        assert_eq!(first.trim(), value.to_string(), "{python:?}");
        world.repos.iter().for_each(|(project, repo)| drop(commit(repo, project, value + 1)));
        std::io::Write::write_all(&mut host.stdin.take().unwrap(), b"go on\n").unwrap();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
        assert!(host.wait().unwrap().success(), "{python:?}: {rest}");
        let expected = format!(
            "go on\nTrue True\nTrue True\nTrue True\n{value} {}\n{}no-program True True\n",
            value + 1,
            "True True True\n".repeat(4)
        );
        assert_eq!(rest, expected, "{python:?}");
        // What was uninstalled meanwhile is put back by the next start, and nothing is run when all is there.
        let input = world.home.scratch().join("sources.json");
        let listed: serde_json::Value = serde_json::from_str(&sources).unwrap();
        let first = serde_json::json!({ "modules": [{ "source": listed[0] }] });
        fs::write(&input, first.to_string()).unwrap();
        let activate = || {
            let python = venv.python_text();
            let mut command = world.home.command(&["--json", "activate", "--python", &python]);
            command.stdin(fs::File::open(&input).unwrap());
            let output = command.output().unwrap();
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
        };
        assert_eq!(activate()["bound"], serde_json::Value::Null);
        let find = "import glob, sysconfig; print(glob.glob(sysconfig.get_paths()['purelib'] + '/_modstore_mod_a.pth')[0])";
        fs::remove_file(venv.says(find).trim()).unwrap();
        assert_eq!(activate()["bound"]["reinstalled"], serde_json::json!(["mod-a"]));
    }
}
