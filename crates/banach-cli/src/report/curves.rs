//! Drawing of curves over epochs and over steps.

use crate::error::Error;
use crate::report::file;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::path::Path;

/// The colours of curves and groups, in their order.
pub(crate) const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(255, 127, 14),
    RGBColor(23, 190, 207),
];
const FAINT: RGBColor = RGBColor(190, 196, 204);
/// The factor between the least and the greatest value below which a logarithmic axis tells less than a linear one.
const NARROW: f64 = 1.5;
/// The most labels of a vertical axis.
const HEIGHTS: usize = 10;
/// More digits than an f64 holds would tell nothing.
const MOST_DIGITS: usize = 16;
const SIZE: (u32, u32) = (760, 400);

/// One curve: the value at each place of the axis, from its first.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// What the legend says; a curve without a name is drawn faintly, behind the others.
    pub(crate) name: Option<&'static str>,
    /// One value a place; what is not finite is left out.
    pub(crate) values: Vec<f64>,
}

impl Curve {
    /// A curve with a value for each epoch, or for each other item; no value is left out of the drawing.
    pub(crate) fn of<T>(name: &'static str, items: &[T], value: fn(&T) -> Option<f64>) -> Self {
        let values = items.iter().map(|item| value(item).unwrap_or(f64::NAN)).collect();
        Self { name: Some(name), values }
    }
}

/// What the horizontal axis counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Axis {
    /// Epochs, from 1.
    Epochs,
    /// Steps of a solver, from 0.
    Steps,
}

impl Axis {
    fn name(self) -> &'static str {
        match self {
            Self::Epochs => "epoch",
            Self::Steps => "step",
        }
    }

    fn first(self) -> usize {
        usize::from(self == Self::Epochs)
    }
}

/// One set of axes with its curves.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// What the vertical axis measures.
    pub(crate) title: &'static str,
    /// Whether the vertical axis is logarithmic, unless all values are close to one another.
    pub(crate) logarithmic: bool,
    /// What the horizontal axis counts.
    pub(crate) axis: Axis,
    /// What is drawn.
    pub(crate) curves: Vec<Curve>,
}

impl Panel {
    fn is_logarithmic(&self) -> bool {
        let drawn = self.curves.iter().flat_map(|curve| &curve.values).copied();
        let drawn = drawn.filter(|value| *value > 0.0 && value.is_finite());
        let (low, high) =
            drawn.fold((f64::INFINITY, 0.0), |(low, high), value| (value.min(low), value.max(high)));
        self.logarithmic && high > NARROW * low
    }
}

/// Draws the panels below one another into an SVG file.
pub(crate) fn draw(path: &Path, panels: &[Panel]) -> Result<(), Error> {
    let mut text = String::new();
    render(&mut text, panels).map_err(|reason| Error::write(path, reason))?;
    file::write_whole(path, text.as_bytes()).map_err(|error| Error::write(path, error))
}

fn render(text: &mut String, panels: &[Panel]) -> Result<(), String> {
    let area = SVGBackend::with_string(text, (SIZE.0, SIZE.1 * panels.len() as u32)).into_drawing_area();
    area.fill(&WHITE).map_err(|error| error.to_string())?;
    for (part, panel) in area.split_evenly((panels.len(), 1)).iter().zip(panels) {
        draw_panel(part, panel).map_err(|error| error.to_string())?;
    }
    area.present().map_err(|error| error.to_string())
}

/// A place of the horizontal axis and the height there.
type Point = (usize, f64);
type Drawing<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw_panel<'a>(area: &Drawing<'a>, panel: &Panel) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let curves: Vec<Vec<Point>> = panel.curves.iter().map(|curve| points(curve, panel)).collect();
    let first = panel.axis.first();
    let last = panel.curves.iter().map(|curve| curve.values.len()).max().unwrap_or(1).max(2) + first - 1;
    let logarithmic = panel.is_logarithmic();
    let (low, high) = bounds(&curves);
    let heights = RangedCoordf64::from(low..high).key_points(HEIGHTS);
    let value = |height: f64| if logarithmic { 10_f64.powf(height) } else { height };
    let scientific = panel.logarithmic && !heights.iter().all(|&height| is_plain(value(height)));
    let write = |height: f64, digits| written(value(height), scientific, digits);
    let digits = digits(&heights, write);
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .caption(panel.title, ("sans-serif", 18))
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(first..last, low..high)?;
    chart
        .configure_mesh()
        .x_desc(panel.axis.name())
        .x_labels(last.min(10) + 1)
        .y_labels(HEIGHTS)
        .y_label_formatter(&|&height| write(height, digits))
        .light_line_style(WHITE.mix(0.0))
        .draw()?;
    let drawn = || panel.curves.iter().zip(&curves);
    for (_, points) in drawn().filter(|(curve, _)| curve.name.is_none()) {
        chart.draw_series(LineSeries::new(points.clone(), FAINT.stroke_width(1)))?;
        chart.draw_series(alone(points).map(|point| Circle::new(point, 2, FAINT.filled())))?;
    }
    let named = drawn().filter_map(|(curve, points)| Some((curve.name?, points.clone())));
    for (index, (name, points)) in named.enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        chart.draw_series(alone(&points).map(|point| Circle::new(point, 4, colour.filled())))?;
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    let corner =
        if panel.logarithmic { SeriesLabelPosition::UpperRight } else { SeriesLabelPosition::LowerRight };
    chart
        .configure_series_labels()
        .position(corner)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()
}

fn points(curve: &Curve, panel: &Panel) -> Vec<Point> {
    let logarithmic = panel.is_logarithmic();
    let heights = curve.values.iter().map(|&value| if logarithmic { value.log10() } else { value });
    let places = heights.enumerate().map(|(index, height)| (index + panel.axis.first(), height));
    places.filter(|(_, height)| height.is_finite()).collect()
}

fn bounds(curves: &[Vec<Point>]) -> (f64, f64) {
    let heights = || curves.iter().flatten().map(|&(_, height)| height);
    let (low, high) = (heights().fold(f64::INFINITY, f64::min), heights().fold(f64::NEG_INFINITY, f64::max));
    if low > high {
        return (0.0, 1.0);
    }
    let space = (0.05 * (high - low)).max(1e-3 * high.abs()).max(if high == 0.0 { 1e-9 } else { 0.0 });
    (low - space, high + space)
}

/// The one point of a curve that has no second, of which a line would show nothing.
fn alone(points: &[Point]) -> impl Iterator<Item = Point> {
    let point = if points.len() == 1 { points.first().copied() } else { None };
    point.into_iter()
}

/// Whether a number is easily read without a power of ten.
fn is_plain(value: f64) -> bool {
    value == 0.0 || (0.1..1e3).contains(&value.abs())
}

fn written(value: f64, scientific: bool, digits: usize) -> String {
    if scientific { format!("{value:.digits$e}") } else { format!("{value:.digits$}") }
}

/// The fewest digits, of at least one, with which no two neighbours are written alike.
fn digits(heights: &[f64], write: impl Fn(f64, usize) -> String) -> usize {
    let differ =
        |digits: &usize| heights.windows(2).all(|pair| write(pair[0], *digits) != write(pair[1], *digits));
    (1..MOST_DIGITS).find(differ).unwrap_or(MOST_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(values: Vec<f64>) -> Panel {
        let curves = vec![Curve { name: Some("train"), values }];
        Panel { title: "loss", logarithmic: true, axis: Axis::Epochs, curves }
    }

    #[test]
    fn panels_become_svg_text_with_their_names() {
        let mut text = String::new();
        render(&mut text, &[panel(vec![1.0, 0.1, f64::NAN, 0.01]), panel(vec![2.0])]).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
        assert!(text.contains("train") && text.contains("loss") && text.contains("polyline"));
        assert!(!text.contains("NaN"));
    }

    #[test]
    fn curves_without_a_name_are_faint_and_steps_begin_at_zero() {
        let faint = Curve { name: None, values: vec![1.0, 0.1, 0.01] };
        let mut panel = panel(vec![1.0, 0.5, 0.25]);
        panel.axis = Axis::Steps;
        panel.curves.push(faint);
        let mut text = String::new();
        render(&mut text, std::slice::from_ref(&panel)).unwrap();
        assert!(text.contains("step") && text.contains("#BEC4CC") && !text.contains("epoch"), "{text}");
        assert_eq!(points(&panel.curves[0], &panel)[0], (0, 0.0));
    }

    /// The texts of a drawing.
    fn texts(panel: Panel) -> Vec<String> {
        let mut text = String::new();
        render(&mut text, &[panel]).unwrap();
        let ends = text.split("</text>").filter_map(|part| part.rsplit('>').next());
        ends.map(|text| text.trim().to_string()).filter(|text| !text.is_empty()).collect()
    }

    #[test]
    fn a_single_point_is_a_circle() {
        let mut text = String::new();
        render(&mut text, &[panel(vec![0.5])]).unwrap();
        assert_eq!(text.matches("<circle").count(), 1, "{text}");
        text.clear();
        render(&mut text, &[panel(vec![0.5, 0.25])]).unwrap();
        assert!(!text.contains("<circle"));
    }

    #[test]
    fn epochs_are_whole_and_no_label_stands_there_twice() {
        for values in
            [vec![0.4, 0.3], vec![0.361, 0.36], vec![1.0, 0.6], vec![0.5], vec![0.0, 0.0], vec![3e-9; 2]]
        {
            for logarithmic in [true, false] {
                let panel = Panel { logarithmic, ..panel(values.clone()) };
                let mut found = texts(panel);
                let count = found.len();
                assert!(found.contains(&"2".into()) && count > 5, "{values:?}: {found:?}");
                found.sort();
                found.dedup();
                assert_eq!(found.len(), count, "{values:?}: {found:?}");
            }
        }
    }

    #[test]
    fn nothing_to_draw_is_an_empty_panel() {
        let mut text = String::new();
        render(&mut text, &[panel(vec![f64::NAN])]).unwrap();
        assert!(text.contains("</svg>"));
    }
}
