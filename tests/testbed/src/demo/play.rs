//! The story: six steps, with the commands of each and what is claimed of them.

use std::{
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    failure::LabError,
    http::{Fault, HttpServer},
    random::Random,
    repositories::{Change, GitError, Repo},
    sandbox::{Finished, Sandbox},
};

/// The bytes of a pack that the server sends before the cut, and of the file in that pack, which does not compress.
const CUT: u64 = 64 * 1024;
const LARGE: usize = 1 << 20;

/// A demo that is about to run.
pub struct Demo<'a> {
    /// The program that is shown.
    pub program: &'a Path,
    /// Whether to leave the temporary directory.
    pub keep: bool,
    /// Prints a line.
    pub print: &'a dyn Fn(&str) -> io::Result<()>,
    /// Whether to stop.
    pub is_cancelled: &'a dyn Fn() -> bool,
}

/// A demo that is over.
#[derive(Debug)]
pub struct Played {
    /// The current generation of its store.
    pub generation: Option<u64>,
    /// The temporary directory.
    pub directory: PathBuf,
    /// The steps.
    pub steps: Vec<DemoStep>,
}

/// A step of the demo.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DemoStep {
    /// What it shows.
    title: String,
    /// The commands, as typed.
    commands: Vec<String>,
    /// The claims that were checked and are true.
    checked: Vec<String>,
}

impl DemoStep {
    /// How many claims were checked.
    #[must_use]
    pub const fn checks(&self) -> usize {
        self.checked.len()
    }
}

/// Why a demo came to no end. It changed nothing outside of its temporary directory.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// It could not be set up or go on.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A command did not end as it should.
    #[error("`{command}` ended with {ended} instead of {wanted}")]
    Ended {
        /// The command, as it would be typed.
        command: String,
        /// How it ended.
        ended: String,
        /// The exit code it should have.
        wanted: i32,
        /// The lines that it wrote on standard error.
        said: Vec<String>,
    },
    /// A claim does not hold.
    #[error("the demo claims that {claim}, and that is not so")]
    Untrue {
        /// The claim.
        claim: String,
    },
    /// A line could not be printed.
    #[error("could not write the output")]
    Output(#[source] io::Error),
    /// It was to stop.
    #[error("interrupted")]
    Cancelled,
}

impl From<GitError> for DemoError {
    fn from(error: GitError) -> Self {
        Self::Lab(error.into())
    }
}

impl Demo<'_> {
    /// Shows it.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub fn play(&self) -> Result<Played, DemoError> {
        let sandbox = Sandbox::new(self.program)?;
        let greeter = Repo::try_create(sandbox.path(), "greeter")?;
        let tools = Repo::try_create(sandbox.path(), "tools")?;
        let server = HttpServer::bind(sandbox.path(), Ipv4Addr::LOCALHOST)
            .map_err(LabError::cannot("open a port on 127.0.0.1"))?;
        let mut play = Play { demo: self, sandbox, greeter, tools, server, steps: Vec::new() };
        let played = play.all();
        let Play { sandbox, steps, .. } = play;
        let directory = sandbox.path().to_owned();
        let generation = sandbox.current();
        if self.keep {
            sandbox.keep();
        }
        played.map(|()| Played { generation, directory, steps })
    }
}

struct Play<'a> {
    demo: &'a Demo<'a>,
    sandbox: Sandbox<'a>,
    greeter: Repo,
    tools: Repo,
    server: HttpServer,
    steps: Vec<DemoStep>,
}

impl Play<'_> {
    fn all(&mut self) -> Result<(), DemoError> {
        self.first_update()?;
        self.a_changed_file()?;
        self.a_cut_fetch()?;
        self.the_connection_is_back()?;
        self.a_rollback()?;
        self.a_sweep()
    }

    fn first_update(&mut self) -> Result<(), DemoError> {
        self.step("Three modules of two git repositories: declare them, fetch them")?;
        commit(&self.greeter, &[("greeting.txt", b"hello\n"), ("README", b"Greets.\n")])?;
        let tools: [(&str, &[u8]); 3] = [
            ("README", b"Two tools in one repository.\n"),
            ("modules/clock/clock.txt", b"tick\n"),
            ("modules/dice/dice.txt", b"6\n"),
        ];
        commit(&self.tools, &tools)?;
        let greeter = format!("git+{}", self.greeter.url_file());
        let tools = self.server.url("tools");
        let tool = |name: &str| format!("git+{tools}#subdirectory=modules/{name}");
        let (clock, dice) = (tool("clock"), tool("dice"));
        self.modstore(&["add", "--no-update", &greeter, &clock, &dice], 0)?;
        self.modstore(&["update"], 0)?;
        self.modstore(&["list"], 0)?;
        self.check("generation 1 is current", self.sandbox.current() == Some(1))?;
        self.check("each module is at its target", self.shows("hello\n", "tick\n", "6\n"))
    }

    fn a_changed_file(&mut self) -> Result<(), DemoError> {
        self.step("A file changes: the path stays, its content is new")?;
        let before = (self.modstore(&["path", "greeter"], 0)?.stdout, self.leads_to("greeter"));
        commit(&self.greeter, &[("greeting.txt", b"good morning\n")])?;
        self.say("   (a new greeting.txt is committed)")?;
        self.modstore(&["update"], 0)?;
        let after = (self.modstore(&["path", "greeter"], 0)?.stdout, self.leads_to("greeter"));
        self.check("generation 2 is current", self.sandbox.current() == Some(2))?;
        self.check(
            "the target's path is the same as before",
            before.0 == after.0 && !before.0.is_empty(),
        )?;
        self.check(
            "it leads to another entry",
            before.1.is_some() && after.1.is_some() && before.1 != after.1,
        )?;
        self.check(
            "its content is the new one, and the others keep theirs",
            self.shows("good morning\n", "tick\n", "6\n"),
        )
    }

    fn a_cut_fetch(&mut self) -> Result<(), DemoError> {
        self.step("The connection breaks in the middle of a fetch: nothing is lost")?;
        commit(&self.greeter, &[("greeting.txt", b"good evening\n")])?;
        let rolls = Random::of(1).bytes(LARGE);
        commit(
            &self.tools,
            &[("modules/clock/clock.txt", b"tock\n"), ("modules/dice/rolls.bin", &rolls)],
        )?;
        self.say(
            "   (both repositories have new commits; the server of one breaks off after 64 KiB)",
        )?;
        self.server.fault("tools", Fault::CloseMidPack { after: CUT });
        let ran = self.modstore(&["update"], 1)?;
        self.check("the server did break off", self.server.stats().faults_fired > 0)?;
        self.check(
            "the error says why, and that trying again may help",
            ran.stderr.contains("transient") && ran.stderr.contains("caused by:"),
        )?;
        self.check(
            "the module that was fetched is switched, the others keep their version",
            self.shows("good evening\n", "tick\n", "6\n"),
        )?;
        self.check("generation 3 is current", self.sandbox.current() == Some(3))
    }

    fn the_connection_is_back(&mut self) -> Result<(), DemoError> {
        self.step("The connection is back")?;
        self.server.clear();
        self.modstore(&["update"], 0)?;
        self.check(
            "generation 4 is current, with every change",
            self.sandbox.current() == Some(4) && self.shows("good evening\n", "tock\n", "6\n"),
        )?;
        self.check("the cut fetch left nothing behind", self.sandbox.count("staging") == 0)
    }

    fn a_rollback(&mut self) -> Result<(), DemoError> {
        self.step("Back to generation 2, in one switch")?;
        self.modstore(&["rollback", "--to", "2"], 0)?;
        self.modstore(&["history"], 0)?;
        self.check(
            "every module has its files of generation 2",
            self.shows("good morning\n", "tick\n", "6\n"),
        )?;
        self.check("that is a new generation", self.sandbox.current() == Some(5))
    }

    fn a_sweep(&mut self) -> Result<(), DemoError> {
        self.step("Entries that nothing needs are deleted, and no others")?;
        let sweep = ["gc", "--keep", "1", "--older-than", "0s"];
        let before = self.sandbox.count("entries");
        self.modstore(&[&sweep[..], &["--dry-run"]].concat(), 0)?;
        self.check(
            "a dry run deletes nothing",
            self.sandbox.count("entries") == before && before > 2,
        )?;
        self.modstore(&sweep, 0)?;
        self.check("only the current entries are left", self.sandbox.count("entries") == 2)?;
        self.check(
            "every module keeps its files",
            self.sandbox.current() == Some(5) && self.shows("good morning\n", "tick\n", "6\n"),
        )
    }

    fn shows(&self, greeting: &str, clock: &str, dice: &str) -> bool {
        let is = |file: &str, text: &str| {
            let found = std::fs::read(self.sandbox.through_current(file));
            found.is_ok_and(|found| found == text.as_bytes())
        };
        is("greeter/greeting.txt", greeting)
            && is("clock/clock.txt", clock)
            && is("dice/dice.txt", dice)
    }

    fn leads_to(&self, module: &str) -> Option<PathBuf> {
        std::fs::canonicalize(self.sandbox.through_current(module)).ok()
    }

    fn step(&mut self, title: &str) -> Result<(), DemoError> {
        self.steps.push(DemoStep {
            title: title.into(),
            commands: Vec::new(),
            checked: Vec::new(),
        });
        self.say(&format!("{}. {title}", self.steps.len()))?;
        self.say("")
    }

    /// Runs a command as a person would, shows it with its output, and checks its exit code.
    fn modstore(&mut self, arguments: &[&str], exit: i32) -> Result<Finished, DemoError> {
        let command = shell_text(arguments);
        self.say(&format!("   $ {command}"))?;
        let ran = self.sandbox.run(arguments)?;
        if (self.demo.is_cancelled)() {
            return Err(DemoError::Cancelled);
        }
        let mut lines = ran.stdout.lines().chain(ran.stderr.lines());
        lines.try_for_each(|line| self.say(&format!("   {line}")))?;
        self.say("")?;
        if ran.code != Some(exit) {
            let ended = ran.code.map_or("a signal".into(), |code| format!("exit code {code}"));
            let said = ran.stderr.lines().map(str::to_owned).collect();
            return Err(DemoError::Ended { command, ended, wanted: exit, said });
        }
        if let Some(step) = self.steps.last_mut() {
            step.commands.push(command);
        }
        Ok(ran)
    }

    fn check(&mut self, claim: &str, holds: bool) -> Result<(), DemoError> {
        if !holds {
            return Err(DemoError::Untrue { claim: claim.into() });
        }
        if let Some(step) = self.steps.last_mut() {
            step.checked.push(claim.into());
        }
        self.say(&format!("   ✓ {claim}"))
    }

    fn say(&self, line: &str) -> Result<(), DemoError> {
        match (self.demo.print)(line) {
            // The reader has read enough; the checks go on.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed.map_err(DemoError::Output),
        }
    }
}

/// The command as it would be typed.
fn shell_text(arguments: &[&str]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:+=@".contains(c);
    let quoted = arguments.iter().map(|argument| {
        if argument.chars().all(is_plain) {
            (*argument).to_owned()
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    });
    std::iter::once("modstore".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

fn commit(repo: &Repo, files: &[(&str, &[u8])]) -> Result<(), GitError> {
    let changes: Vec<Change> = files.iter().map(|(path, text)| Change::write(path, text)).collect();
    repo.try_commit("main", &changes).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_command_can_be_pasted_into_a_shell() {
        assert_eq!(shell_text(&["add", "git+file:///a#b"]), "modstore add 'git+file:///a#b'");
        assert_eq!(shell_text(&["it's"]), r"modstore 'it'\''s'");
    }
}
