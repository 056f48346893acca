//! The roofs of this machine: the rate of products in single precision, and the bandwidth of memory.

use crate::bench::journal::Journal;
use crate::error::Error;
use banach::program::{Builder, Machine, Operand, Packed, Target, Type, Workspace};
use rayon::prelude::*;

/// The rows and columns of the factors of a product: three matrices of a quarter of a megabyte, which fit into a
/// second-level cache.
const SIZE: usize = 256;
/// The products of a timed run.
const PRODUCTS: usize = 32;
/// The numbers that are copied: more than any cache holds.
const COPIED: usize = 1 << 25;
/// The numbers that a core copies at once.
const CHUNK: usize = 1 << 20;
const REPEATS: usize = 9;
const WARM_UP: usize = 2;

/// The greatest rates of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Roofs {
    /// Billions of operations a second, by one core and by all.
    pub(super) one_core: f64,
    pub(super) all_cores: f64,
    /// Billions of bytes a second, read and written, by all cores.
    pub(super) bandwidth: f64,
}

impl Roofs {
    /// Measures the roofs, and writes a line for each.
    pub(super) fn measured(journal: &mut Journal<'_>) -> Result<Self, Error> {
        let cores = rayon::current_num_threads();
        let mut rates = [0.0; 2];
        for (rate, cores) in rates.iter_mut().zip([1, cores]) {
            let mut products = (0..cores).map(|_| Product::new()).collect::<Result<Vec<_>, _>>()?;
            let timing =
                journal.median_ms(REPEATS, WARM_UP, || products.par_iter_mut().try_for_each(Product::run))?;
            let operations = (cores * PRODUCTS * 2 * SIZE * SIZE * SIZE) as f64;
            *rate = billions_a_second(operations, timing.ms);
            let setting = format!("roof product {SIZE}x{SIZE}x{SIZE} cores {cores}");
            let line = journal.measurement(&setting, None, timing, PRODUCTS as f64);
            journal.write(line.with(OPERATIONS, operations).with(RATE, *rate))?;
        }
        let (from, mut to) = (vec![1.0_f32; COPIED], vec![0.0_f32; COPIED]);
        let timing = journal.median_ms(REPEATS, WARM_UP, || {
            let chunks = to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK));
            chunks.for_each(|(to, from)| to.copy_from_slice(from));
            Ok(())
        })?;
        let bytes = (2 * COPIED * size_of::<f32>()) as f64;
        let bandwidth = billions_a_second(bytes, timing.ms);
        let line = journal.measurement(&format!("roof copy cores {cores}"), None, timing, 1.0);
        journal.write(line.with(BYTES, bytes).with("gbytes_a_second", bandwidth))?;
        Ok(Self { one_core: rates[0], all_cores: rates[1], bandwidth })
    }

    /// The greatest rate of work with so many operations for a byte from memory.
    pub(super) fn at(self, operations_per_byte: f64) -> f64 {
        self.all_cores.min(self.bandwidth * operations_per_byte)
    }
}

pub(super) const OPERATIONS: &str = "operations";
pub(super) const BYTES: &str = "bytes";
pub(super) const RATE: &str = "gflops";

/// Billions of things a second.
pub(super) fn billions_a_second(count: f64, ms: f64) -> f64 {
    count / ms / 1e6
}

/// A product of two matrices by the engine, on one core.
struct Product {
    machine: Machine<f32>,
    packed: Packed<f32>,
    workspace: Workspace<f32>,
    left: Vec<f32>,
    right: Vec<f32>,
    result: Vec<f32>,
}

impl Product {
    fn new() -> Result<Self, Error> {
        let failed = |reason: String| Error::Training(format!("a product of the roof: {reason}"));
        let mut builder = Builder::new();
        let factors = [(); 2].map(|()| builder.input(Type::f32([SIZE, SIZE])));
        let product = builder.matmul(factors[0], factors[1]);
        let machine = Machine::new(&builder.finish(vec![product]), &[1]);
        let machine = machine.map_err(|error| failed(error.to_string()))?;
        let workspace = machine.workspace().map_err(|error| failed(error.to_string()))?;
        let numbers = |step: usize| -> Vec<f32> {
            (0..SIZE * SIZE).map(|at| ((at * step) % 17) as f32 / 17.0 - 0.5).collect()
        };
        let (left, right) = (numbers(5), numbers(7));
        let operands = [Operand::Real(&left), Operand::Real(&right)];
        let packed = machine.pack(&operands, &Packed::nothing(), |_| true);
        Ok(Self { machine, packed, workspace, left, right, result: vec![0.0; SIZE * SIZE] })
    }

    fn run(&mut self) -> Result<(), Error> {
        let operands = [Operand::Real(&self.left), Operand::Real(&self.right)];
        for _ in 0..PRODUCTS {
            let mut target = [Target::Real(&mut self.result)];
            let done = self.machine.run(&mut self.workspace, &self.packed, &operands, &mut target);
            done.map_err(|error| Error::Training(error.to_string()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_of_the_roof_is_a_product() {
        let mut product = Product::new().unwrap();
        product.run().unwrap();
        let (row, column) = (3, 200);
        let expected: f64 = (0..SIZE)
            .map(|k| f64::from(product.left[row * SIZE + k]) * f64::from(product.right[k * SIZE + column]))
            .sum();
        assert!((f64::from(product.result[row * SIZE + column]) - expected).abs() < 1e-4);
    }

    #[test]
    fn the_roof_rises_with_the_operations_of_a_byte_up_to_the_rate_of_products() {
        let roofs = Roofs { one_core: 100.0, all_cores: 200.0, bandwidth: 20.0 };
        assert_eq!([0.5, 5.0, 10.0, 1000.0].map(|work| roofs.at(work)), [10.0, 100.0, 200.0, 200.0]);
    }
}
