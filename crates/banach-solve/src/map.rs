//! Maps, and maps with an energy or a derivative.

/// A function from rows to rows of the same shape, `[rows, n]`.
///
/// Every closure `Fn(&R) -> R` is a map. Row `i` of the image must depend on row `i` of the argument alone: that is what
/// lets every row converge, fail and stop for itself. A map that couples rows is one problem, hence one row.
/// A closure cannot be [`narrowed`](Self::narrowed); a map with parameters for every row may be.
///
/// For [`solve_linear`](crate::solve_linear) the map must also be linear.
pub trait Map<R> {
    /// The image of `x`.
    fn apply(&self, x: &R) -> R;

    /// Where the map is a gradient step `g(x) = x - γ ∇f(x)` with `γ > 0`: `f` of every row. None where it is not, as by default.
    ///
    /// The answer is some for every `x` or for none. Solvers then judge progress by `f` as well, and take no accelerated step that
    /// raises it.
    fn energy(&self, x: &R) -> Option<Vec<f64>> {
        let _ = x;
        None
    }

    /// [`apply`](Self::apply) and [`energy`](Self::energy) at once, for maps that compute both in one pass.
    fn image_and_energy(&self, x: &R) -> (R, Option<Vec<f64>>) {
        (self.apply(x), self.energy(x))
    }

    /// The same map on these rows of its batch alone, in increasing order: what it makes of `[rows.len(), n]` are
    /// those rows of what [`apply`](Self::apply) makes of the whole. None if it cannot.
    ///
    /// Solvers ask for it when rows have ended, so that the others need not wait for them. They always ask the map
    /// they were given, about rows of the whole batch, never a map that is narrowed already.
    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<R> + 'a>> {
        let _ = rows;
        None
    }
}

impl<R, F> Map<R> for F
where
    F: Fn(&R) -> R + ?Sized,
{
    fn apply(&self, x: &R) -> R {
        self(x)
    }
}

/// A map that knows its derivative.
///
/// [`fixed_point_smooth`](crate::fixed_point_smooth) solves `x = g(x)` for it, with [`Newton`](crate::Newton) if the
/// settings say so.
pub trait Smooth<R>: Map<R> {
    /// The derivative at `x`: the linear map `t -> J(x) t`, symmetric where the map has an [`energy`](Map::energy).
    fn derivative<'a>(&'a self, x: &R) -> Box<dyn Map<R> + 'a>;

    /// As [`narrowed`](Map::narrowed), with derivative and energy. None if it cannot, as by default.
    fn narrowed_smooth<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Smooth<R> + 'a>> {
        let _ = rows;
        None
    }
}
