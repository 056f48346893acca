//! The complex Schur form `A = Q T Qᴴ` of a small matrix, with its eigenvalues on the diagonal of T.
//!
//! Rotations reduce the matrix to Hessenberg and then to triangular form, by QR steps with Wilkinson's shift
//! (G. Golub and C. Van Loan, Matrix Computations, 7.4 and 7.5), and swap neighbouring eigenvalues as in
//! 7.6.2 there.

use super::complex::Complex;
use std::ops::Add;

/// The most QR steps for one eigenvalue; few need more than three.
const PATIENCE: usize = 60;

/// `Q` and `T`, ordered by decreasing modulus of the eigenvalues, conjugate pairs together.
#[derive(Debug, Clone)]
pub(super) struct Schur {
    q: Vec<Vec<Complex>>,
    pub(super) t: Vec<Vec<Complex>>,
    /// The Frobenius norm of the matrix.
    norm: f64,
}

/// `[c, s; -s̄, c]` on two coordinates.
#[derive(Debug, Clone, Copy)]
struct Rotation {
    cosine: f64,
    sine: Complex,
}

impl Rotation {
    /// The rotation that maps `(a, b)` to `(r, 0)`.
    fn of(a: Complex, b: Complex) -> Self {
        let length = a.modulus().hypot(b.modulus());
        if length == 0.0 {
            return Self { cosine: 1.0, sine: Complex::ZERO };
        }
        let size = a.modulus();
        let phase = if size == 0.0 { Complex::ONE } else { a.times(size.recip()) };
        Self { cosine: size / length, sine: (phase * b.conjugate()).times(length.recip()) }
    }

    fn apply(self, a: Complex, b: Complex) -> (Complex, Complex) {
        (a.times(self.cosine) + self.sine * b, b.times(self.cosine) - self.sine.conjugate() * a)
    }
}

impl Schur {
    /// The form of a square matrix of finite numbers, given by its rows; `None` where the QR steps do not
    /// converge.
    pub(super) fn of(matrix: &[Vec<f64>]) -> Option<Self> {
        let count = matrix.len();
        let t: Vec<Vec<Complex>> =
            matrix.iter().map(|row| row.iter().map(|entry| Complex::real(*entry)).collect()).collect();
        let norm = matrix.iter().flatten().fold(0.0, |sum: f64, entry| sum.hypot(*entry));
        let mut q = vec![vec![Complex::ZERO; count]; count];
        (0..count).for_each(|i| q[i][i] = Complex::ONE);
        let mut schur = Self { q, t, norm };
        for column in 0..count.saturating_sub(2) {
            for row in column + 2..count {
                schur.annihilate(column + 1, row, column);
            }
        }
        schur.triangular()?;
        schur.sort();
        Some(schur)
    }

    pub(super) fn count(&self) -> usize {
        self.t.len()
    }

    pub(super) fn norm(&self) -> f64 {
        self.norm
    }

    /// `T ← G T Gᴴ` and `Q ← Q Gᴴ` for a rotation in the plane of two coordinates.
    fn rotate(&mut self, i: usize, k: usize, rotation: Rotation) {
        for column in 0..self.count() {
            let (a, b) = rotation.apply(self.t[i][column], self.t[k][column]);
            (self.t[i][column], self.t[k][column]) = (a, b);
        }
        let back = Rotation { sine: rotation.sine.conjugate(), ..rotation };
        for row in self.t.iter_mut().chain(&mut self.q) {
            (row[i], row[k]) = back.apply(row[i], row[k]);
        }
    }

    /// Annihilates the entry `(k, column)` by a rotation with coordinate `i`.
    fn annihilate(&mut self, i: usize, k: usize, column: usize) {
        self.rotate(i, k, Rotation::of(self.t[i][column], self.t[k][column]));
        self.t[k][column] = Complex::ZERO;
    }

    fn triangular(&mut self) -> Option<()> {
        let mut high = self.count().saturating_sub(1);
        let mut steps = 0;
        while high > 0 {
            let low = self.block(high);
            if low == high {
                (high, steps) = (high - 1, 0);
                continue;
            }
            steps += 1;
            if steps > PATIENCE {
                return None;
            }
            // An exceptional shift every ten steps: some matrices are invariant under a QR step.
            let shift = if steps % 10 == 0 {
                self.t[high][high] + Complex::real(self.t[high][high - 1].modulus())
            } else {
                self.shift(high)
            };
            self.rotate(low, low + 1, Rotation::of(self.t[low][low] - shift, self.t[low + 1][low]));
            for k in low + 1..high {
                self.annihilate(k, k + 1, k - 1);
            }
        }
        Some(())
    }

    /// The first index of the unreduced block that ends at `high`; the entry below the block above it is set
    /// to zero.
    fn block(&mut self, high: usize) -> usize {
        for low in (1..=high).rev() {
            let near = self.t[low][low].modulus() + self.t[low - 1][low - 1].modulus();
            let near = if near > 0.0 { near } else { self.norm };
            if self.t[low][low - 1].modulus() <= f64::EPSILON * near {
                self.t[low][low - 1] = Complex::ZERO;
                return low;
            }
        }
        0
    }

    /// The eigenvalue of the last two by two block nearer to its last entry (Wilkinson's shift).
    fn shift(&self, high: usize) -> Complex {
        let (a, b) = (self.t[high - 1][high - 1], self.t[high - 1][high]);
        let (c, d) = (self.t[high][high - 1], self.t[high][high]);
        let half = (a - d).times(0.5);
        let root = (half * half + b * c).root();
        let (plus, minus) = (half + root, half - root);
        d + if plus.modulus() < minus.modulus() { plus } else { minus }
    }

    /// Orders the eigenvalues by decreasing modulus, conjugate pairs together.
    fn sort(&mut self) {
        let mut place = 0;
        while place < self.count() {
            let size = |schur: &Self, at: usize| schur.t[at][at].modulus();
            let largest = (place..self.count())
                .fold(place, |best, at| if size(self, at) > size(self, best) { at } else { best });
            self.move_to(largest, place);
            place += 1;
            if self.is_complex(place - 1) && place < self.count() {
                let wanted = self.t[place - 1][place - 1].conjugate();
                let off = |schur: &Self, at: usize| (schur.t[at][at] - wanted).modulus();
                let partner = (place..self.count())
                    .fold(place, |best, at| if off(self, at) < off(self, best) { at } else { best });
                self.move_to(partner, place);
                place += 1;
            }
        }
    }

    /// Whether an eigenvalue is one of a conjugate pair.
    fn is_complex(&self, at: usize) -> bool {
        self.t[at][at].im.abs() > 16.0 * f64::EPSILON * self.norm
    }

    fn move_to(&mut self, from: usize, to: usize) {
        for k in (to..from).rev() {
            let between = self.t[k + 1][k + 1] - self.t[k][k];
            self.rotate(k, k + 1, Rotation::of(self.t[k][k + 1], between));
            self.t[k + 1][k] = Complex::ZERO;
        }
    }

    /// The condition of the largest eigenvalue, `1 / |yᴴ x|` for its right and left unit eigenvectors x and
    /// y: the largest first-order change per unit change of the matrix.
    pub(super) fn condition(&self) -> f64 {
        let mut left = vec![Complex::ONE];
        for column in 1..self.count() {
            let known = (0..column).fold(Complex::ZERO, |sum, row| sum + left[row] * self.t[row][column]);
            let between = self.t[0][0] - self.t[column][column];
            let least = f64::EPSILON * self.norm;
            let between = if between.modulus() > least { between } else { Complex::real(least) };
            left.push(if known == Complex::ZERO { known } else { known.over(between) });
        }
        left.iter().fold(0.0, |sum: f64, entry| sum.hypot(entry.modulus()))
    }

    /// The modulus of the product of a row vector with the unit eigenvector of the largest eigenvalue.
    pub(super) fn first_against(&self, line: &[f64]) -> f64 {
        let terms = line.iter().zip(&self.q).map(|(entry, row)| row[0].times(*entry));
        terms.fold(Complex::ZERO, Add::add).modulus()
    }

    /// An orthonormal basis, as columns, of the real invariant subspace of at most `most` largest
    /// eigenvalues, without splitting a conjugate pair.
    pub(super) fn leading(&self, most: usize) -> Vec<Vec<f64>> {
        let mut wanted = 0;
        while wanted < self.count() {
            let next = wanted + if self.is_complex(wanted) { 2 } else { 1 };
            if next > most {
                break;
            }
            wanted = next.min(self.count());
        }
        // The subspace is closed under conjugation: it contains the real and the imaginary parts of its
        // vectors.
        let part = |part: fn(&Complex) -> f64, column: usize| -> Vec<f64> {
            self.q.iter().map(|row| part(&row[column])).collect()
        };
        let mut left: Vec<Vec<f64>> =
            (0..wanted).flat_map(|column| [part(|z| z.re, column), part(|z| z.im, column)]).collect();
        let mut basis: Vec<Vec<f64>> = Vec::new();
        while basis.len() < wanted {
            let longest = (0..left.len()).max_by(|a, b| norm(&left[*a]).total_cmp(&norm(&left[*b])));
            let mut chosen = left.swap_remove(longest.unwrap_or(0));
            basis.iter().for_each(|vector| remove(vector, &mut chosen));
            let length = norm(&chosen);
            chosen.iter_mut().for_each(|entry| *entry /= length);
            left.iter_mut().for_each(|vector| remove(&chosen, vector));
            basis.push(chosen);
        }
        basis
    }
}

/// `⟨a, b⟩`, over the shorter length.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

/// Subtracts the component along a unit vector.
fn remove(unit: &[f64], vector: &mut [f64]) {
    let along = dot(unit, vector);
    vector.iter_mut().zip(unit).for_each(|(entry, unit)| *entry -= along * unit);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(count: usize, entry: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
        (0..count).map(|i| (0..count).map(|j| entry(i, j)).collect()).collect()
    }

    fn pseudo_random(count: usize, seed: usize) -> Vec<Vec<f64>> {
        square(count, |i, j| ((i * count + j + seed) as f64 * 12.9898).sin() * 43_758.5 % 1.0)
    }

    /// `‖A Q - Q T‖` in its largest entry, and how far Q is from unitary and T from triangular.
    fn check(matrix: &[Vec<f64>], schur: &Schur) {
        let count = matrix.len();
        let size = schur.norm().max(1.0);
        for (i, line) in matrix.iter().enumerate() {
            for j in 0..count {
                let sum = |entry: &dyn Fn(usize) -> Complex| {
                    (0..count).fold(Complex::ZERO, |sum, k| sum + entry(k))
                };
                let left = sum(&|k| schur.q[k][j].times(line[k]));
                let right = sum(&|k| schur.q[i][k] * schur.t[k][j]);
                assert!((left - right).modulus() < 1e-13 * size, "A Q = Q T at {i}, {j}");
                let product = sum(&|k| schur.q[k][i].conjugate() * schur.q[k][j]);
                assert!((product - Complex::real(f64::from(u8::from(i == j)))).modulus() < 1e-13);
                assert!(i <= j || schur.t[i][j] == Complex::ZERO, "T is triangular");
            }
        }
    }

    #[test]
    fn every_matrix_has_its_form() {
        for (count, seed) in [(1, 0), (2, 1), (3, 2), (7, 3), (20, 4), (31, 5)] {
            let matrix = pseudo_random(count, seed);
            let schur = Schur::of(&matrix).unwrap();
            check(&matrix, &schur);
            let trace: f64 = (0..count).map(|i| matrix[i][i]).sum();
            let sum = (0..count).fold(Complex::ZERO, |sum, i| sum + schur.t[i][i]);
            assert!((sum - Complex::real(trace)).modulus() < 1e-12 * count as f64);
        }
        // A cycle of shifts is mapped to itself by an unshifted step; its eigenvalues are the roots of one.
        let cycle = square(8, |i, j| f64::from(u8::from((j + 1) % 8 == i)));
        let schur = Schur::of(&cycle).unwrap();
        check(&cycle, &schur);
        assert!((0..8).all(|i| (schur.t[i][i].modulus() - 1.0).abs() < 1e-14));
        let zero = Schur::of(&square(3, |_, _| 0.0)).unwrap();
        assert!((zero.t[0][0].modulus(), zero.condition()) == (0.0, 1.0));
    }

    #[test]
    fn the_largest_comes_first_and_pairs_stay_together() {
        let matrix = pseudo_random(12, 9);
        let schur = Schur::of(&matrix).unwrap();
        let mut at = 0;
        let mut last = f64::INFINITY;
        while at < 12 {
            let size = schur.t[at][at].modulus();
            assert!(size <= last * (1.0 + 1e-12));
            last = size;
            if schur.is_complex(at) {
                assert!((schur.t[at][at] - schur.t[at + 1][at + 1].conjugate()).modulus() < 1e-12);
                at += 1;
            }
            at += 1;
        }
    }

    #[test]
    fn the_leading_space_is_invariant() {
        let matrix = pseudo_random(12, 9);
        let schur = Schur::of(&matrix).unwrap();
        for most in [1, 4, 5, 12, 40] {
            let basis = schur.leading(most);
            assert!(basis.len() <= most && basis.len() + 1 >= most.min(12));
            for vector in &basis {
                let mut image: Vec<f64> = matrix.iter().map(|row| dot(row, vector)).collect();
                basis.iter().for_each(|unit| remove(unit, &mut image));
                assert!(norm(&image) < 1e-12 && (norm(vector) - 1.0).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn the_condition_is_that_of_two_by_two() {
        // (1, 0) from the right and (1, 10) from the left: 1 / cos = √101.
        let schur = Schur::of(&[vec![2.0, 10.0], vec![0.0, 1.0]]).unwrap();
        assert!((schur.condition() - 101.0_f64.sqrt()).abs() < 1e-12);
        assert!((Schur::of(&[vec![2.0, 1.0], vec![1.0, 1.0]]).unwrap().condition() - 1.0).abs() < 1e-12);
    }
}
