//! Charts as inline SVG, whose values show where the pointer is.

use super::number::{label, written};
use serde::Serialize;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 34.0;
/// The factor between the least and the greatest value from which an axis is logarithmic.
const WIDE: f64 = 30.0;
/// About how many labels an axis has.
const LABELS: f64 = 5.0;

/// The values of a curve, one for each place of the axis, from 1; what is not finite is left out.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
}

/// A chart laid out for its template.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    title: String,
    axis: &'static str,
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    names: Vec<String>,
    lines: Vec<Line>,
    across: Vec<Tick>,
    upward: Vec<Tick>,
    places: Vec<Place>,
}

/// The pieces of a curve between values that are missing, as points of SVG, and its colour's number.
#[derive(Debug, Serialize)]
struct Line {
    colour: usize,
    pieces: Vec<String>,
    dots: Vec<(f64, f64)>,
}

/// A label and where it stands.
#[derive(Debug, Serialize)]
struct Tick {
    at: f64,
    text: String,
}

/// A place of the horizontal axis: the zone of the pointer, and what is said there.
#[derive(Debug, Serialize)]
struct Place {
    at: f64,
    from: f64,
    wide: f64,
    text: String,
    dots: Vec<(usize, f64)>,
}

impl Chart {
    /// The chart of curves over an axis.
    pub(super) fn new(title: String, axis: &'static str, curves: &[Curve]) -> Self {
        let count = curves.iter().map(|curve| curve.values.len()).max().unwrap_or(0);
        let scale = Scale::of(curves.iter().flat_map(|curve| &curve.values).copied());
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let step = (right - LEFT) / (count.max(2) - 1) as f64;
        let across = |place: usize| rounded(LEFT + step * place as f64);
        let upward = |value: f64| rounded(bottom - (bottom - TOP) * scale.part(value));
        let lines = curves.iter().enumerate().map(|(colour, curve)| line(colour, curve, &across, &upward));
        let place = |place: usize| {
            let values = curves.iter().enumerate().filter_map(|(colour, curve)| {
                let value = *curve.values.get(place)?;
                value
                    .is_finite()
                    .then(|| (colour, upward(value), format!("{} {}", curve.name, written(value))))
            });
            let values: Vec<(usize, f64, String)> = values.collect();
            let said: Vec<&str> = values.iter().map(|(_, _, said)| said.as_str()).collect();
            let from = (across(place) - step / 2.0).max(LEFT);
            Place {
                at: across(place),
                from: rounded(from),
                wide: rounded((across(place) + step / 2.0).min(right) - from),
                text: format!("{axis} {}: {}", place + 1, said.join(", ")),
                dots: values.iter().map(|(colour, height, _)| (*colour, *height)).collect(),
            }
        };
        let tick = |place: usize| Tick { at: across(place), text: (place + 1).to_string() };
        let every = count.div_ceil(LABELS as usize).max(1);
        Self {
            title,
            axis,
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            right,
            top: TOP,
            bottom,
            names: curves.iter().map(|curve| curve.name.clone()).collect(),
            lines: lines.collect(),
            across: (0..count).filter(|place| place % every == 0 || *place + 1 == count).map(tick).collect(),
            upward: scale.ticks().map(|value| Tick { at: upward(value), text: label(value) }).collect(),
            places: (0..count).map(place).collect(),
        }
    }
}

fn line(colour: usize, curve: &Curve, across: &impl Fn(usize) -> f64, upward: &impl Fn(f64) -> f64) -> Line {
    let (mut pieces, mut dots) = (vec![], vec![]);
    let places: Vec<(usize, f64)> = curve.values.iter().copied().enumerate().collect();
    for piece in places.split(|(_, value)| !value.is_finite()) {
        let points = piece.iter().map(|&(place, value)| (across(place), upward(value)));
        match piece.len() {
            0 => {}
            1 => dots.extend(points),
            _ => pieces.push(points.map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ")),
        }
    }
    Line { colour, pieces, dots }
}

/// A tenth of a unit is less than a pixel.
fn rounded(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

/// The vertical axis.
#[derive(Debug)]
struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let (low, high) = finite
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (value.min(low), value.max(high)));
        if low > 0.0 && high > WIDE * low && high.is_finite() {
            return Self { low: low.log10(), high: high.log10(), logarithmic: true };
        }
        match (low < high, low.is_finite()) {
            (true, _) => Self { low, high, logarithmic: false },
            (false, true) => Self { low: low - 0.5, high: low + 0.5, logarithmic: false },
            (false, false) => Self { low: 0.0, high: 1.0, logarithmic: false },
        }
    }

    /// Where a value lies between the ends of the axis, from 0 to 1.
    fn part(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.log10() } else { value };
        (value - self.low) / (self.high - self.low)
    }

    /// Round numbers on the axis: multiples of 1, 2 or 5 times a power of ten, or powers of ten.
    fn ticks(&self) -> impl Iterator<Item = f64> {
        let raw = (self.high - self.low) / LABELS;
        let unit = 10_f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * unit).into_iter().find(|step| *step >= raw);
        let step = step.unwrap_or(10.0 * unit);
        let step = if self.logarithmic { step.max(1.0).round() } else { step };
        let first = (self.low / step - 1e-9).ceil();
        let count = ((self.high - first * step) / step + 1e-9).floor().max(-1.0) as i64;
        let logarithmic = self.logarithmic;
        (0..=count).map(move |index| {
            let value = (first + index as f64) * step;
            if logarithmic { 10_f64.powf(value) } else { value }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: &[f64]) -> Chart {
        Chart::new("loss".into(), "epoch", &[Curve { name: "net".into(), values: values.to_vec() }])
    }

    #[test]
    fn values_are_said_at_their_place() {
        let chart = chart(&[1.0, f64::NAN, 3.0]);
        let said: Vec<&str> = chart.places.iter().map(|place| place.text.as_str()).collect();
        assert_eq!(said, ["epoch 1: net 1", "epoch 2: ", "epoch 3: net 3"]);
        assert_eq!((chart.lines[0].dots.len(), chart.lines[0].pieces.len()), (2, 0));
        assert_eq!(chart.places[2].dots, [(0, TOP)]);
    }

    #[test]
    fn axes_are_logarithmic_where_values_differ_by_much() {
        let ticks = |values: &[f64]| Scale::of(values.iter().copied()).ticks().collect::<Vec<_>>();
        assert_eq!(ticks(&[0.0, 1.0]), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        let powers = ticks(&[1e-4, 1.0]);
        assert!((powers[0] - 1e-4).abs() < 1e-12 && powers.len() == 5, "{powers:?}");
        assert!(ticks(&[2.0, 2.0]).contains(&2.0));
        assert!(ticks(&[]).len() > 1);
    }
}
