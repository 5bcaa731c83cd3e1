//! Entries and their manifests: each name in an entry against its manifest. A repair corrects them in place, puts them
//! together from good files of the store, or fetches them.
//!
//! An entry that a kept generation needs and that cannot be fetched stays as it is, and is served. One that no generation
//! needs is moved to quarantine. Contents are another check's, [`content`](super::content); the repair is the same.

mod tree;
mod list;
mod stock;
mod linked;
mod repair;

use modstore_core::findings::codes;
use rayon::prelude::*;

use super::{
    code::{Code, Repair},
    finding::Finding,
    view::View,
    work::{Check, RepairStep},
};
use crate::model::Digest;

codes! { pub(super) CODES of Code:
    /// The entry is missing.
    ENTRY_MISSING = "entry-missing", Damage, Repair::Rebuild;
    /// Something else is in the place of the entry, or it cannot be read.
    ENTRY_REPLACED = "entry-replaced", Damage, Repair::Rebuild;
    /// The manifest from which the entry's digest is computed is missing.
    MANIFEST_MISSING = "manifest-missing", Damage, Repair::RebuildManifest;
    /// The manifest does not have the digest that is its name.
    MANIFEST_DAMAGED = "manifest-damaged", Damage, Repair::RebuildManifest;
    /// A file of the entry is missing.
    FILE_MISSING = "file-missing", Damage, Repair::Rebuild;
    /// A file of the entry is of another kind.
    FILE_KIND = "file-kind", Damage, Repair::Rebuild;
    /// A file of the entry has another size.
    FILE_SIZE = "file-size", Damage, Repair::Rebuild;
    /// A file has another time than its content gives it: a program wrote to it, or touched it.
    FILE_TOUCHED = "file-touched", Damage, Repair::Rebuild;
    /// A file is not readable, or has the wrong executable bit.
    FILE_PERMISSIONS = "file-permissions", Damage, Repair::SetMode;
    /// A file is writable, or has special bits.
    FILE_WRITABLE = "file-writable", Warning, Repair::SetMode;
    /// A file that the manifest does not have.
    FILE_UNKNOWN = "file-unknown", Damage, Repair::Rebuild;
    /// A Python that root ran has written byte code into the entry.
    BYTE_CODE = "byte-code", Warning, Repair::Rebuild;
    /// A directory of the entry cannot be listed.
    FOLDER_PERMISSIONS = "folder-permissions", Damage, Repair::SetMode;
    /// A directory of the entry is writable, or has special bits.
    FOLDER_WRITABLE = "folder-writable", Warning, Repair::SetMode;
    /// The files made from the entry for one Python have changed.
    VARIANT_DAMAGED = "variant-damaged", Damage, Repair::SetAside;
    /// The file with git's names of the entry's files cannot be used. Costs one full fetch.
    GIT_DAMAGED = "git-damaged", Warning, Repair::SetAside;
    /// The file with the commit objects of the entry cannot be used. The entry is not published until it is fetched again.
    COMMITS_DAMAGED = "commits-damaged", Warning, Repair::SetAside;
}

pub(super) const CHECK: Check =
    Check { codes: CODES, find, repair: RepairStep::OfFindings(repair::repair) };

fn find(view: &mut View<'_>, found: &mut Vec<Finding>) {
    let (context, depth, references) = (view.context, view.options.depth, &view.references);
    let search = |digest: &Digest| {
        if context.cancel.is_cancelled() {
            return list::Searched::default();
        }
        list::search(context.layout, *digest, references.is_from_git(*digest), depth)
    };
    let searched: Vec<list::Searched> = view.entries.par_iter().map(search).collect();
    let is_first = view.corrupt.is_none();
    for one in searched {
        found.extend(one.found);
        if is_first {
            view.checked.files += one.files;
            view.unread.extend(one.unread);
        }
    }
}
