//! A fingerprint of the plain fields and settings of a module, which changes when one of them does.

use std::cell::Cell;
use std::fmt::{Debug, Write};
use std::hash::{DefaultHasher, Hasher as _};

thread_local! {
    /// Whether this thread prints a module for its fingerprint.
    static PRINTS: Cell<bool> = const { Cell::new(false) };
}

/// Hashes what a module prints with `{:?}`, except for the identities of parameters. Nothing is stored.
pub(crate) fn fingerprint(module: &impl Debug) -> u64 {
    let mut text = HashedText(DefaultHasher::new());
    let before = PRINTS.replace(true);
    // A hasher accepts any text; an error comes from the module, and what it printed before is hashed.
    let _ = write!(text, "{module:?}");
    PRINTS.set(before);
    text.0.finish()
}

/// Whether what this thread prints is a fingerprint, in which a layer may print its settings as their fingerprint.
pub(crate) fn is_printing() -> bool {
    PRINTS.get()
}

/// A hasher that is written to.
struct HashedText(DefaultHasher);

impl Write for HashedText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        // Burn prints a parameter in one piece: its id, and whether it is changed when it is loaded or saved.
        if !text.starts_with("Param: ") {
            self.0.write(text.as_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::fingerprint;
    use burn::module::{Module, Param};
    use burn::tensor::{Device, Tensor};

    #[derive(Module, Debug)]
    struct Scaled {
        weight: Option<Param<Tensor<1>>>,
        factors: Vec<f64>,
        #[module(skip)]
        name: String,
    }

    fn scaled(factor: f64, name: &str) -> Scaled {
        let weight = Param::from_tensor(Tensor::ones([2], &Device::flex()));
        Scaled { weight: Some(weight), factors: vec![1.0, factor], name: name.into() }
    }

    #[test]
    fn a_fingerprint_depends_on_plain_fields_and_not_on_the_identities_of_parameters() {
        let known = fingerprint(&scaled(0.5, "a"));
        assert_eq!(known, fingerprint(&scaled(0.5, "a")));
        let next = f64::from_bits(0.5_f64.to_bits() + 1);
        for changed in [scaled(next, "a"), scaled(0.5, "b"), Scaled { weight: None, ..scaled(0.5, "a") }] {
            assert_ne!(known, fingerprint(&changed), "{changed:?}");
        }
    }
}
