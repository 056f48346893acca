//! What is iterated?

/// A function from rows to rows of the same shape, `[rows, n]`.
///
/// Every closure `Fn(&R) -> R` is a map. Row `i` of the image must depend on row `i` of the argument alone: that is what
/// lets every row converge, fail and stop for itself. A map that couples rows is one problem, hence one row.
///
/// For [`solve_linear`](crate::solve_linear) the map must also be linear.
pub trait Map<R> {
    /// The image of `x`.
    fn apply(&self, x: &R) -> R;
}

impl<R, F> Map<R> for F
where
    F: Fn(&R) -> R + ?Sized,
{
    fn apply(&self, x: &R) -> R {
        self(x)
    }
}
