//! Amplifier's modules in a store, by the adapter of the Python package: `modstore.amplifier`.
//!
//! Amplifier itself is a stand-in (`amplifier/`); the modules, the servers, the environments and the store are real.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use modstore_testbed::{Backend, Change, Project, Python, PythonTools, Repo, TestHome, Venv};

const HOST: &str = r#"
import asyncio, json, logging, sys
logging.disable(logging.CRITICAL)
from pathlib import Path
from amplifier_foundation.sources import parse_uri, BundleNotFoundError
from amplifier_foundation.sources.git import GitSourceHandler
from amplifier_foundation.modules.activator import ModuleActivator, ModuleActivationError
from amplifier_app_cli.utils import module_cache

sources = json.loads(sys.argv[2])
handler, cache = GitSourceHandler(), Path("/nowhere")

def asked(call):
    try:
        return asyncio.run(call)
    except (BundleNotFoundError, ModuleActivationError) as error:
        return "%s: %s" % (type(error).__name__, error)

def shown(value):
    print(json.dumps(value, default=str))

def activate():
    activator = ModuleActivator()
    found = asked(activator.activate_all([{"module": name, "source": source} for name, source in sources.items()]))
    shown({name: str(path).partition("/current/")[2] or str(path) for name, path in found.items()})
    for path in found.values():
        asyncio.run(activator._install_dependencies(Path(path)))
    shown(activator.installed)

def strictly():
    shown(asked(ModuleActivator(strict=True).activate_all([{"module": "x", "source": sources["mod-a"] + "-gone"}])))

def resolve(source):
    found = asked(handler.resolve(parse_uri(source), cache))
    shown(found if isinstance(found, str) else [str(found.active_path).rpartition("/current/")[2], found.source_root.name])

def status(source):
    told = asyncio.run(handler.get_status(parse_uri(source), cache))
    shown([told.is_cached, told.has_update, told.summary.partition("(")[0].strip()])

def update():
    for each in module_cache.scan_cached_modules():
        try:
            path = asyncio.run(module_cache.update_module(each.url, each.ref))
            print(each.module_id, each.module_type, each.ref, each.is_mutable, path.name)
        except Exception as error:
            print(each.module_id, error)
    print(module_cache.clear_module_cache()[0])

def values():
    import mod_a, mod_b
    print(mod_a.VALUE, mod_b.VALUE)

exec(sys.argv[1])
"#;

struct World {
    home: TestHome,
    tools: PythonTools,
    repos: Vec<(Project, Repo)>,
}

fn commit(repo: &Repo, project: &Project) {
    let changes: Vec<Change> =
        project.files().iter().map(|(path, text)| Change::write(path, text)).collect();
    repo.commit("main", &changes);
}

/// An environment with Amplifier and the Python package.
struct Host<'a> {
    world: &'a World,
    venv: Venv<'a>,
}

impl World {
    fn new() -> Option<Self> {
        let tools = PythonTools::find()?;
        let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        tools.lead(&mut home);
        home.env("MODSTORE_BINARY", env!("CARGO_BIN_EXE_modstore"));
        let projects = [("mod-a", Backend::Hatchling), ("mod-b", Backend::HatchlingFlat)];
        let repos = projects.map(|(name, backend)| {
            let project = Project::new(name, backend).with_code("VALUE = 1");
            let repo = Repo::create(&home.scratch(), name);
            commit(&repo, &project);
            (project, repo)
        });
        Some(Self { home, tools, repos: repos.into() })
    }

    fn push(&self, module: usize, code: &str) {
        let (project, repo) = &self.repos[module];
        commit(repo, &project.with_code(code));
    }

    fn source(&self, module: usize) -> String {
        format!("git+{}@main", self.repos[module].1.url_file())
    }

    fn host(&self, python: &Python) -> Host<'_> {
        let venv = Venv::create(&self.home, &self.tools, python, "amplifier");
        let site = "import sysconfig; print(sysconfig.get_path('purelib'))";
        let site = PathBuf::from(venv.says(site).trim());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for (from, package) in [
            ("cli/packaging/python/modstore", "modstore"),
            ("tests/amplifier/amplifier_foundation", "amplifier_foundation"),
            ("tests/amplifier/amplifier_app_cli", "amplifier_app_cli"),
        ] {
            let mut copy = Command::new("cp");
            copy.args([
                "-RL",
                root.join(from).to_str().unwrap(),
                site.join(package).to_str().unwrap(),
            ]);
            assert!(copy.status().unwrap().success());
        }
        Host { world: self, venv }
    }
}

impl Host<'_> {
    /// What a new process of the host prints.
    fn runs(&self, code: &str) -> String {
        let sources =
            serde_json::json!({ "mod-a": self.world.source(0), "mod-b": self.world.source(1) });
        let script = self.world.home.scratch().join("host.py");
        fs::write(&script, HOST).unwrap();
        self.python(&[script.to_str().unwrap(), code, &sources.to_string()])
    }

    fn python(&self, arguments: &[&str]) -> String {
        let output = self.world.home.command_of(&self.venv.python(), arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert_eq!(said, "");
        String::from_utf8(output.stdout).unwrap()
    }

    fn switch(&self, word: &str) -> String {
        self.python(&["-m", "modstore.amplifier", word])
    }
}

#[test]
fn amplifier_activates_updates_and_lists_what_the_store_has_and_clones_nothing() {
    let Some(world) = World::new() else { return };
    let host = world.host(&Python::any().unwrap());
    assert!(host.runs("resolve(sources['mod-a'])").contains("Amplifier would clone here"));
    host.switch("on");
    assert!(!host.switch("status").contains("false"), "each part is replaced");

    let told = host.runs("activate(); values()");
    assert_eq!(told, "{\"mod-a\": \"mod-a\", \"mod-b\": \"mod-b\"}\n[]\n1 1\n");
    assert_eq!(host.runs("values()"), "1 1\n", "each process of the environment has them");
    // Another spelling of the address is the same module.
    assert_eq!(
        host.runs("resolve(sources['mod-a'].replace('@', '/@'))"),
        "[\"mod-a\", \"mod-a\"]\n"
    );

    world.push(0, "VALUE = 2");
    assert_eq!(host.runs("status(sources['mod-a'])"), "[true, true, \"Update available\"]\n");
    assert_eq!(host.runs("status(sources['mod-b'])"), "[true, false, \"Up to date\"]\n");
    let told = host.runs("values(); update()");
    assert_eq!(told, "1 1\nmod-a tool main True mod-a\nmod-b tool main True mod-b\n0\n");
    assert_eq!(host.runs("values()"), "2 1\n");

    // Off again, and Amplifier is as it was.
    host.switch("off");
    assert!(host.runs("resolve(sources['mod-a'])").contains("Amplifier would clone here"));
}

#[test]
fn what_cannot_be_had_is_amplifiers_own_error_with_the_cause_and_what_worked_stays() {
    let Some(world) = World::new() else { return };
    let host = world.host(&Python::any().unwrap());
    host.switch("on");
    host.runs("activate()");
    world.push(0, "import not_there_at_all");
    fs::remove_dir_all(world.repos[1].1.path()).unwrap();
    let told = host.runs("update()");
    assert!(told.contains("mod-a it cannot be imported: ModuleNotFoundError"), "{told}");
    assert!(told.contains("mod-b the server has no such repository"), "{told}");
    assert_eq!(host.runs("values()"), "1 1\n");

    let told = host.runs("resolve(sources['mod-a'] + '-no-such-branch')");
    assert!(told.contains("BundleNotFoundError") && told.contains("no-such-branch"), "{told}");
    let told = host.runs("resolve(sources['mod-a'] + '#subdirectory=../../etc')");
    assert!(told.contains("BundleNotFoundError"), "{told}");
    let told = host.runs("strictly()");
    assert!(told.contains("ModuleActivationError: 1 of 1 modules failed"), "{told}");
    assert_eq!(host.runs("values()"), "1 1\n");
}

#[test]
fn sources_that_are_no_git_repositories_stay_amplifiers_own() {
    let Some(world) = World::new() else { return };
    let host = world.host(&Python::any().unwrap());
    host.switch("on");
    let told = host.runs("sources = {'x': '/a/directory'}; activate()");
    assert_eq!(
        told,
        "{\"x\": \"Amplifier's own: /a/directory\"}\n[\"Amplifier's own: /a/directory\"]\n"
    );
    assert_eq!(host.runs("print(module_cache.scan_cached_modules())"), "[]\n");
}

#[test]
fn an_environment_that_has_lost_modstore_starts_as_ever() {
    let Some(world) = World::new() else { return };
    let host = world.host(&Python::any().unwrap());
    host.switch("on");
    let package = "import modstore; print(modstore.__path__[0])";
    let package = host.python(&["-c", package]);
    fs::remove_dir_all(package.trim()).unwrap();
    assert_eq!(host.python(&["-c", "print('started')"]), "started\n");
    assert!(host.runs("resolve(sources['mod-a'])").contains("Amplifier would clone here"));
}
