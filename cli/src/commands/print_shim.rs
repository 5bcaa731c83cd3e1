//! `print-shim`: a file for hosts in another language.

use std::io;

use clap::{Args, ValueEnum};
use modstore_python::PYTHON_HOST;
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{context::Context, effect::Effect, output::Answer, page::Page, report::Failure};

/// Print a file for hosts that are written in another language
///
/// `python` is a single file without requirements: `import modstore_host; modstore_host.pin()` makes a host see
/// one generation of every module for as long as it lives, and the programs it starts. It does what `exec` does,
/// from within, and keeps the order of the import path.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Language {
    /// Python 3.8 or later
    Python,
}

/// The answer of `print-shim`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PrintShimAnswer {
    generation: Option<u64>,
    /// The language.
    language: Language,
    /// The file.
    text: &'static str,
}

impl Runnable for PrintShimArgs {
    type Answer = PrintShimAnswer;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<PrintShimAnswer, Failure> {
        let text = match self.language {
            Language::Python => PYTHON_HOST,
        };
        Ok(PrintShimAnswer { generation: context.generation(), language: self.language, text })
    }
}

impl Answer for PrintShimAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        to.ours(self.text)
    }
}
