//! What a module is in a tier: an object for its commit, one for the commit of each of its submodules, and one for each
//! content that Git LFS keeps for its files; or one for its archive.
//!
//! Limits: what the entry does not have is no part of it: submodules that were left out, and pointers whose content is not
//! wanted.

use std::{collections::HashSet, sync::OnceLock};

use gix::bstr::{BStr, BString, ByteSlice as _};
use modstore_fetch::{
    BaseEntry, EntryContent, Network, NetworkError, SubmoduleError, SubmoduleList,
};
use modstore_tier::Key;

use super::{NotPublished, Publisher};
use crate::{
    acquire::{Resolution, open_base, submodule_address},
    disk::read_own,
    model::{
        ArchiveSource, Binding, Bound, Digest, Fetched, GitTree, ModuleName, Origin, RemoteUrl,
        Revision, Scheme, Source,
    },
};

/// What all modules that are published at once share.
pub(super) struct PublishRun<'w> {
    publisher: &'w Publisher<'w>,
    /// Made when first asked for: most modules have no submodules.
    network: OnceLock<Network>,
}

/// An object that is a part of a module.
pub(super) struct Part {
    pub(super) key: Key,
    /// Where its bytes come from, as patterns see it.
    pub(super) origin: Origin,
    /// Whether it was fetched with a login.
    pub(super) is_private: bool,
    /// What it is called, where it is not the module itself.
    pub(super) name: Option<String>,
    pub(super) bytes: PartBytes,
}

/// Where the bytes of a part are.
pub(super) enum PartBytes {
    /// In this entry, of which they are the commit.
    Entry(Digest, Revision),
    /// The same, of an entry that was opened.
    Opened(Box<BaseEntry>),
    /// In a file of an entry.
    EntryContent(EntryContent),
    /// This entry, which was built.
    Built(Digest),
    /// In the archive.
    Archive(Box<ArchiveSource>),
    /// These, as they were received.
    Received(Vec<u8>),
}

impl<'w> PublishRun<'w> {
    pub(super) const fn new(publisher: &'w Publisher<'w>) -> Self {
        Self { publisher, network: OnceLock::new() }
    }

    /// The network: the host's git configuration is read for the first who asks. No connection is made.
    pub(super) fn network(&self) -> Result<&Network, NetworkError> {
        if let Some(network) = self.network.get() {
            return Ok(network);
        }
        let Publisher { context, options, .. } = self.publisher;
        let (limits, interactive) = (options.limits, options.interactive);
        let opened =
            Network::open(&context.layout.mirrors(), limits, interactive, context.offline)?;
        Ok(self.network.get_or_init(|| opened))
    }

    /// The parts of a module, each once: the module itself is the first.
    ///
    /// # Errors
    /// It is nothing that can be published, or its parts cannot be found.
    pub(super) fn parts(
        &self,
        module: &ModuleName,
        binding: &Binding,
    ) -> Result<Vec<Part>, NotPublished> {
        let mut parts = self.parts_of_source(module, binding)?;
        parts.extend(parts.first().and_then(|source| self.of_build(module, binding, source)));
        Ok(parts)
    }

    /// What was built of a module, if the lock names it: nothing else says what a build makes.
    fn of_build(&self, module: &ModuleName, binding: &Binding, source: &Part) -> Option<Part> {
        let Bound::Built(built) = &binding.bound else { return None };
        let locked = self.publisher.lock?.modules.get(module)?;
        let is_named = locked.built.values().any(|locked| locked.digest == built.digest);
        is_named.then(|| Part {
            key: Key::tree(&built.digest.to_string()),
            origin: source.origin.clone(),
            is_private: source.is_private,
            name: Some("what was built of it".to_owned()),
            bytes: PartBytes::Built(built.digest),
        })
    }

    fn parts_of_source(
        &self,
        module: &ModuleName,
        binding: &Binding,
    ) -> Result<Vec<Part>, NotPublished> {
        let first = self.first_part(module, binding)?;
        match Resolution::recorded(binding) {
            Some(Resolution::Commit(commit)) => {
                self.of_commit(binding, &commit, first, self.url(module, binding, &commit))
            }
            _ => Ok(vec![first]),
        }
    }

    /// What the module itself is. Nothing is read for it.
    ///
    /// # Errors
    /// It is nothing that can be published.
    pub(super) fn first_part(
        &self,
        module: &ModuleName,
        binding: &Binding,
    ) -> Result<Part, NotPublished> {
        match Resolution::recorded(binding) {
            Some(Resolution::Commit(commit)) => {
                let digest = binding.bound.source_entry().ok_or(NotPublished::NoLists)?;
                let url = self.url(module, binding, &commit);
                Ok(Part {
                    key: Key::commit(&commit.revision.to_string()),
                    is_private: url.is_none_or(|url| self.is_private(url)),
                    origin: commit.origin,
                    name: None,
                    bytes: PartBytes::Entry(digest, commit.revision),
                })
            }
            Some(Resolution::Archive(archive)) => {
                Ok(self.of_archive(match self.declared(module) {
                    // This one has the login.
                    Some(Source::Archive(declared)) if declared.sha256 == archive.sha256 => {
                        declared
                    }
                    _ => &archive,
                }))
            }
            Some(Resolution::Directory(_)) | None => Err(NotPublished::Linked),
        }
    }

    fn declared(&self, module: &ModuleName) -> Option<&'w Source> {
        self.publisher.declared.get(module).map(|declared| &declared.source)
    }

    /// Where a commit comes from, with its login where that is known.
    fn url<'b>(
        &'b self,
        module: &ModuleName,
        binding: &'b Binding,
        commit: &Fetched,
    ) -> Option<&'b RemoteUrl> {
        let is_same = |source: &&Source| source.origin().as_ref() == Some(&commit.origin);
        let source = self.declared(module).filter(is_same);
        source.or_else(|| binding.source.source()).and_then(Source::repository)
    }

    fn of_commit(
        &self,
        binding: &Binding,
        commit: &Fetched,
        first: Part,
        url: Option<&RemoteUrl>,
    ) -> Result<Vec<Part>, NotPublished> {
        let digest = binding.bound.source_entry().ok_or(NotPublished::NoLists)?;
        let layout = self.publisher.context.layout;
        let mut parts = vec![first];
        let git = read_own(&layout.git_tree(digest));
        let has_more = git.is_ok_and(|bytes| GitTree::has_more(&bytes));
        if let Some(url) = url.filter(|_| has_more) {
            let entry =
                open_base(layout, (digest, commit.revision)).ok_or(NotPublished::NoLists)?;
            self.add_all(&mut parts, &entry, BStr::new(""), url)?;
        }
        let mut known = HashSet::new();
        parts.retain(|part| known.insert(part.key.clone()));
        Ok(parts)
    }

    /// Adds what an entry, or a submodule at this place in it, has beyond its commit.
    fn add_all(
        &self,
        parts: &mut Vec<Part>,
        entry: &BaseEntry,
        at: &BStr,
        url: &RemoteUrl,
    ) -> Result<(), NotPublished> {
        for large in entry.large_files() {
            let file = below(at, large.file());
            parts.push(Part {
                key: Key::large_file(&large.sha256),
                origin: url.origin(),
                is_private: self.is_private(url),
                name: Some(format!("the content that Git LFS keeps for {file}")),
                bytes: PartBytes::EntryContent(large),
            });
        }
        let submodules: Vec<BString> =
            entry.own_submodules().map(|(path, _)| path.to_owned()).collect();
        let list = match submodules.is_empty() {
            true => return Ok(()),
            false => entry.submodule_list(),
        };
        for path in submodules {
            let inner = below(at, path.as_bstr());
            let name = format!("its submodule {inner}");
            let failed = |why: NotPublished| why.of(&name);
            let url = self.address(list.as_ref(), path.as_bstr(), url).map_err(failed)?;
            let part =
                entry.submodule(path.as_bstr()).ok_or_else(|| failed(NotPublished::NoLists))?;
            self.add_all(parts, &part, inner.as_bstr(), &url)?;
            parts.push(Part {
                key: Key::commit(&part.commit().to_string()),
                origin: url.origin(),
                is_private: self.is_private(&url),
                name: Some(name),
                bytes: PartBytes::Opened(Box::new(part)),
            });
        }
        Ok(())
    }

    fn of_archive(&self, archive: &ArchiveSource) -> Part {
        let url = archive.url.address();
        Part {
            key: Key::archive(&Digest::from_bytes(archive.sha256).to_string()),
            origin: url.origin(),
            is_private: self.is_private(url),
            name: None,
            bytes: PartBytes::Archive(Box::new(archive.clone())),
        }
    }

    fn is_private(&self, url: &RemoteUrl) -> bool {
        is_private(url, || self.network())
    }

    /// Where a submodule came from, which decides whether a tier is for it.
    fn address(
        &self,
        list: Result<&Option<SubmoduleList>, &SubmoduleError>,
        path: &BStr,
        parent: &RemoteUrl,
    ) -> Result<RemoteUrl, NotPublished> {
        let list = list.map_err(|error| NotPublished::Nowhere(error.to_string()))?;
        let submodule = list.as_ref().and_then(|list| list.at(path));
        let unknown = || NotPublished::Nowhere("nothing says it any more".to_owned());
        let submodule = submodule.ok_or_else(unknown)?;
        let network = self.network().map_err(|error| NotPublished::Nowhere(error.to_string()))?;
        let url = submodule_address(network, submodule, parent);
        let url = url.map_err(|error| NotPublished::Nowhere(error.to_string()))?;
        url.ok_or_else(unknown)
    }
}

/// Whether a login opens what is at this address: one that is written in it, a key, or what the host's configuration has,
/// as far as this store has come by it.
pub(super) fn is_private<'n>(
    url: &RemoteUrl,
    network: impl FnOnce() -> Result<&'n Network, NetworkError>,
) -> bool {
    let was_opened =
        || network().map_or(true, |network| network.was_opened_with_login(&url.origin()));
    match url.scheme() {
        Scheme::Ssh => true,
        Scheme::Http | Scheme::Https => url.has_secret() || was_opened(),
        _ => url.has_secret(),
    }
}

/// A path of a part as one of the whole.
fn below(at: &BStr, path: &BStr) -> BString {
    match at.is_empty() {
        true => path.to_owned(),
        false => [at.as_bytes(), b"/", path.as_bytes()].concat().into(),
    }
}
