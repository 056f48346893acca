//! The networks inside the command. `models/README.md` says what they were trained on.

use crate::error::Error;
use crate::experiments::denoise::{Denoiser, Shape, decode};
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

const SHIPPED: &[Shipped] = &shipped!("sigma15" "sigma20" "sigma25");

/// The network whose noise level is nearest to `sigma` in its logarithm.
pub(crate) fn nearest(sigma: f64) -> Result<(Shape, Denoiser), Error> {
    let mut found: Option<(f64, (Shape, Denoiser))> = None;
    for Shipped { description, weights } in SHIPPED {
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

    #[test]
    fn every_shipped_network_is_small_and_can_be_used() {
        for Shipped { description, weights } in SHIPPED {
            assert!(weights.len() < 1_000_000, "{} bytes", weights.len());
            decode(Path::new("shipped"), description, weights).unwrap();
        }
        assert_eq!(nearest(200.0).unwrap().0.sigma.typical(), 25.0);
    }

    #[test]
    fn tiles_leave_no_seam() {
        let (_, denoiser) = nearest(25.0).unwrap();
        let noisy = noisy(&dead_leaves::draw([150, 131], 0, 5), 25.0, 0);
        let denoise = |denoiser: &Denoiser| denoiser.denoise(&noisy, |_| true).unwrap().0;
        let (whole, tiled) = (denoise(&denoiser), denoise(&denoiser.clone().with_tiles(96, 32)));
        assert_eq!((denoiser.tiles([150, 131]), denoiser.with_tiles(96, 32).tiles([150, 131])), (1, 9));
        let differences =
            whole.values.iter().zip(&tiled.values).map(|(one, other)| 255.0 * (one - other).abs());
        let (most, sum) =
            differences.fold((0.0_f32, 0.0), |(most, sum), one| (most.max(one), sum + one * one));
        let mean = (sum / whole.values.len() as f32).sqrt();
        assert!(most < 1.0 && mean < 0.1, "{most} and {mean} of 255");
    }
}
