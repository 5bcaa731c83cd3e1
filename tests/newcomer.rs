//! The tour of a newcomer: every command's help on a narrow and a wide terminal, every wrong word, and a machine that lacks
//! the programs that others have.
//!
//! `golden/newcomer.txt` is what was typed and what came back, for a person to read; `UPDATE_GOLDEN=1` rewrites it.
//! Limits: what is typed here is wrong or harmless; what the commands do is for other tests.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::Read as _,
    os::unix::ffi::OsStringExt as _,
    path::Path,
    process::Stdio,
};

use modstore_testbed::{Change, Fault, HttpServer, Random, Repo, TestHome, on_terminal_of};

/// A home with one module, `weather`, and a directory without any program.
struct Tour {
    home: TestHome,
    repo: Repo,
}

impl Tour {
    fn begin() -> Self {
        let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        let repo = Repo::create(&home.scratch(), "weather");
        repo.write(&[("weather.py", "1\n")]);
        fs::create_dir_all(home.scratch().join("no-programs")).unwrap();
        home.run(&["add", &format!("git+{}", repo.url_file())]);
        Self { home, repo }
    }

    /// The commands that `--help` lists.
    fn commands(&self) -> Vec<String> {
        let help = self.home.run(&["--help"]).stdout;
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let listed = listed.take_while(|line| !line.is_empty());
        let words = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        let words: Vec<String> =
            words.filter(|word| !word.is_empty() && *word != "help").map(str::to_owned).collect();
        assert!(words.len() > 30, "the commands are listed elsewhere: {help}");
        words
    }

    /// What is typed and what comes back, without what differs from run to run.
    fn typed<S: AsRef<OsStr>>(&self, args: &[S], path: Option<&Path>) -> String {
        let mut command = self.home.command(args);
        if let Some(path) = path {
            command.env("PATH", path);
        }
        let words: Vec<String> =
            args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned()).collect();
        let output = command.output().unwrap();
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        let exit = output.status.code().unwrap();
        self.plain(&format!("$ modstore {}\n{out}{err}-> {exit}\n\n", words.join(" ")))
    }

    fn plain(&self, text: &str) -> String {
        let store = self.home.path().display().to_string();
        let scratch = self.home.scratch().display().to_string();
        let home = self.home.user_home().display().to_string();
        text.replace(&scratch, "/scratch").replace(&store, "/store").replace(&home, "/home/me")
    }
}

#[test]
fn every_help_fits_the_terminal_that_it_is_printed_on() {
    let tour = Tour::begin();
    let mut commands = tour.commands();
    commands.push(String::new());
    let mut too_long = Vec::new();
    for command in &commands {
        for (columns, widest) in [("40", 40), ("80", 80), ("200", 100)] {
            let args: Vec<&str> =
                [command, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
            let printed = tour.home.command(&args).env("COLUMNS", columns).output().unwrap();
            let printed = String::from_utf8(printed.stdout).unwrap();
            assert!(printed.lines().count() > 5, "{command}: {printed}");
            // A word that has no space cannot be broken, and clap writes each usage on one line.
            let is_breakable =
                |line: &&str| line.trim().contains(' ') && !line.contains("modstore ");
            let wide = |line: &&str| line.chars().count() > widest;
            let wide = printed.lines().filter(wide).filter(is_breakable);
            too_long.extend(wide.map(|line| format!("{columns} columns, {command}: {line}")));
        }
    }
    assert!(too_long.is_empty(), "{}", too_long.join("\n"));
}

/// Each command that takes the name of a module, with one that is misspelled.
const MISSPELLED: &[&str] = &[
    "update weathr",
    "scan weathr",
    "outdated weathr",
    "remove weathr",
    "link weathr /",
    "unlink weathr",
    "set weathr --ref v1",
    "show weathr",
    "path weathr",
    "path weather weathr",
    "hold weathr",
    "unhold weathr",
    "allow weathr",
    "allow --revoke weathr",
    "expose weathr /scratch/place",
    "diff weathr",
    "rollback weathr",
    "rollback --module weathr",
    "verify weathr",
];

#[test]
fn a_module_that_does_not_exist_is_one_error_in_every_command() {
    let tour = Tour::begin();
    let before = tour.home.tree("weather");
    for line in MISSPELLED {
        let args: Vec<&str> = line.split(' ').collect();
        let ran = tour.home.run(&args);
        assert_eq!(ran.status, 2, "{line}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{line}");
        assert!(
            ran.stderr.contains("error: there is no module `weathr`"),
            "{line}: {}",
            ran.stderr
        );
        assert!(ran.stderr.contains("did you mean `weather`?"), "{line}: {}", ran.stderr);
    }
    assert_eq!(tour.home.tree("weather"), before);
    assert_eq!(tour.home.run(&["list", "--json"]).json()["modules"].as_array().unwrap().len(), 1);
}

/// Words that a newcomer types that are no command, and values that no option takes.
const SLIPS: &[&str] = &[
    "",
    "updte",
    "install weather",
    "uninstall weather",
    "info weather",
    "which weather",
    "--progress loud list",
    "--lock-timeout soon list",
    "--jobs 0 update",
    "update --jobs 0",
    "history -n 0",
    "gc --keep-generations many",
    "rollback 99",
    "diff 99",
    "explain no-such-referense",
    "explain E0063",
    "explain no-such-reference D07 entry-missing",
    "set weather --ref v9",
    "add https://github.com/me/weather/pulls",
    "add weather",
    "add git+https://example.com/a?q",
    "bind --python /nowhere",
    "doctor --python /nowhere",
    "exec -- no-such-program",
    "completions tcsh",
    "completions",
    "show",
    "man nope",
];

/// What is typed on a machine that has no git, no ssh and no uv.
const WITHOUT_PROGRAMS: &[&str] = &[
    "list",
    "update",
    "add git+ssh://git@example.invalid/me/tool.git",
    "diff weather --patch",
    "doctor --quick",
];

#[test]
fn what_a_newcomer_types_is_answered_as_it_was() {
    let tour = Tour::begin();
    let mut text = String::new();
    for line in SLIPS {
        let args: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        text.push_str(&tour.typed(&args, None));
    }
    text.push_str("# an argument that is no text\n\n");
    let odd = OsString::from_vec(b"weath\xffer".to_vec());
    for command in ["show", "link", "add"] {
        text.push_str(&tour.typed(&[OsStr::new(command), &odd], None));
    }
    text.push_str("# a machine without git, ssh and uv\n\n");
    tour.repo.write(&[("weather.py", "2\n")]);
    for line in WITHOUT_PROGRAMS {
        let args: Vec<&str> = line.split(' ').collect();
        text.push_str(&tour.typed(&args, Some(&tour.home.scratch().join("no-programs"))));
    }
    text.push_str("# every command, with an option that it does not have\n\n");
    for command in tour.commands() {
        text.push_str(&tour.typed(&[&*command, "--nope"], None));
    }
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/newcomer.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&place, &text).unwrap();
    }
    let golden = fs::read_to_string(&place).unwrap_or_default();
    let differs = golden.lines().zip(text.lines()).find(|(was, is)| was != is);
    assert!(golden == text, "{differs:?}; UPDATE_GOLDEN=1 rewrites tests/golden/newcomer.txt");
}

/// The lines that were on a terminal at some time, without what moves the cursor and sets colours.
fn lines_of(written: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(written);
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter == '\u{1b}' {
            let ends = rest.by_ref().skip(1).find(char::is_ascii_alphabetic);
            // All but colours begins elsewhere.
            plain.extend(ends.filter(|end| *end != 'm').map(|_| '\n'));
        } else {
            plain.push(letter);
        }
    }
    plain.split(['\r', '\n']).map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn what_is_under_way_fits_a_narrow_terminal_and_says_how_much_and_how_fast() {
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    let repo = Repo::create(&home.scratch(), "a-module-with-a-rather-long-name");
    let mut random = Random::of(7);
    let server = HttpServer::start(&home.scratch());
    home.declare(&[(repo.name(), &format!("git+{}", server.url(repo.name())))]);
    server.fault(repo.name(), Fault::PackInPieces { piece: 60_000, pause: 60 });
    for (columns, name) in [(40, "a-module-wit "), (100, "a-module-with-a-rather-l")] {
        let noise: Vec<u8> = (0..250_000).flat_map(|_| random.draw().to_le_bytes()).collect();
        repo.commit("main", &[Change::write("large", noise)]);
        let written = on_terminal_of(columns, home.command(&["--color", "never", "update"]));
        let lines = lines_of(&written);
        let is_answer = |line: &String| line.starts_with(&format!("{}  ", repo.name()));
        let (at_work, _) = lines.split_at(lines.iter().position(is_answer).unwrap());
        // A line that is as wide as the terminal needs no end of its own: the next one is the bar of all modules.
        let beyond = |line: &str| line.chars().skip(columns.into()).collect::<String>();
        let total = ["0/1", "1/1", "░", "█"];
        let wide = |line: &&String| {
            let beyond = beyond(line);
            !beyond.is_empty() && !total.iter().any(|bar| beyond.starts_with(bar))
        };
        // What is said beside the bars, of the file system here, is a line of text.
        let wide = at_work.iter().filter(|line| !line.contains("warning:")).find(wide);
        assert_eq!(wide, None, "{columns} columns");
        let is_shown = |line: &&String| line.starts_with(name) && line.contains("kB/s");
        let shown = at_work.iter().find(is_shown);
        assert!(shown.is_some_and(|line| line.contains(" MB, ")), "{at_work:#?}");
    }
}

#[test]
fn a_reader_that_goes_away_after_one_line_is_no_error() {
    let tour = Tour::begin();
    for args in [&["--help"][..], &["help", "update"], &["explain"], &["man", "update"], &["list"]]
    {
        let mut child =
            tour.home.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Closed before anything is written, as by a `head` that has ended.
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(said, "", "{args:?}");
        assert!(status.code().is_some_and(|code| code == 0), "{args:?}: {status}");
    }
}
