//! The kernels as operations on tensors.

use super::differences::count;
use super::elimination::Elimination;
use super::sums::{UNITS, blocks};
use super::{differences as differences_kernel, elimination, mixture, sizes as sizes_kernel};
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::{DType, Shape, Tensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl::prelude::{CubeCount, CubeDim};
use burn_cubecl::cubecl::tensor_vector_size_parallel;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

/// The largest window whose sums fit in the memory that units of a block share on every device.
pub(crate) const LARGEST_WINDOW: usize = 12;

/// The most blocks along an axis that every device launches.
const MOST_BLOCKS: usize = 65_535;

/// Returns whether the kernels take these rows: in single precision, on a device that CubeCL compiles for, and not more than
/// one launch takes and 32 bits count.
pub(crate) fn fit(x: &Tensor<2>) -> bool {
    let [rows, width] = x.dims();
    let launches = rows <= MOST_BLOCKS && width <= MOST_BLOCKS * mixture::UNITS;
    let counts = rows * width <= u32::MAX as usize / LARGEST_WINDOW;
    launches && counts && x.dtype() == DType::F32 && is_compiled_for(x)
}

fn is_compiled_for(x: &Tensor<2>) -> bool {
    matches!(x.device().as_dispatch(), DispatchDevice::Cube(_))
}

/// Waits until a device that CubeCL compiles for has done what was asked of it. To read then is faster than to read what is not
/// yet computed, where a thread of CubeCL's looks again and again whether it is.
pub(crate) fn wait(x: &Tensor<2>) {
    if is_compiled_for(x) {
        x.device().sync().unwrap_or_else(|error| panic!("the device failed: {error}"));
    }
}

/// The differences of a window, and what belongs to them.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    /// `ΔF`, `[rows, window, n]`.
    pub(crate) differences: Tensor<3>,
    /// The changes of the targets, `[rows, window, n]`.
    pub(crate) targets: Tensor<3>,
}

/// A point, the one before, and what the next iterate would be without a mixture: `[rows, n]` each.
#[derive(Clone, Debug)]
pub(crate) struct DifferencesOf<'a> {
    pub(crate) x: &'a Tensor<2>,
    pub(crate) gx: &'a Tensor<2>,
    pub(crate) target: &'a Tensor<2>,
    pub(crate) last: [&'a Tensor<2>; 3],
}

fn spec(shape: impl Into<Shape>, like: &TensorSpec) -> TensorSpec {
    TensorSpec::new(shape.into(), like.dtype)
}

/// The operations, written down for every device with kernels.
#[backend_extension(Cube, Fusion)]
pub(crate) trait DeferredKernels: Backend {
    #[fusion(meta = |x, _| spec([x.shape[0], 2 * blocks(x.shape[1])], x))]
    fn sizes(x: FloatTensor<Self>, gx: FloatTensor<Self>) -> FloatTensor<Self>;

    #[fusion(meta = |x, _, _, _, _, _, differences, targets, _| {
        let sums = [x.shape[0], blocks(x.shape[1]), count(targets.shape[1])];
        (differences.clone(), targets.clone(), spec(sums, x))
    })]
    #[allow(
        clippy::too_many_arguments,
        clippy::type_complexity,
        reason = "a kernel takes tensors one by one"
    )]
    fn differences(
        x: FloatTensor<Self>,
        gx: FloatTensor<Self>,
        target: FloatTensor<Self>,
        last_x: FloatTensor<Self>,
        last_gx: FloatTensor<Self>,
        last_target: FloatTensor<Self>,
        differences: FloatTensor<Self>,
        targets: FloatTensor<Self>,
        slot: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    #[fusion(meta = |sums, products, marks, _| {
        let [rows, window] = [products.shape[0], products.shape[1]];
        (products.clone(), marks.clone(), spec([rows, window], sums), spec([rows, 3], sums))
    })]
    #[allow(clippy::type_complexity, reason = "a kernel returns tensors one by one")]
    fn elimination(
        sums: FloatTensor<Self>,
        products: FloatTensor<Self>,
        marks: FloatTensor<Self>,
        problem: Elimination,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    #[fusion(dtype = target, shape = target)]
    fn mixture(
        target: FloatTensor<Self>,
        targets: FloatTensor<Self>,
        factors: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// A tensor without content.
fn empty(shape: impl Into<Shape>, like: &CubeTensor) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape.into(), like.dtype)
}

/// A tensor that may be overwritten.
fn owned(tensor: CubeTensor) -> CubeTensor {
    let tensor = into_contiguous(tensor);
    if tensor.can_mut() { tensor } else { tensor.copy() }
}

/// The number of columns that a unit loads at once from a contiguous matrix.
fn vector_size(matrix: &CubeTensor) -> usize {
    let (sizes, meta) = (matrix.client.io_optimized_vector_sizes(matrix.dtype.size()), &matrix.meta);
    tensor_vector_size_parallel(sizes, meta.shape(), meta.strides(), 1)
}

/// One row of blocks for each row.
fn grid(blocks: usize, rows: usize) -> CubeCount {
    CubeCount::Static(blocks as u32, rows as u32, 1)
}

impl DeferredKernels for CubeBackend {
    fn sizes(x: CubeTensor, gx: CubeTensor) -> CubeTensor {
        let (x, gx) = (into_contiguous(x), into_contiguous(gx));
        let [rows, width] = x.meta.shape().dims();
        let blocks = blocks(width);
        let results = empty([rows, 2 * blocks], &x);
        sizes_kernel::sizes::launch(
            &x.client.clone(),
            grid(blocks, rows),
            CubeDim::new_1d(UNITS as u32),
            vector_size(&x),
            x.into_tensor_arg(),
            gx.into_tensor_arg(),
            results.clone().into_tensor_arg(),
        );
        results
    }

    fn differences(
        x: CubeTensor,
        gx: CubeTensor,
        target: CubeTensor,
        last_x: CubeTensor,
        last_gx: CubeTensor,
        last_target: CubeTensor,
        differences: CubeTensor,
        targets: CubeTensor,
        slot: usize,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let [rows, window, width] = differences.meta.shape().dims();
        let blocks = blocks(width);
        let (differences, targets) = (owned(differences), owned(targets));
        let results = empty([rows, blocks, count(window)], &x);
        let operand = |tensor| into_contiguous(tensor).into_tensor_arg();
        differences_kernel::differences::launch(
            &x.client.clone(),
            grid(blocks, rows),
            CubeDim::new_1d(UNITS as u32),
            operand(x),
            operand(gx),
            operand(target),
            operand(last_x),
            operand(last_gx),
            operand(last_target),
            differences.clone().into_tensor_arg(),
            targets.clone().into_tensor_arg(),
            results.clone().into_tensor_arg(),
            slot as u32,
            window,
        );
        (differences, targets, results)
    }

    fn elimination(
        sums: CubeTensor,
        products: CubeTensor,
        marks: CubeTensor,
        problem: Elimination,
    ) -> (CubeTensor, CubeTensor, CubeTensor, CubeTensor) {
        let [rows, window, _] = products.meta.shape().dims();
        let (sums, products, last_marks) = (into_contiguous(sums), owned(products), into_contiguous(marks));
        let marks = empty([rows, window + 2], &sums);
        let (factors, sizes) = (empty([rows, window], &sums), empty([rows, 3], &sums));
        elimination::elimination::launch(
            &sums.client.clone(),
            CubeCount::Static(rows as u32, 1, 1),
            CubeDim::new_1d(count(window).next_multiple_of(32) as u32),
            sums.into_tensor_arg(),
            products.clone().into_tensor_arg(),
            last_marks.into_tensor_arg(),
            marks.clone().into_tensor_arg(),
            factors.clone().into_tensor_arg(),
            sizes.clone().into_tensor_arg(),
            problem.newest as u32,
            problem.count as u32,
            problem.growth as f32,
            problem.ridge as f32,
            problem.least_pivot as f32,
            problem.precision as f32,
            window,
        );
        (products, marks, factors, sizes)
    }

    fn mixture(target: CubeTensor, targets: CubeTensor, factors: CubeTensor) -> CubeTensor {
        let target = into_contiguous(target);
        let [rows, width] = target.meta.shape().dims();
        let [_, window, _] = targets.meta.shape().dims();
        let results = empty([rows, width], &target);
        mixture::mixture::launch(
            &target.client.clone(),
            grid(width.div_ceil(mixture::UNITS), rows),
            CubeDim::new_1d(mixture::UNITS as u32),
            target.into_tensor_arg(),
            into_contiguous(targets).into_tensor_arg(),
            into_contiguous(factors).into_tensor_arg(),
            results.clone().into_tensor_arg(),
            window,
        );
        results
    }
}

/// Returns `‖g(x) - x‖²` and `‖g(x)‖²` of every row in blocks of columns, `[rows, 2 blocks]`, to be added up.
pub(crate) fn sizes(x: &Tensor<2>, gx: &Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as DeferredKernels>::sizes(
        x.clone().into_dispatch(),
        gx.clone().into_dispatch(),
    ))
}

/// Puts the newest differences into a slot; returns the ring, and the sums for [`eliminated`].
pub(crate) fn differences(of: &DifferencesOf<'_>, ring: Ring, slot: usize) -> (Ring, Tensor<3>) {
    let operand = |tensor: &Tensor<2>| tensor.clone().into_dispatch();
    let [last_x, last_gx, last_target] = of.last.map(operand);
    let (differences, targets, sums) = <Dispatch as DeferredKernels>::differences(
        operand(of.x),
        operand(of.gx),
        operand(of.target),
        last_x,
        last_gx,
        last_target,
        ring.differences.into_dispatch(),
        ring.targets.into_dispatch(),
        slot,
    );
    let [differences, targets, sums] = [differences, targets, sums].map(Tensor::from_dispatch);
    (Ring { differences, targets }, sums)
}

/// Solves the least-squares problems; returns the products, the marks, the factors, and the sizes with `Σ |γⱼ|`.
pub(crate) fn eliminated(
    sums: Tensor<3>,
    products: Tensor<3>,
    marks: Tensor<2>,
    problem: Elimination,
) -> (Tensor<3>, Tensor<2>, Tensor<2>, Tensor<2>) {
    let (products, marks, factors, sizes) = <Dispatch as DeferredKernels>::elimination(
        sums.into_dispatch(),
        products.into_dispatch(),
        marks.into_dispatch(),
        problem,
    );
    let [marks, factors, sizes] = [marks, factors, sizes].map(Tensor::from_dispatch);
    (Tensor::from_dispatch(products), marks, factors, sizes)
}

/// Returns `target - Σ γⱼ Δtargetⱼ`.
pub(crate) fn mixed(target: &Tensor<2>, targets: &Tensor<3>, factors: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as DeferredKernels>::mixture(
        target.clone().into_dispatch(),
        targets.clone().into_dispatch(),
        factors.into_dispatch(),
    ))
}
