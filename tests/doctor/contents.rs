//! Distributions that lie in the environment as a whole, and links in the place of code: what is missing of them is found.

use std::{fs, path::Path, process::Command};

use modstore_testbed::{Backend, Project, Venv, skip_loudly};

use crate::{
    oracle::obey,
    world::{World, codes, import, only, text},
};

/// What is found with these options, and the environment is broken or not.
#[track_caller]
fn found(world: &World, venv: &Venv<'_>, more: &[&str]) -> Vec<String> {
    let (_, told) = world.doctor(venv, more);
    codes(&told).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_distribution_whose_code_is_gone_is_found_and_comes_back() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    venv.uv_pip("install", &["-q", "packaging", "six==1.16.0", "pluggy"]).ok();
    assert_eq!(found(&world, &venv, &["--import"]), Vec::<String>::new());
    for gone in ["six.py", "pluggy", "packaging/__init__.py"] {
        let gone = venv.site().join(gone);
        if gone.is_dir() { fs::remove_dir_all(gone) } else { fs::remove_file(gone) }.unwrap();
    }
    assert_eq!(found(&world, &venv, &["--quick"]), Vec::<String>::new());
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(1);
    assert_eq!(codes(&told), ["D04"], "{told:#}");
    let said: Vec<String> = told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {} {}", it["distribution"], it["severity"], it["message"]))
        .collect();
    let said = said.join("\n");
    for words in [
        "\"packaging\" \"broken\" \"packaging/__init__.py was installed, and is missing\"",
        "\"pluggy\" \"broken\" \"it is installed, and none of its",
        "\"six\" \"broken\" \"it is installed, and none of its 1 file of code is there\"",
    ] {
        assert!(said.contains(words), "{words}:\n{said}");
    }
    let (ran, told) = world.doctor(&venv, &["--fix"]);
    ran.ok();
    assert_eq!(codes(&told), Vec::<&str>::new(), "{told:#}");
    venv.says("import pluggy, packaging");
    assert_eq!(venv.says("import six; print(six.__version__)"), "1.16.0");
}

#[test]
fn a_file_that_is_gone_is_a_warning_unless_importing_shows_that_it_is_needed() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    venv.uv_pip("install", &["-q", "packaging", "pluggy"]).ok();
    fs::remove_file(venv.site().join("packaging/licenses/_spdx.py")).unwrap();
    fs::remove_file(venv.site().join("pluggy/_hooks.py")).unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.ok();
    let severities = |told: &serde_json::Value| -> Vec<String> {
        let all = told["findings"].as_array().unwrap().iter();
        let mut all: Vec<String> =
            all.map(|it| format!("{} {}", it["distribution"], it["severity"])).collect();
        all.sort();
        all
    };
    assert_eq!(severities(&told), ["\"packaging\" \"warning\"", "\"pluggy\" \"warning\""]);
    let (ran, told) = world.doctor(&venv, &["--import"]);
    ran.fails(1);
    assert_eq!(severities(&told), ["\"packaging\" \"warning\"", "\"pluggy\" \"broken\""]);
    assert!(told.to_string().contains("No module named 'pluggy._hooks'"), "{told:#}");
    world.doctor(&venv, &["--fix"]).0.ok();
    assert_eq!(found(&world, &venv, &["--import"]), Vec::<String>::new());
}

#[test]
fn what_is_left_out_on_purpose_is_no_fault() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = Project::new("whole", Backend::Hatchling);
    let root = world.home.scratch().join("whole");
    project.write_to(&root);
    let package = root.join(Backend::Hatchling.root()).join("whole");
    for (path, content) in
        [("tests/test_it.py", "1 / 0\n"), ("data.txt", "x"), ("compiled.py", "V = 1\n")]
    {
        let path = package.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    venv.uv_pip("install", &["-q", text(&root)]).ok();
    let installed = venv.site().join("whole");
    venv.says(&format!(
        "import py_compile; p = {:?}; py_compile.compile(p, p + 'c')",
        text(&installed.join("compiled.py"))
    ));
    for gone in ["tests/test_it.py", "data.txt", "compiled.py"] {
        fs::remove_file(installed.join(gone)).unwrap();
    }
    assert_eq!(found(&world, &venv, &["--import"]), Vec::<String>::new());
    // What was installed from a directory comes from there again, and by hand.
    fs::remove_dir_all(&installed).unwrap();
    let (ran, told) = world.doctor(&venv, &["--fix"]);
    ran.fails(1);
    let command = only(&told, "D04")["fix"].as_str().unwrap().to_owned();
    assert!(command.ends_with(&format!("--no-deps --reinstall {}", text(&root))), "{command}");
}

/// As `flit install --symlink` does it, with its hashes in digits and without a `WHEEL`.
#[test]
fn a_link_in_the_place_of_code_is_healthy_and_broken_when_it_leads_nowhere() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = Project::new("linked-one", Backend::Flit);
    let old = world.home.scratch().join("old");
    project.write_to(&old);
    let package = old.join(Backend::Flit.root()).join("linked_one");
    let link = venv.site().join("linked_one");
    std::os::unix::fs::symlink(&package, &link).unwrap();
    let info = venv.site().join("linked_one-1.0.dist-info");
    fs::create_dir(&info).unwrap();
    let url =
        format!("{{\"url\": \"file://{}\", \"dir_info\": {{\"editable\": true}}}}", text(&old));
    fs::write(info.join("direct_url.json"), &url).unwrap();
    fs::write(info.join("METADATA"), "Metadata-Version: 2.1\nName: linked-one\nVersion: 1.0\n")
        .unwrap();
    let hash =
        venv.says(&format!("import hashlib; print(hashlib.sha256({url:?}.encode()).hexdigest())"));
    let record = format!(
        "linked_one-1.0.dist-info/METADATA,,\n\
         linked_one-1.0.dist-info/direct_url.json,sha256={hash},{}\n\
         linked_one/__init__.py,,\nlinked_one-1.0.dist-info/RECORD,,\n",
        url.len()
    );
    fs::write(info.join("RECORD"), record).unwrap();
    for more in [&[][..], &["--quick"], &["--import"]] {
        assert_eq!(found(&world, &venv, more), Vec::<String>::new());
    }

    let new = old.with_file_name("new");
    fs::rename(&old, &new).unwrap();
    for more in [&[][..], &["--quick"], &["--import"]] {
        let (ran, told) = world.doctor(&venv, more);
        ran.fails(1);
        let finding = only(&told, "D01");
        assert_eq!(finding["path"], text(&link), "{told:#}");
        assert!(finding["message"].as_str().unwrap().contains("linked_one leads to"), "{told:#}");
    }
    // Through the link an installer would delete the code: the doctor prints what to do.
    let (_, told) = world.doctor(&venv, &["--fix"]);
    obey(&world, only(&told, "D01")["fix"].as_str().unwrap());
    assert!(new.join(Backend::Flit.root()).join("linked_one/__init__.py").is_file());
    assert!(!import(&venv, "linked_one").contains("Error"));
    assert_eq!(found(&world, &venv, &["--import"]), Vec::<String>::new());
}

#[test]
fn a_program_that_no_installer_has_written_is_no_sign_of_a_move() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    fs::write(venv.prefix().join("bin/own"), "#!/opt/other/bin/python\n").unwrap();
    assert_eq!(found(&world, &venv, &[]), Vec::<String>::new());
}

/// A project of meson-python with a compiled module.
fn of_meson(directory: &Path) {
    let files = [
        (
            "pyproject.toml",
            "[build-system]\nrequires = [\"meson-python\"]\nbuild-backend = \"mesonpy\"\n\n[project]\nname = \"mod-meson\"\nversion = \"1.0\"\n",
        ),
        (
            "meson.build",
            "project('mod-meson', 'c', version: '1.0')\npy = import('python').find_installation(pure: false)\npy.install_sources('mod_meson/__init__.py', subdir: 'mod_meson')\npy.extension_module('_c', 'c.c', subdir: 'mod_meson', install: true)\n",
        ),
        ("mod_meson/__init__.py", "from . import _c\n"),
        (
            "c.c",
            "#include <Python.h>\nstatic struct PyModuleDef m = {PyModuleDef_HEAD_INIT, \"_c\", NULL, -1, NULL};\nPyMODINIT_FUNC PyInit__c(void) { return PyModule_Create(&m); }\n",
        ),
    ];
    for (path, content) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// The project with its compiled code, which meson-python builds when it is imported.
#[test]
fn an_editable_of_meson_python_is_healthy_where_it_can_build_and_broken_where_it_cannot() {
    let Some(world) = World::new() else { return };
    let wheels = fs::read_dir(world.tools.wheels()).unwrap().flatten();
    let has_meson =
        wheels.into_iter().any(|it| it.file_name().to_string_lossy().starts_with("meson_python"));
    if !has_meson || Command::new("cc").arg("--version").output().is_err() {
        return skip_loudly("needs a C compiler and the wheel of meson-python (tests/setup.sh)");
    }
    let venv = world.venv("venv");
    let project = world.home.scratch().join("mod-meson");
    of_meson(&project);
    // What it is built with is gone when the installer is done.
    let installed = venv.uv_pip("install", &["-q", "-e", text(&project)]);
    installed.ok();
    assert!(venv.run("import mod_meson").status != 0, "the program that builds is still there");
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(1);
    assert_eq!(codes(&told), ["D01"], "{told:#}");
    let finding = only(&told, "D01");
    assert!(
        finding["message"].as_str().unwrap().contains("ninja, which does not exist"),
        "{told:#}"
    );
    world.doctor(&venv, &["--fix"]).0.fails(1);
    obey(&world, finding["fix"].as_str().unwrap());
    venv.says("import mod_meson");
    for more in [&[][..], &["--quick"], &["--import"], &["--fix"]] {
        assert_eq!(found(&world, &venv, more), Vec::<String>::new());
    }

    fs::rename(&project, project.with_file_name("renamed")).unwrap();
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(1);
    assert_eq!(codes(&told), ["D01"], "{told:#}");
    obey(&world, only(&told, "D01")["fix"].as_str().unwrap());
    venv.says("import mod_meson");
    assert_eq!(found(&world, &venv, &["--import"]), Vec::<String>::new());
}
