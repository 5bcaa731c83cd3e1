//! The options that every command has.

use std::{ffi::OsString, time::Duration};

use clap::{ArgAction, Args, ValueEnum};

use crate::amounts;

/// The options that every command has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The store's directory [env: MODSTORE_HOME] [default: $XDG_DATA_HOME/modstore, else ~/.local/share/modstore]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) home: Option<OsString>,
    /// Work on the modules of the project in DIR: its modules.toml and modules.lock lie there, its store in
    /// DIR/.modstore [env: MODSTORE_PROJECT]
    #[arg(long, value_name = "DIR", conflicts_with = "home", global = true)]
    pub(crate) project: Option<OsString>,
    /// Print exactly one JSON object, on success and on failure
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How to display progress on standard error
    #[arg(long, value_name = "HOW", value_enum, default_value = "auto", global = true)]
    pub(crate) progress: ProgressMode,
    /// Do not use the network; local sources still work
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Ask only the shared tier at URL, a directory or an address, before git; `off`: none; `only`: never ask git for
    /// content; may be given twice [env: MODSTORE_TIER] [default: those of config.toml]
    #[arg(long = "tier", value_name = "URL|off|only", action = ArgAction::Append, global = true)]
    pub(crate) tiers: Vec<String>,
    /// Publish what an update fetches to the shared tiers [env: MODSTORE_TIER_MODE=write]
    #[arg(long, global = true)]
    pub(crate) publish: bool,
    /// How many seconds to wait for another process that changes the store
    #[arg(long, value_name = "S", default_value = "300", value_parser = amounts::seconds, global = true)]
    pub(crate) lock_timeout: Duration,
    /// Let git credential helpers and ssh ask for a password, and `remove` and `reset` what to delete; without this, nothing asks
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

/// How to display progress.
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
