//! From one module to ten thousand: what each more of them costs.
//!
//! The repositories are made as `modstore bench churn` makes its own, four files of about a kilobyte each, and served
//! as in all other sections. The exponent is the slope of a line through the logarithms of ten modules and more: 1 is
//! as much for each module however many there are, 0 is nothing.
//! Limits: system calls are counted in runs of their own, by strace; with 10,000 modules everything is done once.

use std::fs;
use std::path::Path;
use std::time::Duration;

use modstore_testbed::{Contents, Corpus, HttpServer, Shape, share};

use crate::breakdown::trace;
use crate::contender::{Contender as _, Step, Wanted};
use crate::measure::{Spread, sample};
use crate::modstore::Modstore;
use crate::report::{Table, mebibytes, number};

const FILES: usize = 4;
const STEPS: [&str; 3] = ["cold", "nothing changed", "1 % changed"];

/// What one size took in one step.
#[derive(Debug, Clone, Copy)]
struct Point {
    modules: f64,
    wall: f64,
    cpu: f64,
    server: f64,
    peak: f64,
    /// Nothing where there is no tracer.
    calls: Option<f64>,
}

/// Measures sizes up to `largest`; gives the table.
pub(crate) fn curve(
    modstore: &Path,
    place: &Path,
    largest: usize,
    say: &dyn Fn(&str),
) -> Result<String, String> {
    let sizes = [1, 10, 100, 1000, 10_000].into_iter().filter(|size| *size <= largest);
    let mut points: [Vec<Point>; 3] = Default::default();
    for size in sizes {
        say(&format!("scale: {}", count(size)));
        for (step, point) in one(modstore, place, size)?.into_iter().enumerate() {
            points.get_mut(step).into_iter().for_each(|points| points.push(point));
        }
    }
    Ok(table(&points))
}

fn count(size: usize) -> String {
    if size == 1 { "1 module".to_owned() } else { format!("{size} modules") }
}

fn one(modstore: &Path, place: &Path, size: usize) -> Result<Vec<Point>, String> {
    let root = tempfile::tempdir().map_err(|error| error.to_string())?;
    let moves = fill(root.path(), size)?;
    let server = HttpServer::start(root.path());
    let wanted: Vec<Wanted> = (0..size)
        .map(|module| format!("m{module:05}"))
        .map(|name| Wanted { url: server.url(&name), name })
        .collect();
    let ours = Modstore::new(modstore, &place.join("scale"), &wanted);
    let serve = |round| serve(root.path(), &moves, round);
    let runs = if size >= 10_000 { 1 } else { 3 };
    let mut samples: [Vec<_>; 3] = Default::default();
    let mut calls = [None; 3];
    for pass in 0..=runs {
        serve(0)?;
        fs::create_dir_all(place.join("scale")).map_err(|error| error.to_string())?;
        ours.clear()?;
        for (step, samples) in samples.iter_mut().enumerate() {
            serve(if step == 2 { 1 } else { 0 })?;
            if pass < runs {
                samples.push(sample(&server, place, || ours.run(Step::Ten))?);
            } else if let (Ok(counted), Some(calls)) = (trace(place, &ours), calls.get_mut(step)) {
                *calls = Some(counted.values().sum::<u64>() as f64);
            }
        }
    }
    ours.clear()?;
    let points = samples.iter().zip(calls).map(|(samples, calls)| {
        let middle = |figure: fn(&crate::measure::Sample) -> f64| {
            Spread::of(samples.iter().map(figure)).map_or(0.0, |it| it.median)
        };
        Point {
            modules: size as f64,
            wall: middle(|it| it.wall.as_secs_f64()),
            cpu: middle(|it| it.used.cpu().as_secs_f64()),
            server: middle(|it| it.server_cpu.as_secs_f64()),
            peak: middle(|it| it.used.peak as f64),
            calls,
        }
    });
    Ok(points.collect())
}

/// Makes the repositories; gives for each round the modules that move, and their commits.
fn fill(root: &Path, size: usize) -> Result<Vec<(usize, String, String)>, String> {
    let shape = Shape {
        modules: size,
        files: FILES,
        rounds: 1,
        changing: share(size, 1),
        touched: share(FILES, 8),
        mean_size: 1000,
        seed: 1,
        contents: Contents::Text,
    };
    let corpus = Corpus::build(root, shape).map_err(|error| error.to_string())?;
    Ok(corpus.commits().map(|(round, module, commit)| (round, module, commit.to_owned())).collect())
}

fn serve(root: &Path, moves: &[(usize, String, String)], round: usize) -> Result<(), String> {
    let mut moved = moves.iter().filter(|(in_round, ..)| *in_round == round);
    moved.try_for_each(|(_, module, commit)| {
        let branch = root.join(format!("{module}.git/refs/heads/main"));
        fs::write(&branch, format!("{commit}\n")).map_err(|error| error.to_string())
    })
}

fn table(points: &[Vec<Point>; 3]) -> String {
    let mut table = Table::new(
        1,
        &[
            "step",
            "modules",
            "wall s",
            "wall ms /module",
            "CPU ms /module",
            "server CPU ms /module",
            "peak MiB",
            "system calls",
            "system calls /module",
        ],
    );
    for (step, points) in STEPS.iter().zip(points) {
        for point in points {
            let each = |value: f64, digits| number(Some(value * 1000.0 / point.modules), digits);
            table.row(vec![
                (*step).to_owned(),
                number(Some(point.modules), 0),
                number(Some(point.wall), 3),
                each(point.wall, 2),
                each(point.cpu, 2),
                each(point.server, 2),
                mebibytes(point.peak),
                number(point.calls, 0),
                number(point.calls.map(|calls| calls / point.modules), 1),
            ]);
        }
        let exponent = |figure: fn(&Point) -> f64| number(slope(points, figure), 2);
        table.row(vec![
            (*step).to_owned(),
            "**exponent**".to_owned(),
            exponent(|it| it.wall),
            String::new(),
            exponent(|it| it.cpu),
            exponent(|it| it.server),
            exponent(|it| it.peak),
            exponent(|it| it.calls.unwrap_or_default()),
            String::new(),
        ]);
    }
    table.to_string()
}

/// The slope of the line of least squares through the logarithms of all points of ten modules and more.
fn slope(points: &[Point], figure: fn(&Point) -> f64) -> Option<f64> {
    let logarithms: Vec<(f64, f64)> = points
        .iter()
        .filter(|point| {
            point.modules >= 10.0 && figure(point) > Duration::from_nanos(1).as_secs_f64()
        })
        .map(|point| (point.modules.ln(), figure(point).ln()))
        .collect();
    let count = logarithms.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logarithms.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|it| it.0), mean(|it| it.1));
    let of_both = logarithms.iter().map(|it| (it.0 - x) * (it.1 - y)).sum::<f64>();
    let of_one = logarithms.iter().map(|it| (it.0 - x).powi(2)).sum::<f64>();
    (logarithms.len() > 1).then(|| of_both / of_one)
}
