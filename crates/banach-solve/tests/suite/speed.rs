//! The cost of a step beside the map. Ignored by default: it prints times and asserts nothing.
//!
//! `cargo test -p banach-solve --config profile.dev.package.banach-solve.opt-level=3 -- --ignored --nocapture`

use crate::{anderson, picard};
use banach_solve::{Budget, Map, Matrix, Settings, Tolerance, fixed_point};
use std::time::Instant;

const STEPS: usize = 40;

#[test]
#[ignore = "prints nanoseconds"]
#[expect(clippy::print_stdout, reason = "it is there to print")]
fn nanoseconds_of_a_step() {
    for (rows, width) in [(8, 64), (64, 256), (1, 3_000_000)] {
        // Eigenvalues from 0 to 0.999, so that no row ends before its budget does.
        let rates: Vec<f32> = (0..rows * width).map(|k| 0.999 * (k % width) as f32 / width as f32).collect();
        let map = |x: &Matrix<f32>| {
            Matrix::written(rows, width, |out| {
                for ((out, x), rate) in out.iter_mut().zip(x.as_slice()).zip(&rates) {
                    *out = x * rate + 1.0;
                }
            })
        };
        let x0 = Matrix::zeros(rows, width);
        let repeats = (1_000_000 / (rows * width)).clamp(1, 1000);
        let time = |run: &mut dyn FnMut() -> usize| {
            let times = (0..5).map(|_| {
                let start = Instant::now();
                let steps: usize = (0..repeats).map(|_| run()).sum();
                start.elapsed().as_nanos() as f64 / steps as f64
            });
            times.fold(f64::INFINITY, f64::min)
        };
        let alone = time(&mut || {
            let mut x = x0.clone();
            (0..STEPS).for_each(|_| x = map.apply(&x));
            STEPS
        });
        println!("{rows}x{width}: the map {alone:.0} ns");
        for settings in [picard(), anderson()] {
            let settings = settings.with_budget(Budget::steps(STEPS));
            let settings =
                settings.with_tolerance(Tolerance { absolute: 0.0, relative: 0.0, ..Tolerance::default() });
            let settings = Settings { patience: None, ..settings };
            let whole = time(&mut || fixed_point(&map, &x0, &settings).unwrap().statistics.evaluations);
            println!("{rows}x{width} {}: {:.0} ns a step beyond the map", settings.solver, whole - alone);
        }
    }
}
