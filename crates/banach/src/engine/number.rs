//! Precisions of the native engine.

/// A precision in which programs are compiled and states are iterated: `f32` or `f64`.
pub(crate) trait Number: banach_program::Number + banach_solve::Number {}

impl Number for f32 {}
impl Number for f64 {}
