//! The command line: its manual and the list of commands. Each command describes itself in its own file.

use clap::{Arg, Command as Manual, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
#[cfg(test)]
use schemars::{JsonSchema as _, Schema, SchemaGenerator};

use crate::{
    commands::{self, Runnable, suggestions},
    context::Context,
    effect::Effect,
    options::Global,
};

/// Stores the modules that a host program installs from git: none is ever missing, half-written or silently
/// stale.
///
/// A MODULE is a named slot that a host loads, for example `provider-openai`. Its SOURCE says where it comes
/// from: a git repository, an archive with a checksum, or a local directory, which is linked. modules.toml in
/// the store's directory declares the modules and their sources.
///
/// `modstore update` fetches what changed and switches all modules at once. Each switch makes a GENERATION,
/// with a number; `modstore rollback` returns to an earlier one. A module is always at its TARGET, a path that
/// never changes: `modstore path NAME` prints it.
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
  modstore rollback                 return to the previous generation

Environment:
  MODSTORE_HOME                     the store's directory
  MODSTORE_PROJECT                  the directory of a project
  MODSTORE_TRUST_HOME               trusted stores that others own or can write to: paths, or *
  MODSTORE_CONNECT_TIMEOUT          seconds until a server must be connected (20)
  MODSTORE_IDLE_TIMEOUT             seconds that a server may be silent (60)
  MODSTORE_PROGRESS_TIMEOUT         seconds without progress (5 times the idle timeout)
  MODSTORE_LOWEST_RATE              bytes per second that count as progress (128)
  MODSTORE_FETCH_TIMEOUT            seconds for everything about one repository (3600)
  MODSTORE_RETRY_AFTER              seconds before `update --due` retries the first failure (5)
  MODSTORE_PACK_MEMORY              bytes of memory for all fetches of an update (268435456)
  MODSTORE_PACK_…, MODSTORE_ARCHIVE_…   other limits on what is fetched; their errors name them
  MODSTORE_COPY_BYTES               bytes of a repository that only git can fetch (2147483648)
  MODSTORE_GIT_MEMORY               bytes of memory of git while it fetches one (8589934592)
  MODSTORE_TRANSPORT                git: git's own transport for all of HTTP; auto: where needed
  MODSTORE_TIER                     shared tiers, with commas between them; off: none
  MODSTORE_TIER_MODE                write: updates publish to them; read: they only read (read)
  MODSTORE_SHARE                    0: download what another store of yours has (1)
  MODSTORE_ALLOW_BUILDS             1: run every declared build without `modstore allow`, for CI
modstore also uses what git uses: its configuration, credential helpers, proxies, GIT_SSH_COMMAND.

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
    ($($word:literal $name:ident($command:ident::$args:ident),)+) => {
        /// What to do.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $(#[command(name = $word)] $name(commands::$command::$args),)+
        }

        impl Command {
            /// The word it is called by.
            pub(crate) const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $word,)+ }
            }

            /// What the process must be prepared for.
            pub(crate) const fn effect(&self) -> Effect {
                match self { $(Self::$name(_) => <commands::$command::$args as Runnable>::EFFECT,)+ }
            }

            /// Runs it, prints its answer and gives the exit code.
            pub(crate) fn run(&self, context: &Context) -> u8 {
                match self { $(Self::$name(args) => context.finish(args.run(context)),)+ }
            }

            /// The schema of each command's answer.
            #[cfg(test)]
            pub(crate) fn answers(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
                vec![$(($word, <commands::$command::$args as Runnable>::Answer::json_schema(generator)),)+]
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
    "set" Set(set::SetArgs),
    "edit" Edit(edit::EditArgs),
    "import" Import(import::ImportArgs),
    "update" Update(update::UpdateArgs),
    "scan" Scan(scan::ScanArgs),
    "push" Push(push::PushArgs),
    "export" Export(export::ExportArgs),
    "outdated" Outdated(outdated::OutdatedArgs),
    "list" List(list::ListArgs),
    "show" Show(show::ShowArgs),
    "path" Path(path::PathArgs),
    "status" Status(status::StatusArgs),
    "history" History(history::HistoryArgs),
    "events" Events(events::EventsArgs),
    "diff" Diff(diff::DiffArgs),
    "rollback" Rollback(rollback::RollbackArgs),
    "hold" Hold(hold::HoldArgs),
    "unhold" Unhold(unhold::UnholdArgs),
    "gc" Gc(gc::GcArgs),
    "exec" Exec(exec::ExecArgs),
    "verify" Verify(verify::VerifyArgs),
    "expose" Expose(expose::ExposeArgs),
    "unexpose" Unexpose(unexpose::UnexposeArgs),
    "ensure" Ensure(ensure::EnsureArgs),
    "activate" Activate(activate::ActivateArgs),
    "bind" Bind(bind::BindArgs),
    "unbind" Unbind(unbind::UnbindArgs),
    "doctor" Doctor(doctor::DoctorArgs),
    "explain" Explain(explain::ExplainArgs),
    "tier" Tier(tier::TierArgs),
    "reset" Reset(reset::ResetArgs),
    "print-shim" PrintShim(print_shim::PrintShimArgs),
    "completions" Completions(completions::CompletionsArgs),
    "man" Man(man::ManArgs),
    "bench" Bench(bench::BenchArgs),
    "demo" Demo(demo::DemoArgs),
    "selftest" Selftest(selftest::SelftestArgs),
}

/// The help of a command: its own options, and where the global ones are described.
const HELP: &str = "\
{about-with-newline}
{usage-heading} {usage}

{all-args}

Global options: see `modstore --help`.{after-help}";

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
    let manual = manual.mut_subcommands(|command| with_short_help(command.args(&globals)));
    with_suggestions(manual)
}

fn with_suggestions(command: Manual) -> Manual {
    command.mut_args(suggestions::suggesting).mut_subcommands(with_suggestions)
}

fn with_short_help(command: Manual) -> Manual {
    command.help_template(HELP).mut_subcommands(with_short_help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_an_example_or_a_summary_is_broken_by_the_terminal() {
        let check = |command: &Manual| {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            for line in examples.lines() {
                assert!(line.chars().count() <= 100, "{}: {line}", command.get_name());
            }
            assert!(about.chars().count() <= 85, "{}: {about}", command.get_name());
        };
        let manual = manual();
        let examples = manual.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(examples.lines().all(|line| line.chars().count() <= 100), "{examples}");
        manual.get_subcommands().for_each(check);
    }
}
