//! A project's own modules: declared and locked in its repository, stored in its `.modstore`, which git does not see.
//! A clone of it has the locked modules after one `update --locked`, and several projects download what they share once.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use modstore_testbed::{HttpServer, Ran, Repo, TestHome};
use serde_json::Value;

/// A user with a server of two tools, and a project that git keeps.
struct World {
    home: TestHome,
    server: HttpServer,
    repo: Repo,
    other: Repo,
    project: PathBuf,
}

impl World {
    fn new() -> Self {
        let mut home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        home.without_env("MODSTORE_HOME");
        let root = home.scratch().join("served");
        fs::create_dir(&root).unwrap();
        let repo = Repo::create(&root, "tool");
        repo.write(&[("main.txt", "1"), ("same.txt", "same"), ("below/run.sh", "echo")]);
        let other = Repo::create(&root, "other");
        other.write(&[("main.txt", "1")]);
        let server = HttpServer::start(&root);
        let project = home.scratch().join("project");
        fs::create_dir_all(project.join("src/mine")).unwrap();
        fs::write(project.join("src/mine/main.txt"), "mine").unwrap();
        let world = Self { home, server, repo, other, project };
        world.home.git(&world.project, &["init", "-q", "-b", "main"]);
        world
    }

    fn source(&self, name: &str) -> String {
        format!("git+{}@main", self.server.url(name))
    }

    fn run_in(&self, project: &Path, args: &[&str]) -> Ran {
        let given = ["--project", project.to_str().unwrap()];
        self.home.run(&[given.as_slice(), args].concat())
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_in(&self.project, args)
    }

    fn json(&self, project: &Path, args: &[&str]) -> Value {
        self.run_in(project, &[&["--json"], args].concat()).json()
    }

    /// The project with `tool` and its own module, committed.
    fn filled() -> Self {
        let world = Self::new();
        world.run(&["add", &world.source("tool"), "--name", "tool"]).ok();
        world.run(&["add", &format!("{}/src/mine", world.project.display())]).ok();
        world.home.git(&world.project, &["add", "-A"]);
        world.home.git(&world.project, &["commit", "-qm", "modules"]);
        world
    }

    fn clone_to(&self, name: &str) -> PathBuf {
        let to = self.home.scratch().join(name);
        self.home.git(
            &self.home.scratch(),
            &["clone", "-q", self.project.to_str().unwrap(), to.to_str().unwrap()],
        );
        to
    }

    fn status(&self, project: &Path) -> String {
        self.home.git(project, &["status", "--porcelain", "--untracked-files=all"])
    }
}

fn says(project: &Path, module: &str) -> Option<String> {
    fs::read_to_string(project.join(".modstore/current").join(module).join("main.txt")).ok()
}

fn lock(project: &Path) -> String {
    fs::read_to_string(project.join("modules.lock")).unwrap()
}

#[test]
fn a_project_s_declarations_are_committed_and_its_store_is_not() {
    let world = World::new();
    world.run(&["add", &world.source("tool"), "--name", "tool"]).ok();
    assert_eq!(
        world.status(&world.project),
        "?? modules.lock\n?? modules.toml\n?? src/mine/main.txt\n"
    );
    assert_eq!(says(&world.project, "tool").as_deref(), Some("1"));
    assert!(lock(&world.project).contains("[modules.tool]"));
    // The variable is the option, a home on the command line is another store, and both options are none.
    let mut by_variable = world.home.command(&["path", "tool"]);
    by_variable.env("MODSTORE_PROJECT", &world.project);
    let at = String::from_utf8(by_variable.output().unwrap().stdout).unwrap();
    assert_eq!(Path::new(at.trim_end()), world.project.join(".modstore/current/tool"));
    let elsewhere = world.home.scratch().join("elsewhere");
    let mut by_home =
        world.home.command(&["--home", elsewhere.to_str().unwrap(), "--json", "list"]);
    by_home.env("MODSTORE_PROJECT", &world.project);
    let listed: Value = serde_json::from_slice(&by_home.output().unwrap().stdout).unwrap();
    assert_eq!(listed["modules"], serde_json::json!([]));
    world.run(&["--home", "/tmp/x", "list"]).fails(2);
    world.run_in(Path::new("/nonexistent"), &["list"]).fails(2).says("--project");
    world.run_in(&world.project.join("modules.toml"), &["list"]).fails(2).says("--project");
    // The user's own store knows nothing of it.
    assert!(!world.home.user_home().join(".local/share/modstore/journal").exists());
}

#[test]
fn a_fresh_clone_gets_exactly_what_is_locked_and_stays_clean() {
    let world = World::filled();
    let before = lock(&world.project);
    world.repo.write(&[("main.txt", "2")]);
    let clone = world.clone_to("ci");
    world.run_in(&clone, &["update", "--locked"]).ok();
    assert_eq!(says(&clone, "tool").as_deref(), Some("1"), "the locked commit, not the newest");
    assert_eq!(world.status(&clone), "");
    assert_eq!(lock(&clone), before);
    // Its own module is the clone's, not the one of the project that it was cloned from.
    fs::write(clone.join("src/mine/main.txt"), "the clone's").unwrap();
    assert_eq!(says(&clone, "mine").as_deref(), Some("the clone's"));
    assert_eq!(says(&world.project, "mine").as_deref(), Some("mine"));
    // An update that is not bound to the lock goes on, and says so in it.
    world.run_in(&clone, &["update"]).ok();
    assert_eq!(says(&clone, "tool").as_deref(), Some("2"));
    assert!(lock(&clone).contains(&world.repo.rev("main").unwrap()));
    world.run_in(&clone, &["verify"]).ok();
}

#[test]
fn a_command_about_one_module_leaves_what_others_have_locked() {
    let world = World::filled();
    world.run(&["add", &world.source("other"), "--name", "other"]).ok();
    let locked = world.other.rev("main").unwrap();
    world.home.git(&world.project, &["add", "-A"]);
    world.home.git(&world.project, &["commit", "-qm", "other"]);
    // A fresh clone has none of it, and adds a third, removes one, updates one: `other` stays locked as it is.
    let clone = world.clone_to("clone");
    world.other.write(&[("main.txt", "2")]);
    world.repo.write(&[("main.txt", "2")]);
    let part = format!("git+{}@main#subdirectory=below", world.server.url("tool"));
    world.run_in(&clone, &["add", &part, "--name", "part"]).ok();
    assert!(lock(&clone).contains(&locked) && lock(&clone).contains("[modules.part]"));
    assert!(lock(&clone).contains("[modules.tool]"));
    world.run_in(&clone, &["update", "tool"]).ok();
    assert!(lock(&clone).contains(&locked));
    world.run_in(&clone, &["remove", "part"]).ok();
    assert!(lock(&clone).contains(&locked) && !lock(&clone).contains("[modules.part]"));
    // One that was never fetched here goes from the lock as well.
    let fresh = world.clone_to("fresh");
    world.run_in(&fresh, &["remove", "other"]).ok();
    assert!(!lock(&fresh).contains("[modules.other]") && lock(&fresh).contains("[modules.tool]"));
    // A module that fails keeps what others have locked.
    let failing = world.clone_to("failing");
    world.other.delete_ref("refs/heads/main");
    world.run_in(&failing, &["update"]).fails(1);
    assert!(lock(&failing).contains(&locked));
}

#[test]
fn a_lock_that_does_not_fit_is_named_and_never_overwritten() {
    let world = World::filled();
    let clone = world.clone_to("clone");
    let good = lock(&clone);
    // Declared and not locked; locked and not declared; another source.
    let declared = fs::read_to_string(clone.join("modules.toml")).unwrap();
    let more = format!("{declared}\n[modules.other]\nsource = \"{}\"\n", world.source("other"));
    fs::write(clone.join("modules.toml"), &more).unwrap();
    world.run_in(&clone, &["update", "--locked"]).fails(1).says("other");
    assert_eq!(says(&clone, "tool").as_deref(), Some("1"), "the others are there");
    fs::write(clone.join("modules.toml"), declared.replace("[modules.tool]", "[modules.renamed]"))
        .unwrap();
    let told = world.run_in(&clone, &["update", "--locked"]).fails(1);
    assert!(told.stderr.contains("modules.lock has `tool`"), "{}", told.stderr);
    fs::write(clone.join("modules.toml"), declared.replace("@main", "@other")).unwrap();
    world.run_in(&clone, &["update", "--locked"]).fails(1).says("tool");
    fs::write(clone.join("modules.toml"), &declared).unwrap();
    assert_eq!(lock(&clone), good);
    world.run_in(&clone, &["update", "--locked"]).ok();
    // What a merge left is nobody's to overwrite.
    let conflict = format!("<<<<<<< HEAD\n{good}=======\n>>>>>>> other\n");
    fs::write(clone.join("modules.lock"), &conflict).unwrap();
    world.repo.write(&[("main.txt", "2")]);
    for command in
        [&["update"] as &[&str], &["update", "--locked"], &["remove", "tool"], &["rollback"]]
    {
        let told = world.run_in(&clone, command);
        assert_ne!(told.status, 0, "{command:?}");
        assert!(told.stderr.contains("modules.lock"), "{command:?}: {}", told.stderr);
        assert_eq!(lock(&clone), conflict, "{command:?}");
    }
    assert_eq!(says(&clone, "tool").as_deref(), Some("1"));
    assert_eq!(fs::read_to_string(clone.join("modules.toml")).unwrap(), declared);
    fs::remove_file(clone.join("modules.lock")).unwrap();
    world.run_in(&clone, &["update"]).ok();
    assert!(lock(&clone).contains("[modules.tool]"));
}

#[test]
fn a_host_is_told_where_a_directory_of_the_project_lies_wherever_it_runs() {
    let world = World::filled();
    let mine = world.project.join("src/mine");
    let wanted = world.home.scratch().join("wanted.json");
    let modules = serde_json::json!({ "modules": [{ "source": mine, "name": "mine" }] });
    fs::write(&wanted, modules.to_string()).unwrap();
    let mut ensure = world.home.command_of(
        Path::new(env!("CARGO_BIN_EXE_modstore")),
        &["--project", world.project.to_str().unwrap(), "--json", "ensure"],
    );
    let output = ensure.stdin(fs::File::open(&wanted).unwrap()).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = &answer["modules"][0];
    assert_eq!(told["directory"], mine.to_str().unwrap(), "{answer:#}");
    assert_eq!(told["error"], Value::Null, "{answer:#}");
}

#[test]
fn a_project_that_was_moved_or_copied_goes_on_working() {
    let world = World::filled();
    let moved = world.home.scratch().join("moved");
    fs::rename(&world.project, &moved).unwrap();
    assert_eq!(says(&moved, "tool").as_deref(), Some("1"));
    assert_eq!(says(&moved, "mine").as_deref(), Some("mine"), "its own directory moved with it");
    world.run_in(&moved, &["verify"]).ok();
    let copy = world.home.scratch().join("copy");
    let copied = world
        .home
        .command_of(Path::new("cp"), &["-a", moved.to_str().unwrap(), copy.to_str().unwrap()]);
    assert!({ copied }.status().unwrap().success());
    fs::write(copy.join("src/mine/main.txt"), "the copy's").unwrap();
    assert_eq!(says(&copy, "mine").as_deref(), Some("the copy's"));
    world.repo.write(&[("main.txt", "2")]);
    world.run_in(&copy, &["update"]).ok();
    assert_eq!(says(&copy, "tool").as_deref(), Some("2"));
    assert_eq!(says(&moved, "tool").as_deref(), Some("1"), "a copy is a store of its own");
    let told = world.json(&moved, &["update"]);
    assert_eq!(told["updated"].as_array().unwrap().len(), 1, "{told:#}");
    fs::write(copy.join("src/mine/main.txt"), "mine").unwrap();
    for project in [&moved, &copy] {
        world.run_in(project, &["verify"]).ok();
        assert_eq!(world.status(project), " M modules.lock\n", "{}", project.display());
    }
    // In the repository stands no path of this machine.
    assert!(fs::read_to_string(copy.join("modules.toml")).unwrap().contains("\"./src/mine\""));
}

#[test]
fn what_comes_with_a_repository_allows_nothing() {
    let world = World::new();
    let flag = world.home.scratch().join("ran");
    let declared = format!(
        "[modules.mine]\nsource = \"./src/mine\"\n[modules.mine.build]\n\
         command = [\"sh\", \"-c\", \"touch {}; mkdir made; cp main.txt made\"]\noutput = \"made\"\n",
        flag.display()
    );
    fs::write(world.project.join("modules.toml"), declared).unwrap();
    let told = world.run(&["update"]).fails(1);
    assert!(told.stderr.contains("modstore allow mine"), "{}", told.stderr);
    world.run(&["allow", "mine"]).ok();
    world.run(&["update"]).ok();
    assert!(flag.exists());
    fs::remove_file(&flag).unwrap();
    // All that an attacker can commit: the whole store of a project in which the build was allowed.
    let granted = granted_below(&world.home.user_home());
    assert_eq!(granted.len(), 1, "what was allowed lies with the user: {granted:?}");
    assert!(granted_below(&world.project).is_empty());
    fs::copy(&granted[0], world.project.join(".modstore/allowed.json")).unwrap();
    world.home.git(&world.project, &["add", "-A", "-f"]);
    world.home.git(&world.project, &["commit", "-qm", "everything"]);
    let clone = world.clone_to("clone");
    fs::write(clone.join("src/mine/more.txt"), "an input").unwrap();
    world.run_in(&clone, &["update"]).fails(1);
    assert!(!flag.exists(), "nothing was run that was not allowed here");
    // And an environment that it names is none that is registered.
    let environments = clone.join(".modstore/environments");
    fs::create_dir(&environments).unwrap();
    fs::write(environments.join("0123456789abcdef.json"), "{}").unwrap();
    assert_eq!(world.json(&clone, &["status"])["environments"], serde_json::json!([]));
    // Nor may the store of a project be somewhere else.
    let linked = world.home.scratch().join("linked");
    fs::create_dir(&linked).unwrap();
    symlink(world.project.join(".modstore"), linked.join(".modstore")).unwrap();
    world.run_in(&linked, &["update"]).fails(2).says("symbolic link");
    world.run_in(&linked, &["list"]).fails(2).says("symbolic link");
}

fn granted_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                open.push(path);
            } else if entry.file_name() == "allowed.json" {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn projects_download_what_they_share_once() {
    let world = World::filled();
    let clone = world.clone_to("second");
    world.server.forget();
    world.run_in(&clone, &["update", "--locked"]).ok();
    assert_eq!(world.server.stats().connections, 0, "the other project has it");
    assert_eq!(says(&clone, "tool").as_deref(), Some("1"));
    world.run_in(&clone, &["verify"]).ok();
    // What is taken is compared: a file of the other project that was altered is not taken.
    let third = world.clone_to("third");
    for project in [&world.project, &clone] {
        let file = project.join(".modstore/current/tool/main.txt");
        let real = file.canonicalize().unwrap();
        let time = fs::metadata(&real).unwrap().modified().unwrap();
        let permissions = fs::metadata(&real).unwrap().permissions();
        fs::remove_file(&real).ok();
        let directory = real.parent().unwrap();
        std::process::Command::new("chmod").args(["u+w"]).arg(directory).status().unwrap();
        fs::remove_file(&real).ok();
        fs::write(&real, "X").unwrap();
        fs::set_permissions(&real, permissions).unwrap();
        fs::File::open(&real).unwrap().set_modified(time).unwrap();
    }
    world.run_in(&third, &["update", "--locked"]).ok();
    assert!(world.server.stats().connections > 0);
    assert_eq!(says(&third, "tool").as_deref(), Some("1"));
    // Nor is anything taken from a store that is gone, or when sharing is off.
    let fourth = world.clone_to("fourth");
    for project in [&world.project, &clone, &third] {
        let gone = project.with_extension("gone");
        fs::rename(project, gone).unwrap();
    }
    let off = world.clone_from(&fourth, "off");
    world.run_in(&fourth, &["update", "--locked"]).ok();
    world.server.forget();
    let mut command =
        world.home.command(&["--project", off.to_str().unwrap(), "update", "--locked"]);
    assert!(command.env("MODSTORE_SHARE", "0").status().unwrap().success());
    assert!(world.server.stats().connections > 0, "sharing is off");
}

impl World {
    fn clone_from(&self, from: &Path, name: &str) -> PathBuf {
        let to = self.home.scratch().join(name);
        self.home.git(
            &self.home.scratch(),
            &["clone", "-q", from.to_str().unwrap(), to.to_str().unwrap()],
        );
        to
    }
}

#[test]
fn a_purge_takes_the_store_and_what_was_allowed_and_leaves_the_project() {
    let world = World::filled();
    world.run(&["reset", "--purge"]).ok();
    assert_eq!(
        world.status(&world.project),
        "",
        "the declarations, the lock and the sources are as committed"
    );
    assert!(!world.project.join(".modstore/current").exists());
    let left: Vec<_> = fs::read_dir(world.project.join(".modstore"))
        .unwrap()
        .flatten()
        .map(|it| it.file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}: the lock files, and what keeps them from git");
    world.run(&["update", "--locked"]).ok();
    assert_eq!(says(&world.project, "tool").as_deref(), Some("1"));
}
