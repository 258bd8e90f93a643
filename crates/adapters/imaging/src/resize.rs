//! Scaling of what is small already.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::flaw::Broken;
use crate::picture::Picture;

const FAILED: Broken = Broken("it cannot be scaled");

/// Scales a picture down; one that is small enough stays as it is.
pub(crate) fn shrink(picture: &Picture, side: u32) -> Result<Picture, Broken> {
    if picture.side <= side {
        return Ok(picture.clone());
    }
    let source = ImageRef::new(picture.side, picture.side, &picture.pixels, PixelType::U8x4).map_err(|_| FAILED)?;
    let mut square = Image::new(side, side, PixelType::U8x4);
    let options =
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(!picture.is_opaque);
    Resizer::new().resize(&source, &mut square, &options).map_err(|_| FAILED)?;
    Ok(Picture { side, pixels: square.into_vec(), is_opaque: picture.is_opaque })
}
