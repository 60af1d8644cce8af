//! The answer as a picture: a row for each link of the candidate paths, frequency from left to right. What carries no signals is left
//! white.
//!
//! Written as SVG directly: rectangles and text are all it takes.

use super::fill::{Answer, Link};
use super::report::{first_full, label};
use ipowdm_core::grid::Raster;
use std::fmt::Write as _;

const LEFT: f64 = 210.0;
const RIGHT: f64 = 160.0;
const TOP: f64 = 92.0;
const PLOT: f64 = 1000.0;
const ROW: f64 = 22.0;
const BAR: f64 = 16.0;
/// Characters of a label that fit to the left of a row.
const LABEL: usize = 30;

/// Colours of the candidate paths, told apart by people of every colour vision (Okabe and Ito), and what they are named.
const PATHS: [&str; 7] = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800"];
const BEFORE: &str = "#8C8C8C";
const FREE: &str = "#F2F2F2";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn colour(path: usize) -> &'static str {
    PATHS[path % PATHS.len()]
}

/// A picture under way.
struct Picture {
    svg: String,
    raster: Raster,
}

impl Picture {
    fn text(&mut self, x: f64, y: f64, anchor: &str, size: u8, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            self.svg,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-size="{size}">{}</text>"#,
            escaped(text)
        );
    }

    /// A rectangle with a text that shows when it is pointed at.
    fn bar(&mut self, x: f64, y: f64, width: f64, fill: &str, about: &str) {
        let _ = writeln!(
            self.svg,
            r#"<rect x="{x:.2}" y="{y:.1}" width="{width:.2}" height="{BAR}" fill="{fill}"><title>{}</title></rect>"#,
            escaped(about)
        );
    }

    /// Where a bit begins.
    fn x(&self, bit: u16) -> f64 {
        LEFT + PLOT * f64::from(bit) / f64::from(self.raster.bits())
    }

    /// A slot in a row: half a pixel less on either side, so that neighbours are two.
    fn slot(&mut self, y: f64, (first, count): (u16, u16), fill: &str, about: &str) {
        let (from, to) = (self.x(first), self.x(first.saturating_add(count)));
        self.bar(from + 0.5, y, (to - from - 1.0).max(0.5), fill, about);
    }

    /// Ticks and their names every 0.5 THz.
    fn axis(&mut self, bottom: f64) {
        let (low, high) = (self.raster.window().low.mhz(), self.raster.window().high.mhz());
        let step = 500_000;
        let mut tick = low.div_ceil(step) * step;
        while tick <= high {
            let x = LEFT + PLOT * f64::from(tick - low) / f64::from(high - low);
            let _ = writeln!(
                self.svg,
                r##"<line x1="{x:.1}" y1="{:.1}" x2="{x:.1}" y2="{:.1}" stroke="#444" stroke-width="0.6"/>"##,
                TOP - 4.0,
                bottom + 5.0
            );
            self.text(x, bottom + 19.0, "middle", 12, &format!("{:.1}", f64::from(tick) / 1e6));
            tick += step;
        }
        self.text(LEFT + PLOT / 2.0, bottom + 40.0, "middle", 13, "frequency (THz)");
        self.text(LEFT - 8.0, TOP - 10.0, "end", 13, "link");
        self.text(LEFT + PLOT + 8.0, TOP - 10.0, "start", 13, "used: before → after");
    }

    fn legend(&mut self, answer: &Answer, y: f64) {
        let mut x = LEFT;
        let mut rows = y;
        let mut entry = |picture: &mut Self, fill: &str, text: &str| {
            // A character of 12 pixels is some 6.5 pixels wide.
            let width = 30.0 + 6.6 * f64::from(u16::try_from(text.chars().count()).unwrap_or(u16::MAX));
            if x + width > LEFT + PLOT && x > LEFT {
                (x, rows) = (LEFT, rows + 20.0);
            }
            picture.bar(x, rows - 12.0, 16.0, fill, text);
            picture.text(x + 22.0, rows, "start", 12, text);
            x += width + 12.0;
        };
        entry(self, FREE, "free");
        entry(self, BEFORE, "taken before");
        for (number, path) in answer.paths.iter().enumerate() {
            let count = answer.channels.iter().filter(|channel| channel.path == number).count();
            let km = path.length.km();
            entry(self, colour(number), &format!("path {}: {count} channels, {km:.0} km", number + 1));
        }
    }

    fn row(&mut self, answer: &Answer, link: &Link, y: f64) {
        let name = label(link);
        let short = if name.chars().count() > LABEL {
            name.chars().take(LABEL - 1).chain(['…']).collect()
        } else {
            name.clone()
        };
        self.text(LEFT - 8.0, y + 12.5, "end", 12, &short);
        for (first, count) in link.usable.runs() {
            let (from, to) = (self.x(first), self.x(first + count));
            self.bar(from, y, to - from, FREE, &format!("{name}: free"));
        }
        for taken in &link.before {
            self.slot(y, *taken, BEFORE, &format!("{name}: taken before"));
        }
        for (number, channel) in answer.channels.iter().enumerate() {
            if channel.used.iter().any(|(id, _)| *id == link.id) {
                let about = format!(
                    "{name}: channel {} at {}, path {}",
                    number + 1,
                    channel.frequency,
                    channel.path + 1
                );
                if let Ok(bits) = self.raster.bits_of(channel.slot) {
                    self.slot(y, bits, colour(channel.path), &about);
                }
            }
        }
        let share = |per_mille: u16| f64::from(per_mille) / 10.0;
        let used = format!("{:.1} → {:.1} %", share(link.used.0), share(link.used.1));
        self.text(LEFT + PLOT + 8.0, y + 12.5, "start", 12, &used);
    }
}

/// The picture as SVG.
pub(super) fn draw(answer: &Answer) -> String {
    let rows = f64::from(u16::try_from(answer.links.len()).unwrap_or(u16::MAX));
    let bottom = TOP + rows * ROW;
    // The legend has a line for each three paths at least.
    let lines = f64::from(u16::try_from(answer.paths.len() / 3 + 2).unwrap_or(u16::MAX));
    let (width, height) = (LEFT + PLOT + RIGHT, bottom + 60.0 + 20.0 * lines);
    let mut picture = Picture { svg: String::new(), raster: answer.question.band.raster() };
    let _ = writeln!(
        picture.svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" font-family="sans-serif">"#
    );
    let _ = writeln!(picture.svg, r#"<rect width="100%" height="100%" fill="white"/>"#);
    let question = &answer.question;
    let (from, to, count) = (&question.from, &question.to, answer.channels.len());
    let heading = format!("{count} more channels of {} fit between {from} and {to}", question.mode);
    picture.text(LEFT, 30.0, "start", 18, &heading);
    picture.text(LEFT, 52.0, "start", 13, &first_full(answer));
    picture.axis(bottom);
    let mut y = TOP;
    for link in &answer.links {
        picture.row(answer, link, y + (ROW - BAR) / 2.0);
        y += ROW;
    }
    picture.legend(answer, bottom + 66.0);
    picture.svg.push_str("</svg>\n");
    picture.svg
}
