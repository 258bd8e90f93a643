//! `/api/v1/realtime`: what a browser needs before it opens a socket.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::Body;
use crate::config::Services;
use crate::credential::Caller;
use crate::dto::error::ErrorBody;
use crate::error::{ApiError, ApiResult};
use crate::input::{Fields, Unknown};
use crate::ws::{LIVES_FOR, Tickets};

/// What opens one socket.
#[derive(Serialize, ToSchema)]
pub(crate) struct TicketBody {
    /// For `?ticket=` of `/ws/{room_id}/{user_id}`, once.
    ticket: String,
    /// For how long, in seconds.
    expires_in: u64,
}

/// Nothing has to be said; a body may be left out.
#[derive(ToSchema)]
pub(crate) struct TicketRequest {}

/// Makes a ticket that opens one socket of the caller, within 30 seconds. The socket then lives as long as the token that
/// asked for the ticket.
#[utoipa::path(post, path = "/api/v1/realtime/ticket", operation_id = "createRealtimeTicket", tag = "rooms",
    security(("bearer" = [])), request_body = Option<TicketRequest>,
    responses((status = 201, body = TicketBody), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody)))]
pub(crate) async fn ticket(
    (caller, body, services, tickets): (Caller, Body, Data<Services>, Data<Tickets>),
) -> ApiResult {
    Fields::new(body.optional_object().await?, Unknown::Refuse).finish(&[])?;
    // A token outlives the account that it was made for.
    if services.profiles.profile(caller.claims.user_id).await?.is_none() {
        return Err(ApiError::unauthorized());
    }
    let ticket = tickets.issue(&caller.claims, services.entropy.as_ref(), services.clock.now());
    let ticket = ticket.ok_or_else(|| ApiError::internal("a ticket could not be sealed"))?;
    Ok(HttpResponse::Created().json(TicketBody { ticket, expires_in: LIVES_FOR.as_secs() }))
}
