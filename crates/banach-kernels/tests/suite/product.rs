//! Products against sums of products, for all sizes, strides and levels.

use crate::numbers::{Random, assert_near, assert_same};
use banach_kernels::{Level, Panels, Real, StridedMatrix, product, product_unpacked};

const SIZES: [usize; 17] = [0, 1, 2, 3, 5, 7, 8, 13, 14, 15, 16, 17, 29, 31, 33, 48, 65];

/// A matrix of random numbers, row after row or column after column, with gaps or without.
struct Stored<T> {
    data: Vec<T>,
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<T: Real> Stored<T> {
    fn new(random: &mut Random, rows: usize, columns: usize) -> Self {
        let (by_column, gap, apart) = (random.below(2) == 1, random.below(3), 1 + random.below(2));
        let (row_stride, column_stride) =
            if by_column { (apart, rows * apart + gap) } else { (columns * apart + gap, apart) };
        let count =
            if rows * columns == 0 { 0 } else { (rows - 1) * row_stride + (columns - 1) * column_stride + 1 };
        Self { data: random.numbers(count), rows, columns, row_stride, column_stride }
    }

    fn matrix(&self) -> StridedMatrix<'_, T> {
        StridedMatrix {
            data: &self.data,
            rows: self.rows,
            columns: self.columns,
            row_stride: self.row_stride,
            column_stride: self.column_stride,
        }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.data[row * self.row_stride + column * self.column_stride].to_f64()
    }
}

fn naive<T: Real>(a: &Stored<T>, b: &Stored<T>, c: &[T], stride: usize, add: bool) -> Vec<f64> {
    let mut wanted: Vec<f64> = c.iter().map(|c| c.to_f64()).collect();
    for i in 0..a.rows {
        for j in 0..b.columns {
            let sum: f64 = (0..a.columns).map(|p| a.at(i, p) * b.at(p, j)).sum();
            let wanted = &mut wanted[i * stride + j];
            *wanted = if add { *wanted + sum } else { sum };
        }
    }
    wanted
}

fn against_loops<T: Real>(level: Level, [m, k, n]: [usize; 3], random: &mut Random) {
    let (a, b) = (Stored::<T>::new(random, m, k), Stored::<T>::new(random, k, n));
    let (stride, add) = (n + random.below(3), random.below(2) == 1);
    let before = random.numbers::<T>(m * stride);
    let wanted = naive(&a, &b, &before, stride, add);
    let what = format!("{level} {m}x{k}x{n}, stride {stride}, add {add}");
    let mut c = before.clone();
    product(a.matrix(), &Panels::pack(level, b.matrix()), &mut c, stride, add);
    assert_near(&c, &wanted, k, &what);
    let mut unpacked = before.clone();
    let mut scratch = Panels::empty(level);
    product_unpacked(a.matrix(), b.matrix(), &mut unpacked, stride, add, &mut scratch);
    assert_same(&unpacked, &c, &what);
}

fn all_sizes<T: Real>() {
    for level in Level::all() {
        let mut random = Random::new(3);
        for _ in 0..600 {
            let sizes = [random.one(&SIZES), random.one(&SIZES), random.one(&SIZES)];
            against_loops::<T>(level, sizes, &mut random);
        }
        for sizes in
            [[3, 1100, 40], [30, 513, 33], [2, 5, 600], [70, 40, 300], [0, 4, 4], [4, 0, 4], [4, 4, 0]]
        {
            against_loops::<T>(level, sizes, &mut random);
        }
    }
}

#[test]
fn products_of_single_precision() {
    all_sizes::<f32>();
}

#[test]
fn products_of_double_precision() {
    all_sizes::<f64>();
}

fn rows_alone<T: Real>() {
    for level in Level::all() {
        let mut random = Random::new(5);
        for (k, n) in [(1, 1), (64, 64), (700, 20), (33, 48)] {
            let m = 45;
            let (a, b) = (Stored::<T>::new(&mut random, m, k), Stored::<T>::new(&mut random, k, n));
            let panels = Panels::pack(level, b.matrix());
            let mut whole = vec![T::ZERO; m * n];
            product(a.matrix(), &panels, &mut whole, n, false);
            for part in [1, 2, 5, 9, 14, 16, 44] {
                let mut parts = vec![T::ONE; m * n];
                for (i, c) in parts.chunks_mut(part * n).enumerate() {
                    let data = &a.data[i * part * a.row_stride..];
                    let a = StridedMatrix { data, rows: c.len() / n, ..a.matrix() };
                    product(a, &panels, c, n, false);
                }
                assert_same(&parts, &whole, &format!("{level} {k}x{n}, {part} rows at a time"));
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_how_many_there_are() {
    rows_alone::<f32>();
    rows_alone::<f64>();
}

#[test]
fn levels_agree() {
    let mut random = Random::new(7);
    let (a, b) = (Stored::<f64>::new(&mut random, 37, 91), Stored::<f64>::new(&mut random, 91, 53));
    let results = Level::all().into_iter().map(|level| {
        let mut c = vec![0.0; 37 * 53];
        product(a.matrix(), &Panels::pack(level, b.matrix()), &mut c, 53, false);
        c
    });
    let results: Vec<_> = results.collect();
    for other in &results[1..] {
        assert_near(other, &results[0], 91, "levels");
    }
}

#[test]
fn panels_are_packed_again_into_the_same_place() {
    for level in Level::all() {
        let mut random = Random::new(11);
        let mut panels = Panels::<f32>::empty(level);
        for (k, n) in [(40, 70), (3, 5), (17, 33), (0, 4), (40, 70)] {
            let b = Stored::new(&mut random, k, n);
            let a = Stored::new(&mut random, 4, k);
            panels.repack(b.matrix());
            assert_eq!([panels.depth(), panels.columns()], [k, n]);
            let mut c = vec![0.5; 4 * n];
            let wanted = naive(&a, &b, &c, n, false);
            product(a.matrix(), &panels, &mut c, n, false);
            assert_near(&c, &wanted, k, "packed again");
        }
    }
}

#[test]
#[should_panic(expected = "the columns of the left operand")]
fn sizes_must_fit() {
    let panels = Panels::pack(Level::Portable, StridedMatrix::new(&[1.0_f32; 6], 2, 3));
    product(StridedMatrix::new(&[1.0; 6], 2, 3), &panels, &mut [0.0; 6], 3, false);
}

#[test]
#[should_panic(expected = "the result must lie in its slice")]
fn results_must_have_room() {
    let panels = Panels::pack(Level::Portable, StridedMatrix::new(&[1.0_f32; 6], 2, 3));
    product(StridedMatrix::new(&[1.0; 4], 2, 2), &panels, &mut [0.0; 5], 3, false);
}

#[test]
#[should_panic(expected = "a matrix must lie in its slice")]
fn matrices_must_lie_in_their_slices() {
    let panels = Panels::pack(Level::Portable, StridedMatrix::new(&[1.0_f32; 6], 2, 3));
    product(StridedMatrix::new(&[1.0; 3], 2, 2), &panels, &mut [0.0; 6], 3, false);
}
