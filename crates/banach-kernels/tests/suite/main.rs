//! Do the kernels compute what plain loops compute?

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
