//! What is cut, damaged, or not what it says.

use frontdesk_profile::avatar::RenderError;
use proptest::prelude::*;

use super::fixtures::*;
use super::vp8l;
use crate::flaw::Refusal;
use crate::head::{Head, MAX_MEMORY};
use crate::{gif, jpeg, png, webp};

/// A small file of each format and kind, with its name.
pub(super) fn whole_files() -> Vec<(&'static str, Vec<u8>)> {
    let raster = Raster::quarters(19, 13);
    let translucent = Raster::new(13, 19, |x, y| [200, 10, 10, u8::try_from(9 * (x + y) % 256).unwrap()]);
    let lossless_frame = anmf(2, 4, 19, 13, &riff(*b"VP8L", &self::lossless(&raster)));
    let indexed = Png { depth: 8, colours: 0, is_interlaced: true, ..Png::default() };
    let rotated = jpeg_with(&raster, |encoder| encoder.add_exif_metadata(&exif(6, true)).unwrap());
    vec![
        ("baseline.jpg", self::jpeg(&raster)),
        ("rotated.jpg", rotated),
        ("progressive.jpg", jpeg_with(&raster, |encoder| encoder.set_progressive(true))),
        ("restarts.jpg", jpeg_with(&raster, |encoder| encoder.set_restart_interval(1))),
        ("rgba.png", self::png(&translucent)),
        ("interlaced.png", indexed.of(&raster, |pixel| vec![pixel[0]])),
        ("plain.gif", self::gif(&raster)),
        ("interlaced.gif", gif_of(30, 20, &[(3, 2, &raster, true)])),
        ("lossless.webp", self::webp(&translucent)),
        // Every transform, a cache and three groups of codes.
        ("transforms.webp", vp8l::file(50, 9, 9)),
        ("lossy.webp", webp_of(&[riff(*b"VP8 ", &lossy())])),
        ("alpha.webp", lossy_with_alpha()),
        ("animated.webp", webp_of(&[vp8x(2, 30, 20), riff(*b"ANIM", &[0; 6]), lossless_frame])),
    ]
}

fn is_refused(bytes: &[u8]) -> bool {
    match try_render(bytes) {
        Ok(_) => false,
        Err(RenderError::Broken { reason, .. }) => {
            assert_ne!(reason, "the decoder gave up");
            true
        }
        Err(RenderError::Unsupported { .. } | RenderError::TooLarge { .. }) => true,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    for (name, bytes) in whole_files() {
        assert!(!is_refused(&bytes), "{name}");
        // A GIF is whole when its first frame is.
        let needed = bytes.len() - usize::from(name.contains("gif"));
        for length in 0..needed {
            assert!(is_refused(&bytes[..length]), "{name} {length} of {}", bytes.len());
        }
    }
}

#[test]
fn a_jpeg_without_part_of_its_data_is_refused_although_its_end_is_there() {
    for is_progressive in [false, true] {
        let whole = jpeg_with(&Raster::waves(60, 60), |encoder| encoder.set_progressive(is_progressive));
        let cut = [&whole[..whole.len() - 40], &[0xff, 0xd9]].concat();
        assert!(!is_refused(&whole));
        assert!(is_refused(&cut));
    }
}

#[test]
fn a_png_with_a_wrong_checksum_is_refused() {
    let mut bytes = self::png(&Raster::quarters(9, 9));
    let data = bytes.windows(4).position(|name| name == b"IDAT").unwrap();
    bytes[data - 5] ^= 1;
    assert!(is_refused(&bytes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_damage_makes_a_decoder_give_up(
        which in 0_usize..13,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (_, mut bytes) = whole_files().swap_remove(which);
        for (at, byte) in damage {
            *at.get_mut(&mut bytes) = byte;
        }
        is_refused(&bytes);
    }
}

#[test]
fn what_is_no_picture_by_its_content_is_not_supported() {
    for bytes in [
        b"<svg xmlns='http://www.w3.org/2000/svg'/>".as_slice(),
        b"<html>",
        b"%PDF-1.7",
        b"PK\x03\x04",
        b"BM\x00\x00",
        b"II*\0\x08\0\0\0",
        b"\0\0\0\x20ftypavif",
        b"GIF90a",
        b"x",
    ] {
        assert!(matches!(try_render(bytes), Err(RenderError::Unsupported { .. })), "{bytes:?}");
    }
}

#[test]
fn an_empty_part_is_broken() {
    assert!(matches!(try_render(b""), Err(RenderError::Broken { reason, .. }) if reason == "it is empty"));
}

fn refusal(bytes: &[u8]) -> Refusal {
    Head::read(bytes).unwrap_err()
}

/// A JPEG up to the end of its frame header.
fn jpeg_of_size(width: u16, height: u16) -> Vec<u8> {
    let (width, height) = (width.to_be_bytes(), height.to_be_bytes());
    [b"\xff\xd8\xff\xc0\0\x0b\x08".as_slice(), &height, &width, &[1, 1, 0x11, 0]].concat()
}

fn gif_of_size(width: u16, height: u16) -> Vec<u8> {
    let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
    [b"GIF89a".as_slice(), &size, &[0, 0, 0, 0x2c, 0, 0, 0, 0], &size, &[0, 2]].concat()
}

fn lossless_of_size(width: u32, height: u32) -> Vec<u8> {
    let header = (width - 1) | (height - 1) << 14;
    webp_of(&[riff(*b"VP8L", &[&[0x2f], header.to_le_bytes().as_slice(), &[0; 8]].concat())])
}

#[test]
fn more_than_the_limits_is_refused_by_the_header() {
    // A few bytes of each: there is no pixel that could be decoded.
    let gif_bomb = b"GIF89\x61\xff\xff\xff\x7f\0\0\0\x21\xf9\x04\0\0\0\0\0\x2c\0\0\0\0\xff\xff\xff\x7f\0\x05";
    for (bytes, size) in [
        (Png::RGB.header(50_000, 50_000), (50_000, 50_000)),
        (Png::RGB.header(65_535, 65_535), (65_535, 65_535)),
        (Png::RGBA.header(16_384, 16_384), (16_384, 16_384)),
        (Png::RGB.header(u32::MAX, u32::MAX), (u32::MAX, u32::MAX)),
        (Png::RGB.header(1, 100_000), (1, 100_000)),
        (Png::RGB.header(7_072, 7_072), (7_072, 7_072)),
        (gif_bomb.to_vec(), (65_535, 32_767)),
        (gif_of_size(12_001, 1), (12_001, 1)),
        (jpeg_of_size(65_535, 65_535), (65_535, 65_535)),
        (jpeg_of_size(9_000, 9_000), (9_000, 9_000)),
        (lossless_of_size(16_383, 16_383), (16_383, 16_383)),
        (webp_of(&[vp8x(0, 16_383, 16_383), lossless_of_size(16_383, 16_383)[12..].to_vec()]), (16_383, 16_383)),
    ] {
        let Refusal::TooLarge(_, told) = refusal(&bytes) else { panic!("{size:?}") };
        assert_eq!((told.width, told.height), size);
    }
}

#[test]
fn the_limits_themselves_are_taken() {
    for (bytes, size) in [
        (Png::RGB.header(12_000, 4_166), (12_000, 4_166)),
        (jpeg_of_size(7_071, 7_071), (7_071, 7_071)),
        (gif_of_size(10_000, 5_000), (10_000, 5_000)),
        (lossless_of_size(5_000, 10_000), (5_000, 10_000)),
    ] {
        let head = Head::read(&bytes).unwrap();
        assert_eq!((head.size.width, head.size.height), size);
        assert!(head.memory < 160 * 1_024 * 1_024, "{}", head.memory);
    }
}

/// A frame header of three components, the first with these factors.
fn frame_of(code: u8, side: u16, factors: u8) -> Vec<u8> {
    let side = side.to_be_bytes();
    let components = [1, factors, 0, 2, 0x11, 0, 3, 0x11, 0];
    [&[0xff, 0xd8, 0xff, code, 0, 17, 8], side.as_slice(), &side, &[3], &components].concat()
}

#[test]
fn what_takes_too_much_memory_is_refused_by_the_header() {
    let (baseline, progressive) = (0xc0, 0xc2);
    for (code, factors) in [(baseline, 0x11), (baseline, 0x22), (progressive, 0x22)] {
        assert!(Head::read(&frame_of(code, 7_071, factors)).is_ok());
    }
    // All coefficients of a progressive picture are held, and here none are left out.
    let Refusal::TooLarge(rule, size) = refusal(&frame_of(progressive, 7_071, 0x11)) else { panic!() };
    assert!(rule.contains("200 MiB"));
    assert_eq!(size.width, 7_071);
    let memory = |side| Head::read(&frame_of(progressive, side, 0x11)).ok().map(|head| head.memory);
    let largest = (5_000..7_071).rev().find_map(memory).unwrap();
    assert!(largest <= MAX_MEMORY && largest + 1_024 * 1_024 > MAX_MEMORY, "{largest}");
}

#[test]
fn pictures_without_pixels_are_broken() {
    for bytes in [Png::RGB.header(0, 0), Png::RGB.header(0, 5), jpeg_of_size(5, 0), gif_of_size(0, 0)] {
        assert!(matches!(refusal(&bytes), Refusal::Broken(_)));
    }
}

#[test]
fn a_frame_that_contradicts_the_canvas_is_refused() {
    let small = Raster::quarters(8, 8);
    let picture = riff(*b"VP8L", &self::lossless(&small));
    for bytes in [
        webp_of(&[vp8x(0, 9, 8), picture.clone()]),
        webp_of(&[vp8x(2, 8, 8), riff(*b"ANIM", &[0; 6]), anmf(2, 0, 8, 8, &picture)]),
        webp_of(&[vp8x(2, 20, 20), riff(*b"ANIM", &[0; 6]), anmf(0, 0, 9, 8, &picture)]),
        gif_of(7, 8, &[(0, 0, &small, false)]),
        gif_of(8, 8, &[(1, 0, &small, false)]),
    ] {
        assert!(is_refused(&bytes));
    }
}

#[test]
fn text_is_never_inflated() {
    let bomb = fdeflate::compress_to_vec(&vec![0; 32 * 1_024 * 1_024]);
    let chunks = [
        chunk(*b"zTXt", &[b"Comment\0\0".as_slice(), &bomb].concat()),
        chunk(*b"iTXt", &[b"Comment\0\x01\0\0\0".as_slice(), &bomb].concat()),
    ];
    let raster = Raster::quarters(9, 9);
    let bytes = Png { chunks: chunks.concat(), ..Png::RGBA }.of(&raster, |pixel| pixel.to_vec());
    assert_eq!(png::bare(&bytes).unwrap(), self::png(&raster));
    assert!(!is_refused(&bytes));
}

#[test]
fn frames_after_the_first_are_not_looked_at() {
    let whole = self::gif(&Raster::quarters(8, 8));
    let damaged = [0x2c, 0, 0, 0, 0, 8, 0, 8, 0, 0, 99].repeat(10_000);
    assert!(!is_refused(&[&whole[..whole.len() - 1], &damaged].concat()));
}

#[test]
fn a_jpeg_of_more_scans_than_anyone_needs_is_refused() {
    let whole = jpeg_with(&Raster::filled(16, 16, RED), |encoder| encoder.set_progressive(true));
    let scans = whole.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap();
    let end = scans + whole[scans + 2..].windows(2).position(|marker| marker[0] == 0xff && marker[1] > 0).unwrap() + 2;
    let first = whole[scans..end].repeat(65);
    let bytes = [&whole[..scans], &first, &whole[end..]].concat();
    assert!(jpeg::decode(&bytes).unwrap_err().0.contains("64 scans"));
}

#[test]
fn kinds_of_jpeg_that_are_not_taken_are_told_apart_from_damage() {
    for (code, precision) in [(0xc3, 8), (0xc5, 8), (0xc9, 8), (0xca, 8), (0xc1, 12)] {
        let mut bytes = jpeg_of_size(9, 9);
        bytes[3] = code;
        bytes[6] = precision;
        assert!(matches!(refusal(&bytes), Refusal::Broken(flaw) if !flaw.0.contains("damaged")));
    }
}

#[test]
fn a_lossless_picture_that_asks_for_too_many_groups_of_codes_is_refused() {
    // No transform and no cache; groups in blocks of 4, whose numbers are all coded as the one pixel 0xffff.
    let bits = [
        (0_u8, 1),
        (0, 1),
        (1, 1),
        (0, 3),
        (0, 1),
        // Green and red are 255, all else is 0.
        (0b101, 3),
        (255, 8),
        (0b101, 3),
        (255, 8),
        (0b001, 4),
        (0b001, 4),
        (0b001, 4),
    ];
    let (mut number, mut at) = (0_u128, 0);
    for (value, width) in bits {
        number |= u128::from(value) << at;
        at += width;
    }
    let header = [0x2f, 7, 0xc0, 1, 0];
    let bytes = webp_of(&[riff(*b"VP8L", &[header.as_slice(), &number.to_le_bytes()].concat())]);
    assert!(webp::decode(&bytes).unwrap_err().0.contains("groups"), "{:?}", webp::decode(&bytes));
}

#[test]
fn a_lossless_picture_that_is_cut_in_its_data_is_refused() {
    for seed in 0..12 {
        let whole = vp8l::content(seed, 9, 7);
        assert!(!is_refused(&webp_of(&[riff(*b"VP8L", &whole)])));
        for length in 0..whole.len() {
            assert!(is_refused(&webp_of(&[riff(*b"VP8L", &whole[..length])])), "{seed} {length}");
        }
    }
}

#[test]
fn a_lossless_picture_that_refers_to_what_is_before_it_is_refused() {
    assert!(!is_refused(&vp8l::reaching_back(1)));
    for distance in [2, 4, 1_000, (1 << 20) - 120] {
        assert!(is_refused(&vp8l::reaching_back(distance)), "{distance}");
    }
}

#[test]
fn the_memory_that_a_head_tells_covers_the_largest_pictures() {
    let of = |bytes: &[u8]| Head::read(bytes).unwrap().memory / (1_024 * 1_024);
    let interlaced = Png { is_interlaced: true, ..Png::RGBA };
    assert!(of(&Png::RGBA.header(7_071, 7_071)) < 40);
    assert!(of(&interlaced.header(7_071, 7_071)) < 60);
    assert!(of(&gif_of_size(7_071, 7_071)) < 40);
    assert!(gif::head(&gif_of_size(7_071, 7_071)).is_ok());
}
