//! Sums over the columns of a row, by blocks of units.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// Units of a block: enough to hide memory, few enough for the shared memory of every device.
pub(super) const UNITS: usize = 128;
/// Groups of units that are added up first, because waiting for the block costs more than a few sums.
const GROUPS: usize = 8;
/// Columns that a block takes at least.
const COLUMNS: usize = 4096;
/// Most blocks of a row: one unit adds up what they found.
const BLOCKS: usize = 64;

/// The number of blocks that share a row of this width.
pub(super) fn blocks(width: usize) -> usize {
    width.div_ceil(COLUMNS).clamp(1, BLOCKS)
}

/// Adds up what every unit of the block has found, and writes it behind the results of the blocks before.
#[cube]
pub(super) fn write_sums(sums: &Array<f32>, results: &mut Tensor<f32>, #[comptime] count: usize) {
    let unit = UNIT_POS_X as usize;
    let mut shared = Shared::<[f32]>::new_slice(UNITS * count);
    for k in 0..count {
        shared[unit * count + k] = sums[k];
    }
    sync_cube();
    let mut grouped = Shared::<[f32]>::new_slice(GROUPS * count);
    let mut number = UNIT_POS_X as usize;
    while number < GROUPS * count {
        let first = number / count * (UNITS / GROUPS) * count + number % count;
        let mut sum = 0.0f32;
        for member in 0..UNITS / GROUPS {
            sum += shared[first + member * count];
        }
        grouped[number] = sum;
        number += UNITS;
    }
    sync_cube();
    let block = (CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X) as usize;
    if unit < count {
        let mut sum = 0.0f32;
        for group in 0..GROUPS {
            sum += grouped[group * count + unit];
        }
        results[block * count + unit] = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_rows_have_one_block_and_long_ones_a_bounded_number() {
        assert_eq!([1, COLUMNS, COLUMNS + 1, usize::MAX].map(blocks), [1, 1, 2, BLOCKS]);
    }
}
