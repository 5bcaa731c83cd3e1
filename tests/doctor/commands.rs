//! The printed commands: each is run in a shell as it is printed, mends what it is printed for, and makes nothing worse.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use modstore_testbed::{Backend, Project, Repo, Running, Venv, git};
use serde_json::Value;

use crate::{
    oracle::obey,
    world::{World, codes, install, only, text, with_code},
};

fn place(world: &World, name: &str) -> PathBuf {
    world.home.scratch().join(name)
}

/// A project that needs these, written and installed without what it needs.
fn installed(world: &World, venv: &Venv<'_>, name: &str, needs: &[&str]) -> PathBuf {
    let directory = place(world, name);
    Project::new(name, Backend::Hatchling).needing(needs).write_to(&directory);
    install(venv, &[&directory]);
    directory
}

/// Another distribution with the same package.
fn fork(world: &World, name: &str, package: &str) -> PathBuf {
    let directory = place(world, name);
    let code = directory.join("src").join(package);
    fs::create_dir_all(&code).unwrap();
    fs::write(code.join("__init__.py"), "").unwrap();
    let settings = format!(
        "[project]\nname = \"{name}\"\nversion = \"1.0\"\n[tool.hatch.build.targets.wheel]\npackages = [\"src/{package}\"]\n[build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n"
    );
    fs::write(directory.join("pyproject.toml"), settings).unwrap();
    directory
}

/// What `uv pip check` has to complain of.
fn complaints(venv: &Venv<'_>) -> usize {
    let ran = venv.uv_pip("check", &["--quiet"][..0]);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    said.lines().filter(|line| line.contains("requires")).count()
}

/// What is installed, and every file that Python follows.
fn state(venv: &Venv<'_>) -> (String, Vec<String>) {
    let list = venv.uv_pip("freeze", &["--exclude-editable"]).ok().stdout;
    let list = list.replace(text(venv.prefix().parent().unwrap()), "");
    (list, venv.pth_files().into_keys().collect())
}

fn command_of(told: &Value, code: &str) -> String {
    only(told, code)["fix"].as_str().unwrap_or_else(|| panic!("{told:#}")).to_owned()
}

/// Damages two environments alike, obeys the command in one, fixes the other, and compares them.
fn does_what_fix_does(code: &str, damage: &dyn Fn(&World, &Venv<'_>)) {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    damage(&world, &venv);
    let before = complaints(&venv);
    let command = command_of(&world.doctor(&venv, &[]).1, code);
    obey(&world, &command);
    assert!(complaints(&venv) <= before, "{code}: {command}");
    let (ran, told) = world.doctor(&venv, &[]);
    ran.ok();
    assert_eq!(codes(&told), Vec::<&str>::new(), "{code}: {command}\n{told:#}");

    let Some(other) = World::new() else { return };
    let fixed = other.venv("venv");
    damage(&other, &fixed);
    let (ran, told) = other.doctor(&fixed, &["--fix"]);
    ran.ok();
    assert_eq!(codes(&told), Vec::<&str>::new(), "{code}: {told:#}");
    assert_eq!(state(&venv), state(&fixed), "{code}: {command}");
}

#[test]
fn the_command_of_each_finding_that_fix_mends_does_what_fix_does() {
    does_what_fix_does("D01", &|world, venv| {
        world.stranded(venv, &Project::new("moved", Backend::Hatchling));
    });
    does_what_fix_does("D02", &|world, venv| {
        let here = installed(world, venv, "shown", &[]);
        let url = venv.site().join("shown-1.0.dist-info/direct_url.json");
        let shown = fs::read_to_string(&url).unwrap();
        fs::write(&url, shown.replace(text(&here), "/gone")).unwrap();
    });
    does_what_fix_does("D04", &|world, venv| {
        installed(world, venv, "torn", &[]);
        fs::remove_file(venv.site().join("_editable_impl_torn.pth")).unwrap();
    });
    does_what_fix_does("D04", &|_, venv| {
        venv.uv_pip("install", &["-q", "six==1.16.0"]).ok();
        fs::remove_file(venv.site().join("six.py")).unwrap();
    });
    does_what_fix_does("D09", &|world, venv| {
        // The host works with one version, and what is missing would take a newer one.
        venv.uv_pip("install", &["-q", "six==1.16.0"]).ok();
        installed(world, venv, "host", &["six<1.17", "pathspec>1 ; python_version >= '3'"]);
        installed(world, venv, "lib", &["six"]);
        venv.uv_pip("install", &["-q", "pathspec"]).ok();
        installed(world, venv, "module", &["hatchling"]);
    });
    does_what_fix_does("D09", &|world, venv| {
        installed(world, venv, "tool", &["six"]);
        venv.uv_pip("install", &["-q", "six==1.16.0"]).ok();
        let host = place(world, "host");
        Project::new("host", Backend::Hatchling).needing(&["six<1.17"]).write_to(&host);
        venv.uv_pip("install", &["-q", "--no-deps", text(&host)]).ok();
        fs::remove_file(venv.site().join("six.py")).unwrap();
    });
}

#[test]
fn a_command_leaves_what_another_distribution_needs() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    let version = "import six; print(six.__version__)";
    venv.uv_pip("install", &["-q", "six==1.16.0"]).ok();
    installed(&world, &venv, "host", &["six<1.17"]);
    // What is missing needs another version of what the host has: there is no way, and nothing is changed.
    let library = place(&world, "library");
    Project::new("library", Backend::Hatchling).needing(&["six>=1.17"]).write_to(&library);
    let mut tool = Project::new("tool", Backend::Hatchling).needing(&["library"]);
    tool.settings = "[tool.uv.sources]\nlibrary = { path = \"../library\" }\n".into();
    tool.write_to(&place(&world, "tool"));
    install(&venv, &[&place(&world, "tool")]);
    let command = command_of(&world.doctor(&venv, &[]).1, "D09");
    let before = complaints(&venv);
    let uv = world.tools.uv().parent().unwrap();
    let path = format!("{}:{}", uv.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).env("PATH", path).env("UV_OFFLINE", "1");
    shell.env("UV_FIND_LINKS", world.tools.wheels());
    assert!(!shell.status().unwrap().success(), "{command}");
    assert_eq!((complaints(&venv), venv.says(version)), (before, "1.16.0".to_owned()), "{command}");
}

#[test]
fn a_project_whose_own_metadata_is_old_is_installed_again_with_what_it_needs_now() {
    does_what_fix_does("D09", &|world, venv| {
        venv.uv_pip("install", &["-q", "six==1.16.0"]).ok();
        let here = installed(world, venv, "updated", &["six<1.17"]);
        Project::new("updated", Backend::Hatchling).needing(&["six>=1.17"]).write_to(&here);
    });
}

#[test]
fn what_a_missing_project_needs_comes_from_where_that_project_takes_it() {
    for asks_index in [false, true] {
        let damage = |world: &World, venv: &Venv<'_>| {
            let with = |name: &str, needs: &str, source: &str| {
                let mut project = Project::new(name, Backend::Hatchling).needing(&[needs]);
                project.settings = format!("[tool.uv.sources]\n{needs} = {source}\n");
                project.write_to(&place(world, name));
            };
            // The name is somebody else's on the index: six, of another version.
            Project::new("six", Backend::Hatchling)
                .with_version("0.1")
                .write_to(&place(world, "six"));
            with("second", "six", "{ path = \"../six\" }");
            with("first", "second", "{ path = \"../second\", editable = true }");
            install(venv, &[&place(world, "first")]);
        };
        let Some(world) = World::new() else { return };
        let venv = world.venv("venv");
        damage(&world, &venv);
        let (_, told) = world.doctor(&venv, if asks_index { &["--fix"] } else { &[] });
        if !asks_index {
            obey(&world, &command_of(&told, "D09"));
        }
        let version = "import importlib.metadata as m; print(m.version('six'))";
        assert_eq!(venv.says(version), "0.1");
        assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new());
    }
}

#[test]
fn an_index_of_the_project_s_own_is_not_replaced_by_that_of_the_user() {
    let Some(world) = World::new() else { return };
    for (number, (settings, is_own)) in [
        ("[[tool.uv.index]]\nurl = 'https://me:s3cret@index.invalid/simple'\ndefault = true\n", true),
        ("[[tool.uv.index]]\nname = 'a'\nurl = 'https://index.invalid/simple'\n", true),
        ("[tool.uv]\nindex-url = 'https://index.invalid/simple'\n", true),
        ("[[tool.uv.index]]\nname = 'a'\nurl = 'https://index.invalid/simple'\nexplicit = true\n", false),
    ]
    .into_iter()
    .enumerate()
    {
        let venv = world.venv(&format!("venv{number}"));
        let mut project = Project::new("mine", Backend::Hatchling).needing(&["six"]);
        project.settings = settings.into();
        let here = place(&world, &format!("mine{number}"));
        project.write_to(&here);
        install(&venv, &[&here]);
        let (ran, told) = world.doctor(&venv, &["--fix"]);
        assert_eq!(ran.status, i32::from(is_own), "{settings} {told:#}");
        if is_own {
            let why = only(&told, "D09")["not_fixed_because"].as_str().unwrap();
            assert!(why.contains("index.invalid") && !why.contains("s3cret"), "{why}");
            assert_ne!(venv.run("import six").status, 0);
        }
    }
}

#[test]
fn an_environment_with_pip_alone_gets_commands_of_pip() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    venv.run("import ensurepip; ensurepip._main(['--default-pip'])");
    if venv.run("import pip").status != 0 {
        return modstore_testbed::skip_loudly("this Python has no ensurepip");
    }
    venv.uv_pip("install", &["-q", "six==1.16.0"]).ok();
    installed(&world, &venv, "host", &["six<1.17"]);
    installed(&world, &venv, "tool", &["pluggy"]);
    let told = world.doctor_without_uv(&venv, &[]).1;
    let command = command_of(&told, "D09");
    assert!(command.contains("-m pip install") && command.contains("'six<1.17'"), "{command}");
    let without_uv = |command: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).env("PATH", "/usr/bin:/bin");
        shell.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", world.tools.wheels());
        assert!(shell.status().unwrap().success(), "{command}");
    };
    without_uv(&command);
    assert_eq!(codes(&world.doctor_without_uv(&venv, &[]).1), Vec::<&str>::new());
    // Its files are gone.
    fs::remove_dir_all(venv.site().join("pluggy")).unwrap();
    without_uv(&command_of(&world.doctor_without_uv(&venv, &[]).1, "D09"));
    assert_eq!(codes(&world.doctor_without_uv(&venv, &[]).1), Vec::<&str>::new());
    // Another distribution has the same package.
    let other = fork(&world, "other-tool", "tool");
    venv.uv_pip("install", &["-q", "--no-deps", text(&other)]).ok();
    let told = world.doctor_without_uv(&venv, &[]).1;
    without_uv(&command_of(&told, "D20"));
    assert_eq!(codes(&world.doctor_without_uv(&venv, &[]).1), Vec::<&str>::new());
}

#[test]
fn a_distribution_that_is_needed_is_not_offered_for_removal_and_a_directory_of_code_is_moved_aside()
{
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    installed(&world, &venv, "mine", &[]);
    // A directory that nobody has recorded: it may be the only copy of what somebody wrote.
    let left = venv.site().join("mine");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("__init__.py"), "MINE = 1\n").unwrap();
    obey(&world, &command_of(&world.doctor(&venv, &[]).1, "D20"));
    assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new());
    assert!(venv.site().join("mine.off/__init__.py").is_file());
    // Again: what was moved aside stays.
    fs::create_dir(&left).unwrap();
    fs::write(left.join("__init__.py"), "MINE = 2\n").unwrap();
    obey(&world, &command_of(&world.doctor(&venv, &[]).1, "D20"));
    let kept = |name: &str| fs::read_to_string(venv.site().join(name).join("__init__.py")).unwrap();
    assert_eq!((kept("mine.off"), kept("mine.off2")), ("MINE = 1\n".into(), "MINE = 2\n".into()));

    // A distribution that another one needs.
    let fork = fork(&world, "mine-fork", "mine");
    venv.uv_pip("install", &["-q", "--no-deps", text(&fork)]).ok();
    let told = world.doctor(&venv, &[]).1;
    assert!(command_of(&told, "D20").contains("uninstall"), "{told:#}");
    installed(&world, &venv, "host", &["mine-fork"]);
    let told = world.doctor(&venv, &[]).1;
    let found = only(&told, "D20");
    assert!(found["fix"].is_null(), "{told:#}");
    assert!(found["not_fixed_because"].as_str().unwrap().contains("host needs mine-fork"));
}

#[test]
fn programs_of_a_moved_environment_come_from_where_their_distribution_came_from() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    // Its name is on no index, or is somebody else's there.
    let here = place(&world, "private-tool");
    Project::new("private-tool", Backend::Hatchling).write_to(&here);
    venv.uv_pip("install", &["-q", "--no-deps", text(&here)]).ok();
    let moved = venv.prefix().with_file_name("moved");
    fs::rename(venv.prefix(), &moved).unwrap();
    let moved = Venv::at(&world.home, &world.tools, moved);
    let command = command_of(&world.doctor(&moved, &[]).1, "D23");
    assert!(command.ends_with(text(&here)), "{command}");
    obey(&world, &command);
    assert_eq!(codes(&world.doctor(&moved, &[]).1), Vec::<&str>::new());
}

fn doctor_of(world: &World, python: &Path) -> (i32, Value) {
    let (ran, told) = world.json(&["doctor", "--python", text(python)]);
    (ran.status, told)
}

#[test]
fn the_line_of_the_user_s_own_directory_that_ends_python_is_named_and_its_command_helps() {
    let Some(world) = World::new() else { return };
    let Some((base, site)) = world.user_site(&world.venv("any")) else { return };
    fs::create_dir_all(&site).unwrap();
    let before = codes(&doctor_of(&world, &base).1).len();
    let made = place(&world, "above");
    let arguments = ["-m", "venv", "--without-pip", "--system-site-packages", text(&made)];
    Running::start(world.home.command_of(&base, &arguments)).wait().ok();
    for code in ["import os; os._exit(5)", "import sys; sys.exit('no')", "import helper_that_ends"]
    {
        fs::write(site.join("aa.pth"), "import os; seen = 1\n").unwrap();
        fs::write(site.join("helper_that_ends.py"), "import os\nos.kill(os.getpid(), 9)\n")
            .unwrap();
        let ending = site.join("work.pth");
        fs::write(&ending, format!("# mine\n/nowhere\n{code}\n")).unwrap();
        for python in [&base, &made.join("bin/python")] {
            let (status, told) = doctor_of(&world, python);
            assert_eq!(status, 1, "{told:#}");
            let found = only(&told, "D21");
            assert_eq!(found["path"], text(&ending), "{told:#}");
            let message = found["message"].as_str().unwrap();
            assert!(message.contains("line 3") && message.contains(code), "{message}");
        }
        obey(&world, &command_of(&doctor_of(&world, &base).1, "D21"));
        assert_eq!(codes(&doctor_of(&world, &base).1).len(), before);
        fs::remove_file(site.join("work.pth.off")).unwrap();
    }
    // It only fails: every start prints a traceback, and goes on.
    fs::write(site.join("zz.pth"), "import gone_for_good\n").unwrap();
    let told = doctor_of(&world, &base).1;
    let found = with_code(&told, "D21");
    assert_eq!(found[0]["severity"], "warning", "{told:#}");
    obey(&world, found[0]["fix"].as_str().unwrap());
    assert_eq!(codes(&doctor_of(&world, &base).1).len(), before);
}

#[test]
fn what_a_cache_has_and_its_remote_has_not_is_not_offered_for_deletion() {
    let Some(mut world) = World::new() else { return };
    let home = place(&world, "host");
    world.home.env("AMPLIFIER_HOME", &home);
    let world = world;
    let repo = Repo::create(&world.home.scratch(), "mod-a");
    let files = Project::new("mod-a", Backend::Hatchling).files();
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    repo.write(&files);
    let clone = home.join("cache/mod-a-00000000000000aa");
    fs::create_dir_all(clone.parent().unwrap()).unwrap();
    let mut command = git();
    command.args(["clone", "-q", "--depth", "1", &repo.url_file()]).arg(&clone);
    assert!(command.status().unwrap().success());
    let unused = || {
        let told = world.json(&["doctor"]).1;
        (only(&told, "D14")["fix"].as_str().map(str::to_owned), told)
    };
    let removal = unused().0.unwrap();
    assert!(removal.starts_with("rm -r "), "{removal}");
    // A commit that is nowhere else.
    let mine = clone.join("src/mod_a/mine.py");
    fs::write(&mine, "").unwrap();
    let edits = place(&world, "elsewhere");
    fs::create_dir(&edits).unwrap();
    let told = unused().1;
    assert!(only(&told, "D14")["fix"].is_null(), "edited: {told:#}");
    let save = format!("cd {} && {}", edits.display(), command_of(&told, "D08"));
    obey(&world, &save);
    assert!(fs::read_to_string(edits.join("edits.patch")).unwrap().contains("mine.py"));
    for arguments in [&["add", "-A"][..], &["commit", "-qm", "mine"]] {
        assert!(git().arg("-C").arg(&clone).args(arguments).status().unwrap().success());
    }
    assert!(unused().0.is_none(), "committed");
    let back = ["reset", "-q", "--hard", "origin/main"];
    assert!(git().arg("-C").arg(&clone).args(back).status().unwrap().success());
    obey(&world, &unused().0.unwrap());
    assert!(!clone.exists());
}

#[test]
fn a_requirement_of_an_egg_link_is_missed_and_added() {
    let Some(world) = World::new() else { return };
    let venv = world.venv("venv");
    // As `setup.py develop` of setuptools 59 leaves it.
    let here = place(&world, "old");
    let write = |path: PathBuf, content: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write(here.join("old/__init__.py"), "");
    write(here.join("setup.py"), "from setuptools import setup; setup(name='old')\n");
    write(here.join("old.egg-info/PKG-INFO"), "Metadata-Version: 2.1\nName: old\nVersion: 1\n");
    write(here.join("old.egg-info/top_level.txt"), "old\n");
    let requires = "six>=1.16\n\n[:python_version < \"3\"]\nfutures\n\n[dev]\nnope-dev\n";
    write(here.join("old.egg-info/requires.txt"), requires);
    write(venv.site().join("old.egg-link"), &format!("{}\n.", here.display()));
    write(venv.site().join("easy-install.pth"), &format!("{}\n", here.display()));
    venv.says("import old");
    let (ran, told) = world.doctor(&venv, &[]);
    ran.fails(1);
    assert_eq!(only(&told, "D09")["message"], "it needs six>=1.16, which is not installed");
    obey(&world, &command_of(&told, "D09"));
    assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new());
    venv.uv_pip("uninstall", &["-q", "six"]).ok();
    world.doctor(&venv, &["--fix"]).0.ok();
    assert_eq!(codes(&world.doctor(&venv, &[]).1), Vec::<&str>::new());
}
