//! What may be typed: the global options and the list of commands. Each command describes itself in its own file.

use clap::{Arg, Command as Manual, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

#[cfg(test)]
use schemars::{JsonSchema as _, Schema, SchemaGenerator};

use crate::{
    commands::{
        Run, add, allow, bench, bind, completions, demo, diff, doctor, events, exec, gc, history,
        link, list, outdated, path, print_shim, remove, reset, rollback, scan, show, status,
        unbind, unlink, update, verify,
    },
    context::Context,
    effect::Effect,
    options::Global,
};

/// Keeps the modules that a host program installs from git: nothing it points at is ever missing,
/// half-written or silently stale.
///
/// A MODULE is a named slot that a host loads, for example `provider-openai`. Its SOURCE says where it
/// comes from: a git repository, a checked archive, or a local directory, which is then linked. What is
/// declared stands in the store's modules.toml.
///
/// `modstore update` fetches what changed and switches all modules at once. The result of each such
/// switch is a GENERATION, with a number; `modstore rollback` goes back to one. Whatever happens, a
/// module is found at its TARGET, a path that never changes: `modstore path NAME` prints it.
#[derive(Debug, Parser)]
#[command(
    name = "modstore",
    bin_name = "modstore",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  modstore demo                     see it work, in a temporary directory
  modstore add git+https://github.com/me/weather@main
  modstore update                   fetch what changed, switch all modules at once
  modstore rollback                 go back to what was shown before

Environment:
  MODSTORE_HOME                     the store's directory
  MODSTORE_TRUST_HOME               stores that are used although others own them or may write to them: paths, or *
  MODSTORE_CONNECT_TIMEOUT          seconds until a server must be connected (20)
  MODSTORE_IDLE_TIMEOUT             seconds that a server may be silent (60)
  MODSTORE_PROGRESS_TIMEOUT         seconds that it may send nothing of use (5 times the idle time)
  MODSTORE_LOWEST_RATE              bytes a second below which that time is used up (128)
  MODSTORE_FETCH_TIMEOUT            seconds that all about one repository may take (3600)
  MODSTORE_RETRY_AFTER              seconds until a scan tries again what failed once (5)
  MODSTORE_PACK_MEMORY              bytes that all fetches of an update hold in memory (268435456)
  MODSTORE_PACK_…, MODSTORE_ARCHIVE_…   other limits of what is fetched; the error of one names its variable
  MODSTORE_ALLOW_BUILDS             1: run every declared build without `modstore allow`, for CI
What git reads is honoured too: its configuration, credential helpers, proxies, GIT_SSH_COMMAND.

Exit codes: 0 done, 1 some module failed, 2 usage or bad input, 3 busy, 4 store damaged,
130 interrupted."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Declares [`Command`], from the word, the name and the arguments of each command.
macro_rules! commands {
    ($($word:literal $name:ident($args:ty),)+) => {
        /// What to do.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $(#[command(name = $word)] $name($args),)+
        }

        impl Command {
            /// The word it is called by.
            pub(crate) const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $word,)+ }
            }

            /// What the process must be prepared for.
            pub(crate) const fn effect(&self) -> Effect {
                match self { $(Self::$name(_) => <$args as Run>::EFFECT,)+ }
            }

            /// Runs it, prints its answer and gives the exit code.
            pub(crate) fn run(&self, context: &Context) -> u8 {
                match self { $(Self::$name(args) => context.finish(args.run(context)),)+ }
            }

            /// The schema of each command's answer.
            #[cfg(test)]
            pub(crate) fn answers(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
                vec![$(($word, <$args as Run>::Answer::json_schema(generator)),)+]
            }
        }
    };
}

commands! {
    "add" Add(add::AddArgs),
    "allow" Allow(allow::AllowArgs),
    "remove" Remove(remove::RemoveArgs),
    "link" Link(link::LinkArgs),
    "unlink" Unlink(unlink::UnlinkArgs),
    "update" Update(update::UpdateArgs),
    "scan" Scan(scan::ScanArgs),
    "outdated" Outdated(outdated::OutdatedArgs),
    "list" List(list::ListArgs),
    "show" Show(show::ShowArgs),
    "path" Path(path::PathArgs),
    "status" Status(status::StatusArgs),
    "history" History(history::HistoryArgs),
    "events" Events(events::EventsArgs),
    "diff" Diff(diff::DiffArgs),
    "rollback" Rollback(rollback::RollbackArgs),
    "gc" Gc(gc::GcArgs),
    "exec" Exec(exec::ExecArgs),
    "verify" Verify(verify::VerifyArgs),
    "bind" Bind(bind::BindArgs),
    "unbind" Unbind(unbind::UnbindArgs),
    "doctor" Doctor(doctor::DoctorArgs),
    "reset" Reset(reset::ResetArgs),
    "print-shim" PrintShim(print_shim::PrintShimArgs),
    "completions" Completions(completions::CompletionsArgs),
    "bench" Bench(bench::BenchArgs),
    "demo" Demo(demo::DemoArgs),
}

/// The help of a command: its own options, and where the global ones are described.
const HELP: &str = "\
{about-with-newline}
{usage-heading} {usage}

{all-args}

Global options, such as --home and --json, work with every command: see `modstore --help`.{after-help}";

/// Reads the command line.
pub(crate) fn parse() -> Result<Arguments, clap::Error> {
    let mut matches = manual().try_get_matches()?;
    Arguments::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut manual()))
}

/// All commands and options, described as `--help` prints them.
pub(crate) fn manual() -> Manual {
    let manual = Arguments::command();
    let hidden = |option: &Arg| option.clone().hide(true);
    // clap gives every command a copy of the global options, unless the command has them.
    let globals = manual.get_arguments().filter(|option| option.is_global_set()).map(hidden);
    let globals: Vec<Arg> = globals.collect();
    manual.mut_subcommands(|command| with_short_help(command.args(&globals)))
}

fn with_short_help(command: Manual) -> Manual {
    command.help_template(HELP).mut_subcommands(with_short_help)
}
