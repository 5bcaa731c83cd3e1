//! What a change costs, and in which order it is made: code alone starts no installer, metadata one call, and what is
//! needed comes first.

use modstore_testbed::{Backend, Project, Python};

use super::world::{World, names, values, version};

/// Four modules with short metadata.
fn four(world: &World) -> Vec<Project> {
    four_of(world, [Backend::UvBuild, Backend::Flit, Backend::UvBuild, Backend::UvBuild])
}

/// Four modules, one of each backend.
fn four_of(world: &World, backends: [Backend; 4]) -> Vec<Project> {
    let names = ["mod-a", "mod-b", "mod-c", "mod-d"];
    let projects: Vec<Project> = names
        .iter()
        .zip(backends)
        .map(|(name, backend)| Project::new(name, backend).with_code("VALUE = 1"))
        .collect();
    projects.iter().for_each(|project| world.publish(project));
    projects
}

const PACKAGES: [&str; 4] = ["mod_a", "mod_b", "mod_c", "mod_d"];

/// T15 and T02.
#[test]
fn a_change_of_code_starts_no_installer_and_the_next_interpreter_has_it() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let backends = [Backend::Hatchling, Backend::Flit, Backend::UvBuild, Backend::Setuptools];
    let projects = four_of(&world, backends);
    let venv = world.bound(&python, "venv");
    let before = venv.pth_files();
    for round in 2..5 {
        projects
            .iter()
            .for_each(|each| world.publish(&each.with_code(&format!("VALUE = {round}"))));
        world.calls.take();
        let updated = world.update();
        assert_eq!(world.calls.take(), [] as [&str; 0]);
        assert_eq!(names(&updated["updated"]).len(), 4, "{updated}");
        assert!(updated["updated"].as_array().unwrap().iter().all(|it| it["installed"] == false));
        assert_eq!(values(&venv, &PACKAGES), format!("{round} {round} {round} {round}"));
    }
    assert_eq!(venv.pth_files(), before);
    assert!(world.follows());
    world.update();
    assert_eq!(world.calls.take(), [] as [&str; 0], "nothing is new");
}

/// T16: the version of one, an entry point and a program of another, what a third one needs; the fourth changes its code.
#[test]
fn a_change_of_metadata_is_one_call_for_all_modules_and_what_they_need_comes_before() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let projects = four(&world);
    let venv = world.bound(&python, "venv");
    let other_script = |project: &Project| {
        let mut files = project.with_code("VALUE = 2").files();
        files[0].1 = files[0].1.replace("run-mod-b = ", "start-mod-b = ");
        files[0].1 = files[0].1.replace("mod-b = \"mod_b:mount\"", "other = \"mod_b:mount\"");
        files
    };
    world.publish(&projects[0].with_version("2.0").with_code("VALUE = 2"));
    world.publish_files("mod-b", &other_script(&projects[1]));
    world.publish(&projects[2].needing(&["six==1.16.0"]).with_code("import six\nVALUE = 2"));
    world.publish(&projects[3].with_code("VALUE = 2"));
    world.calls.take();
    let updated = world.update();
    let calls = world.calls.take();
    let places: Vec<usize> = (0..calls.len())
        .filter(|at| calls[*at].contains("--editable") && !calls[*at].contains("--target"))
        .collect();
    assert_eq!(places.len(), 1, "{calls:#?}");
    let call = &calls[places[0]];
    assert_eq!(call.matches("--editable").count(), 3, "{call}");
    assert!(call.contains("--no-deps") && call.contains("--offline"), "{call}");
    let added = calls.iter().position(|call| call.ends_with("-- six==1.16.0")).unwrap();
    assert!(added < places[0], "{calls:#?}");
    assert_eq!(calls.len(), 2, "none is asked for metadata that its project declares\n{calls:#?}");
    assert_eq!(names(&updated["environments"][0]["installed"]), ["mod-a", "mod-b", "mod-c"]);

    assert_eq!(values(&venv, &PACKAGES), "2 2 2 2");
    assert_eq!(version(&venv, "mod-a"), "2.0");
    let points = "import importlib.metadata as m; print(*sorted(e.name for e in m.entry_points(group='host.modules')))";
    assert_eq!(venv.says(points), "mod-a mod-c mod-d other");
    let bin = venv.prefix().join("bin");
    assert!(!bin.join("run-mod-b").exists() && bin.join("start-mod-b").exists());
    assert_eq!(world.run(&bin.join("run-mod-a"), &[] as &[&str]).ok().stdout.trim(), "2.0");
    let requires = "import importlib.metadata as m; print(m.requires('mod-c'))";
    assert_eq!(venv.says(requires), "['six==1.16.0']");
    venv.uv_pip("check", &[] as &[&str]).ok();
}

#[test]
fn what_is_known_of_a_project_is_not_asked_again_and_may_be_deleted() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let projects = four(&world);
    let venv = world.bound(&python, "venv");
    projects.iter().for_each(|each| world.publish(&each.with_version("2.0")));
    world.update();
    projects.iter().for_each(|each| world.publish(each));
    world.calls.take();
    world.update();
    let calls = world.calls.take();
    assert_eq!(calls.len(), 1, "the versions before are known\n{calls:#?}");
    std::fs::remove_dir_all(world.home.path().join("probes")).unwrap();
    projects
        .iter()
        .for_each(|each| world.publish(&each.with_version("2.0").with_code("VALUE = 2")));
    world.update();
    assert_eq!(values(&venv, &PACKAGES), "2 2 2 2");
    assert_eq!(version(&venv, "mod-d"), "2.0");
}

#[test]
fn a_dependency_is_added_or_moved_when_a_module_asks_for_it_and_constraints_hold() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let project = Project::new("mod-a", Backend::Flit).with_code("VALUE = 1");
    world.publish(&project.needing(&["six>=1.16"]));
    world.update();
    let venv = world.venv(&python, "venv");
    let constraints = world.home.scratch().join("constraints.txt");
    std::fs::write(&constraints, "six<1.17\n").unwrap();
    let python_text = venv.python_text();
    let bind = |more: &[&str]| {
        let args: Vec<&str> =
            ["bind", "--python", &python_text].into_iter().chain(more.iter().copied()).collect();
        world.home.run(&args)
    };
    bind(&["--constraints", constraints.to_str().unwrap()]).ok();
    assert_eq!(version(&venv, "six"), "1.16.0");
    // What the constraints forbid is not had, and the module stays as it was.
    world.publish(&project.needing(&["six>=1.17"]).with_code("VALUE = 2"));
    let failed = world.update_fails();
    assert_eq!(names(&failed["failed"]), ["mod-a"]);
    assert_eq!((values(&venv, &["mod_a"]), version(&venv, "six")), ("1".into(), "1.16.0".into()));
    std::fs::write(&constraints, "").unwrap();
    world.update();
    assert_eq!((values(&venv, &["mod_a"]), version(&venv, "six")), ("2".into(), "1.17.0".into()));
}

#[test]
fn requirements_that_are_met_are_left_alone_by_an_update() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let project = Project::new("mod-a", Backend::Flit).with_code("VALUE = 1");
    world.publish(&project.needing(&["six"]));
    world.update();
    let venv = world.venv(&python, "venv");
    // As a person chose.
    venv.uv_pip("install", &["-q", "six==1.16.0"]).ok();
    world.bind(&venv);
    assert_eq!(version(&venv, "six"), "1.16.0");
    world.publish(&project.needing(&["six", "iniconfig"]).with_code("import iniconfig\nVALUE = 2"));
    world.calls.take();
    world.update();
    let calls = world.calls.take();
    assert!(calls.iter().any(|call| call.ends_with("-- iniconfig")), "{calls:#?}");
    assert_eq!((values(&venv, &["mod_a"]), version(&venv, "six")), ("2".into(), "1.16.0".into()));
}

#[test]
fn two_environments_of_two_pythons_follow_one_store() {
    let Some(world) = World::new() else { return };
    let projects = four(&world);
    world.update();
    let venvs: Vec<_> = Python::all()
        .iter()
        .take(2)
        .enumerate()
        .map(|(number, python)| world.venv(python, &format!("venv-{number}")))
        .collect();
    venvs.iter().for_each(|venv| drop(world.bind(venv)));
    projects
        .iter()
        .for_each(|each| world.publish(&each.with_version("2.0").with_code("VALUE = 2")));
    world.calls.take();
    let updated = world.update();
    assert_eq!(world.calls.installs().len(), venvs.len());
    assert_eq!(updated["environments"].as_array().unwrap().len(), venvs.len(), "{updated}");
    for venv in &venvs {
        assert_eq!(
            (values(venv, &PACKAGES), version(venv, "mod-c")),
            ("2 2 2 2".into(), "2.0".into())
        );
    }
    // One of them goes; the other one is looked after as before.
    std::fs::remove_dir_all(venvs[0].prefix()).unwrap();
    projects
        .iter()
        .for_each(|each| world.publish(&each.with_version("3.0").with_code("VALUE = 3")));
    world.update();
    for venv in &venvs[1..] {
        assert_eq!(
            (values(venv, &PACKAGES), version(venv, "mod-c")),
            ("3 3 3 3".into(), "3.0".into())
        );
    }
}
