//! Bundles of tensors made from values: what a function is called for.

use crate::error::Error;
use crate::language::value::Value;
use burn::tensor::{Bool, Int, Tensor};

/// Tensors that a list of values becomes: a tensor of any rank and kind, a [`Value`], a tuple or array of them, or a
/// `Vec`, which takes all that are left.
pub trait Outputs: Sized {
    /// Takes the tensors in order.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where a rank or kind is another, [`Error::Count`] where there are too few.
    fn take(values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error>;

    /// The bundle of exactly these values.
    ///
    /// # Errors
    /// As [`take`](Self::take), and [`Error::Count`] where there are too many.
    fn from_values(values: Vec<Value>) -> Result<Self, Error> {
        let found = values.len();
        let mut values = values.into_iter();
        let outputs = Self::take(&mut values)?;
        match values.len() {
            0 => Ok(outputs),
            left => {
                Err(Error::Count { what: "the outputs of a function".into(), found, expected: found - left })
            }
        }
    }
}

impl Outputs for Value {
    fn take(values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
        let what = "the outputs of a function".to_string();
        values.next().ok_or(Error::Count { what, found: 0, expected: 1 })
    }
}

impl<const D: usize> Outputs for Tensor<D> {
    fn take(values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
        Value::take(values)?.try_into_tensor()
    }
}

impl<const D: usize> Outputs for Tensor<D, Int> {
    fn take(values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
        Value::take(values)?.try_into_int()
    }
}

impl<const D: usize> Outputs for Tensor<D, Bool> {
    fn take(values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
        Value::take(values)?.try_into_bool()
    }
}

impl<T: Outputs> Outputs for Vec<T> {
    fn take(values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
        let mut values = values.peekable();
        let mut taken = vec![];
        while values.peek().is_some() {
            taken.push(T::take(&mut values)?);
        }
        Ok(taken)
    }
}

impl<T: Outputs, const N: usize> Outputs for [T; N] {
    fn take(values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
        let items = (0..N).map(|_| T::take(values)).collect::<Result<Vec<T>, Error>>()?;
        Ok(items.try_into().unwrap_or_else(|_| unreachable!("N items were taken")))
    }
}

macro_rules! tuple {
    ($($name:ident)*) => {
        impl<$($name: Outputs),*> Outputs for ($($name,)*) {
            fn take(values: &mut dyn Iterator<Item = Value>) -> Result<Self, Error> {
                Ok(($($name::take(values)?,)*))
            }
        }
    };
}

tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);
