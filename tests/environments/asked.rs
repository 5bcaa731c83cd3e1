//! Modules whose metadata only their build backend knows: those with the same build requirements are built in one
//! environment, and nothing of that can be seen in what they say.

use std::{collections::BTreeMap, fs};

use modstore_testbed::{Backend, Project, Python};
use serde_json::Value;

use super::world::{File, World, files_below, names, version};

/// A project that says all of it itself, but for a requirement of its build that could be a plugin.
fn asked(name: &str, backend: Backend) -> Vec<File> {
    let mut files = Project::new(name, backend).with_code("VALUE = 1").files();
    let plain = files[0].1.clone();
    files[0].1 = plain.replacen("\"]\nbuild-backend", "\", \"packaging\"]\nbuild-backend", 1);
    assert_ne!(files[0].1, plain);
    files
}

/// A project whose `setup.py` says everything.
fn by_setup(name: &str, code: &str, more: &str) -> Vec<File> {
    let package = name.replace('-', "_");
    let setup = format!(
        "import importlib.util, os, setuptools\nhas = lambda name: importlib.util.find_spec(name) is not None\n{code}\n\
         setuptools.setup(name={name:?}, version='2.%d.%d' % (has('six'), has('tomlkit')), py_modules=[{package:?}], {more})\n"
    );
    vec![("setup.py".into(), setup), (format!("{package}.py"), "VALUE = 1\n".into())]
}

/// The facts that the store has learnt of each distribution.
fn facts(world: &World) -> BTreeMap<String, Value> {
    let files = files_below(&world.home.path().join("probes"));
    let facts = files.iter().filter(|path| path.ends_with("facts.json"));
    let facts = facts.map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
    facts.map(|it: Value| (it["distribution"].as_str().unwrap().to_owned(), it)).collect()
}

#[test]
fn projects_that_are_built_in_one_environment_say_what_an_installer_installs() {
    let Some(python) = Python::any() else { return };
    let more = [Backend::Pdm, Backend::Poetry, Backend::UvBuild];
    let backends: Vec<Backend> = Backend::PURE.into_iter().chain(more).collect();
    let learnt = |is_shared: bool| {
        let mut world = World::new()?;
        if !is_shared {
            let nothing = world.home.scratch().join("no-constraints");
            fs::write(&nothing, "").unwrap();
            world.home.env("UV_BUILD_CONSTRAINT", nothing);
        }
        for (number, backend) in backends.iter().enumerate() {
            let name = format!("mod-{number}");
            world.publish_files(&name, &asked(&name, *backend));
        }
        world.update();
        let venv = world.venv(&python, "venv");
        world.calls.take();
        let bound = world.bind(&venv);
        assert_eq!(names(&bound["bound"]).len(), backends.len(), "{bound}");
        let calls = world.calls.take();
        let count = |word: &str| calls.iter().filter(|call| call.contains(word)).count();
        // One for each backend; none is left for an installer alone.
        let expected = if is_shared { (6, 0) } else { (0, backends.len()) };
        assert_eq!((count("venv --quiet"), count("--target")), expected, "{calls:#?}");
        Some(facts(&world))
    };
    let Some(together) = learnt(true) else { return };
    assert_eq!(together.len(), backends.len());
    assert_eq!(together, learnt(false).unwrap());
}

#[test]
fn what_one_project_needs_for_its_build_is_not_there_when_another_is_built() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    for (name, needs) in
        [("mod-a", "six"), ("mod-b", "six"), ("mod-c", "tomlkit"), ("mod-d", "tomlkit")]
    {
        world.publish_files(name, &by_setup(name, "", &format!("setup_requires=[{needs:?}]")));
    }
    world.publish_files("mod-e", &by_setup("mod-e", "", ""));
    let venv = world.bound(&python, "venv");
    let versions = ["mod-a", "mod-b", "mod-c", "mod-d", "mod-e"].map(|name| version(&venv, name));
    assert_eq!(versions, ["2.1.0", "2.1.0", "2.0.1", "2.0.1", "2.0.0"]);
    assert!(world.calls.take().iter().all(|call| !call.contains("--target")));
}

#[test]
fn a_build_that_fails_beside_others_is_reported_as_if_it_were_alone_and_the_others_are_bound() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    for (name, code) in [
        ("mod-a", ""),
        ("mod-b", "raise ValueError('of its own')"),
        ("mod-c", "import signal; os.kill(os.getpid(), signal.SIGKILL)"),
        ("mod-d", "assert os.getcwd().endswith('project'), os.getcwd()"),
    ] {
        world.publish_files(name, &by_setup(name, code, ""));
    }
    world.update();
    let venv = world.venv(&python, "venv");
    let bind = ["--json", "bind", "--python", &venv.python_text()];
    let answer = world.home.run(&bind).fails(1).json();
    assert_eq!(names(&answer["bound"]), ["mod-a", "mod-d"], "{answer}");
    assert_eq!(names(&answer["failed"]), ["mod-b", "mod-c"], "{answer}");
    assert!(answer["failed"][0]["causes"].to_string().contains("of its own"), "{answer}");
    assert_eq!(venv.says("import mod_a, mod_d; print(mod_a.VALUE + mod_d.VALUE)"), "2");
}
