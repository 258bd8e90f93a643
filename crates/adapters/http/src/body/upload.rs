//! Reading uploads: counted while they stream, and given up as soon as they are too large.

use std::time::Duration;

use actix_web::http::header;
use actix_web::web::Data;
use frontdesk_profile::avatar::{Part, UPLOAD_LIMIT};
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::room::{Full, Taken, UploadRoom};
use super::{Body, refuse_compressed, unsupported};
use crate::error::{ApiError, Code};
use crate::input::refused_field;
use crate::multipart::{self, BODY_LIMIT, Multipart, Refused};

/// How long an upload may take: what is allowed comes through a line of 1 Mbit/s.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the first bytes may take, and the least that must come in each second from then on.
const FIRST: Duration = Duration::from_secs(5);
const BYTES_A_SECOND: usize = 1_024;
/// When to come again where there is no room: pictures are rendered in less.
const SOON: Duration = Duration::from_secs(2);

/// Pictures as they were sent, and the room that they take for as long as anybody holds them.
pub(crate) struct Received {
    pub(crate) parts: Vec<Part>,
    pub(crate) room: Taken,
}

/// How long an upload may have taken when so much of it has come.
fn allowed_for(read: usize) -> Duration {
    let seconds = u64::try_from(read / BYTES_A_SECOND).unwrap_or(u64::MAX);
    FIRST.saturating_add(Duration::from_secs(seconds)).min(PATIENCE)
}

fn too_slow() -> ApiError {
    let seconds = PATIENCE.as_secs();
    let rule = format!("the body took over {seconds} s, or came slower than {BYTES_A_SECOND} bytes a second");
    ApiError::new(Code::RequestTimeout, rule)
}

fn too_large() -> ApiError {
    ApiError::new(Code::PayloadTooLarge, Refused::TooLarge.to_string()).detail("limit_bytes", json!(UPLOAD_LIMIT))
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed(rule) => Self::malformed(rule),
            Refused::Part { name, rule } => refused_field(name, rule),
            Refused::TooLarge => too_large(),
        }
    }
}

impl From<Full> for ApiError {
    fn from(_: Full) -> Self {
        let full = Self::new(Code::Unavailable, "too many uploads are on their way; send it again in a moment");
        Self { retry_after: Some(SOON), ..full }
    }
}

impl Body {
    /// Reads the parts of a form: one at least, and none of them empty.
    pub(crate) async fn parts(mut self) -> Result<Received, ApiError> {
        let room = self.request.app_data::<Data<UploadRoom>>().map(|room| room.enter());
        let mut room = room.ok_or_else(|| ApiError::internal("there is no room for uploads"))?;
        let parts = self.read_parts(&mut room).await?;
        self.is_read = true;
        Ok(Received { parts, room })
    }

    async fn read_parts(&mut self, room: &mut Taken) -> Result<Vec<Part>, ApiError> {
        let content_type = self.request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let boundary = content_type.and_then(multipart::boundary);
        let boundary = boundary.ok_or_else(|| unsupported("the body must be multipart/form-data"))?;
        refuse_compressed(&self.request)?;
        let declared = self.declared();
        if declared.is_some_and(|length| length > BODY_LIMIT) {
            return Err(too_large());
        }
        // What is sent with a boundary that is none is read all the same, see `read_on`.
        let multipart = boundary.map(|boundary| Multipart::new(&boundary, declared));
        let mut outcome = None;
        self.read_on(multipart, room, &mut outcome).await;
        outcome.unwrap_or_else(|| Err(ApiError::internal("an upload was neither read nor refused")))
    }

    /// Reads to the end, also where the outcome is known before: a client that is still sending hears no answer if the
    /// connection is closed on it. Only what is too large is not read to its end.
    async fn read_on(
        &mut self,
        multipart: Result<Multipart, Refused>,
        room: &mut Taken,
        outcome: &mut Option<Result<Vec<Part>, ApiError>>,
    ) {
        let mut multipart = multipart.map_err(|refused| *outcome = Some(Err(refused.into()))).ok();
        let (begun, mut read) = (Instant::now(), 0_usize);
        loop {
            let chunk = match timeout_at(begun + allowed_for(read), self.payload.next()).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(_) => {
                    outcome.get_or_insert_with(|| Err(too_slow()));
                    return;
                }
            };
            let Ok(chunk) = chunk else {
                outcome.get_or_insert_with(|| Err(ApiError::malformed("the body ended before it was complete")));
                return;
            };
            read = read.saturating_add(chunk.len());
            let pushed = multipart.as_mut().map(|multipart| {
                room.grow(chunk.len())?;
                multipart.push(&chunk).map_err(ApiError::from)
            });
            match pushed {
                Some(Err(refused)) => {
                    // Nothing of it is held from here on.
                    multipart = None;
                    room.clear();
                    *outcome = Some(Err(refused));
                }
                None if read > BODY_LIMIT => return,
                Some(Ok(())) | None => {}
            }
        }
        if let Some(multipart) = multipart {
            *outcome = Some(multipart.finish().map_err(ApiError::from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_sends_steadily_has_a_minute_and_whoever_stalls_has_seconds() {
        assert_eq!(allowed_for(0), FIRST);
        assert_eq!(allowed_for(10 * BYTES_A_SECOND), FIRST + Duration::from_secs(10));
        assert_eq!(allowed_for(usize::MAX), PATIENCE);
    }
}
