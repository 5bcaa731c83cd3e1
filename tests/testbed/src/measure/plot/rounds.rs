//! Rounds of work with the disk below them.

use std::fmt::Write as _;

use super::page::{COLOURS, Page};

const LEFT: f64 = 76.0;
const RIGHT: f64 = 752.0;

/// Rounds of work: above, the time of each, phase on phase; below, the disk after each.
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
    /// The lines of the lower panel.
    pub lines: [Line<'a>; 3],
}

/// A line of the lower panel.
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
        let mut page = Page::new(960.0, 600.0, &self.title, &self.subtitle);
        self.draw_times(&mut page);
        self.draw_disk(&mut page);
        page.finish()
    }

    fn width(&self) -> f64 {
        (RIGHT - LEFT) / self.rounds.len().max(1) as f64
    }

    /// The middle of a round's place on the horizontal axis.
    fn middle(&self, round: usize) -> f64 {
        LEFT + self.width() * (round as f64 + 0.5)
    }

    fn draw_times(&self, page: &mut Page) {
        let bars = || self.rounds.iter().enumerate().skip(1);
        let sums = bars().map(|(_, round)| round.iter().sum());
        let panel = Panel::new(100.0, 300.0, sums.fold(0.0, f64::max));
        panel.axis(page, "time of a round, ms", "phase, median");
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
        panel.axis(page, "disk after a round, MB", "at the end");
        let [blue, _, green, _, red, _] = COLOURS;
        for (at, (line, colour)) in self.lines.iter().zip([red, green, blue]).enumerate() {
            let mut points = String::new();
            for (round, value) in line.values.iter().enumerate() {
                // Writing to a text does not fail.
                let _ = write!(points, "{:.1},{:.1} ", self.middle(round), panel.y(*value));
            }
            let points = points.trim_end();
            page.put(&format!(
                "<polyline class=\"line\" stroke=\"{colour}\" points=\"{points}\"/>"
            ));
            let y = panel.top + 12.0 + 26.0 * at as f64;
            let last = line.values.last().copied().unwrap_or_default();
            legend(page, y, colour, &format!("{} {last:.1} MB", line.name));
        }
        for round in (0..self.rounds.len()).step_by(self.rounds.len().div_ceil(26).max(1)) {
            let name = if round == 0 { "fill".to_owned() } else { round.to_string() };
            page.text(self.middle(round), panel.bottom + 20.0, "middle", "quiet", &name);
        }
        let middle = f64::midpoint(LEFT, RIGHT);
        page.text(middle, panel.bottom + 42.0, "middle", "", "round");
    }
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
            let digits = if self.step < 1.0 { 1 } else { 0 };
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
        assert_eq!((step(26.0), step(99.0), step(101.0)), (10.0, 20.0, 50.0));
    }
}
