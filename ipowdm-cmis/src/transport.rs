//! Transports of a hosted system.

mod image;
mod optoe;

pub use image::Image;
pub use optoe::Optoe;
