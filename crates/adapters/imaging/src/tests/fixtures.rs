//! Pictures, made of four colours where nothing else is said, and what is seen of a file.

use frontdesk_profile::avatar::{Part, PartName, PictureFormat, RenderError, Rendered, RenderedFile};
use jpeg_encoder::{ColorType, Encoder};

use crate::render;

pub(super) const RED: [u8; 4] = [220, 40, 40, 255];
pub(super) const GREEN: [u8; 4] = [40, 200, 40, 255];
pub(super) const BLUE: [u8; 4] = [40, 40, 220, 255];
pub(super) const WHITE: [u8; 4] = [230, 230, 230, 255];

/// Pixels by their places.
pub(super) struct Raster {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixels: Vec<[u8; 4]>,
}

impl Raster {
    pub(super) fn new(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Self {
        let pixel = &pixel;
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| pixel(x, y))).collect();
        Self { width, height, pixels }
    }

    /// Red and green above, blue and white below.
    pub(super) fn quarters(width: u32, height: u32) -> Self {
        Self::new(width, height, |x, y| match (x < width / 2, y < height / 2) {
            (true, true) => RED,
            (false, true) => GREEN,
            (true, false) => BLUE,
            (false, false) => WHITE,
        })
    }

    pub(super) fn filled(width: u32, height: u32, pixel: [u8; 4]) -> Self {
        Self::new(width, height, |_, _| pixel)
    }

    /// Waves of all sizes, so that every frequency is there.
    pub(super) fn waves(width: u32, height: u32) -> Self {
        let wave = |at: u32, by: u32| u8::try_from((at * at / by + at) % 511 % 256).unwrap();
        Self::new(width, height, |x, y| [wave(x, 9), wave(y, 7), wave(x + y, 23), 255])
    }

    pub(super) fn at(&self, x: u32, y: u32) -> [u8; 4] {
        self.pixels[(y * self.width + x) as usize]
    }

    pub(super) fn rgb(&self) -> Vec<u8> {
        self.pixels.iter().flat_map(|&[red, green, blue, _]| [red, green, blue]).collect()
    }

    pub(super) fn rgba(&self) -> Vec<u8> {
        self.pixels.concat()
    }
}

pub(super) fn part(name: &str, bytes: &[u8]) -> Part {
    Part { name: PartName::parse(name).unwrap(), bytes: bytes.to_vec() }
}

pub(super) fn try_render(bytes: &[u8]) -> Result<Rendered, RenderError> {
    render(&[part("file", bytes)])
}

/// The largest file of a picture.
pub(super) fn large(bytes: &[u8]) -> Raster {
    shown(&try_render(bytes).unwrap().files.large)
}

/// What is seen of a file.
pub(super) fn shown(file: &RenderedFile) -> Raster {
    match file.format {
        PictureFormat::Jpeg => decode_jpeg(&file.bytes),
        PictureFormat::Png => decode_png(&file.bytes),
    }
}

pub(super) fn decode_jpeg(bytes: &[u8]) -> Raster {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    let pixels = decoder.decode().unwrap();
    let info = decoder.info().unwrap();
    let pixels = match info.pixel_format {
        jpeg_decoder::PixelFormat::L8 => pixels.iter().map(|&grey| [grey, grey, grey, 255]).collect(),
        jpeg_decoder::PixelFormat::RGB24 => pixels.as_chunks::<3>().0.iter().map(|&[r, g, b]| [r, g, b, 255]).collect(),
        other => panic!("{other:?}"),
    };
    Raster { width: info.width.into(), height: info.height.into(), pixels }
}

fn decode_png(bytes: &[u8]) -> Raster {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgba);
    Raster { width: info.width, height: info.height, pixels: pixels.as_chunks().0.to_vec() }
}

#[track_caller]
pub(super) fn assert_near(seen: [u8; 4], meant: [u8; 4], tolerance: u8) {
    let is_near = seen.iter().zip(&meant).all(|(seen, meant)| seen.abs_diff(*meant) <= tolerance);
    assert!(is_near, "{seen:?} is not {meant:?}");
}

/// The colours in the middle of the four quarters, row by row, must be these.
#[track_caller]
pub(super) fn assert_quarters(seen: &Raster, meant: [[u8; 4]; 4]) {
    let (near, far) = (seen.width / 4, seen.width * 3 / 4);
    for ((x, y), meant) in [(near, near), (far, near), (near, far), (far, far)].into_iter().zip(meant) {
        assert_near(seen.at(x, y), meant, 12);
    }
}

pub(super) fn jpeg_with(raster: &Raster, set: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 92);
    set(&mut encoder);
    let (width, height) = (raster.width.try_into().unwrap(), raster.height.try_into().unwrap());
    encoder.encode(&raster.rgb(), width, height, ColorType::Rgb).unwrap();
    bytes
}

pub(super) fn jpeg(raster: &Raster) -> Vec<u8> {
    jpeg_with(raster, |_| ())
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

pub(super) fn chunk(name: [u8; 4], content: &[u8]) -> Vec<u8> {
    let named = [name.as_slice(), content].concat();
    [&u32::try_from(content.len()).unwrap().to_be_bytes(), named.as_slice(), &crc(&named).to_be_bytes()].concat()
}

/// The layout of a PNG: depth and kind of its colours, whether it is interlaced, and chunks before the pixels.
#[derive(Default, Clone)]
pub(super) struct Png {
    pub(super) depth: u8,
    pub(super) colours: u8,
    pub(super) is_interlaced: bool,
    pub(super) chunks: Vec<u8>,
}

impl Png {
    pub(super) const RGB: Self = Self { depth: 8, colours: 2, is_interlaced: false, chunks: Vec::new() };
    pub(super) const RGBA: Self = Self { depth: 8, colours: 6, is_interlaced: false, chunks: Vec::new() };

    pub(super) fn header(&self, width: u32, height: u32) -> Vec<u8> {
        let rest = [self.depth, self.colours, 0, 0, u8::from(self.is_interlaced)];
        let header = [width.to_be_bytes().as_slice(), &height.to_be_bytes(), &rest].concat();
        [b"\x89PNG\r\n\x1a\n".as_slice(), &chunk(*b"IHDR", &header)].concat()
    }

    /// A file of rows, each with its filter before it.
    pub(super) fn of_rows(&self, width: u32, height: u32, rows: &[u8]) -> Vec<u8> {
        let data = chunk(*b"IDAT", &fdeflate::compress_to_vec(rows));
        [self.header(width, height), self.chunks.clone(), data, chunk(*b"IEND", &[])].concat()
    }

    /// A file of pixels, each of which is written as `sample` has it: in whole bytes.
    pub(super) fn of(&self, raster: &Raster, sample: impl Fn([u8; 4]) -> Vec<u8>) -> Vec<u8> {
        let passes: &[(u32, usize, u32, usize)] = if self.is_interlaced {
            &[(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
        } else {
            &[(0, 1, 0, 1)]
        };
        let mut rows = Vec::new();
        for &(top, down, left, across) in passes.iter().filter(|(.., left, _)| *left < raster.width) {
            for y in (top..raster.height).step_by(down) {
                rows.push(0);
                rows.extend((left..raster.width).step_by(across).flat_map(|x| sample(raster.at(x, y))));
            }
        }
        self.of_rows(raster.width, raster.height, &rows)
    }
}

pub(super) fn png(raster: &Raster) -> Vec<u8> {
    Png::RGBA.of(raster, |pixel| pixel.to_vec())
}

/// A picture of at most 256 colours; those without alpha are transparent.
pub(super) fn gif(raster: &Raster) -> Vec<u8> {
    gif_of(raster.width, raster.height, &[(0, 0, raster, false)])
}

/// Frames at their places, interlaced or not, on a canvas.
pub(super) fn gif_of(width: u32, height: u32, frames: &[(u16, u16, &Raster, bool)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (width, height) = (width.try_into().unwrap(), height.try_into().unwrap());
    let mut encoder = gif::Encoder::new(&mut bytes, width, height, &[]).unwrap();
    for &(left, top, raster, interlaced) in frames {
        let mut colours: Vec<[u8; 4]> = raster.pixels.clone();
        colours.sort_unstable();
        colours.dedup();
        let number = |pixel: [u8; 4]| u8::try_from(colours.binary_search(&pixel).unwrap()).unwrap();
        let lines: Vec<u32> = if interlaced {
            [(0, 8), (4, 8), (2, 4), (1, 2)].iter().flat_map(|&(at, by)| (at..raster.height).step_by(by)).collect()
        } else {
            (0..raster.height).collect()
        };
        let indices = lines.iter().flat_map(|&y| (0..raster.width).map(move |x| number(raster.at(x, y))));
        let frame = gif::Frame {
            left,
            top,
            interlaced,
            width: raster.width.try_into().unwrap(),
            height: raster.height.try_into().unwrap(),
            palette: Some(colours.iter().flat_map(|&[red, green, blue, _]| [red, green, blue]).collect()),
            transparent: colours.iter().position(|colour| colour[3] == 0).map(|at| at.try_into().unwrap()),
            buffer: indices.collect::<Vec<u8>>().into(),
            ..gif::Frame::default()
        };
        encoder.write_frame(&frame).unwrap();
    }
    drop(encoder);
    bytes
}

pub(super) fn riff(name: [u8; 4], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    [name.as_slice(), &length, content, &[0][..content.len() % 2]].concat()
}

pub(super) fn webp_of(chunks: &[Vec<u8>]) -> Vec<u8> {
    riff(*b"RIFF", &[b"WEBP".to_vec(), chunks.concat()].concat())
}

/// What stands in the chunk of a lossless picture.
pub(super) fn lossless(raster: &Raster) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image_webp::WebPEncoder::new(&mut bytes);
    encoder.encode(&raster.rgba(), raster.width, raster.height, image_webp::ColorType::Rgba8).unwrap();
    let at = bytes.windows(4).position(|name| name == b"VP8L").unwrap();
    bytes[at + 8..].to_vec()
}

pub(super) fn webp(raster: &Raster) -> Vec<u8> {
    webp_of(&[riff(*b"VP8L", &lossless(raster))])
}

fn three_bytes(number: u32) -> Vec<u8> {
    number.to_le_bytes()[..3].to_vec()
}

/// The header that tells the canvas and which chunks there are.
pub(super) fn vp8x(flags: u8, width: u32, height: u32) -> Vec<u8> {
    riff(*b"VP8X", &[vec![flags, 0, 0, 0], three_bytes(width - 1), three_bytes(height - 1)].concat())
}

/// A frame of an animation, at even places.
pub(super) fn anmf(left: u32, top: u32, width: u32, height: u32, chunks: &[u8]) -> Vec<u8> {
    let place = [left / 2, top / 2, width - 1, height - 1, 100].map(three_bytes).concat();
    riff(*b"ANMF", &[place, vec![0], chunks.to_vec()].concat())
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).unwrap().try_into().unwrap()).collect();
    digits.as_chunks().0.iter().map(|[high, low]| high << 4 | low).collect()
}

/// Quarters of 32 x 32, as libwebp makes them lossy.
pub(super) fn lossy() -> Vec<u8> {
    from_hex(
        "7004009d012a200020003ec12ea64e27a1a4229bf0f0180968009d32847037807e4072066d69dfa0d78a880000fee5fa3c66c57fe5bb66\
         d9204fab053bf2a2adfe093ad046fc4db46bb1826ffa1d905e141ae4d800",
    )
}

/// Alpha of 32 x 32, from next to none above to next to all below, as libwebp compresses it.
pub(super) fn fading() -> Vec<u8> {
    from_hex("01b98ce87f406ddb368cd393ffafd69c25620226200b3db083adf73330")
}

/// The quarters with that alpha.
pub(super) fn lossy_with_alpha() -> Vec<u8> {
    webp_of(&[vp8x(0x10, 32, 32), riff(*b"ALPH", &fading()), riff(*b"VP8 ", &lossy())])
}

/// An Exif block that tells an orientation, and one thing after it.
pub(super) fn exif(orientation: u16, is_big_endian: bool) -> Vec<u8> {
    let short = |number: u16| if is_big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
    let long = |number: u32| if is_big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
    let magic = if is_big_endian { b"MM\0*" } else { b"II*\0" };
    let mut bytes = [magic.as_slice(), &long(8), &short(2)].concat();
    bytes.extend([short(0x0112), short(3)].concat());
    bytes.extend([long(1).as_slice(), &short(orientation), &[0, 0]].concat());
    bytes.extend([short(0x8825), short(4)].concat());
    bytes.extend([long(1), long(38), long(0)].concat());
    bytes.extend(b"GPS-CANARY");
    bytes
}
