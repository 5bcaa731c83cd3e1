//! A page of SVG: a title, texts and shapes, in colours that people who confuse red and green can tell apart, on a
//! light ground or, where the reader's system says so, on a dark one. No scripts, no fonts of its own.

/// Blue, orange, green, pink, red, light blue.
pub(super) const COLOURS: [&str; 6] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"];

const STYLE: &str = "\
text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.group { font-weight: 600 }
.quiet { fill: #59636e }
.ground { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.reference { stroke: #59636e; stroke-width: 1; stroke-dasharray: 4 3 }
.ink { stroke: #1f2328 }
.inked { fill: #59636e }
.small { font-size: 10px }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #9198a1 }
  .ground { fill: #0d1117 }
  .grid { stroke: #3d444d }
  .reference { stroke: #9198a1 }
  .ink { stroke: #e6edf3 }
  .inked { fill: #9198a1 }
}";

/// A page under way.
pub(super) struct Page(String);

impl Page {
    pub(super) fn new(width: f64, height: f64, title: &str, subtitle: &str) -> Self {
        let mut page = Self(String::new());
        page.put(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-labelledby=\"title subtitle\">"
        ));
        // What a screen reader says in place of the picture.
        page.put(&format!("<title id=\"title\">{}</title>", plain(title)));
        page.put(&format!("<desc id=\"subtitle\">{}</desc>", plain(subtitle)));
        page.put(&format!("<style>{STYLE}</style>"));
        page.put(&format!("<rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>"));
        page.text(24.0, 34.0, "start", "title", title);
        page.text(24.0, 56.0, "start", "quiet", subtitle);
        page
    }

    pub(super) fn put(&mut self, element: &str) {
        self.0.push_str(element);
        self.0.push('\n');
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
        let text = plain(text);
        self.put(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>"
        ));
    }

    /// A bar that is too long for the page is cut through near its end.
    pub(super) fn cut(&mut self, x: f64, top: f64, bottom: f64) {
        for x in [x, x + 9.0] {
            let (left, right) = (x - 4.0, x + 4.0);
            self.put(&format!(
                "<polygon class=\"ground cut\" points=\"{x:.1},{top:.1} {:.1},{top:.1} {right:.1},{bottom:.1} {left:.1},{bottom:.1}\"/>",
                x + 4.0
            ));
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.put("</svg>");
        self.0
    }
}

/// A text as it stands in XML.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
