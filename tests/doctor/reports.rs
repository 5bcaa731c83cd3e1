//! The two reports: after an update the directories that environments lead to are gone, and others are beside them.

use std::{fs, path::PathBuf};

use modstore_testbed::{Backend, Project};

use crate::world::{
    MODULES, World, codes, distribution, import, install, module, only, text, with_code,
};

#[test]
fn modules_whose_directories_an_update_has_renamed_are_found_by_name_and_fixed_by_one_call() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let mut moved: Vec<(PathBuf, PathBuf)> = Vec::new();
    for (name, https, ssh) in MODULES {
        let project = module(name);
        let address = format!("ssh://git@github.com/microsoft/{}", project.name);
        let old = world.cached(&project, https, &address);
        moved.push((old.clone(), old.with_file_name(format!("{}-{ssh}", project.name))));
    }
    let old: Vec<_> = moved.iter().map(|(old, _)| old.as_path()).collect();
    install(&venv, &old);
    let package = module(MODULES[0].0).package();
    assert_eq!(import(&venv, &package), "1.0");
    moved.iter().for_each(|(old, new)| fs::rename(old, new).unwrap());

    let is_none = format!("import importlib.util as u; print(u.find_spec({package:?}))");
    assert_eq!(venv.says(&is_none), "None", "as in the reports");
    let (ran, told) = world.doctor(&venv, &["--import"]);
    let ran = ran.fails(1).says("error: 4 things are broken").says("run it again with --fix");
    drop(ran);
    assert_eq!(codes(&told), ["D01"], "{told:#}");
    for ((name, ..), (old, new)) in MODULES.iter().zip(&moved) {
        let distribution = distribution(name);
        let found = with_code(&told, "D01");
        let found = found.iter().find(|it| it["distribution"] == *distribution).unwrap();
        assert_eq!(found["module"], *distribution, "the name of its entry point");
        assert_eq!(found["target"], text(&old.join("src")));
        assert!(found["message"].as_str().unwrap().contains("which does not exist"));
        assert_eq!(found["candidate"]["directory"], text(new));
        let package = distribution.replace('-', "_");
        let raised = format!("No module named '{package}'");
        assert_eq!(found["exception"]["type"], "ModuleNotFoundError");
        assert_eq!(found["exception"]["message"], raised);
        let fix = found["fix"].as_str().unwrap();
        let end = format!("--no-deps -e {}", text(new));
        assert!(fix.starts_with("uv pip install --python ") && fix.ends_with(&end), "{fix}");
    }
    assert!(
        world
            .home
            .run(&["doctor", "--import", "--python", &venv.python_text()])
            .fails(1)
            .stdout
            .contains(
                "raises  ModuleNotFoundError: No module named 'amplifier_module_provider_openai'"
            )
    );

    let (ran, told) = world.doctor(&venv, &["--fix"]);
    ran.ok().says("installing 4 modules");
    assert_eq!((codes(&told), told["fixed"].as_array().unwrap().len()), (vec![], 4), "{told:#}");
    assert!(told["fixed"].as_array().unwrap().iter().all(|it| it["how"] == "uv"));
    for (name, ..) in MODULES {
        assert_eq!(import(&venv, &distribution(name).replace('-', "_")), "1.0");
    }
    let pths = venv.pth_files();
    let (ran, told) = world.doctor(&venv, &["--fix"]);
    ran.ok();
    assert_eq!((codes(&told), &told["fixed"]), (vec![], &serde_json::json!([])));
    assert_eq!(venv.pth_files(), pths, "a second run has nothing to do");
    assert!(!world.home.path().exists(), "no store was made");
}

#[test]
fn the_command_that_is_printed_fixes_its_finding() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv with space");
    let project = module("provider-openai");
    world.stranded(&venv, &project);
    let (_, told) = world.doctor(&venv, &["--quick"]);
    let fix = only(&told, "D01")["fix"].as_str().unwrap().to_owned();
    let ran = world.home.command_of("sh".as_ref(), &["-c", &fix]);
    modstore_testbed::Running::start(ran).wait().ok();
    world.doctor(&venv, &[]).0.ok();
    assert_eq!(import(&venv, &project.package()), "1.0");
}

#[test]
fn a_finder_of_setuptools_is_fixed_like_a_path() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    for (name, backend) in [("mod-flat", Backend::SetuptoolsFlat), ("mod-src", Backend::Setuptools)]
    {
        let project = Project::new(name, backend);
        world.stranded(&venv, &project);
    }
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(1);
    let found = with_code(&told, "D01");
    let files: Vec<&str> = found.iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert!(files[0].ends_with("__editable___mod_flat_1_0_finder.py"), "{files:?}");
    assert!(files[1].ends_with("__editable__.mod_src-1.0.pth"), "{files:?}");
    world.doctor(&venv, &["--fix"]).0.ok();
    for package in ["mod_flat", "mod_src"] {
        assert_eq!(import(&venv, package), "1.0");
    }
    assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new());
}

#[test]
fn a_pth_is_wrong_although_every_tool_shows_the_right_place() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = module("provider-openai");
    let (old, new) = world.stranded(&venv, &project);
    let url = venv.site().join("amplifier_module_provider_openai-1.0.dist-info/direct_url.json");
    let before = fs::read_to_string(&url).unwrap();
    fs::write(&url, before.replace(text(&old), text(&new))).unwrap();
    let shown = venv.uv_pip("freeze", &[""; 0]).ok().stdout;
    assert!(shown.contains(text(&new)), "tools are content: {shown}");
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(1);
    let found = only(&told, "D01");
    assert_eq!(found["target"], text(&old.join("src")));
    assert_eq!(found["candidate"]["directory"], text(&new));
    assert!(found["candidate"]["why"].as_str().unwrap().contains("direct_url.json"));
    world.doctor(&venv, &["--fix"]).0.ok();
    assert_eq!(import(&venv, &project.package()), "1.0");
    assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new());
}

#[test]
fn of_two_directories_the_other_spelling_of_the_missing_one_is_taken_and_the_twins_are_reported() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = module("provider-openai");
    let address = format!("github.com/microsoft/{}", project.name);
    let old = world.cached(&project, MODULES[0].1, &format!("https://{address}"));
    install(&venv, &[&old]);
    fs::remove_dir_all(&old).unwrap();
    let new = world.cached(&project, MODULES[0].2, &format!("ssh://git@{address}"));
    let fork = world.cached(&project, "00000000000000aa", "https://github.com/somebody/fork");
    let (_, told) = world.doctor(&venv, &[]);
    let candidate = &only(&told, "D01")["candidate"];
    assert_eq!(candidate["directory"], text(&new), "{told:#}");
    assert!(candidate["why"].as_str().unwrap().contains("another spelling"), "{candidate}");
    assert_eq!(candidate["others"], serde_json::json!([text(&fork)]));
    assert!(only(&told, "D05")["message"].as_str().unwrap().contains("is in two repositories"));
    fs::remove_dir_all(&fork).unwrap();
    world.doctor(&venv, &["--fix"]).0.ok();
    assert_eq!(import(&venv, &project.package()), "1.0");
    assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new());
    // The spelling comes back beside it: nothing is broken, and the next update may break it.
    world.cached(&project, MODULES[0].1, &format!("https://{address}"));
    let (ran, told) = world.doctor(&venv, &[]);
    ran.ok();
    let what = only(&told, "D05")["message"].as_str().unwrap();
    assert!(what.contains("is cached 2 times, spelled https://"), "{what}");
}

#[test]
fn when_nothing_says_which_directory_is_meant_none_is_taken() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let project = module("provider-openai");
    let old = world.cached(&project, "00000000000000aa", "https://h.example/r");
    install(&venv, &[&old]);
    fs::remove_dir_all(&old).unwrap();
    let both: Vec<PathBuf> = ["00000000000000bb", "00000000000000cc"]
        .iter()
        .map(|hash| world.cached(&project, hash, &format!("https://h.example/{hash}")))
        .collect();
    let before = venv.pth_files();
    let (ran, told) = world.doctor(&venv, &["--fix"]);
    ran.fails(1);
    let found = only(&told, "D01");
    let why = found["not_fixed_because"].as_str().unwrap();
    assert!(both.iter().all(|path| why.contains(text(path))), "{why}");
    assert_eq!((&found["candidate"], venv.pth_files()), (&serde_json::Value::Null, before));
}
