//! What Python itself says decides: nothing healthy is called broken, what wins over a distribution is named, and nothing is
//! run or changed that need not be.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use modstore_testbed::{Backend, Project, Repo, Venv, skip_loudly};

use crate::world::{World, codes, install, only, text};

/// Writes files below a directory of the world's.
fn written(world: &World, directory: &str, files: &[(&str, &str)]) -> PathBuf {
    let directory = world.home.scratch().join(directory);
    for (path, content) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

/// The `pyproject.toml` of a project that setuptools builds.
fn setuptools(name: &str, more: &str) -> String {
    format!(
        "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n\n[project]\nname = \"{name}\"\nversion = \"1.0\"\n\n{more}"
    )
}

#[track_caller]
fn assert_healthy(world: &World, venv: &Venv<'_>, more: &[&str]) {
    let (ran, told) = world.doctor(venv, more);
    assert_eq!(codes(&told), Vec::<&str>::new(), "{told:#}");
    ran.ok();
}

/// Runs the command that a finding prints.
pub(crate) fn obey(world: &World, command: &str) {
    let uv = world.tools.uv().parent().unwrap();
    let path = format!("{}:{}", uv.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("PATH", path).env("UV_OFFLINE", "1");
    shell.env("UV_FIND_LINKS", world.tools.wheels());
    assert!(shell.status().unwrap().success(), "{command}");
}

#[test]
fn a_directory_that_wins_over_an_editable_is_named_and_its_command_fixes_it() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let settings = setuptools("shady", "[tool.setuptools]\npackages = [\"shady\", \"other\"]\n");
    let project = written(
        &world,
        "p",
        &[
            ("pyproject.toml", &settings),
            ("shady/__init__.py", "V = 1\n"),
            ("other/__init__.py", ""),
        ],
    );
    install(&venv, &[&project]);
    assert_healthy(&world, &venv, &[]);
    // Byte code that an uninstall has left is a namespace package, and stands first.
    let left = venv.site().join("shady");
    fs::create_dir_all(left.join("__pycache__")).unwrap();
    fs::write(left.join("__pycache__/kernel.nbc"), "x").unwrap();
    assert!(venv.says("import shady; print(hasattr(shady, 'V'))").contains("False"));
    for more in [&[][..], &["--import"], &["--fix"]] {
        let (ran, told) = world.doctor(&venv, more);
        ran.fails(1);
        assert_eq!(codes(&told), ["D20"], "{told:#}");
        assert_eq!(only(&told, "D20")["path"], text(&left));
    }
    assert!(left.is_dir(), "whose it is, nobody has recorded");
    let (_, told) = world.doctor(&venv, &[]);
    obey(&world, only(&told, "D20")["fix"].as_str().unwrap());
    assert_healthy(&world, &venv, &["--import"]);
}

#[test]
fn another_distribution_that_wins_over_an_editable_is_named() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    for name in ["first", "second"] {
        let settings = setuptools(name, "[tool.setuptools]\npackages = [\"shared\"]\n");
        let project = written(
            &world,
            name,
            &[("pyproject.toml", &settings), ("shared/__init__.py", "V = 1\n")],
        );
        let arguments = if name == "first" { vec!["-q"] } else { vec!["-q", "-e"] };
        venv.uv_pip("install", &[arguments, vec![text(&project)]].concat()).ok();
    }
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(1);
    let found = only(&told, "D20");
    assert_eq!(found["distribution"], "second");
    assert!(
        found["not_fixed_because"].as_str().unwrap().contains("first has installed it"),
        "{told:#}"
    );
}

#[test]
fn parts_of_one_namespace_are_healthy() {
    let Some(world) = World::new() else { return };
    // Setuptools leads to what stands at the top by a finder, and to `src` by a path.
    for below in ["", "src/"] {
        let venv = world.venv(&format!("venv{}", below.len()));
        let mut projects = Vec::new();
        for part in ["one", "two"] {
            let settings = setuptools(
                &format!("acme-{part}"),
                &format!(
                    "[tool.setuptools.packages.find]\nwhere = [\"./{below}\"]\ninclude = [\"acme*\"]\n"
                ),
            );
            let module = format!("{below}acme/{part}/__init__.py");
            let files = [("pyproject.toml", settings.as_str()), (module.as_str(), "V = 1\n")];
            projects.push(written(&world, &format!("{part}{}", below.len()), &files));
        }
        let projects: Vec<&Path> = projects.iter().map(PathBuf::as_path).collect();
        install(&venv, &projects);
        venv.says("import acme.one, acme.two");
        assert_healthy(&world, &venv, &[]);
        assert_healthy(&world, &venv, &["--import"]);
        fs::remove_dir_all(projects[0].join(below).join("acme")).unwrap();
        world.doctor(&venv, &[]).0.fails(1);
    }
}

#[test]
fn a_compiled_module_is_found_by_the_name_that_its_finder_has_for_it() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let setup = "from setuptools import setup, Extension\nsetup(name='fast', version='1.0', packages=['fast'], ext_modules=[Extension('_speed', ['_speed.c'])])\n";
    let source = "#include <Python.h>\nstatic struct PyModuleDef m = {PyModuleDef_HEAD_INIT, \"_speed\", NULL, -1, NULL};\nPyMODINIT_FUNC PyInit__speed(void) { return PyModule_Create(&m); }\n";
    let project = written(
        &world,
        "fast",
        &[
            ("pyproject.toml", &setuptools("fast", "")),
            ("setup.py", setup),
            ("_speed.c", source),
            ("fast/__init__.py", "import _speed\n"),
        ],
    );
    let headers = venv.says("import sysconfig; print(sysconfig.get_path('include'))");
    if !Path::new(headers.trim()).join("Python.h").is_file() {
        return skip_loudly("this Python has no C headers");
    }
    install(&venv, &[&project]);
    venv.says("import fast");
    assert_healthy(&world, &venv, &[]);
}

#[test]
fn nothing_of_a_distribution_is_run_unless_import_is_given_and_scripts_beside_it_never() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let place = world.home.scratch();
    let mark = |name: &str| format!("open({:?}, 'w')\n", place.join(name));
    let project = Project::new("flatpkg", Backend::Poetry).with_code(&mark("imported"));
    let root = place.join("flat");
    project.write_to(&root);
    // Poetry finds a package in the project's own directory as well, and puts that on the import path.
    fs::rename(root.join("src/flatpkg"), root.join("flatpkg")).unwrap();
    fs::remove_dir(root.join("src")).unwrap();
    fs::write(root.join("drop_database.py"), mark("dropped")).unwrap();
    fs::write(root.join("plot.py"), "import not_here_at_all\n").unwrap();
    install(&venv, &[&root]);
    for more in [&["--quick"][..], &[], &["--fix"]] {
        assert_healthy(&world, &venv, more);
        assert!(!place.join("imported").exists(), "{more:?} ran code");
    }
    assert_healthy(&world, &venv, &["--import"]);
    assert!(place.join("imported").exists() && !place.join("dropped").exists());
}

#[test]
fn a_requirement_that_the_python_below_has_is_met() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    // A `.pth` leads to what is installed elsewhere, as a virtual environment leads to the Python below it.
    let below = world.venv("below");
    below.uv_pip("install", &["-q", "--no-deps", "six==1.16.0"]).ok();
    fs::write(venv.site().join("below.pth"), format!("{}\n", below.site().display())).unwrap();
    let project = Project::new("needs", Backend::Hatchling).needing(&["six>=1.10"]);
    let root = world.home.scratch().join("needs");
    project.write_to(&root);
    install(&venv, &[&root]);
    assert_healthy(&world, &venv, &[]);
    assert_healthy(&world, &venv, &["--fix"]);
    assert!(!venv.site().join("six.py").exists(), "no second copy");
}

#[test]
fn an_entry_point_that_leads_elsewhere_now_is_told_and_mended() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let root = world.home.scratch().join("tool");
    Project::new("tool", Backend::Hatchling).write_to(&root);
    install(&venv, &[&root]);
    let settings = root.join("pyproject.toml");
    let moved =
        fs::read_to_string(&settings).unwrap().replace("\"tool:main\"", "\"tool.cli:main\"");
    fs::write(&settings, moved).unwrap();
    fs::write(root.join("src/tool/cli.py"), "def main(): print('ran')\n").unwrap();
    let (_, told) = world.doctor(&venv, &[]);
    assert!(only(&told, "D09")["message"].as_str().unwrap().contains("tool.cli:main"), "{told:#}");
    world.doctor(&venv, &["--fix"]).0.ok();
    let mut program = Command::new(venv.prefix().join("bin/run-tool"));
    assert_eq!(program.output().unwrap().stdout, b"ran\n");
    assert_healthy(&world, &venv, &[]);
}

#[test]
fn metadata_that_an_upgrade_left_is_told_as_that_and_the_requirement_is_met() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = Project::new("host", Backend::Hatchling).needing(&["six>=1.17"]);
    let root = world.home.scratch().join("host");
    project.write_to(&root);
    venv.uv_pip("install", &["-q", "six==1.16.0"]).ok();
    let old = venv.site().join("six-1.16.0.dist-info");
    let aside = world.home.scratch().join("aside");
    assert!(Command::new("cp").arg("-r").args([&old, &aside]).status().unwrap().success());
    venv.uv_pip("install", &["-q", "six==1.17.0"]).ok();
    install(&venv, &[&root]);
    assert!(Command::new("cp").arg("-r").args([&aside, &old]).status().unwrap().success());
    let (ran, told) = world.doctor(&venv, &[]);
    ran.ok();
    assert_eq!(codes(&told), ["D22"], "{told:#}");
    let found = only(&told, "D22");
    assert_eq!(found["path"], text(&old));
    obey(&world, found["fix"].as_str().unwrap());
    assert_healthy(&world, &venv, &[]);
}

#[test]
fn a_pth_that_disturbs_or_stops_every_start_is_named_and_its_command_helps() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let root = world.home.scratch().join("okay");
    Project::new("okay", Backend::Hatchling).write_to(&root);
    install(&venv, &[&root]);
    let gone = venv.site().join("__editable__.gone-1.0.pth");
    fs::write(&gone, "import __editable___gone_finder; __editable___gone_finder.install()\n")
        .unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.ok();
    let found = only(&told, "D21");
    assert_eq!(
        (found["path"].as_str(), found["severity"].as_str()),
        (Some(text(&gone)), Some("warning"))
    );
    assert!(found["message"].as_str().unwrap().contains("ModuleNotFoundError"), "{told:#}");
    obey(&world, found["fix"].as_str().unwrap());
    assert_healthy(&world, &venv, &[]);

    let odd = venv.site().join("zz_lab.pth");
    fs::write(&odd, b"/srv/donn\xe9es/lib\n").unwrap();
    let stops = venv.run("import okay").status != 0;
    let (ran, told) = world.doctor(&venv, &[]);
    if stops {
        ran.fails(1);
        let found = only(&told, "D21");
        assert_eq!(
            (found["path"].as_str(), found["severity"].as_str()),
            (Some(text(&odd)), Some("broken"))
        );
        obey(&world, found["fix"].as_str().unwrap());
        venv.says("import okay");
        assert_healthy(&world, &venv, &[]);
    } else {
        ran.ok();
    }
}

#[test]
fn programs_of_an_environment_that_was_moved_are_told_and_their_command_mends_them() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("place/venv");
    venv.uv_pip("install", &["-q", "wheel"]).ok();
    let program = venv.prefix().join("bin/wheel");
    assert!(program.is_file());
    let moved = world.home.scratch().join("moved");
    fs::rename(venv.prefix(), &moved).unwrap();
    let moved = Venv::at(&world.home, &world.tools, moved);
    let (ran, told) = world.doctor(&moved, &[]);
    ran.ok();
    let found = only(&told, "D23");
    assert!(found["message"].as_str().unwrap().contains("wheel"), "{told:#}");
    obey(&world, found["fix"].as_str().unwrap());
    assert!(
        Command::new(moved.prefix().join("bin/wheel")).arg("version").status().unwrap().success()
    );
    assert_healthy(&world, &moved, &[]);
}

#[test]
fn a_fix_does_not_break_a_host_to_please_a_module() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    for (name, needs) in [("host", "six>=1.17"), ("module", "six<1.17")] {
        Project::new(name, Backend::Hatchling)
            .needing(&[needs])
            .write_to(&world.home.scratch().join(name));
    }
    venv.uv_pip("install", &["-q", "six==1.17.0"]).ok();
    venv.uv_pip("install", &["-q", "--no-deps", text(&world.home.scratch().join("host"))]).ok();
    install(&venv, &[&world.home.scratch().join("module")]);
    for more in [&[][..], &["--fix"], &["--fix"]] {
        let (ran, told) = world.doctor(&venv, more);
        ran.ok();
        let found = only(&told, "D09");
        assert_eq!(found["severity"], "warning");
        let message = found["message"].as_str().unwrap();
        assert!(message.contains("six<1.17") && message.contains("host (six>=1.17)"), "{told:#}");
        assert_eq!(venv.says("import six; print(six.__version__)"), "1.17.0");
    }
}

#[test]
fn what_has_no_code_is_healthy() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let of_setuptools =
        setuptools("bundle-docs", "[tool.setuptools]\npackages = []\npy-modules = []\n");
    let of_hatchling = "[build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n[project]\nname = \"bundle-skills\"\nversion = \"1.0\"\n[tool.hatch.build.targets.wheel]\nbypass-selection = true\n";
    let docs = written(&world, "docs", &[("pyproject.toml", &of_setuptools)]);
    let skills = written(&world, "skills", &[("pyproject.toml", of_hatchling)]);
    install(&venv, &[&docs, &skills]);
    assert_healthy(&world, &venv, &[]);
    assert_healthy(&world, &venv, &["--import"]);
    let (ran, told) = world.doctor(&venv, &["--fix"]);
    ran.ok();
    assert_eq!(told["fixed"].as_array().unwrap().len(), 0);
}

#[test]
fn a_missing_requirement_comes_from_where_its_project_takes_it_and_from_no_index() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let common = world.home.scratch().join("common");
    Project::new("private-common-zz9", Backend::Hatchling).write_to(&common);
    let mut tool = Project::new("tool", Backend::Hatchling).needing(&["private-common-zz9"]);
    tool.settings =
        "[tool.uv.sources]\nprivate-common-zz9 = { path = \"../common\", editable = true }\n"
            .into();
    let root = world.home.scratch().join("tool");
    tool.write_to(&root);
    install(&venv, &[&root]);
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(1);
    let fix = only(&told, "D09")["fix"].as_str().unwrap().to_owned();
    assert!(fix.ends_with(&format!("-e {}", common.display())), "{fix}");
    world.doctor(&venv, &["--fix"]).0.ok();
    venv.says("import private_common_zz9");
    assert_healthy(&world, &venv, &[]);
    // The printed command does the same.
    venv.uv_pip("uninstall", &["-q", "private-common-zz9"]).ok();
    obey(&world, &fix);
    assert_healthy(&world, &venv, &[]);
}

#[test]
fn a_requirement_whose_files_another_uninstall_took_is_named() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let root = world.home.scratch().join("tool");
    Project::new("tool", Backend::Hatchling).needing(&["six"]).write_to(&root);
    venv.uv_pip("install", &["-q", "six==1.17.0"]).ok();
    install(&venv, &[&root]);
    fs::remove_file(venv.site().join("six.py")).unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(1);
    assert!(
        only(&told, "D09")["message"].as_str().unwrap().contains("all its files are gone"),
        "{told:#}"
    );
    world.doctor(&venv, &["--fix"]).0.ok();
    venv.says("import six");
    assert_healthy(&world, &venv, &[]);
}

#[test]
fn packages_from_beside_a_project_are_healthy() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let settings = "[build-system]\nrequires = [\"poetry-core\"]\nbuild-backend = \"poetry.core.masonry.api\"\n[project]\nname = \"app\"\nversion = \"1.0\"\n[tool.poetry]\npackages = [{include = \"acme/brick\", from = \"../../components\"}]\n";
    let workspace = written(
        &world,
        "ws",
        &[
            ("projects/app/pyproject.toml", settings),
            ("components/acme/brick/__init__.py", "V = 1\n"),
        ],
    );
    install(&venv, &[&workspace.join("projects/app")]);
    venv.says("import acme.brick");
    assert_healthy(&world, &venv, &[]);
    assert_healthy(&world, &venv, &["--quick"]);
}

#[test]
fn bind_and_update_try_only_what_a_module_promises_where_it_is_read() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let place = world.home.scratch();
    let mut plug = Project::new("plug", Backend::Hatchling);
    plug.settings = "[project.entry-points.pytest11]\nplug = \"plug.pytest_plugin\"\n".into();
    let flat = Project::new("flatpkg", Backend::HatchlingFlat);
    let mark = format!("open({:?}, 'w')\n", place.join("executed"));
    let bundle = "[build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n[project]\nname = \"bundle\"\nversion = \"1.0\"\n[tool.hatch.build.targets.wheel]\nbypass-selection = true\n";
    let (plugs, flats) = (Repo::create(&place, "plug"), Repo::create(&place, "flat"));
    let bundles = Repo::create(&place, "bundle");
    let commit = |version: &str| {
        let mut files = plug.with_version(version).files();
        files.push(("src/plug/pytest_plugin.py".into(), "import pytest\n".into()));
        write(&plugs, files);
        let mut files = flat.with_version(version).files();
        files.push(("drop_database.py".into(), mark.clone()));
        write(&flats, files);
        write(
            &bundles,
            vec![("pyproject.toml".into(), bundle.into()), ("a.md".into(), version.into())],
        );
    };
    commit("1.0");
    for repo in [&plugs, &flats, &bundles] {
        world.home.run(&["add", &format!("git+{}", repo.url_file())]).ok();
    }
    world.home.run(&["bind", "--python", &venv.python_text()]).ok();
    assert_eq!(venv.says("import plug, flatpkg; print(plug.mount(), flatpkg.mount())"), "1.0 1.0");
    assert_healthy(&world, &venv, &[]);
    commit("2.0");
    world.home.run(&["update"]).ok();
    assert_eq!(venv.says("import plug, flatpkg; print(plug.mount(), flatpkg.mount())"), "2.0 2.0");
    assert_eq!(fs::read_to_string(world.home.target("bundle").join("a.md")).unwrap(), "2.0");
    assert!(!place.join("executed").exists());
}

fn write(repo: &Repo, files: Vec<(String, String)>) {
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    repo.write(&files);
}

#[test]
fn a_project_that_computes_its_name_is_known_by_what_its_build_left() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let setup = "from setuptools import setup\nNAME = 'com' + 'puted'\nsetup(name=NAME, version='1.0', packages=[NAME], package_dir={'': 'src'})\n";
    let project =
        written(&world, "p", &[("setup.py", setup), ("src/computed/__init__.py", "V = 1\n")]);
    install(&venv, &[&project]);
    assert_healthy(&world, &venv, &[]);
    let moved = project.with_file_name("p-moved");
    fs::rename(&project, &moved).unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(1);
    assert_eq!(only(&told, "D01")["candidate"]["directory"], text(&moved), "{told:#}");
    world.doctor(&venv, &["--fix"]).0.ok();
    venv.says("import computed");
    assert_healthy(&world, &venv, &[]);
}

#[test]
fn a_fix_that_would_break_what_works_changes_nothing() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let place = |name: &str| world.home.scratch().join(name);
    Project::new("host", Backend::Hatchling).needing(&["six<1.17"]).write_to(&place("host"));
    Project::new("library", Backend::Hatchling).needing(&["six>=1.17"]).write_to(&place("library"));
    let mut tool = Project::new("tool", Backend::Hatchling).needing(&["library"]);
    tool.settings = "[tool.uv.sources]\nlibrary = { path = \"../library\" }\n".into();
    tool.write_to(&place("tool"));
    venv.uv_pip("install", &["-q", "six==1.16.0"]).ok();
    venv.uv_pip("install", &["-q", "--no-deps", text(&place("host"))]).ok();
    install(&venv, &[&place("tool")]);
    for more in [&[][..], &["--fix"], &["--fix"]] {
        let (ran, told) = world.doctor(&venv, more);
        ran.fails(1);
        assert!(only(&told, "D09")["message"].as_str().unwrap().contains("library"), "{told:#}");
        assert_eq!(told["failed_fixes"].as_array().unwrap().len(), more.len(), "{told:#}");
        assert_eq!(venv.says("import six; print(six.__version__)"), "1.16.0");
    }
}

#[test]
fn a_version_that_is_written_otherwise_is_the_same_and_nothing_is_installed_again() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let root = world.home.scratch().join("tool");
    Project::new("tool", Backend::Hatchling).with_version("1.0-rc.1").write_to(&root);
    install(&venv, &[&root]);
    assert_healthy(&world, &venv, &[]);
    let (ran, told) = world.doctor(&venv, &["--fix"]);
    ran.ok();
    assert_eq!(told["fixed"].as_array().unwrap().len(), 0, "{told:#}");
}

#[test]
fn a_namespace_within_a_namespace_is_healthy_and_what_takes_its_place_is_named() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let settings = setuptools("acme-deep", "[tool.setuptools]\npackages = [\"acme.deep\"]\n");
    let files =
        [("pyproject.toml", settings.as_str()), ("acme/deep/one.py", "V = 1\n"), ("beside.py", "")];
    let project = written(&world, "p", &files);
    install(&venv, &[&project]);
    assert_eq!(venv.says("import acme.deep.one as o; print(o.V)"), "1");
    assert_healthy(&world, &venv, &[]);
    assert_healthy(&world, &venv, &["--import"]);
    let left = venv.site().join("acme");
    fs::create_dir_all(left.join("deep")).unwrap();
    fs::write(left.join("__init__.py"), "").unwrap();
    fs::write(left.join("deep/__init__.py"), "").unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(1);
    assert!(only(&told, "D20")["path"].as_str().unwrap().starts_with(text(&left)), "{told:#}");
}

#[test]
fn what_a_program_runs_is_not_imported() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let root = world.home.scratch().join("tool");
    Project::new("tool", Backend::Hatchling).write_to(&root);
    let settings = root.join("pyproject.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("\"tool:main\"", "\"tool.__main__:main\"")).unwrap();
    // As programs do whose extra is not installed.
    fs::write(root.join("src/tool/__main__.py"), "raise SystemExit(1)\n").unwrap();
    install(&venv, &[&root]);
    assert_healthy(&world, &venv, &["--import"]);
    fs::write(root.join("src/tool/__init__.py"), "raise SystemExit(1)\n").unwrap();
    let (ran, told) = world.doctor(&venv, &["--import"]);
    ran.fails(1);
    assert!(only(&told, "D19")["message"].as_str().unwrap().contains("SystemExit"), "{told:#}");
}
