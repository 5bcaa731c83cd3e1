//! Requirements on repositories: `NAME @ git+URL` is met by the module of the store that is that distribution, which is
//! bound with it; by nothing else that an installer fetches. With uv and with pip.

use std::fs;

use modstore_testbed::{Backend, HttpServer, Project, Python, Repo, Venv};

use super::{
    installers::take_uv_away,
    world::{World, names, values, version},
};

/// A hatchling project with these requirements, which may be on repositories.
fn needing(name: &str, code: &str, needs: &[&str]) -> Project {
    let mut project = Project::new(name, Backend::Flit).with_code(code).needing(needs);
    project.settings = "[tool.other]\n".into();
    project
}

/// `git+file:` of a repository that [`World::publish`] makes.
fn at(world: &World, name: &str) -> String {
    format!("git+file://{}/{name}.git", world.home.scratch().display())
}

/// The installed distribution is the stand-in, and nothing of the module was copied.
fn assert_is_stand_in(world: &World, venv: &Venv<'_>, name: &str) {
    let package = name.replace('-', "_");
    assert!(!venv.site().join(&package).exists(), "{package} was copied");
    assert!(
        !venv.site().join(format!("{package}.pth")).exists(),
        "{package} was installed by its own backend"
    );
    let info = venv.site().join(format!("{package}-{}.dist-info", version(venv, name)));
    let direct = fs::read_to_string(info.join("direct_url.json")).unwrap();
    assert!(direct.contains(&world.live(name).display().to_string()), "{direct}");
}

fn healthy(world: &World, venv: &Venv<'_>) {
    world.home.run(&["doctor", "--python", &venv.python_text()]).ok();
    world.home.run(&["doctor", "--import", "--python", &venv.python_text()]).ok();
    venv.uv_pip("check", &[] as &[&str]).ok();
}

/// The module `mod-a` needs the repository of `mod-x`.
fn bundle(world: &World, value: u32) {
    let code = format!("VALUE = {value}");
    let url = format!("{}@main", at(world, "mod-x"));
    world.publish(&Project::new("mod-x", Backend::Flit).with_code(&code));
    let need = format!("mod-x @ {url}");
    let code = "import mod_x, six\nVALUE = mod_x.VALUE";
    world.publish(&needing("mod-a", code, &["six", &need]));
}

#[test]
fn a_requirement_on_a_repository_that_the_store_has_is_met_by_its_module_and_follows_it() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    bundle(&world, 1);
    let venv = world.bound(&python, "venv");
    assert_eq!(values(&venv, &["mod_a", "mod_x"]), "1 1");
    assert_is_stand_in(&world, &venv, "mod-x");
    healthy(&world, &venv);
    bundle(&world, 2);
    world.calls.take();
    world.update();
    assert_eq!(world.calls.take(), [] as [&str; 0], "a change of code starts no installer");
    assert_eq!(values(&venv, &["mod_a", "mod_x"]), "2 2");
    // An installer by hand reads the same, and fetches nothing.
    let live = world.live("mod-a");
    venv.uv_pip("install", &["--offline", "-q", "-e", live.to_str().unwrap()]).ok();
    assert_is_stand_in(&world, &venv, "mod-x");
    assert!(world.follows());
}

#[test]
fn the_same_with_pip_alone() {
    let (Some(mut world), Some(python)) = (World::new(), Python::any()) else { return };
    take_uv_away(&mut world);
    bundle(&world, 1);
    world.update();
    let venv = Venv::with_pip(&world.home, &world.tools, &python, "venv");
    let bound = world.bind(&venv);
    assert_eq!(
        (&bound["installer"], names(&bound["bound"])),
        (&"pip".into(), vec!["mod-a", "mod-x"])
    );
    assert_is_stand_in(&world, &venv, "mod-x");
    venv.pip(&["check"]).ok();
    bundle(&world, 2);
    world.update();
    assert_eq!(values(&venv, &["mod_a", "mod_x"]), "2 2");
    let live = world.live("mod-a");
    venv.pip(&["install", "-q", "-e", live.to_str().unwrap()]).ok();
    assert_is_stand_in(&world, &venv, "mod-x");
    assert!(world.follows());
}

#[test]
fn another_spelling_of_its_address_on_a_real_server_is_the_same_repository() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let server = HttpServer::start(&world.home.scratch());
    let at = |text: &str| format!("git+http://127.0.0.1:{}/{text}", server.port());
    let x = Repo::create(&world.home.scratch(), "x");
    let files = Project::new("my-x", Backend::Hatchling).with_code("VALUE = 1").below("python/");
    x.write(&files.iter().map(|(path, text)| (&**path, &**text)).collect::<Vec<_>>());
    let need = format!("My.X[all]@ {}", at("x.git/@main#egg=my-x&subdirectory=python"));
    let a = Repo::create(&world.home.scratch(), "a");
    let mut project = Project::new("mod-a", Backend::Hatchling).needing(&[&need]);
    project.settings = "[tool.hatch.metadata]\nallow-direct-references = true\n".into();
    let files = project.with_code("import my_x\nVALUE = my_x.VALUE").files();
    a.write(&files.iter().map(|(path, text)| (&**path, &**text)).collect::<Vec<_>>());
    let source = at("x.git#subdirectory=python");
    world.home.declare(&[("tool", &at("a.git")), ("python", &source)]);
    world.update();
    let venv = world.venv(&python, "venv");
    let bound = world.home.run(&["--json", "bind", "--python", &venv.python_text(), "tool"]).ok();
    assert_eq!(names(&bound.json()["bound"]), ["python", "tool"], "it is bound with it");
    assert_eq!(values(&venv, &["mod_a", "my_x"]), "1 1");
    assert!(!venv.site().join("my_x").exists());
    // What is bound only for another one stays as long as that one does.
    let unbind = |name| world.home.run(&["unbind", "--python", &venv.python_text(), name]);
    unbind("python").fails(1).says("`python` stays bound");
    unbind("tool").ok();
    assert_eq!(venv.pth_files().keys().filter(|name| name.contains("modstore")).count(), 0);
}

#[test]
fn a_repository_that_the_store_does_not_have_is_installed_as_declared_until_it_has_it() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let other = Repo::create(&world.home.scratch(), "other");
    let files = Project::new("other", Backend::Flit).with_code("VALUE = 1").files();
    other.write(&files.iter().map(|(path, text)| (&**path, &**text)).collect::<Vec<_>>());
    let need = format!("other @ {}", at(&world, "other"));
    world.publish(&needing("mod-a", "import other\nVALUE = other.VALUE", &[&need]));
    let venv = world.bound(&python, "venv");
    assert_eq!(values(&venv, &["mod_a"]), "1");
    assert!(venv.site().join("other/__init__.py").is_file(), "as declared");
    healthy(&world, &venv);
    world.home.run(&["add", &at(&world, "other")]).ok();
    assert_is_stand_in(&world, &venv, "other");
    assert_eq!(values(&venv, &["mod_a", "other"]), "1 1");
    healthy(&world, &venv);
    world.home.run(&["remove", "other"]).ok();
    assert_eq!(values(&venv, &["mod_a", "other"]), "1 1");
    assert!(venv.site().join("other/__init__.py").is_file(), "as declared again");
    assert!(world.follows());
}

#[test]
fn a_new_requirement_of_an_update_is_met_by_a_module_that_was_not_bound() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let x = Project::new("mod-x", Backend::Flit).with_code("import six\nVALUE = 1");
    world.publish(&x.needing(&["six"]));
    world.publish(&needing("mod-a", "VALUE = 1", &[]));
    world.update();
    let venv = world.venv(&python, "venv");
    world.home.run(&["bind", "--python", &venv.python_text(), "mod-a"]).ok();
    assert!(venv.run("import mod_x").status != 0);
    let need = format!("mod-x @ {}", at(&world, "mod-x"));
    world.publish(&needing("mod-a", "import mod_x\nVALUE = mod_x.VALUE + 1", &[&need]));
    let updated = world.update();
    assert_eq!(names(&updated["environments"][0]["installed"]), ["mod-a", "mod-x"], "{updated}");
    assert_eq!(values(&venv, &["mod_a"]), "2");
    assert_is_stand_in(&world, &venv, "mod-x");
    // A version of it that cannot be imported is its own failure.
    world.publish(&x.with_code("import nowhere"));
    assert_eq!(names(&world.update_fails()["failed"]), ["mod-x"]);
    assert_eq!(values(&venv, &["mod_a"]), "2");
}

#[test]
fn a_module_whose_build_fails_fails_alone_and_holds_back_only_those_that_need_it() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    bundle(&world, 1);
    let mut files = Project::new("mod-x", Backend::Flit).files();
    files[0].1 = files[0].1.replace("version = \"1.0\"", "version = \"not a version\"");
    world.publish_files("mod-x", &files);
    world.publish(&Project::new("mod-good", Backend::Flit).with_code("VALUE = 1"));
    world.publish(&needing("mod-lost", "", &["no-such-distribution>=3"]));
    world.publish(&needing("mod-user", "", &["mod-lost"]));
    world.update();
    let venv = world.venv(&python, "venv");
    let ran = world.home.run(&["--json", "bind", "--python", &venv.python_text()]).fails(1);
    let bound = ran.json();
    assert_eq!(names(&bound["bound"]), ["mod-good"], "{bound}");
    let mut failed = names(&bound["failed"]);
    failed.sort_unstable();
    assert_eq!(failed, ["mod-a", "mod-lost", "mod-user", "mod-x"]);
    assert!(bound["failed"].to_string().contains("mod-a needs the module `mod-x`"), "{bound}");
    assert_eq!(values(&venv, &["mod_good"]), "1");
    let left: Vec<String> =
        venv.pth_files().into_keys().filter(|name| name.contains("modstore")).collect();
    assert_eq!(left, ["_modstore_mod_good.pth"], "nothing is left of those that failed");
    // Mended, all of them come with the next update.
    bundle(&world, 2);
    world.publish(&needing("mod-lost", "VALUE = 2", &["six"]));
    world.update();
    assert_eq!(values(&venv, &["mod_a", "mod_x", "mod_lost"]), "2 2 2");
    assert!(world.follows());
}

/// What is no module may need the repository of one, too: the installer's copy gives way to the stand-in.
#[test]
fn a_copy_that_an_installer_needed_on_the_way_gives_way_to_the_stand_in() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let between = Repo::create(&world.home.scratch(), "between");
    let need = format!("mod-x @ {}", at(&world, "mod-x"));
    let files = needing("between", "", &[&need]).files();
    between.write(&files.iter().map(|(path, text)| (&**path, &**text)).collect::<Vec<_>>());
    bundle(&world, 1);
    let need = format!("between @ {}", at(&world, "between"));
    world.publish(&needing("mod-b", "import between, mod_x\nVALUE = mod_x.VALUE", &[&need]));
    let venv = world.bound(&python, "venv");
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "1 1");
    assert_is_stand_in(&world, &venv, "mod-x");
    bundle(&world, 2);
    world.update();
    assert_eq!(values(&venv, &["mod_a", "mod_b"]), "2 2");
    assert!(world.follows());
}

/// An installer that fails after it has installed something, and one that fails before.
#[test]
fn a_bind_that_fails_registers_what_it_did_or_leaves_nothing_behind() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    bundle(&world, 1);
    world.update();
    let venv = world.venv(&python, "venv");
    let is_install = "case \"$*\" in *--target*) ;; *--editable*)";
    world.calls.before_each(&format!("{is_install} echo 'no room' >&2; exit 9 ;; esac"));
    let bind = || world.home.run(&["--json", "bind", "--python", &venv.python_text()]);
    let environments = || {
        let status = world.home.run(&["--json", "status"]).ok().json();
        status["environments"].as_array().unwrap().clone()
    };
    let answer = bind().fails(1).json();
    assert!(answer["failed"].to_string().contains("no room"), "{answer}");
    assert!(venv.pth_files().keys().all(|name| !name.contains("modstore")));
    assert!(answer["bound"].as_array().unwrap().is_empty());
    // It has installed all, and says that it failed.
    let real = world.tools.uv().display();
    world.calls.before_each(&format!("{is_install} '{real}' \"$@\"; exit 9 ;; esac"));
    bind().fails(1);
    let known = environments();
    let modules = known[0]["modules"].to_string();
    for name in ["mod-a", "mod-x"] {
        let there =
            venv.pth_files().contains_key(&format!("_modstore_{}.pth", name.replace('-', "_")));
        assert_eq!(there, modules.contains(name), "{name}: {known:?}");
    }
    world.calls.leave_alone();
    world.update();
    assert_eq!(values(&venv, &["mod_a", "mod_x"]), "1 1");
    assert!(world.follows());
    world.home.run(&["unbind", "--python", &venv.python_text()]).ok();
    assert!(venv.pth_files().keys().all(|name| !name.contains("modstore")));
    assert!(environments().is_empty());
}
