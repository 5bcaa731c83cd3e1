//! `demo`: the main job on real repositories, each claim checked as it is printed.
//!
//! The commands are run as a person would run them, by this same program, and their output is theirs.
//! The story is here; `sandbox` runs the commands.

mod sandbox;

use std::{io, net::Ipv4Addr, path::PathBuf};

use clap::Args;
use modstore_testbed::{Change, Fault, HttpServer, Random, Repo};
use schemars::JsonSchema;
use serde::Serialize;

use self::sandbox::{Finished, Sandbox};
use super::{Runnable, cannot::cannot};
use crate::{
    context::Context,
    exit::Exit,
    output::{Answer, Output},
    page::Page,
    report::Failure,
    text::count,
};

/// The bytes of a pack that the server sends before the cut, and of the file in that pack, which does not compress.
const CUT: u64 = 64 * 1024;
const LARGE: usize = 1 << 20;

/// See it work on real repositories, in a temporary directory
///
/// Shows an update, a fetch that breaks off, a rollback and a sweep. Makes a few git repositories of its own, runs the commands a person would type, prints what they
/// print, and checks every claim it makes. Needs git and nothing else; touches nothing outside the
/// temporary directory, which it removes at the end.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore demo
  modstore demo --keep               (leaves the directory, to look around)")]
pub(crate) struct DemoArgs {
    /// Leave the temporary directory
    #[arg(long)]
    keep: bool,
}

/// The answer of `demo`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct DemoAnswer {
    /// The current generation of the demo's own store.
    generation: Option<u64>,
    /// The temporary directory.
    directory: String,
    /// Whether the directory is still there.
    kept: bool,
    /// The steps.
    steps: Vec<DemoStep>,
}

/// A step of the demo.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct DemoStep {
    /// What it shows.
    title: String,
    /// The commands, as typed.
    commands: Vec<String>,
    /// The claims that were checked and are true.
    checked: Vec<String>,
}

impl Runnable for DemoArgs {
    type Answer = DemoAnswer;

    fn run(&self, context: &Context) -> Result<DemoAnswer, Failure> {
        context.heed();
        let sandbox = Sandbox::new(context.cancel().clone())?;
        let greeter = Repo::try_create(sandbox.path(), "greeter")?;
        let tools = Repo::try_create(sandbox.path(), "tools")?;
        let server = HttpServer::bind(sandbox.path(), Ipv4Addr::LOCALHOST)
            .map_err(|error| cannot("open a port on 127.0.0.1", &error))?;
        let output = &context.output;
        let mut play = Play { sandbox, greeter, tools, server, output, steps: Vec::new() };
        let played = play.all();
        let Play { sandbox, steps, .. } = play;
        let (directory, generation) = (sandbox.path().display().to_string(), sandbox.current());
        if self.keep {
            sandbox.keep();
        }
        played?;
        Ok(DemoAnswer { generation, directory, kept: self.keep, steps })
    }
}

struct Play<'a> {
    sandbox: Sandbox,
    greeter: Repo,
    tools: Repo,
    server: HttpServer,
    output: &'a Output,
    steps: Vec<DemoStep>,
}

impl Play<'_> {
    fn all(&mut self) -> Result<(), Failure> {
        self.first_update()?;
        self.a_changed_file()?;
        self.a_cut_fetch()?;
        self.the_connection_is_back()?;
        self.a_rollback()?;
        self.a_sweep()
    }

    fn first_update(&mut self) -> Result<(), Failure> {
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

    fn a_changed_file(&mut self) -> Result<(), Failure> {
        self.step("A file changes: the path stays, its content is new")?;
        let before = (self.modstore(&["path", "greeter"], 0)?.stdout, self.leads_to("greeter"));
        commit(&self.greeter, &[("greeting.txt", b"good morning\n")])?;
        self.say("   (a new greeting.txt is committed)\n")?;
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

    fn a_cut_fetch(&mut self) -> Result<(), Failure> {
        self.step("The connection breaks in the middle of a fetch: nothing is lost")?;
        commit(&self.greeter, &[("greeting.txt", b"good evening\n")])?;
        let rolls = Random::of(1).bytes(LARGE);
        commit(
            &self.tools,
            &[("modules/clock/clock.txt", b"tock\n"), ("modules/dice/rolls.bin", &rolls)],
        )?;
        self.say(
            "   (both repositories have new commits; the server of one breaks off after 64 KiB)\n",
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

    fn the_connection_is_back(&mut self) -> Result<(), Failure> {
        self.step("The connection is back")?;
        self.server.clear();
        self.modstore(&["update"], 0)?;
        self.check(
            "generation 4 is current, with every change",
            self.sandbox.current() == Some(4) && self.shows("good evening\n", "tock\n", "6\n"),
        )?;
        self.check("the cut fetch left nothing behind", self.sandbox.is_tidy())
    }

    fn a_rollback(&mut self) -> Result<(), Failure> {
        self.step("Back to generation 2, in one switch")?;
        self.modstore(&["rollback", "--to", "2"], 0)?;
        self.modstore(&["history"], 0)?;
        self.check(
            "every module has its files of generation 2",
            self.shows("good morning\n", "tick\n", "6\n"),
        )?;
        self.check("that is a new generation", self.sandbox.current() == Some(5))
    }

    fn a_sweep(&mut self) -> Result<(), Failure> {
        self.step("Entries that nothing needs are deleted, and no others")?;
        let sweep = ["gc", "--keep", "1", "--older-than", "0s"];
        let before = self.entries();
        self.modstore(&[&sweep[..], &["--dry-run"]].concat(), 0)?;
        self.check("a dry run deletes nothing", self.entries() == before && before > 2)?;
        self.modstore(&sweep, 0)?;
        self.check("only the current entries are left", self.entries() == 2)?;
        self.check(
            "every module keeps its files",
            self.sandbox.current() == Some(5) && self.shows("good morning\n", "tick\n", "6\n"),
        )
    }

    /// How many entries the store has.
    fn entries(&self) -> usize {
        std::fs::read_dir(self.sandbox.store().join("entries")).map_or(0, Iterator::count)
    }

    fn shows(&self, greeting: &str, clock: &str, dice: &str) -> bool {
        let is = |file: &str, text: &str| {
            std::fs::read(self.sandbox.store().join("current").join(file))
                .is_ok_and(|found| found == text.as_bytes())
        };
        is("greeter/greeting.txt", greeting)
            && is("clock/clock.txt", clock)
            && is("dice/dice.txt", dice)
    }

    fn leads_to(&self, module: &str) -> Option<PathBuf> {
        std::fs::canonicalize(self.sandbox.store().join("current").join(module)).ok()
    }

    fn step(&mut self, title: &str) -> Result<(), Failure> {
        self.steps.push(DemoStep {
            title: title.into(),
            commands: Vec::new(),
            checked: Vec::new(),
        });
        self.say(&format!("{}. {title}\n\n", self.steps.len()))
    }

    /// Runs a command as a person would, shows it with its output, and checks its exit code.
    fn modstore(&mut self, arguments: &[&str], exit: i32) -> Result<Finished, Failure> {
        let shown = shell_text(arguments);
        self.say(&format!("   $ {shown}\n"))?;
        let ran = self.sandbox.modstore(arguments)?;
        let lines = ran.stdout.lines().chain(ran.stderr.lines());
        let lines: String = lines.map(|line| format!("   {}\n", line)).collect();
        self.say(&format!("{lines}\n"))?;
        if let Some(step) = self.steps.last_mut() {
            step.commands.push(shown.clone());
        }
        if ran.code == Some(exit) {
            return Ok(ran);
        }
        let ended = ran.code.map_or_else(|| "a signal".into(), |code| format!("exit code {code}"));
        let causes = ran.stderr.lines().map(str::to_owned).collect();
        Err(Failure::new(Exit::Failed, format!("`{shown}` ended with {ended} instead of {exit}"))
            .because(causes))
    }

    fn check(&mut self, claim: &str, holds: bool) -> Result<(), Failure> {
        if !holds {
            let failure = Failure::new(
                Exit::Failed,
                format!("the demo claims that {claim}, and that is not so"),
            );
            return Err(
                failure.hint("run it again with --keep, and look at the directory it names")
            );
        }
        if let Some(step) = self.steps.last_mut() {
            step.checked.push(claim.into());
        }
        self.say(&format!("   ✓ {claim}\n"))
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        match self.output.for_people(|to| text.lines().try_for_each(|line| writeln!(to, "{line}")))
        {
            // The reader has read enough; the checks go on.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }
}

/// The command as it would be typed.
fn shell_text(arguments: &[&str]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:+=@".contains(c);
    let quoted = arguments.iter().map(|argument| match argument.chars().all(plain) {
        true => (*argument).to_owned(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    });
    std::iter::once("modstore".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}

fn commit(repo: &Repo, files: &[(&str, &[u8])]) -> Result<(), Failure> {
    let changes: Vec<Change> = files.iter().map(|(path, text)| Change::write(path, text)).collect();
    repo.try_commit("main", &changes)?;
    Ok(())
}

impl Answer for DemoAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let checks = self.steps.iter().map(|step| step.checked.len()).sum();
        writeln!(to)?;
        writeln!(to, "{} held.", count(checks, "check"))?;
        match self.kept {
            true => writeln!(to, "All of it is still in {}", self.directory),
            false => writeln!(
                to,
                "The temporary directory is removed; `modstore demo --keep` leaves it."
            ),
        }
    }
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
