//! A loop compiled in one precision, with its operands, on batch slices.

use crate::engine::batch_slice::BatchSlice;
use crate::engine::compiled_map::CompiledMap;
use crate::engine::failure::Failure;
use crate::engine::number::Number;
use crate::engine::operands::{BoundMap, Elements, Operands};
use crate::engine::origin::{Origin, computed};
use crate::engine::programs::LoopPrograms;
use crate::error::Error;
use crate::tracing::cache::Bytes;
use banach_program::{ConvolutionMethod, Host, Machine, Operand, Packed, Target, Type, Unsuitable};
use banach_solve::{Map, Matrix, Rows as _, Smooth};
use std::sync::Arc;

/// A compiled prologue and map; for Newton's method, also the Jacobian of the map.
#[derive(Debug)]
pub(crate) struct CompiledLoop<T> {
    prologue: Option<Machine<T>>,
    /// The types of what the prologue computes.
    computed: Vec<Type>,
    /// The origins of the operands that follow x in the map.
    origins: Vec<Origin>,
    map: CompiledMap<T>,
    jacobian: Option<CompiledJacobian<T>>,
}

/// The compiled Jacobian of a map.
#[derive(Debug)]
struct CompiledJacobian<T> {
    /// The coefficients that depend on x, with the operands of the map.
    coefficients: CompiledMap<T>,
    /// The origins of all coefficients among the inputs and the results of `coefficients`.
    origins: Vec<Origin>,
    /// `(t, coefficients..) -> J t`.
    product: CompiledMap<T>,
}

impl<T: Number> Bytes for CompiledLoop<T> {
    fn bytes(&self) -> usize {
        let jacobian = self.jacobian.as_ref().map_or(0, |j| j.coefficients.bytes() + j.product.bytes());
        self.prologue.bytes() + self.map.bytes() + jacobian
    }
}

impl<T: Number> CompiledLoop<T> {
    pub(crate) fn new(programs: &LoopPrograms, method: ConvolutionMethod) -> Result<Self, Unsuitable> {
        let (origins, prologue) = computed(&programs.prologue);
        let types: Vec<Type> = prologue.output_types().cloned().collect();
        let prologue = match types.is_empty() {
            true => None,
            false => Some(Machine::new(&prologue, &[])?.spread().convolving(method)),
        };
        let compiled = |program: &_| CompiledMap::new(Clone::clone(program), method);
        let jacobian = programs.jacobian.as_ref().map(|jacobian| {
            let (origins, coefficients) = computed(&jacobian.coefficients);
            let (coefficients, product) = (compiled(&coefficients)?, compiled(&jacobian.product)?);
            Ok::<_, Unsuitable>(CompiledJacobian { coefficients, origins, product })
        });
        Ok(CompiledLoop {
            prologue,
            computed: types,
            origins,
            map: compiled(&programs.map)?,
            jacobian: jacobian.transpose()?,
        })
    }

    /// Returns whether Newton's method solves the loop.
    pub(crate) fn has_jacobian(&self) -> bool {
        self.jacobian.is_some()
    }

    /// Counts the operations of one step on the whole batch, with one application of J for Newton's method.
    pub(crate) fn operations(&self) -> u64 {
        self.map.operations() + self.jacobian.as_ref().map_or(0, |jacobian| jacobian.product.operations())
    }

    /// Returns whether the rows can be solved in several batch slices.
    pub(crate) fn is_separable(&self) -> bool {
        let jacobian = self.jacobian.iter().flat_map(|jacobian| [&jacobian.coefficients, &jacobian.product]);
        std::iter::once(&self.map).chain(jacobian).all(CompiledMap::is_separable)
    }

    /// Runs the prologue on inputs, and packs what batch slices of a number of rows share.
    pub(crate) fn bind<'a>(&'a self, inputs: &'a [Host<T>], slice: usize) -> Result<BoundLoop<'a, T>, Error> {
        let inputs: Vec<Operand<'a, T>> = inputs.iter().map(Host::operand).collect();
        let mut computed: Vec<Elements<T>> = self.computed.iter().map(Elements::zeros).collect();
        if let Some(prologue) = &self.prologue {
            let mut targets: Vec<Target<'_, T>> = computed.iter_mut().map(Elements::target).collect();
            let packed = prologue.pack(&inputs, &Packed::nothing(), |_| true);
            let mut workspace = prologue.workspace()?;
            prologue.run(&mut workspace, &packed, &inputs, &mut targets)?;
            prologue.keep(workspace);
        }
        let (origins, failure) = (self.origins.clone(), Failure::default());
        let operands = Arc::new(Operands { origins, inputs, computed, failure });
        let bound = |map: &'a CompiledMap<T>| BoundMap::new(map, &operands, slice);
        let jacobian = self.jacobian.as_ref().map(|jacobian| BoundJacobian {
            compiled: jacobian,
            coefficients: bound(&jacobian.coefficients),
            packed: Arc::new(jacobian.packed(&operands, slice)),
        });
        Ok(BoundLoop { separable: self.is_separable(), map: bound(&self.map), jacobian })
    }
}

impl<T: Number> CompiledJacobian<T> {
    /// Packs the coefficients that neither depend on x nor differ between rows.
    fn packed(&self, operands: &Operands<'_, T>, slice: usize) -> Packed<T> {
        let shared = |position: usize| match self.origins[position - 1] {
            Origin::Input(input) if input > 0 && !self.product.is_per_row(position) => Some(input),
            Origin::Input(_) | Origin::Computed(_) => None,
        };
        let operand = |position| shared(position).map_or(Operand::Real(&[]), |input| operands.get(input));
        let coefficients = (1..=self.origins.len()).map(operand);
        let inputs: Vec<Operand<'_, T>> = std::iter::once(Operand::Real(&[])).chain(coefficients).collect();
        let which = |position| position > 0 && shared(position).is_some();
        self.product.machine(slice).pack(&inputs, &Packed::nothing(), which)
    }
}

/// A compiled loop with its operands, for all rows.
#[derive(Debug)]
pub(crate) struct BoundLoop<'a, T> {
    separable: bool,
    map: BoundMap<'a, T>,
    jacobian: Option<BoundJacobian<'a, T>>,
}

/// A compiled Jacobian with its operands, for all rows.
#[derive(Debug)]
struct BoundJacobian<'a, T> {
    compiled: &'a CompiledJacobian<T>,
    coefficients: BoundMap<'a, T>,
    /// The packed coefficients that all batch slices share.
    packed: Arc<Packed<T>>,
}

impl<'a, T: Number> BoundLoop<'a, T> {
    /// Returns the first failure of any batch slice.
    pub(crate) fn failure(&self) -> &Failure {
        &self.map.operands.failure
    }

    /// Takes these rows in increasing order: all rows, if they are not separable.
    pub(crate) fn slice(&self, rows: &[usize]) -> Result<LoopSlice<'_, T>, Error> {
        let slice = |bound: &BoundMap<'a, T>| BatchSlice::new(bound.clone(), rows.to_vec());
        Ok(LoopSlice {
            bound: self,
            map: slice(&self.map)?,
            coefficients: self.jacobian.as_ref().map(|j| slice(&j.coefficients)).transpose()?,
        })
    }
}

/// A compiled loop on a batch slice.
#[derive(Debug)]
pub(crate) struct LoopSlice<'b, T: Number> {
    bound: &'b BoundLoop<'b, T>,
    map: BatchSlice<'b, T>,
    coefficients: Option<BatchSlice<'b, T>>,
}

impl<T: Number> LoopSlice<'_, T> {
    /// Keeps these rows of the slice. None if rows are not separable, or memory does not suffice: then the solve goes on
    /// with all rows.
    fn narrow(&self, rows: &[usize]) -> Option<LoopSlice<'_, T>> {
        if !self.bound.separable {
            return None;
        }
        let rows: Vec<usize> = rows.iter().map(|&row| self.map.rows()[row]).collect();
        self.bound.slice(&rows).ok()
    }
}

impl<T: Number> Map<Matrix<T>> for LoopSlice<'_, T> {
    fn apply(&self, x: &Matrix<T>) -> Matrix<T> {
        self.map.apply(x)
    }

    fn energy(&self, x: &Matrix<T>) -> Option<Vec<f64>> {
        self.map.energy(x)
    }

    fn image_and_energy(&self, x: &Matrix<T>) -> (Matrix<T>, Option<Vec<f64>>) {
        self.map.image_and_energy(x)
    }

    fn narrowed<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Map<Matrix<T>> + 'a>> {
        Some(Box::new(self.narrow(rows)?))
    }
}

impl<T: Number> Smooth<Matrix<T>> for LoopSlice<'_, T> {
    fn derivative<'a>(&'a self, x: &Matrix<T>) -> Box<dyn Map<Matrix<T>> + 'a> {
        let (Some(jacobian), Some(coefficients)) = (&self.bound.jacobian, &self.coefficients) else {
            panic!("bug: found a loop without a Jacobian, expected one for Newton's method");
        };
        let CompiledJacobian { origins, product, .. } = jacobian.compiled;
        let mut computed = coefficients.results(x);
        let state = computed.len();
        if origins.contains(&Origin::Input(0)) {
            computed.push(Elements::Real(x.as_slice().to_vec()));
        }
        let mut inputs = vec![];
        let origins = origins.iter().zip(1..).map(|(origin, position)| match *origin {
            Origin::Input(0) => Origin::Computed(state),
            Origin::Input(input) => {
                // An operand that all rows share may have as many rows as the batch.
                let shared = !product.is_per_row(position);
                let whole = &jacobian.coefficients.operands;
                inputs.push(if shared { whole.get(input) } else { coefficients.operand(input) });
                Origin::Input(inputs.len() - 1)
            }
            Origin::Computed(result) => Origin::Computed(result),
        });
        let (origins, failure) = (origins.collect(), self.bound.failure().clone());
        let operands = Arc::new(Operands { origins, inputs, computed, failure });
        let packed = Arc::clone(&jacobian.packed);
        let product = BoundMap { map: product, operands, packed, rows: x.rows() };
        let slice = BatchSlice::new(product, (0..x.rows()).collect());
        Box::new(slice.unwrap_or_else(|error| panic!("the derivative of a traced update: {error}")))
    }

    fn narrowed_smooth<'a>(&'a self, rows: &[usize]) -> Option<Box<dyn Smooth<Matrix<T>> + 'a>> {
        Some(Box::new(self.narrow(rows)?))
    }
}
