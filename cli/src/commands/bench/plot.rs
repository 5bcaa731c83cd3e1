//! A churn as a picture: above, the time of each round, phase on phase; below, the disk as the rounds go by.
//!
//! SVG by hand: two panels of rectangles and lines, in colours that people who confuse red and green can tell apart, on
//! a light ground or, where the reader's system says so, on a dark one. No scripts, no fonts of its own.

use std::fmt::Write as _;

use super::answer::{Bench, BenchDisk, BenchRound};
use crate::{escape::escaped, text::count};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 600.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 752.0;

/// Of each phase, in their order.
const COLOURS: [&str; 6] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"];

const STYLE: &str = "\
text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.quiet { fill: #59636e }
.ground { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #9198a1 }
  .ground { fill: #0d1117 }
  .grid { stroke: #3d444d }
}";

/// A line of the lower panel: its name, its colour, and what it shows.
type Line = (&'static str, &'static str, fn(&BenchDisk) -> u64);

const LINES: [Line; 3] = [
    ("store on disk", "#d55e00", |disk| disk.store_disk_bytes),
    ("live, on disk", "#009e73", |disk| disk.live_disk_bytes),
    ("live, bytes", "#0072b2", |disk| disk.live_bytes),
];

/// A part of the picture with a scale of its own.
struct Panel {
    top: f64,
    bottom: f64,
    most: f64,
    step: f64,
}

impl Panel {
    fn new(top: f64, bottom: f64, most: f64) -> Self {
        let step = step(most);
        Self { top, bottom, most: (most / step).ceil().max(1.0) * step, step }
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * value / self.most
    }

    fn axis(&self, svg: &mut Svg, title: &str) {
        let ticks = (self.most / self.step).round() as usize;
        for tick in 0..=ticks {
            let value = tick as f64 * self.step;
            let y = self.y(value);
            svg.put(&format!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            ));
            let digits = if self.step < 1.0 { 1 } else { 0 };
            svg.text(LEFT - 8.0, y + 4.5, "end", "quiet", &format!("{value:.digits$}"));
        }
        svg.text(LEFT, self.top - 12.0, "start", "", title);
    }
}

/// A round distance between ticks, so that there are four to nine of them.
fn step(most: f64) -> f64 {
    let rough = (most / 5.0).max(1e-3);
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough);
    factor.unwrap_or(10.0) * power
}

struct Svg(String);

impl Svg {
    fn put(&mut self, element: &str) {
        self.0.push_str(element);
        self.0.push('\n');
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
        let text = escaped(text).replace('&', "&amp;").replace('<', "&lt;");
        self.put(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>"
        ));
    }
}

/// The whole picture.
pub(super) fn draw(bench: &Bench) -> String {
    let mut svg = Svg(String::new());
    svg.put(&format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">"
    ));
    svg.put(&format!("<style>{STYLE}</style>"));
    svg.put(&format!("<rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>"));
    heading(&mut svg, bench);
    times(&mut svg, bench);
    disk(&mut svg, bench);
    svg.put("</svg>");
    svg.0
}

fn heading(svg: &mut Svg, bench: &Bench) {
    let modules = count(bench.modules, "module");
    let what = match bench.files {
        Some(files) => format!("{modules} of {}", count(files, "file")),
        None => format!("{modules} of a user's own"),
    };
    let title = format!("Cache churn: {what}, {} % change in each round", bench.change_percent);
    svg.text(24.0, 34.0, "start", "title", &title);
    let fill = bench.fill.wall_us as f64 / 1e6;
    let keep = count(bench.keep, "generation");
    let more = format!(
        "modstore {}; first fill {fill:.2} s; on {}; each sweep keeps {keep}; a sync is a real one",
        env!("CARGO_PKG_VERSION"),
        bench.file_system
    );
    svg.text(24.0, 56.0, "start", "quiet", &more);
}

/// The middle of a round's place on the horizontal axis, and the width of that place.
fn place(bench: &Bench, round: usize) -> (f64, f64) {
    let width = (RIGHT - LEFT) / (bench.rounds.len() + 1) as f64;
    (LEFT + width * (round as f64 + 0.5), width)
}

fn times(svg: &mut Svg, bench: &Bench) {
    let sum = |round: &BenchRound| round.phases.iter().map(|it| it.wall_us).sum::<u64>();
    let most = bench.rounds.iter().map(sum).max().unwrap_or(0) as f64 / 1000.0;
    let panel = Panel::new(100.0, 300.0, most);
    panel.axis(svg, "time of a round, ms");
    for round in &bench.rounds {
        let (middle, width) = place(bench, round.round);
        let (x, width, mut below) = (middle - width * 0.36, width * 0.72, 0.0);
        for (phase, colour) in round.phases.iter().zip(COLOURS) {
            let above = below + phase.wall_us as f64 / 1000.0;
            let (y, end) = (panel.y(above), panel.y(below));
            svg.put(&format!(
                "<rect x=\"{x:.1}\" y=\"{y:.2}\" width=\"{width:.1}\" height=\"{:.2}\" fill=\"{colour}\"/>",
                end - y
            ));
            below = above;
        }
    }
    svg.text(RIGHT + 20.0, panel.top - 12.0, "start", "", "phase, median");
    // In the order in which they stand on each other.
    for (line, (phase, colour)) in bench.median.iter().zip(COLOURS).rev().enumerate() {
        let y = panel.top + 12.0 + 26.0 * line as f64;
        svg.put(&swatch(y, colour));
        let text = format!("{} {:.1} ms", phase.phase, phase.wall_us as f64 / 1000.0);
        svg.text(RIGHT + 42.0, y + 4.5, "start", "", &text);
    }
}

fn disk(svg: &mut Svg, bench: &Bench) {
    let all: Vec<&BenchRound> = std::iter::once(&bench.fill).chain(&bench.rounds).collect();
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let most = LINES.iter().flat_map(|line| all.iter().map(|round| megabytes(line.2(&round.disk))));
    let panel = Panel::new(370.0, 540.0, most.fold(0.0, f64::max));
    panel.axis(svg, "disk after a round, MB");
    for (at, (name, colour, figure)) in LINES.into_iter().enumerate() {
        let mut points = String::new();
        for round in &all {
            let (x, y) = (place(bench, round.round).0, panel.y(megabytes(figure(&round.disk))));
            // Writing to a text does not fail.
            let _ = write!(points, "{x:.1},{y:.1} ");
        }
        let points = points.trim_end();
        svg.put(&format!("<polyline class=\"line\" stroke=\"{colour}\" points=\"{points}\"/>"));
        let y = panel.top + 12.0 + 26.0 * at as f64;
        svg.put(&swatch(y, colour));
        let last = all.last().map_or(0.0, |round| megabytes(figure(&round.disk)));
        svg.text(RIGHT + 42.0, y + 4.5, "start", "", &format!("{name} {last:.1} MB"));
    }
    svg.text(RIGHT + 20.0, panel.top - 12.0, "start", "", "at the end");
    let every = all.len().div_ceil(26);
    for round in all.iter().step_by(every) {
        let name = if round.round == 0 { "fill".to_owned() } else { round.round.to_string() };
        svg.text(place(bench, round.round).0, panel.bottom + 20.0, "middle", "quiet", &name);
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    svg.text(middle, panel.bottom + 42.0, "middle", "", "round");
}

fn swatch(y: f64, colour: &str) -> String {
    let x = RIGHT + 20.0;
    format!(
        "<rect x=\"{x}\" y=\"{:.1}\" width=\"14\" height=\"14\" rx=\"3\" fill=\"{colour}\"/>",
        y - 7.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_and_neither_few_nor_many() {
        for most in [0.3, 1.0, 7.0, 26.0, 99.0, 101.0, 4321.0] {
            let panel = Panel::new(0.0, 100.0, most);
            let ticks = panel.most / panel.step;
            assert!((1.0..=9.0).contains(&ticks), "{most}: {ticks}");
            assert!(panel.most >= most && panel.y(most) >= -1e-9, "{most}");
        }
        assert_eq!((step(26.0), step(99.0), step(101.0)), (10.0, 20.0, 50.0));
    }
}
