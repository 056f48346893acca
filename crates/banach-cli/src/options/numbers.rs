//! Ranges of the numbers that options take.

/// The least relative residual that single precision resolves, about half its machine epsilon.
const LEAST_TOLERANCE: f64 = 6e-8;
/// Below it a step changes no weight of size 1 in single precision, even in a million steps.
const LEAST_STEP: f64 = 1e-12;
/// Weights of a loss: single precision overflows far above.
const MOST_WEIGHT: f64 = 1e6;
/// Shares whose complement single precision still tells from 0.
const MOST_SHARE: f64 = 0.9999;

/// How often something is done: more would not end in a lifetime.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    up_to(1_000_000, text)
}

/// Hidden units: the weights of more do not fit into the memory of common machines.
pub(crate) fn units(text: &str) -> Result<usize, String> {
    up_to(100_000, text)
}

/// Unknowns of a problem with a dense matrix, which is multiplied by itself.
pub(crate) fn dimension(text: &str) -> Result<usize, String> {
    up_to(2000, text)
}

/// Digits of a Sudoku.
pub(crate) fn board(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if [4, 6, 9].contains(&number) => Ok(number),
        _ => Err(format!("found {text}, expected 4, 6 or 9")),
    }
}

/// Channels of a convolution.
pub(crate) fn channels(text: &str) -> Result<usize, String> {
    up_to(1024, text)
}

/// Convolutions in a row.
pub(crate) fn convolutions(text: &str) -> Result<usize, String> {
    up_to(20, text)
}

/// Pixels of a patch along each side: folding needs an even number.
pub(crate) fn patch(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (8..=1024).contains(&number) && number % 2 == 0 => Ok(number),
        _ => Err(format!("found {text}, expected an even number from 8 to 1024")),
    }
}

/// Pixels along each side of a block that is folded into channels.
pub(crate) fn fold(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if [1, 2].contains(&number) => Ok(number),
        _ => Err(format!("found {text}, expected 1 or 2")),
    }
}

/// A bound of a gain.
pub(crate) fn gain(text: &str) -> Result<f64, String> {
    between(text, |number| (1e-3..=100.0).contains(&number), "a number from 1e-3 to 100, for example 0.9")
}

/// A standard deviation of noise on the scale of 0 to 255.
pub(crate) fn deviation(text: &str) -> Result<f64, String> {
    between(text, |number| (0.1..=255.0).contains(&number), "a number from 0.1 to 255, for example 25")
}

/// Channels of a network, as a part of the published ones.
pub(crate) fn width(text: &str) -> Result<f64, String> {
    between(text, |number| (0.01..=4.0).contains(&number), "a number from 0.01 to 4, for example 0.125")
}

/// Width and height of generated images, as written on the command line: `192x128`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct SceneSize(pub(crate) [usize; 2]);

impl Default for SceneSize {
    fn default() -> Self {
        Self([192, 128])
    }
}

impl From<SceneSize> for String {
    fn from(SceneSize([width, height]): SceneSize) -> Self {
        format!("{width}x{height}")
    }
}

impl TryFrom<String> for SceneSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        scene_size(&text)
    }
}

/// The size of generated images, which networks halve six times.
pub(crate) fn scene_size(text: &str) -> Result<SceneSize, String> {
    let size =
        text.split_once('x').and_then(|(width, height)| Some([width.parse().ok()?, height.parse().ok()?]));
    let fits = |length: &usize| (64..=2048).contains(length) && length.is_multiple_of(64);
    match size {
        Some(size) if size.iter().all(fits) => Ok(SceneSize(size)),
        _ => Err(format!("found {text}, expected two multiples of 64 up to 2048, for example 192x128")),
    }
}

fn up_to(most: usize, text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("found {text}, expected a whole number from 1 to {most}")),
    }
}

/// A seed of the random numbers.
pub(crate) fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("found {text}, expected a whole number from 0 to {}", u64::MAX))
}

/// A relative residual that a solve in single precision can reach.
pub(crate) fn tolerance(text: &str) -> Result<f64, String> {
    let reached = |number| (LEAST_TOLERANCE..1.0).contains(&number);
    between(
        text,
        reached,
        "a number from 6e-8, which single precision resolves, to below 1, for example 1e-4",
    )
}

/// A share that leaves something.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    between(text, |number| (0.0..=MOST_SHARE).contains(&number), "a number from 0 to 0.9999, for example 0.3")
}

/// A factor above 0, up to 1.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    between(text, |number| (1e-6..=1.0).contains(&number), "a number from 1e-6 to 1, for example 0.9")
}

/// A step size of training.
pub(crate) fn step(text: &str) -> Result<f64, String> {
    between(text, |number| (LEAST_STEP..=1.0).contains(&number), "a number from 1e-12 to 1, for example 1e-3")
}

/// A weight of a part of the loss.
pub(crate) fn weight(text: &str) -> Result<f64, String> {
    between(text, |number| (0.0..=MOST_WEIGHT).contains(&number), "a number from 0 to 1e6, for example 0.01")
}

fn between(text: &str, fits: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if fits(number) => Ok(number),
        _ => Err(format!("found {text}, expected {expected}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_single_precision_cannot_reach_are_refused() {
        for text in ["1e-30", "1e-8", "0", "-1e-3", "1", "nan", "inf", ""] {
            assert!(tolerance(text).unwrap_err().contains("from 6e-8"), "{text}");
        }
        assert_eq!((tolerance("6e-8"), tolerance("0.5")), (Ok(6e-8), Ok(0.5)));
        for (refused, text) in [
            (step("1e-30"), "1e-12"),
            (rate("1e-300"), "1e-6"),
            (weight("1e300"), "1e6"),
            (weight("-0.1"), "from 0"),
            (share("0.99999999999"), "0.9999"),
            (width("0"), "from 0.01 to 4"),
        ] {
            assert!(refused.as_ref().is_err_and(|message| message.contains(text)), "{refused:?}");
        }
    }

    #[test]
    fn sizes_of_scenes_are_pairs_of_multiples() {
        assert_eq!(scene_size("256x192").map(String::from), Ok("256x192".into()));
        for text in ["192", "192x", "x128", "190x128", "0x64", "4096x64", "-64x64", "64x64x64", ""] {
            assert!(scene_size(text).unwrap_err().contains("multiples of 64"), "{text}");
        }
    }
}
