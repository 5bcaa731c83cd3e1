//! The only code that changes the disk.

mod workers;
mod bounded;
mod verbs;
mod parts;
mod folding;
mod barrier;
mod user_directories;
mod layout;
mod reserve;
#[cfg(all(target_os = "linux", not(modstore_as_macos)))]
mod mount_table;
mod mounted;
mod file_system;
mod ownership;
mod lock;
mod format;
mod planting;
mod scratch;
mod staged;
mod content;

pub use barrier::Barrier;
pub use bounded::{
    OWN_FILE, SMALL_FILE, open_own, open_regular, read_own, read_regular, read_regular_at,
    read_regular_text, read_whole,
};
pub use content::{
    READ_WHOLE, content_of, has_content, is_right, is_usable, is_whole, part_of, place,
    read_manifest, read_verified,
};
pub use file_system::{Concern, FileSystem};
pub use folding::FoldsNames;
pub use folding::folds_names;
pub use format::{Ensured, Format, FormatError};
pub use layout::Layout;
pub use lock::{Holder, Lock, LockError, LockKind, LockWait};
pub use ownership::{Owners, is_only_ours};
pub use ownership::{UnsafeHome, User, has_no_links, is_ours};
pub use planting::{LinkError, Planting, StreamError};
pub use planting::{directory_time, is_unchanged};
pub use reserve::{ensure_reserve, use_reserve};
pub use scratch::{
    copy_to_scratch, make_scratch, remove_from_scratch, remove_scratch, replace_in_scratch,
    unnamed_file,
};
pub use staged::{Staged, Staging, StagingError};
pub use user_directories::{user_cache, user_data, user_directory};
pub use verbs::{Act, Disk, DiskError, Observer, Verb};
pub use verbs::{
    is_directory, is_random_name, names_in, random_name, read_if_there, read_linked_if_there,
    read_own_if_there,
};
pub use workers::start_workers;
