//! Substitution of rows without a finite derivative, written into the programs of a fixed point's derivatives.
//!
//! The choice of rows is a primitive of `(x̂, q..)` beside the fixed point: a row is left out if `g(x̂)` or its pullback is not
//! finite. The derivative is taken at a point in which a sound row replaces every row that is left out, and the tangents and
//! cotangents of such rows are zero. So the derivatives of all orders are those of the other rows.

use crate::calculus::row_choice::{SoundRows, erased};
use crate::settings::configuration::FixedPointConfig;
use crate::settings::journal::Journal;
use crate::settings::lock::locked;
use banach_program::{Builder, Program, Var};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

thread_local! {
    static LEAVING_OUT: Cell<bool> = const { Cell::new(false) };
}

/// Runs a trace in which every fixed point is written with the choice of its rows.
pub(crate) fn leaving_out_rows<T>(trace: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            LEAVING_OUT.set(self.0);
        }
    }
    let _reset = Reset(LEAVING_OUT.replace(true));
    trace()
}

/// Returns whether this thread runs such a trace.
pub(crate) fn leaves_out_rows() -> bool {
    LEAVING_OUT.get()
}

/// Solves inside programs, of all threads, that left a row without a finite residual.
static FAILED_SOLVES: AtomicUsize = AtomicUsize::new(0);

/// Returns how many solves inside programs have left a row without a finite residual.
pub(crate) fn failed_solves() -> usize {
    FAILED_SOLVES.load(Ordering::Relaxed)
}

/// Counts a solve inside a program that left a row without a finite residual.
pub(crate) fn count_failed_solve() {
    FAILED_SOLVES.fetch_add(1, Ordering::Relaxed);
}

/// The substitutions of a fixed point, one for every choice of inputs to differentiate by, created when first needed.
#[derive(Debug, Default)]
pub(crate) struct Substitutions(Mutex<Vec<(Vec<usize>, Arc<Substitution>)>>);

impl Substitutions {
    /// Returns the substitution for derivatives by the inputs of `(x̂, q..)` at these positions.
    pub(crate) fn of(
        &self,
        positions: &[usize],
        new: impl FnOnce(&[usize]) -> Substitution,
    ) -> Arc<Substitution> {
        let mut known = locked(&self.0);
        let found = known.iter().find(|(kept, _)| kept == positions).map(|(_, found)| Arc::clone(found));
        found.unwrap_or_else(|| {
            let found = Arc::new(new(positions));
            known.push((positions.to_vec(), Arc::clone(&found)));
            found
        })
    }
}

/// A closure that writes the results of a program of `(x̂, q..)` and the choice of rows.
type Body<'a> = dyn Fn(&mut Builder, &[Var], Var) -> Vec<Var> + 'a;

/// The programs of `(x̂, q..)` from which a derivative is written.
#[derive(Debug)]
pub(crate) struct Substitution {
    /// g at the point in which sound rows replace those left out.
    pub(crate) g: Program,
    /// The coefficients of J at that point.
    pub(crate) coefficients: Program,
    /// x̂ with zeros in the rows left out.
    pub(crate) kept: Program,
}

impl Substitution {
    pub(crate) fn new(
        (g, coefficients): (&Program, &Program),
        positions: &[usize],
        config: &FixedPointConfig,
        journal: &Arc<Journal>,
    ) -> Self {
        let rows = SoundRows::new(g, positions, config, journal);
        let written = |body: &Body<'_>| {
            let mut builder = Builder::new();
            let point: Vec<Var> = g.input_types().map(|ty| builder.input(ty.clone())).collect();
            let choice = rows.write_choice(&mut builder, &point);
            let results = body(&mut builder, &point, choice);
            builder.finish(results)
        };
        let at_sound_rows = |program: &Program| {
            written(&|builder, point, choice| {
                let inputs = rows.substituted(builder, point, (&rows.per_row, choice));
                builder.inline(program, &inputs)
            })
        };
        Substitution {
            g: at_sound_rows(g),
            coefficients: at_sound_rows(coefficients),
            kept: written(&|builder, point, choice| vec![erased(builder, point[0], choice)]),
        }
    }
}
