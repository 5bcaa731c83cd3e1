//! `helper`: a file for hosts in another language.

use std::io;

use modstore::environment::PYTHON_HOST;

use crate::{
    args::{HelperArgs, Language},
    context::Context,
    json::Helper,
    output::Answer,
    page::Page,
    report::Failure,
};

/// Gives the file.
pub(crate) fn run(context: &Context, args: &HelperArgs) -> Result<Helper, Failure> {
    let (language, text) = match args.language {
        Language::Python => ("python", PYTHON_HOST),
    };
    Ok(Helper { generation: context.generation(), language, text })
}

impl Answer for Helper {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        to.ours(self.text)
    }
}
