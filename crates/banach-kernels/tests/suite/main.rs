//! Do the kernels compute what plain loops compute?

mod chain;
mod convolution;
mod descent;
mod functions;
mod meaning;
mod numbers;
mod operations;
mod precise;
mod product;
mod vector;
mod winograd;
