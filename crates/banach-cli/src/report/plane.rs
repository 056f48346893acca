//! Drawing of points and lines on two logarithmic axes.

use crate::error::Error;
use crate::report::curves::COLOURS;
use crate::report::file;
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (860, 520);
const LINE: RGBColor = RGBColor(70, 76, 84);
/// Space around what is drawn, in powers of ten.
const SPACE: f64 = 0.15;

/// Places of a plane, by two positive numbers each.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) name: String,
    pub(crate) places: Vec<(f64, f64)>,
}

/// A plane with logarithmic axes.
#[derive(Clone, Debug)]
pub(crate) struct Plane {
    pub(crate) title: String,
    /// What the horizontal axis measures, and what the vertical one.
    pub(crate) axes: [&'static str; 2],
    /// Lines through places, in one colour and with their names at their ends.
    pub(crate) lines: Vec<Places>,
    /// Groups of points, each of its own colour and in the legend.
    pub(crate) groups: Vec<Places>,
}

impl Plane {
    /// Draws the plane into an SVG file.
    pub(crate) fn draw(&self, path: &Path) -> Result<(), Error> {
        let mut text = String::new();
        self.render(&mut text).map_err(|error| Error::write(path, error))?;
        file::write_whole(path, text.as_bytes()).map_err(|error| Error::write(path, error))
    }

    fn render(&self, text: &mut String) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let [across, upward] = self.bounds();
        let power = |exponent: &f64| number(10_f64.powf(*exponent));
        let mut chart = ChartBuilder::on(&area)
            .margin(14)
            .caption(&self.title, ("sans-serif", 18))
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(across.0..across.1, upward.0..upward.1)?;
        chart
            .configure_mesh()
            .x_desc(self.axes[0])
            .y_desc(self.axes[1])
            .x_label_formatter(&power)
            .y_label_formatter(&power)
            .light_line_style(WHITE.mix(0.0))
            .draw()?;
        for Places { name, places } in &self.lines {
            let places: Vec<(f64, f64)> = places.iter().map(logarithms).collect();
            let end = places.last().copied();
            chart.draw_series(LineSeries::new(places, LINE.stroke_width(2)))?;
            let style = ("sans-serif", 13).into_font().color(&LINE);
            let label = |(x, y): (f64, f64)| {
                let place = (-(7 * name.chars().count() as i32), -16);
                EmptyElement::at((x, y)) + Text::new(name.clone(), place, style.clone())
            };
            chart.draw_series(end.map(label))?;
        }
        for (index, Places { name, places }) in self.groups.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let points = places.iter().map(|place| Circle::new(logarithms(place), 4, colour.filled()));
            let legend = move |place| Circle::new(place, 4, colour.filled());
            chart.draw_series(points)?.label(name.as_str()).legend(legend);
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        area.present()
    }

    /// The powers of ten between which both axes lie.
    fn bounds(&self) -> [(f64, f64); 2] {
        let places = || self.lines.iter().chain(&self.groups).flat_map(|part| &part.places).map(logarithms);
        let bounds = |numbers: &mut dyn Iterator<Item = f64>| {
            let (low, high) = numbers
                .filter(|number| number.is_finite())
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (at.min(low), at.max(high)));
            if low > high { (0.0, 1.0) } else { (low - SPACE, high + SPACE) }
        };
        [bounds(&mut places().map(|(x, _)| x)), bounds(&mut places().map(|(_, y)| y))]
    }
}

fn logarithms((x, y): &(f64, f64)) -> (f64, f64) {
    (x.log10(), y.log10())
}

/// Two digits that say something.
fn number(number: f64) -> String {
    let digits = (1 - number.log10().floor() as i32).clamp(0, 6) as usize;
    format!("{number:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stand_where_their_logarithms_are() {
        let group = |name: &str, places: &[(f64, f64)]| Places { name: name.into(), places: places.to_vec() };
        let plane = Plane {
            title: "a machine".into(),
            axes: ["operations per byte", "GFLOP/s"],
            lines: vec![group("a roof", &[(0.1, 1.0), (10.0, 100.0)])],
            groups: vec![group("batch", &[(1.0, 10.0), (0.1, 1.0)]), group("width", &[(10.0, 1.0)])],
        };
        let mut text = String::new();
        plane.render(&mut text).unwrap();
        // Three points and two marks of the legend.
        assert_eq!(text.matches("<circle").count(), 5, "{text}");
        for name in ["a machine", "a roof", "batch", "width", "GFLOP/s", "operations per byte"] {
            assert!(text.contains(name), "{name}: {text}");
        }
        let centres: Vec<[f64; 2]> = text
            .split("<circle ")
            .skip(1)
            .map(|part| {
                ["cx=\"", "cy=\""].map(|name| {
                    let at = part.find(name).unwrap() + name.len();
                    part[at..].split('"').next().unwrap().parse().unwrap()
                })
            })
            .collect();
        // Half way in the logarithm between the places at the ends.
        let middle = 0.5 * (centres[1][0] + centres[2][0]);
        assert!((centres[0][0] - middle).abs() <= 1.0, "{centres:?}");
        assert_eq!(centres[1][1], centres[2][1]);
    }

    #[test]
    fn an_empty_plane_has_axes() {
        let plane = Plane { title: String::new(), axes: ["x", "y"], lines: vec![], groups: vec![] };
        let mut text = String::new();
        plane.render(&mut text).unwrap();
        assert!(text.contains("</svg>") && !text.contains("NaN"), "{text}");
    }

    #[test]
    fn numbers_have_two_digits() {
        assert_eq!([0.015, 1.5, 15.0, 150.0].map(number), ["0.015", "1.5", "15", "150"]);
    }
}
