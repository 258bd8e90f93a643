//! From the parts of an upload to the files, step by step.

use std::cmp::Reverse;
use std::panic::{AssertUnwindSafe, catch_unwind};

use frontdesk_profile::avatar::{AvatarSize, BySize, Part, PartName, PictureId, RenderError, Rendered, RenderedFile};
use sha2::{Digest, Sha256};

use crate::flaw::{Broken, Refusal};
use crate::head::Head;
use crate::picture::Picture;
use crate::{colour, encode, resize};

/// Makes every size of an upload, on the thread that calls, as [`Renderer`](crate::Renderer) does in the pool.
pub fn render(parts: &[Part]) -> Result<Rendered, RenderError> {
    let plan = Plan::new(parts)?;
    let pictures = parts.iter().zip(&plan.heads).map(|(part, head)| picture(part, head));
    let pictures: Vec<Picture> = pictures.collect::<Result<_, _>>()?;
    plan.finish(parts, &pictures)
}

/// What is made of which part.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) heads: Vec<Head>,
    /// The place of the part that each size is made of.
    sources: BySize<usize>,
}

impl Plan {
    /// Judges all parts by their headers, before any is decoded.
    pub(crate) fn new(parts: &[Part]) -> Result<Self, RenderError> {
        let head = |part: &Part| Head::read(&part.bytes).map_err(|refusal| refused(part.name, refusal));
        let heads: Vec<Head> = parts.iter().map(head).collect::<Result<_, _>>()?;
        let master = parts
            .iter()
            .zip(&heads)
            .enumerate()
            .max_by_key(|(_, (part, head))| (head.size.shorter(), head.size.pixels(), precedence(part.name)));
        let (master, _) = master.ok_or(RenderError::NoPicture)?;
        let own = |size| parts.iter().position(|part| part.name.size() == Some(size));
        Ok(Self { heads, sources: BySize::from_fn(|size| own(size).unwrap_or(master)) })
    }

    /// The most memory that decoding any of the parts takes, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.heads.iter().map(|head| head.memory).max().unwrap_or(0)
    }

    /// Makes the files of the pictures of all parts, which are in their order.
    pub(crate) fn finish(&self, parts: &[Part], pictures: &[Picture]) -> Result<Rendered, RenderError> {
        let file = |size| {
            let source = *self.sources.get(size);
            // From the largest size that the same picture is made in, down to this one.
            let picture = pictures.get(source).ok_or(RenderError::NoPicture)?;
            let larger = AvatarSize::ALL.into_iter().rev().filter(|larger| *larger >= size);
            let mut steps = larger.filter(|larger| *self.sources.get(*larger) == source);
            let file = steps
                .try_fold(picture.clone(), |picture, step| resize::shrink(&picture, step.side()))
                .and_then(|picture| encode::encode(&picture));
            file.map_err(|flaw| refused(parts.get(source).map_or(PartName::File, |part| part.name), flaw.into()))
        };
        let files = BySize {
            thumbnail: file(AvatarSize::Thumbnail)?,
            small: file(AvatarSize::Small)?,
            medium: file(AvatarSize::Medium)?,
            large: file(AvatarSize::Large)?,
        };
        Ok(Rendered { id: digest(&files), files })
    }
}

/// Among parts of one size: the first of file, avatar and image, then the one that is meant for the largest size.
fn precedence(name: PartName) -> (Reverse<u8>, Option<AvatarSize>) {
    match name {
        PartName::File => (Reverse(0), None),
        PartName::Avatar => (Reverse(1), None),
        PartName::Image => (Reverse(2), None),
        PartName::Size(size) => (Reverse(3), Some(size)),
    }
}

/// Decodes a part: upright, in sRGB, and as large as the largest size at most.
pub(crate) fn picture(part: &Part, head: &Head) -> Result<Picture, RenderError> {
    let decoded = guarded(|| {
        let mut decoded = head.decode(&part.bytes)?;
        colour::to_srgb(&mut decoded.picture, decoded.space, decoded.profile.as_deref());
        Ok(decoded.orientation.apply(decoded.picture))
    });
    decoded.map_err(|flaw| refused(part.name, flaw.into()))
}

/// Runs a decoder. Its panic is a picture that cannot be decoded: what it was about to make is dropped.
pub(crate) fn guarded<T>(decode: impl FnOnce() -> Result<T, Broken>) -> Result<T, Broken> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or(Err(Broken("the decoder gave up")))
}

fn refused(part: PartName, refusal: Refusal) -> RenderError {
    match refusal {
        Refusal::Unsupported => RenderError::Unsupported { part },
        Refusal::Broken(Broken(reason)) => RenderError::Broken { part, reason: reason.to_owned() },
        Refusal::TooLarge(rule, size) => RenderError::TooLarge { part, rule, width: size.width, height: size.height },
    }
}

fn digest(files: &BySize<RenderedFile>) -> PictureId {
    let mut hash = Sha256::new();
    for (_, file) in files.iter() {
        hash.update(file.format.extension());
        hash.update((file.bytes.len() as u64).to_be_bytes());
        hash.update(&file.bytes);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut id = [0; 16];
    id.iter_mut().zip(digest).for_each(|(byte, digested)| *byte = digested);
    PictureId::new(id)
}
