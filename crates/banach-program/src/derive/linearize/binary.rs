//! Tangents of functions of two numbers.

use super::Linearizer;
use crate::language::custom::TangentBuilder;
use crate::language::primitive::{Binary, Comparison, Elementwise, Unary};
use crate::language::program::Var;

impl Linearizer {
    pub(super) fn binary(&mut self, function: Binary, a: Var, b: Var, result: Var) -> Option<Var> {
        let (x, y, z) = (self.value(a), self.value(b), self.value(result));
        let (da, db) = (self.tangent(a), self.tangent(b));
        match function {
            Binary::Add => self.tangent.add(da, db),
            Binary::Subtract => {
                let db = db.map(|db| self.tangent.scale(db, -1.0));
                self.tangent.add(da, db)
            }
            Binary::Divide => {
                let inverse = self.primal.unary(Unary::Reciprocal, y);
                let left = self.times(da, inverse);
                let right = db.and_then(|db| {
                    let slope = self.primal.multiply(z, inverse);
                    let slope = self.primal.scale(slope, -1.0);
                    self.times(Some(db), slope)
                });
                self.tangent.add(left, right)
            }
            Binary::Power => self.power(x, y, z, da, db),
            Binary::Remainder => {
                let right = db.and_then(|db| {
                    let whole = self.primal.subtract(z, x);
                    let slope = self.primal.divide(whole, y);
                    self.times(Some(db), slope)
                });
                self.tangent.add(da, right)
            }
            Binary::Atan2 => {
                // (y, -x) / (x² + y²), divided by the larger of |x| and |y| so that the squares stay in
                // range.
                let scale = self.primal.magnitude(x, y);
                let (x, y) = (self.primal.divide(x, scale), self.primal.divide(y, scale));
                let (xx, yy) = (self.primal.multiply(x, x), self.primal.multiply(y, y));
                let square = self.primal.add(xx, yy);
                let (left, right) = (self.primal.divide(y, square), self.primal.divide(x, square));
                let (left, right) = (self.primal.divide(left, scale), self.primal.divide(right, scale));
                let right = self.primal.scale(right, -1.0);
                let (left, right) = (self.times(da, left), self.times(db, right));
                self.tangent.add(left, right)
            }
        }
    }

    /// d(xʸ) = y xʸ⁻¹ dx + xʸ log(x) dy, the first term zero where y = 0 and the second where x = 0.
    fn power(&mut self, x: Var, y: Var, z: Var, dx: Option<Var>, dy: Option<Var>) -> Option<Var> {
        let left = dx.and_then(|dx| {
            let exponent = self.primal.offset(y, -1.0);
            let lower = self.primal.push(Elementwise::Binary(Binary::Power), &[x, exponent]);
            let slope = self.primal.multiply(y, lower);
            let constant = self.primal.compare(Comparison::Equal, y, 0.0);
            let slope = self.primal.push(Elementwise::Erase, &[constant, slope]);
            self.times(Some(dx), slope)
        });
        let right = dy.and_then(|dy| {
            let zero = self.primal.compare(Comparison::Equal, x, 0.0);
            let ty = self.primal.type_of(x).clone();
            let one = self.primal.full(ty, 1.0);
            let safe = self.primal.choose(zero, one, x);
            let log = self.primal.unary(Unary::Log, safe);
            let slope = self.primal.multiply(z, log);
            self.times(Some(dy), slope)
        });
        self.tangent.add(left, right)
    }
}
