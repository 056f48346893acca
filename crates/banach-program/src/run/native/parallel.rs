//! Parallel sections, and what one costs on this machine, measured once.

use banach_kernels::{Level, Panels, StridedMatrix, product};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// Returns the floating-point operations of products in single precision above which all cores finish sooner than
/// one. A section pays if its time on one core exceeds that on all cores and the time of waking them, which is
/// measured at the first call, in about four milliseconds; no result depends on it.
pub fn parallel_operations() -> u64 {
    static OPERATIONS: OnceLock<u64> = OnceLock::new();
    *OPERATIONS.get_or_init(|| {
        let cores = rayon::current_num_threads();
        if cores < 2 {
            return u64::MAX;
        }
        let (gain, products) = (1.0 - 1.0 / cores as f64, Products::new());
        (section_seconds(cores, &products) / gain * products.operations_a_second()) as u64
    })
}

/// Returns what `run` makes of every item, on the calling thread and on the other cores. Each takes neighbouring items, the same in
/// every section of as many, and then the last ones of those that are still busy.
///
/// The caller takes part because the workers of a pool that wake one another often stay on one core: they yield to each other
/// while they wait, and the scheduler sees no reason to move one to the core that the caller has left.
pub fn on_all_cores<I: Send, R: Send>(
    items: impl IntoIterator<Item = I>,
    run: impl Fn(I) -> R + Sync,
) -> Vec<R> {
    let items: Vec<I> = items.into_iter().collect();
    let shares = items.len().min(rayon::current_num_threads());
    if shares < 2 {
        return items.into_iter().map(run).collect();
    }
    let (results, share) = (Mutex::new(Vec::with_capacity(items.len())), items.len().div_ceil(shares));
    let mut items = items.into_iter().enumerate();
    let share = |_| Mutex::new(items.by_ref().take(share).collect::<Vec<_>>().into_iter());
    let shares: Vec<_> = (0..shares).map(share).collect();
    let next = |own: usize| {
        let others = || shares.iter().find_map(|share| held(share).next_back());
        let first = held(&shares[own]).next();
        first.or_else(others)
    };
    let work = |own: usize| {
        while let Some((at, item)) = next(own) {
            let result = run(item);
            held(&results).push((at, result));
        }
    };
    rayon::in_place_scope(|scope| {
        for own in 1..shares.len() {
            let work = &work;
            scope.spawn(move |_| work(own));
        }
        work(0);
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// What a lock guards, also after a panic of another thread, which the scope passes on.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether operations on elements of `T` are worth a parallel section.
pub(super) fn pays<T>(operations: usize) -> bool {
    (operations * size_of::<T>() / size_of::<f32>()) as u64 >= parallel_operations()
}

/// Operations of a product that take as long as moving a number into another layout.
pub(super) const MOVED: usize = 100;
/// Measurements of each time, of which the median counts.
const TRIES: usize = 9;
/// Seconds of work for each core of a section that is measured.
const SHARE: f64 = 1e-4;
/// Seconds after which idle workers sleep.
const IDLE: f64 = 1e-4;
/// The least and the most seconds of a section: a busy machine is no reason to forgo its cores.
const SECONDS: (f64, f64) = (2e-6, 1e-4);

/// What a section costs, whose workers sleep at its start, beside its work: each core computes for [`SHARE`] seconds, because
/// of a shorter section one core would do everything before the others are awake.
fn section_seconds(cores: usize, products: &Products) -> f64 {
    let count = (SHARE / products.seconds).ceil() as usize;
    let alone = median(|| seconds(|| products.run(count)));
    let together = median(|| {
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < IDLE {
            std::hint::spin_loop();
        }
        seconds(|| drop(on_all_cores(0..cores, |_| products.run(count))))
    });
    (together - alone).clamp(SECONDS.0, SECONDS.1)
}

/// Small products on one core, and the seconds of one.
struct Products {
    a: Vec<f32>,
    b: Panels<f32>,
    seconds: f64,
}

impl Products {
    const SIZE: usize = 64;
    const OPERATIONS: usize = 2 * Self::SIZE * Self::SIZE * Self::SIZE;

    fn new() -> Self {
        let a = vec![1.0_f32; Self::SIZE * Self::SIZE];
        let b = Panels::pack(Level::best(), StridedMatrix::new(&a, Self::SIZE, Self::SIZE));
        let mut products = Self { a, b, seconds: 0.0 };
        products.seconds = median(|| seconds(|| products.run(1))).max(1e-7);
        products
    }

    fn run(&self, count: usize) {
        let (a, mut c) = (StridedMatrix::new(&self.a, Self::SIZE, Self::SIZE), vec![0.0; self.a.len()]);
        (0..count).for_each(|_| product(a, &self.b, &mut c, Self::SIZE, false));
    }

    fn operations_a_second(&self) -> f64 {
        Self::OPERATIONS as f64 / self.seconds
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::Barrier;
    use std::thread::current;

    #[test]
    fn results_stand_in_the_order_of_their_items_whoever_makes_them() {
        for count in [0, 1, 2, 3, 7, 1000] {
            let squares = on_all_cores(0..count, |number| {
                // Later items are ready first.
                (0..1000 - number).for_each(|_| std::hint::spin_loop());
                number * number
            });
            assert_eq!(squares, (0..count).map(|number| number * number).collect::<Vec<_>>());
        }
        let mut numbers = vec![1; 100];
        on_all_cores(numbers.chunks_mut(7).enumerate(), |(at, part)| part.fill(at));
        assert_eq!(numbers, (0..100).map(|at| at / 7).collect::<Vec<_>>());
    }

    #[test]
    fn the_caller_takes_part_and_sections_lie_within_sections() {
        let cores = rayon::current_num_threads();
        let barrier = Barrier::new(cores);
        let threads: HashSet<_> = on_all_cores(0..cores, |_| {
            barrier.wait();
            current().id()
        })
        .into_iter()
        .collect();
        assert!(threads.contains(&current().id()) && threads.len() == cores);
        let sums =
            on_all_cores(0..4, |at| on_all_cores(0..100, |number| at * number).into_iter().sum::<usize>());
        assert_eq!(sums, [0, 4950, 9900, 14_850]);
        let inside = rayon::scope(|_| on_all_cores(0..50, |number| number + 1));
        assert_eq!(inside, (1..=50).collect::<Vec<_>>());
    }

    #[test]
    fn a_panic_of_any_share_reaches_the_caller() {
        for bad in [0, 99] {
            let section = || on_all_cores(0..100, |number| assert_ne!(number, bad, "found the bad one"));
            assert!(std::panic::catch_unwind(section).is_err());
        }
        assert_eq!(on_all_cores(0..3, |number| number), [0, 1, 2]);
    }

    #[test]
    fn what_a_section_costs_is_within_its_bounds() {
        let (cores, operations) = (rayon::current_num_threads(), parallel_operations());
        assert_eq!(operations == u64::MAX, cores < 2);
        assert_eq!(operations, parallel_operations());
        assert!(operations > 1000, "{operations}");
    }
}
