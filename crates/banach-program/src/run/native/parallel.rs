//! The cost of a parallel section on this machine, measured once.

use banach_kernels::{Level, Panels, StridedMatrix, product};
use rayon::prelude::*;
use std::sync::OnceLock;
use std::time::Instant;

/// Returns the floating-point operations of products in single precision above which all cores finish sooner than
/// one. A section pays if its time on one core exceeds that on all cores and the time of waking them, which is
/// measured at the first call, in about two milliseconds; no result depends on it.
pub fn parallel_operations() -> u64 {
    static OPERATIONS: OnceLock<u64> = OnceLock::new();
    *OPERATIONS.get_or_init(|| {
        let cores = rayon::current_num_threads();
        if cores < 2 {
            return u64::MAX;
        }
        let gain = 1.0 - 1.0 / cores as f64;
        (MARGIN * section_seconds(cores) / gain * operations_a_second()) as u64
    })
}

/// Returns whether operations on elements of `T` are worth a parallel section.
pub(super) fn pays<T>(operations: usize) -> bool {
    (operations * size_of::<T>() / size_of::<f32>()) as u64 >= parallel_operations()
}

/// Operations of a product that take as long as moving a number into another layout.
pub(super) const MOVED: usize = 100;
/// The factor by which a section must pay: its measured cost varies.
const MARGIN: f64 = 1.25;
/// Measurements of each time, of which the median counts.
const TRIES: usize = 9;
/// Seconds after which idle workers sleep.
const IDLE: f64 = 1e-4;
/// The least and the most seconds of a section: a busy machine is no reason to forgo its cores.
const SECONDS: (f64, f64) = (2e-6, 1e-4);

/// The time of a section without work, whose workers sleep at its start.
fn section_seconds(cores: usize) -> f64 {
    median(|| {
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < IDLE {
            std::hint::spin_loop();
        }
        seconds(|| (0..cores).into_par_iter().for_each(|_| {}))
    })
    .clamp(SECONDS.0, SECONDS.1)
}

/// The rate of products on one core.
fn operations_a_second() -> f64 {
    const SIZE: usize = 64;
    let (a, mut c) = (vec![1.0_f32; SIZE * SIZE], vec![0.0_f32; SIZE * SIZE]);
    let a = StridedMatrix::new(&a, SIZE, SIZE);
    let b = Panels::pack(Level::best(), a);
    let time = median(|| seconds(|| product(a, &b, &mut c, SIZE, false)));
    (2 * SIZE * SIZE * SIZE) as f64 / time.max(1e-7)
}

fn seconds(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64()
}

fn median(mut time: impl FnMut() -> f64) -> f64 {
    let mut times = [0.0; TRIES];
    times.fill_with(&mut time);
    times.sort_by(f64::total_cmp);
    times[TRIES / 2]
}
