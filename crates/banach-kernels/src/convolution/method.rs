//! The algorithms of convolutions, and the choice between them by shape.

use super::geometry::Convolution;
use std::fmt;

/// The algorithm of a convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConvolutionMethod {
    /// The faster of the two others for the shape. [Suitable](Convolution::is_for_winograd) convolutions are
    /// computed by Winograd's method from 16 channels on each side and 12 pixels along each axis on, or 32
    /// channels and 4 pixels; weight gradients from 8 channels, 6 pixels and 144 pixels in all images on. The
    /// example `methods` measures these thresholds.
    #[default]
    Auto,
    /// The definition: one product for every tap and the pixel under it. A pixel outside the image
    /// contributes no product, even with a weight that is infinite or NaN.
    Direct,
    /// Winograd's method, with 36 products instead of 144 in tiles of 4 by 4 pixels, or 16 instead of 36 in tiles
    /// of 2 by 2 where that is faster, for [suitable](Convolution::is_for_winograd) convolutions; all others are
    /// computed directly.
    ///
    /// A pixel that is infinite or NaN makes all pixels of its tiles NaN; such a weight makes every pixel NaN.
    /// In a weight gradient, either makes all nine weights of its channel NaN.
    ///
    /// Its rounding errors differ: the error bound, relative to the largest neighbouring pixels, is 84 times that
    /// of the direct method with tiles of 4 by 4, 7 times with tiles of 2 by 2, and 9 times in weight gradients.
    /// For pixels of similar size, root mean square errors are at most 2.5 times, 1 and 2 times as large. The
    /// example `rounding` prints the errors of both methods, the example `rates` their speed.
    Winograd,
}

impl ConvolutionMethod {
    /// Returns the method by which a convolution and its transpose are computed, [`Direct`](Self::Direct) or
    /// [`Winograd`](Self::Winograd).
    pub fn of_images(self, convolution: &Convolution) -> Self {
        let fewest = |channels: usize, pixels: usize| {
            convolution.channels.iter().all(|count| *count >= channels)
                && convolution.output().iter().all(|count| *count >= pixels)
        };
        self.chosen(convolution, fewest(32, 4) || fewest(16, 12))
    }

    /// Returns the method by which the weight gradient of a convolution of some images is computed,
    /// [`Direct`](Self::Direct) or [`Winograd`](Self::Winograd).
    pub fn of_weights(self, convolution: &Convolution, images: usize) -> Self {
        let [height, width] = convolution.output();
        let channels = convolution.channels.iter().all(|count| *count >= 8);
        self.chosen(convolution, channels && height.min(width) >= 6 && images * height * width >= 144)
    }

    /// This method, with the faster one in place of [`Auto`](Self::Auto).
    fn chosen(self, convolution: &Convolution, winograd_is_faster: bool) -> Self {
        match self {
            Self::Winograd if convolution.is_for_winograd() => Self::Winograd,
            Self::Auto if winograd_is_faster && convolution.is_for_winograd() => Self::Winograd,
            Self::Auto | Self::Direct | Self::Winograd => Self::Direct,
        }
    }
}

impl fmt::Display for ConvolutionMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Direct => "direct",
            Self::Winograd => "winograd",
        })
    }
}
