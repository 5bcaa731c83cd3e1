//! Interpreters that start all the time, while what they import is switched under them: none fails, nothing dangles,
//! and with `exec` none sees two versions.
//!
//! `MODSTORE_ROUNDS=50` is the long form.

use std::{collections::BTreeSet, fs, path::PathBuf};

use modstore_testbed::{Backend, Project, Python, Running, Venv};

use super::world::{World, values};

/// Interpreters that are started one after the other until this is asked what they have seen.
pub(crate) struct Importers {
    running: Running,
    stop: PathBuf,
}

/// One line for each start: what it has seen, or how it failed.
const LOOP: &str = r#"
while [ ! -e "$STOP" ]; do
    seen=$("$@" 2>&1) && echo "$seen" || echo "FAILED $(echo "$seen" | tail -n 1)"
done
"#;

impl Importers {
    /// Each prints the values of these packages.
    pub(crate) fn start(world: &World, venv: &Venv<'_>, packages: &[&str]) -> Self {
        Self::start_by(world, venv, packages, &[])
    }

    /// The same, each started by a program and its arguments.
    fn start_by(world: &World, venv: &Venv<'_>, packages: &[&str], by: &[&str]) -> Self {
        let name = if by.is_empty() { "stop-plain" } else { "stop-pinned" };
        let stop = world.home.scratch().join(name);
        drop(fs::remove_file(&stop));
        let all: Vec<String> = packages.iter().map(|each| format!("{each}.VALUE")).collect();
        let code = format!("import {}; print({})", packages.join(", "), all.join(", "));
        let python = venv.python_text();
        let mut args = vec!["-c", LOOP, "importers"];
        args.extend(by);
        args.extend([python.as_str(), "-c", &code]);
        let mut command = world.home.command_of("/bin/sh".as_ref(), &args);
        command.env("STOP", &stop);
        Self { running: Running::start(command), stop }
    }

    /// Ends them, and gives what each start has seen.
    fn seen(self) -> Vec<String> {
        fs::write(&self.stop, "").unwrap();
        let said = self.running.wait().ok().stdout;
        said.lines().map(str::to_owned).collect()
    }

    /// Ends them. None has failed, and there were some.
    pub(crate) fn assert_none_failed(self) -> Vec<String> {
        let seen = self.seen();
        let failed: Vec<&String> = seen.iter().filter(|line| line.starts_with("FAILED")).collect();
        assert!(failed.is_empty(), "{} of {} starts: {failed:#?}", failed.len(), seen.len());
        assert!(!seen.is_empty(), "none was started");
        seen
    }
}

const MODULES: usize = 20;

/// Publishes this value of every module; of some with other metadata, in some rounds.
fn publish(world: &World, value: u64) {
    for number in 0..MODULES {
        let project = Project::new(&format!("mod-{number}"), Backend::UvBuild);
        let version = if number % 5 == 0 { value / 3 } else { 0 };
        let project = project.with_version(&format!("{version}.0"));
        world.publish(&project.with_code(&format!("VALUE = {value}")));
    }
}

/// What an environment's `.pth` files lead to and is not there.
fn dangling(venv: &Venv<'_>) -> Vec<String> {
    let texts = venv.pth_files().into_values();
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter(|line| line.starts_with('/') && !std::path::Path::new(line).is_dir()).collect()
}

/// T08.
#[test]
fn no_interpreter_that_starts_during_updates_fails_and_none_that_is_pinned_sees_two_versions() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let rounds: u64 =
        std::env::var("MODSTORE_ROUNDS").map_or(6, |rounds| rounds.parse().expect("a number"));
    publish(&world, 0);
    let venv = world.bound(&python, "venv");
    let packages: Vec<String> = (0..MODULES).map(|number| format!("mod_{number}")).collect();
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    let plain = Importers::start(&world, &venv, &packages);
    let pinned = Importers::start_by(
        &world,
        &venv,
        &packages,
        &[env!("CARGO_BIN_EXE_modstore"), "exec", "--"],
    );
    let mut installs = 0;
    for round in 1..=rounds {
        publish(&world, round);
        world.calls.take();
        world.update();
        installs += world.calls.installs().len();
        assert_eq!(dangling(&venv), [] as [&str; 0]);
        assert!(world.follows());
    }
    let (plain, pinned) = (plain.assert_none_failed(), pinned.assert_none_failed());
    let mixed: Vec<&String> =
        pinned.iter().filter(|line| line.split(' ').collect::<BTreeSet<_>>().len() != 1).collect();
    assert!(mixed.is_empty(), "{mixed:#?}");
    assert_eq!(installs as u64, rounds / 3, "metadata changed in every third");
    let last = vec![rounds.to_string(); MODULES].join(" ");
    assert_eq!(values(&venv, &packages), last);
    let versions: BTreeSet<&str> =
        plain.iter().chain(&pinned).flat_map(|line| line.split(' ')).collect();
    assert!(versions.len() > 1, "nothing was switched under them");
    println!(
        "{rounds} updates, {} starts, {} of them pinned",
        plain.len() + pinned.len(),
        pinned.len()
    );
}

/// T10.
#[test]
fn updaters_binders_and_a_foreign_installer_at_once_all_end_well() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let names = ["mod-a", "mod-b", "mod-c"];
    let publish = |value: u32| {
        for name in names {
            let project = Project::new(name, Backend::UvBuild).with_version(&format!("{value}.0"));
            world.publish(&project.with_code(&format!("VALUE = {value}")));
        }
    };
    publish(1);
    let venv = world.bound(&python, "venv");
    let python = venv.python_text();
    for round in 2..4 {
        publish(round);
        let ours: Vec<Running> = [
            ["update", "--lock-timeout", "100"].as_slice(),
            &["update", "--lock-timeout", "100"],
            &["bind", "--python", &python, "--lock-timeout", "100"],
        ]
        .iter()
        .map(|args| world.home.spawn(args))
        .collect();
        let wanted = if round == 2 { "six==1.16.0" } else { "six==1.17.0" };
        let args = ["pip", "install", "-q", "--python", &python, wanted, "iniconfig"];
        let theirs = Running::start(world.home.command_of(world.tools.uv(), &args));
        theirs.wait().ok();
        ours.into_iter().for_each(|running| drop(running.wait().ok()));
        assert_eq!(
            values(&venv, &["mod_a", "mod_b", "mod_c"]),
            vec![round.to_string(); 3].join(" ")
        );
        assert_eq!(super::world::version(&venv, "mod-b"), format!("{round}.0"));
        assert_eq!(super::world::version(&venv, "six"), &wanted[5..]);
        assert!(world.follows());
    }
    assert!(world.home.leftovers().is_empty(), "{:?}", world.home.leftovers());
}
