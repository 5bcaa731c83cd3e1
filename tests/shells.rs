//! What a shell and `man` make of modstore: completions in real shells, and the manual pages.
//!
//! bash and zsh run at a terminal that `script` gives them, and a person's keys are typed; fish has a command that
//! completes a line. Limits: elvish and PowerShell are not run, only given their scripts.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use modstore_testbed::{TestHome, skip_loudly};

const BINARY: &str = env!("CARGO_BIN_EXE_modstore");

/// A home with two modules and two generations, and the program on the PATH by its name.
fn world() -> TestHome {
    let mut home = TestHome::in_memory(BINARY);
    let programs = home.scratch().join("programs");
    fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(BINARY, programs.join("modstore")).unwrap();
    home.env("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").unwrap()));
    for module in ["weather", "wolf"] {
        let directory = home.scratch().join(module);
        fs::create_dir(&directory).unwrap();
        home.run(&["link", module, directory.to_str().unwrap()]).ok();
    }
    home
}

/// A program of the system, unless the test is skipped without it.
fn program(name: &str) -> Option<PathBuf> {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|directory| directory.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        skip_loudly(&format!("there is no {name}"));
    }
    found
}

/// Everything that appears on a terminal when `keys` are typed at an interactive shell.
fn typed(home: &TestHome, shell: &str, keys: &str) -> Option<String> {
    program(shell)?;
    let command = format!("{shell} -i");
    let mut running = home
        .command_of(&program("script")?, &["-q", "-e", "-c", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    running.stdin.take().unwrap().write_all(keys.as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The modules or numbers that a shell would be given for a line, its last word being the one to complete.
fn suggested(home: &TestHome, line: &[&str]) -> Vec<String> {
    let output = home
        .command_of(Path::new(BINARY), &[&["--", "modstore"], line].concat())
        .env("MODSTORE_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", line.len().to_string())
        .env("_CLAP_IFS", "\n")
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_person_at_bash_completes_commands_options_and_modules() {
    let home = world();
    let script = home.run(&["completions", "bash"]).ok().stdout;
    fs::write(home.user_home().join("completions"), script).unwrap();
    fs::write(home.user_home().join(".bashrc"), ". ~/completions\n").unwrap();
    let Some(seen) = typed(&home, "bash", "modstore pat\twea\t\nexit\n") else { return };
    assert!(seen.contains(home.target("weather").to_str().unwrap()), "{seen}");
    let seen = typed(&home, "bash", "modstore rollback --t\t1\nexit\n").unwrap();
    assert!(seen.contains("generation 3 is current, with the modules of 1"), "{seen}");
}

#[test]
fn an_option_for_a_group_completes_the_groups_of_modules_toml() {
    let home = world();
    let text = fs::read_to_string(home.path().join("modules.toml")).unwrap();
    home.write_modules(&format!("{text}[groups]\nwild = ['wolf']\nother = []\n"));
    for command in ["update", "outdated", "list", "scan"] {
        assert_eq!(suggested(&home, &[command, "--group", "w"]), ["wild"], "{command}");
    }
}

#[test]
fn a_person_at_zsh_completes_commands_and_modules() {
    let home = world();
    let functions = home.user_home().join(".zfunc");
    fs::create_dir(&functions).unwrap();
    let script = home.run(&["completions", "zsh"]).ok().stdout;
    fs::write(functions.join("_modstore"), &script).unwrap();
    let set_up = "fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit -u\n";
    fs::write(home.user_home().join(".zshrc"), set_up).unwrap();
    let keys = "modstore pat\twea\t\nexit\n";
    let Some(seen) = typed(&home, "zsh", keys) else { return };
    assert!(seen.contains(home.target("weather").to_str().unwrap()), "{seen}");

    fs::write(home.user_home().join("completions"), script).unwrap();
    let set_up = "autoload -Uz compinit; compinit -u -D; . ~/completions\n";
    fs::write(home.user_home().join(".zshrc"), set_up).unwrap();
    let seen = typed(&home, "zsh", keys).unwrap();
    assert!(seen.contains(home.target("weather").to_str().unwrap()), "{seen}");
}

#[test]
fn fish_completes_commands_modules_and_generations() {
    let home = world();
    let Some(fish) = program("fish") else { return };
    let place = home.user_home().join(".config/fish/completions");
    fs::create_dir_all(&place).unwrap();
    let script = home.run(&["completions", "fish"]).ok().stdout;
    fs::write(place.join("modstore.fish"), script).unwrap();
    let completed = |line: &str| {
        let ask = format!("complete --do-complete '{line}'");
        let output = home.command_of(&fish, &["-c", &ask]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(completed("modstore show w"), "weather\nwolf\n");
    assert!(completed("modstore outd").starts_with("outdated\t"));
    let both = completed("modstore rollback ");
    assert!(
        ["2", "1", "weather"].iter().all(|one| both.lines().any(|line| line == *one)),
        "{both}"
    );
}

#[test]
fn what_is_suggested_is_what_the_store_of_that_line_has() {
    let home = world();
    assert_eq!(suggested(&home, &["show", "w"]), ["weather", "wolf"]);
    assert_eq!(suggested(&home, &["bind", "wo"]), ["wolf"]);
    home.declare(&[("walrus", "git+https://127.0.0.1/walrus"), ("wolf", "/nowhere")]);
    assert_eq!(
        suggested(&home, &["update", "w"]),
        ["walrus", "weather", "wolf"],
        "declared, or current"
    );
    let place = home.path().to_str().unwrap().to_owned();
    let mut other = TestHome::new(BINARY);
    other.without_env("MODSTORE_HOME");
    assert!(suggested(&other, &["show", "w"]).is_empty());
    assert_eq!(suggested(&other, &["--home", &place, "show", "wo"]), ["wolf"]);
    let both = ["weather", "wolf", "2", "1"];
    let said = suggested(&other, &["--home", &place, "diff", ""]);
    assert!(both.iter().all(|name| said.iter().any(|each| each == name)), "{said:?}");
    assert_eq!(suggested(&other, &["--home", &place, "rollback", "2"]), ["2"]);
}

#[test]
fn suggestions_change_nothing_fail_silently_and_are_quick() {
    let mut home = world();
    let before = files(home.path());
    let began = Instant::now();
    assert_eq!(suggested(&home, &["show", "we"]), ["weather"]);
    assert!(began.elapsed() < Duration::from_secs(2), "a key press waits for it");
    assert_eq!(files(home.path()), before);

    let hostile = home.path().join("current/\u{1b}[2Jwest");
    fs::write(&hostile, "").unwrap();
    assert_eq!(suggested(&home, &["show", "w"]), ["weather", "wolf"]);
    fs::remove_file(&hostile).unwrap();

    let many = home.path().join("current");
    (0..10_010).for_each(|number| fs::write(many.join(format!("x{number}")), "").unwrap());
    assert!((9_000..=10_000).contains(&suggested(&home, &["show", "x"]).len()));
    (0..10_010).for_each(|number| fs::remove_file(many.join(format!("x{number}"))).unwrap());

    home.write_modules("no = [toml");
    assert_eq!(suggested(&home, &["show", "w"]), ["weather", "wolf"], "what is current");
    home.env("MODSTORE_HOME", "/nonexistent");
    assert!(suggested(&home, &["show", "w"]).is_empty());
    assert!(!Path::new("/nonexistent").exists());
}

/// Every path in a directory with the time of its last change.
fn files(directory: &Path) -> Vec<(PathBuf, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let status = entry.path().symlink_metadata().unwrap();
        found.push((entry.path(), status.modified().unwrap()));
        if status.is_dir() {
            found.extend(files(&entry.path()));
        }
    }
    found.sort();
    found
}

#[test]
fn every_command_has_a_manual_page_that_man_can_print() {
    let home = TestHome::new(BINARY);
    let pages = home.scratch().join("made/man1");
    let written = home.run(&["man", "--dir", pages.to_str().unwrap()]).ok().stdout;
    let written: Vec<&str> = written.lines().collect();
    let help = home.run(&["--help"]).ok().stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| line.starts_with("  "));
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    for command in commands.iter().filter(|command| **command != "help") {
        let page = pages.join(format!("modstore-{command}.1"));
        assert!(written.contains(&page.to_str().unwrap()), "{command} has no page in {written:?}");
    }
    let Some(mandoc) = program("mandoc") else { return };
    for page in &written {
        let checked =
            Command::new(&mandoc).args(["-T", "lint", "-W", "error", page]).output().unwrap();
        assert!(checked.status.success(), "{page}: {checked:?}");
        let printed = Command::new(&mandoc).args(["-T", "ascii", page]).output().unwrap();
        let printed = String::from_utf8_lossy(&printed.stdout).replace('\u{8}', "");
        assert!(printed.contains("EXAMPLE") || printed.contains("EEXXAAMMPPLLEE"), "{printed}");
    }
}

#[test]
fn a_manual_page_says_what_help_says_and_keeps_the_lines_of_examples() {
    let home = TestHome::new(BINARY);
    let page = home.run(&["man", "path"]).ok().stdout;
    assert!(page.starts_with(".TH MODSTORE\\-PATH 1 \"\" \"modstore "), "{page}");
    assert!(page.contains("modstore path weather \\-\\-entry           (the directory"), "{page}");
    let whole = home.run(&["man"]).ok().stdout;
    assert!(whole.contains(".SH ENVIRONMENT") && whole.contains(".SH \"EXIT CODES\""), "{whole}");
    home.run(&["man", "weather"]).fails(2).says("there is no command `weather`");
    home.run(&["man", "--dir", "/proc/nowhere"]).fails(1).says("cannot write /proc/nowhere");
}
