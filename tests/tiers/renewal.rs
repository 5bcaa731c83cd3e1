//! Objects that are near the end of their time are written again by those who find them, if they publish.

use std::{
    fs::File,
    path::Path,
    time::{Duration, SystemTime},
};

use modstore_testbed::TestHome;

use crate::{
    packs::index_pack,
    world::{World, counts, run},
};

const DAY: Duration = Duration::from_hours(24);

/// As if a file had been written so many days ago.
fn age(path: &Path, days: u32) {
    let written = SystemTime::now() - days * DAY;
    File::open(path).unwrap().set_modified(written).unwrap();
}

fn is_young(path: &Path) -> bool {
    path.metadata().unwrap().modified().unwrap().elapsed().unwrap_or_default() < DAY
}

fn configured(world: &World, home: &TestHome, mode: &str) {
    let url = world.tier_url();
    let text = format!("[[tier]]\nurl = \"{url}\"\nmode = \"{mode}\"\nrenew = \"15d\"\n");
    std::fs::write(home.path().join("config.toml"), text).unwrap();
}

#[test]
fn an_update_that_publishes_renews_the_old_objects_it_reads_and_no_others() {
    let world = World::new(3);
    let publisher = world.publisher();
    let objects: Vec<_> = world.repos.iter().map(|repo| world.object(repo)).collect();
    let times: Vec<_> = [20, 14, 1].into_iter().zip(&objects).collect();
    times.iter().for_each(|(days, object)| age(object, *days));
    // Who only reads leaves all as it is.
    let reader = world.clone_of(&publisher);
    configured(&world, &reader, "read");
    let answer = run(&reader, &["update", "--locked"]);
    assert_eq!((counts(&answer), &answer["tier"]["published"]), ([3, 0, 0, 0], &0.into()));
    assert!(!is_young(&objects[0]));
    let writer = world.clone_of(&publisher);
    configured(&world, &writer, "write");
    let answer = run(&writer, &["update", "--locked"]);
    assert_eq!((counts(&answer), &answer["tier"]["published"]), ([3, 0, 0, 0], &1.into()));
    assert!(is_young(&objects[0]) && !is_young(&objects[1]), "20 days, and 14");
    assert!(index_pack(&objects[0], &world.repos[0].rev("main").unwrap()));
    // The same again finds nothing to read, and asks for nothing.
    age(&objects[0], 20);
    let answer = run(&writer, &["update", "--locked"]);
    assert_eq!((counts(&answer), &answer["tier"]["published"]), ([0; 4], &0.into()));
    // What is in use and is not read is what a push looks at.
    let answer = run(&writer, &["push"]);
    assert_eq!(answer["published"].as_array().unwrap().len(), 1, "{answer}");
    assert!(is_young(&objects[0]) && !is_young(&objects[1]));
    world.assert_all_as_git(&writer);
}

#[test]
fn without_a_time_nothing_is_renewed() {
    let world = World::new(1);
    let publisher = world.publisher();
    let object = world.object(&world.repos[0]);
    age(&object, 900);
    let writer = world.clone_of(&publisher);
    let args = ["update", "--locked", "--publish", "--tier", &world.tier_url()];
    assert_eq!(run(&writer, &args)["tier"]["published"], 0);
    assert!(!is_young(&object));
}

/// As if all that a store knows of the age of objects were so many days further back.
fn forget_for(home: &TestHome, days: u64) {
    let file = home.path().join("mirrors/host.git/renewals");
    let text = std::fs::read_to_string(&file).unwrap();
    let earlier = text.lines().map(|line| {
        let (name, seconds) = line.split_once(' ').unwrap();
        format!("{name} {}\n", seconds.parse::<u64>().unwrap() - days * DAY.as_secs())
    });
    let earlier: String = earlier.collect();
    std::fs::write(&file, earlier).unwrap();
}

#[test]
fn what_no_update_reads_is_renewed_once_in_a_period_by_updates_that_change_nothing() {
    let world = World::new(3);
    let writer = world.home();
    configured(&world, &writer, "write");
    assert_eq!(run(&writer, &["update"])["tier"]["published"], 3);
    let objects: Vec<_> = world.repos.iter().map(|repo| world.object(repo)).collect();
    let publishes = |home: &TestHome| {
        let answer = run(home, &["update", "--locked"]);
        assert_eq!(counts(&answer), [0; 4], "{answer}");
        answer["tier"]["published"].as_u64().unwrap()
    };
    assert_eq!(publishes(&writer), 0);
    // Sixteen days later. Another has renewed one of them, and one is gone.
    objects.iter().for_each(|object| age(object, 16));
    age(&objects[1], 3);
    std::fs::remove_file(&objects[2]).unwrap();
    forget_for(&writer, 16);
    let reader = world.clone_of(&writer);
    configured(&world, &reader, "read");
    run(&reader, &["update", "--locked"]);
    assert_eq!(publishes(&reader), 0);
    assert!(!is_young(&objects[0]) && !objects[2].exists());
    assert_eq!(publishes(&writer), 2);
    assert!(is_young(&objects[0]) && !is_young(&objects[1]) && is_young(&objects[2]));
    for (repo, object) in world.repos.iter().zip(&objects) {
        assert!(index_pack(object, &repo.rev("main").unwrap()));
    }
    // Again ten days later, which is not yet the time of the two, but that of the third.
    objects.iter().for_each(|object| age(object, 13));
    age(&objects[1], 16);
    forget_for(&writer, 13);
    assert_eq!(publishes(&writer), 1);
    assert!(!is_young(&objects[0]) && is_young(&objects[1]) && !is_young(&objects[2]));
    assert_eq!(publishes(&writer), 0);
}

#[test]
fn what_may_not_be_published_is_not_renewed_either() {
    let world = World::new(2);
    let writer = world.home();
    run(&writer, &["update", "--tier", "off"]);
    let url = world.tier_url();
    let except = format!("except = [\"127.0.0.1:{}/module1\"]", world.git.port());
    let text = format!("[[tier]]\nurl = \"{url}\"\nmode = \"write\"\nrenew = \"15d\"\n{except}\n");
    std::fs::write(writer.path().join("config.toml"), text).unwrap();
    // What was there before the tier was is found missing.
    assert_eq!(run(&writer, &["update"])["tier"]["published"], 1);
    assert!(world.object(&world.repos[0]).exists() && !world.object(&world.repos[1]).exists());
    assert_eq!(run(&writer, &["update"])["tier"]["published"], 0);
}
