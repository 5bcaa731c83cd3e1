//! Real projects of PyPI, one for each build backend: a slice of the corpus that `tests/corpus.sh` runs as a whole.

use std::{fs, path::Path, process::Command};

use modstore_testbed::skip_loudly;

use crate::world::{World, text};

/// What `tests/setup.sh` has fetched, built by setuptools, flit, hatchling, pdm and poetry.
const PROJECTS: [&str; 5] = ["six", "idna", "annotated-types", "annotated-doc", "tomlkit"];

#[test]
fn real_projects_are_healthy_until_they_are_damaged_and_each_damage_is_named_and_mended() {
    let Some(world) = World::new() else { return };
    let sdists = world.tools.wheels().with_file_name("sdists");
    if !sdists.join("complete").is_file() {
        return skip_loudly("no source distributions in target/tools; tests/setup.sh fetches them");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/corpus.py");
    let place = world.home.scratch().join("corpus");
    fs::create_dir_all(&place).unwrap();
    let table = place.join("table.md");
    let mut command = Command::new(&world.python.executable);
    command.args([text(&script), "--modstore", env!("CARGO_BIN_EXE_modstore")]);
    command.args(["--uv", text(world.tools.uv()), "--python", text(&world.python.executable)]);
    command.args([
        "--cache",
        text(&place),
        "--sdists",
        text(&sdists),
        "--table",
        text(&table),
        "--limit",
        "300",
    ]);
    command
        .args(PROJECTS)
        .envs([("UV_OFFLINE", "1"), ("UV_FIND_LINKS", text(world.tools.wheels()))]);
    let ran = command.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let table = fs::read_to_string(&table).unwrap_or_default();
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("5 projects, 5 backends: 0 false alarms; 20 damages found"), "{table}");
    assert!(table.contains("0 wrong; 0 left out"), "{table}");
}
