//! The modules of a churn: made for it and served, or the ones that the user declared.

use std::{fs, path::Path, time::Duration};

use modstore::ModuleName;
use modstore_core::disk::Layout;
use modstore_testbed::{Contents, Corpus, Random, Shape, modules_toml, share};

use super::{args::ChurnArgs, server::Server};
use crate::{commands::cannot::cannot, context::Context, exit::Exit, report::Failure};

/// Makes the repositories of a churn.
pub(super) fn corpus(root: &Path, args: &ChurnArgs) -> Result<Corpus, Failure> {
    let (modules, files) = (args.modules as usize, args.files as usize);
    let shape = Shape {
        modules,
        files,
        rounds: args.rounds.into(),
        changing: share(modules, args.change.into()),
        touched: share(files, args.touch.into()),
        mean_size: usize::try_from(args.file_size).unwrap_or(usize::MAX),
        seed: args.seed,
        contents: Contents::Text,
    };
    Ok(Corpus::build(root, shape)?)
}

/// Where the modules come from.
pub(super) enum Upstream {
    /// Repositories made for this run, and their server.
    Made { corpus: Corpus, server: Server },
    /// The sources that the user declared.
    Declared { modules: Vec<ModuleName> },
}

impl Upstream {
    pub(super) fn made(scratch: &Path, home: &Path, args: &ChurnArgs) -> Result<Self, Failure> {
        let root = scratch.join("repositories");
        fs::create_dir(&root).map_err(|error| cannot("make a directory", &error))?;
        let corpus = corpus(&root, args)?;
        let server = Server::start(&root)?;
        let sources = corpus.names().map(|name| {
            let source = format!("git+http://127.0.0.1:{}/{name}.git@main", server.port());
            (name, source)
        });
        declare(home, &modules_toml(sources))?;
        Ok(Self::Made { corpus, server })
    }

    /// The modules that the user has declared.
    pub(super) fn declared(context: &Context, home: &Path) -> Result<Self, Failure> {
        let declared = context.store()?.declarations()?;
        let modules: Vec<ModuleName> = declared.modules.into_keys().collect();
        if modules.is_empty() {
            return Err(Failure::new(Exit::Usage, "no modules are declared")
                .hint("leave --real out, or declare some with `modstore add`"));
        }
        let theirs = Layout::new(context.home()?).modules_toml();
        let text = fs::read_to_string(theirs);
        declare(home, &text.map_err(|error| cannot("read modules.toml", &error))?)?;
        Ok(Self::Declared { modules })
    }

    pub(super) fn modules(&self, args: &ChurnArgs) -> usize {
        match self {
            Self::Made { .. } => args.modules as usize,
            Self::Declared { modules } => modules.len(),
        }
    }

    pub(super) fn server_cpu(&self) -> Option<Duration> {
        match self {
            Self::Made { server, .. } => server.cpu(),
            Self::Declared { .. } => None,
        }
    }

    /// Makes the change of a round. Gives how many modules change, and, where nothing can be made to change, the names of
    /// the modules to fetch again.
    pub(super) fn change(
        &self,
        round: usize,
        args: &ChurnArgs,
    ) -> Result<(usize, Vec<ModuleName>), Failure> {
        match self {
            Self::Made { corpus, .. } => {
                corpus.serve(round)?;
                Ok((corpus.changing(round), Vec::new()))
            }
            Self::Declared { modules } if round == 0 => Ok((modules.len(), Vec::new())),
            Self::Declared { modules } => {
                let wanted = (modules.len() * usize::from(args.change)).div_ceil(100);
                let mut random = Random::at(args.seed, &[1, round as u64]);
                let some = random.choose(wanted, modules.len());
                let names = some.into_iter().filter_map(|at| modules.get(at).cloned()).collect();
                Ok((wanted, names))
            }
        }
    }

    pub(super) fn changed_bytes(&self, round: usize) -> Option<u64> {
        match self {
            Self::Made { corpus, .. } => Some(corpus.changed_bytes(round)),
            Self::Declared { .. } => None,
        }
    }
}

fn declare(home: &Path, text: &str) -> Result<(), Failure> {
    fs::write(Layout::new(home).modules_toml(), text)
        .map_err(|error| cannot("write modules.toml", &error))
}
