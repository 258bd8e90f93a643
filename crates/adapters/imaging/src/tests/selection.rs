//! Which part makes which size.

use frontdesk_profile::avatar::{Part, PictureFormat, RenderError, Rendered};

use super::fixtures::*;
use crate::render;

fn filled(side: u32, colour: [u8; 4]) -> Vec<u8> {
    jpeg(&Raster::filled(side, side, colour))
}

fn rendered(parts: &[Part]) -> Rendered {
    render(parts).unwrap()
}

/// The sides and the colours, from the smallest size to the largest.
#[track_caller]
fn assert_made(rendered: &Rendered, meant: [(u32, [u8; 4]); 4]) {
    for ((size, file), (side, colour)) in rendered.files.iter().zip(meant) {
        let seen = shown(file);
        assert_eq!(seen.width, side, "{size:?}");
        assert_near(seen.at(side / 2, side / 2), colour, 6);
    }
}

#[test]
fn an_upload_of_no_part_is_refused() {
    assert!(matches!(render(&[]), Err(RenderError::NoPicture)));
}

#[test]
fn a_part_for_a_size_makes_that_size_and_the_largest_makes_the_others() {
    let parts = [part("small", &filled(300, RED)), part("file", &filled(400, GREEN))];
    assert_made(&rendered(&parts), [(64, GREEN), (128, RED), (256, GREEN), (400, GREEN)]);
}

#[test]
fn a_part_for_a_size_may_be_the_largest() {
    let parts = [part("file", &filled(100, GREEN)), part("thumbnail", &filled(600, RED))];
    assert_made(&rendered(&parts), [(64, RED), (128, RED), (256, RED), (512, RED)]);
}

#[test]
fn the_four_that_the_web_client_sends_make_the_four() {
    let parts = [("thumbnail", 64, RED), ("small", 128, GREEN), ("medium", 256, BLUE), ("large", 512, WHITE)];
    let parts = parts.map(|(name, side, colour)| part(name, &filled(side, colour)));
    assert_made(&rendered(&parts), [(64, RED), (128, GREEN), (256, BLUE), (512, WHITE)]);
}

#[test]
fn the_longest_shorter_side_counts() {
    let long = jpeg(&Raster::filled(900, 90, RED));
    let parts = [part("file", &long), part("avatar", &filled(100, GREEN))];
    assert_made(&rendered(&parts), [(64, GREEN), (100, GREEN), (100, GREEN), (100, GREEN)]);
}

#[test]
fn of_two_with_the_same_shorter_side_the_one_with_more_pixels_counts() {
    let long = jpeg(&Raster::filled(200, 100, RED));
    let parts = [part("file", &filled(100, GREEN)), part("avatar", &long)];
    assert_made(&rendered(&parts), [(64, RED), (100, RED), (100, RED), (100, RED)]);
}

#[test]
fn of_two_of_one_size_the_name_counts_and_not_the_order() {
    for (first, second) in [("file", "avatar"), ("avatar", "image"), ("image", "large"), ("file", "large")] {
        let parts = [part(second, &filled(60, RED)), part(first, &filled(60, GREEN))];
        assert_near(shown(&rendered(&parts).files.thumbnail).at(30, 30), GREEN, 6);
    }
    let parts = [part("medium", &filled(60, RED)), part("large", &filled(60, GREEN))];
    assert_made(&rendered(&parts), [(60, GREEN), (60, GREEN), (60, RED), (60, GREEN)]);
}

#[test]
fn a_broken_part_refuses_the_upload_although_nothing_would_be_made_of_it() {
    let whole = filled(60, RED);
    let parts = [part("file", &filled(100, GREEN)), part("image", &whole[..whole.len() - 30])];
    assert!(matches!(render(&parts), Err(RenderError::Broken { part, .. }) if part.as_str() == "image"));
}

#[test]
fn each_source_decides_for_its_own_sizes_how_they_are_encoded() {
    let translucent = png(&Raster::filled(200, 200, [200, 0, 0, 77]));
    let rendered = rendered(&[part("file", &filled(300, GREEN)), part("medium", &translucent)]);
    let formats: Vec<_> = rendered.files.iter().map(|(_, file)| file.format).collect();
    let jpeg = PictureFormat::Jpeg;
    assert_eq!(formats, [jpeg, jpeg, PictureFormat::Png, jpeg]);
}

#[test]
fn the_same_upload_has_the_same_files_and_the_same_id() {
    let parts = [part("file", &jpeg(&Raster::waves(700, 600))), part("small", &png(&Raster::quarters(90, 90)))];
    assert_eq!(rendered(&parts), rendered(&parts));
    assert_ne!(rendered(&parts).id, rendered(&parts[..1]).id);
}
