//! Conversions of each solver into the enumeration of its kind.

use crate::{
    Anderson, Auto, Bicgstab, Broyden, ConjugateGradient, Dense, FixedPointSolver, Gmres, LinearSolver,
    Neumann, Newton, Picard, Squarem, Truncated,
};

macro_rules! conversions {
    ($kind:ident: $($solver:ident)*) => {
        $(impl From<$solver> for $kind {
            fn from(solver: $solver) -> Self {
                Self::$solver(solver)
            }
        })*
    };
}

conversions!(FixedPointSolver: Picard Anderson Broyden Squarem Auto Newton);
conversions!(LinearSolver: Neumann Gmres Bicgstab ConjugateGradient Dense Anderson Broyden Truncated);
