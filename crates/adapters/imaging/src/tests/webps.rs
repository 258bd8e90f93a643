//! Our lossless WebP decoder beside another one.

use proptest::prelude::*;

use super::fixtures::*;
use super::vp8l;
use crate::webp;

fn by_another_decoder(bytes: &[u8]) -> Vec<u8> {
    let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(bytes)).unwrap();
    let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
    decoder.read_image(&mut pixels).unwrap();
    if decoder.has_alpha() {
        return pixels;
    }
    pixels.as_chunks::<3>().0.iter().flat_map(|&[red, green, blue]| [red, green, blue, 255]).collect()
}

proptest! {
    #[test]
    fn whatever_is_encoded_is_decoded_as_by_another_decoder(side in 1_u32..80, colours in 1_u32..400, is_opaque: bool) {
        let raster = Raster::new(side, side, |x, y| {
            let [a, b, c, d] = ((x / 3 * 7 + y * y) % colours).wrapping_mul(2_654_435_761).to_le_bytes();
            [a, b, c, if is_opaque { 255 } else { d }]
        });
        let bytes = webp(&raster);
        prop_assert!(webp::decode(&bytes).unwrap().picture.pixels == by_another_decoder(&bytes));
    }

    #[test]
    fn whatever_the_format_allows_is_decoded_as_by_another_decoder(seed: u64, side in 1_u32..60) {
        let bytes = vp8l::file(seed, side, side);
        prop_assert!(webp::decode(&bytes).unwrap().picture.pixels == by_another_decoder(&bytes));
    }

    #[test]
    fn alpha_that_is_compressed_is_decoded_as_by_another_decoder(seed: u64, filter in 0_u8..4) {
        let alpha = riff(*b"ALPH", &[vec![filter << 2 | 1], vp8l::stream(seed, 32, 32)].concat());
        let bytes = webp_of(&[vp8x(0x10, 32, 32), alpha, riff(*b"VP8 ", &lossy())]);
        prop_assert!(webp::decode(&bytes).unwrap().picture.pixels == by_another_decoder(&bytes));
    }
}

#[test]
fn lossy_pictures_are_decoded_as_by_another_decoder() {
    for bytes in [webp_of(&[riff(*b"VP8 ", &lossy())]), lossy_with_alpha()] {
        assert!(webp::decode(&bytes).unwrap().picture.pixels == by_another_decoder(&bytes));
    }
}

#[test]
fn alpha_that_is_not_compressed_is_read_through_every_filter() {
    for filter in 0..4_u8 {
        let values: Vec<u8> = (0..32 * 32_u32).map(|at| (at * at / 11 % 7) as u8).collect();
        let alpha = riff(*b"ALPH", &[vec![filter << 2], values].concat());
        let bytes = webp_of(&[vp8x(0x10, 32, 32), alpha, riff(*b"VP8 ", &lossy())]);
        assert!(webp::decode(&bytes).unwrap().picture.pixels == by_another_decoder(&bytes), "{filter}");
    }
}

/// Four pixels in which green and red have codes of two numbers, with the bits that choose.
fn of_pairs(green: [u32; 2], red: [u32; 2], choice: u32) -> Vec<u8> {
    let mut bits = vp8l::Bits::default();
    bits.put(0, 3);
    for [first, second] in [green, red] {
        bits.put(0b111, 3);
        bits.put(first, 8);
        bits.put(second, 8);
    }
    for number in [0, 255, 0] {
        bits.put(0b101, 3);
        bits.put(number, 8);
    }
    bits.put(choice, 8);
    let header = [0x2f, 1, 0x40, 0, 0x10];
    webp_of(&[riff(*b"VP8L", &[header.as_slice(), &bits.into_bytes()].concat())])
}

// What `libwebp` shows; `image-webp` goes by the order of the file.
#[test]
fn the_lesser_of_two_numbers_has_the_code_0() {
    for green in [[100, 200], [200, 100]] {
        let pixels = webp::decode(&of_pairs(green, [7, 7], 0b0110)).unwrap().picture.pixels;
        let seen: Vec<_> = pixels.as_chunks::<4>().0.iter().map(|&[red, green, ..]| (red, green)).collect();
        assert_eq!(seen, [(7, 100), (7, 200), (7, 200), (7, 100)]);
    }
}

#[test]
fn the_same_number_twice_takes_no_bits() {
    let pixels = webp::decode(&of_pairs([77, 77], [10, 20], 0b0110)).unwrap().picture.pixels;
    let seen: Vec<_> = pixels.as_chunks::<4>().0.iter().map(|&[red, green, ..]| (red, green)).collect();
    assert_eq!(seen, [(10, 77), (20, 77), (20, 77), (10, 77)]);
}

// What `libwebp` shows; `image-webp` keeps in the cache what was there.
#[test]
fn a_pixel_that_comes_out_of_the_cache_goes_into_it() {
    // Its place is the first, as that of the pixel 0, which the second holds at the beginning.
    let first = (0xff00_0000..u32::MAX).find(|pixel: &u32| pixel.wrapping_mul(0x1e35_a7bd) >> 31 == 0).unwrap();
    let pixels = webp::decode(&vp8l::out_of_cache(first)).unwrap().picture.pixels;
    assert!(pixels[..4] == pixels[12..] && pixels[..4] != [0; 4]);
    assert_eq!(pixels[4..12], [0; 8]);
}
