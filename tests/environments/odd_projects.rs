//! Projects whose metadata is not simply there: versions from git, sources of their own, parts of a namespace, more
//! than one module of a distribution, and what is no Python project at all.

use modstore_testbed::{Backend, Project, Python};

use super::world::{File, World, names, values, version};

/// A project whose version comes from git, by the plugin of its backend.
fn versioned_by_git(name: &str, backend: Backend, plugin: &str, settings: &str) -> Vec<File> {
    let project = Project::new(name, backend).with_code("VALUE = 1");
    let mut files = project.files();
    let text = &mut files[0].1;
    *text = text.replace("version = \"1.0\"", "dynamic = [\"version\"]");
    *text = text.replace("requires = [", &format!("requires = [{plugin:?}, "));
    text.push_str(settings);
    files
}

/// T18: there is no `.git` in an entry.
#[test]
fn a_project_that_takes_its_version_from_git_has_the_same_one_for_the_same_tree() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let hatch = versioned_by_git(
        "mod-hatch",
        Backend::Hatchling,
        "hatch-vcs",
        "[tool.hatch.version]\nsource = \"vcs\"\n",
    );
    let setuptools = versioned_by_git(
        "mod-scm",
        Backend::Setuptools,
        "setuptools-scm",
        "[tool.setuptools_scm]\n",
    );
    let mut pdm = Project::new("mod-pdm", Backend::Pdm).with_code("VALUE = 1").files();
    pdm[0].1 = pdm[0].1.replace("version = \"1.0\"", "dynamic = [\"version\"]");
    pdm[0].1.push_str("[tool.pdm.version]\nsource = \"scm\"\n");
    for (name, files) in [("mod-hatch", &hatch), ("mod-scm", &setuptools), ("mod-pdm", &pdm)] {
        world.publish_files(name, files);
    }
    let venv = world.bound(&python, "venv");
    assert_eq!(values(&venv, &["mod_hatch", "mod_scm", "mod_pdm"]), "1 1 1");
    for name in ["mod-hatch", "mod-scm", "mod-pdm"] {
        assert_eq!(version(&venv, name), "0.0.0+modstore", "{name}");
    }
}

/// T19: sources of a project's own name places that are not here.
#[test]
fn sources_that_a_project_has_for_those_who_develop_it_are_left_alone() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let mut by_path = Project::new("mod-path", Backend::Hatchling).needing(&["mod-other", "six"]);
    by_path.settings =
        "[tool.uv.sources]\nmod-other = { path = \"../mod-other\", editable = true }\n\
         six = { git = \"https://192.0.2.1/six\" }\n"
            .into();
    let mut in_workspace = Project::new("mod-workspace", Backend::Flit).needing(&["mod-other"]);
    in_workspace.settings = "[tool.uv.sources]\nmod-other = { workspace = true }\n".into();
    for project in [by_path, in_workspace, Project::new("mod-other", Backend::Hatchling)] {
        world.publish(&project.with_code("VALUE = 1"));
    }
    let venv = world.bound(&python, "venv");
    assert_eq!(values(&venv, &["mod_path", "mod_workspace", "mod_other"]), "1 1 1");
    venv.says("import six");
}

#[test]
fn modules_that_need_each_other_are_bound_together_and_no_index_is_asked_for_them() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let one = Project::new("mod-one", Backend::Flit).needing(&["mod-two>=1"]);
    let two = Project::new("mod-two", Backend::Flit).needing(&["mod-one>=1"]);
    world.publish(&one.with_code("VALUE = 1"));
    world.publish(&two.with_code("VALUE = 1"));
    let venv = world.bound(&python, "venv");
    assert_eq!(values(&venv, &["mod_one", "mod_two"]), "1 1");
    // Both move at once: each needs the other's new version, which no index has.
    let one = one.with_version("2.0").needing(&["mod-two>=2"]);
    let two = two.with_version("2.0").needing(&["mod-one>=2"]);
    world.publish(&one.with_code("VALUE = 2"));
    world.publish(&two.with_code("import mod_one\nVALUE = mod_one.VALUE"));
    world.update();
    assert_eq!(values(&venv, &["mod_two", "mod_one"]), "2 2");
    assert_eq!(
        (version(&venv, "mod-one"), version(&venv, "mod-two")),
        ("2.0".into(), "2.0".into())
    );
}

#[test]
fn parts_of_one_namespace_come_from_many_modules() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    for part in ["a", "b"] {
        let mut project = Project::new(&format!("space-{part}"), Backend::Hatchling);
        project.settings = "[tool.hatch.build.targets.wheel]\npackages = [\"src/space\"]\n".into();
        let mut files = project.files();
        files[0].1 = files[0].1.replace(&format!("space_{part}:"), &format!("space.{part}:"));
        files[1] = (
            format!("src/space/{part}/__init__.py"),
            "VALUE = 1\ndef mount(): pass\nmain = mount\n".into(),
        );
        world.publish_files(&project.name, &files);
    }
    let venv = world.bound(&python, "venv");
    assert_eq!(values(&venv, &["space.a", "space.b"]), "1 1");
}

#[test]
fn a_module_in_a_subdirectory_may_read_what_lies_beside_it_when_it_is_built() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let mut project = Project::new("mod-part", Backend::Hatchling).with_code("VALUE = 1");
    project.settings =
        "[tool.hatch.version]\npath = \"../../VERSION.txt\"\npattern = \"(?P<version>.+)\"\n"
            .into();
    let mut files = project.below("modules/part/");
    files[0].1 = files[0].1.replace("version = \"1.0\"", "dynamic = [\"version\"]");
    files.push(("VERSION.txt".into(), "3.7\n".into()));
    let repo = modstore_testbed::Repo::create(&world.home.scratch(), "whole");
    let texts: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
    repo.write(&texts);
    let source = format!("git+{}#subdirectory=modules/part", repo.url_file());
    world.home.declare(&[("mod-part", &source)]);
    let venv = world.bound(&python, "venv");
    assert_eq!(
        (values(&venv, &["mod_part"]), version(&venv, "mod-part")),
        ("1".into(), "3.7".into())
    );
    // It counts for the metadata, although it is not the module's own.
    repo.write(&[("VERSION.txt", "3.8\n")]);
    world.update();
    assert_eq!(version(&venv, "mod-part"), "3.8");
}

#[test]
fn what_is_no_python_project_is_skipped_and_said_so() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    world.publish_files("bundle", &[("bundle.md".into(), "# a bundle\n".into())]);
    world.publish(&Project::new("mod-a", Backend::Flit).with_code("VALUE = 1"));
    world.update();
    let venv = world.venv(&python, "venv");
    let bound = world.bind(&venv);
    assert_eq!((names(&bound["bound"]), names(&bound["skipped"])), (vec!["mod-a"], vec!["bundle"]));
    world.publish_files("bundle", &[("bundle.md".into(), "# another\n".into())]);
    world.calls.take();
    assert_eq!(names(&world.update()["updated"]), ["bundle"]);
    assert_eq!(world.calls.take(), [] as [&str; 0]);
    assert!(world.follows());
}

#[test]
fn two_modules_that_are_one_distribution_are_reported_and_the_first_is_bound() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let project = Project::new("mod-same", Backend::Flit);
    world.publish_files("a-first", &project.with_code("VALUE = 1").files());
    world.publish_files("b-second", &project.with_code("VALUE = 2").files());
    world.update();
    let venv = world.venv(&python, "venv");
    let ran = world.home.run(&["--json", "bind", "--python", &venv.python_text()]).fails(1);
    let bound = ran.json();
    assert_eq!(
        (names(&bound["bound"]), names(&bound["failed"])),
        (vec!["a-first"], vec!["b-second"])
    );
    assert!(bound["failed"].to_string().contains("both the distribution mod-same"), "{bound}");
    assert_eq!(values(&venv, &["mod_same"]), "1");
}

/// A build hook that watches imports cannot be followed through a switch.
#[test]
fn a_backend_that_watches_imports_is_refused_by_name_and_keeps_nothing_else_from_being_bound() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let watching = "\
import os
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        path = os.path.join(self.root, 'watching.pth')
        with open(path, 'w') as file:
            file.write('import sys; sys.meta_path.append(None)\\n')
        build_data['force_include_editable'] = {path: 'watching.pth'}
";
    let mut project = Project::new("mod-watching", Backend::Hatchling);
    project.settings = "[tool.hatch.build.targets.wheel.hooks.custom]\npath = \"hook.py\"\n".into();
    let mut files = project.files();
    files.push(("hook.py".into(), watching.into()));
    world.publish_files("mod-watching", &files);
    world.publish(&Project::new("mod-a", Backend::Flit).with_code("VALUE = 1"));
    world.update();
    let venv = world.venv(&python, "venv");
    let ran = world.home.run(&["--json", "bind", "--python", &venv.python_text()]).fails(1);
    let bound = ran.json();
    assert_eq!(
        (names(&bound["bound"]), names(&bound["failed"])),
        (vec!["mod-a"], vec!["mod-watching"])
    );
    let why = bound["failed"][0]["causes"].to_string();
    assert!(why.contains("hatchling.build") && why.contains("watching.pth"), "{bound}");
}
