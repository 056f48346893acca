//! Maps on batches of rows, optionally with an energy and a derivative.

/// A function from `[rows, n]` to `[rows, n]`.
///
/// Every closure `Fn(&R) -> R` is a map. Row `i` of the image must depend on row `i` of the argument alone,
/// so that each row converges, fails and stops on its own. A map that couples rows is a single problem and
/// must be given as one row. A closure cannot be [`narrowed`](Self::narrowed); other maps may support it.
///
/// For [`solve_linear`](crate::solve_linear) the map must be linear.
pub trait Map<R> {
    /// Returns the image of `x`.
    fn apply(&self, x: &R) -> R;

    /// Returns the energy `f(x)` of every row if the map is a gradient step `g(x) = x - γ ∇f(x)` with `γ > 0`,
    /// else `None`, the default.
    ///
    /// Must be `Some` for every `x` or for none. Solvers then measure progress by the energy as well, and
    /// refuse extrapolated steps that raise it.
    fn energy(&self, x: &R) -> Option<Vec<f64>> {
        let _ = x;
        None
    }

    /// Returns [`apply`](Self::apply) and [`energy`](Self::energy), for maps that compute both in one pass.
    fn image_and_energy(&self, x: &R) -> (R, Option<Vec<f64>>) {
        (self.apply(x), self.energy(x))
    }

    /// Returns the restriction of the map to these rows of its batch, in increasing order: a map on
    /// `[rows.len(), n]` whose image equals these rows of [`apply`](Self::apply). `None`, the default, if the
    /// map has no restriction.
    ///
    /// Solvers restrict the map when rows have ended, to spend no work on them. They always call this method
    /// on the original map, with rows of the whole batch.
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

/// A map with a derivative.
///
/// [`fixed_point_smooth`](crate::fixed_point_smooth) solves `x = g(x)` for it by any solver,
/// [`Newton`](crate::Newton) included.
pub trait Smooth<R>: Map<R> {
    /// Returns the derivative at `x`: the linear map `t -> J(x) t`, symmetric if the map has an
    /// [`energy`](Map::energy).
    fn derivative<'a>(&'a self, x: &R) -> Box<dyn Map<R> + 'a>;

    /// As [`narrowed`](Map::narrowed), with derivative and energy. `None` by default.
    fn narrowed_smooth<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Smooth<R> + 'a>> {
        let _ = rows;
        None
    }
}

/// A reference to a map, unsized perhaps, as a sized map. Solvers take `&dyn Map`, so that one copy of their code
/// serves all maps.
pub(crate) struct MapReference<'m, M: ?Sized> {
    map: &'m M,
    /// Whether the map is narrowed where it can be. A smooth map is narrowed with its derivative in any case.
    narrows: bool,
}

impl<'m, M: ?Sized> MapReference<'m, M> {
    /// The map, narrowed where it can be.
    pub(crate) fn new(map: &'m M) -> Self {
        Self { map, narrows: true }
    }

    /// The map of the whole batch, which is narrowed only where it is smooth.
    pub(crate) fn whole(map: &'m M) -> Self {
        Self { map, narrows: false }
    }
}

impl<R, M: Map<R> + ?Sized> Map<R> for MapReference<'_, M> {
    fn apply(&self, x: &R) -> R {
        self.map.apply(x)
    }

    fn energy(&self, x: &R) -> Option<Vec<f64>> {
        self.map.energy(x)
    }

    fn image_and_energy(&self, x: &R) -> (R, Option<Vec<f64>>) {
        self.map.image_and_energy(x)
    }

    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<R> + 'a>> {
        if self.narrows { self.map.narrowed(rows) } else { None }
    }
}

impl<R, M: Smooth<R> + ?Sized> Smooth<R> for MapReference<'_, M> {
    fn derivative<'a>(&'a self, x: &R) -> Box<dyn Map<R> + 'a> {
        self.map.derivative(x)
    }

    fn narrowed_smooth<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Smooth<R> + 'a>> {
        self.map.narrowed_smooth(rows)
    }
}
