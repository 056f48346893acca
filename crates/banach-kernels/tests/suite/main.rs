//! Tests of banach-kernels: one binary, a module for each subject.

mod adam;
mod chain;
mod convolution;

mod functions;
mod meaning;
mod numbers;
mod operations;
mod precise;
mod product;
mod vector;
mod winograd;
