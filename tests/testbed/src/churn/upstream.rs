//! The modules of a churn: made for it and served, or declared by a user.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use super::server::Server;
use crate::{
    declarations::modules_toml,
    failure::LabError,
    random::Random,
    repositories::{Corpus, Shape},
};

/// Where the modules of a churn come from.
#[derive(Debug)]
pub struct Upstream(From);

#[derive(Debug)]
enum From {
    /// Repositories made for this run, and their server.
    Made { corpus: Corpus, server: Server, modules: usize },
    /// A user's modules, by name, of which some percent are fetched again in each round.
    Declared { modules: Vec<String>, percent: usize, seed: u64 },
}

impl Upstream {
    /// Makes repositories in `root`, an empty directory, and serves them with a program that calls
    /// [`serve`](super::serve).
    ///
    /// # Errors
    /// When git or the program fails.
    pub fn made(root: &Path, shape: Shape, program: Command) -> Result<Self, LabError> {
        let corpus = Corpus::build(root, shape)?;
        let server = Server::start(program)?;
        Ok(Self(From::Made { corpus, server, modules: shape.modules }))
    }

    /// The modules that a user declared. Nothing can be made to change there, so some are fetched again.
    #[must_use]
    pub const fn declared(modules: Vec<String>, percent: usize, seed: u64) -> Self {
        Self(From::Declared { modules, percent, seed })
    }

    /// The `modules.toml` that declares them, of those made for this run.
    #[must_use]
    pub fn declarations(&self) -> Option<String> {
        let From::Made { corpus, server, .. } = &self.0 else { return None };
        let port = server.port();
        let source = |name: String| {
            let source = format!("git+http://127.0.0.1:{port}/{name}.git@main");
            (name, source)
        };
        Some(modules_toml(corpus.names().map(source)))
    }

    /// How many modules there are.
    #[must_use]
    pub const fn modules(&self) -> usize {
        match &self.0 {
            From::Made { modules, .. } => *modules,
            From::Declared { modules, .. } => modules.len(),
        }
    }

    /// The program that serves them, in words, of those made for this run.
    #[must_use]
    pub fn server(&self) -> Option<String> {
        let From::Made { .. } = &self.0 else { return None };
        let version = Command::new("git").arg("--version").stdin(Stdio::null()).output();
        let version = version.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
        let version = version.unwrap_or_default();
        Some(format!("smart HTTP on loopback, git upload-pack, {}", version.trim()))
    }

    pub(super) fn server_cpu(&self) -> Option<Duration> {
        match &self.0 {
            From::Made { server, .. } => server.cpu(),
            From::Declared { .. } => None,
        }
    }

    /// Makes the change of a round. Gives how many modules change, and, where nothing can be made to change, the names of
    /// the modules to fetch again.
    pub(super) fn change(&self, round: usize) -> Result<(usize, Vec<String>), LabError> {
        match &self.0 {
            From::Made { corpus, .. } => {
                corpus.serve(round)?;
                Ok((corpus.changing(round), Vec::new()))
            }
            From::Declared { modules, .. } if round == 0 => Ok((modules.len(), Vec::new())),
            From::Declared { modules, percent, seed } => {
                let wanted = (modules.len() * percent).div_ceil(100);
                let mut random = Random::at(*seed, &[1, round as u64]);
                let some = random.choose(wanted, modules.len());
                let names = some.into_iter().filter_map(|at| modules.get(at).cloned()).collect();
                Ok((wanted, names))
            }
        }
    }

    pub(super) fn changed_bytes(&self, round: usize) -> Option<u64> {
        match &self.0 {
            From::Made { corpus, .. } => Some(corpus.changed_bytes(round)),
            From::Declared { .. } => None,
        }
    }
}
