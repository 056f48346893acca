//! The networks inside the command. `models/README.md` says what they were trained on.

use crate::error::Error;
use crate::experiments::denoise::{Denoiser, Shape, decode};
use clap::ValueEnum;
use std::path::Path;

/// A description and its weights.
struct Shipped {
    description: &'static [u8],
    weights: &'static [u8],
}

macro_rules! shipped {
    ($($folder:literal)*) => {
        [$(Shipped {
            description: include_bytes!(concat!("../../models/", $folder, "/model.json")),
            weights: include_bytes!(concat!("../../models/", $folder, "/best.bpk")),
        }),*]
    };
}

const FEEDFORWARD: &[Shipped] = &shipped!("sigma15" "sigma20" "sigma25");
const FPI_NN: &[Shipped] = &shipped!("fpi-nn-sigma15" "fpi-nn-sigma20" "fpi-nn-sigma25");

/// A kind of network inside the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Convolutions applied once to the folded image.
    Feedforward,
    /// The fixed point of a map of two convolutions: better by 0.2 dB, and sixty times as long.
    FpiNn,
}

/// The network of this kind whose noise level is nearest to `sigma` in its logarithm.
pub(crate) fn nearest(kind: Kind, sigma: f64) -> Result<(Shape, Denoiser), Error> {
    let mut found: Option<(f64, (Shape, Denoiser))> = None;
    let shipped = match kind {
        Kind::Feedforward => FEEDFORWARD,
        Kind::FpiNn => FPI_NN,
    };
    for Shipped { description, weights } in shipped {
        let network = decode(Path::new("the command itself"), description, weights)?;
        let away = (network.0.sigma.typical() / sigma).ln().abs();
        if found.as_ref().is_none_or(|(least, _)| away < *least) {
            found = Some((away, network));
        }
    }
    found.map(|(_, network)| network).ok_or_else(|| Error::Training("bug: no network is shipped".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::dead_leaves;
    use crate::dataset::patches::noisy;
    use crate::options::LayerName;

    #[test]
    fn every_shipped_network_is_small_and_can_be_used() {
        for Shipped { description, weights } in FEEDFORWARD.iter().chain(FPI_NN) {
            assert!(weights.len() < 1_000_000, "{} bytes", weights.len());
            decode(Path::new("shipped"), description, weights).unwrap();
        }
        for (kind, layer) in [(Kind::Feedforward, LayerName::Feedforward), (Kind::FpiNn, LayerName::FpiNn)] {
            let (shape, _) = nearest(kind, 200.0).unwrap();
            assert_eq!((shape.layer, shape.sigma.typical()), (layer, 25.0));
        }
    }

    /// The largest and the mean difference, of 255, between an image that is denoised in one piece and in nine tiles.
    fn seam(kind: Kind) -> (f32, f32) {
        let (_, denoiser) = nearest(kind, 25.0).unwrap();
        let noisy = noisy(&dead_leaves::draw([150, 131], 0, 5), 25.0, 0);
        let denoise = |denoiser: &Denoiser| denoiser.denoise(&noisy, |_| true).unwrap().0;
        let (whole, tiled) = (denoise(&denoiser), denoise(&denoiser.clone().with_tiles(96, 32)));
        assert_eq!((denoiser.tiles([150, 131]), denoiser.with_tiles(96, 32).tiles([150, 131])), (1, 9));
        let differences =
            whole.values.iter().zip(&tiled.values).map(|(one, other)| 255.0 * (one - other).abs());
        let (most, sum) =
            differences.fold((0.0_f32, 0.0), |(most, sum), one| (most.max(one), sum + one * one));
        (most, (sum / whole.values.len() as f32).sqrt())
    }

    #[test]
    fn tiles_leave_no_seam() {
        // Fixed points are found to three in a thousand.
        for (kind, bound) in [(Kind::Feedforward, 1.0), (Kind::FpiNn, 2.0)] {
            let (most, mean) = seam(kind);
            assert!(most < bound && mean < 0.1, "{kind:?}: {most} and {mean} of 255");
        }
    }
}
