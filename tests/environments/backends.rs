//! Where installs lead, with each build backend, by uv and by pip: through the switch, and nowhere else.

use std::fs;

use modstore_testbed::{Backend, Project, Python, Venv};

use super::world::{File, World, names, values, version};

/// A project for a backend, named after it.
fn project(backend: Backend) -> Project {
    let name = format!("mod-{backend:?}").to_lowercase();
    Project::new(&name, backend).with_code("VALUE = 1")
}

/// Its files, and a submodule that only this version has.
fn files(project: &Project, only_here: &str) -> Vec<File> {
    let mut files = project.files();
    let path = format!("{}{}/{only_here}.py", project.backend.root(), project.package());
    files.push((path, "HERE = True\n".into()));
    files
}

/// Publishes a version of every project.
fn publish(world: &World, projects: &[Project], only_here: &str) {
    projects.iter().for_each(|each| world.publish_files(&each.name, &files(each, only_here)));
}

/// What the environment says of every project: its value, and which of the submodules can be imported.
fn seen(venv: &Venv<'_>, projects: &[Project], submodules: [&str; 2]) -> String {
    let packages: Vec<String> = projects.iter().map(Project::package).collect();
    let code = format!(
        r#"
import importlib
for package in {packages:?}:
    value = importlib.import_module(package).VALUE
    found = []
    for name in {submodules:?}:
        try:
            found.append(importlib.import_module(package + "." + name).HERE)
        except ImportError:
            found.append(False)
    print(package, value, *found)
"#
    );
    venv.says(&code)
}

fn expected(projects: &[Project], of_each: &str) -> String {
    let lines: Vec<String> =
        projects.iter().map(|each| format!("{} {of_each}", each.package())).collect();
    lines.join("\n")
}

/// The laws for these backends in one environment: what is installed leads through the switch, follows three of them,
/// outlives a sweep, and is the same when it is installed again. So many of them get new metadata as well.
fn follow(world: &World, venv: &Venv<'_>, backends: &[Backend], renewed: usize, installer: &str) {
    let projects: Vec<Project> = backends.iter().map(|backend| project(*backend)).collect();
    publish(world, &projects, "only_one");
    world.update();
    let bound = world.bind(venv);
    assert_eq!(bound["installer"], installer, "{bound}");
    assert_eq!(names(&bound["bound"]).len(), projects.len(), "{bound}");
    let submodules = ["only_one", "only_two"];
    assert_eq!(seen(venv, &projects, submodules), expected(&projects, "1 True False"));
    assert_eq!(world.leads_into_entries(venv), [] as [std::path::PathBuf; 0]);

    let next: Vec<Project> = projects.iter().map(|each| each.with_code("VALUE = 2")).collect();
    publish(world, &next, "only_two");
    let updated = world.update();
    assert_eq!(names(&updated["updated"]).len(), projects.len(), "{updated}");
    world.sweep();
    assert_eq!(seen(venv, &projects, submodules), expected(&projects, "2 False True"));

    let renewed = &next[..renewed.min(next.len())];
    let next: Vec<Project> =
        renewed.iter().map(|each| each.with_version("2.0").with_code("VALUE = 3")).collect();
    publish(world, &next, "only_two");
    world.update();
    world.sweep();
    assert_eq!(seen(venv, &next, submodules), expected(&next, "3 False True"));
    for Project { name, .. } in &next {
        assert_eq!(version(venv, name), "2.0", "{name}");
        let run = world.run(&venv.prefix().join(format!("bin/run-{name}")), &[] as &[&str]).ok();
        assert_eq!(run.stdout.trim(), "2.0", "{name}");
    }
    assert_eq!(world.leads_into_entries(venv), [] as [std::path::PathBuf; 0]);
    installing_again_changes_nothing(world, venv, &projects, installer);
}

fn installing_again_changes_nothing(
    world: &World,
    venv: &Venv<'_>,
    projects: &[Project],
    installer: &str,
) {
    let before = venv.pth_files();
    let mut args = vec!["--no-deps".to_owned(), "-q".to_owned()];
    for Project { name, .. } in projects {
        args.extend(["-e".to_owned(), world.live(name).to_str().unwrap().to_owned()]);
    }
    match installer {
        "uv" => drop(venv.uv_pip("install", &args).ok()),
        _ => {
            args.insert(0, "install".to_owned());
            drop(venv.pip(&args).ok());
        }
    }
    assert_eq!(venv.pth_files(), before);
    assert!(world.follows());
    world.calls.take();
    world.update();
    assert_eq!(world.calls.take(), [] as [&str; 0], "it is as modstore would have installed it");
}

/// Backends that put directories on the import path.
const PLAIN: [Backend; 8] = [
    Backend::Hatchling,
    Backend::HatchlingFlat,
    Backend::Setuptools,
    Backend::Flit,
    Backend::FlitSrc,
    Backend::Pdm,
    Backend::Poetry,
    Backend::UvBuild,
];

/// Backends that install code which maps names to files.
const MAPPING: [Backend; 2] = [Backend::HatchlingExact, Backend::SetuptoolsFlat];

/// T01 to T04, with uv.
#[test]
fn what_uv_installs_of_a_backend_that_names_directories_leads_through_the_switch() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let venv = world.venv(&python, "venv");
    follow(&world, &venv, &PLAIN, PLAIN.len(), "uv");
}

/// T01 to T04 and T20, with uv.
#[test]
fn what_uv_installs_of_a_backend_that_maps_names_leads_through_the_switch() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let venv = world.venv(&python, "venv");
    follow(&world, &venv, &MAPPING, MAPPING.len(), "uv");
}

/// T01 to T04 and T38, with pip where there is no uv.
#[test]
fn what_pip_installs_of_any_pure_backend_leads_through_the_switch() {
    let Some(mut world) = World::new() else { return };
    let Some(python) = Python::all().pop() else { return };
    super::installers::take_uv_away(&mut world);
    let venv = Venv::with_pip(&world.home, &world.tools, &python, "venv");
    follow(&world, &venv, &Backend::PURE, 2, "pip");
}

/// T01 in setuptools' strict mode, whose links into the build directory no switch could move: the module has a
/// directory of names of its own, or is refused by the backend's name.
#[test]
fn setuptools_strict_mode_is_followed_or_refused_by_name() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let strict = |value| {
        let mut files = project(Backend::Setuptools).with_code(&format!("VALUE = {value}")).files();
        files.push(("setup.cfg".into(), "[editable_wheel]\nmode = strict\n".into()));
        files
    };
    world.publish_files("mod-setuptools", &strict(1));
    world.publish(&Project::new("mod-other", Backend::UvBuild).with_code("VALUE = 1"));
    world.update();
    let venv = world.venv(&python, "venv");
    let ran = world.home.run(&["--json", "bind", "--python", &venv.python_text()]);
    let bound = ran.json();
    assert_eq!(values(&venv, &["mod_other"]), "1");
    if ran.status == 0 {
        world.publish_files("mod-setuptools", &strict(2));
        world.update();
        world.sweep();
        assert_eq!(values(&venv, &["mod_setuptools"]), "2");
    } else {
        assert_eq!(ran.status, 1, "{ran:?}");
        assert_eq!(names(&bound["failed"]), ["mod-setuptools"], "{bound}");
        let why = bound["failed"][0]["causes"].to_string();
        assert!(why.contains("setuptools"), "{bound}");
    }
}

/// T04: whatever the user types, a stand-in's directory gives the same.
#[test]
fn a_module_that_is_installed_again_from_its_stand_in_by_any_spelling_stays_as_it_was() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    world.publish(&project(Backend::Hatchling));
    let venv = world.bound(&python, "venv");
    let before = venv.pth_files();
    let live = world.live("mod-hatchling");
    let text = live.to_str().unwrap();
    let link = world.home.scratch().join("link");
    std::os::unix::fs::symlink(&live, &link).unwrap();
    let spellings = [
        text.to_owned(),
        format!("{text}/"),
        format!("{text}/../mod-hatchling"),
        format!("file://{text}"),
        format!("mod-hatchling @ file://{text}"),
        link.to_str().unwrap().to_owned(),
    ];
    for spelling in spellings {
        venv.uv_pip("install", &["-q", "--no-deps", "-e", &spelling]).ok();
        assert_eq!(venv.pth_files(), before, "{spelling}");
    }
    assert_eq!(values(&venv, &["mod_hatchling"]), "1");
    // Not as an editable: a copy would go stale, so there is none.
    let refused = venv.uv_pip("install", &["--no-deps", "--reinstall", text]);
    assert!(refused.status != 0 && refused.stderr.contains("install it with -e"), "{refused:?}");
    assert!(fs::read_link(live.join("current")).unwrap().starts_with("../../current"));
}
