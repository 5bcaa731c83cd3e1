//! Rounds of work with the disk, and a reader's wait, below them.

use std::fmt::Write as _;

use super::page::{COLOURS, Page};

const LEFT: f64 = 76.0;
const RIGHT: f64 = 752.0;

/// Rounds of work: above, the time of each, phase on phase; below, the disk after each, and how long a reader waited in it.
///
/// A colour is a phase, wherever it is; all else is told by its dashes and by a name at its end.
#[derive(Debug)]
pub struct Rounds<'a> {
    /// The title.
    pub title: String,
    /// A line below it.
    pub subtitle: String,
    /// The phases in their order, each with its median in milliseconds.
    pub phases: Vec<(&'a str, f64)>,
    /// Milliseconds by phase, of every round. The first is the fill: it has a place on the axis, and no bar.
    pub rounds: Vec<Vec<f64>>,
    /// The lines of the middle panel.
    pub lines: [Line<'a>; 3],
    /// How long a reader waited in each round: 99 % of its reads, and the slowest, in milliseconds. None in the fill.
    pub waits: Vec<Option<(f64, f64)>>,
}

/// A line of the middle panel.
#[derive(Debug)]
pub struct Line<'a> {
    /// Its name.
    pub name: &'a str,
    /// Megabytes, by round.
    pub values: Vec<f64>,
}

impl Rounds<'_> {
    /// The whole picture.
    #[must_use]
    pub fn draw(&self) -> String {
        let mut page = Page::new(960.0, 744.0, &self.title, &self.subtitle);
        self.draw_times(&mut page);
        self.draw_disk(&mut page);
        self.draw_waits(&mut page);
        page.finish()
    }

    fn width(&self) -> f64 {
        (RIGHT - LEFT) / self.rounds.len().max(1) as f64
    }

    /// The middle of a round's place on the horizontal axis.
    fn middle(&self, round: usize) -> f64 {
        LEFT + self.width() * (round as f64 + 0.5)
    }

    /// Every so many rounds there is room for a number.
    fn numbered(&self) -> usize {
        self.rounds.len().div_ceil(26).max(1)
    }

    fn draw_times(&self, page: &mut Page) {
        let bars = || self.rounds.iter().enumerate().skip(1);
        let sums = bars().map(|(_, round)| round.iter().sum());
        let panel = Panel::new(100.0, 300.0, sums.fold(0.0, f64::max));
        panel.axis(page, "time of a round, ms, with its total", "phase, median");
        let width = self.width() * 0.72;
        for (number, round) in bars() {
            let x = self.middle(number) - width / 2.0;
            let mut below = 0.0;
            for (milliseconds, colour) in round.iter().zip(COLOURS) {
                let above = below + milliseconds;
                let (y, end) = (panel.y(above), panel.y(below));
                page.put(&format!(
                    "<rect x=\"{x:.1}\" y=\"{y:.2}\" width=\"{width:.1}\" height=\"{:.2}\" fill=\"{colour}\"/>",
                    end - y
                ));
                below = above;
            }
            if (number - 1) % self.numbered() == 0 {
                let (x, y) = (self.middle(number), panel.y(below) - 4.0);
                page.text(x, y, "middle", "quiet small", &format!("{below:.0}"));
            }
        }
        // From the top of the bars to their foot.
        for (line, ((name, median), colour)) in self.phases.iter().zip(COLOURS).rev().enumerate() {
            let y = panel.top + 12.0 + 26.0 * line as f64;
            legend(page, y, colour, &format!("{name} {median:.1} ms"));
        }
    }

    fn draw_disk(&self, page: &mut Page) {
        let all = self.lines.iter().flat_map(|line| line.values.iter().copied());
        let panel = Panel::new(370.0, 540.0, all.fold(0.0, f64::max));
        panel.axis(page, "disk after a round, MB", "");
        let last = |line: &Line<'_>| line.values.last().copied().unwrap_or_default();
        let ends: Vec<f64> = self.lines.iter().map(|line| panel.y(last(line))).collect();
        for ((line, dashes), y) in self.lines.iter().zip(["", "7 4", "2 3"]).zip(apart(&ends)) {
            self.draw_line(page, &panel, dashes, line.values.iter().copied().enumerate());
            page.text(
                RIGHT + 8.0,
                y + 4.5,
                "start",
                "",
                &format!("{} {:.1} MB", line.name, last(line)),
            );
        }
    }

    fn draw_line(
        &self,
        page: &mut Page,
        panel: &Panel,
        dashes: &str,
        values: impl Iterator<Item = (usize, f64)>,
    ) {
        let mut points = String::new();
        for (round, value) in values {
            // Writing to a text does not fail.
            let _ = write!(points, "{:.1},{:.1} ", self.middle(round), panel.y(value));
        }
        let points = points.trim_end();
        page.put(&format!(
            "<polyline class=\"line ink\" stroke-dasharray=\"{dashes}\" points=\"{points}\"/>"
        ));
    }

    fn draw_waits(&self, page: &mut Page) {
        let waits = || self.waits.iter().enumerate().filter_map(|(at, it)| Some((at, (*it)?)));
        let panel =
            Panel::new(604.0, 684.0, waits().map(|(_, (_, most))| most).fold(0.0, f64::max));
        panel.axis(page, "a reader's wait in a round, ms", "");
        for (round, (_, most)) in waits() {
            let (x, y) = (self.middle(round), panel.y(most));
            page.put(&format!(
                "<rect class=\"inked\" x=\"{:.1}\" y=\"{y:.2}\" width=\"4\" height=\"{:.2}\"/>",
                x - 2.0,
                panel.bottom - y
            ));
        }
        self.draw_line(page, &panel, "", waits().map(|(at, (most_of, _))| (at, most_of)));
        if let Some((_, (most_of, most))) = waits().next_back() {
            for ((text, value), y) in [("slowest", most), ("99 % within", most_of)]
                .into_iter()
                .zip(apart(&[panel.y(most), panel.y(most_of)]))
            {
                page.text(RIGHT + 8.0, y + 4.5, "start", "", &format!("{text} {value:.2} ms"));
            }
        } else {
            page.text(RIGHT + 8.0, panel.bottom, "start", "quiet", "no reader");
        }
        for round in (0..self.rounds.len()).step_by(self.numbered()) {
            let name = if round == 0 { "fill".to_owned() } else { round.to_string() };
            page.text(self.middle(round), panel.bottom + 20.0, "middle", "quiet", &name);
        }
        let middle = f64::midpoint(LEFT, RIGHT);
        page.text(middle, panel.bottom + 42.0, "middle", "", "round");
    }
}

/// These heights, moved so that a line of text fits at each; their order stays.
fn apart(ends: &[f64]) -> Vec<f64> {
    const LINE: f64 = 17.0;
    let mut order: Vec<usize> = (0..ends.len()).collect();
    let at = |place: &usize| ends.get(*place).copied().unwrap_or_default();
    order.sort_by(|one, other| at(one).total_cmp(&at(other)));
    let mut moved = ends.to_vec();
    let mut lowest = f64::INFINITY;
    for place in order.into_iter().rev() {
        let y = at(&place).min(lowest - LINE);
        lowest = y;
        if let Some(there) = moved.get_mut(place) {
            *there = y;
        }
    }
    moved
}

/// A part of the page with a scale of its own.
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

    fn axis(&self, page: &mut Page, title: &str, legend: &str) {
        let ticks = (self.most / self.step).round() as usize;
        for tick in 0..=ticks {
            let value = tick as f64 * self.step;
            let y = self.y(value);
            page.put(&format!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            ));
            let digits = if self.step < 0.1 { 2 } else { usize::from(self.step < 1.0) };
            page.text(LEFT - 8.0, y + 4.5, "end", "quiet", &format!("{value:.digits$}"));
        }
        page.text(LEFT, self.top - 12.0, "start", "", title);
        page.text(RIGHT + 20.0, self.top - 12.0, "start", "", legend);
    }
}

/// A round distance between ticks, so that there are four to nine of them.
fn step(most: f64) -> f64 {
    let rough = (most / 5.0).max(1e-3);
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough);
    factor.unwrap_or(10.0) * power
}

/// A coloured square and a text, right of the panels.
fn legend(page: &mut Page, y: f64, colour: &str, text: &str) {
    let x = RIGHT + 20.0;
    page.put(&format!(
        "<rect x=\"{x}\" y=\"{:.1}\" width=\"14\" height=\"14\" rx=\"3\" fill=\"{colour}\"/>",
        y - 7.0
    ));
    page.text(RIGHT + 42.0, y + 4.5, "start", "", text);
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
        assert_eq!(apart(&[10.0, 12.0, 100.0]), [-5.0, 12.0, 100.0]);
        assert_eq!((step(26.0), step(99.0), step(101.0)), (10.0, 20.0, 50.0));
    }

    #[test]
    fn each_round_has_its_total_and_each_line_its_name_at_its_end_and_a_colour_is_a_phase() {
        let line = |name, last| Line { name, values: vec![1.0, last] };
        let plot = Rounds {
            title: "a & b".into(),
            subtitle: "s".into(),
            phases: vec![("check", 1.0), ("fetch", 2.0)],
            rounds: vec![vec![9.0, 9.0], vec![40.0, 2.4]],
            lines: [line("store", 3.0), line("disk", 2.9), line("bytes", 1.0)],
            waits: vec![None, Some((0.1, 0.75))],
        };
        let svg = plot.draw();
        assert!(svg.contains(">42</text>"), "the total");
        assert!(svg.contains("<title id=\"title\">a &amp; b</title>"), "{svg}");
        for name in [
            "store 3.0 MB",
            "disk 2.9 MB",
            "bytes 1.0 MB",
            "slowest 0.75 ms",
            "99 % within 0.10 ms",
        ] {
            assert!(svg.contains(name), "{name}");
        }
        let strokes = svg.matches("<polyline").count();
        assert_eq!(
            svg.matches("class=\"line ink\"").count(),
            strokes,
            "no line has a phase's colour"
        );
    }
}
