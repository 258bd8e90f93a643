//! Makes avatars of whatever a client sends.
//!
//! A picture is judged by its header, decoded to the square around its centre at about the size that is kept, turned
//! upright, brought to sRGB, and encoded in four sizes. Nothing else of a file goes on: no metadata, and no byte as
//! it came.
//!
//! # Memory
//!
//! The header tells the most that decoding may take. What would take over 200 MiB is refused, and two pictures are
//! decoded at a time where they fit into 200 MiB together. The estimate beside the peak that was seen, in MiB, the
//! file itself not counted (`examples/memory.rs`):
//!
//! | picture | estimate | seen |
//! |---|---|---|
//! | JPEG, 4,000 x 3,000, baseline 4:2:0 | 41 | 18 |
//! | JPEG, 7,071 x 7,071, baseline 4:2:0 or 4:4:4 | 44 | 23 |
//! | JPEG, 7,071 x 7,071, baseline CMYK | 50 | 27 |
//! | JPEG, 12,000 x 2,047, baseline 4:4:4: the largest that is not scaled while it is decoded | 165 | 142 |
//! | JPEG, 7,071 x 7,071, progressive 4:2:0 | 186 | 165 |
//! | JPEG, 5,336 x 5,336, progressive 4:4:4, about the largest that is taken | 198 | 176 |
//! | JPEG, 7,071 x 7,071, progressive 4:4:4 | 329 | refused |
//! | PNG, 7,071 x 7,071 | 21 | 11 |
//! | PNG, 7,071 x 7,071, interlaced, with alpha | 50 | 36 |
//! | GIF, 7,071 x 7,071, interlaced | 40 | 27 |
//! | WebP, 7,071 x 7,071, lossless | 98 | 10 |
//! | WebP, 7,071 x 7,071, lossless, 64 bytes that describe every block | 98 | 45 |
//! | WebP, 8 x 8, lossless, 4,096 groups of codes, each as large as can be | 48 | 36 |
//! | WebP, 7,071 x 7,071, lossy | 106 | 78 |
//! | WebP, 7,071 x 7,071, lossy, with alpha | 186 | 81 |
//!
//! Sixteen uploads at once, each one of the largest of these: 244 MiB at the peak in the whole process.

mod colour;
mod encode;
mod exif;
mod flaw;
mod gate;
mod gif;
mod head;
mod jpeg;
mod picture;
mod png;
mod render;
mod renderer;
mod resize;
mod shrink;
#[cfg(test)]
mod tests;
mod webp;

pub use render::render;
pub use renderer::Renderer;
