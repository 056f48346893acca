//! Bundles of tensors, with or without plain numbers: states and inputs of traced code.

use crate::error::Error;
use crate::language::value::Value;
use burn::tensor::{Bool, Int, Tensor};

/// One or several tensors that travel together: a tensor of any rank and kind, a [`Value`], a tuple, an array or a
/// `Vec` of them.
///
/// An `f32` or `f64` in a bundle is a constant of the traced code, not a tensor: every value needs a new
/// trace, and it has no gradient. Use a tensor of shape `[1]` for a number that changes often or needs a
/// gradient.
pub trait Tensors: Clone {
    /// Returns the tensors, in order.
    fn into_values(self) -> Vec<Value>;

    /// Returns the bundle with other tensors of equal ranks, taken in order.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where a rank or kind is another, [`Error::Count`] where there are too few.
    fn rebuild(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error>;

    /// Returns the bits of the plain numbers in the bundle, in order. They are part of the key of a trace, so
    /// a custom bundle must return all of its plain numbers here.
    fn numbers(&self) -> Vec<u64> {
        vec![]
    }
}

macro_rules! number {
    ($number:ty) => {
        impl Tensors for $number {
            fn into_values(self) -> Vec<Value> {
                vec![]
            }

            fn rebuild(&self, _: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
                Ok(*self)
            }

            fn numbers(&self) -> Vec<u64> {
                vec![u64::from(self.to_bits())]
            }
        }
    };
}

number!(f32);
number!(f64);

fn next(values: &mut dyn Iterator<Item = Value>) -> Result<Value, Error> {
    values.next().ok_or_else(|| Error::Count { what: "a bundle of tensors".into(), found: 0, expected: 1 })
}

/// A tensor whose rank is known only at run time.
impl Tensors for Value {
    fn into_values(self) -> Vec<Value> {
        vec![self]
    }

    fn rebuild(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
        next(values)
    }
}

impl<const D: usize> Tensors for Tensor<D> {
    fn into_values(self) -> Vec<Value> {
        vec![self.into()]
    }

    fn rebuild(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
        next(values)?.try_into_tensor()
    }
}

impl<const D: usize> Tensors for Tensor<D, Int> {
    fn into_values(self) -> Vec<Value> {
        vec![self.into()]
    }

    fn rebuild(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
        next(values)?.try_into_int()
    }
}

impl<const D: usize> Tensors for Tensor<D, Bool> {
    fn into_values(self) -> Vec<Value> {
        vec![self.into()]
    }

    fn rebuild(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
        next(values)?.try_into_bool()
    }
}

impl<T: Tensors> Tensors for Vec<T> {
    fn into_values(self) -> Vec<Value> {
        self.into_iter().flat_map(T::into_values).collect()
    }

    fn rebuild(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
        self.iter().map(|item| item.rebuild(values)).collect()
    }

    fn numbers(&self) -> Vec<u64> {
        self.iter().flat_map(T::numbers).collect()
    }
}

impl<T: Tensors, const N: usize> Tensors for [T; N] {
    fn into_values(self) -> Vec<Value> {
        self.into_iter().flat_map(T::into_values).collect()
    }

    fn rebuild(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
        let items = self.iter().map(|item| item.rebuild(values)).collect::<Result<Vec<T>, Error>>()?;
        let found = items.len();
        let what = "a bundle of tensors".into();
        items.try_into().map_err(|_| Error::Count { what, found, expected: N })
    }

    fn numbers(&self) -> Vec<u64> {
        self.iter().flat_map(T::numbers).collect()
    }
}

impl<T: Tensors> Tensors for Option<T> {
    fn into_values(self) -> Vec<Value> {
        self.map_or_else(Vec::new, T::into_values)
    }

    fn rebuild(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
        self.as_ref().map(|item| item.rebuild(values)).transpose()
    }

    fn numbers(&self) -> Vec<u64> {
        self.as_ref().map_or_else(Vec::new, T::numbers)
    }
}

macro_rules! tuple {
    ($($name:ident . $place:tt),*) => {
        impl<$($name: Tensors),*> Tensors for ($($name,)*) {
            fn into_values(self) -> Vec<Value> {
                let values: Vec<Vec<Value>> = vec![$(self.$place.into_values()),*];
                values.into_iter().flatten().collect()
            }

            #[allow(unused_variables, reason = "the empty tuple takes nothing")]
            fn rebuild(&self, values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
                Ok(($(self.$place.rebuild(values)?,)*))
            }

            fn numbers(&self) -> Vec<u64> {
                let numbers: Vec<Vec<u64>> = vec![$(self.$place.numbers()),*];
                numbers.into_iter().flatten().collect()
            }
        }
    };
}

tuple!();
tuple!(A.0);
tuple!(A.0, B.1);
tuple!(A.0, B.1, C.2);
tuple!(A.0, B.1, C.2, D.3);
tuple!(A.0, B.1, C.2, D.3, E.4);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5);
