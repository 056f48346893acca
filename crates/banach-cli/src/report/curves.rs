//! How are curves over epochs and over steps drawn?

use crate::error::Error;
use crate::report::file;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

const COLOURS: [RGBColor; 4] =
    [RGBColor(31, 119, 180), RGBColor(214, 39, 40), RGBColor(44, 160, 44), RGBColor(148, 103, 189)];
const FAINT: RGBColor = RGBColor(190, 196, 204);
const SIZE: (u32, u32) = (760, 400);

/// One curve: the value at each place of the axis, from its first.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// What the legend says; a curve without a name is drawn faintly, behind the others.
    pub(crate) name: Option<&'static str>,
    /// One value a place; what is not finite is left out.
    pub(crate) values: Vec<f64>,
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
    /// Whether the vertical axis is logarithmic.
    pub(crate) logarithmic: bool,
    /// What the horizontal axis counts.
    pub(crate) axis: Axis,
    /// What is drawn.
    pub(crate) curves: Vec<Curve>,
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

type Drawing<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw_panel<'a>(area: &Drawing<'a>, panel: &Panel) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let curves: Vec<Vec<(f64, f64)>> = panel.curves.iter().map(|curve| points(curve, panel)).collect();
    let first = panel.axis.first();
    let last = panel.curves.iter().map(|curve| curve.values.len()).max().unwrap_or(1).max(2) + first - 1;
    let (low, high) = bounds(&curves);
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .caption(panel.title, ("sans-serif", 18))
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(first as f64..last as f64, low..high)?;
    let logarithmic = panel.logarithmic;
    chart
        .configure_mesh()
        .x_desc(panel.axis.name())
        .x_labels(last.min(10) + 1)
        .x_label_formatter(&|place| format!("{place:.0}"))
        .y_label_formatter(&|&value| {
            if logarithmic { format!("{:.1e}", 10_f64.powf(value)) } else { short(value) }
        })
        .light_line_style(WHITE.mix(0.0))
        .draw()?;
    let drawn = || panel.curves.iter().zip(&curves);
    for (_, points) in drawn().filter(|(curve, _)| curve.name.is_none()) {
        chart.draw_series(LineSeries::new(points.clone(), FAINT.stroke_width(1)))?;
    }
    let named = drawn().filter_map(|(curve, points)| Some((curve.name?, points.clone())));
    for (index, (name, points)) in named.enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
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

fn points(curve: &Curve, panel: &Panel) -> Vec<(f64, f64)> {
    let heights = curve.values.iter().map(|&value| if panel.logarithmic { value.log10() } else { value });
    let places = heights.enumerate().map(|(index, height)| ((index + panel.axis.first()) as f64, height));
    places.filter(|(_, height)| height.is_finite()).collect()
}

fn bounds(curves: &[Vec<(f64, f64)>]) -> (f64, f64) {
    let heights = || curves.iter().flatten().map(|&(_, height)| height);
    let (low, high) = (heights().fold(f64::INFINITY, f64::min), heights().fold(f64::NEG_INFINITY, f64::max));
    if low > high {
        return (0.0, 1.0);
    }
    let space = (0.05 * (high - low)).max(1e-9 + 1e-3 * high.abs());
    (low - space, high + space)
}

fn short(value: f64) -> String {
    if value.abs() >= 1.0 || value == 0.0 { format!("{value:.1}") } else { format!("{value:.3}") }
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
        assert_eq!(points(&panel.curves[0], &panel)[0], (0.0, 0.0));
    }

    #[test]
    fn nothing_to_draw_is_an_empty_panel() {
        let mut text = String::new();
        render(&mut text, &[panel(vec![f64::NAN])]).unwrap();
        assert!(text.contains("</svg>"));
    }
}
