//! What may be typed. The doc comments here are the manual: they are what `--help` prints.
//!
//! Every command has one line, a paragraph and examples. Values are only parsed here; whether a module
//! of a name exists is the command's to find out.

use std::{ffi::OsString, num::NonZeroU16, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use modstore::model::{Generation, ModuleName, Subdirectory};

use crate::amounts;

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

/// The options that every command has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The store's directory [env: MODSTORE_HOME] [default: $XDG_DATA_HOME/modstore, else ~/.local/share/modstore]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) home: Option<OsString>,
    /// Print exactly one JSON object, on success and on failure
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How progress is shown on standard error
    #[arg(long, value_name = "HOW", value_enum, default_value = "auto", global = true)]
    pub(crate) progress: ProgressMode,
    /// Stay off the network; what is local still works
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Wait at most so many seconds for another process that changes the store
    #[arg(long, value_name = "S", default_value_t = 300, global = true)]
    pub(crate) lock_timeout: u64,
    /// Let git credential helpers and ssh ask for a password; otherwise nothing ever asks
    #[arg(long, global = true)]
    pub(crate) interactive: bool,
    /// Print less: no progress, no warnings
    #[arg(short, long, conflicts_with = "verbose", global = true)]
    pub(crate) quiet: bool,
    /// Print more
    #[arg(short, long, action = ArgAction::SetTrue, global = true)]
    pub(crate) verbose: bool,
    /// When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto", global = true)]
    pub(crate) color: ColorMode,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// Bars on a terminal, lines elsewhere
    Auto,
    /// A bar for each module at work, and one for all
    Bar,
    /// Lines
    Plain,
    /// One JSON object per line
    Json,
    /// Nothing
    None,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorMode {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Add(AddArgs),
    Allow(AllowArgs),
    Remove(RemoveArgs),
    Link(LinkArgs),
    Unlink(UnlinkArgs),
    Update(UpdateArgs),
    Scan(ScanArgs),
    Outdated(OutdatedArgs),
    List(ListArgs),
    Show(ShowArgs),
    Path(PathArgs),
    Status(StatusArgs),
    History(HistoryArgs),
    Events(EventsArgs),
    Diff(DiffArgs),
    Rollback(RollbackArgs),
    Gc(GcArgs),
    Exec(ExecArgs),
    Verify(VerifyArgs),
    Bind(BindArgs),
    Unbind(UnbindArgs),
    Doctor(DoctorArgs),
    Reset(ResetArgs),
    Helper(HelperArgs),
    Completions(CompletionsArgs),
    Bench(BenchArgs),
    Demo(DemoArgs),
}

/// Declare modules by their sources, fetch and show them
///
/// A source is a git repository (git+https://host/path, git+ssh://…, git+file://…, user@host:path), with
/// @REF for a branch, tag or commit and #subdirectory=DIR for a part of it; an archive
/// (archive+https://…#sha256=…); or a local directory, which is linked: used as it is, never copied.
///
/// The module's name is the last part of the subdirectory or repository, unless --name says otherwise.
/// When something cannot be fetched, nothing is declared. A password in a URL is used now and stored
/// nowhere; give it to a git credential helper, so that updates have it too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore add git+https://github.com/me/weather
  modstore add git+https://github.com/me/tools@v2 --subdirectory modules/bash --name tool-bash
  modstore add ./src/my-fork         (linked: your own directory, live)")]
pub(crate) struct AddArgs {
    /// Where the modules come from
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// The module's name, for a single source
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<ModuleName>,
    /// The part of the source that is the module, for a single source
    #[arg(long, value_name = "DIR")]
    pub(crate) subdirectory: Option<Subdirectory>,
    /// Only declare; the next update fetches
    #[arg(long)]
    pub(crate) no_update: bool,
    /// Allow the builds that modules.toml already declares for these modules, as `modstore allow` does
    #[arg(long)]
    pub(crate) allow_build: bool,
}

/// Allow the builds of modules, exactly as they are declared now
///
/// A build runs the commands that modules.toml declares for a module. It runs only after this: the module fails before,
/// and keeps its current version. What is allowed is printed, and nothing is run; the next update or scan builds.
///
/// The permission is for this store, this module, where it comes from, and everything in its `build` table. When one of
/// these changes, the build has to be allowed again. New commits of the module do not need that.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore allow --list              (every build, its commands, and whether it is allowed)
  modstore allow weather
  modstore allow --revoke weather    (its build is not run any more; its entry stays)
  MODSTORE_ALLOW_BUILDS=1 modstore update      (for CI: allows every build, and records nothing)")]
pub(crate) struct AllowArgs {
    /// The modules
    #[arg(required_unless_present = "list", value_name = "NAME")]
    pub(crate) names: Vec<ModuleName>,
    /// List the builds that are declared, and allow nothing
    #[arg(long, conflicts_with_all = ["names", "revoke"])]
    pub(crate) list: bool,
    /// Withdraw the permission instead
    #[arg(long)]
    pub(crate) revoke: bool,
}

/// Declare modules no more and show a generation without them
///
/// Generations before still have them, so that a rollback brings them back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore remove weather
  modstore remove tool-bash tool-web")]
pub(crate) struct RemoveArgs {
    /// The modules
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<ModuleName>,
}

/// Let a directory of yours stand in for a module's source
///
/// The module's target then leads to that directory, live: what you change there is seen at once, and it
/// is never copied, updated or deleted. The source stays declared; `unlink` goes back to it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore link weather ~/src/weather
  modstore link weather .")]
pub(crate) struct LinkArgs {
    /// The module
    #[arg(value_name = "NAME")]
    pub(crate) name: ModuleName,
    /// Your directory
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
}

/// Let a linked module come from its declared source again
///
/// What was fetched before is shown again at once where it is still there; otherwise the next update
/// fetches it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  modstore unlink weather")]
pub(crate) struct UnlinkArgs {
    /// The module
    #[arg(value_name = "NAME")]
    pub(crate) name: ModuleName,
}

/// Fetch what changed and switch all modules at once
///
/// Asks each repository once what it has, fetches what is new, in parallel, and then shows all of it in
/// one switch, as a new generation. A module that cannot be had keeps what it has; the exit code is then
/// 1. Modules that are declared no more are shown no more.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore update
  modstore update weather tool-bash
  modstore update --locked           (exactly what modules.lock says, for CI)
  modstore update --retry            (also what failed and would fail again)")]
pub(crate) struct UpdateArgs {
    /// Only these modules; all when none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<ModuleName>,
    /// How many repositories are asked at once
    #[arg(long, short, value_name = "J", value_parser = amounts::number)]
    pub(crate) jobs: Option<NonZeroU16>,
    /// Switch nothing unless every module could be had
    #[arg(long, conflicts_with = "allow_partial")]
    pub(crate) all_or_nothing: bool,
    /// Exit with 0 even if some module failed
    #[arg(long)]
    pub(crate) allow_partial: bool,
    /// Take exactly the revisions of modules.lock
    #[arg(long)]
    pub(crate) locked: bool,
    /// Leave alone what has failed and is not due yet, or would fail again: as `modstore scan`
    #[arg(long, conflicts_with = "retry")]
    pub(crate) scan: bool,
    /// Try everything that failed before, also what would fail again
    #[arg(long)]
    pub(crate) retry: bool,
}

/// What a host does at its natural moments: update, and leave alone what is not due
///
/// The same as `update --scan`. What could not be had is tried again when it is due: five seconds after the
/// first failure, then twice as long each time, ten minutes at most, and at once when its host has answered
/// somebody else. What will not change by itself is not tried again until something that it depends on
/// changes, or with `update --retry`. Each module is tried at most once. Whatever fails, the last good entry
/// of the module stays shown.
///
/// The exit code is 1 while some module is not as it is wanted, whether it was tried now or not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore scan
  modstore --json scan               (what waits is in `waiting`, and why)")]
pub(crate) struct ScanArgs {
    /// Only these modules; all when none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<ModuleName>,
    /// How many repositories are asked at once
    #[arg(long, short, value_name = "J", value_parser = amounts::number)]
    pub(crate) jobs: Option<NonZeroU16>,
    /// Exit with 0 even if some module is not as it is wanted
    #[arg(long)]
    pub(crate) allow_partial: bool,
}

/// Tell what an update would change, and change nothing
///
/// Asks each repository what it has. Fetches nothing and writes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore outdated
  modstore outdated weather --json")]
pub(crate) struct OutdatedArgs {
    /// Only these modules; all when none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<ModuleName>,
    /// How many repositories are asked at once
    #[arg(long, short, value_name = "J", value_parser = amounts::number)]
    pub(crate) jobs: Option<NonZeroU16>,
}

/// List the modules
///
/// What is declared and what is shown: source, revision, how long it has been that, and what is linked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore list
  modstore list --json")]
pub(crate) struct ListArgs {}

/// Tell all about one module
///
/// Its source, target, entry, revision, size, and the generations that changed it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  modstore show weather")]
pub(crate) struct ShowArgs {
    /// The module
    #[arg(value_name = "NAME")]
    pub(crate) name: ModuleName,
}

/// Print where a module is
///
/// Prints its target: the path that stays the same through every update, which is what a host should be
/// given. With --entry it prints the directory that the target leads to right now, which never changes
/// its content.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore path weather
  uv pip install -e \"$(modstore path weather)\"
  modstore path weather --entry      (what it leads to right now)")]
pub(crate) struct PathArgs {
    /// The module
    #[arg(value_name = "NAME")]
    pub(crate) name: ModuleName,
    /// Where the target leads right now
    #[arg(long)]
    pub(crate) entry: bool,
}

/// Tell how the store stands
///
/// Where it is, which generation is shown, which modules are linked, which are declared but not there
/// yet, and which are there but declared no more.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore status
  modstore --home /srv/modules status --json")]
pub(crate) struct StatusArgs {}

/// List the generations, the newest first
///
/// Each with its time, the command that made it and what it changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore history
  modstore history --json")]
pub(crate) struct HistoryArgs {}

/// Tell what happened, one JSON object a line, for a host to follow
///
/// From the journal: each generation with what it changed, each failure, each module that is as it is wanted
/// again, each sweep. All have the number of their journal frame, in `sequence`: a host that has seen number N
/// goes on with --since N.
///
/// With --follow it goes on as things happen, until it is interrupted. A host that only wants to know of new
/// generations can watch the link `current` in the store's directory instead: it is replaced for each.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore events
  modstore events --since 42 --follow")]
pub(crate) struct EventsArgs {
    /// Only what was recorded after this frame
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) since: u64,
    /// Go on with what happens from now on
    #[arg(long)]
    pub(crate) follow: bool,
}

/// Tell what differs between two generations
///
/// Modules, and the files in them. A generation is the number that `modstore history` shows.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore diff 16                   (from generation 16 to the one that is shown)
  modstore diff 12 16")]
pub(crate) struct DiffArgs {
    /// The first generation
    #[arg(value_name = "G1")]
    pub(crate) from: Generation,
    /// The second; when left out, the one that is shown
    #[arg(value_name = "G2")]
    pub(crate) to: Option<Generation>,
}

/// Show what an earlier generation showed
///
/// Every module becomes what it was then, in one switch. That is a new generation, so a rollback can be
/// rolled back. modules.toml stays as it is: the next update moves forward again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore rollback                  (to the generation before)
  modstore rollback --to 12")]
pub(crate) struct RollbackArgs {
    /// The generation to go back to; when left out, the one before
    #[arg(long, value_name = "G")]
    pub(crate) to: Option<Generation>,
}

/// Delete what no kept generation needs
///
/// Keeps the newest generations, all that was shown lately, and every generation that a running program
/// holds a lease on. What of the entries none of them leads to is deleted. Two books must agree on that: the
/// journal, and the links on the disk; where they do not, the entry stays and is named. The same happens
/// by itself after each update, with the defaults, for at most a fifth of a second.
///
/// Nothing has to stop meanwhile. A deletion that is interrupted goes on with the next gc. Names in the
/// store that are not modstore's are never deleted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore gc --dry-run              (what would go, what stays, and why)
  modstore gc
  modstore gc --keep 1 --older-than 0s
  modstore gc --max-size 2G          (also what is younger, while there is more than that)")]
pub(crate) struct GcArgs {
    /// Only tell what would be deleted, and change nothing at all
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Keep so many of the newest generations, the one that is shown among them [default: 3]
    #[arg(long, value_name = "N", value_parser = amounts::number)]
    pub(crate) keep: Option<NonZeroU16>,
    /// Keep what was shown less long ago than this, for example 30m, 12h or 7d [default: 1d]
    #[arg(long, value_name = "D", value_parser = amounts::time)]
    pub(crate) older_than: Option<Duration>,
    /// While the files of all kept entries have more bytes than this, for example 500M or 2G, keep no more
    /// than the newest generations
    #[arg(long, value_name = "S", value_parser = amounts::size)]
    pub(crate) max_size: Option<u64>,
}

/// Run a program that sees one generation from its start to its end
///
/// A path through `current` is resolved anew each time, so that a program that loads its modules one by
/// one mixes two generations when an update comes in between. `exec` resolves it once, takes a lease on
/// that generation, tells the program where it is, and becomes the program: same process, terminal,
/// signals and exit code. The generation is kept until the last process that the program has started
/// is gone, however they end. `modstore status` lists the leases.
///
/// The program is given:
///   MODSTORE_MODULES      the generation's directory, with one link per module
///   MODSTORE_GENERATION   its number
///   MODSTORE_HOME         the store's directory, as an absolute path
///   PYTHONPATH            what the generation's modules put on the import path, before what it was, for
///                         the Python environment that the program is in, or all that are bound
///
/// A descendant holds the lease through an open file that it inherits. Programs that close what they do
/// not know (sudo, Python's subprocess for its children) let go of it: then it lives as long as the rest.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  modstore exec -- python3 -m my_host
  modstore exec -- sh -c 'ls \"$MODSTORE_MODULES\"'
  modstore exec --generation 12 -- my-host      (an older one)

Exit codes: those of the program; 127 if it is not found, 126 if it cannot be run; 1 if no lease
can be taken, 2 for wrong usage or a generation that is not there."
)]
pub(crate) struct ExecArgs {
    /// This generation instead of the one that is shown
    #[arg(long, value_name = "G")]
    pub(crate) generation: Option<Generation>,
    /// The Python environment whose modules go on PYTHONPATH; when left out, the one the program is in
    #[arg(long, value_name = "PY", value_hint = ValueHint::AnyPath)]
    pub(crate) python: Option<PathBuf>,
    /// The program and its arguments
    #[arg(
        required = true,
        value_name = "CMD",
        trailing_var_arg = true,
        value_hint = ValueHint::CommandWithArguments
    )]
    pub(crate) command: Vec<OsString>,
}

/// Look whether everything in the store is as it was written
///
/// Reads the journal, compares both books (what the journal counts and what the links lead to), looks at
/// every link, and hashes every file of every entry. Changes nothing, and may run while others work. What
/// is found is printed with a code that never changes; docs/verify.md lists them.
///
/// With --repair, what is damaged is mended: put right in place, made anew from what the store knows, or
/// fetched anew, whatever needs least. Nothing is deleted: what was damaged is kept in `quarantine/` of the
/// home, and programs that use the store miss nothing meanwhile.
///
/// Exits with 0 when the store is sound, which warnings and leftovers of a crash do not keep it from, and
/// with 4 when something is damaged, or could not be mended.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore verify
  modstore verify weather --quick    (names, sizes, times and links; reads no file)
  modstore verify --repair           (mends what is damaged)
  modstore --offline verify --repair (only from what is here)
  modstore verify --json")]
pub(crate) struct VerifyArgs {
    /// Only the entries of these modules, in every kept generation; all when none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<ModuleName>,
    /// Look at names, kinds, sizes, times, permissions and links, and read no file
    #[arg(long)]
    pub(crate) quick: bool,
    /// Mend what is damaged
    #[arg(long, conflicts_with_all = ["names", "quick"])]
    pub(crate) repair: bool,
}

/// Let a Python environment follow modules, so that no update leaves it behind
///
/// Installs a stand-in for each module, by uv (or the environment's pip) and by one call. What Python then
/// follows leads through the store's switch: an update moves all modules at once, and starts an installer
/// only for a module whose metadata has changed. Each module's own build backend is asked once for that
/// metadata, on a copy. When no module is named, all that are Python projects are bound, and those that are
/// added later.
///
/// From then on an update adds what new versions need, imports every changed module in the environment, and
/// switches only then. Bind again to mend what somebody has uninstalled; an update does that too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore bind --python .venv
  modstore bind --python ~/.local/share/uv/tools/my-host/bin/python
  modstore bind --python .venv provider-openai tool-bash")]
pub(crate) struct BindArgs {
    /// The environment: its interpreter, its directory, or a name in PATH
    #[arg(long, value_name = "PY", value_hint = ValueHint::AnyPath)]
    pub(crate) python: PathBuf,
    /// Only these modules; all when none is named, also those that come later
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<ModuleName>,
    /// A file of version constraints for the installer, now and in updates
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) constraints: Option<PathBuf>,
    /// Compile byte code ahead, now and in updates: entries are read-only, so that Python cannot keep its own
    #[arg(long, conflicts_with = "no_compile")]
    pub(crate) compile: bool,
    /// Compile no byte code any more
    #[arg(long)]
    pub(crate) no_compile: bool,
}

/// Take modules out of a Python environment
///
/// Uninstalls the stand-ins that `bind` has installed, of the modules that are named or of all, and looks
/// after the environment no more if none is left. The store keeps the modules.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore unbind --python .venv
  modstore unbind --python .venv tool-bash")]
pub(crate) struct UnbindArgs {
    /// The environment: its interpreter, its directory, or a name in PATH
    #[arg(long, value_name = "PY", value_hint = ValueHint::AnyPath)]
    pub(crate) python: PathBuf,
    /// Only these modules; all when none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<ModuleName>,
}

/// Find what is wrong with Python environments and caches of modules, and mend it
///
/// Works on any environment, whether or not the store has anything to do with it, and when its interpreter is
/// broken: what Python follows and what tools show is read from files. Then each distribution that lies elsewhere is
/// imported in the environment's own Python, unless --quick is given. When no environment is named, those of `uv
/// tool`, the active one, ./.venv and those that follow the store are looked at, with the caches they lead into. Nothing of
/// ./.venv is run or changed unless it is named, active or follows the store: it may have come with a repository.
///
/// Nothing is changed without --fix. With it, what leads nowhere leads to the store's module afterwards, or else to
/// the directory of a cache that holds the distribution now: by one call of the environment's installer, or, where
/// that is missing or fails, by writing the files anew. When several directories would do and nothing says which is
/// meant, or a file is not understood, it says so and leaves it alone.
///
/// Exits with 0 when nothing is broken (any more), which warnings and notes do not keep it from; with 1 when
/// something is; with 4 when the store itself cannot be read.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore doctor
  modstore doctor --fix
  modstore doctor --python ~/.local/share/uv/tools/my-host/bin/python --fix
  modstore doctor --quick --json     (reads files only; fast enough for every start of a host)

Every code is told in docs/doctor.md.")]
pub(crate) struct DoctorArgs {
    /// An environment: its interpreter, its directory, or a name in PATH; may be given again
    #[arg(long, value_name = "PY", value_hint = ValueHint::AnyPath)]
    pub(crate) python: Vec<PathBuf>,
    /// Mend what can be mended
    #[arg(long)]
    pub(crate) fix: bool,
    /// Read files only: start no interpreter, import nothing
    #[arg(long)]
    pub(crate) quick: bool,
}

/// Have everything anew and drop the rest, or take the whole store away
///
/// Fetches every declared module as if nothing were here, and shows all of them in one switch, as a fresh
/// generation. Only when every module could be had, the other generations and what only they need are
/// dropped. There is never a moment without modules; what a running program has leased stays. When a
/// module fails, it keeps what it has, nothing is dropped, and the exit code is 1.
///
/// With --purge, everything that modstore has made in the home is taken away, unless a program has a lease
/// (exit code 3). What you have declared stays, and so do names that are not modstore's; the next update
/// makes the store anew.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore reset --dry-run           (what would go, and why the rest stays)
  modstore reset
  modstore reset --purge")]
pub(crate) struct ResetArgs {
    /// Only tell what would go, and why the rest stays
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Take the store away instead
    #[arg(long)]
    pub(crate) purge: bool,
}

/// Print a file that a host written in another language can use
///
/// `python` is a single file without requirements: `import modstore_host; modstore_host.pin()` makes a host
/// see one generation of every module for as long as it, and what it starts, lives. It does what `exec` does,
/// from within, and leaves the order of the import path as it is.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  modstore helper python > my_host/modstore_host.py")]
pub(crate) struct HelperArgs {
    /// The language
    #[arg(value_name = "LANGUAGE", value_enum)]
    pub(crate) language: Language,
}

/// A language that hosts are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Python 3.8 or later
    Python,
}

/// Print the completions for a shell
///
/// Writes a script to standard output that teaches the shell to complete modstore's commands and options.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore completions bash > ~/.local/share/bash-completion/completions/modstore
  modstore completions fish > ~/.config/fish/completions/modstore.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: Shell,
}

/// Measure on this machine what keeping modules up to date takes
///
/// `bench churn` makes git repositories of its own, serves them on loopback, fills a scratch store from them, and
/// then changes some of them round by round, with an update and a sweep after each. It never touches your store.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore bench churn
  modstore bench churn --modules 500 --change 2 --plot churn.svg
  modstore bench churn --help")]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) what: BenchCommand,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    Churn(ChurnArgs),
    #[command(hide = true)]
    Serve(BenchServeArgs),
    #[command(hide = true)]
    Fill(BenchFillArgs),
}

/// Cache churn: modules change, and the store follows, round by round
///
/// Tells for each phase of a round (check, fetch, place, sync, switch, sweep) its time, its processor time, the
/// bytes and files it wrote, linked and synced; for each round the memory, the disk, and how long a reader
/// that never stops reading had to wait. What this system does not tell is left out. Needs git.
///
/// The repositories are served over smart HTTP by `git upload-pack` in a process of its own, which shares the
/// machine: its processor time is told apart.
///
/// With --real, the modules that you have declared are fetched from where they come from, into a scratch store.
/// Nothing can be made to change there, so P % of them are fetched anew in each round, as a reset does.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore bench churn
  modstore bench churn --modules 1000 --files 10 --rounds 5 --change 1
  modstore bench churn --plot churn.svg --json > churn.json
  modstore bench churn --real --rounds 3")]
pub(crate) struct ChurnArgs {
    /// How many modules, each a repository
    #[arg(long, value_name = "M", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=99_999), conflicts_with = "real")]
    pub(crate) modules: u32,
    /// How many files in each
    #[arg(long, value_name = "F", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000), conflicts_with = "real")]
    pub(crate) files: u32,
    /// How many rounds after the first fill
    #[arg(long, value_name = "R", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) rounds: u16,
    /// How many of a hundred modules change in a round
    #[arg(long, value_name = "P", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) change: u8,
    /// How many of a hundred files of a module that changes do
    #[arg(long, value_name = "P", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=100), conflicts_with = "real")]
    pub(crate) touch: u8,
    /// How many bytes a file has on average
    #[arg(long, value_name = "S", default_value = "6750B", value_parser = amounts::size, conflicts_with = "real")]
    pub(crate) file_size: u64,
    /// How many generations a sweep keeps
    #[arg(long, value_name = "N", default_value = "3", value_parser = amounts::number)]
    pub(crate) keep: NonZeroU16,
    /// How many repositories are asked at once
    #[arg(long, value_name = "J", default_value = "8", value_parser = amounts::number)]
    pub(crate) jobs: NonZeroU16,
    /// The same seed makes the same repositories and the same changes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Your own declared modules instead, in a scratch store
    #[arg(long)]
    pub(crate) real: bool,
    /// Also draw time and disk, round by round, into this file
    #[arg(long, value_name = "FILE.svg", value_hint = ValueHint::FilePath)]
    pub(crate) plot: Option<PathBuf>,
    /// Work in this directory's file system instead of where temporary files are
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) place: Option<PathBuf>,
}

/// Make the repositories of a churn, and print which module is at which commit in which round. For benchmarks.
#[derive(Debug, Args)]
pub(crate) struct BenchFillArgs {
    #[command(flatten)]
    pub(crate) churn: ChurnArgs,
    /// An empty directory
    pub(crate) root: PathBuf,
}

/// Serve repositories on loopback until standard input ends. For `bench churn` itself.
#[derive(Debug, Args)]
pub(crate) struct BenchServeArgs {
    /// The directory that they are in
    pub(crate) root: PathBuf,
}

/// See it work: real repositories, an update, a cut fetch, a rollback and a sweep, in a temporary directory
///
/// Makes a few git repositories of its own, runs the commands a person would type, prints what they
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
    pub(crate) keep: bool,
}

impl Command {
    /// Whether it only reads what the store says of itself, which no other thread helps with.
    pub(crate) const fn only_reads(&self) -> bool {
        matches!(
            self,
            Self::List(_)
                | Self::Show(_)
                | Self::Path(_)
                | Self::Status(_)
                | Self::History(_)
                | Self::Events(_)
                | Self::Diff(_)
                | Self::Exec(_)
                | Self::Helper(_)
                | Self::Completions(_)
        )
    }

    /// The command's word.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "add",
            Self::Allow(_) => "allow",
            Self::Remove(_) => "remove",
            Self::Link(_) => "link",
            Self::Unlink(_) => "unlink",
            Self::Update(_) => "update",
            Self::Scan(_) => "scan",
            Self::Outdated(_) => "outdated",
            Self::List(_) => "list",
            Self::Show(_) => "show",
            Self::Path(_) => "path",
            Self::Status(_) => "status",
            Self::History(_) => "history",
            Self::Events(_) => "events",
            Self::Diff(_) => "diff",
            Self::Rollback(_) => "rollback",
            Self::Gc(_) => "gc",
            Self::Exec(_) => "exec",
            Self::Verify(_) => "verify",
            Self::Bind(_) => "bind",
            Self::Unbind(_) => "unbind",
            Self::Doctor(_) => "doctor",
            Self::Reset(_) => "reset",
            Self::Helper(_) => "helper",
            Self::Completions(_) => "completions",
            Self::Bench(_) => "bench",
            Self::Demo(_) => "demo",
        }
    }
}
