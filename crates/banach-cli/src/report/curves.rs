//! How are curves over epochs drawn?

use crate::error::Error;
use crate::report::file;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

const COLOURS: [RGBColor; 4] =
    [RGBColor(31, 119, 180), RGBColor(214, 39, 40), RGBColor(44, 160, 44), RGBColor(148, 103, 189)];
const SIZE: (u32, u32) = (760, 400);

/// One curve: the value at epoch 1, 2, ...
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// What the legend says.
    pub(crate) name: &'static str,
    /// One value an epoch; what is not finite is left out.
    pub(crate) values: Vec<f64>,
}

/// One set of axes with its curves.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// What the vertical axis measures.
    pub(crate) title: &'static str,
    /// Whether the vertical axis is logarithmic.
    pub(crate) logarithmic: bool,
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
    let curves: Vec<Vec<(f64, f64)>> =
        panel.curves.iter().map(|curve| points(curve, panel.logarithmic)).collect();
    let last = panel.curves.iter().map(|curve| curve.values.len()).max().unwrap_or(1).max(2) as f64;
    let (low, high) = bounds(&curves);
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .caption(panel.title, ("sans-serif", 18))
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(1.0..last, low..high)?;
    let logarithmic = panel.logarithmic;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .x_label_formatter(&|epoch| format!("{epoch:.0}"))
        .y_label_formatter(&|&value| {
            if logarithmic { format!("{:.1e}", 10_f64.powf(value)) } else { short(value) }
        })
        .light_line_style(WHITE.mix(0.0))
        .draw()?;
    for (index, (curve, points)) in panel.curves.iter().zip(curves).enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(curve.name)
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

fn points(curve: &Curve, logarithmic: bool) -> Vec<(f64, f64)> {
    let heights = curve.values.iter().map(|&value| if logarithmic { value.log10() } else { value });
    let places = heights.enumerate().map(|(index, height)| ((index + 1) as f64, height));
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
        Panel { title: "loss", logarithmic: true, curves: vec![Curve { name: "train", values }] }
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
    fn nothing_to_draw_is_an_empty_panel() {
        let mut text = String::new();
        render(&mut text, &[panel(vec![f64::NAN])]).unwrap();
        assert!(text.contains("</svg>"));
    }
}
