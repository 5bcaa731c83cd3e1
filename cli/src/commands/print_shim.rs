//! `print-shim`: a file for hosts in another language.

use std::io;

use clap::{Args, ValueEnum};
use modstore::environment::PYTHON_HOST;

use super::{Effect, Run};
use crate::{context::Context, json::Helper, output::Answer, page::Page, report::Failure};

/// Print a file that a host written in another language can use
///
/// `python` is a single file without requirements: `import modstore_host; modstore_host.pin()` makes a host
/// see one generation of every module for as long as it, and what it starts, lives. It does what `exec` does,
/// from within, and leaves the order of the import path as it is.
#[derive(Debug, Args)]
#[command(
    alias = "helper",
    after_help = "\
Example:
  modstore print-shim python > my_host/modstore_host.py"
)]
pub(crate) struct PrintShimArgs {
    /// The language
    #[arg(value_name = "LANGUAGE", value_enum)]
    language: Language,
}

/// A language that hosts are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Python 3.8 or later
    Python,
}

impl Run for PrintShimArgs {
    type Answer = Helper;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<Helper, Failure> {
        let (language, text) = match self.language {
            Language::Python => ("python", PYTHON_HOST),
        };
        Ok(Helper { generation: context.generation(), language, text })
    }
}

impl Answer for Helper {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        to.ours(self.text)
    }
}
