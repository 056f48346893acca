//! Probe.
use crate::{anderson, picard, posed, tight};
use banach_solve::*;
use burn::tensor::Tensor;

#[test]
fn probe_table() {
    let mut all: Vec<(String, Settings)> = vec![("picard".into(), picard()), ("anderson".into(), anderson())];
    for (name, b) in [
        ("good", Broyden::default()),
        ("bad", Broyden { update: BroydenUpdate::Bad, ..Broyden::default() }),
        ("good+ls", Broyden { backtracks: 10, ..Broyden::default() }),
        ("m5", Broyden { memory: 5, ..Broyden::default() }),
        ("m50", Broyden { memory: 50, ..Broyden::default() }),
    ] {
        all.push((name.into(), Settings::new(FixedPointSolver::Broyden(b))));
    }
    for (name, q) in [
        ("sq", Squarem::default()),
        ("sq inf", Squarem { growth: 1e30, ..Squarem::default() }),
        ("sq 10", Squarem { growth: 10.0, ..Squarem::default() }),
        ("sq 1e9", Squarem { growth: 1.0, reach: 1e9 }),
    ] {
        all.push((name.into(), Settings::new(FixedPointSolver::Squarem(q))));
    }
    for (name, _) in &all {
        print!("{name:>12}");
    }
    println!();
    for problem in banach_zoo::all() {
        let (map, x0) = posed(&problem);
        print!("{:16}", problem.name);
        for (_, settings) in &all {
            let s = tight(settings.clone()).with_budget(Budget::steps(20_000));
            let solution = fixed_point(&map, &x0, &s).unwrap();
            let bad = solution.outcomes.iter().find(|o| !o.is_converged());
            print!(
                "{:>12}",
                match bad {
                    None => solution.statistics.evaluations.to_string(),
                    Some(o) => format!("{} {:.6}", solution.statistics.evaluations, o.to_string()),
                }
            );
        }
        println!();
    }
}

#[test]
fn probe_adjoint() {
    for name in ["affine", "descent", "affine_large", "cosine", "layer", "tanh"] {
        let p = crate::zoo(name);
        let (map, x0) = posed(&p);
        for update in [BroydenUpdate::Good, BroydenUpdate::Bad] {
            let (solution, memory) = fixed_point_remembered(
                &map,
                &x0,
                &Broyden { update, memory: 100, ..Broyden::default() },
                &anderson().with_tolerance(Tolerance::both(1e-13)),
                &mut Unobserved,
            )
            .unwrap();
            let c: Vec<f64> = memory.adjoint(&x0.ones_like()).into_data().iter::<f64>().collect();
            println!(
                "{name} {update:?} {} {:?} {c:.4?} {:.4?}",
                solution.statistics.evaluations, solution.outcomes, p.derivative
            );
        }
    }
    let _ = Tensor::<2>::zeros([1, 1], &burn::tensor::Device::flex());
}
