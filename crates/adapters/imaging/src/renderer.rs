//! Rendering in the pool.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_cpu::CpuPool;
use frontdesk_kernel::Unavailable;
use frontdesk_profile::AvatarRenderer;
use frontdesk_profile::avatar::{Part, RenderError, Rendered};

use crate::gate::{Gate, Pass};
use crate::head::Head;
use crate::picture::Picture;
use crate::render::{Plan, picture};

/// How long a part waits for a thread. Ahead of it are one other picture, and whatever is hashed meanwhile.
const PATIENCE: Duration = Duration::from_secs(15);

type Decode = dyn Fn(&Part, &Head) -> Result<Picture, RenderError> + Send + Sync;

/// Makes avatars in the bounded CPU pool, a few at a time.
#[derive(Clone)]
pub struct Renderer {
    pool: CpuPool,
    pub(crate) gate: Gate,
    decode: Arc<Decode>,
}

/// An upload on its way through the pool.
struct Work {
    parts: Vec<Part>,
    plan: Plan,
    /// Those of the parts that are decoded, in their order.
    pictures: Vec<Picture>,
    /// Goes with the work: when the caller goes away, the part that is being decoded still counts until it is.
    _pass: Pass,
}

impl Work {
    fn is_decoded(&self) -> bool {
        self.pictures.len() == self.parts.len()
    }

    fn decode_next(mut self, decode: &Decode) -> Result<Self, RenderError> {
        let next = self.pictures.len();
        if let (Some(part), Some(head)) = (self.parts.get_mut(next), self.plan.heads.get(next)) {
            self.pictures.push(decode(part, head)?);
            part.bytes = Vec::new();
        }
        Ok(self)
    }

    fn finish(self) -> Result<Rendered, RenderError> {
        self.plan.finish(&self.parts, &self.pictures)
    }
}

impl Renderer {
    /// Renders in a pool, which others may use too.
    #[expect(clippy::needless_pass_by_value, reason = "a renderer keeps its pool; that it is a copy shows nobody")]
    pub fn new(pool: CpuPool) -> Self {
        Self::with_decoder(&pool, Arc::new(picture))
    }

    pub(crate) fn with_decoder(pool: &CpuPool, decode: Arc<Decode>) -> Self {
        Self { pool: pool.with_patience(PATIENCE), gate: Gate::new(), decode }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, RenderError> + Send + 'static,
    ) -> Result<T, RenderError> {
        self.pool.run(work).await.map_err(Unavailable::new)?
    }
}

#[async_trait]
impl AvatarRenderer for Renderer {
    async fn render(&self, parts: Vec<Part>) -> Result<Rendered, RenderError> {
        let plan = Plan::new(&parts)?;
        let pass = self.gate.pass(plan.memory()).await?;
        let mut work = Work { parts, plan, pictures: Vec::new(), _pass: pass };
        // Each part has a turn of its own, so that a sign-in waits for one picture at most and not for seven.
        while !work.is_decoded() {
            let decode = Arc::clone(&self.decode);
            work = self.run(move || work.decode_next(&*decode)).await?;
        }
        self.run(move || work.finish()).await
    }
}
