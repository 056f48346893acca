//! Numbers and other values of a report as text.

use serde_json::Value;

/// A number in at most four significant digits; integers whole.
pub(super) fn written(value: f64) -> String {
    if !value.is_finite() {
        return "none".into();
    }
    if value == value.trunc() && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let exponent = value.abs().log10().floor() as i32;
    if !(-4..6).contains(&exponent) {
        return format!("{value:.3e}");
    }
    let digits = (3 - exponent).clamp(0, 8) as usize;
    format!("{value:.digits$}")
}

/// A number beside an axis: without zeros that say nothing.
pub(super) fn label(value: f64) -> String {
    let text = written(value);
    match text.split_once('e') {
        Some((digits, exponent)) => format!("{}e{exponent}", trimmed(digits)),
        None => trimmed(&text).into(),
    }
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// A value of a report: numbers rounded, lists joined, and a dash where there is none.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::Bool(value) => if *value { "yes" } else { "no" }.into(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), written),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(_) => value.to_string(),
    }
}

/// The name of a field in words.
pub(super) fn words(field: &str) -> String {
    let mut words = field.replace(['_', '.'], " ");
    for (short, name) in [("psnr", "PSNR"), ("ssim", "SSIM"), ("aepe", "aEPE"), ("bsd68", "BSD68")] {
        words = words.replace(short, name);
    }
    let spelled = |word: &str| if word == "f1" { "F1".to_string() } else { word.to_string() };
    words.split(' ').map(spelled).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_have_four_digits() {
        let cases = [
            (0.0, "0"),
            (4880.0, "4880"),
            (0.33033305, "0.3303"),
            (47.8512, "47.85"),
            (6.2801e-7, "6.280e-7"),
        ];
        for (value, text) in cases {
            assert_eq!(written(value), text);
        }
        let labels =
            [(0.01, "0.01"), (3.5, "3.5"), (1e-7, "1e-7"), (20.0, "20"), (0.6000000000000001, "0.6")];
        for (value, text) in labels {
            assert_eq!(label(value), text);
        }
        assert_eq!(written(f64::NAN), "none");
        assert_eq!(shown(&json!(null)), "–");
        assert_eq!(shown(&json!([1, 2.5])), "1, 2.500");
    }

    #[test]
    fn fields_become_words() {
        assert_eq!(words("validation_f1"), "validation F1");
        assert_eq!(words("psnr_bsd68"), "PSNR BSD68");
    }
}
