//! The kernels of our own engine: every level against the portable one, which is the specification.

mod levels;
mod shapes;
