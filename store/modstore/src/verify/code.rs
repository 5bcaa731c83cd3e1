//! [`Code`]: what can be wrong with a store, each with a name that never changes.
//!
//! How bad a thing is and what repairs it follow from its code alone, so both can be looked up in
//! `docs/verify.md`, and a program needs nothing but the name.
//!
//! What a code is found by is in the other files of this folder; repairing is done elsewhere.

use std::fmt;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something is lost or wrong: the store is not sound.
    Damage,
    /// The store is sound, and somebody should know this.
    Warning,
    /// A crash left it. It does no harm, and goes by itself or with a repair.
    Leftover,
    /// It is there, it is not the store's, and it is never deleted.
    Note,
}

/// What a repair does about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mend {
    /// The entry goes to the quarantine and is had anew under the same digest.
    Rebuild,
    /// The list of the entry is made anew from its tree, which must give the same digest; otherwise as
    /// [`Rebuild`](Self::Rebuild).
    RebuildManifest,
    /// The journal is kept aside and written anew, from what it still says and from the generations.
    RebuildJournal,
    /// The links are made anew as the journal says, and the switch after them.
    Relink,
    /// The file is kept aside, if it is there, and written anew from what the store knows.
    Rewrite,
    /// The file is put in the quarantine; nothing needs it.
    SetAside,
    /// What stands in the way is put in the quarantine, and the directory or lock file made.
    Make,
    /// The permissions are set.
    SetMode,
    /// It is removed, when nobody works on it.
    Remove,
    /// What a crash interrupted is finished, as the next command that changes something would.
    Finish,
    /// Nothing: it is the user's.
    ByHand,
}

macro_rules! codes {
    ($(#[doc = $meaning:literal] $variant:ident = $name:literal, $severity:ident, $mend:ident;)*) => {
        /// What is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// Every code, in the order in which findings of one place are told.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name, which never changes.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning.trim_ascii(),)* }
            }

            /// How much it matters.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What a repair does about it.
            #[must_use]
            pub const fn mend(self) -> Mend {
                match self { $(Self::$variant => Mend::$mend,)* }
            }
        }
    };
}

codes! {
    /// There is no `format.json` although there is a store.
    FormatMissing = "format-missing", Damage, Rewrite;
    /// `format.json` cannot be read or is none.
    FormatDamaged = "format-damaged", Damage, Rewrite;
    /// A directory that every store has is not there.
    DirectoryMissing = "directory-missing", Damage, Make;
    /// Something else is where a directory or a lock file should be.
    DirectoryReplaced = "directory-replaced", Damage, Make;
    /// The owner may not do with a file or directory of the home what must be done with it.
    Permissions = "permissions", Damage, SetMode;

    /// There is no journal although there is a store.
    JournalMissing = "journal-missing", Damage, RebuildJournal;
    /// The journal cannot be read.
    JournalUnreadable = "journal-unreadable", Damage, RebuildJournal;
    /// A frame in the middle does not verify.
    JournalDamaged = "journal-damaged", Damage, RebuildJournal;
    /// The last frame is cut off, as a crash leaves it.
    JournalTorn = "journal-torn", Leftover, Finish;

    /// Nothing is shown although a generation is recorded.
    CurrentMissing = "current-missing", Damage, Relink;
    /// `current` is no link to a generation.
    CurrentReplaced = "current-replaced", Damage, Relink;
    /// `current` shows a generation that the journal does not have: recorded frames were lost.
    CurrentAhead = "current-ahead", Damage, RebuildJournal;
    /// `current` shows a generation before the newest: a crash came before the switch.
    CurrentBehind = "current-behind", Leftover, Finish;

    /// The directory of a kept generation is not there.
    GenerationMissing = "generation-missing", Damage, Relink;
    /// Something else is where the directory of a kept generation should be, or it cannot be read.
    GenerationReplaced = "generation-replaced", Damage, Relink;
    /// A module of a kept generation has no link.
    LinkMissing = "link-missing", Damage, Relink;
    /// A module's link leads elsewhere, or is no link.
    LinkWrong = "link-wrong", Damage, Relink;
    /// A generation has a name that is none of its modules.
    LinkUnknown = "link-unknown", Damage, SetAside;
    /// The two books disagree: what the journal counts and what the links lead to.
    BooksDisagree = "books-disagree", Damage, Relink;
    /// A module leads to a directory of the user's that is not there.
    LinkedMissing = "linked-missing", Warning, ByHand;

    /// The entry is not there.
    EntryMissing = "entry-missing", Damage, Rebuild;
    /// Something else is where the entry should be, or it cannot be read.
    EntryReplaced = "entry-replaced", Damage, Rebuild;
    /// The list that the entry's digest is made of is not there.
    ManifestMissing = "manifest-missing", Damage, RebuildManifest;
    /// The list does not have the digest that is its name.
    ManifestDamaged = "manifest-damaged", Damage, RebuildManifest;
    /// A file of the entry is not there.
    FileMissing = "file-missing", Damage, Rebuild;
    /// A file of the entry is of another kind.
    FileKind = "file-kind", Damage, Rebuild;
    /// A file of the entry has another size.
    FileSize = "file-size", Damage, Rebuild;
    /// A file's content, or a link's text, is not what was stored.
    FileContent = "file-content", Damage, Rebuild;
    /// A file's content cannot be read.
    FileUnreadable = "file-unreadable", Damage, Rebuild;
    /// A file has another time than its content gives it: somebody wrote to it, or touched it.
    FileTouched = "file-touched", Damage, Rebuild;
    /// A file may not be read, or may be run where it should not, or the other way round.
    FilePermissions = "file-permissions", Damage, SetMode;
    /// A file may be written to, or has special bits.
    FileWritable = "file-writable", Warning, SetMode;
    /// A file that the list does not have.
    FileUnknown = "file-unknown", Damage, Rebuild;
    /// A Python that was run by root has kept byte code in the entry.
    ByteCode = "byte-code", Warning, Rebuild;
    /// A directory of the entry may not be looked into.
    FolderPermissions = "folder-permissions", Damage, SetMode;
    /// A directory of the entry may be written to, or has special bits.
    FolderWritable = "folder-writable", Warning, SetMode;
    /// What was made from the entry for one Python is not what was made.
    VariantDamaged = "variant-damaged", Damage, SetAside;
    /// What git called the files of the entry cannot be used. Costs one full fetch.
    GitDamaged = "git-damaged", Warning, SetAside;

    /// `modules.lock` does not say what is shown.
    LockStale = "lock-stale", Warning, Rewrite;
    /// `modules.toml` cannot be read or understood.
    DeclarationsUnreadable = "declarations-unreadable", Warning, ByHand;
    /// There is no `modules.toml` although modules are shown.
    DeclarationsMissing = "declarations-missing", Warning, ByHand;
    /// The file system does not keep the promise, or not all of it.
    FileSystem = "file-system", Warning, ByHand;

    /// A spare that the making of the store has left.
    SpareLeft = "spare-left", Leftover, Remove;
    /// A generation's directory that no frame records, or that is kept no longer.
    GenerationUnrecorded = "generation-unrecorded", Leftover, Remove;
    /// An entry that no frame records.
    EntryUnrecorded = "entry-unrecorded", Leftover, Remove;
    /// A list, or the git names beside it, of an entry that no frame records.
    ManifestUnrecorded = "manifest-unrecorded", Leftover, Remove;
    /// The staging of a process that is no more.
    StagingDead = "staging-dead", Leftover, Remove;
    /// What a sweep took away and has not deleted yet, or could not.
    TrashLeft = "trash-left", Leftover, Remove;
    /// The lease of a process that is no more.
    LeaseDead = "lease-dead", Leftover, Remove;
    /// A sweep has ended early, or could not take all of it away.
    CondemnedLeft = "condemned-left", Leftover, Finish;

    /// Something to know about the file system.
    FileSystemRemark = "file-system-remark", Note, ByHand;
    /// Bytes of the journal that were kept aside.
    JournalKept = "journal-kept", Note, ByHand;
    /// What was damaged and has been replaced is kept for a person to look at.
    Quarantined = "quarantined", Note, ByHand;
    /// A name that is none of the store's.
    NameUnknown = "name-unknown", Note, ByHand;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Severity {
    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Damage => "damage",
            Self::Warning => "warning",
            Self::Leftover => "leftover",
            Self::Note => "note",
        }
    }
}

impl Mend {
    /// One clause: what `verify --repair` does.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rebuild => "the entry is put in quarantine and fetched anew",
            Self::RebuildManifest => "the list is made anew from the tree",
            Self::RebuildJournal => "the journal is kept aside and written anew",
            Self::Relink => "the links are made anew",
            Self::Rewrite => "the file is written anew",
            Self::SetAside => "it is put in quarantine",
            Self::Make => "it is made, and what stands in its way is put in quarantine",
            Self::SetMode => "the permissions are set",
            Self::Remove => "it is removed",
            Self::Finish => "it is finished",
            Self::ByHand => "nothing",
        }
    }
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own_in_small_letters() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for name in names {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
        }
    }

    #[test]
    fn what_is_the_users_is_never_repaired_and_damage_always_is() {
        for code in Code::ALL {
            match code.severity() {
                Severity::Note => assert_eq!(code.mend(), Mend::ByHand, "{code}"),
                Severity::Damage => assert_ne!(code.mend(), Mend::ByHand, "{code}"),
                Severity::Warning | Severity::Leftover => {}
            }
        }
    }
}
