//! Places that may have a tree already, so that no connection is made for it.
//!
//! They are asked in this order, before the origin. Each place proves that what it has is the tree that the origin
//! would give.

mod clone;
mod mirror;
mod neighbour;
mod store;
mod tier;

pub(super) use neighbour::remember;

use modstore_fetch::PlantedCommit;

use super::{AcquiredTree, Reach, SourceError, Sources, TreeFrom, entry::BaseCommit, key::TreeKey};
use crate::model::ModuleName;

/// What a place has.
pub(super) enum FoundTree {
    /// All of a tree.
    Whole(Box<AcquiredTree>),
    /// A commit's own tree, without what is wanted beyond it, and which kind of place had it.
    Own(Box<PlantedCommit>, TreeFrom),
}

/// A place.
struct Place {
    /// It is asked up to here; a further reach leaves it out.
    reach: Reach,
    /// The tree, if the place has it; progress is reported of the module.
    find: FindTree,
}

/// Asks a place for a tree; unchanged files are linked from the base, where the place can do that.
type FindTree = fn(
    &Sources<'_>,
    &TreeKey,
    Option<BaseCommit>,
    &ModuleName,
) -> Result<Option<FoundTree>, SourceError>;

/// All of them, the cheapest first.
const PLACES: [Place; 5] = [
    Place { reach: Reach::Everywhere, find: store::find },
    Place { reach: Reach::OriginOnly, find: clone::find },
    Place { reach: Reach::OutsideTheStore, find: neighbour::find },
    // It says itself when the origin is meant.
    Place { reach: Reach::OriginOnly, find: tier::find },
    Place { reach: Reach::OutsideTheStore, find: mirror::find },
];

/// The tree from the first place that has it. A place that fails has nothing; only the wish to stop is an error.
pub(super) fn find(
    sources: &Sources<'_>,
    key: &TreeKey,
    base: Option<BaseCommit>,
    module: &ModuleName,
) -> Result<Option<FoundTree>, SourceError> {
    for place in PLACES.iter().filter(|place| sources.reach <= place.reach) {
        match (place.find)(sources, key, base, module) {
            Ok(Some(tree)) => return Ok(Some(tree)),
            Err(error) if error.is_cancelled() => return Err(error),
            Ok(None) | Err(_) => {}
        }
    }
    Ok(None)
}
