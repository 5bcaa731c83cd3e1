//! Bars side by side.

use super::page::{COLOURS, Page};

/// Bars side by side, in groups, each as a multiple of the reference of its group.
#[derive(Debug)]
pub struct Bars {
    /// The title.
    pub title: String,
    /// A line below it.
    pub subtitle: String,
    /// All bars, those of a group one after the other.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Debug)]
pub struct Bar {
    /// The name of its group.
    pub group: String,
    /// Its own name.
    pub name: String,
    /// Its length, 1 for the reference.
    pub ratio: f64,
    /// Its number in full.
    pub label: String,
    /// Whether it stands out.
    pub is_ours: bool,
}

impl Bars {
    const LEFT: f64 = 170.0;
    const RIGHT: f64 = 700.0;
    const ROW: f64 = 20.0;
    /// The longest bar that fits; a longer one ends at the edge, cut through, and its number tells.
    const MOST: f64 = 3.0;

    /// The whole picture.
    #[must_use]
    pub fn draw(&self) -> String {
        let groups: Vec<&[Bar]> = self.bars.chunk_by(|one, next| one.group == next.group).collect();
        let height =
            92.0 + groups.len() as f64 * (Self::ROW + 20.0) + self.bars.len() as f64 * Self::ROW;
        let mut page = Page::new(860.0, height, &self.title, &self.subtitle);
        let x = Self::x(1.0);
        page.put(&format!(
            "<line class=\"reference\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"68\" y2=\"{:.1}\"/>",
            height - 28.0
        ));
        let mut y = 84.0;
        for group in groups {
            let name = group.first().map_or("", |bar| &bar.group);
            page.text(24.0, y, "start", "group", name);
            y += Self::ROW + 4.0;
            for bar in group {
                Self::draw_bar(&mut page, y, bar);
                y += Self::ROW;
            }
            y += 16.0;
        }
        page.finish()
    }

    fn x(ratio: f64) -> f64 {
        Self::LEFT + (Self::RIGHT - Self::LEFT) * ratio.min(Self::MOST) / Self::MOST
    }

    fn draw_bar(page: &mut Page, y: f64, bar: &Bar) {
        let [.., red, blue] = COLOURS;
        let colour = if bar.is_ours { red } else { blue };
        page.text(Self::LEFT - 8.0, y, "end", "", &bar.name);
        page.put(&format!(
            "<rect x=\"{}\" y=\"{:.1}\" width=\"{:.1}\" height=\"14\" rx=\"2\" fill=\"{colour}\"/>",
            Self::LEFT,
            y - 12.0,
            Self::x(bar.ratio) - Self::LEFT
        ));
        if bar.ratio > Self::MOST {
            page.cut(Self::RIGHT - 26.0, y - 13.0, y + 3.0);
        }
        page.text(Self::RIGHT + 12.0, y, "start", "", &bar.label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_has_its_group_and_a_long_one_is_cut_at_the_edge() {
        let bar = |group: &str, ratio| Bar {
            group: group.to_owned(),
            name: "one & all".to_owned(),
            ratio,
            label: format!("{ratio:.2} ×"),
            is_ours: ratio == 1.0,
        };
        let bars = vec![bar("cold", 1.0), bar("cold", 9.0), bar("warm", 0.5)];
        let svg = Bars { title: "t".into(), subtitle: "s".into(), bars }.draw();
        assert_eq!(svg.matches("class=\"group\"").count(), 2);
        assert_eq!(svg.matches("<rect x=").count(), 3);
        assert!(svg.contains("9.00 ×") && svg.contains("one &amp; all"), "{svg}");
        assert_eq!(svg.matches("class=\"ground cut\"").count(), 2, "only the long one is cut");
        assert!(svg.contains("aria-labelledby") && svg.contains("<title id=\"title\">t</title>"));
    }
}
