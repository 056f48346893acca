//! The network inside the command. `models/README.md` says what it was trained on.

use crate::error::Error;
use crate::experiments::flow::{Estimator, Shape, decode};

/// The network, in half precision.
const DESCRIPTION: &[u8] = include_bytes!("../../models/flow/model.json");
const WEIGHTS: &[u8] = include_bytes!("../../models/flow/best.bpk");

/// The network, ready to estimate flow.
pub(crate) fn network() -> Result<(Shape, Estimator), Error> {
    decode(DESCRIPTION, WEIGHTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::chairs::Chairs;
    use crate::dataset::flow_field::FlowField;
    use crate::dataset::textures;
    use crate::experiments::flow::Errors;

    #[test]
    fn the_shipped_network_is_small_and_finds_motion() {
        assert!(WEIGHTS.len() < 1_000_000, "{} bytes", WEIGHTS.len());
        let (_, estimator) = network().unwrap();
        let size = [192, 128];
        let chairs = Chairs::new(textures::load(None, size).unwrap().kept, size, 7);
        let (mut errors, mut motion) = (0.0, 0.0);
        for number in 0..6 {
            let pair = chairs.draw(number);
            let (estimate, _) = estimator.estimate(&pair.first, &pair.second);
            let still = FlowField::from_vectors(size, |_, _| Some([0.0; 2]));
            errors += Errors::of(estimate.flow(), &pair.flow).mean().unwrap();
            motion += Errors::of(&still, &pair.flow).mean().unwrap();
        }
        assert!(errors < 0.9 * motion, "{errors} of {motion}");
    }
}
