//! Repositories that are there and do not have what was asked for.

use modstore_testbed::{Change, GitDaemon, Repo};

use crate::day::{Day, Trouble};

const PERMANENT: Trouble<'_> =
    Trouble { class: "permanent", stage: "resolve", words: &[], hint: "" };

#[test]
fn an_unknown_ref_is_named_with_the_names_that_are_near() {
    let day = Day::begun();
    day.troubled.branch("release-2", "main");
    for (wanted, near) in [("mian", "main"), ("relese-2", "release-2"), ("refs/heads/mian", "main")]
    {
        let words = [wanted, "has no branch or tag named", near];
        let trouble = Trouble { words: &words, hint: "behind @", ..PERMANENT };
        day.endures_source(&format!("git+{}@{wanted}", day.server.url("troubled")), &trouble);
    }
}

#[test]
fn a_commit_that_does_not_exist_is_called_so_whatever_is_spoken() {
    let day = Day::begun();
    let daemon = GitDaemon::start(day.root());
    let nowhere = "1".repeat(40);
    let trouble = Trouble {
        stage: "fetch",
        words: &["does not give that commit", &nowhere],
        hint: "check the commit id",
        ..PERMANENT
    };
    for url in [day.server.url("troubled"), daemon.url("troubled"), day.troubled.url_file()] {
        day.endures_source(&format!("git+{url}@{nowhere}"), &trouble);
    }
}

#[test]
fn an_id_that_is_no_commit_is_called_so() {
    let day = Day::begun();
    day.troubled.config("uploadpack.allowAnySHA1InWant", "true");
    let tree = day.troubled.rev("main^{tree}").expect("a commit has a tree");
    let trouble = Trouble { stage: "fetch", words: &[&tree], hint: "name a commit", ..PERMANENT };
    day.endures_source(&format!("git+{}@{tree}", day.server.url("troubled")), &trouble);
}

#[test]
fn a_repository_without_commits_and_one_whose_head_dangles_are_called_so() {
    let day = Day::begun();
    Repo::create(day.root(), "empty");
    let trouble = Trouble { words: &["has no commits"], hint: "push a first commit", ..PERMANENT };
    day.endures_source(&format!("git+{}", day.server.url("empty")), &trouble);
    let dangling = Repo::create(day.root(), "dangling");
    dangling.commit("main", &[Change::write("a", "a")]);
    dangling.set_head("nowhere");
    let trouble = Trouble { words: &["HEAD", "main"], hint: "@", ..PERMANENT };
    day.endures_source(&format!("git+{}", day.server.url("dangling")), &trouble);
}

#[test]
fn a_subdirectory_that_is_not_there_is_named_with_those_that_are() {
    let day = Day::begun();
    let trouble = Trouble {
        stage: "place",
        words: &["there is no directory `deap`", "deep"],
        hint: "correct `subdirectory=`",
        ..PERMANENT
    };
    day.endures_source(&format!("git+{}#subdirectory=deap", day.server.url("troubled")), &trouble);
}
