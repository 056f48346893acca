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
    for soon in [5, 10, 20, 40] {
        all.push((
            format!("auto{soon}"),
            Settings::new(FixedPointSolver::Auto(Auto { soon, ..Auto::default() })),
        ));
    }
    for (name, window) in [("and1", 1), ("and2", 2)] {
        all.push((
            name.into(),
            Settings::new(FixedPointSolver::Anderson(Anderson { window, ..Anderson::default() })),
        ));
    }
    for (name, q) in [
        ("sq", Squarem::default()),
        ("sq1", Squarem { growth: 1.0, ..Squarem::default() }),
        ("sq r1", Squarem { reach: 1.0, ..Squarem::default() }),
        ("sq 1e9", Squarem { reach: 1e9, ..Squarem::default() }),
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
    let (map, x0) =
        (|x: &Tensor<2>| x.clone() * crate::tensor(3, &[0.01, 0.9, 1.5]) + 1.0, crate::tensor(3, &[0.0; 3]));
    let s = Settings::new(FixedPointSolver::Auto(Auto::default()));
    println!("{}", fixed_point(&map, &x0, &tight(s)).unwrap().explain());
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

#[test]
fn probe_newton() {
    use crate::energy::{Differences, Hinges, Quadratic};
    let mut all: Vec<(String, Newton)> = vec![("root".into(), Newton::default())];
    for (gamma, alpha) in [(0.9, 2.0), (1.0, 2.0), (0.9, 1.618), (0.5, 1.5)] {
        all.push((
            format!("{gamma} {alpha}"),
            Newton { forcing: Forcing::EisenstatWalker { gamma, alpha }, ..Newton::default() },
        ));
    }
    all.push(("dense".into(), Newton { inner: NewtonInner::Dense { limit: 200 }, ..Newton::default() }));
    for (name, _) in &all {
        print!("{name:>16}");
    }
    println!();
    let show = |solution: &Solution<Tensor<2>>| {
        let bad = solution.outcomes.iter().find(|o| !o.is_converged());
        let s = &solution.statistics;
        print!(
            "{:>16}",
            format!(
                "{}+{}{}",
                s.evaluations,
                s.derivative_applications,
                bad.map_or(String::new(), |b| format!(" {:.5}", b.to_string()))
            )
        );
    };
    for problem in banach_zoo::all() {
        let (map, x0) = posed(&problem);
        print!("{:16}", problem.name);
        let map = Differences(map);
        for (_, n) in &all {
            let s = tight(Settings::new(FixedPointSolver::Newton(*n))).with_budget(Budget::steps(400));
            show(&fixed_point_smooth(&map, &x0, &s).unwrap());
        }
        println!();
    }
    print!("quadratic");
    for (_, n) in &all {
        show(
            &fixed_point_smooth(
                &Quadratic::new(2, 30),
                &crate::tensor(2, &[0.0; 60]),
                &Settings::new(FixedPointSolver::Newton(*n)).with_tolerance(Tolerance::both(1e-12)),
            )
            .unwrap(),
        );
    }
    println!();
    print!("hinges");
    for (_, n) in &all {
        let x0 = crate::tensor(4, &(0..80).map(crate::energy::scattered).collect::<Vec<_>>());
        show(
            &fixed_point_smooth(
                &Hinges::new(4),
                &x0,
                &Settings::new(FixedPointSolver::Newton(*n)).with_tolerance(Tolerance::both(1e-8)),
            )
            .unwrap(),
        );
    }
    println!();
}
