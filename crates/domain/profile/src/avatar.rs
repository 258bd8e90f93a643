//! Avatars: the sizes, the names of their files, and what the ports around them say.

mod initials;

use std::fmt;
use std::str::FromStr;

use frontdesk_kernel::{Fault, FaultCode, Unavailable, UserId};

pub use initials::Initials;

/// The most bytes of pictures in one upload, all parts together: 5 MiB.
pub const UPLOAD_LIMIT: usize = 5 * 1_024 * 1_024;
/// The longest side of a picture that is taken, in pixels.
pub const MAX_SIDE: u32 = 12_000;
/// The most pixels of a picture that is taken.
pub const MAX_PIXELS: u64 = 50_000_000;

/// The sizes that every avatar has. All are squares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AvatarSize {
    /// 64 pixels a side.
    Thumbnail,
    /// 128 pixels a side.
    Small,
    /// 256 pixels a side.
    Medium,
    /// 512 pixels a side.
    Large,
}

impl AvatarSize {
    /// From the smallest to the largest.
    pub const ALL: [Self; 4] = [Self::Thumbnail, Self::Small, Self::Medium, Self::Large];

    /// The longest that a side may be, in pixels; the picture it is made of may be smaller.
    pub const fn side(self) -> u32 {
        match self {
            Self::Thumbnail => 64,
            Self::Small => 128,
            Self::Medium => 256,
            Self::Large => 512,
        }
    }

    /// The word for it in paths and forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Thumbnail => "thumbnail",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }
}

/// One value for each size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each field is the size of its name")]
pub struct BySize<T> {
    pub thumbnail: T,
    pub small: T,
    pub medium: T,
    pub large: T,
}

impl<T> BySize<T> {
    /// Asks for each size, from the smallest to the largest.
    pub fn from_fn(mut value: impl FnMut(AvatarSize) -> T) -> Self {
        Self {
            thumbnail: value(AvatarSize::Thumbnail),
            small: value(AvatarSize::Small),
            medium: value(AvatarSize::Medium),
            large: value(AvatarSize::Large),
        }
    }

    /// That of one size.
    pub const fn get(&self, size: AvatarSize) -> &T {
        match size {
            AvatarSize::Thumbnail => &self.thumbnail,
            AvatarSize::Small => &self.small,
            AvatarSize::Medium => &self.medium,
            AvatarSize::Large => &self.large,
        }
    }

    /// From the smallest to the largest.
    pub fn iter(&self) -> impl Iterator<Item = (AvatarSize, &T)> {
        AvatarSize::ALL.into_iter().map(|size| (size, self.get(size)))
    }
}

/// A size by another name than the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be thumbnail, small, medium or large")]
pub struct UnknownSize;

impl FromStr for AvatarSize {
    type Err = UnknownSize;

    fn from_str(name: &str) -> Result<Self, UnknownSize> {
        Self::ALL.into_iter().find(|size| size.as_str() == name).ok_or(UnknownSize)
    }
}

/// How a file is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureFormat {
    /// Where the picture is opaque.
    Jpeg,
    /// Where it has transparency.
    Png,
}

impl PictureFormat {
    const ALL: [Self; 2] = [Self::Jpeg, Self::Png];

    /// The end of a file's name, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }

    /// As `Content-Type` says it.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

/// The content of a picture in all its sizes, digested: other content has another id.
///
/// Written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PictureId([u8; 16]);

impl PictureId {
    /// Wraps a digest.
    pub const fn new(digest: [u8; 16]) -> Self {
        Self(digest)
    }

    /// Returns the digest, for adapters.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for PictureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PictureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A name that no file of ours has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a picture")]
pub struct MalformedPicture;

impl FromStr for PictureId {
    type Err = MalformedPicture;

    /// Only the one spelling, so that a picture has one path.
    fn from_str(text: &str) -> Result<Self, MalformedPicture> {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(MalformedPicture);
        }
        u128::from_str_radix(text, 16).map(|digits| Self(digits.to_be_bytes())).map_err(|_| MalformedPicture)
    }
}

/// Which file: of whom, of which picture, in which size and encoding.
///
/// Written as the path it is served under, `/avatars/{user}/{picture}/{size}.{extension}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each field is what its type names")]
pub struct PicturePath {
    pub user_id: UserId,
    pub picture: PictureId,
    pub size: AvatarSize,
    pub format: PictureFormat,
}

impl PicturePath {
    /// Reads the last three segments of a path.
    pub fn from_segments(user: &str, picture: &str, file: &str) -> Result<Self, MalformedPicture> {
        let (size, extension) = file.split_once('.').ok_or(MalformedPicture)?;
        let format = PictureFormat::ALL.into_iter().find(|format| format.extension() == extension);
        Ok(Self {
            user_id: user.parse().map_err(|_| MalformedPicture)?,
            picture: picture.parse()?,
            size: size.parse().map_err(|_| MalformedPicture)?,
            format: format.ok_or(MalformedPicture)?,
        })
    }

    /// The name of the file in the folder of its picture.
    pub fn file_name(&self) -> String {
        format!("{}.{}", self.size.as_str(), self.format.extension())
    }
}

impl fmt::Display for PicturePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/avatars/{}/{}/{}", self.user_id, self.picture, self.file_name())
    }
}

impl FromStr for PicturePath {
    type Err = MalformedPicture;

    fn from_str(path: &str) -> Result<Self, MalformedPicture> {
        let mut segments = path.strip_prefix("/avatars/").ok_or(MalformedPicture)?.split('/');
        match (segments.next(), segments.next(), segments.next(), segments.next()) {
            (Some(user), Some(picture), Some(file), None) => Self::from_segments(user, picture, file),
            _ => Err(MalformedPicture),
        }
    }
}

/// The name of a part of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartName {
    /// A picture to make the sizes of.
    File,
    /// Another name for the same.
    Avatar,
    /// And another.
    Image,
    /// A picture that is meant for this size.
    Size(AvatarSize),
}

impl PartName {
    /// Reads the name that a client sent.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "file" => Some(Self::File),
            "avatar" => Some(Self::Avatar),
            "image" => Some(Self::Image),
            other => other.parse().ok().map(Self::Size),
        }
    }

    /// The word for it in forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Avatar => "avatar",
            Self::Image => "image",
            Self::Size(size) => size.as_str(),
        }
    }

    /// The size it is meant for; none where it is meant for all that have no part of their own.
    pub const fn size(self) -> Option<AvatarSize> {
        match self {
            Self::File | Self::Avatar | Self::Image => None,
            Self::Size(size) => Some(size),
        }
    }
}

/// A picture as it was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is meant for. No two parts of an upload are meant for the same.
    pub name: PartName,
    /// Its bytes; what they are is told by themselves alone.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Part {
    /// Pictures are nobody's business in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({}, {} bytes)", self.name.as_str(), self.bytes.len())
    }
}

/// A file of our own making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFile {
    /// How it is encoded.
    pub format: PictureFormat,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A picture in all its sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Digests all files: the same files have the same id.
    pub id: PictureId,
    /// The files.
    pub files: BySize<RenderedFile>,
}

impl Rendered {
    /// How many bytes the files have in all.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, file)| file.bytes.len() as u64).sum()
    }

    /// Where each file is served once it is this user's.
    pub fn paths(&self, user_id: UserId) -> BySize<PicturePath> {
        BySize::from_fn(|size| {
            let format = self.files.get(size).format;
            PicturePath { user_id, picture: self.id, size, format }
        })
    }
}

/// Why no avatar is made of an upload.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The upload has no part.
    #[error("send a picture as file, or one for each of thumbnail, small, medium and large")]
    NoPicture,
    /// The content is of no type that is taken.
    #[error("{} must be a JPEG, PNG, WebP or GIF picture, by its content", .part.as_str())]
    Unsupported {
        /// The part.
        part: PartName,
    },
    /// The content begins as a picture and is none, or not all of one.
    #[error("{} cannot be decoded: {reason}", .part.as_str())]
    Broken {
        /// The part.
        part: PartName,
        /// What is wrong with it, in words of ours.
        reason: String,
    },
    /// The picture has more pixels than are decoded, or takes more memory.
    #[error("{} {rule}, not {width} x {height}", .part.as_str())]
    TooLarge {
        /// The part.
        part: PartName,
        /// The limit that it is over.
        rule: &'static str,
        /// Its width by its header, in pixels.
        width: u32,
        /// Its height by its header, in pixels.
        height: u32,
    },
    /// The line for decoding is full, or the process is ending.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Fault for RenderError {
    fn code(&self) -> FaultCode {
        match self {
            Self::NoPicture | Self::Broken { .. } | Self::TooLarge { .. } => FaultCode::ValidationFailed,
            Self::Unsupported { .. } => FaultCode::UnsupportedMediaType,
            Self::Unavailable(cause) => cause.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const PATH: &str = "/avatars/0190f5fe-7c00-7a00-8000-00000000000a/00112233445566778899aabbccddeeff/medium.jpg";

    #[test]
    fn a_path_reads_as_it_was_written() {
        let path: PicturePath = PATH.parse().unwrap();
        assert_eq!((path.size, path.format), (AvatarSize::Medium, PictureFormat::Jpeg));
        assert_eq!(path.to_string(), PATH);
    }

    #[test]
    fn a_name_that_we_never_gave_is_no_path() {
        for wrong in [
            "",
            "/avatars/",
            "/avatars/0190f5fe-7c00-7a00-8000-00000000000a/medium",
            &PATH.replace("medium", "huge"),
            &PATH.replace("jpg", "svg"),
            &PATH.replace("jpg", "jpg.png"),
            &PATH.replace("aabb", "AABB"),
            &PATH.replace("0011", "+011"),
            &PATH.replace("0011", ""),
            &PATH.replace("/avatars", "https://e.test/avatars"),
            &format!("{PATH}/"),
        ] {
            assert_eq!(wrong.parse::<PicturePath>(), Err(MalformedPicture), "{wrong}");
        }
    }

    #[test]
    fn the_path_of_each_size_names_its_own_encoding() {
        let file = |format| RenderedFile { format, bytes: vec![1, 2] };
        let files = BySize { large: file(PictureFormat::Png), ..BySize::from_fn(|_| file(PictureFormat::Jpeg)) };
        let rendered = Rendered { id: PictureId::new([7; 16]), files };
        let paths = rendered.paths(UserId::new(Uuid::nil()));
        assert_eq!(paths.medium.file_name(), "medium.jpg");
        assert_eq!(paths.large.file_name(), "large.png");
        assert_eq!(rendered.bytes(), 8);
    }
}
