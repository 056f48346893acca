//! Which numbers may an option have?

/// How often something is done: more would not end in a lifetime.
pub(super) fn count(text: &str) -> Result<usize, String> {
    up_to(1_000_000, text)
}

/// Hidden units: the weights of more do not fit into the memory of common machines.
pub(super) fn units(text: &str) -> Result<usize, String> {
    up_to(100_000, text)
}

/// Unknowns of a problem with a dense matrix, which is multiplied by itself.
pub(super) fn dimension(text: &str) -> Result<usize, String> {
    up_to(2000, text)
}

fn up_to(most: usize, text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("found {text}, expected a whole number from 1 to {most}")),
    }
}

/// What fixes random numbers.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("found {text}, expected a whole number from 0 to {}", u64::MAX))
}

/// A number between 0 and 1, without both.
pub(super) fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number < 1.0 => Ok(number),
        _ => Err(format!("found {text}, expected a number above 0 and below 1, for example 1e-4")),
    }
}

/// A number from 0 to 1, without 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    between(text, |number| (0.0..1.0).contains(&number), "a number from 0 to below 1, for example 0.3")
}

/// A number above 0, up to 1.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    between(text, |number| number > 0.0 && number <= 1.0, "a number above 0 and up to 1, for example 0.9")
}

/// A number above 0, up to 1, of the size of a step.
pub(super) fn step(text: &str) -> Result<f64, String> {
    between(text, |number| number > 0.0 && number <= 1.0, "a number above 0 and up to 1, for example 1e-3")
}

/// A number that is not negative.
pub(super) fn weight(text: &str) -> Result<f64, String> {
    between(text, |number| number >= 0.0 && number.is_finite(), "a number of at least 0, for example 0.01")
}

fn between(text: &str, fits: fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if fits(number) => Ok(number),
        _ => Err(format!("found {text}, expected {expected}")),
    }
}
