//! Everybody's time as bars, step by step, against git's.

use modstore_testbed::{Bar, Bars};

use crate::contender::Role;
use crate::report::Timing;

/// The picture. Timings of a group stand together; the quicker of git's is 1.
pub(crate) fn draw(title: &str, timings: &[Timing]) -> String {
    let mut groups: Vec<&str> = Vec::new();
    for timing in timings {
        if !groups.contains(&timing.group.as_str()) {
            groups.push(&timing.group);
        }
    }
    let of_group = |group: &&str| {
        let members: Vec<&Timing> = timings.iter().filter(|it| it.group == *group).collect();
        let git = members.iter().filter(|it| it.role == Role::Reference);
        let git = git.map(|it| it.seconds).min_by(f64::total_cmp).unwrap_or(1.0);
        members.into_iter().map(move |timing| bar(timing, git)).collect::<Vec<_>>()
    };
    let plot = Bars {
        title: title.to_owned(),
        subtitle: "times git's quicker habit, eight at a time (dashed); shorter is better; modstore's contents are on the disk at the end".to_owned(),
        bars: groups.iter().flat_map(of_group).collect(),
    };
    plot.draw()
}

fn bar(timing: &Timing, git: f64) -> Bar {
    let ratio = timing.seconds / git;
    Bar {
        group: timing.group.clone(),
        name: timing.name.clone(),
        ratio,
        label: format!("{ratio:.2} × ({:.2} s)", timing.seconds),
        is_ours: timing.role == Role::Ours,
    }
}
