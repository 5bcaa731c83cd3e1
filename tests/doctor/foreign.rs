//! What is foreign in an environment: its programs, which run only for who asks for that; links and other people's files,
//! which are left alone; pipes, devices and giants in the place of files.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use modstore_testbed::{Ran, Running, TestHome};
use serde_json::{Value, json};

/// Bytes of address space that a doctor may have, which is less than the giants are long.
const ADDRESSES: &str = "2000000";

/// More than anything here takes, and less than the patience of a person who waits for a pipe.
const SOON: Duration = Duration::from_secs(20);

/// A directory with an environment that no installer has made: an editable install of `x` whose project has gone from
/// `old-…`, and lies in `new`.
struct Clone {
    home: TestHome,
    directory: PathBuf,
    /// Is made by each program of the environment.
    ran: PathBuf,
}

impl Clone {
    fn new() -> Self {
        let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        let directory = home.scratch().join("clone");
        let clone = Self { ran: home.scratch().join("ran"), home, directory };
        let old = clone.directory.join("old-0123456789abcdef");
        clone.write("new/src/x/__init__.py", "");
        clone.write("new/pyproject.toml", "[project]\nname = \"x\"\nversion = \"1\"\n");
        clone.write(".venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.2\n");
        for name in ["python", "python3", "pip", "uv"] {
            let program = format!(".venv/bin/{name}");
            clone.write(&program, &format!("#!/bin/sh\ntouch '{}'\nexit 1\n", clone.ran.display()));
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(clone.directory.join(program), mode).unwrap();
        }
        clone.in_site("_x.pth", &format!("{}/src\n", old.display()));
        clone.in_site("x-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: x\nVersion: 1\n");
        let direct =
            json!({"url": format!("file://{}", old.display()), "dir_info": {"editable": true}});
        clone.in_site("x-1.dist-info/direct_url.json", &direct.to_string());
        clone.in_site(
            "x-1.dist-info/RECORD",
            "_x.pth,,\nx-1.dist-info/METADATA,,\nx-1.dist-info/direct_url.json,,\nx-1.dist-info/RECORD,,\n",
        );
        clone
    }

    /// As [`new`](Self::new), with an interpreter that is gone, so that it can only be fixed by hand.
    fn without_programs() -> Self {
        let clone = Self::new();
        for name in ["python3", "pip", "uv", "python"] {
            fs::remove_file(clone.directory.join(".venv/bin").join(name)).unwrap();
        }
        symlink("/nonexistent/python3.11", clone.directory.join(".venv/bin/python")).unwrap();
        clone
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn site(&self) -> PathBuf {
        self.directory.join(".venv/lib/python3.11/site-packages")
    }

    fn in_site(&self, path: &str, text: &str) {
        self.write(&format!(".venv/lib/python3.11/site-packages/{path}"), text);
    }

    /// Whether a program of the environment was started since the last time.
    fn has_run(&self) -> bool {
        fs::remove_file(&self.ran).is_ok()
    }

    /// The doctor, in the directory of the clone, without uv.
    fn doctor(&self, more: &[&str], variables: &[(&str, &Path)]) -> (Ran, Value) {
        let mut command = self.home.command(&[&["--json", "doctor"], more].concat());
        command.current_dir(&self.directory).env("PATH", "/usr/bin:/bin").env_remove("UV");
        command.envs(variables.iter().copied());
        let ran = Running::start(command).wait();
        let value = ran.json();
        (ran, value)
    }

    /// The doctor on the environment as a person names it, with `--fix`.
    fn fix(&self) -> Value {
        self.doctor(&["--fix", "--python", ".venv"], &[]).1
    }

    /// The doctor where it has little memory; it has to end soon.
    #[track_caller]
    fn soon(&self, more: &[&str], variables: &[(&str, &Path)]) -> Value {
        let script = format!("ulimit -v {ADDRESSES}; exec timeout 60 \"$0\" \"$@\"");
        let binary = env!("CARGO_BIN_EXE_modstore");
        let arguments = [&["-c", &script, binary, "--json", "doctor"], more].concat();
        let mut command = self.home.command_of(Path::new("/bin/sh"), &arguments);
        command.current_dir(&self.directory).envs(variables.iter().copied());
        let start = Instant::now();
        let value = Running::start(command).wait().json();
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        value
    }
}

#[test]
fn an_environment_that_was_only_found_is_read_and_nothing_of_it_is_run_or_changed() {
    let clone = Clone::new();
    let before = modstore_testbed::listing(&clone.directory);
    for more in [&[][..], &["--quick"], &["--fix"]] {
        let (ran, told) = clone.doctor(more, &[]);
        ran.fails(1);
        assert!(!clone.has_run(), "{more:?}");
        assert_eq!(told["findings"][0]["code"], "D01", "it is read: {told:#}");
        let fix = told["findings"][0]["fix"].as_str().unwrap();
        assert!(fix.starts_with("modstore doctor --python ") && fix.ends_with(" --fix"), "{fix}");
        let untried = told["environments"][0]["not_run"].as_str().unwrap_or("--python");
        assert!(untried.contains("--python"), "{untried}");
        assert_eq!(told["environments"][0]["installer"], Value::Null);
    }
    assert_eq!(modstore_testbed::listing(&clone.directory), before);
    let mut command = clone.home.command(&["doctor"]);
    command.current_dir(&clone.directory);
    let said = Running::start(command).wait().fails(1).stdout;
    assert!(
        said.contains("only found in the working directory; `modstore doctor --python"),
        "{said}"
    );
}

#[test]
fn an_environment_that_is_named_or_active_is_run() {
    let clone = Clone::new();
    clone.doctor(&["--python", ".venv"], &[]).0.fails(1);
    assert!(clone.has_run(), "it is named");
    let active = clone.directory.join(".venv");
    clone.doctor(&[], &[("VIRTUAL_ENV", &active)]).0.fails(1);
    assert!(clone.has_run(), "it is active, and beside");
}

#[test]
fn a_tool_that_another_user_may_have_written_is_not_run() {
    let clone = Clone::new();
    let tools = clone.directory.join("tools");
    fs::create_dir(&tools).unwrap();
    fs::rename(clone.directory.join(".venv"), tools.join("host")).unwrap();
    let at = [("UV_TOOL_DIR", tools.as_path())];
    clone.doctor(&[], &at).0.fails(1);
    assert!(clone.has_run(), "a tool of one's own");
    fs::set_permissions(&tools, fs::Permissions::from_mode(0o777)).unwrap();
    let (_, told) = clone.doctor(&["--fix"], &at);
    assert!(!clone.has_run());
    let untried = told["environments"][0]["not_run"].as_str().unwrap();
    assert!(untried.contains("other users may write to"), "{untried}");
}

#[test]
fn nothing_is_written_where_a_link_leads() {
    let plain = Clone::without_programs();
    let told = plain.fix();
    assert_eq!(told["fixed"][0]["how"], "hand", "{told:#}");
    let pth = fs::read_to_string(plain.site().join("_x.pth")).unwrap();
    assert_eq!(pth.trim(), plain.directory.join("new/src").to_str().unwrap());
    for linked in [
        &["x-1.dist-info"][..],
        &["_x.pth"],
        &["x-1.dist-info/RECORD"],
        &["x-1.dist-info/direct_url.json"],
        &["../site-packages"],
        &["../../../lib"],
        &["../../../.lock"],
    ] {
        let clone = Clone::without_programs();
        if linked[0].ends_with(".lock") {
            clone.write(".venv/.lock", "");
        }
        let outside = clone.home.scratch().join("outside");
        fs::create_dir(&outside).unwrap();
        let path = clone.site().join(linked[0]);
        let path = path.parent().unwrap().canonicalize().unwrap().join(path.file_name().unwrap());
        let moved = outside.join(path.file_name().unwrap());
        fs::rename(&path, &moved).unwrap();
        symlink(&moved, &path).unwrap();
        let before = modstore_testbed::listing(&clone.home.scratch());
        let told = clone.fix();
        assert_eq!(
            modstore_testbed::listing(&clone.home.scratch()),
            before,
            "{linked:?}: {told:#}"
        );
        let said = told.to_string();
        assert!(said.contains("is a link"), "{linked:?}: {told:#}");
    }
}

#[test]
fn what_others_may_write_and_what_a_record_has_elsewhere_is_left_alone() {
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let open = Clone::without_programs();
    mode(&open.site(), 0o777);
    let told = open.fix();
    assert_eq!(told["fixed"], json!([]), "{told:#}");
    assert!(told.to_string().contains("other users may write to"), "{told:#}");
    mode(&open.site(), 0o755);
    assert_eq!(open.fix()["fixed"][0]["how"], "hand");
    let planted = Clone::without_programs();
    mode(&planted.directory.join("new"), 0o777);
    let told = planted.fix();
    assert!(told.to_string().contains("runs its code, and other users may write to"), "{told:#}");
    assert_eq!(told["fixed"], json!([]), "{told:#}");
    let hostile = Clone::without_programs();
    let victim = hostile.home.scratch().join("victim");
    fs::write(&victim, "mine").unwrap();
    let record = format!("_x.pth,,\n{},,\nx-1.dist-info/RECORD,,\n", victim.display());
    hostile.in_site("x-1.dist-info/RECORD", &record);
    let told = hostile.fix();
    assert!(told.to_string().contains("its RECORD has a file"), "{told:#}");
    assert_eq!(told["fixed"], json!([]), "{told:#}");
    if rustix::process::geteuid().is_root() {
        let other = Clone::without_programs();
        std::os::unix::fs::chown(other.site().join("_x.pth"), Some(12345), None).unwrap();
        let told = other.fix();
        assert!(told.to_string().contains("another user (uid 12345)"), "{told:#}");
    }
}

#[test]
fn a_file_that_an_installer_shares_with_its_cache_is_replaced_and_not_written_to() {
    let clone = Clone::without_programs();
    let cached = clone.home.scratch().join("cached.pth");
    fs::hard_link(clone.site().join("_x.pth"), &cached).unwrap();
    let before = fs::read(&cached).unwrap();
    assert_eq!(clone.fix()["fixed"][0]["how"], "hand");
    assert_eq!((fs::read(&cached).unwrap(), cached.metadata().unwrap().nlink()), (before, 1));
}

/// A thing that is no file, in the place of one.
type Thing = (&'static str, fn(&Path));

const THINGS: [Thing; 3] = [
    ("pipe", |path| {
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
    }),
    ("giant", |path| fs::File::create(path).unwrap().set_len(6 << 30).unwrap()),
    ("device", |path| symlink("/dev/zero", path).unwrap()),
];

fn put(path: &Path, thing: Thing) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = fs::remove_file(path);
    thing.1(path);
}

#[test]
fn whatever_lies_in_an_environment_is_answered_for_soon_and_by_its_name() {
    for (name, is_told) in [
        ("y.pth", true),
        ("_x.pth", true),
        ("y.egg-link", true),
        ("y.start", true),
        ("__editable___y_finder.py", true),
        ("x-1.dist-info/METADATA", true),
        ("x-1.dist-info/RECORD", true),
        ("x-1.dist-info/direct_url.json", true),
        ("x-1.dist-info/entry_points.txt", true),
        ("x-1.dist-info/top_level.txt", false),
        ("y-1.dist-info/RECORD", false),
        ("../../../pyvenv.cfg", false),
        ("../../../uv-receipt.toml", false),
    ] {
        for thing in THINGS {
            let clone = Clone::without_programs();
            if name.contains("finder") {
                clone.in_site("z.pth", "import __editable___y_finder\n");
            }
            put(&clone.site().join(name), thing);
            let told = clone.soon(&["--quick"], &[]);
            let said = told.to_string();
            let file = Path::new(name).file_name().unwrap().to_str().unwrap();
            assert!(said.contains(file) || !is_told, "{name} is a {}: {told:#}", thing.0);
        }
    }
}

#[test]
fn whatever_lies_in_a_cache_or_a_work_tree_is_answered_for_soon() {
    for name in [
        "settings.yaml",
        "registry.json",
        "cache/install-state.json",
        "cache/x-0123456789abcdef/.amplifier_cache_meta.json",
        "cache/x-0123456789abcdef/pyproject.toml",
        "cache/x-0123456789abcdef/setup.cfg",
        "cache/x-0123456789abcdef/setup.py",
        "cache/x-0123456789abcdef/.git/HEAD",
        "cache/x-0123456789abcdef/.git/config",
        "cache/x-0123456789abcdef/.git/index",
        "cache/x-0123456789abcdef/.git/packed-refs",
        "cache/x-0123456789abcdef/.git/shallow",
        "cache/x-0123456789abcdef/.git/gc.pid",
        "cache/x-0123456789abcdef/.git/refs/heads/main",
        "cache/x-0123456789abcdef/.git/objects/info/alternates",
        "cache/x-0123456789abcdef/.git/objects/info/commit-graph",
        "cache/x-0123456789abcdef/.git/objects/pack/pack-1.idx",
        "cache/x-0123456789abcdef/.git/objects/pack/pack-1.pack",
    ] {
        for thing in THINGS {
            let clone = Clone::without_programs();
            let host = clone.directory.join("host");
            let git = |path: &str, text: &str| {
                clone.write(&format!("host/cache/x-0123456789abcdef/.git/{path}"), text);
            };
            git("HEAD", "ref: refs/heads/main\n");
            git("config", "[remote \"origin\"]\nurl = https://h.example/x\n");
            git("refs/heads/main", "0123456789012345678901234567890123456789\n");
            git("objects/info/packs", "");
            put(&host.join(name), thing);
            for more in [&["--quick"][..], &[]] {
                clone.soon(more, &[("AMPLIFIER_HOME", &host)]);
            }
        }
    }
}

#[test]
fn more_than_any_user_has_is_reported_and_not_kept() {
    let clone = Clone::without_programs();
    clone.in_site("many.pth", &"/a\n".repeat(300_000));
    clone.in_site("y-1.dist-info/RECORD", &",\n".repeat(3_000_000));
    clone.in_site("x-1.dist-info/entry_points.txt", &"[a]\nb=c\n".repeat(900_000));
    let deep = "[".repeat(200_000);
    clone.in_site("__editable___y_finder.py", &format!("MAPPING = {deep}\nNAMESPACES = {{}}\n"));
    clone.in_site("z.pth", "import __editable___y_finder\n");
    clone.in_site("z-1.dist-info/direct_url.json", &deep);
    let told = clone.soon(&["--quick"], &[]);
    assert!(told.to_string().contains("more than 10000 lines lead elsewhere"), "{told:#}");
}
