//! Conversions between integers of every width, held in 64 bits, and real numbers.

use burn::tensor::IntDType;

macro_rules! through {
    ($x:ident, $width:ident) => {
        match $width {
            IntDType::I64 | IntDType::U64 => $x as i64,
            IntDType::I32 => i64::from($x as i32),
            IntDType::I16 => i64::from($x as i16),
            IntDType::I8 => i64::from($x as i8),
            IntDType::U32 => i64::from($x as u32),
            IntDType::U16 => i64::from($x as u16),
            IntDType::U8 => i64::from($x as u8),
        }
    };
}

/// The integer of a width that a real number becomes: truncated, the nearest limit beyond the limits, 0 for
/// NaN.
pub(super) fn from_real(x: f64, width: IntDType) -> i64 {
    through!(x, width)
}

/// The integer of a width that an integer becomes: its last bits.
#[allow(clippy::unnecessary_cast, reason = "one of the widths is the integer's own")]
pub(super) fn narrowed(x: i64, width: IntDType) -> i64 {
    through!(x, width)
}
