//! The language of programs: types, primitives, equations and the check of their well-formedness.

pub(crate) mod builder;
pub(crate) mod custom;
pub(crate) mod geometry;
pub(crate) mod linear;
pub(crate) mod primitive;
pub(crate) mod print;
pub(crate) mod program;
pub(crate) mod shape;
pub(crate) mod tensor_type;
pub(crate) mod value;
pub(crate) mod verify;
