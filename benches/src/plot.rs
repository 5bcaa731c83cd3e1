//! Everybody's time as bars, step by step, against git's.
//!
//! Limits: one page, on a light or a dark ground as the reader's system has it; a bar that is longer than the page ends
//! at its edge, and its number tells.

use crate::contender::Role;
use crate::report::Bar;

const LEFT: f64 = 170.0;
const RIGHT: f64 = 700.0;
const ROW: f64 = 20.0;
/// So many times git's time fit on the page.
const MOST: f64 = 3.0;

const STYLE: &str = "\
text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.group { font-weight: 600 }
.quiet { fill: #59636e }
.ground { fill: #ffffff }
.git { stroke: #59636e; stroke-width: 1; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #9198a1 }
  .ground { fill: #0d1117 }
  .git { stroke: #9198a1 }
}";

/// The picture. Bars of a group stand together; those of git are 1.
pub(crate) fn draw(title: &str, bars: &[Bar]) -> String {
    let mut groups: Vec<&str> = Vec::new();
    for bar in bars {
        if !groups.contains(&bar.group.as_str()) {
            groups.push(&bar.group);
        }
    }
    let (mut body, mut y) = (String::new(), 84.0);
    for group in &groups {
        text(&mut body, 24.0, y, "group", group);
        y += ROW + 4.0;
        let members: Vec<&Bar> = bars.iter().filter(|bar| bar.group == *group).collect();
        let git = members.iter().filter(|bar| bar.role == Role::Reference);
        let git = git.map(|bar| bar.seconds).min_by(f64::total_cmp).unwrap_or(1.0);
        for bar in members {
            one(&mut body, y, bar, bar.seconds / git);
            y += ROW;
        }
        y += 16.0;
    }
    let height = y + 8.0;
    let x = x(1.0);
    let line = format!(
        "<line class=\"git\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"68\" y2=\"{:.1}\"/>\n",
        y - 20.0
    );
    let mut head = String::new();
    text(&mut head, 24.0, 34.0, "title", title);
    text(
        &mut head,
        24.0,
        56.0,
        "quiet",
        "times git's quicker habit, eight at a time (dashed); shorter is better; modstore's contents are on the disk at the end",
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 {height}\" width=\"860\" height=\"{height}\" role=\"img\">\n\
         <style>{STYLE}</style>\n<rect class=\"ground\" width=\"860\" height=\"{height}\"/>\n{head}{line}{body}</svg>\n"
    )
}

fn x(ratio: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * ratio.min(MOST) / MOST
}

fn one(body: &mut String, y: f64, bar: &Bar, ratio: f64) {
    let colour = if bar.role == Role::Ours { "#d55e00" } else { "#56b4e9" };
    *body += &format!(
        "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>\n",
        LEFT - 8.0,
        bar.name
    );
    let (top, width) = (y - 12.0, x(ratio) - LEFT);
    *body += &format!(
        "<rect x=\"{LEFT}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"14\" rx=\"2\" fill=\"{colour}\"/>\n"
    );
    let more = if ratio > MOST { "→ " } else { "" };
    text(body, RIGHT + 12.0, y, "", &format!("{more}{ratio:.2} × ({:.2} s)", bar.seconds));
}

fn text(body: &mut String, x: f64, y: f64, class: &str, text: &str) {
    *body += &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>\n");
}
