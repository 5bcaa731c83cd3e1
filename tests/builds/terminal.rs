//! A builder has no terminal and is told so; what it paints all the same is repeated without the paint.

use super::world::World;

#[test]
fn a_builder_is_told_that_there_is_no_terminal_and_its_colours_are_not_repeated() {
    let world = World::new();
    let source = world.source("tool");
    let script = r"printf '\\033[1;31m%s %s\\033[0m\\n' $NO_COLOR $TERM >&2; exit 65";
    world.home.write_modules(&format!(
        "[modules.tool]\nsource = \"{}\"\n[modules.tool.build]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n",
        source.display()
    ));
    let told = world.json(&["update"], 1);
    let causes = told["failed"][0]["causes"].to_string();
    assert!(causes.contains("\"1 dumb\""), "{causes}");
    assert!(!causes.contains("u001b"), "{causes}");
}
