//! Pictures and the forms that carry them.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use crate::Site;
use crate::site::{Answer, User, send};

/// The `Content-Type` of every [`form`].
pub(crate) const FORM: &str = "multipart/form-data; boundary=frontdesk";

/// A form with these parts, as browsers write it.
pub(crate) fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, content) in parts {
        let disposition = format!("Content-Disposition: form-data; name=\"{name}\"; filename=\"me.png\"");
        form.extend(format!("--frontdesk\r\n{disposition}\r\nContent-Type: image/png\r\n\r\n").into_bytes());
        form.extend_from_slice(content);
        form.extend(b"\r\n");
    }
    form.extend(b"--frontdesk--\r\n");
    form
}

/// A picture of one colour: opaque where the last byte is 255.
pub(crate) fn png(width: u32, height: u32, colour: [u8; 4]) -> Vec<u8> {
    png_with(width, height, png::ColorType::Rgba, png::BitDepth::Eight, &colour.repeat((width * height) as usize))
}

/// A picture of these bytes.
pub(crate) fn png_with(
    width: u32,
    height: u32,
    colour: png::ColorType,
    depth: png::BitDepth,
    pixels: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if colour == png::ColorType::Indexed {
        encoder.set_palette([200_u8, 10, 10, 10, 200, 10].as_slice());
    }
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    bytes
}

pub(crate) const RED: [u8; 4] = [200, 10, 10, 255];
pub(crate) const GREEN: [u8; 4] = [10, 200, 10, 255];
pub(crate) const GLASS: [u8; 4] = [10, 10, 200, 100];

/// Width and height by the header, of a JPEG or a PNG.
pub(crate) fn dimensions(bytes: &[u8]) -> (u32, u32) {
    let number =
        |at: usize, count: usize| bytes[at..at + count].iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    if bytes.starts_with(b"\x89PNG") {
        return (number(16, 4), number(20, 4));
    }
    assert!(bytes.starts_with(b"\xff\xd8"), "neither JPEG nor PNG");
    let mut at = 2;
    while !(0xc0..=0xc2).contains(&bytes[at + 1]) {
        at += 2 + number(at + 2, 2) as usize;
    }
    (number(at + 7, 2), number(at + 5, 2))
}

/// A JPEG with a segment of one's own behind its beginning: 0xE1 is Exif, 0xFE a comment.
pub(crate) fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, content, &jpeg[2..]].concat()
}

/// Where each user's picture can be sent to.
pub(crate) fn routes(user: &User) -> [(Method, String); 3] {
    [
        (Method::POST, "/api/v1/profile/avatar".to_owned()),
        (Method::POST, format!("/avatars/upload/{}", user.id)),
        (Method::PUT, format!("/users/{}/avatar", user.id)),
    ]
}

/// The sizes, and how many pixels a side has.
pub(crate) const SIZES: [(&str, u32); 4] = [("thumbnail", 64), ("small", 128), ("medium", 256), ("large", 512)];

impl Site {
    /// Sends a form as it is, with a token or without.
    pub(crate) async fn send_form(&self, method: Method, path: &str, user: Option<&User>, form: Vec<u8>) -> Answer {
        let request = self.request(method, path).header(CONTENT_TYPE, FORM).body(form);
        send(user.into_iter().fold(request, |request, user| request.bearer_auth(&user.token))).await
    }

    /// Uploads parts as their owner.
    pub(crate) async fn upload(&self, user: &User, parts: &[(&str, &[u8])]) -> Answer {
        self.send_form(Method::POST, "/api/v1/profile/avatar", Some(user), form(parts)).await
    }

    /// Uploads a picture that has to be taken; gives where its sizes are, from the smallest to the largest.
    pub(crate) async fn uploaded(&self, user: &User, picture: &[u8]) -> [String; 4] {
        let answer = self.upload(user, &[("file", picture)]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        SIZES.map(|(size, _)| answer.json["avatar_urls"][size].as_str().unwrap().to_owned())
    }
}
