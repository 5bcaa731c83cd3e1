//! A host as swamp is one: a process that lives long, scans at its natural moments, resolves modules and runs them.
//!
//! It is a loop in the shell, which uses only the command line: `docs/hosts.md` describes this loop. One line in, one line out.
//! Limits: an answer has one line.

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use super::home::TestHome;

/// `scan`: the JSON of a scan. `run M`: the output of the module's `run.sh`, from the current entry.
const LOOP: &str = r#"
while read -r word module; do
    case $word in
        scan) "$MODSTORE" --json --progress none scan 2>/dev/null ;;
        status) "$MODSTORE" --json status ;;
        run)
            if entry=$("$MODSTORE" path --entry "$module" 2>/dev/null); then
                sh "$entry/run.sh" | head -1
            else
                echo "unknown module $module"
            fi
            ;;
    esac
done
"#;

/// A host under way; it ends when dropped.
#[derive(Debug)]
pub struct Host {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Host {
    /// Starts one in this home.
    pub fn start(home: &TestHome) -> Self {
        Self::start_as(Self::command(home))
    }

    /// The command that [`start_as`](Self::start_as) takes: to be run in a network of its own.
    pub fn command(home: &TestHome) -> Command {
        let mut command = home.command_of("sh".as_ref(), &["-c", LOOP]);
        command.env("MODSTORE", home.binary());
        command
    }

    /// Starts the command.
    pub fn start_as(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("a shell starts");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("stdout was piped");
        Self { child, input, output: BufReader::new(output).lines() }
    }

    /// Scans, and gives the JSON of that.
    pub fn scan(&mut self) -> Value {
        self.json("scan")
    }

    /// How the store stands.
    pub fn status(&mut self) -> Value {
        self.json("status")
    }

    /// The output of a run of the module.
    pub fn run(&mut self, module: &str) -> String {
        self.ask(&format!("run {module}"))
    }

    fn json(&mut self, question: &str) -> Value {
        let answer = self.ask(question);
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{question}: {e}: {answer}"))
    }

    fn ask(&mut self, question: &str) -> String {
        let input = self.input.as_mut().expect("it is open until it is dropped");
        writeln!(input, "{question}").expect("the host reads");
        self.output.next().expect("the host answers").expect("the answer is text")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Its loop ends with its input.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
