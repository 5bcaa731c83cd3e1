//! Where one scenario plays: repositories, a home prepared once, and a copy of it for each point.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use modstore::{Cancel, Depth, Silent, internals::check::Severity};
use modstore_core::disk::Disk;
use modstore_testbed::{Change, Fault, HttpServer, Item, Repo, listing};

use crate::{
    child::{Fate, Part, live},
    left::{Left, left_in},
    operation::{Operation, clones_of, open, place_of},
    scenario::{Scenario, Upstream},
};

/// What `current` shows: its text, and each module as it is read through it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    pub(crate) link: Option<PathBuf>,
    pub(crate) modules: BTreeMap<String, BTreeMap<String, Item>>,
}

/// One scenario, ready to be run as often as there are points.
pub(crate) struct World {
    pub(crate) name: &'static str,
    modules: Modules,
    place: tempfile::TempDir,
    pub(crate) scenario: Scenario,
    /// What may be seen.
    pub(crate) before: Shown,
    /// What is seen in the end.
    pub(crate) after: Shown,
    /// What the home is before.
    prepared: Left,
    /// What the home is in the end.
    undisturbed: Left,
}

impl World {
    /// Makes repositories and home, and runs the operation once, to see the result of an undisturbed run.
    pub(crate) fn of(name: &'static str, scenario: &Scenario) -> Self {
        let place = tempfile::tempdir_in(place()).unwrap();
        let modules = Modules::create(place.path(), scenario);
        let home = place.path().join("home");
        modules.install(&home, scenario.before, scenario.operation);
        modules.damage(&home, scenario.before);
        if let Operation::Unexpose(name) = scenario.operation {
            let exposed = Operation::Expose(name).run_on(Disk::default(), &home, &modules.linked);
            exposed.unwrap();
        }
        match scenario.upstream {
            Upstream::Gone(number) => modules.repos[number].vanish(),
            Upstream::Broken(number) => modules.repos[number].lose_a_blob(),
            Upstream::Sound
            | Upstream::Large(_)
            | Upstream::WithoutShallow(_)
            | Upstream::Submodule(_)
            | Upstream::Built(_)
            | Upstream::Each(_)
            | Upstream::Cooling(_)
            | Upstream::Cooled
            | Upstream::Kept(_)
            | Upstream::Room(_) => {}
        }
        let mut world = Self {
            name,
            place,
            scenario: *scenario,
            modules,
            before: Shown::default(),
            after: Shown::default(),
            prepared: left_in(&home),
            undisturbed: Left::default(),
        };
        world.before = shown(&home);
        assert_eq!(world.before.modules, world.modules.of_set(scenario.before), "the home before");
        let done = world.copy("undisturbed");
        let ended = scenario.operation.run_on(Disk::default(), &done, &world.linked());
        assert_eq!(ended.is_ok(), scenario.upstream.failing().is_none(), "undisturbed: {ended:?}");
        world.after = shown(&done);
        assert_eq!(world.after.modules, world.modules.of_set(scenario.after), "the home after");
        world.undisturbed = left_in(&done);
        // The host's configuration is one; the other is made because a server needs it.
        let mirrors = fs::read_dir(done.join("mirrors")).into_iter().flatten().count();
        let needed = matches!(scenario.upstream, Upstream::WithoutShallow(_));
        assert_eq!(mirrors > 1, needed, "{mirrors} mirrors");
        world
    }

    /// The directory that a module may be linked to.
    pub(crate) fn linked(&self) -> PathBuf {
        self.modules.linked.clone()
    }

    /// The directory that homes lie in.
    pub(crate) fn root(&self) -> &Path {
        self.place.path()
    }

    /// A home of this name, as the prepared one.
    pub(crate) fn copy(&self, name: &str) -> PathBuf {
        self.copy_of(&self.place.path().join("home"), name)
    }

    /// A home of this name, as that one: times, modes and second names included.
    pub(crate) fn copy_of(&self, home: &Path, name: &str) -> PathBuf {
        let copy = self.place.path().join(name);
        let _ = fs::remove_file(place_of(&copy));
        self.expose_again(home);
        let status = Command::new("cp").arg("-a").args([home, &copy]).status().unwrap();
        assert!(status.success(), "cp -a {} {}", home.display(), copy.display());
        copy
    }

    /// Makes the link that is to be taken away, for as long as the home says that there is one.
    fn expose_again(&self, home: &Path) {
        let Operation::Unexpose(name) = self.scenario.operation else { return };
        let state = open(Disk::default(), home, None).unwrap().state().unwrap();
        if !state.exposed().is_empty() {
            let first = self.place.path().join("home").canonicalize().unwrap();
            std::os::unix::fs::symlink(first.join("current").join(name), place_of(home)).unwrap();
        }
    }

    /// Removes such a copy.
    pub(crate) fn drop_copy(&self, home: &Path) {
        Disk::default().remove_tree(home).unwrap();
    }

    /// Readers see the set before or the set after, whole, and the store can be read.
    pub(crate) fn readers(&self, home: &Path) -> Result<(), String> {
        let now = shown(home);
        if !self.is_same(&now, &self.before) && !self.is_same(&now, &self.after) {
            return Err(format!("readers see neither the set before nor the set after: {now:#?}"));
        }
        self.modules.keeps_all(home, self.scenario.before)?;
        self.modules.can_write(home)?;
        let store = open(Disk::default(), home, None)?;
        store.state().map(drop).map_err(|error| format!("the state cannot be read: {error:?}"))
    }

    /// The operation again ends as an undisturbed run does.
    pub(crate) fn recovery(&self, home: &Path) -> Result<(), String> {
        match live(self, Part::Recovery, home, Fate::Undisturbed).ended {
            Some(ended) if self.ended_as_ever(&ended) => Ok(()),
            ended => Err(format!("done again, it ends with {ended:?}")),
        }
    }

    /// Whether that is how an undisturbed operation ends.
    pub(crate) fn ended_as_ever(&self, ended: &Result<(), String>) -> bool {
        match (ended, self.scenario.upstream.failing()) {
            (Ok(()), None) => true,
            (Err(error), Some(number)) => error.starts_with(&format!("m{number}: ")),
            _ => false,
        }
    }

    /// The set after is current.
    pub(crate) fn is_after(&self, home: &Path) -> Result<(), String> {
        if let Operation::Expose(name) = self.scenario.operation {
            let leads = fs::read_link(place_of(home)).ok();
            let wanted = home.canonicalize().unwrap().join("current").join(name);
            if leads.as_ref() != Some(&wanted) {
                return Err(format!("the link leads to {leads:?}, not to {}", wanted.display()));
            }
        }
        let is_left = matches!(self.scenario.operation, Operation::Unexpose(_))
            && place_of(home).symlink_metadata().is_ok();
        if is_left {
            return Err("the link is still there".into());
        }
        let now = shown(home);
        if self.is_same(&now, &self.after) { Ok(()) } else { Err(format!("it shows {now:#?}")) }
    }

    /// Whether the same set is current, by the same generation. Each reset makes one, so there the number does not count.
    fn is_same(&self, now: &Shown, then: &Shown) -> bool {
        let is_any = self.scenario.operation == Operation::Reset;
        now.modules == then.modules && (now.link == then.link || is_any)
    }

    /// The home is as after an undisturbed operation, by name, kind, mode, time and content.
    pub(crate) fn nothing_left(&self, home: &Path) -> Result<(), String> {
        self.nothing_left_but(home, |left| left)
    }

    /// The same after a cut of the power, which may tear what a killed process leaves whole.
    pub(crate) fn nothing_but_torn_ends_left(&self, home: &Path) -> Result<(), String> {
        self.nothing_left_but(home, |left| left.without_torn_ends())
    }

    /// The same, when both are looked at without something.
    fn nothing_left_but(&self, home: &Path, seen: fn(Left) -> Left) -> Result<(), String> {
        self.is_after(home)?;
        self.modules.keeps_all(home, self.scenario.before)?;
        is_verified(home)?;
        let (left, wanted) = (seen(left_in(home)), seen(self.undisturbed.clone()));
        match self.scenario.operation {
            Operation::Repair => {
                self.quarantine(home)?;
                left.without_repairs().must_be(&wanted.without_repairs())
            }
            Operation::Reset => left.without_numbers().must_be(&wanted.without_numbers()),
            _ => left.must_be(&wanted),
        }
    }

    /// Every damaged tree is in the quarantine, once. Beside them there may be the good one that a crash kept from
    /// taking its place (`commit/quarantine.rs`).
    fn quarantine(&self, home: &Path) -> Result<(), String> {
        let kept = fs::read_dir(home.join("quarantine")).into_iter().flatten().flatten();
        let kept: Vec<_> = kept.map(|child| listing(&child.path())).collect();
        let known = self.modules.of_set(&self.scenario.before.replace('d', "n"));
        let count =
            |tree: &BTreeMap<String, Item>| kept.iter().filter(|each| **each == *tree).count();
        let damaged: Vec<_> =
            self.before.modules.iter().filter(|(name, tree)| known[*name] != **tree).collect();
        let once = damaged.iter().all(|(_, tree)| count(tree) == 1);
        let good = damaged.iter().map(|(name, _)| count(&known[*name])).sum::<usize>();
        match once && kept.len() == damaged.len() + good {
            true => Ok(()),
            false => Err(format!("the quarantine has {kept:#?}")),
        }
    }

    /// After sweeps that retire nothing, and nothing else, the home is what it was before the operation or what it is
    /// after it: unrecorded names are gone, recorded ones are finished.
    pub(crate) fn is_settled_by_sweeps(&self, home: &Path) -> Result<(), String> {
        live(self, Part::Settling, home, Fate::Undisturbed).ended.expect("no one kills it")?;
        is_verified(home)?;
        let settled = left_in(home).without_declarations();
        let [before, after] = [&self.prepared, &self.undisturbed].map(Left::without_declarations);
        settled.must_be(&before).or_else(|_| settled.must_be(&after))
    }

    /// Each module is what it is before or after, whatever the others are.
    pub(crate) fn each_is_whole(&self, home: &Path) -> Result<(), String> {
        let [before, after] = [&self.before, &self.after].map(|shown| &shown.modules);
        let now = shown(home).modules;
        let odd = now
            .iter()
            .find(|(name, tree)| before.get(*name) != Some(tree) && after.get(*name) != Some(tree));
        match odd {
            None if now.len() == after.len() || before.is_empty() => Ok(()),
            odd => Err(format!("readers see neither the one before nor the one after: {odd:#?}")),
        }
    }

    /// Every module is what it is after the operation, and no staging is left.
    pub(crate) fn all_is_shown(&self, home: &Path) -> Result<(), String> {
        let now = shown(home).modules;
        let staging = fs::read_dir(home.join("staging")).unwrap().count();
        match now == self.after.modules && staging == 0 {
            true => Ok(()),
            false => {
                Err(format!("done again, it shows {now:#?}, with {staging} names in staging/"))
            }
        }
    }

    /// All that must hold after one point.
    pub(crate) fn judge(&self, home: &Path) -> Result<(), String> {
        self.readers(home)?;
        self.recovery(home)?;
        self.nothing_left(home)
    }
}

/// Nothing is wrong with the store, and nothing is left in it by a crash.
fn is_verified(home: &Path) -> Result<(), String> {
    let store = open(Disk::default(), home, None)?;
    let verified = store.verify(Depth::Full, &[], &Silent, &Cancel::new());
    let mut findings = verified.map_err(|error| format!("{error:?}"))?.findings;
    // That it lies in memory, for one, is no finding about what happened to it.
    findings.retain(|finding| matches!(finding.severity, Severity::Damage | Severity::Leftover));
    if findings.is_empty() { Ok(()) } else { Err(format!("verify finds {findings:#?}")) }
}

/// Memory, or what `MODSTORE_CRASH_ON` says.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    match std::env::var_os("MODSTORE_CRASH_ON") {
        Some(place) => place.into(),
        None if memory.is_dir() => memory.to_owned(),
        None => std::env::temp_dir(),
    }
}

/// All that `current` shows, each module read through it.
fn shown(home: &Path) -> Shown {
    let current = home.join("current");
    let link = fs::read_link(&current).ok();
    let modules = fs::read_dir(&current).into_iter().flatten().flatten().map(|module| {
        let led = fs::metadata(module.path()).is_ok();
        let tree = if led {
            listing(&module.path())
        } else {
            BTreeMap::from([("leads nowhere".into(), Item::Other)])
        };
        (module.file_name().into_string().unwrap(), tree)
    });
    Shown { link, modules: modules.collect() }
}

/// A repository with two commits, and git's own trees of them.
struct Source {
    repo: Repo,
    url: String,
    heads: [String; 2],
    trees: [BTreeMap<String, Item>; 2],
}

impl Source {
    /// `beyond`: what it has beyond its own tree.
    fn create(
        root: &Path,
        number: usize,
        server: Option<&HttpServer>,
        (part, is_large): (Option<&Repo>, bool),
    ) -> Self {
        let repo = Repo::create(root, &format!("m{number}"));
        let url = server.map_or_else(|| repo.url_file(), |server| server.url(repo.name()));
        let url = if is_large { format!("{url}#lfs=true") } else { url };
        let commit = |version: &str| {
            let mut changes = vec![
                Change::write("a", format!("{number} {version}\n")),
                Change::write("deep/b", version),
                Change::write("deep/same", format!("{number} stays\n")),
                Change::exec("run.sh", "#!/bin/sh\n"),
                Change::symlink("to", format!("deep/{version}")),
            ];
            if is_large {
                changes.push(Change::write(".gitattributes", "*.bin filter=lfs\n"));
                changes
                    .push(repo.large("deep/large.bin", format!("{number} {version} ").repeat(999)));
                changes.push(repo.large("same.bin", format!("{number} stays ").repeat(999)));
            }
            if let Some(part) = part {
                let files = [("changes", version), ("stays", "the same"), ("deep/stays", "too")];
                let commit = part.write(&files);
                changes.push(Change::write(".gitmodules", SUBMODULE));
                changes.push(Change::gitlink("sub", &commit));
            }
            repo.commit("main", &changes)
        };
        let heads = [commit("old"), commit("new")];
        let trees = heads.each_ref().map(|head| {
            let below =
                part.map(|part| part.tree(&repo.git(&["rev-parse", &format!("{head}:sub")])));
            let below = below.into_iter().flatten();
            let below = below.map(|(path, item)| (format!("sub/{path}"), item));
            repo.large_tree(head).into_iter().chain(below).collect()
        });
        Self { repo, url, heads, trees }
    }

    fn vanish(&self) {
        let path = self.repo.path();
        fs::rename(path, path.with_extension("gone")).unwrap();
    }

    fn lose_a_blob(&self) {
        let blob = self.repo.git(&["rev-parse", "refs/heads/main:a"]);
        let (folder, name) = blob.split_at(2);
        fs::remove_file(self.repo.path().join("objects").join(folder).join(name)).unwrap();
    }
}

/// `m0`, `m1`, … and the directory that one may be linked to.
struct Modules {
    repos: Vec<Source>,
    _server: Option<HttpServer>,
    linked: PathBuf,
    upstream: Upstream,
    kept: Option<usize>,
}

/// What a repository says of its submodule.
const SUBMODULE: &str = "[submodule \"sub\"]\n\tpath = sub\n\turl = ../part.git\n";

/// What a module that keeps a directory says of that.
const KEEP: &str = "keep = ['deep/**', 'settings', 'cache/tmp/']\n";

/// The same of one that keeps nothing that upstream ships.
const ROOM: &str = "keep = ['cache/tmp/']\n";

/// What such a module has written there.
const WRITTEN: [(&str, &str); 4] = [
    ("deep/mine", "a file of its own"),
    ("deep/same", "changed here"),
    ("settings", "made here"),
    ("cache/tmp/x", "made here too"),
];

/// What a module that is built says of that: two of its files become one.
const BUILD: &str =
    "build.command = ['sh', '-c', 'mkdir out && cat a deep/b > out/ab']\nbuild.output = 'out'\n";

/// What a module that is built for each of its files says of that: only one of them changes.
const EACH: &str = "build.command = ['sh', '-c', 'mkdir -p out/deep && cat $MODSTORE_INPUT run.sh > out/$MODSTORE_INPUT']
build.output = 'out'\nbuild.each = 'deep/*'\nbuild.inputs = ['run.sh', 'deep/*']\n";

/// What a module says whose new commits wait.
const WEEK: &str = "cooldown = '7d'\n";

impl Modules {
    fn create(root: &Path, scenario: &Scenario) -> Self {
        let linked = root.join("linked");
        fs::create_dir(&linked).unwrap();
        fs::write(linked.join("mine"), "a file of the user's own\n").unwrap();
        // git lets no repository ask for a local one.
        let served = match scenario.upstream {
            Upstream::WithoutShallow(number) | Upstream::Submodule(number) => Some(number),
            _ => None,
        };
        let server = served.map(|_| HttpServer::start(root));
        if let (Upstream::WithoutShallow(number), Some(server)) = (scenario.upstream, &server) {
            server.fault(&format!("m{number}"), Fault::WithoutCapability("shallow"));
        }
        let part = matches!(scenario.upstream, Upstream::Submodule(_)).then(|| {
            let part = Repo::create(root, "part");
            part.config("uploadpack.allowAnySHA1InWant", "true");
            part
        });
        let repos = (0..scenario.before.len()).map(|number| {
            let is_served = served == Some(number);
            let server = server.as_ref().filter(|_| is_served);
            let is_large = matches!(scenario.upstream, Upstream::Large(large) if large == number);
            let part = part.as_ref().filter(|_| is_served);
            Source::create(root, number, server, (part, is_large))
        });
        let kept = match scenario.upstream {
            Upstream::Kept(number) | Upstream::Room(number) => Some(number),
            _ => None,
        };
        Self { repos: repos.collect(), _server: server, linked, upstream: scenario.upstream, kept }
    }

    /// Makes a home that declares all of them and shows `set`. Upstream has the second commits then.
    fn install(&self, home: &Path, set: &str, operation: Operation) {
        fs::create_dir(home).unwrap();
        if operation == Operation::Import {
            self.publish(1);
            return self.clone_all();
        }
        let declare = |(number, Source { repo, url, .. }): (usize, &Source)| {
            let more = match self.upstream {
                Upstream::Built(built) if built == number => BUILD,
                Upstream::Each(built) if built == number => EACH,
                Upstream::Kept(kept) if kept == number => KEEP,
                Upstream::Room(kept) if kept == number => ROOM,
                Upstream::Cooling(cooling) if cooling == number => WEEK,
                _ => "",
            };
            format!("[modules.{}]\nsource = \"git+{url}\"\n{more}", repo.name())
        };
        let declared: String = self.repos.iter().enumerate().map(declare).collect();
        fs::write(home.join("modules.toml"), &declared).unwrap();
        let generations: &[usize] = match set.as_bytes()[0] {
            b'o' => &[0],
            b'n' => &[0, 1],
            _ => &[],
        };
        for generation in generations {
            self.publish(*generation);
            Operation::Update.run_on(Disk::default(), home, &self.linked).unwrap();
            if let Some(number) = self.kept {
                let own = home.join("current").join(self.repos[number].repo.name());
                for (path, text) in WRITTEN {
                    fs::write(own.join(path), text).unwrap();
                }
            }
        }
        self.publish(1);
        if self.upstream == Upstream::Cooled {
            fs::write(home.join("modules.toml"), format!("{WEEK}{declared}")).unwrap();
            Operation::Update.run_on(Disk::default(), home, &self.linked).unwrap();
            let state = open(Disk::default(), home, None).unwrap().state().unwrap();
            assert_eq!(state.sightings().len(), self.repos.len(), "all wait");
            fs::write(home.join("modules.toml"), declared).unwrap();
        }
    }

    /// Clones all, and edits the last.
    fn clone_all(&self) {
        let clones = clones_of(&self.linked);
        fs::create_dir(&clones).unwrap();
        for Source { repo, url, .. } in &self.repos {
            let args = ["clone", "-q", "-b", "main", url, repo.name()];
            let status = Command::new("git").args(args).current_dir(&clones).status().unwrap();
            assert!(status.success(), "git clone {url}");
        }
        let last = self.repos.last().unwrap().repo.name();
        fs::write(clones.join(last).join("a"), "edited").unwrap();
    }

    /// The directory that a module is linked to when it shows `l`.
    fn linked_to(&self, name: &str) -> PathBuf {
        let clone = clones_of(&self.linked).join(name);
        if clone.is_dir() { clone } else { self.linked.clone() }
    }

    /// Where a module leads that keeps something, what it has written is there.
    fn keeps_all(&self, home: &Path, set: &str) -> Result<(), String> {
        let Some(number) = self.kept.filter(|_| !set.contains('-')) else { return Ok(()) };
        let own = home.join("current").join(self.repos[number].repo.name());
        let lost = WRITTEN
            .iter()
            .find(|(path, text)| fs::read_to_string(own.join(path)).ok().as_deref() != Some(text));
        lost.map_or(Ok(()), |(path, _)| Err(format!("{path} of the module's own is lost")))
    }

    /// Where a module is current that keeps directories, they are there for it to write to.
    fn can_write(&self, home: &Path) -> Result<(), String> {
        let Some(number) = self.kept else { return Ok(()) };
        let own = home.join("current").join(self.repos[number].repo.name());
        let mut kept = ["deep", "cache/tmp"].iter().filter(|kept| own.join(kept).is_symlink());
        match kept.find(|kept| !own.join(kept).is_dir()) {
            None => Ok(()),
            Some(lost) => Err(format!("{lost} is current and leads nowhere")),
        }
    }

    /// Alters a file of each module that is to be damaged, and takes the lists of all others away.
    fn damage(&self, home: &Path, set: &str) {
        for (source, letter) in self.repos.iter().zip(set.bytes()).filter(|_| set.contains('d')) {
            let entry = fs::canonicalize(home.join("current").join(source.repo.name())).unwrap();
            if letter == b'd' {
                let file = entry.join("deep/b");
                fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
                fs::write(&file, "bad").unwrap();
            } else {
                fs::remove_file(home.join("manifests").join(entry.file_name().unwrap())).unwrap();
            }
        }
    }

    fn publish(&self, version: usize) {
        self.repos.iter().for_each(|each| each.repo.branch("main", &each.heads[version]));
    }

    /// What a set shows.
    fn of_set(&self, set: &str) -> BTreeMap<String, BTreeMap<String, Item>> {
        let numbered = self.repos.iter().enumerate().zip(set.bytes());
        let modules = numbered.filter_map(|((number, source), letter)| {
            let shown = |tree: &BTreeMap<String, Item>| match self.upstream {
                Upstream::Built(built_one) if built_one == number => built(tree),
                Upstream::Each(built_one) if built_one == number => built_each(tree),
                Upstream::Kept(kept_one) if kept_one == number => {
                    kept(tree, source.repo.name(), &["deep", "settings", "cache/tmp"])
                }
                Upstream::Room(kept_one) if kept_one == number => {
                    kept(tree, source.repo.name(), &["cache/tmp"])
                }
                _ => tree.clone(),
            };
            let tree = match letter {
                b'o' => shown(&source.trees[0]),
                b'n' => shown(&source.trees[1]),
                b'l' => listing(&self.linked_to(source.repo.name())),
                b'd' => source.trees[1].clone().into_iter().map(damaged).collect(),
                _ => return None,
            };
            Some((source.repo.name().to_owned(), tree))
        });
        modules.collect()
    }
}

/// What [`BUILD`] makes of a tree.
fn built(tree: &BTreeMap<String, Item>) -> BTreeMap<String, Item> {
    let bytes = ["a", "deep/b"].map(|name| match &tree[name] {
        Item::File { bytes, .. } => bytes.clone(),
        other => panic!("{name} is {other:?}"),
    });
    BTreeMap::from([("ab".to_owned(), Item::File { bytes: bytes.concat(), executable: false })])
}

/// What [`EACH`] makes of a tree.
fn built_each(tree: &BTreeMap<String, Item>) -> BTreeMap<String, Item> {
    let bytes = |name: &str| match &tree[name] {
        Item::File { bytes, .. } => bytes.clone(),
        other => panic!("{name} is {other:?}"),
    };
    let outputs = ["deep/b", "deep/same"].map(|name| {
        let bytes = [bytes(name), bytes("run.sh")].concat();
        (name.to_owned(), Item::File { bytes, executable: false })
    });
    outputs.into_iter().chain([("deep".into(), Item::Dir)]).collect()
}

/// What a module becomes that keeps these paths.
fn kept(tree: &BTreeMap<String, Item>, name: &str, paths: &[&str]) -> BTreeMap<String, Item> {
    let is_kept = |path: &str| paths.iter().any(|kept| Path::new(path).starts_with(kept));
    let rest = tree.iter().filter(|(path, _)| !is_kept(path));
    let mut tree: BTreeMap<String, Item> =
        rest.map(|(path, item)| (path.clone(), item.clone())).collect();
    for path in paths {
        let up = "../".repeat(path.matches('/').count());
        let text = format!("../../{up}state/{name}/{path}");
        tree.insert((*path).into(), Item::Link(text.into()));
    }
    tree.insert("cache".into(), Item::Dir);
    tree
}

/// As [`Modules::damage`] makes it.
fn damaged((path, item): (String, Item)) -> (String, Item) {
    let bad = Item::File { bytes: b"bad".to_vec(), executable: false };
    if path == "deep/b" { (path, bad) } else { (path, item) }
}
