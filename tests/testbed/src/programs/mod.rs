//! Programs under way: the command line in a home of its own, a host, Python environments.

mod running;
mod home;
mod host;
mod strace;
mod python;
mod project;

pub use home::TestHome;
pub use host::Host;
pub use project::{Backend, Project};
pub use python::{Python, PythonTools, Venv};
pub use running::{Ran, Running, on_terminal, on_terminal_of, until};
pub use strace::has_strace;
