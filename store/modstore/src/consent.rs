//! [`Consents`]: the builds that a person has allowed in a store, each exactly as it was declared then.
//!
//! A build runs commands that `modules.toml` names, and that file may have come with somebody's project. What is allowed
//! is therefore recorded beside it and never in it, by a name made of the store's identity, the module, where it comes
//! from, and everything in its `build` table: when any of these changes, it is asked for again, and a record that was
//! copied from another store allows nothing. Commits are not part of the name, so that updates need no consent.
//!
//! Limits: a person who may write to the home may allow anything in it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    Context,
    declare::{self, DeclareError},
    disk::{Format, Layout, read_own_if_there},
    model::{BuildSpec, Declared, Digest, EditError, ModuleName, Subdirectory},
};

/// A module that is built, as it is declared now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeclaredBuild {
    /// The module.
    pub module: ModuleName,
    /// How it is built.
    pub spec: BuildSpec,
    /// Whether it is allowed.
    pub is_allowed: bool,
}

/// Which builds may run in a store.
#[derive(Debug, Clone)]
pub(crate) enum Consents {
    /// All.
    Everything,
    /// Those that were recorded.
    Recorded(ConsentRecord),
}

/// What `allowed.json` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsentRecord {
    /// The identity of the store in which it was allowed.
    store: String,
    /// By module, the names of all that was allowed.
    builds: BTreeMap<String, BTreeSet<String>>,
}

impl Consents {
    /// What is recorded in a store. What cannot be read, or was recorded in another store, allows nothing.
    pub(crate) fn recorded(layout: &Layout) -> Self {
        Self::Recorded(ConsentRecord::read(layout))
    }

    /// Whether a module may be built, or is not.
    pub(crate) fn permit(&self, module: &ModuleName, declared: &Declared) -> bool {
        match (self, &declared.build) {
            (Self::Everything, _) | (_, None) => true,
            (Self::Recorded(record), Some(spec)) => record.allows(module, declared, spec),
        }
    }

    /// Every module that is built, by name.
    pub(crate) fn of<'a>(
        &self,
        modules: impl Iterator<Item = (&'a ModuleName, &'a Declared)>,
    ) -> Vec<DeclaredBuild> {
        let built = modules.filter_map(|(module, declared)| {
            let spec = declared.build.clone()?;
            let is_allowed = self.permit(module, declared);
            Some(DeclaredBuild { module: module.clone(), spec, is_allowed })
        });
        built.collect()
    }
}

impl ConsentRecord {
    fn read(layout: &Layout) -> Self {
        let store = Format::read(layout).ok().flatten().map(|format| format.store);
        let store = store.unwrap_or_default();
        let written = || -> Option<Self> {
            serde_json::from_slice(&read_own_if_there(&layout.allowed()).ok()??).ok()
        };
        let ours = written().filter(|record| record.store == store && !store.is_empty());
        ours.unwrap_or_else(|| Self { store, builds: BTreeMap::new() })
    }

    fn allows(&self, module: &ModuleName, declared: &Declared, spec: &BuildSpec) -> bool {
        let name = name_of(&self.store, module, declared, spec).to_string();
        self.builds.get(module.as_str()).is_some_and(|allowed| allowed.contains(&name))
    }

    fn write(&self, editing: Context<'_>) -> Result<(), DeclareError> {
        let text = serde_json::to_string(self).expect("texts are JSON") + "\n";
        if let Some(private) = editing.layout.private() {
            editing.disk.ensure_dir(private)?;
        }
        declare::replace(editing, &editing.layout.allowed(), &text)
    }
}

/// Allows the builds of these modules, each exactly as it is declared now, and runs nothing. What was allowed of them
/// before stays so.
pub(crate) fn allow(
    editing: Context<'_>,
    names: &[ModuleName],
) -> Result<Vec<DeclaredBuild>, DeclareError> {
    let _lock = editing.lock(declare::LOCK)?;
    let (_, declarations) = declare::read(editing.layout)?;
    let mut record = ConsentRecord::read(editing.layout);
    let mut allowed = Vec::new();
    for name in names {
        let declared = declarations.get(name);
        let declared = declared.ok_or_else(|| EditError::NotDeclared(name.clone()))?;
        let no_build = || DeclareError::NoBuild { name: name.clone() };
        let spec = declared.build.clone().ok_or_else(no_build)?;
        let consent = name_of(&record.store, name, declared, &spec).to_string();
        record.builds.entry(name.to_string()).or_default().insert(consent);
        allowed.push(DeclaredBuild { module: name.clone(), spec, is_allowed: true });
    }
    record.write(editing)?;
    Ok(allowed)
}

/// Allows nothing of these modules any more. Gives those of which something was allowed.
pub(crate) fn revoke(
    editing: Context<'_>,
    names: &[ModuleName],
) -> Result<Vec<ModuleName>, DeclareError> {
    let _lock = editing.lock(declare::LOCK)?;
    let mut record = ConsentRecord::read(editing.layout);
    let had = names.iter().filter(|name| record.builds.remove(name.as_str()).is_some());
    let had = had.cloned().collect();
    record.write(editing)?;
    Ok(had)
}

/// All that is allowed by one consent, in a form that has one text for each meaning.
#[derive(Serialize)]
struct Specification<'a> {
    store: &'a str,
    module: &'a str,
    from: [Option<String>; 2],
    command: &'a [String],
    output: Option<&'a str>,
    inputs: &'a [String],
    env: &'a [String],
    toolchain: Option<&'a [String]>,
    timeout: u128,
    depfile: Option<&'a str>,
    validate: Option<&'a [String]>,
    // What was allowed before there was this key stays allowed.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    each: &'a [String],
}

/// A name for all that is allowed by one consent.
fn name_of(store: &str, module: &ModuleName, declared: &Declared, spec: &BuildSpec) -> Digest {
    let BuildSpec { command, output, each, inputs, env, toolchain, timeout, depfile, validate } =
        spec;
    let specification = Specification {
        store,
        module: module.as_str(),
        from: from(declared),
        command,
        output: output.as_ref().map(Subdirectory::as_str),
        inputs,
        env,
        toolchain: toolchain.as_deref(),
        timeout: timeout.as_nanos(),
        depfile: depfile.as_ref().map(Subdirectory::as_str),
        validate: validate.as_deref(),
        each,
    };
    let text = serde_json::to_vec(&specification).expect("texts and numbers are JSON");
    let mut hasher = blake3::Hasher::new_derive_key("modstore 2026 build consent v1");
    Digest::from_bytes(hasher.update(&text).finalize().into())
}

/// Whose code a build works on: a repository, or an archive, and the part of it; or a directory.
fn from(declared: &Declared) -> [Option<String>; 2] {
    let source = declared.effective_source();
    match source.address() {
        Some(address) => {
            [Some(address.origin().to_string()), source.subdirectory().map(ToString::to_string)]
        }
        None => [None, Some(source.to_toml_text())],
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::*;
    use crate::{
        Cancel,
        disk::{Barrier, Disk, LockWait},
        events::Silent,
        model::Declarations,
    };

    const PLAIN: &str = "[modules.m]\nsource = 'git+https://h/o/r@main'\n[modules.m.build]\ncommand = ['make', 'all']\n";

    struct World {
        place: tempfile::TempDir,
        disk: Disk,
        layout: Layout,
        cancel: Cancel,
    }

    impl World {
        fn new() -> Self {
            let place = tempfile::tempdir().unwrap();
            let (disk, layout) = (Disk::default(), Layout::new(place.path().join("home")));
            let wait = LockWait::at_most(Duration::from_secs(5));
            Format::ensure(&disk, &layout, wait).unwrap();
            Self { place, disk, layout, cancel: Cancel::new() }
        }

        fn editing(&self) -> Context<'_> {
            Context {
                disk: &self.disk,
                layout: &self.layout,
                barrier: Barrier::FileSystem,
                lock_limit: Duration::from_secs(5),
                offline: true,
                command: "a test",
                events: &Silent,
                cancel: &self.cancel,
            }
        }

        fn declare(&self, text: &str) {
            declare::replace(self.editing(), &self.layout.modules_toml(), text).unwrap();
        }

        fn allow(&self) {
            allow(self.editing(), &[module()]).unwrap();
        }

        fn allows(&self, text: &str) -> bool {
            let declared = Declarations::parse(text, Path::new("/base"), None).unwrap();
            let declared = declared.get(&module()).unwrap();
            Consents::recorded(&self.layout).permit(&module(), declared)
        }
    }

    fn module() -> ModuleName {
        "m".parse().unwrap()
    }

    #[test]
    fn whatever_changes_in_a_build_is_asked_for_again() {
        let world = World::new();
        world.declare(PLAIN);
        assert!(!world.allows(PLAIN));
        world.allow();
        assert!(world.allows(PLAIN));
        let later = PLAIN.replace("@main", "@v2");
        assert!(world.allows(&later), "what a branch leads to changes all the time");
        for more in [
            "output = 'out'",
            "output = 'out'\neach = '*.ts'",
            "inputs = ['*.ts']",
            "env = ['TOKEN']",
            "toolchain = ['make', '--version']",
            "timeout = '121s'",
            "depfile = 'd'",
            "validate = ['make', 'check']",
        ] {
            assert!(!world.allows(&format!("{PLAIN}{more}\n")), "{more}");
        }
        for (was, becomes) in [
            ("['make', 'all']", "['make all']"),
            ("['make', 'all']", "['make', 'all', '']"),
            ("https://h/o/r", "https://h/o/other"),
            ("@main", "@main#subdirectory=x"),
            ("@main'", "@main'\nlinked = '/elsewhere'"),
        ] {
            assert!(!world.allows(&PLAIN.replace(was, becomes)), "{becomes}");
        }
        // Nor may an archive from elsewhere be built because another was.
        let archive = format!("archive+https://h/a.zip#sha256={}", "ab".repeat(32));
        let packed = PLAIN.replace("git+https://h/o/r@main", &archive);
        world.declare(&packed);
        world.allow();
        assert!(world.allows(&packed));
        assert!(!world.allows(&packed.replace("/h/", "/elsewhere/")));
        // Until it is revoked, what was allowed once stays allowed.
        world.declare(&PLAIN.replace("all", "most"));
        world.allow();
        assert!(world.allows(PLAIN));
        assert_eq!(revoke(world.editing(), &[module()]).unwrap(), [module()]);
        assert!(!world.allows(PLAIN));
    }

    #[test]
    fn a_record_allows_in_the_store_and_for_the_module_that_it_is_of() {
        let (one, other) = (World::new(), World::new());
        one.declare(PLAIN);
        one.allow();
        let record = std::fs::read(one.layout.allowed()).unwrap();
        std::fs::write(other.layout.allowed(), &record).unwrap();
        assert!(!other.allows(PLAIN));
        // Nor when it says that it is of this store.
        let store = |world: &World| Format::read(&world.layout).unwrap().unwrap().store;
        let forged = String::from_utf8(record.clone()).unwrap();
        let forged = forged.replace(&store(&one), &store(&other));
        std::fs::write(other.layout.allowed(), &forged).unwrap();
        assert!(!other.allows(PLAIN));
        let renamed = String::from_utf8(record).unwrap().replace("\"m\"", "\"n\"");
        std::fs::write(one.layout.allowed(), renamed).unwrap();
        let text = PLAIN.replace("modules.m", "modules.n");
        let declared = Declarations::parse(&text, Path::new("/base"), None).unwrap();
        let name: ModuleName = "n".parse().unwrap();
        let consents = Consents::recorded(&one.layout);
        assert!(!consents.permit(&name, declared.get(&name).unwrap()));
        // A home that was moved is the same store.
        one.allow();
        let moved = one.place.path().join("moved");
        std::fs::rename(one.layout.home(), &moved).unwrap();
        let declared = Declarations::parse(PLAIN, Path::new("/base"), None).unwrap();
        let consents = Consents::recorded(&Layout::new(moved));
        assert!(consents.permit(&module(), declared.get(&module()).unwrap()));
    }

    #[test]
    fn a_record_that_cannot_be_read_allows_nothing_and_gives_way() {
        let world = World::new();
        world.declare(PLAIN);
        world.allow();
        for broken in ["", "{", "[]", "{\"store\":\"\",\"builds\":{}}"] {
            std::fs::write(world.layout.allowed(), broken).unwrap();
            assert!(!world.allows(PLAIN), "{broken}");
        }
        std::fs::remove_file(world.layout.allowed()).unwrap();
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, world.layout.allowed(), kind, mode, 0).unwrap();
        assert!(!world.allows(PLAIN));
        world.allow();
        assert!(world.allows(PLAIN));
    }

    #[test]
    fn what_is_not_built_needs_no_consent_and_gets_none() {
        let world = World::new();
        let text = "[modules.m]\nsource = 'git+https://h/o/r'\n";
        world.declare(text);
        assert!(world.allows(text));
        let error = allow(world.editing(), &[module()]).unwrap_err();
        assert!(matches!(error, DeclareError::NoBuild { .. }), "{error}");
        let unknown = "unknown".parse().unwrap();
        let error = allow(world.editing(), &[unknown]).unwrap_err();
        assert!(matches!(error, DeclareError::Edit(EditError::NotDeclared(_))), "{error}");
    }
}
