//! `helper`: a file for hosts in another language.

use std::io::{self, Write};

use modstore::environment::PYTHON_HOST;

use crate::{
    args::{HelperArgs, Language},
    context::Context,
    json::Helper,
    output::Answer,
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
    fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        to.write_all(self.text.as_bytes())
    }
}
