//! The installer script, against a server with faults and on systems that it does not know.
//!
//! The program of the release is a script that runs the real one, so that no release has to be built.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

#[path = "packages/release.rs"]
mod release;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc,
    time::Duration,
};

use modstore_testbed::{Fault, HttpServer, Running, TestHome};
use release::{BINARY, VERSION, on_the_path, program, repository, said, succeeded, write_script};
use rustix::process::Signal;

/// The programs that the installer may need, besides one that downloads and one that checks.
const TOOLS: [&str; 13] = [
    "sh", "uname", "getconf", "mkdir", "mktemp", "rm", "cp", "mv", "sed", "tar", "gzip", "cat",
    "ls",
];

/// A release on a server, and a system with only the programs that a test gives it.
struct World {
    home: TestHome,
    server: HttpServer,
    release: PathBuf,
    programs: PathBuf,
}

impl World {
    fn new() -> Option<Self> {
        let home = TestHome::in_memory(BINARY);
        let release = release::make(&home, "release.git")?;
        let server = HttpServer::start_with_files(&home.scratch());
        let programs = home.scratch().join("programs");
        fs::create_dir(&programs).unwrap();
        let world = Self { home, server, release, programs };
        for tool in TOOLS.iter().chain(&["curl", "sha256sum"]) {
            world.has(tool)?;
        }
        Some(world)
    }

    /// Gives the system a program of this one.
    fn has(&self, tool: &str) -> Option<()> {
        std::os::unix::fs::symlink(program(tool)?, self.programs.join(tool)).unwrap();
        Some(())
    }

    fn lacks(&self, tool: &str) -> &Self {
        fs::remove_file(self.programs.join(tool)).unwrap();
        self
    }

    /// Puts a script in the place of a program.
    fn says(&self, tool: &str, script: &str) -> &Self {
        let _ = fs::remove_file(self.programs.join(tool));
        write_script(&self.programs.join(tool), &format!("#!/bin/sh\n{script}\n"));
        self
    }

    fn installer(&self, arguments: &[&str]) -> Command {
        let script = self.release.join("install.sh");
        let all = [&[script.to_str().unwrap()], arguments].concat();
        let mut command = self.home.command_of(&self.programs.join("sh"), &all);
        command
            .env("PATH", &self.programs)
            .env("MODSTORE_INSTALL_FROM", self.server.url("release"));
        command
    }

    fn install(&self) -> Output {
        self.installer(&[]).output().unwrap()
    }

    fn target(&self) -> PathBuf {
        self.home.user_home().join(".local/bin/modstore")
    }

    /// Puts an older program in place, which must survive a failure.
    fn with_old_program(&self) -> &Self {
        fs::create_dir_all(self.target().parent().unwrap()).unwrap();
        write_script(&self.target(), "#!/bin/sh\necho old\n");
        self
    }

    /// Asserts that an installation failed, said so, and left the old program and nothing else.
    #[track_caller]
    fn failed(&self, output: &Output, text: &str) {
        let said = said(output);
        assert!(!output.status.success() && said.contains(text), "{said}");
        assert!(said.contains("\nerror: ") || said.starts_with("error: "), "{said}");
        self.has_only_the_old_program();
    }

    #[track_caller]
    fn has_only_the_old_program(&self) {
        let place = self.target();
        let names: Vec<_> = fs::read_dir(place.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["modstore"], "something was left");
        assert_eq!(fs::read_to_string(place).unwrap(), "#!/bin/sh\necho old\n");
    }

    fn archive(&self) -> PathBuf {
        let names = fs::read_dir(&self.release).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.to_str().unwrap().ends_with(".tar.gz")).last().unwrap()
    }
}

#[test]
fn a_release_is_installed_with_pages_and_completions_and_removed_again() {
    let Some(world) = World::new() else { return };
    let said = succeeded(&world.install());
    assert!(said.contains(&format!("installed modstore {VERSION} in ")), "{said}");
    assert!(said.contains("is not on your PATH; add it: export PATH="), "{said}");
    let ran = Command::new(world.target()).arg("--version").output().unwrap();
    assert_eq!(succeeded(&ran), format!("modstore {VERSION}\n"));
    let user = world.home.user_home();
    let others = [
        ".local/share/man/man1/modstore-update.1",
        ".local/share/bash-completion/completions/modstore",
        ".local/share/zsh/site-functions/_modstore",
        ".config/fish/completions/modstore.fish",
    ];
    assert!(others.iter().all(|path| user.join(path).is_file()), "{user:?}");

    let module = world.home.scratch().join("module");
    fs::create_dir(&module).unwrap();
    world.home.run(&["link", "module", module.to_str().unwrap()]).ok();
    let said = succeeded(&world.installer(&["--uninstall"]).output().unwrap());
    assert!(said.contains("the store and its modules are still there"), "{said}");
    assert!(!world.target().exists());
    assert!(others.iter().all(|path| !user.join(path).exists()), "{user:?}");
    assert!(world.home.target("module").exists());
}

#[test]
fn each_program_that_downloads_and_each_that_checks_will_do() {
    let Some(world) = World::new() else { return };
    world.lacks("curl").lacks("sha256sum");
    if world.has("wget").is_none() || world.has("openssl").is_none() {
        return;
    }
    succeeded(&world.install());
    world.lacks("openssl");
    if on_the_path("shasum").is_some() && on_the_path("perl").is_some() {
        world.has("shasum");
        world.has("perl");
        succeeded(&world.install());
        world.lacks("shasum");
    }
    fs::remove_file(world.target()).unwrap();
    world.with_old_program();
    world.failed(&world.install(), "none of sha256sum, shasum and openssl is there");
    world.has("sha256sum");
    world.lacks("wget");
    world.failed(&world.install(), "neither curl nor wget is there");
    let from = world.release.to_str().unwrap();
    succeeded(&world.installer(&["--from", from]).output().unwrap());
}

#[test]
fn a_damaged_or_missing_download_changes_nothing() {
    let Some(world) = World::new() else { return };
    world.with_old_program();
    let archive = fs::read(world.archive()).unwrap();
    let mut damaged = archive.clone();
    damaged[archive.len() / 2] ^= 1;
    for bytes in [&damaged, &archive[..archive.len() - 1], &archive[..0]] {
        fs::write(world.archive(), bytes).unwrap();
        world.failed(&world.install(), "is damaged: its SHA-256 is ");
    }
    fs::remove_file(world.archive()).unwrap();
    world.failed(&world.install(), "cannot download http://127.0.0.1:");
    let sums = world.release.join("SHA256SUMS");
    let text = fs::read_to_string(&sums).unwrap();
    let others: String = text
        .lines()
        .filter(|line| !line.ends_with(".tar.gz"))
        .fold(String::new(), |all, line| all + line + "\n");
    fs::write(&sums, others).unwrap();
    fs::write(world.archive_name(&text), &archive).unwrap();
    world.failed(&world.install(), "SHA256SUMS does not name modstore-");
}

impl World {
    fn archive_name(&self, sums: &str) -> PathBuf {
        let line = sums.lines().find(|line| line.ends_with(".tar.gz")).unwrap();
        self.release.join(line.split_once("  ").unwrap().1)
    }
}

#[test]
fn a_server_that_refuses_or_breaks_off_changes_nothing() {
    let Some(world) = World::new() else { return };
    world.with_old_program();
    for fault in [Fault::Status(404), Fault::Status(503), Fault::CloseBeforeReply] {
        world.server.fault("*", fault);
        world.failed(&world.install(), "cannot download http://127.0.0.1:");
        world.server.clear();
    }
    succeeded(&world.install());
}

#[test]
fn an_interrupted_installation_leaves_the_old_program_and_no_file() {
    let Some(world) = World::new() else { return };
    world.with_old_program();
    let (asked, was_asked) = mpsc::channel();
    world.server.fault("*", Fault::on_request(move || asked.send(()).unwrap_or_default()));
    world.server.fault("*", Fault::HangBeforeReply);
    let mut command = world.installer(&[]);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut running = Running::start(command);
    was_asked.recv_timeout(Duration::from_secs(60)).unwrap();
    // As a terminal does it: every process of the job gets the signal.
    let group = rustix::process::Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
    rustix::process::kill_process_group(group, Signal::TERM).unwrap();
    assert!(running.ends_within(Duration::from_secs(30)), "it goes on");
    assert_ne!(running.wait().status, 0);
    world.has_only_the_old_program();
}

#[test]
fn a_system_that_it_is_not_built_for_is_named() {
    let Some(world) = World::new() else { return };
    world.with_old_program();
    let cases = [
        (
            "uname",
            "[ $1 = -s ] && echo Linux || echo riscv64",
            "there is no modstore for Linux on riscv64",
        ),
        ("uname", "[ $1 = -s ] && echo FreeBSD || echo amd64", "there is no modstore for FreeBSD"),
        ("uname", "[ $1 = -s ] && echo Darwin || echo arm64", "SHA256SUMS does not name modstore-"),
    ];
    for (tool, script, said) in cases {
        world.says(tool, script);
        world.failed(&world.install(), said);
    }
    world.says("uname", "[ $1 = -s ] && echo Linux || echo x86_64");
    world.says("getconf", "exit 1");
    world.failed(&world.install(), "needs glibc, and this system has another C library");
    world.says("getconf", "echo glibc 2.12");
    world.failed(&world.install(), "needs glibc 2.17 or later, and this system has 2.12");
    world.says("getconf", "echo glibc 2.17");
    if cfg!(target_arch = "x86_64") {
        succeeded(&world.install());
    }
}

#[test]
fn a_program_that_does_not_run_here_is_not_installed() {
    let Some(world) = World::new() else { return };
    world.with_old_program();
    let output = world.installer(&[]).env("BROKEN", "1").output().unwrap();
    world.failed(&output, "the new program does not run here");
}

#[test]
fn a_running_program_keeps_its_file_while_a_new_one_is_installed() {
    let Some(world) = World::new() else { return };
    let Some(sleep) = program("sleep") else { return };
    fs::create_dir_all(world.target().parent().unwrap()).unwrap();
    fs::copy(sleep, world.target()).unwrap();
    let mut old = Command::new(world.target()).arg("300").spawn().unwrap();
    succeeded(&world.install());
    assert!(old.try_wait().unwrap().is_none(), "the running program ended");
    old.kill().unwrap();
    old.wait().unwrap();
    let ran = Command::new(world.target()).arg("--version").output().unwrap();
    assert_eq!(succeeded(&ran), format!("modstore {VERSION}\n"));
}

#[test]
fn a_part_of_the_script_does_nothing() {
    let Some(world) = World::new() else { return };
    world.with_old_program();
    let script = fs::read(world.release.join("install.sh")).unwrap();
    let last = script.len() - "main \"$@\"\n".len();
    for cut in (0..20).map(|part| last * part / 20).chain([last]) {
        let mut command = world.home.command_of(&world.programs.join("sh"), &["-s"]);
        command
            .env("PATH", &world.programs)
            .env("MODSTORE_INSTALL_FROM", world.server.url("release"));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut shell = command.spawn().unwrap();
        // A shell that found a fault has stopped reading.
        let _ = shell.stdin.take().unwrap().write_all(&script[..cut]);
        shell.wait().unwrap();
        world.has_only_the_old_program();
    }
}

#[test]
fn wrong_options_are_named_and_help_lists_the_right_ones() {
    let Some(world) = World::new() else { return };
    world.with_old_program();
    let run = |arguments: &[&str]| world.installer(arguments).output().unwrap();
    world.failed(&run(&["--frm", "x"]), "there is no option --frm");
    world.failed(&run(&["--to"]), "--to needs a value");
    world.failed(&run(&["--from", "/nonexistent"]), "there is no SHA256SUMS in /nonexistent");
    assert!(succeeded(&run(&["--help"])).contains("--uninstall"));
    let elsewhere = world.home.scratch().join("with a blank");
    succeeded(&run(&["--to", elsewhere.to_str().unwrap()]));
    assert!(elsewhere.join("modstore").is_file());
    world.has_only_the_old_program();
}

#[test]
fn scripts_have_no_fault_that_shellcheck_knows() {
    let Some(shellcheck) = program("shellcheck") else { return };
    let root = repository();
    let mut scripts = vec![root.join(".ci/run")];
    for place in ["tests", "cli/packaging"] {
        let entries = fs::read_dir(root.join(place)).unwrap().map(|entry| entry.unwrap().path());
        scripts
            .extend(entries.filter(|path| path.extension().is_some_and(|ending| ending == "sh")));
    }
    assert!(
        scripts.len() > 4 && scripts.iter().all(|path| Path::new(path).is_file()),
        "{scripts:?}"
    );
    let checked = Command::new(shellcheck).args(["--severity", "warning"]).args(&scripts).output();
    succeeded(&checked.unwrap());
}
