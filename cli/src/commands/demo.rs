//! stub
use crate::{args::DemoArgs, context::Context, json::Demo, output::Answer, report::Failure};
use std::io::{self, Write};
/// stub
pub(crate) fn run(_context: &Context, _args: &DemoArgs) -> Result<Demo, Failure> {
    Err(Failure::new(modstore::Exit::Failed, "stub"))
}
impl Answer for Demo {
    fn write(&self, _to: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
